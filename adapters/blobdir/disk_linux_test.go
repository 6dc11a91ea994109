package blobdir

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

func TestPlaceAndModes(t *testing.T) {
	old := syscall.Umask(0) // so that only we decide
	defer syscall.Umask(old)
	d := open(t)
	put(t, d, "abc")
	assert.Equal(t, []string{"/", "/ba/", "/ba/78/",
		"/ba/78/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "/tmp/"}, files(t, d))
	for _, name := range files(t, d) {
		info, err := os.Stat(filepath.Join(d.root, name))
		require.NoError(t, err)
		want := fs.FileMode(0o600)
		if info.IsDir() {
			want = 0o700
		}
		assert.Equal(t, want, info.Mode().Perm(), name)
	}
}

func TestDirectoryOfAnotherUser(t *testing.T) {
	root, err := os.MkdirTemp("", "blobdir") // t.TempDir is closed to others
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(root) })
	d, err := New(root, Config{})
	require.NoError(t, err)
	digest := put(t, d, "x")
	require.NoError(t, os.Chmod(d.root, 0o500))
	t.Cleanup(func() { os.Chmod(d.root, 0o700) })
	if os.Getuid() == 0 {
		// Root may do everything: for this thread's files be somebody else, who
		// owns the directory and may not write to it.
		for _, name := range files(t, d) {
			require.NoError(t, os.Chown(d.root+name, 65534, 65534))
		}
		runtime.LockOSThread()
		require.NoError(t, syscall.Setfsuid(65534))
		defer func() {
			require.NoError(t, syscall.Setfsuid(0))
			runtime.UnlockOSThread()
		}()
	}
	_, err = d.Put(context.Background(), []byte("y"))
	require.ErrorIs(t, err, os.ErrPermission)
	require.ErrorContains(t, err, "chown")
	requireBody(t, d, digest, "x")
	requireBody(t, d, put(t, d, "x"), "x") // nothing to write
}

func TestReadOnlyFileSystem(t *testing.T) {
	d := open(t)
	mount(t, d.root, "mode=700")
	digest := put(t, d, "x")
	require.NoError(t, syscall.Mount("none", d.root, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	_, err := d.Put(context.Background(), []byte("y"))
	require.ErrorIs(t, err, syscall.EROFS)
	require.ErrorContains(t, err, "read-write")
	requireBody(t, d, digest, "x")
	d.now = func() time.Time { return time.Now().Add(2 * Day) }
	_, err = d.Sweep(context.Background(), 0, nothing)
	require.ErrorIs(t, err, syscall.EROFS)
	reader, err := New(d.root, Config{})
	require.NoError(t, err)
	requireBody(t, reader, digest, "x")
}

func TestDiskFull(t *testing.T) {
	d := open(t)
	mount(t, d.root, "mode=700,size=256k")
	digest := put(t, d, "x")
	_, err := d.Put(context.Background(), make([]byte, 1<<20))
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "free some space")
	for _, name := range files(t, d) {
		assert.NotContains(t, name, unfinished)
	}
	requireBody(t, d, digest, "x")
	requireBody(t, d, put(t, d, "small"), "small") // recovered by itself
}

// mount puts a file system of its own at a directory.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	if err := syscall.Mount("none", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("needs a file system of its own, which only root may mount: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(dir, 0)) })
}

// TestKilledWriters kills processes that put, and wants whole bodies or none.
func TestKilledWriters(t *testing.T) {
	d := open(t)
	for n := range 10 {
		child := exec.Command(os.Args[0], "-test.run=^TestChildPutsForEver$")
		child.Env = append(os.Environ(), "BLOBDIR_CHILD="+d.root)
		var out bytes.Buffer
		child.Stdout = &out
		require.NoError(t, child.Start())
		time.Sleep(time.Duration(30+7*n) * time.Millisecond)
		require.NoError(t, child.Process.Kill())
		child.Wait()
		for _, line := range strings.Fields(out.String()) { // acknowledged
			var digest incident.Digest
			if digest.UnmarshalText([]byte(line)) == nil {
				_, err := read(d, digest)
				require.NoError(t, err)
			}
		}
	}
	whole, halves := 0, 0
	for _, name := range files(t, d) {
		switch {
		case strings.Contains(name, unfinished):
			halves++
		case !strings.HasSuffix(name, "/"):
			whole++
			digest, ok := parse(name[len("/ab/cd/"):])
			require.True(t, ok, name)
			_, err := read(d, digest)
			require.NoError(t, err)
		}
	}
	t.Logf("%d whole bodies, %d left unfinished", whole, halves)
	require.NotZero(t, whole)
	d.now = func() time.Time { return time.Now().Add(2 * Day) }
	require.Equal(t, whole, sweepAll(t, d))
	for _, name := range files(t, d) {
		require.True(t, strings.HasSuffix(name, "/"), "left behind: %s", name)
	}
}

// TestChildPutsForEver is the process that is killed.
func TestChildPutsForEver(t *testing.T) {
	root := os.Getenv("BLOBDIR_CHILD")
	if root == "" {
		t.Skip("runs as a child of TestKilledWriters")
	}
	d, err := New(root, Config{})
	require.NoError(t, err)
	content := make([]byte, 200_000)
	for n := time.Now().UnixNano(); ; n++ {
		copy(content, time.Unix(0, n).String())
		digest, err := d.Put(context.Background(), content)
		require.NoError(t, err)
		os.Stdout.WriteString(digest.String() + "\n")
	}
}

package blobdir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

func open(t testing.TB) *Dir {
	t.Helper()
	d, err := New(filepath.Join(t.TempDir(), "blobs"), Config{})
	require.NoError(t, err)
	return d
}

func put(t testing.TB, d *Dir, content string) incident.Digest {
	t.Helper()
	digest, err := d.Put(context.Background(), []byte(content))
	require.NoError(t, err)
	return digest
}

func read(d *Dir, digest incident.Digest) (string, error) {
	r, err := d.Open(context.Background(), digest)
	if err != nil {
		return "", err
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	return string(content), err
}

func requireBody(t testing.TB, d *Dir, digest incident.Digest, want string) {
	t.Helper()
	got, err := read(d, digest)
	require.NoError(t, err)
	require.True(t, want == got, "another body") // not printed: it may be large
}

// files returns the names below the root, directories with a slash.
func files(t testing.TB, d *Dir) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(d.root, func(path string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, d.root)
		if entry.IsDir() {
			name += "/"
		}
		names = append(names, name)
		return err
	}))
	return names
}

func TestPutAndOpen(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	large := make([]byte, 30<<20)
	for i := range large {
		large[i] = byte(random.Uint32())
	}
	d := open(t)
	for _, c := range []struct{ name, body string }{
		{"empty", ""}, {"one byte", "x"}, {"text", "Subject: scans\r\n\r\nfrom 192.0.2.17\r\n"},
		{"a piece", string(large[:64<<10])}, {"a piece and more", string(large[:64<<10+1])}, {"30 MB", string(large)},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // written, then found
				digest := put(t, d, c.body)
				require.Equal(t, incident.DigestOf([]byte(c.body)), digest)
				requireBody(t, d, digest, c.body)
			}
		})
	}
	other, err := New(d.root, Config{})
	require.NoError(t, err)
	requireBody(t, other, incident.DigestOf([]byte("x")), "x")
}

func TestPutAgainOnlyMakesYoung(t *testing.T) {
	d := open(t)
	path := d.path(put(t, d, "x"))
	before, err := os.Stat(path)
	require.NoError(t, err)
	age(t, path, 2*Day)
	put(t, d, "x")
	after, err := os.Stat(path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after), "written again")
	assert.WithinDuration(t, time.Now(), after.ModTime(), time.Minute)
}

func TestOpenNotFound(t *testing.T) {
	_, err := open(t).Open(context.Background(), incident.DigestOf([]byte("nowhere")))
	require.ErrorIs(t, err, storage.ErrNotFound)
}

func TestNewRefuses(t *testing.T) {
	_, err := New("", Config{})
	require.ErrorContains(t, err, "name of a directory")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = New(file, Config{})
	require.ErrorContains(t, err, "is no directory")
	_, err = New(filepath.Join(file, "below"), Config{})
	require.Error(t, err)
}

func TestNewMakesDirectories(t *testing.T) {
	d, err := New(filepath.Join(t.TempDir(), "a", "b", "c"), Config{})
	require.NoError(t, err)
	digest := put(t, d, "x")
	require.NoError(t, os.RemoveAll(d.root)) // as an operator may, who restores
	requireBody(t, d, put(t, d, "x"), "x")
	requireBody(t, d, digest, "x")
}

func TestDamage(t *testing.T) {
	for _, c := range []struct{ name, content string }{
		{"one bit", "Subject: scant\r\n"}, {"shorter", "Subject"}, {"longer", "Subject: scans\r\n\x00"}, {"empty", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t)
			digest := put(t, d, "Subject: scans\r\n")
			require.NoError(t, os.WriteFile(d.path(digest), []byte(c.content), 0o600))
			_, err := read(d, digest)
			var damaged *DamagedError
			require.ErrorAs(t, err, &damaged)
			assert.Equal(t, &DamagedError{Path: d.path(digest), Digest: digest, Found: incident.DigestOf([]byte(c.content))}, damaged)
			assert.ErrorContains(t, err, d.path(digest))
			put(t, d, "Subject: scans\r\n")
			requireBody(t, d, digest, "Subject: scans\r\n")
		})
	}
}

func TestReadBytewise(t *testing.T) {
	d := open(t)
	r, err := d.Open(context.Background(), put(t, d, "abc"))
	require.NoError(t, err)
	defer r.Close()
	var got []byte
	for one := make([]byte, 1); ; {
		n, err := r.Read(one)
		got = append(got, one[:n]...)
		if err != nil {
			require.Equal(t, io.EOF, err)
			break
		}
	}
	assert.Equal(t, "abc", string(got))
}

func TestContext(t *testing.T) {
	d := open(t)
	digest := put(t, d, "abc")
	ctx, cancel := context.WithCancel(context.Background())
	r, err := d.Open(ctx, digest)
	require.NoError(t, err)
	defer r.Close()
	cancel()
	_, err = io.ReadAll(r)
	assert.ErrorIs(t, err, context.Canceled)
	_, err = d.Open(ctx, digest)
	assert.ErrorIs(t, err, context.Canceled)
	_, err = d.Put(ctx, []byte("never"))
	assert.ErrorIs(t, err, context.Canceled)
	_, err = d.Sweep(ctx, 0, nothing)
	assert.ErrorIs(t, err, context.Canceled)
}

// TestContextWithinPut ends the context at each moment that Put looks.
func TestContextWithinPut(t *testing.T) {
	for looks := range 40 {
		d := open(t)
		ctx := &fading{Context: context.Background(), looks: looks}
		_, err := d.Put(ctx, make([]byte, 3<<20))
		if err == nil {
			require.Greater(t, looks, 4)
			return
		}
		require.ErrorIs(t, err, context.Canceled)
		for _, name := range files(t, d) {
			assert.True(t, strings.HasSuffix(name, "/"), "left behind: %s", name)
		}
	}
	t.Fatal("Put never came through")
}

// fading is a context that ends after some looks at it.
type fading struct {
	context.Context
	looks int
}

func (f *fading) Err() error {
	if f.looks--; f.looks < 0 {
		return context.Canceled
	}
	return nil
}

func TestAdviceInErrors(t *testing.T) {
	for cause, advice := range map[error]string{
		syscall.ENOSPC: "free some space", syscall.EDQUOT: "free some space", syscall.EROFS: "read-write",
		syscall.EACCES: "chown", syscall.EPERM: "chown", syscall.EMFILE: "open files", syscall.EIO: "look at the disk",
	} {
		err := explain(&fs.PathError{Op: "write", Path: "/x", Err: cause})
		assert.ErrorIs(t, err, cause)
		assert.ErrorContains(t, err, advice)
		assert.ErrorContains(t, err, "/x")
	}
}

// TestManySides puts bodies from goroutines and processes while sweeps remove
// them as fast as they can.
func TestManySides(t *testing.T) {
	d := open(t)
	var children []*exec.Cmd
	for range 2 {
		child := exec.Command(os.Args[0], "-test.run=^TestChildPuts$")
		child.Env = append(os.Environ(), "BLOBDIR_CHILD="+d.root)
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		require.NoError(t, child.Start())
		children = append(children, child)
	}
	done := make(chan bool)
	var sweeps, writers sync.WaitGroup
	removed := make([]int, 2)
	for n := range removed {
		sweeps.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				count, err := d.Sweep(context.Background(), 0, nothing)
				assert.NoError(t, err)
				removed[n] += count
			}
		})
	}
	for n := range 8 {
		writers.Go(func() { assert.NoError(t, hammer(d, n)) })
	}
	writers.Wait()
	for _, child := range children {
		require.NoError(t, child.Wait())
	}
	close(done)
	sweeps.Wait()
	t.Logf("%v bodies swept", removed)
	assert.NotZero(t, removed[0]+removed[1])
	for _, name := range files(t, d) {
		assert.NotContains(t, name, unfinished)
		assert.NotContains(t, name, doomed)
	}
	for n := range 3 {
		content := strings.Repeat(fmt.Sprint(n), 6000)
		requireBody(t, d, incident.DigestOf([]byte(content)), content)
	}
}

// TestChildPuts is the other process of TestManySides.
func TestChildPuts(t *testing.T) {
	root := os.Getenv("BLOBDIR_CHILD")
	if root == "" {
		t.Skip("runs as a child of TestManySides")
	}
	d, err := New(root, Config{})
	require.NoError(t, err)
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() { assert.NoError(t, hammer(d, n)) })
	}
	all.Wait()
}

// hammer puts two bodies in turn and reads each that it has put: one of three that
// all put, and one of its own, which it makes old before it puts it again.
func hammer(d *Dir, number int) error {
	own := fmt.Sprintf("%d of process %d", number, os.Getpid())
	then := time.Now().Add(-2 * Day)
	for n := range 100 {
		for _, content := range []string{strings.Repeat(fmt.Sprint(n%3), 6000), own} {
			if content == own {
				os.Chtimes(d.path(incident.DigestOf([]byte(own))), then, then) // if it is there
				time.Sleep(rand.N(2 * time.Millisecond))
			}
			digest, err := d.Put(context.Background(), []byte(content))
			if err != nil {
				return err
			}
			got, err := read(d, digest)
			if err != nil {
				return err
			}
			if got != content {
				return errors.New("another body")
			}
		}
	}
	return nil
}

func BenchmarkPut6kB(b *testing.B) {
	d := open(b)
	content := bytes.Repeat([]byte("x"), 6000)
	b.SetBytes(int64(len(content)))
	for n := 0; b.Loop(); n++ {
		copy(content, fmt.Sprint(n))
		if _, err := d.Put(context.Background(), content); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPutAgain6kB(b *testing.B) {
	d := open(b)
	content := bytes.Repeat([]byte("x"), 6000)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := d.Put(context.Background(), content); err != nil {
			b.Fatal(err)
		}
	}
}

package exportdir_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/exportdir"
)

var ctx = context.Background()

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "routes.conf")
	changed, err := exportdir.WriteFile(path, []byte("one\n"))
	require.NoError(t, err)
	require.True(t, changed)
	require.NoError(t, os.Chmod(path, 0o640))
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	require.NoError(t, os.Chtimes(path, past, past))

	changed, err = exportdir.WriteFile(path, []byte("one\n"))
	require.NoError(t, err)
	require.False(t, changed)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, info.ModTime().Equal(past), "what is the same is not written again")

	changed, err = exportdir.WriteFile(path, nil)
	require.NoError(t, err)
	require.True(t, changed)
	info, err = os.Stat(path)
	require.NoError(t, err)
	require.Zero(t, info.Size())
	require.Equal(t, os.FileMode(0o640), info.Mode(), "it keeps its permissions")
	require.Equal(t, []string{"routes.conf"}, files(t, dir), "nothing is left beside it")
}

func TestLinkStays(t *testing.T) {
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "real.conf")
	link := filepath.Join(dir, "routes.conf")
	require.NoError(t, os.WriteFile(elsewhere, []byte("old"), 0o600))
	require.NoError(t, os.Symlink(elsewhere, link))
	changed, err := exportdir.WriteFile(link, []byte("new"))
	require.NoError(t, err)
	require.True(t, changed)
	content, err := os.ReadFile(elsewhere)
	require.NoError(t, err)
	require.Equal(t, "new", string(content))
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	d, err := exportdir.New(dir)
	require.NoError(t, err)
	for _, name := range []string{"", ".", "..", ".hidden", "../routes", "a/b", `a\b`, "a\x00b", "a\nb", "C:x", strings.Repeat("x", 201)} {
		require.ErrorContains(t, d.Put(ctx, name, nil), "is no name of a file", "%q", name)
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	require.ErrorContains(t, d.Put(ctx, "folder", nil), "is no file")
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, d.Put(stopped, "routes", nil), context.Canceled)
	require.Equal(t, []string{"folder"}, files(t, dir))

	_, err = exportdir.New(filepath.Join(dir, "nowhere"))
	require.ErrorContains(t, err, "make the directory first")
	require.NoError(t, d.Put(ctx, "routes", []byte("x")))
	_, err = exportdir.New(filepath.Join(dir, "routes"))
	require.ErrorContains(t, err, "is no directory")
	_, err = exportdir.WriteFile("/dev/null", []byte("x"))
	require.ErrorContains(t, err, "is no file")
}

// A failure leaves the file as it was, and nothing beside it.
func TestFailure(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "routes.conf")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o644))
	long := filepath.Join(dir, strings.Repeat("x", 300))
	_, err := exportdir.WriteFile(long, []byte("x"))
	require.Error(t, err)
	require.Equal(t, []string{"routes.conf"}, files(t, dir))
	require.NoError(t, os.Chmod(dir, 0o555))
	defer os.Chmod(dir, 0o755)
	if os.Getuid() == 0 {
		t.Skip("nothing is forbidden to root")
	}
	_, err = exportdir.WriteFile(path, []byte("new"))
	require.ErrorIs(t, err, os.ErrPermission)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "old", string(content))
}

// Who reads while others write sees one of the texts, whole.
func TestNeverAPart(t *testing.T) {
	dir := t.TempDir()
	d, err := exportdir.New(dir)
	require.NoError(t, err)
	text := func(n int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%d", n), 100_000) }
	require.NoError(t, d.Put(ctx, "routes", text(0)))
	var writers sync.WaitGroup
	for n := range 4 {
		writers.Go(func() {
			for range 20 {
				if err := d.Put(ctx, "routes", text(n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		content, err := os.ReadFile(filepath.Join(dir, "routes"))
		require.NoError(t, err)
		require.Len(t, content, 100_000)
		require.Equal(t, bytes.Repeat(content[:1], len(content)), content)
	}
	require.Equal(t, []string{"routes"}, files(t, dir))
}

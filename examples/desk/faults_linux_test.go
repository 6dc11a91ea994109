package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A small file system, filled up and made read-only under a running daemon.
func TestDiskFullAndReadOnly(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("SKIPPED, a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(folder, syscall.MNT_DETACH)) })
	s := newShift(t, filepath.Join(folder, "desk.db"))
	s.takes()

	filler := filepath.Join(folder, "filler")
	require.NoError(t, os.WriteFile(filler, make([]byte, 6<<20), 0o600))
	s.refuses(3 << 20)
	s.refuses(3 << 20)
	require.NoError(t, os.Remove(filler))
	s.takes()

	s.ends()

	s.stop() // a file system with files open for writing does not become read-only
	require.NoError(t, syscall.Mount("", folder, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	require.Contains(t, s.bench.refused(exitRefused, "take", "1"), "make the file and its folder writable")
	require.NoError(t, syscall.Mount("", folder, "", syscall.MS_REMOUNT, ""))
	s.ok("take", "1")
}

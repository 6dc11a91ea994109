package blobdir

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Day is the least age at which a sweep removes.
const Day = 24 * time.Hour

// Sweep removes the bodies that are older than olderThan and for which referenced
// returns false, and returns their number. It also removes what writers that
// were killed left behind, at the same age. olderThan is at least a [Day], which
// is also what 0 stands for: so long has the caller of Put, from then on, to
// commit a record that names the body. referenced looks at what is committed; it
// is called for one body at a time, only for old ones.
//
// Sweep may run beside Put, Open and other sweeps of any process. The first error,
// of referenced (returned as it is), of ctx or of the file system, ends it; what
// was removed until then counts.
//
// Nothing that somebody may still name is lost, because:
//
//   - A body that was put a day ago and that no committed record names now will
//     not be named, unless it is put again.
//   - Putting it again sets the time of the body, then looks whether there is one in
//     its place, and writes it anew if not. The sweep moves the body out of its
//     place, then looks at its time. Whatever the order, one of them sees the
//     other: if the time was not yet set when the sweep looked, the body had
//     been moved before Put looked.
//   - Each sweep moves bodies to names of its own, and removes only what it moved.
//   - A sweep that is killed in between leaves a moved body, which Open finds and
//     the next sweep brings back, young.
func (d *Dir) Sweep(ctx context.Context, olderThan time.Duration, referenced func(context.Context, incident.Digest) (bool, error)) (removed int, err error) {
	if olderThan == 0 {
		olderThan = Day
	}
	if olderThan < Day {
		return 0, fmt.Errorf("blobdir: Sweep at the age of %v: allowed is %v or more, so that a body that was put can still be committed", olderThan, Day)
	}
	if referenced == nil {
		return 0, errors.New("blobdir: Sweep needs to be told what is referenced: without that it would remove everything")
	}
	s := &sweep{dir: d, before: d.now().Add(-olderThan), referenced: referenced, mark: rand.Text()}
	if err := s.leftovers(ctx); err != nil {
		return 0, err
	}
	err = s.all(ctx)
	return s.removed, err
}

// sweep is one run of Sweep.
type sweep struct {
	dir        *Dir
	before     time.Time
	referenced func(context.Context, incident.Digest) (bool, error)
	mark       string // of what this sweep moves
	removed    int
}

// leftovers clears the directory of temporary files.
func (s *sweep) leftovers(ctx context.Context) error {
	within := filepath.Join(s.dir.root, temporary)
	return each(within, func(entry fs.DirEntry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(within, entry.Name())
		if name, ok := strings.CutPrefix(entry.Name(), doomed); ok {
			name, _, _ = strings.Cut(name, "-")
			if digest, ok := parse(name); ok {
				return s.bringBack(path, digest)
			}
		}
		if strings.HasPrefix(entry.Name(), unfinished) && s.isOld(path) {
			return unlessGone(os.Remove(path))
		}
		return nil
	})
}

// all looks at every body.
func (s *sweep) all(ctx context.Context) error {
	root := s.dir.root
	return each(root, func(first fs.DirEntry) error {
		if len(first.Name()) != 2 || !first.IsDir() {
			return nil
		}
		return each(filepath.Join(root, first.Name()), func(second fs.DirEntry) error {
			if len(second.Name()) != 2 || !second.IsDir() {
				return nil
			}
			leaf := filepath.Join(root, first.Name(), second.Name())
			return each(leaf, func(file fs.DirEntry) error {
				digest, ok := parse(file.Name())
				if path := filepath.Join(leaf, file.Name()); ok && path == s.dir.path(digest) {
					return s.one(ctx, path, digest)
				}
				return nil // not ours
			})
		})
	})
}

// one removes a body if it is old and not referenced.
func (s *sweep) one(ctx context.Context, path string, digest incident.Digest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.isOld(path) {
		return nil
	}
	if named, err := s.referenced(ctx, digest); err != nil || named {
		return err
	}
	away := s.dir.doomedPath(digest, s.mark)
	if err := s.dir.makeDir(filepath.Dir(away)); err != nil {
		return explain(err)
	}
	if err := os.Rename(path, away); err != nil {
		return unlessGone(err)
	}
	if !s.isOld(away) {
		return s.bringBack(away, digest)
	}
	if err := os.Remove(away); err != nil {
		return unlessGone(err) // brought back by another sweep
	}
	s.removed++
	return nil
}

// bringBack puts a body in its place again, young: it may replace one that was
// put there meanwhile, whose time then counts.
func (s *sweep) bringBack(away string, digest incident.Digest) error {
	now := s.dir.now()
	if err := os.Chtimes(away, now, now); err != nil {
		return unlessGone(err)
	}
	return unlessGone(os.Rename(away, s.dir.path(digest)))
}

// isOld is false for a file that is gone.
func (s *sweep) isOld(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular() && info.ModTime().Before(s.before)
}

// each calls fn for the entries of a directory, which may be gone.
func each(dir string, fn func(fs.DirEntry) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return unlessGone(err)
	}
	for _, entry := range entries {
		if err := fn(entry); err != nil {
			return err
		}
	}
	return nil
}

// unlessGone explains an error, unless it says that somebody else was faster.
func unlessGone(err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return explain(err)
}

// parse reads the name of a body.
func parse(name string) (digest incident.Digest, ok bool) {
	err := digest.UnmarshalText([]byte(name))
	return digest, err == nil && digest.String() == name
}

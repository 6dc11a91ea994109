package blobdir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// Config adjusts a [Dir]. Every field may be zero.
type Config struct {
	Now func() time.Time // the age of bodies is taken from it; default time.Now
}

// Dir keeps bodies in a directory. Make one with [New]. It is safe for concurrent
// use, and so is the directory for several processes whose clocks agree
// within hours.
type Dir struct {
	root string
	now  func() time.Time

	mu      sync.Mutex
	settled map[string]bool // directories whose own name is durable
}

var _ storage.Blobs = (*Dir)(nil)

const (
	temporary  = "tmp"    // directory
	unfinished = "put-"   // prefix of a body that is being written
	doomed     = "swept-" // prefix of a body that is being swept; its digest, a dash and the mark of the sweep follow
)

// New returns the bodies in dir, which is created when it is missing. It is an
// error when dir cannot be created or is no directory. A directory that
// cannot be written to is none: bodies can be read.
func New(dir string, config Config) (*Dir, error) {
	if dir == "" {
		return nil, errors.New("blobdir: New needs the name of a directory")
	}
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("blobdir: %w: name the directory by an absolute path", err)
	}
	d := &Dir{root: root, now: config.Now, settled: make(map[string]bool)}
	if d.now == nil {
		d.now = time.Now
	}
	info, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := d.makeDir(root); err != nil {
			return nil, explain(err)
		}
	case err != nil:
		return nil, explain(err)
	case !info.IsDir():
		return nil, fmt.Errorf("blobdir: %s is no directory: name one, or a path where one can be created", root)
	default:
		syncDir(filepath.Dir(root)) // as far as we may: the directory is the operator's work
		d.settle(root)
	}
	return d, nil
}

// Put keeps content and returns its digest when it is durable: the file and every
// directory above it have been synced. Putting the same bytes again makes the
// body young again, and mends it when its file was damaged.
//
// Put returns the error of ctx when that ends before the body is in its place.
// Any other error comes from the file system and says what to do; errors.Is
// finds the cause, like syscall.ENOSPC. Nothing is left in the place of the
// body then.
func (d *Dir) Put(ctx context.Context, content []byte) (incident.Digest, error) {
	digest := incident.DigestOf(content)
	if err := d.put(ctx, d.path(digest), content); err != nil {
		if ctx.Err() != nil {
			return incident.Digest{}, ctx.Err()
		}
		return incident.Digest{}, explain(err)
	}
	return digest, nil
}

func (d *Dir) put(ctx context.Context, path string, content []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.makeDir(filepath.Dir(path)); err != nil {
		return err
	}
	if !d.rejuvenate(path, content) {
		if err := d.write(ctx, path, content); err != nil {
			return err
		}
	}
	// Also for a body that was there: whoever put it may not have come so far.
	return syncDir(filepath.Dir(path))
}

// rejuvenate reports whether the body is there, undamaged and young now.
func (d *Dir) rejuvenate(path string, content []byte) bool {
	if !holds(path, content) {
		return false
	}
	now := d.now()
	if os.Chtimes(path, now, now) != nil {
		return false // gone, or another user's: it is written again
	}
	// Chtimes may have reached a file that a sweep was moving away meanwhile,
	// too late for that sweep to see it.
	_, err := os.Lstat(path)
	return err == nil
}

// holds reports whether a file has this content.
func holds(path string, content []byte) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() != int64(len(content)) {
		return false
	}
	piece := make([]byte, min(len(content), 64<<10))
	for len(content) > 0 {
		n, err := io.ReadFull(f, piece[:min(len(piece), len(content))])
		if err != nil || !bytes.Equal(piece[:n], content[:n]) {
			return false
		}
		content = content[n:]
	}
	return true
}

// write puts a new file in the place of the body.
func (d *Dir) write(ctx context.Context, path string, content []byte) (err error) {
	within := filepath.Join(d.root, temporary)
	if err := d.makeDir(within); err != nil {
		return err
	}
	f, err := os.CreateTemp(within, unfinished) // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if err := fill(ctx, f, content); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	now := d.now()
	if err := os.Chtimes(f.Name(), now, now); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// fill writes content and syncs it.
func fill(ctx context.Context, f *os.File, content []byte) error {
	for len(content) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.Write(content[:min(len(content), 1<<20)])
		if err != nil {
			return err
		}
		content = content[n:]
	}
	return f.Sync()
}

// path returns the place of a body.
func (d *Dir) path(digest incident.Digest) string {
	name := digest.String()
	return filepath.Join(d.root, name[:2], name[2:4], name)
}

// doomedPath returns the place of a body that the sweep with this mark is about to
// remove. No two sweeps share one: each removes what it moved itself.
func (d *Dir) doomedPath(digest incident.Digest, mark string) string {
	return filepath.Join(d.root, temporary, doomed+digest.String()+"-"+mark)
}

// makeDir makes a directory, those above it and their names durable. One that is
// there already may be the work of another process that has not synced it yet,
// so each is synced once by every Dir.
func (d *Dir) makeDir(dir string) error {
	_, err := os.Stat(dir)
	exists := err == nil
	if exists && (d.isSettled(dir) || len(dir) < len(d.root)) {
		return nil
	}
	above := filepath.Dir(dir)
	if above == dir {
		return err
	}
	if err := d.makeDir(above); err != nil {
		return err
	}
	if !exists {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := syncDir(above); err != nil {
		return err
	}
	d.settle(dir)
	return nil
}

func (d *Dir) isSettled(dir string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.settled[dir]
}

func (d *Dir) settle(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settled[dir] = true
}

// syncDir makes the names in a directory durable.
//
// QUIRK: Windows has no such call.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// explain adds what to do to an error of the file system.
func explain(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("blobdir: %w: free some space, or move the directory to a larger disk", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("blobdir: %w: mount the file system read-write (it becomes read-only by itself after a disk error)", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("blobdir: %w: give this user the directory and all in it (chown)", err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("blobdir: %w: raise the limit of open files", err)
	}
	return fmt.Errorf("blobdir: %w: look at the disk and its file system", err)
}

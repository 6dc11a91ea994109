// Package exportdir keeps exported texts as files in a directory: configuration that
// a router or packet filter fetches. [Dir.Put] is for desk.Config.Exports;
// [WriteFile] writes a single file in the same way.
//
// Who reads a file sees the old text or the new one, never a part, whenever the
// machine stops. A file whose text is the same already is not touched, so that
// whatever watches it is not woken.
package exportdir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
)

// Dir is a directory of exported texts. Make one with [New]. It is safe for
// concurrent use, by several processes too: the last text of a name stays.
type Dir struct{ path string }

// New returns the texts in a directory, which must exist.
func New(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("exportdir: %w", err)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("exportdir: %w: make the directory first", err)
	case !info.IsDir():
		return nil, fmt.Errorf("exportdir: %s is no directory", path)
	}
	return &Dir{path}, nil
}

// Put writes a text under a name, which is that of a file and no path. The errors
// are those of ctx, of the file system, and that the name is none.
func (d *Dir) Put(ctx context.Context, name string, content []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !plain(name) {
		return fmt.Errorf("exportdir: %q is no name of a file: allowed are names without folders that do not begin with a dot", name)
	}
	_, err := WriteFile(filepath.Join(d.path, name), content)
	return err
}

// plain reports whether a name stays in its directory, and is no hidden or
// temporary file.
func plain(name string) bool {
	return name != "" && len(name) <= 200 && name[0] != '.' && !strings.ContainsAny(name, `/\:`) &&
		!strings.ContainsFunc(name, unicode.IsControl)
}

// WriteFile puts content in the place of a file, at once and durable, and reports
// whether that changed it. A file that is there keeps its permissions; a new one
// has those that the process gives to files. A link stays one: what it leads to is
// replaced. After an error the file is as it was.
func WriteFile(path string, content []byte) (changed bool, err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, fmt.Errorf("exportdir: %w", err)
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("exportdir: %s is no file: allowed are files and names that are free", path)
	default:
		old, err := os.ReadFile(path)
		if err != nil {
			return false, fmt.Errorf("exportdir: %w", err)
		}
		if bytes.Equal(old, content) {
			return false, nil
		}
	}
	if err := replace(path, info, content); err != nil {
		return false, fmt.Errorf("exportdir: %w", err)
	}
	return true, nil
}

// replace writes a new file beside the old one and gives it its name.
func replace(path string, old fs.FileInfo, content []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := create(dir)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if old != nil {
		if err := f.Chmod(old.Mode().Perm()); err != nil {
			return err
		}
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// create makes an empty file with the permissions that the process gives to files,
// which os.CreateTemp does not.
func create(dir string) (*os.File, error) {
	for n := 0; ; n++ {
		name := filepath.Join(dir, fmt.Sprintf(".airtight-%d-%d", os.Getpid(), n))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if !errors.Is(err, fs.ErrExist) || n == 10_000 {
			return f, err
		}
	}
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

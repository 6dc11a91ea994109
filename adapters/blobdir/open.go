package blobdir

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// DamagedError says that a file does not hold the body that its name promises.
// Putting the body again mends it.
type DamagedError struct {
	Path   string          // of the file
	Digest incident.Digest // of what should be in it
	Found  incident.Digest // of what is in it
}

// Error implements error.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("blobdir: %s is damaged, it holds what has the digest %s: bring the file back from a backup", e.Path, e.Found)
}

// Open returns the body of a digest, to be closed by the caller.
// [storage.ErrNotFound]: there is none. Any other error comes from the file
// system and says what to do.
//
// The content is verified while it is read: in the place of io.EOF, Read returns a
// [*DamagedError] when it was not the body, so that io.ReadAll and io.Copy fail
// then. Whoever stops reading before the end has verified nothing. Read
// returns the error of ctx when that has ended.
func (d *Dir) Open(ctx context.Context, digest incident.Digest) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// Several sweeps may move a body away and back, one after the other.
	for range 3 {
		f, err := os.Open(d.path(digest))
		if errors.Is(err, fs.ErrNotExist) {
			f, err = d.openMoved(digest)
		}
		if err == nil {
			return &body{ctx: ctx, file: f, digest: digest, hash: sha256.New()}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, explain(err)
		}
	}
	return nil, fmt.Errorf("blobdir: %s: %w", digest, storage.ErrNotFound)
}

// openMoved opens a body where a sweep has moved it.
func (d *Dir) openMoved(digest incident.Digest) (*os.File, error) {
	entries, err := os.ReadDir(filepath.Join(d.root, temporary))
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if mark, ok := strings.CutPrefix(entry.Name(), doomed+digest.String()+"-"); ok {
			return os.Open(d.doomedPath(digest, mark))
		}
	}
	return nil, fs.ErrNotExist
}

// body is one that is being read. Its context is that of Open: readers have none.
type body struct {
	ctx    context.Context
	file   *os.File
	digest incident.Digest
	hash   hash.Hash
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.file.Read(p)
	b.hash.Write(p[:n])
	if err == io.EOF {
		if found := incident.Digest(b.hash.Sum(nil)); found != b.digest {
			return n, &DamagedError{Path: b.file.Name(), Digest: b.digest, Found: found}
		}
		return n, io.EOF
	}
	if err != nil {
		return n, explain(err)
	}
	return n, nil
}

func (b *body) Close() error { return b.file.Close() }

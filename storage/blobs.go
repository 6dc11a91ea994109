package storage

import (
	"context"
	"io"

	"github.com/airtight-csirt/airtight/incident"
)

// Blobs keeps large bodies outside of a store, under their SHA-256. It is not
// part of a transaction: a body is put before the record that names it is
// committed, and a body that no record came to name is swept later.
//
// Put returns when the body is durable; putting the same bytes again changes
// nothing but the body's age. Open returns [ErrNotFound] for a body that is not
// there. Blobs are safe for concurrent use, by several processes too.
type Blobs interface {
	Put(ctx context.Context, content []byte) (incident.Digest, error)
	Open(ctx context.Context, digest incident.Digest) (io.ReadCloser, error)
}

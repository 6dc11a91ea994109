package storagetest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// keyed is a store that changes keys before it looks at them.
func keyed(change func(storage.Key) storage.Key) lies {
	return lies{
		claim: func(next storage.Tx, ctx context.Context, key storage.Key, id incident.ID) (incident.ID, error) {
			return next.Claim(ctx, change(key), id)
		},
		claimed: func(next storage.Reader, ctx context.Context, key storage.Key) (incident.ID, bool, error) {
			return next.Claimed(ctx, change(key))
		},
	}
}

// posting is a store that changes outgoing rows when they are put.
func posting(change func(*storage.Outgoing)) lies {
	return lies{putOutgoing: func(next storage.Tx, ctx context.Context, o storage.Outgoing) error {
		change(&o)
		return next.PutOutgoing(ctx, o)
	}}
}

// sending is a store that looks at less of an OutgoingQuery.
func sending(change func(*storage.OutgoingQuery)) lies {
	return lies{outgoing: func(next storage.Reader, ctx context.Context, q storage.OutgoingQuery) ([]storage.Outgoing, error) {
		change(&q)
		return next.Outgoing(ctx, q)
	}}
}

func sharedBlobs() storage.Store {
	given := map[incident.Digest][]byte{}
	return crooked{memory.New(), lies{
		putBlob: func(next storage.Tx, ctx context.Context, content []byte) (incident.Digest, error) {
			given[incident.DigestOf(content)] = content
			return next.PutBlob(ctx, content)
		},
		openBlob: func(_ storage.Reader, _ context.Context, digest incident.Digest) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(given[digest])), nil
		},
	}}
}

// newestHolder gives a key to whoever claimed it last.
func newestHolder() storage.Store {
	holders := map[storage.Key]incident.ID{}
	return crooked{memory.New(), lies{
		claim: func(_ storage.Tx, _ context.Context, key storage.Key, id incident.ID) (incident.ID, error) {
			holders[key] = id
			return id, nil
		},
		claimed: func(_ storage.Reader, _ context.Context, key storage.Key) (incident.ID, bool, error) {
			id, ok := holders[key]
			return id, ok, nil
		},
	}}
}

func keyDefects() []defect {
	return []defect{
		{"a claim is taken away", []string{"Claim"}, newestHolder},
		lying("Claim returns who asked", lies{claim: func(next storage.Tx, ctx context.Context, key storage.Key, id incident.ID) (incident.ID, error) {
			_, err := next.Claim(ctx, key, id)
			return id, err
		}}, "Claim", "OwnWrites"),
		lying("many claims are free whoever holds them", lies{claimAll: func(ctx context.Context, next storage.Tx, claims []storage.Claim) (bool, error) {
			_, err := claimAll(ctx, next, claims)
			return true, err
		}}, "ClaimsAtOnce"),
		lying("many claims end at one that is held", lies{claimAll: func(ctx context.Context, next storage.Tx, claims []storage.Claim) (bool, error) {
			for i := range claims {
				if free, err := claimAll(ctx, next, claims[i:i+1]); err != nil || !free {
					return free, err
				}
			}
			return true, nil
		}}, "ClaimsAtOnce"),
		lying("of many keys the last are not looked up", lies{claimedOf: func(ctx context.Context, next storage.Reader, keys []storage.Key) (map[storage.Key]incident.ID, error) {
			return claimedOf(ctx, next, keys[:min(len(keys), 64)])
		}}, "ClaimsAtOnce"),
		lying("keys have no space", keyed(func(k storage.Key) storage.Key { k.Space = ""; return k }), "Claim"),
		lying("space and value run together", keyed(func(k storage.Key) storage.Key { return storage.Key{Value: k.Space + k.Value} }), "Claim"),
		lying("keys have no case", keyed(func(k storage.Key) storage.Key { k.Value = strings.ToLower(k.Value); return k }), "Claim"),
		lying("long keys are cut", keyed(func(k storage.Key) storage.Key { k.Value = k.Value[:min(len(k.Value), 2704)]; return k }), "LongKeys"),
		lying("keys lose their ends", keyed(func(k storage.Key) storage.Key { k.Value = strings.TrimSpace(k.Value); return k }), "LongKeys"),
		lying("blobs are cut at a megabyte", lies{openBlob: func(next storage.Reader, ctx context.Context, digest incident.Digest) (io.ReadCloser, error) {
			body, err := next.OpenBlob(ctx, digest)
			if err != nil {
				return nil, err
			}
			return io.NopCloser(io.LimitReader(body, 1<<20)), nil
		}}, "Blob"),
		lying("an empty blob is none", lies{openBlob: func(next storage.Reader, ctx context.Context, digest incident.Digest) (io.ReadCloser, error) {
			if digest == incident.DigestOf(nil) {
				return nil, storage.ErrNotFound
			}
			return next.OpenBlob(ctx, digest)
		}}, "Blob"),
		lying("a blob that is there is an error", lies{putBlob: func(next storage.Tx, ctx context.Context, content []byte) (incident.Digest, error) {
			if body, err := next.OpenBlob(ctx, incident.DigestOf(content)); err == nil {
				return incident.Digest{}, errors.Join(body.Close(), errors.New("unique constraint failed"))
			}
			return next.PutBlob(ctx, content)
		}}, "BlobTwice"),
		lying("a blob that is there grows", lies{putBlob: func(next storage.Tx, ctx context.Context, content []byte) (incident.Digest, error) {
			if body, err := next.OpenBlob(ctx, incident.DigestOf(content)); err == nil {
				_ = body.Close()
				content = append(content, content...)
			}
			return next.PutBlob(ctx, content)
		}}, "BlobTwice"),
		lying("a missing blob is empty", lies{openBlob: func(next storage.Reader, ctx context.Context, digest incident.Digest) (io.ReadCloser, error) {
			body, err := next.OpenBlob(ctx, digest)
			if errors.Is(err, storage.ErrNotFound) {
				return io.NopCloser(strings.NewReader("")), nil
			}
			return body, err
		}}, "BlobNotFound"),
		lying("the newest row wins", lies{putOutgoing: func(next storage.Tx, ctx context.Context, o storage.Outgoing) error {
			rows, err := next.Outgoing(ctx, storage.OutgoingQuery{Tickets: []incident.ID{o.Ticket}})
			if err != nil {
				return err
			}
			o.Revision = 0
			for _, row := range rows {
				if row.ID() == o.ID() {
					o.Revision = row.Revision
				}
			}
			return next.PutOutgoing(ctx, o)
		}}, "OutgoingRevision"),
		lying("the Revision stays", lies{outgoing: func(next storage.Reader, ctx context.Context, q storage.OutgoingQuery) ([]storage.Outgoing, error) {
			rows, err := next.Outgoing(ctx, q)
			for i := range rows {
				rows[i].Revision--
			}
			return rows, err
		}}, "OutgoingRevision"),
		lying("a lost row is some error", lies{putOutgoing: func(next storage.Tx, ctx context.Context, o storage.Outgoing) error {
			if next.PutOutgoing(ctx, o) != nil {
				return errors.New("no row was updated")
			}
			return nil
		}}, "OutgoingRevision"),
		lying("outgoing rows have no lease", posting(func(o *storage.Outgoing) { o.Lease = time.Time{} }), "OutgoingRow", "OutgoingQuery"),
		lying("outgoing rows have no reaction", posting(func(o *storage.Outgoing) { o.Reaction = "" }), "OutgoingRow", "OutgoingQuery"),
		lying("Outgoing is of mail and reactions", sending(func(q *storage.OutgoingQuery) { q.Only = storage.AnyErrand }), "OutgoingQuery"),
		lying("outgoing rows have no error", posting(func(o *storage.Outgoing) { o.LastError = "" }), "OutgoingRow"),
		lying("outgoing rows sort as text", lies{outgoing: func(next storage.Reader, ctx context.Context, q storage.OutgoingQuery) ([]storage.Outgoing, error) {
			rows, err := next.Outgoing(ctx, q)
			slices.SortFunc(rows, func(a, b storage.Outgoing) int { return strings.Compare(a.ID(), b.ID()) })
			return rows, err
		}}, "OutgoingOrder"),
		lying("Outgoing has no Limit", sending(func(q *storage.OutgoingQuery) { q.Limit = 0 }), "OutgoingQuery"),
		lying("Outgoing is of all tickets", sending(func(q *storage.OutgoingQuery) { q.Tickets = nil }), "OutgoingQuery"),
		lying("Outgoing is of all statuses", sending(func(q *storage.OutgoingQuery) { q.Statuses = nil }), "OutgoingQuery"),
		lying("Outgoing is ready at once", sending(func(q *storage.OutgoingQuery) { q.ReadyBy = time.Time{} }), "OutgoingQuery"),
	}
}

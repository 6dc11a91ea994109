package storagetest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

func keyChecks() []Check {
	return []Check{
		{"Claim", "Claim gives a key to a ticket unless some ticket holds it already, and returns the holder. A claim is never taken away.", claim},
		{"LongKeys", "Claim gives a key to a ticket, however long the key and whatever its text.", longKeys},
		{"ClaimsAtOnce", "ClaimAll claims what Claim would, and ClaimedOf returns who holds each of some keys.", claimsAtOnce},
		{"Blob", "PutBlob keeps bytes under their SHA-256.", blobs},
		{"BlobTwice", "Putting the same bytes again changes nothing.", blobTwice},
		{"BlobNotFound", "OpenBlob returns the bytes of a blob, or ErrNotFound.", blobNotFound},
	}
}

// claims claims a key in an update of its own and expects a holder.
func (c *trial) claims(key storage.Key, id, want incident.ID) {
	c.Helper()
	c.update(func(ctx context.Context, tx storage.Tx) {
		if holder, err := tx.Claim(ctx, key, id); err != nil || holder != want {
			c.broken("ticket %s claims %.60q of space %.60q: the holder is given as %s, %v; want %s", id, key.Value, key.Space, holder, err, want)
		}
	})
	c.view(func(ctx context.Context, r storage.Reader) {
		if holder, ok, err := r.Claimed(ctx, key); err != nil || !ok || holder != want {
			c.broken("after a claim of %.60q, Claimed gives %s, %v, %v; want %s", key.Value, holder, ok, err, want)
		}
	})
}

func claim(c *trial) {
	a, b := c.opened(report("a")).ID, c.opened(report("b")).ID
	key := storage.Key{Space: "message-id", Value: "1@example.org"}
	c.view(func(ctx context.Context, r storage.Reader) {
		if holder, ok, err := r.Claimed(ctx, key); err != nil || ok || holder != 0 {
			c.broken("nobody claimed the key; Claimed gives %s, %v, %v", holder, ok, err)
		}
	})
	c.claims(key, b, b)
	c.claims(key, a, b)
	c.claims(key, b, b)
	c.claims(storage.Key{Space: "digest", Value: "1@example.org"}, a, a)
	c.claims(storage.Key{Space: "message-id", Value: "1@Example.org"}, a, a)
	c.claims(storage.Key{Space: "message-id1@", Value: "example.org"}, a, a)
	c.claims(storage.Key{Space: "message-id", Value: ""}, a, a)
	c.claims(storage.Key{Space: "desk", Value: "its own"}, incident.Desk, incident.Desk)
	c.claims(storage.Key{Space: "desk", Value: "its own"}, a, incident.Desk)
	c.update(func(ctx context.Context, tx storage.Tx) {
		key := storage.Key{Space: "message-id", Value: "2@example.org"}
		for _, id := range []incident.ID{b, a, b} {
			if holder, err := tx.Claim(ctx, key, id); err != nil || holder != b {
				c.broken("claimed by %s first, by %s in the same update: the holder is given as %s, %v", b, id, holder, err)
			}
		}
	})
}

// claimsAtOnce holds for stores that claim and look up many keys at once; others have
// nothing to check.
func claimsAtOnce(c *trial) {
	a, b := c.opened(report("a")).ID, c.opened(report("b")).ID
	var keys []storage.Key
	var claims []storage.Claim
	want := map[storage.Key]incident.ID{}
	for i := range 150 {
		key := storage.Key{Space: []string{"observation", "message-id", "waiting"}[i%3], Value: strings.Repeat("x", i/3)}
		keys = append(keys, key, storage.Key{Space: "nobody's", Value: key.Value})
		claims = append(claims, storage.Claim{Key: key, Ticket: []incident.ID{a, b, incident.Desk}[i%7%3]})
		want[key] = claims[i].Ticket
	}
	ask := func(ctx context.Context, r storage.Reader, when string) {
		many, ok := r.(storage.ClaimsReader)
		if !ok {
			return
		}
		if held, err := many.ClaimedOf(ctx, keys); err != nil || !maps.Equal(held, want) {
			c.broken("%s ClaimedOf gives %v, %v; want %v", when, held, err, want)
		}
		if held, err := many.ClaimedOf(ctx, nil); err != nil || len(held) > 0 {
			c.broken("asked for no keys, ClaimedOf gives %v, %v", held, err)
		}
	}
	c.update(func(ctx context.Context, tx storage.Tx) {
		many, ok := tx.(storage.ClaimsWriter)
		if !ok {
			for _, claim := range claims {
				_, err := tx.Claim(ctx, claim.Key, claim.Ticket)
				c.must(err)
			}
			ask(ctx, tx, "in the update of the claims")
			return
		}
		if free, err := many.ClaimAll(ctx, claims[:100]); err != nil || !free {
			c.broken("all keys are free, and ClaimAll gives %v, %v", free, err)
		}
		taken := storage.Claim{Key: claims[0].Key, Ticket: claims[0].Ticket + 1}
		if free, err := many.ClaimAll(ctx, append([]storage.Claim{taken}, claims[100:]...)); err != nil || free {
			c.broken("one of the keys is held, and ClaimAll gives %v, %v", free, err)
		}
		if free, err := many.ClaimAll(ctx, nil); err != nil || !free {
			c.broken("without claims ClaimAll gives %v, %v", free, err)
		}
		ask(ctx, tx, "in the update of the claims")
	})
	c.view(func(ctx context.Context, r storage.Reader) {
		ask(ctx, r, "after the claims")
		for key, id := range want {
			if holder, ok, err := r.Claimed(ctx, key); err != nil || !ok || holder != id {
				c.broken("after ClaimAll, Claimed gives %s, %v, %v; want %s", holder, ok, err, id)
			}
		}
	})
}

func longKeys(c *trial) {
	a, b := c.opened(report("a")).ID, c.opened(report("b")).ID
	long := strings.Repeat("x", 4000)
	c.claims(storage.Key{Space: "message-id", Value: long + "1@example.org"}, a, a)
	c.claims(storage.Key{Space: "message-id", Value: long + "2@example.org"}, b, b)
	c.claims(storage.Key{Space: "message-id", Value: long + "1@example.org"}, b, a)
	for _, s := range oddities() {
		c.claims(storage.Key{Space: "odd", Value: s}, b, b)
		c.claims(storage.Key{Space: "odd", Value: s + " "}, a, a)
		c.claims(storage.Key{Space: "odd", Value: s}, a, b)
	}
}

// bodies are blobs of all sorts: empty, text, every byte, and some megabytes.
func (c *trial) bodies() [][]byte {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	large := make([]byte, 3<<20)
	for i := range large {
		large[i] = byte(c.rand.Uint32())
	}
	return [][]byte{{}, nil, []byte("text\r\n"), every, {0}, bytes.Repeat([]byte{0}, 70_000), large}
}

func blobs(c *trial) {
	bodies := c.bodies()
	for _, body := range bodies {
		c.update(func(ctx context.Context, tx storage.Tx) {
			digest, err := tx.PutBlob(ctx, body)
			c.must(err)
			if digest != incident.DigestOf(body) {
				c.broken("PutBlob of %d bytes gives %s; their SHA-256 is %s", len(body), digest, incident.DigestOf(body))
			}
		})
	}
	c.view(func(ctx context.Context, r storage.Reader) {
		for _, body := range bodies {
			got, err := blob(ctx, r, incident.DigestOf(body))
			if err != nil || !bytes.Equal(got, body) {
				c.broken("a blob of %d bytes came back with %d bytes, equal: %v, error %v", len(body), len(got), bytes.Equal(got, body), err)
			}
		}
		// Two at once, read in turn.
		first, err := r.OpenBlob(ctx, incident.DigestOf(bodies[2]))
		c.must(err)
		second, err := blob(ctx, r, incident.DigestOf(bodies[3]))
		c.must(err)
		var rest bytes.Buffer
		_, err = rest.ReadFrom(first)
		c.must(err)
		c.must(first.Close())
		if !bytes.Equal(rest.Bytes(), bodies[2]) || !bytes.Equal(second, bodies[3]) {
			c.broken("two blobs open at once came back as %q and %q", rest.Bytes(), second)
		}
	})
}

func blobTwice(c *trial) {
	content := []byte("the same bytes")
	want := incident.DigestOf(content)
	for range 2 {
		c.update(func(ctx context.Context, tx storage.Tx) {
			for range 2 {
				if digest, err := tx.PutBlob(ctx, slices.Clone(content)); err != nil || digest != want {
					c.broken("PutBlob of bytes that are there already gives %s, %v", digest, err)
				}
			}
		})
		c.view(func(ctx context.Context, r storage.Reader) {
			if got, err := blob(ctx, r, want); err != nil || !bytes.Equal(got, content) {
				c.broken("after the same bytes were put again, the blob is %q, %v", got, err)
			}
		})
	}
	// Put again in an update that is rolled back, they stay.
	_ = c.store.Update(c.ctx, func(ctx context.Context, tx storage.Tx) error {
		if _, err := tx.PutBlob(ctx, content); err != nil {
			return err
		}
		return errors.New("roll back")
	})
	c.view(func(ctx context.Context, r storage.Reader) {
		if got, err := blob(ctx, r, want); err != nil || !bytes.Equal(got, content) {
			c.broken("after an update that put the same bytes was rolled back, the blob is %q, %v", got, err)
		}
	})
}

func blobNotFound(c *trial) {
	c.update(func(ctx context.Context, tx storage.Tx) {
		_, err := tx.PutBlob(ctx, []byte("there"))
		c.must(err)
		for _, missing := range []incident.Digest{{}, incident.DigestOf(nil), incident.DigestOf([]byte("not there"))} {
			if _, err := blob(ctx, tx, missing); !errors.Is(err, storage.ErrNotFound) {
				c.broken("OpenBlob of a blob that was never put gives error %v", err)
			}
		}
	})
}

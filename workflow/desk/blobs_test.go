package desk_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/blobdir"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// Large mail lies beside the store, small mail in it, and nobody who reads
// either can tell.
func TestLargeMailLiesApart(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		now := time.Now()
		dir := t.TempDir()
		blobs, err := blobdir.New(dir, blobdir.Config{Now: func() time.Time { return now }})
		require.NoError(t, err)
		w := newWorldOn(t, store, func(c *desk.Config) { c.Blobs = blobs })
		header := "From: bob@example.org\r\nSubject: Log\r\nMessage-ID: <1@example.org>\r\n\r\n"
		fill := func(n int) string { return header + strings.Repeat("x", n-len(header)) }

		for _, c := range []struct {
			size  int
			apart bool
		}{{64 << 10, false}, {64<<10 + 1, true}} {
			raw := fill(c.size)
			receipt := w.raw("bob@example.org", raw)
			body, err := w.alice.Body(ctx, receipt.Ticket, receipt.Version)
			require.NoError(t, err)
			require.True(t, raw == string(body), "other bytes")
			digest := incident.DigestOf(body)
			require.NoError(t, store.View(ctx, func(ctx context.Context, r storage.Reader) error {
				_, err := r.OpenBlob(ctx, digest)
				require.Equal(t, c.apart, err != nil)
				return nil
			}))
			f, err := blobs.Open(ctx, digest)
			require.Equal(t, c.apart, err == nil)
			if err == nil {
				f.Close()
			}
		}
		large := fill(64<<10 + 1)
		require.True(t, w.raw("bob@example.org", large).Again)

		// What is named stays, what is not goes.
		stray, err := blobs.Put(ctx, []byte("nobody names this"))
		require.NoError(t, err)
		now = now.Add(2 * blobdir.Day)
		removed, err := blobs.Sweep(ctx, 0, w.desk.HoldsBody)
		require.NoError(t, err)
		require.Equal(t, 1, removed)
		_, err = blobs.Open(ctx, stray)
		require.ErrorIs(t, err, storage.ErrNotFound)
		w.verify()

		// A body that is gone is a fault that Verify names.
		digest := incident.DigestOf([]byte(large)).String()
		require.NoError(t, os.Remove(filepath.Join(dir, digest[:2], digest[2:4], digest)))
		v, err := w.desk.Verify(ctx, nil)
		require.NoError(t, err)
		require.Contains(t, v.Faults[0].What, "blob "+digest)
	})
}

// A mail is not taken while its body cannot be kept, and no trace is left.
func TestMailWhoseBodyCannotBeKept(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) { c.Blobs = fullDisk{} })
	before := w.snapshot()
	_, err := w.desk.Receive(ctx, mail.Envelope{}, []byte("From: bob@example.org\r\n\r\n"+strings.Repeat("x", 64<<10)))
	require.ErrorIs(t, err, errNo)
	require.Equal(t, before, w.snapshot())
}

type fullDisk struct{ storage.Blobs }

func (fullDisk) Put(context.Context, []byte) (incident.Digest, error) {
	return incident.Digest{}, errNo
}

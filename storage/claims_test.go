package storage_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// atOnce looks up and claims many keys at once, and counts what is asked one by one.
type atOnce struct {
	storage.Tx
	asked, claimed *int
}

func (tx atOnce) Claimed(ctx context.Context, key storage.Key) (incident.ID, bool, error) {
	*tx.asked++
	return tx.Tx.Claimed(ctx, key)
}

func (tx atOnce) Claim(ctx context.Context, key storage.Key, id incident.ID) (incident.ID, error) {
	*tx.claimed++
	return tx.Tx.Claim(ctx, key, id)
}

func (tx atOnce) ClaimedOf(ctx context.Context, keys []storage.Key) (map[storage.Key]incident.ID, error) {
	held := map[storage.Key]incident.ID{}
	for _, key := range keys {
		if id, ok, err := tx.Tx.Claimed(ctx, key); err != nil {
			return nil, err
		} else if ok {
			held[key] = id
		}
	}
	return held, nil
}

func (tx atOnce) ClaimAll(ctx context.Context, claims []storage.Claim) (bool, error) {
	free := true
	for _, claim := range claims {
		holder, err := tx.Tx.Claim(ctx, claim.Key, claim.Ticket)
		if err != nil {
			return false, err
		}
		free = free && holder == claim.Ticket
	}
	return free, nil
}

func TestDraftClaimsAtOnce(t *testing.T) {
	store, _ := withOne(t)
	held, free := storage.Key{Space: "a", Value: "held"}, storage.Key{Space: "a", Value: "free"}
	update(t, store, func(ctx context.Context, tx storage.Tx) error {
		_, err := tx.Claim(ctx, held, 1)
		return err
	})
	for _, many := range []bool{true, false} {
		asked, claimed := 0, 0
		err := store.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
			base := atOnce{tx, &asked, &claimed}
			draft := storage.NewDraft(base)
			if !many {
				draft = storage.NewDraft(struct{ storage.Tx }{base})
			}
			require.NoError(t, draft.LookUpClaims(ctx, []storage.Key{held, free}))
			holder, ok, err := draft.Claimed(ctx, held)
			assert.Equal(t, []any{incident.ID(1), true, nil}, []any{holder, ok, err})
			holder, err = draft.Claim(ctx, held, 2)
			assert.Equal(t, []any{incident.ID(1), nil}, []any{holder, err})
			holder, err = draft.Claim(ctx, free, 2)
			assert.Equal(t, []any{incident.ID(2), nil}, []any{holder, err})
			if many {
				assert.Zero(t, asked, "from memory")
				_, err = draft.Flush(ctx, base)
				require.NoError(t, err)
				assert.Zero(t, claimed, "at once")
				return context.Canceled // leaves nothing behind
			}
			_, err = tx.Claim(ctx, free, 3) // meanwhile
			require.NoError(t, err)
			_, err = draft.Flush(ctx, base)
			return err
		})
		if many {
			require.ErrorIs(t, err, context.Canceled)
		} else {
			require.ErrorIs(t, err, storage.ErrConflict)
			assert.ErrorContains(t, err, `a "free" is held by ticket 3`)
		}
	}
}

package storage

import (
	"context"
	"fmt"

	"github.com/airtight-csirt/airtight/incident"
)

// ClaimsReader is an optional power of a [Reader]: to look up many keys at once.
// Without it [Draft.LookUpClaims] does nothing, and keys are looked up one by one.
type ClaimsReader interface {
	// ClaimedOf returns who holds each of some keys, as [Reader.Claimed] says it;
	// keys that nobody holds are left out.
	ClaimedOf(ctx context.Context, keys []Key) (map[Key]incident.ID, error)
}

// ClaimsWriter is an optional power of a [Tx]: to claim many keys at once. Without
// it [Draft.Flush] claims them one by one.
type ClaimsWriter interface {
	// ClaimAll claims what [Tx.Claim] would, each key for its ticket. It returns
	// false if any of the keys was held before; those that were not are claimed all
	// the same.
	ClaimAll(ctx context.Context, claims []Claim) (free bool, err error)
}

// LookUpClaims asks the base at once for keys that Claimed or Claim will be asked
// for: these answer from memory then. It changes no answer.
func (d *Draft) LookUpClaims(ctx context.Context, keys []Key) error {
	base, ok := d.base.(ClaimsReader)
	if !ok {
		return nil
	}
	held, err := base.ClaimedOf(ctx, keys)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if id, ok := held[key]; ok {
			d.held[key] = id
		} else {
			d.free[key] = true
		}
	}
	return nil
}

// flushClaims claims what the draft has claimed.
func flushClaims(ctx context.Context, tx Tx, claims []Claim) error {
	if many, ok := tx.(ClaimsWriter); ok {
		if free, err := many.ClaimAll(ctx, claims); err != nil || free {
			return err
		}
	}
	for _, claim := range claims {
		holder, err := tx.Claim(ctx, claim.Key, claim.Ticket)
		if err != nil {
			return err
		}
		if holder != claim.Ticket {
			return fmt.Errorf("%s %q is held by ticket %s: %w", claim.Key.Space, claim.Key.Value, holder, ErrConflict)
		}
	}
	return nil
}

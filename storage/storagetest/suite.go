// Package storagetest tells whether an adapter keeps the contract of
// [storage.Store]: one check for each sentence of it. An adapter of your own
// joins with one call:
//
//	func TestContract(t *testing.T) {
//		storagetest.Run(t, func(t testing.TB) storage.Store {
//			return mystore.New(t.TempDir())
//		})
//	}
//
// A check that fails says which sentence is broken, and how that was seen. Run
// the tests with -race too: the checks that use several goroutines rely on it.
//
// A new adapter may begin with [storage.Query.Select] over all its tickets,
// which passes, and become faster from there.
//
// With -short, Find is asked a fifth of the questions.
//
// Random choices follow a seed, which is logged; AIRTIGHT_SEED=7 in the
// environment takes another one. The package imports the standard library only,
// beside incident and storage.
package storagetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// Run checks the stores that open makes: one subtest, and one new and empty
// store, for each of [Checks]. What open needs it asks of the testing.TB that
// it is given: a folder, a Cleanup that closes the store, a Skip.
func Run(t *testing.T, open func(t testing.TB) storage.Store) {
	for _, check := range Checks() {
		t.Run(check.Name, func(t *testing.T) { check.Run(t, open) })
	}
}

// Check is one sentence of the contract and the way to see whether a store
// keeps it.
type Check struct {
	Name     string
	Sentence string // of the contract, as failures quote it

	run func(*trial)
}

// Run makes one store by open, which must be empty, and checks it. It fails t,
// by Fatalf, when the store breaks the sentence.
func (c Check) Run(t testing.TB, open func(t testing.TB) storage.Store) {
	t.Helper()
	seed := seed(t)
	t.Logf("seed %d", seed)
	c.run(&trial{
		TB: t, ctx: context.Background(), store: open(t), sentence: c.Sentence,
		seed: seed, rand: rand.New(rand.NewPCG(seed, 1)),
	})
}

// Checks returns all checks, in the order of the contract.
func Checks() []Check {
	return slices.Concat(updateChecks(), findChecks(), recordChecks(), keyChecks(), outboxChecks(), bookmarkChecks())
}

func seed(t testing.TB) uint64 {
	t.Helper()
	set := os.Getenv("AIRTIGHT_SEED")
	if set == "" {
		return 1
	}
	seed, err := strconv.ParseUint(set, 10, 64)
	if err != nil {
		t.Fatalf("AIRTIGHT_SEED=%q: want a whole number that is not negative", set)
	}
	return seed
}

// trial is one store under one check.
type trial struct {
	testing.TB
	ctx      context.Context
	store    storage.Store
	sentence string
	seed     uint64
	rand     *rand.Rand
}

// broken ends the check: the store does not keep its sentence.
func (c *trial) broken(format string, args ...any) {
	c.Helper()
	c.Fatalf("broken: \"%s\"\n"+format, append([]any{c.sentence}, args...)...)
}

// must ends the check on an error that has no place in the contract.
func (c *trial) must(err error) {
	c.Helper()
	if err != nil {
		c.broken("error where none is allowed: %v", err)
	}
}

// tries is how often a lost race is run again before that is an error.
const tries = 10_000

// retry is Update as callers use it: again, after a lost race.
func (c *trial) retry(fn func(context.Context, storage.Tx) error) error {
	var err error
	for range tries {
		if err = c.store.Update(c.ctx, fn); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return err
}

// update runs fn, which has to work.
func (c *trial) update(fn func(ctx context.Context, tx storage.Tx)) {
	c.Helper()
	c.must(c.retry(func(ctx context.Context, tx storage.Tx) error {
		fn(ctx, tx)
		return nil
	}))
}

// view runs fn, which has to work.
func (c *trial) view(fn func(ctx context.Context, r storage.Reader)) {
	c.Helper()
	c.must(c.store.View(c.ctx, func(ctx context.Context, r storage.Reader) error {
		fn(ctx, r)
		return nil
	}))
}

// ticket reads one ticket in a View of its own.
func (c *trial) ticket(id incident.ID) incident.Ticket {
	c.Helper()
	var t incident.Ticket
	c.must(c.store.View(c.ctx, func(ctx context.Context, r storage.Reader) (err error) {
		t, err = r.Ticket(ctx, id)
		return err
	}))
	return t
}

// history reads records in a View of its own.
func (c *trial) history(q storage.HistoryQuery) []incident.Record {
	c.Helper()
	var records []incident.Record
	c.must(c.store.View(c.ctx, func(ctx context.Context, r storage.Reader) (err error) {
		records, err = r.History(ctx, q)
		return err
	}))
	return records
}

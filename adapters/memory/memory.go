// Package memory is the reference adapter of package storage: everything lies
// in maps and is gone when the program ends. Use it for tests, simulations and
// for reading how the contract of [storage.Store] is meant.
//
//	store := memory.New()
//
// A command costs the same at 100,000 tickets as at 1,000: an update is a
// [storage.Draft] over the maps, and only what it changed is written to them. Lists are
// gone through to be sorted and counted, and a search by Touches, Under or Mail goes
// through all that the rest of its query describes.
package memory

import (
	"context"
	"sync"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// Store keeps the contract of [storage.Store] in memory. It is safe for
// concurrent use. A View that takes long holds up the next commit, and Views
// that begin while a commit waits.
type Store struct {
	turn   chan struct{} // taken by the one Update that runs
	mu     sync.RWMutex  // over tables: Views read, a commit writes
	tables *tables
}

// New returns an empty store.
func New() *Store {
	return &Store{turn: make(chan struct{}, 1), tables: newTables()}
}

// View implements [storage.Store]. An update that ends meanwhile waits with its
// commit until fn has returned.
func (s *Store) View(ctx context.Context, fn func(context.Context, storage.Reader) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return fn(ctx, s.tables)
}

// Update implements [storage.Store]. Updates wait for each other; one whose
// context is cancelled gives up waiting.
func (s *Store) Update(ctx context.Context, fn func(context.Context, storage.Tx) error) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// Only a commit writes to the tables, and no other can begin: fn reads them
	// without holding the lock, and roll-back is to forget the draft.
	draft := storage.NewDraft(s.tables)
	tx := &tx{Tx: draft}
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if tx.refused != nil {
		return tx.refused
	}
	changes := draft.Changes()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	s.tables.commit(changes)
	return nil
}

// tx is a draft that takes sealed records only, as a store must, and remembers
// that it refused one.
type tx struct {
	storage.Tx
	refused error
}

func (tx *tx) Append(ctx context.Context, records ...incident.Record) error {
	for _, r := range records {
		if err := tx.append(ctx, r); err != nil {
			tx.refused = err
			return err
		}
	}
	return nil
}

func (tx *tx) append(ctx context.Context, r incident.Record) error {
	if r.Hash != (incident.Digest{}) {
		return tx.Tx.Append(ctx, r)
	}
	t, err := stored(tx.Ticket(ctx, r.Ticket))
	if err != nil {
		return err
	}
	_, err = storage.Extend(t, r) // refuses it: no record has the zero hash
	return err
}

// PutText implements [storage.TextKeeper].
func (tx *tx) PutText(ctx context.Context, t storage.Text) error {
	return tx.Tx.(storage.TextKeeper).PutText(ctx, t)
}

var (
	_ storage.Store  = (*Store)(nil)
	_ storage.Reader = (*tables)(nil)
)

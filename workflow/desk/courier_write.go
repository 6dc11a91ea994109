package desk

import (
	"context"
	"errors"
	"slices"

	"github.com/airtight-csirt/airtight/storage"
)

// written is a row to be written.
type written struct {
	row  storage.Outgoing
	done bool
	err  error
}

// write puts a row into the outbox. Rows of messages that are under way at the same time
// share an update, so that the disk is waited for once; where one of them is not what it
// was, each has its own. The row is written even if ctx ends meanwhile. The error
// is storage.ErrConflict if the stored row is not the one that o was made of.
func (c *Courier) write(ctx context.Context, o storage.Outgoing) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &written{row: o}
	c.mu.Lock()
	c.waiting = append(c.waiting, w)
	c.mu.Unlock()
	c.writing.Lock()
	defer c.writing.Unlock()
	if w.done {
		return w.err
	}
	c.mu.Lock()
	batch := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	if !slices.Contains(batch, w) { // who had taken it along has panicked
		batch = append(batch, w)
	}
	err := c.writeAll(ctx, batch)
	for _, one := range batch {
		if one.err = err; len(batch) > 1 && errors.Is(err, storage.ErrConflict) {
			one.err = c.writeAll(ctx, []*written{one})
		}
		one.done = true
	}
	return w.err
}

func (c *Courier) writeAll(ctx context.Context, batch []*written) error {
	return c.Desk.store.Update(context.WithoutCancel(ctx), func(ctx context.Context, tx storage.Tx) error {
		for _, w := range batch {
			if err := tx.PutOutgoing(ctx, w.row); err != nil {
				return err
			}
		}
		return nil
	})
}

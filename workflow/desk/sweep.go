package desk

import (
	"context"
	"errors"
	"fmt"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Sweep does what time has made due: it acts on reminders that have come, and
// records the warnings and breaches of service agreements, for at most limit
// tickets (0: all), one transaction each. It returns for how many. Call it from
// time to time; when it returns limit, there may be more. Several processes may
// sweep at once: nothing is recorded twice. One that comes late records a warning
// and a breach together. A ticket that fails does not keep the others from being
// acted on, and is tried again in the next sweep; the error joins all failures.
func (d *Desk) Sweep(ctx context.Context, limit int) (done int, err error) {
	var due []incident.Ticket
	err = d.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		due, err = r.Find(ctx, storage.Query{WakeBy: d.now(), Limit: limit})
		return err
	})
	for _, t := range due {
		if ctx.Err() != nil {
			break
		}
		if _, failed := d.do(ctx, incident.System, nil, []workflow.Command{workflow.Wake{Ticket: t.ID}}); failed != nil {
			err = errors.Join(err, fmt.Errorf("desk: alarm of ticket %s: %w", t.ID, failed))
			continue
		}
		done++
	}
	return done, errors.Join(err, ctx.Err())
}

package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// violation is an invariant that does not hold.
type violation struct {
	invariant string
	ticket    incident.ID
	what      string
}

// checker folds all records by itself, so that after a step it looks only at the
// tickets that have changed and at their relatives.
type checker struct {
	world   *World
	options Options
	policy  *workflow.Policy
	rules   map[string]bool

	tickets  map[incident.ID]incident.Ticket
	children map[incident.ID]map[incident.ID]bool
	excused  map[incident.ID]bool // children under closed incidents only
}

func newChecker(w *World, o Options) *checker {
	c := &checker{
		world: w, options: o, policy: w.Policy(), rules: map[string]bool{},
		tickets: map[incident.ID]incident.Ticket{}, children: map[incident.ID]map[incident.ID]bool{}, excused: map[incident.ID]bool{},
	}
	for _, r := range c.policy.Rules {
		c.rules[r.Name] = true
	}
	for _, d := range c.policy.Derivations {
		c.rules[d.Name] = true
	}
	for _, r := range c.policy.Reactions {
		c.rules[r.Name] = true
	}
	return c
}

// step checks what must hold after new records.
func (c *checker) step(ctx context.Context, records []incident.Record) (v *violation, err error) {
	touched, near := map[incident.ID]bool{}, map[incident.ID]bool{}
	for _, r := range records {
		if v := c.fold(r, near); v != nil {
			return v, nil
		}
		touched[r.Ticket] = true
	}
	for id := range touched {
		near[id] = true
		maps.Copy(near, c.children[id])
	}
	ids := slices.Sorted(maps.Keys(touched))
	err = c.world.Store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		v, err = c.stored(ctx, r, ids)
		return err
	})
	for _, id := range slices.Sorted(maps.Keys(near)) {
		if v == nil && err == nil && id != incident.Desk {
			v = c.ticket(c.tickets[id], records)
		}
	}
	return v, err
}

// fold applies a record to what the checker knows. Incidents whose children
// change are near.
func (c *checker) fold(r incident.Record, near map[incident.ID]bool) *violation {
	wrong := func(invariant, format string, args ...any) *violation {
		return &violation{invariant, r.Ticket, fmt.Sprintf("record %d (%s): ", r.Version, r.Type) + fmt.Sprintf(format, args...)}
	}
	switch {
	case r.Cause.Rule == "" && r.Command == "":
		return wrong(HoldsCause, "it has neither a command nor a rule")
	case r.Cause.Rule != "" && !c.rules[r.Cause.Rule]:
		return wrong(HoldsCause, "the policy has no rule %s", r.Cause.Rule)
	case r.Cause.Rule != "" && (r.Cause.Version == 0 || c.tickets[r.Cause.Ticket].Version < r.Cause.Version):
		return wrong(HoldsCause, "no earlier record is number %d of ticket %s", r.Cause.Version, r.Cause.Ticket)
	}
	before := c.tickets[r.Ticket]
	after, err := incident.Extend(before, r)
	if err != nil {
		return wrong(HoldsFold, "%v", err)
	}
	c.tickets[r.Ticket] = after
	for _, parent := range before.Parents {
		near[parent] = true
		delete(c.children[parent], r.Ticket)
	}
	for _, parent := range after.Parents {
		near[parent] = true
		if c.children[parent] == nil {
			c.children[parent] = map[incident.ID]bool{}
		}
		c.children[parent][r.Ticket] = true
	}
	return nil
}

// stored compares tickets with what the store says, and asks the invariants of
// the caller.
func (c *checker) stored(ctx context.Context, r storage.Reader, ids []incident.ID) (*violation, error) {
	var changed []incident.Ticket
	for _, id := range ids {
		t, err := r.Ticket(ctx, id)
		if err != nil {
			return nil, err
		}
		if !same(t, c.tickets[id]) {
			return &violation{HoldsFold, id, "the stored ticket is not what its history makes"}, nil
		}
		changed = append(changed, t)
	}
	for _, own := range c.options.Invariants {
		if err := own.Check(ctx, r, changed); err != nil {
			return &violation{own.Name, 0, err.Error()}, nil
		}
	}
	return nil, nil
}

// same compares tickets; where values differ only in being empty or nil, their
// JSON decides.
func same(a, b incident.Ticket) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

// ticket checks what must hold of one ticket.
func (c *checker) ticket(t incident.Ticket, step []incident.Record) *violation {
	wrong := func(invariant, format string, args ...any) *violation {
		return &violation{invariant, t.ID, fmt.Sprintf(format, args...)}
	}
	life := c.policy.Lifecycles[t.Kind]
	if s, ok := life.Status(t.Status); !ok || s.Phase != t.Phase || s.Name != t.Status {
		return wrong(HoldsPhase, "%s has status %q and phase %q, which do not belong together", t.Kind, t.Status, t.Phase)
	}
	for hops, next := 0, t; next.MergedInto != 0; hops++ {
		if next = c.tickets[next.MergedInto]; next.Version == 0 || hops > len(c.tickets) {
			return wrong(HoldsMerge, "it is merged into ticket %s, which leads to no ticket", t.MergedInto)
		}
	}
	var holds, closed []incident.ID
	for _, id := range t.Parents {
		parent := c.tickets[id]
		switch {
		case parent.Kind != incident.KindIncident:
			return wrong(HoldsParents, "its parent %s is no incident", id)
		case parent.Open():
			holds = append(holds, id)
		default:
			closed = append(closed, id)
		}
	}
	if n := len(t.Parents); t.MergedInto == 0 && (n > 1 && !life.ManyParents || n == 0 && life.ParentRequired) {
		return wrong(HoldsParents, "%s has %d incidents", t.Kind, n)
	}
	alone := t.Open() && len(closed) > 0 && len(holds) == 0
	if alone && !c.excused[t.ID] && (c.options.Excuse == nil || !c.options.Excuse(t, step)) {
		return wrong(HoldsClosed, "it is %s, and its incidents are closed: %v", t.Status, closed)
	}
	if c.excused[t.ID] = alone; t.Kind != incident.KindIncident {
		return nil
	}
	if t.Pinned && t.Due != nil {
		return nil
	}
	if due, child := c.earliest(t.ID); t.Pinned || !sameTime(due, t.Due) {
		return wrong(HoldsDue, "it is due %s; its first child is ticket %s, due %s", date(t.Due), child, date(due))
	}
	return nil
}

// earliest returns when the first child of an incident is due that is not
// inactive.
func (c *checker) earliest(id incident.ID) (due *time.Time, first incident.ID) {
	for child := range c.children[id] {
		t := c.tickets[child]
		if t.Open() && t.Due != nil && (due == nil || t.Due.Before(*due)) {
			due, first = t.Due, child
		}
	}
	return due, first
}

func sameTime(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Equal(*b)
}

// end checks everything once more.
func (c *checker) end(ctx context.Context) (v *violation, err error) {
	err = c.world.Store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		all, err := r.Find(ctx, storage.Query{})
		for _, t := range all {
			if !same(t, c.tickets[t.ID]) {
				v = &violation{HoldsFold, t.ID, "the stored ticket is not what its history makes"}
			}
		}
		return err
	})
	if v != nil || err != nil {
		return v, err
	}
	verified, err := c.world.Verify(ctx, nil)
	if err == nil && len(verified.Faults) > 0 {
		v = &violation{HoldsVerify, verified.Faults[0].Ticket, verified.Faults[0].What}
	}
	return v, err
}

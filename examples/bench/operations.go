package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// operation is something whose time is measured. prepare does what comes before,
// outside of the time, and returns n steps that are to be timed one by one.
type operation struct {
	name    string
	share   int // one in so many of the steps that --steps asks for
	bare    bool
	prepare func(ctx context.Context, w *world, n int) ([]step, error)
}

type step func(ctx context.Context) error

// children is how many tickets the incident has that "resolve" closes.
const children = 20

func operations() []operation {
	return []operation{
		{name: "receive", share: 1, bare: true, prepare: func(_ context.Context, w *world, n int) ([]step, error) {
			return w.receiving(n, w.letters.report), nil
		}},
		{name: "receive-100kB", share: 2, bare: true, prepare: func(_ context.Context, w *world, n int) ([]step, error) {
			return w.receiving(n, func() letter { return w.letters.attached(100_000) }), nil
		}},
		{name: "reply-by-tag", share: 1, prepare: func(_ context.Context, w *world, n int) ([]step, error) {
			return w.receiving(n, func() letter {
				to := w.reports[w.letters.random.IntN(len(w.reports))]
				return w.letters.answer(deskConfig().Tag, to.id, to.from)
			}), nil
		}},
		{name: "take", share: 1, prepare: commands(func(_ *world, r reported) []workflow.Command {
			return []workflow.Command{workflow.Take{Ticket: r.id}}
		})},
		{name: "link", share: 1, prepare: commands(func(w *world, r reported) []workflow.Command {
			return []workflow.Command{workflow.Link{Ticket: r.id, Parent: w.incident()}}
		})},
		{name: "incident-from-report", share: 1, prepare: commands(func(w *world, r reported) []workflow.Command {
			return []workflow.Command{
				workflow.Open{Kind: incident.KindIncident, Subject: w.letters.subject(), Fields: classified()},
				workflow.Link{Ticket: r.id, Parent: incident.Nth(1)},
				workflow.Take{Ticket: r.id},
			}
		})},
		{name: "resolve-with-20", share: 10, prepare: resolving},
		{name: "import-500", share: 10, prepare: importing},
		{name: "find-address", share: 1, prepare: finding(func(t incident.Ticket) desk.Lookup { return desk.Lookup{Observable: victim(t)} })},
		{name: "find-network", share: 1, prepare: finding(func(t incident.Ticket) desk.Lookup {
			p, _ := victim(t).Network()
			return desk.Lookup{Observable: incident.PrefixOf(netip.PrefixFrom(p.Addr(), 48).Masked(), "")}
		})},
		{name: "find-host", share: 1, prepare: finding(func(t incident.Ticket) desk.Lookup {
			name, _ := page(t).Domain()
			_, above, _ := strings.Cut(name, ".")
			return desk.Lookup{Observable: incident.Observable{Kind: incident.Host, Value: above}}
		})},
		{name: "find-text", share: 1, prepare: finding(func(t incident.Ticket) desk.Lookup {
			name, _ := page(t).Domain()
			return desk.Lookup{Text: "attacked " + name}
		})},
	}
}

func operationNames() []string {
	var names []string
	for _, o := range operations() {
		names = append(names, o.name)
	}
	return names
}

// receiving is mail to take in.
func (w *world) receiving(n int, write func() letter) []step {
	var steps []step
	for range n {
		l := write()
		steps = append(steps, func(ctx context.Context) error {
			_, err := w.desk.Receive(ctx, l.envelope(), l.raw)
			return err
		})
	}
	return steps
}

// commands are done in one Do for each of n reports.
func commands(of func(*world, reported) []workflow.Command) func(context.Context, *world, int) ([]step, error) {
	return func(ctx context.Context, w *world, n int) ([]step, error) {
		reports, err := w.untouched(ctx, n)
		var steps []step
		for _, r := range reports {
			list := of(w, r)
			steps = append(steps, func(ctx context.Context) error {
				_, err := w.session.Do(ctx, list...)
				return err
			})
		}
		return steps, err
	}
}

// resolving closes incidents, and with each its children.
func resolving(ctx context.Context, w *world, n int) ([]step, error) {
	var steps []step
	err := w.together(ctx, func(ctx context.Context, d *desk.Desk) error {
		for range n {
			list := []workflow.Command{workflow.Open{Kind: incident.KindIncident, Subject: w.letters.subject(), Fields: classified()}}
			for range children {
				list = append(list, workflow.Open{
					Kind: incident.KindReport, Subject: w.letters.subject(), Parents: []incident.ID{incident.Nth(1)},
				})
			}
			result, err := d.As(handler).Do(ctx, list...)
			if err != nil {
				return err
			}
			steps = append(steps, func(ctx context.Context) error {
				_, err := w.session.Do(ctx, workflow.Move{Ticket: result.Opened[0], To: "resolved"})
				return err
			})
		}
		return nil
	})
	return steps, err
}

// importing takes in a file of a feed: 500 rows, which are one commit.
func importing(_ context.Context, w *world, n int) ([]step, error) {
	var steps []step
	for range n {
		file := w.letters.feed(500)
		steps = append(steps, func(ctx context.Context) error {
			result, err := w.desk.Import(ctx, desk.Import{Format: "csv"}, strings.NewReader(file))
			if err == nil && result.Observations != 500 {
				err = fmt.Errorf("of 500 rows %d were read: %v", result.Observations, result.Reasons)
			}
			return err
		})
	}
	return steps, nil
}

// finding looks up what a report mentions, and each as rarely as networks and
// customers have it.
func finding(of func(incident.Ticket) desk.Lookup) func(context.Context, *world, int) ([]step, error) {
	return func(ctx context.Context, w *world, n int) ([]step, error) {
		var steps []step
		for range n {
			t, err := w.session.Ticket(ctx, w.reports[w.letters.random.IntN(len(w.reports))].id)
			if err != nil {
				return nil, err
			}
			l := of(t)
			steps = append(steps, func(ctx context.Context) error {
				found, err := w.session.Mentions(ctx, l)
				if err == nil && found.Circles[0].Total == 0 {
					err = fmt.Errorf("ticket %s is not found by %v", t.ID, l)
				}
				return err
			})
		}
		return steps, nil
	}
}

// victim is the address of IPv6 in a report.
func victim(t incident.Ticket) incident.Observable {
	return the(t, func(o incident.Observable) bool {
		p, ok := o.Network()
		return ok && p.Addr().Is6()
	})
}

// page is the URL in a report.
func page(t incident.Ticket) incident.Observable {
	return the(t, func(o incident.Observable) bool { return o.Kind == incident.URL })
}

func the(t incident.Ticket, is func(incident.Observable) bool) incident.Observable {
	i := slices.IndexFunc(t.Observables, is)
	if i < 0 {
		return incident.Observable{}
	}
	return t.Observables[i]
}

// chosen returns the operations with these names, in their order.
func chosen(names []string) []operation {
	return slices.DeleteFunc(operations(), func(o operation) bool { return !slices.Contains(names, o.name) })
}

package workflow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// FieldResolution is the field that says how an incident ended (RTIR: Resolution).
const FieldResolution = "Resolution"

func (c Resolve) asks(p *Policy, t incident.Ticket) []Ask {
	return p.endingAsks(t, p.Lifecycles[t.Kind].OnResolve, c.Reply, c.Children)
}

func (c Resolve) decide(p *Policy, t incident.Ticket, f Facts, env Env) ([]Decision, error) {
	return p.end(c, t, c, p.Lifecycles[t.Kind].OnResolve, f, env)
}

func (c Abandon) asks(p *Policy, t incident.Ticket) []Ask {
	return p.endingAsks(t, p.Lifecycles[t.Kind].OnAbandon, c.Reply, c.Children)
}

func (c Abandon) decide(p *Policy, t incident.Ticket, f Facts, env Env) ([]Decision, error) {
	return p.end(c, t, Resolve(c), p.Lifecycles[t.Kind].OnAbandon, f, env)
}

// endingAsks asks for what ending a ticket must know.
func (p *Policy) endingAsks(t incident.Ticket, to incident.Status, reply string, children []incident.ID) []Ask {
	asks := p.closingAsks(t, to)
	switch {
	case reply == "":
	case t.Kind == incident.KindIncident:
		asks = append(asks, childrenAsks(t, children)...)
	default:
		asks = append(asks, Ask{Fact: FactAnswerable, Ticket: t.ID})
	}
	return asks
}

// end closes a ticket with what belongs to it: mails, field, note, status.
func (p *Policy) end(c Command, t incident.Ticket, how Resolve, to incident.Status, f Facts, env Env) ([]Decision, error) {
	if to == "" {
		return nil, &RefusedError{c.Name(), t.ID, fmt.Sprintf("%s has no such end: allowed statuses are %s", article(t.Kind), list(p.Allowed(t)))}
	}
	if len(how.Children) > 0 && how.Reply == "" {
		return nil, &ArgumentError{c.Name(), "children", fmt.Sprint(how.Children), `none without a text in "reply"`}
	}
	moved, err := p.moveBy(c, t, to, f)
	if err != nil {
		return nil, err
	}
	var note []Decision
	if strings.TrimSpace(how.Comment) != "" {
		note = []Decision{{Event: incident.Commented{}, Text: incident.Clean(how.Comment)}}
	}
	if waiting(moved) { // nobody is told that it is done
		return append(note, moved...), nil
	}
	var decisions []Decision
	switch {
	case how.Reply == "":
	case t.Kind == incident.KindIncident:
		decisions, err = replies(c, t, nil, how.Children, Reply{Text: how.Reply}, f)
	default:
		decisions, err = answer(c, t, Reply{Text: how.Reply}, f)
	}
	if err != nil {
		return nil, err
	}
	if how.Resolution != "" {
		edited, err := Edit{Ticket: t.ID, Fields: map[string][]string{FieldResolution: {how.Resolution}}}.decide(p, t, f, env)
		if err != nil {
			return nil, err
		}
		decisions = append(decisions, edited...)
	}
	return append(append(decisions, note...), moved...), nil
}

// waiting reports whether decisions are those of [Policy.waitsForBlocks].
func waiting(decisions []Decision) bool {
	return slices.ContainsFunc(decisions, func(d Decision) bool { _, skipped := d.Event.(incident.Skipped); return skipped })
}

func list(statuses []incident.Status) string {
	names := make([]string, len(statuses))
	for i, s := range statuses {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

func (c Reject) asks(p *Policy, t incident.Ticket) []Ask {
	return p.endingAsks(t, p.Lifecycles[t.Kind].OnReject, c.Text, nil)
}

func (c Reject) decide(p *Policy, t incident.Ticket, f Facts, env Env) ([]Decision, error) {
	to := p.Lifecycles[t.Kind].OnReject
	if to == "" {
		return nil, &RefusedError{c.Name(), t.ID, fmt.Sprintf("%s cannot be rejected: allowed statuses are %s", article(t.Kind), list(p.Allowed(t)))}
	}
	decisions, err := Take{Ticket: t.ID}.decide(p, t, f, env)
	if c.Steal {
		decisions, err = Steal{Ticket: t.ID}.decide(p, t, f, env)
	}
	if err != nil {
		return nil, err
	}
	if c.Text != "" {
		mail, err := answer(c, t, Reply{Subject: c.Subject, Text: c.Text}, f)
		if err != nil {
			return nil, err
		}
		decisions = append(decisions, mail...)
	}
	moved, err := p.moveBy(c, t, to, f)
	if err != nil {
		return nil, err
	}
	return append(decisions, moved...), nil
}

// What closing an incident does to a block that is in place: the parameter of the
// rule close-children.
const (
	BlockAskRemoval = "ask-removal" // its removal is asked for, and the incident stays open until it is confirmed (JANET 3.17)
	BlockWarn       = "warn"        // it stays, with a record that says so
	BlockClose      = "close"       // it ends with the others (RTIR)
)

// activeBlock says what closing an incident does to a block that is in place.
func (p *Policy) activeBlock() string {
	if r, ok := p.Rule(ruleCloseChildren); ok {
		if params, ok := r.Params.(CloseChildren); ok {
			return params.ActiveBlock
		}
	}
	return BlockClose
}

// closingAsks asks for the blocks that may keep an incident from being closed.
func (p *Policy) closingAsks(t incident.Ticket, to incident.Status) []Ask {
	s, ok := p.Lifecycles[t.Kind].Status(to)
	if t.Kind != incident.KindIncident || !t.Open() || !ok || s.Phase != incident.Inactive || p.activeBlock() != BlockAskRemoval {
		return nil
	}
	return []Ask{{Fact: FactSoleChildren, Ticket: t.ID}}
}

// waitsForBlocks returns what happens in place of closing an incident while a
// block of it is in place; nil if none is.
func (p *Policy) waitsForBlocks(c Command, t incident.Ticket, moved *incident.Moved, f Facts) []Decision {
	if len(p.closingAsks(t, moved.To)) == 0 {
		return nil
	}
	l := p.Lifecycles[incident.KindBlock]
	removal, ok := l.Status(l.OnRemoval)
	var waits []Decision
	for _, block := range f.SoleChildren(t.ID) {
		if !ok || block.Kind != incident.KindBlock || block.Phase != incident.Active {
			continue
		}
		waits = append(waits, events(incident.Skipped{
			Rule: ruleCloseChildren, Command: c.Name(), Why: fmt.Sprintf("block %s is in place: its removal is asked for, and must be confirmed first", block.ID),
		})...)
		if now, _ := l.Status(block.Status); slices.Contains(now.MoveTo, removal.Name) {
			waits = append(waits, on(block.ID, incident.Moved{From: block.Status, To: removal.Name, Phase: removal.Phase})...)
		}
	}
	return waits
}

package sim

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// tell writes what came of a step, a line for each thing.
func (p *player) tell(ctx context.Context, o outcome) (lines []string, err error) {
	err = p.w.Store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		for _, record := range o.records {
			if err := p.meet(ctx, r, record); err != nil {
				return err
			}
		}
		for _, record := range o.records {
			more, err := p.record(ctx, r, record)
			if err != nil {
				return err
			}
			lines = append(lines, more...)
		}
		return nil
	})
	for _, a := range o.others {
		lines = append(lines, fmt.Sprintf("but %s works on %s until %s", who(a.By), p.of(a.Ticket), moment(a.Until)))
	}
	for _, c := range o.offers {
		lines = append(lines, "offered "+c.Name()+p.members(reflect.ValueOf(c)))
	}
	for _, warning := range o.warned {
		lines = append(lines, "warning: "+warning)
	}
	switch {
	case o.refused != nil:
		for line := range strings.SplitSeq(o.refused.Error(), "\n") {
			lines = append(lines, "! "+line)
		}
	case len(o.lines) > 0:
		lines = append(lines, o.lines...)
	case len(o.records)+len(o.offers) == 0 && !o.silent:
		lines = append(lines, "nothing happens")
	}
	return lines, err
}

// meet gives a ticket that no script has named its kind and number for a name.
func (p *player) meet(ctx context.Context, r storage.Reader, record incident.Record) error {
	if p.called[record.Ticket] != "" || record.Ticket == incident.Desk {
		return nil
	}
	t, err := r.Ticket(ctx, record.Ticket)
	p.called[t.ID] = fmt.Sprintf("%s #%s", t.Kind, t.ID)
	return err
}

// of returns what a ticket is called.
func (p *player) of(id incident.ID) string {
	if id == incident.Desk {
		return "desk"
	}
	return cmp.Or(p.called[id], "#"+id.String())
}

// record tells one record: what changed, by whom and why, which rules did not
// fire, and which mail goes out.
func (p *player) record(ctx context.Context, r storage.Reader, record incident.Record) ([]string, error) {
	what, err := p.change(ctx, r, record)
	if err != nil {
		return nil, err
	}
	line := fmt.Sprintf("%s v%d %s, by %s", p.of(record.Ticket), record.Version, what, who(record.By))
	if rule := record.Cause.Rule; rule != "" {
		line += ", because " + rule
		if record.Cause.Version > 0 {
			line += fmt.Sprintf(" saw %s v%d", p.of(record.Cause.Ticket), record.Cause.Version)
		}
	}
	lines := []string{line}
	for _, miss := range record.NearMisses() {
		lines = append(lines, fmt.Sprintf("  not %s: %s", miss.Rule, miss.Why))
	}
	rows, err := r.Outgoing(ctx, storage.OutgoingQuery{Tickets: []incident.ID{record.Ticket}})
	for _, row := range rows {
		if row.Version != record.Version {
			continue
		}
		if row.Reaction != "" {
			lines = append(lines, "  reaction "+row.Reaction)
			continue
		}
		body, err := read(ctx, r, row.Blob)
		if err != nil {
			return lines, err
		}
		m, _ := mail.Parse(body, mail.Limits{})
		waits := ""
		if row.Status == storage.Parked {
			waits = ", parked"
		}
		lines = append(lines, fmt.Sprintf("  mail to %s%s: %q", row.To, waits, m.Subject))
	}
	return lines, err
}

func read(ctx context.Context, r storage.Reader, digest incident.Digest) ([]byte, error) {
	blob, err := r.OpenBlob(ctx, digest)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	return io.ReadAll(blob)
}

// change says in words what a record does to its ticket.
func (p *player) change(ctx context.Context, r storage.Reader, record incident.Record) (string, error) {
	ev, err := incident.Decode(record)
	if err != nil {
		return "", err
	}
	switch ev := ev.(type) {
	case incident.Opened:
		opened := incident.Apply(incident.Ticket{}, record)
		return "opened: " + p.details(opened), nil
	case incident.Moved:
		return fmt.Sprintf("moved %s -> %s", ev.From, ev.To), nil
	case incident.Owned:
		return fmt.Sprintf("owner %s -> %s", who(ev.From), who(ev.To)), nil
	case incident.Linked:
		return "linked to " + p.of(ev.Parent), nil
	case incident.Unlinked:
		return "unlinked from " + p.of(ev.Parent), nil
	case incident.DueSet:
		return "due " + date(ev.Due) + p.winner(ev), nil
	case incident.Skipped:
		return fmt.Sprintf("skipped %s: %s", ev.Command, ev.Why), nil
	case incident.Held:
		return fmt.Sprintf("held: %s%s", ev.Reason, p.several(", may belong to ", ev.Candidates)), nil
	case incident.Message:
		return message(ev), nil
	case incident.Merged:
		if ev.Into == 0 {
			return "took the mail of " + p.of(ev.From), nil
		}
		return "merged into " + p.of(ev.Into), nil
	case incident.Joined:
		from := ev.From
		ev.From = 0
		return "took over " + p.of(from) + p.members(reflect.ValueOf(ev)), nil
	case incident.Unmerged:
		return "parted from " + p.of(ev.Into+ev.From), nil // one of them is 0
	case incident.Attended:
		switch {
		case ev.By == incident.Nobody:
			return "nobody works on it any more", nil
		case ev.Until == nil:
			return who(ev.By) + " works on it no more", nil
		}
		return fmt.Sprintf("%s works on it until %s", who(ev.By), date(ev.Until)), nil
	case incident.Notified:
		if len(ev.Blobs) == 0 {
			return fmt.Sprintf("did not tell %s, for want of a mailbox: %s", who(ev.To), ev.About), nil
		}
		return fmt.Sprintf("told %s: %s", who(ev.To), ev.About), nil
	case incident.Observed:
		return fmt.Sprintf("observed %d of %s: %s", ev.Added, ev.Feed, observations(ev.Count, ev.First, ev.Last, ev.Beyond)), nil
	case incident.Imported:
		return "imported " + imported(ev), nil
	case incident.Commented:
		line := "commented"
		if len(ev.Blobs) > 0 {
			text, err := read(ctx, r, ev.Blobs[0])
			if err != nil {
				return "", err
			}
			line += " " + firstLine(text)
		}
		return line + p.members(reflect.ValueOf(ev)), nil
	}
	return record.Type + p.members(reflect.ValueOf(ev)), nil
}

func counted(observations int) string {
	if observations == 1 {
		return "1 observation"
	}
	return fmt.Sprintf("%d observations", observations)
}

// observations sums up what machines have reported on a ticket.
func observations(count int, first, last *time.Time, beyond bool) string {
	line := counted(count)
	if first != nil && last != nil {
		line += " of " + date(first)
		if !last.Equal(*first) {
			line += " to " + date(last)
		}
	}
	if beyond {
		line += ", limit exceeded"
	}
	return line
}

// imported says what came of a piece of an import, without the import's number.
func imported(e incident.Imported) string {
	line := fmt.Sprintf("%s as %s: %d kept", counted(e.Observations), e.Format, e.Kept)
	if rest := e.Unkept(); rest != "" {
		line += ", " + rest
	}
	if e.Again {
		line += ", the same as before"
	}
	for _, why := range e.Content.Reasons {
		line += "; " + why
	}
	return line
}

// firstLine quotes the beginning of a text.
func firstLine(text []byte) string {
	line, rest, _ := bytes.Cut(text, []byte("\n"))
	const most = 60
	short := []rune(string(line))
	if len(short) > most || len(rest) > 0 {
		return fmt.Sprintf("%q ...", string(short[:min(most, len(short))]))
	}
	return fmt.Sprintf("%q", string(short))
}

// winner says what set a due date.
func (p *player) winner(ev incident.DueSet) string {
	switch {
	case ev.Child != 0:
		return " (that of " + p.of(ev.Child) + ")"
	case ev.Basis != nil && ev.Basis.Level != "":
		return fmt.Sprintf(" (level %s, clock %s)", ev.Basis.Level, cmp.Or(ev.Clock, none))
	case ev.Pinned:
		return " (pinned)"
	case ev.Clock != "":
		return " (" + ev.Clock + ")"
	}
	return ""
}

func message(m incident.Message) string {
	line := "message from " + m.Content.From.Address
	if m.Sent {
		line = "message sent"
		if m.Thread == workflow.ThreadResend {
			line = "message sent again"
		}
	}
	line += fmt.Sprintf(" %q", m.Content.Subject)
	for _, part := range []struct {
		is   bool
		word string
	}{
		{!m.Sent && m.Thread != "", "found by " + m.Thread}, {m.Machine, "by a machine"}, {m.Answers, "an answer"},
		{len(m.Flags) > 0, strings.Join(m.Flags, " ")}, {m.When != nil, "received " + date(m.When)},
	} {
		if part.is {
			line += ", " + part.word
		}
	}
	return line
}

func date(t *time.Time) string {
	if t == nil {
		return none
	}
	return moment(*t)
}

func (p *player) several(before string, ids []incident.ID) string {
	var names []string
	for _, id := range ids {
		names = append(names, p.of(id))
	}
	if len(names) == 0 {
		return ""
	}
	return before + strings.Join(names, ", ")
}

// describe is a ticket in one line.
func (p *player) describe(t incident.Ticket) string {
	name := p.of(t.ID)
	if number := "#" + t.ID.String(); !strings.HasSuffix(name, number) {
		name += " " + number
	}
	return name + " " + p.details(t)
}

// details are what a person wants to know of a ticket.
func (p *player) details(t incident.Ticket) string {
	parts := []string{string(t.Status), fmt.Sprintf("%q", t.Subject)}
	add := func(is bool, format string, args ...any) {
		if is {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(t.State != "", "state %s", t.State)
	add(t.Owner != incident.Nobody, "owner %s", who(t.Owner))
	for _, a := range t.Attending(p.w.Now()) {
		add(true, "%s works on it until %s", who(a.By), moment(a.Until))
	}
	add(t.Due != nil, "due %s", date(t.Due))
	add(t.Pinned, "pinned")
	add(t.Priority != 0, "priority %d", t.Priority)
	add(t.Constituency != "", "constituency %s", t.Constituency)
	add(t.Via != "", "via %s", t.Via)
	add(len(t.Parents) > 0, "%s", strings.TrimSpace(p.several("under ", t.Parents)))
	add(t.From != 0, "from %s", p.of(t.From))
	add(t.MergedInto != 0, "merged into %s", p.of(t.MergedInto))
	add(t.Held != nil, "held")
	for _, list := range []struct {
		word  string
		value any
	}{{"requestors", t.Requestors}, {"cc", t.Cc}, {"contacts", t.Contacts}, {"numbers", t.ExternalIDs}, {"observables", t.Observables}, {"fields", t.Fields}} {
		if v := reflect.ValueOf(list.value); v.Len() > 0 {
			parts = append(parts, list.word+" "+p.text(v))
		}
	}
	return strings.Join(parts, ", ")
}

// members lists the members of an event that say something, as they are called in
// JSON, so that events of later vocabularies can be told too.
func (p *player) members(v reflect.Value) string {
	var parts []string
	var walk func(reflect.Value)
	walk = func(v reflect.Value) {
		for _, f := range reflect.VisibleFields(v.Type()) {
			value := v.FieldByIndex(f.Index)
			switch {
			case f.Name == "Content" && value.Kind() == reflect.Struct:
				walk(value)
			case !f.IsExported() || f.Name == "Blobs" || value.IsZero():
			default:
				parts = append(parts, jsonName(f)+" "+p.text(value))
			}
		}
	}
	walk(v)
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// text writes a value as a person would.
func (p *player) text(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case incident.ID:
		return p.of(x)
	case incident.Actor:
		return who(x)
	case time.Time:
		return moment(x)
	case incident.Party:
		return x.String()
	case incident.Observable:
		return strings.TrimSpace(x.Value + " " + string(x.Role))
	case incident.Digest:
		return x.String()[:8]
	case json.RawMessage:
		return string(x)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return none
		}
		return p.text(v.Elem())
	case reflect.String:
		return quote(v.String(), " \t,\"`")
	case reflect.Slice:
		var all []string
		for i := range v.Len() {
			all = append(all, p.text(v.Index(i)))
		}
		return cmp.Or(strings.Join(all, ","), none)
	case reflect.Struct:
		return "(" + strings.TrimPrefix(p.members(v), ": ") + ")"
	case reflect.Map:
		var all []string
		for _, key := range v.MapKeys() {
			all = append(all, p.text(key)+"="+p.text(v.MapIndex(key)))
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	return fmt.Sprint(v.Interface())
}

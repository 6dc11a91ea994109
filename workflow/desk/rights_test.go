package desk_test

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// section is a part of testdata/rights.txt: what one role may do.
type section struct {
	role   string
	groups []string
	rows   []rightsRow
}

// rightsRow is a command, or a variant of one, with a cell for each kind.
type rightsRow struct {
	command, variant string
	cells            map[incident.Kind]string
}

func (r rightsRow) String() string { return strings.TrimSuffix(r.command+"/"+r.variant, "/") }

// rightsTable reads the expectations.
func rightsTable(t testing.TB) (sections []section) {
	t.Helper()
	text, err := os.ReadFile("testdata/rights.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0][0] == '#':
		case words[0] == "section":
			s := section{role: words[1]}
			if len(words) > 2 {
				require.Equal(t, "as", words[2], line)
				s.groups = words[3:]
			}
			sections = append(sections, s)
		default:
			require.Len(t, words, 1+len(incident.Kinds()), line)
			row := rightsRow{cells: map[incident.Kind]string{}}
			row.command, row.variant, _ = strings.Cut(words[0], "/")
			for i, kind := range incident.Kinds() {
				require.Regexp(t, `^([yrnt-]{4}|\.)$`, words[1+i], line)
				row.cells[kind] = words[1+i]
			}
			s := &sections[len(sections)-1]
			s.rows = append(s.rows, row)
		}
	}
	return sections
}

// The table says of every command what comes of it, for every role of the presets.
func TestRightsTableIsWhole(t *testing.T) {
	p, err := workflow.Preset("rtir")
	require.NoError(t, err)
	want := []string{workflow.See, workflow.Examine{}.Name()}
	for _, c := range workflow.Commands() {
		want = append(want, c.Name())
	}
	roles := map[string]bool{}
	for _, s := range rightsTable(t) {
		roles[s.role] = true
		var have []string
		for _, row := range s.rows {
			if row.variant == "" {
				have = append(have, row.command)
			}
			require.Contains(t, want, row.command)
		}
		require.ElementsMatch(t, want, have, "section %s: every command once", s.role)
	}
	for _, role := range p.Rights.Roles {
		require.True(t, roles[role.Name], "role %s", role.Name)
	}
}

// TestRights does what the table says, under both presets that have rights; with
// -short, a fifth of it.
func TestRights(t *testing.T) {
	for i, preset := range []string{"janet", "rtir"} {
		for k, s := range rightsTable(t) {
			if testing.Short() && (i+k)%5 != 0 {
				continue
			}
			t.Run(preset+" "+strings.Join(append([]string{s.role}, s.groups...), " "), func(t *testing.T) {
				p, err := workflow.Preset(preset)
				require.NoError(t, err)
				count := 0
				s.compare(t, p, func(cell, want, got string) bool {
					require.Equal(t, want, got, cell)
					count++
					return true
				})
				t.Logf("%d cases", count)
			})
		}
	}
}

// Every part of the table of rights counts: whatever is taken out of it or let go,
// something comes out otherwise. With -short, it is a tenth of the parts.
func TestEveryRightCounts(t *testing.T) {
	p, err := workflow.Preset("rtir")
	require.NoError(t, err)
	differs := func(roles []string, first string, change func(*workflow.Rights)) bool {
		changed, err := workflow.Preset("rtir")
		require.NoError(t, err)
		change(&changed.Rights)
		for _, s := range rightsTable(t) {
			if len(roles) > 0 && !slices.Contains(roles, s.role) {
				continue
			}
			slices.SortStableFunc(s.rows, func(a, b rightsRow) int { // what is likeliest to differ first
				return map[bool]int{true: 0, false: 1}[a.command == first] - map[bool]int{true: 0, false: 1}[b.command == first]
			})
			same := true
			s.compare(t, changed, func(_, want, got string) bool { same = want == got; return same })
			if !same {
				return true
			}
		}
		return false
	}
	for i, command := range p.Rights.OwnerOnly {
		require.True(t, differs([]string{"manager"}, command, func(r *workflow.Rights) { r.OwnerOnly = slices.Delete(r.OwnerOnly, i, i+1) }), "owner-only %s", command)
	}
	require.True(t, differs(nil, "", func(r *workflow.Rights) { *r = workflow.Rights{} }))
	require.True(t, differs([]string{"handler"}, "see", func(r *workflow.Rights) { r.Default = "" }))
	parts := 0
	for i, role := range p.Rights.Roles {
		for j, permission := range role.May {
			part := func(what, first string, change func(*workflow.Role)) {
				if parts++; testing.Short() && parts%10 != 0 {
					return
				}
				require.True(t, differs([]string{role.Name}, first, func(r *workflow.Rights) { change(&r.Roles[i]) }), "role %s, permission %d: %s", role.Name, j, what)
			}
			part("without it", permission.Commands[0], func(r *workflow.Role) { r.May = slices.Delete(r.May, j, j+1) })
			for k, command := range permission.Commands {
				if len(permission.Commands) > 1 {
					part("without "+command, command, func(r *workflow.Role) { r.May[j].Commands = slices.Delete(r.May[j].Commands, k, k+1) })
				}
			}
			v := reflect.ValueOf(permission)
			for k := range v.NumField() {
				if name := v.Type().Field(k).Name; name != "Commands" && !v.Field(k).IsZero() {
					part("without "+name, permission.Commands[0], func(r *workflow.Role) { reflect.ValueOf(&r.May[j]).Elem().Field(k).SetZero() })
				}
			}
		}
	}
	t.Logf("%d parts of %d roles", parts, len(p.Rights.Roles))
}

// compare runs the cells of a section, until told to stop.
func (s section) compare(t *testing.T, p *workflow.Policy, compare func(cell, want, got string) bool) {
	actor := incident.Actor("handler:eve")
	if s.role == string(incident.Correspondent) {
		actor = incident.Correspondent
	}
	for _, row := range s.rows {
		for _, kind := range incident.Kinds() {
			for i, want := range row.cells[kind] {
				if want == '.' {
					continue
				}
				f := &rightsFixture{
					t: t, policy: p, row: row, kind: kind, actor: actor, groups: s.groups,
					constituency: []string{"EDUNET", "GOVNET"}[i/2], mine: i%2 == 0,
				}
				cell := fmt.Sprintf("%s %s: %s %s of %s, owned by the actor: %t", s.role, s.groups, row, kind, f.constituency, f.mine)
				if !compare(cell, string(want), f.outcome()) {
					return
				}
			}
		}
	}
}

// rightsFixture is the world of one case.
type rightsFixture struct {
	t            *testing.T
	policy       *workflow.Policy
	row          rightsRow
	kind         incident.Kind
	actor        incident.Actor
	groups       []string
	constituency string
	mine         bool

	w     *world
	owner incident.Actor
}

// outcome does the command of the case and says in a letter what came of it.
func (f *rightsFixture) outcome() string {
	w := newWorldUnder(f.t, memory.New(), f.policy, func(c *desk.Config) {
		c.Recipients = []desk.Recipient{{Address: "edunet@example.net", Constituency: "EDUNET"}, {Address: "govnet@example.net", Constituency: "GOVNET"}}
	})
	f.w, f.owner = w, "handler:bob"
	if f.mine {
		f.owner = f.actor
	}
	command := f.command()
	session := w.desk.As(f.actor, f.groups...)
	if command == nil && f.row.command == workflow.See {
		_, err := session.Ticket(ctx, 2)
		return letter(nil, err, f.t)
	}
	if f.row.command == "examine" {
		result, err := session.Examine(ctx, 2, 2)
		return letter(result, err, f.t)
	}
	before := w.snapshot()
	previewed, err := session.Preview(ctx, command)
	preview := letter(previewed, err, f.t)
	require.Equal(f.t, before, w.snapshot(), "a preview leaves nothing behind")
	done, err := session.Do(ctx, command)
	got := letter(done, err, f.t)
	require.Equal(f.t, preview, got, "preview and do agree: %s: %v", f.row, err)
	if got != "y" {
		require.Equal(f.t, before, w.snapshot(), "what is refused leaves nothing behind")
	}
	var refused *workflow.RightsError
	if errors.As(err, &refused) && len(refused.Offers) > 0 {
		result, err := session.Do(ctx, append(slices.Clone(refused.Offers), command)...)
		require.Contains(f.t, []string{"y", "n"}, letter(result, err, f.t), "what %v offers is enough: %v", refused, err)
	}
	return got
}

// letter is the outcome of a command in the letters of the table.
func letter(result *desk.Result, err error, t *testing.T) string {
	var rights *workflow.RightsError
	var none *workflow.NoTicketError
	var taken *workflow.TakenError
	var refused *workflow.RefusedError
	var argument *workflow.ArgumentError
	var transition *workflow.TransitionError
	switch {
	case err == nil && result != nil && len(result.Records)+result.Hidden == 0, errors.Is(err, desk.ErrNoBody):
		return "n"
	case err == nil:
		return "y"
	case errors.As(err, &rights):
		return "r"
	case errors.As(err, &none):
		require.ErrorIs(t, err, storage.ErrNotFound)
		return "-"
	case errors.As(err, &taken):
		return "t"
	case errors.As(err, &refused), errors.As(err, &argument), errors.As(err, &transition):
		return "n"
	}
	require.NoError(t, err)
	return ""
}

// as gives commands for the desk itself, which may do everything.
func (f *rightsFixture) as(commands ...workflow.Command) []incident.ID {
	f.t.Helper()
	result, err := f.w.desk.As(incident.System).Do(ctx, commands...)
	require.NoError(f.t, err)
	return result.Opened
}

// open makes a ticket of the case's constituency and owner.
func (f *rightsFixture) open(kind incident.Kind, parents ...incident.ID) incident.ID {
	f.t.Helper()
	o := workflow.Open{Kind: kind, Subject: "Scan", Constituency: f.constituency, Parents: parents}
	if kind == incident.KindIncident {
		o.Fields = classified
	} else {
		o.Requestors = []incident.Party{{Address: "bob@example.org"}}
	}
	return f.as(o, workflow.Assign{Ticket: incident.Nth(1), To: f.owner})[0]
}

// command sets up what the command needs, with ticket 2 in the middle, and returns
// it; nil to see ticket 2.
func (f *rightsFixture) command() workflow.Command {
	inc := f.open(incident.KindIncident)
	if f.row.command == "open" {
		return f.opening(inc)
	}
	queued := slices.Contains([]string{"accept", "attach", "group"}, f.row.command)
	free := (f.row.command == "link" || queued) && f.kind == incident.KindReport || f.row.String() == "edit/give"
	var id incident.ID
	switch {
	case f.row.command == "deliver" && f.kind == incident.KindReport:
		to := strings.ToLower(f.constituency) + "@example.net"
		raw := "From: bob@example.org\r\nSubject: [A CSIRT #999]\r\n\r\nWhich?\r\n"
		receipt, err := f.w.desk.Receive(ctx, mail.Envelope{From: "bob@example.org", To: []string{to}}, []byte(raw))
		require.NoError(f.t, err)
		if id = receipt.Ticket; f.mine {
			f.as(workflow.Assign{Ticket: id, To: f.actor})
		}
	case f.kind == incident.KindIncident:
		id = f.open(f.kind)
		if f.row.command == "reply-all" {
			f.open(incident.KindReport, id)
		}
	case free:
		id = f.open(f.kind)
	default:
		id = f.open(f.kind, inc)
	}
	require.Equal(f.t, incident.ID(2), id)
	switch f.row.String() {
	case "see", "examine":
		return nil
	case "take", "reject", "accept", "attach", "group":
		if !f.mine {
			f.as(workflow.Assign{Ticket: id, To: incident.Nobody})
		}
	}
	move := func(to incident.Status) workflow.Command { return workflow.Move{Ticket: id, To: to} }
	switch f.row.String() {
	case "take", "take/taken":
		return workflow.Take{Ticket: id}
	case "steal":
		return workflow.Steal{Ticket: id}
	case "release":
		return workflow.Release{Ticket: id}
	case "assign":
		return workflow.Assign{Ticket: id, To: "handler:carol"}
	case "move":
		if f.kind == incident.KindBlock {
			return move("active")
		}
		return move("resolved")
	case "move/withdraw":
		return move("removed")
	case "move/return":
		f.as(move("active"), move("pending removal"))
		return move("active")
	case "move/ask":
		f.as(move("active"))
		return move("pending removal")
	case "move/remove":
		f.as(move("active"))
		return move("removed")
	case "reopen":
		f.as(workflow.Resolve{Ticket: id})
		return workflow.Reopen{Ticket: id}
	case "resolve":
		return workflow.Resolve{Ticket: id, Comment: "Done."}
	case "abandon":
		return workflow.Abandon{Ticket: id}
	case "reject", "reject/taken":
		return workflow.Reject{Ticket: id}
	case "link":
		return workflow.Link{Ticket: id, Parent: f.open(incident.KindIncident)}
	case "link/either":
		if !f.mine {
			f.owner = f.actor
		} else {
			f.owner = "handler:bob"
		}
		return workflow.Link{Ticket: id, Parent: f.open(incident.KindIncident)}
	case "unlink":
		if f.kind == incident.KindBlock { // must have one left
			f.as(workflow.Link{Ticket: id, Parent: f.open(incident.KindIncident)})
		}
		return workflow.Unlink{Ticket: id, Parent: inc}
	case "merge", "merge/either", "unmerge":
		return f.merging(id, inc)
	case "attend":
		return workflow.Attend{Ticket: id}
	case "comment":
		return workflow.Comment{Ticket: id, Text: "Rang them."}
	case "edit":
		return workflow.Edit{Ticket: id, Priority: pointer(77)}
	case "edit/give":
		return workflow.Edit{Ticket: id, Constituency: pointer(map[string]string{"EDUNET": "GOVNET", "GOVNET": "EDUNET"}[f.constituency])}
	case "reply":
		return workflow.Reply{Ticket: id, Text: "Thank you."}
	case "reply-all":
		return workflow.ReplyAll{Ticket: id, Text: "Thank you."}
	case "resend": // nothing was sent
		return workflow.Resend{Ticket: id}
	case "clear-address": // nothing is marked
		return workflow.ClearAddress{Address: "noc@example.com"}
	case "deliver":
		return workflow.Deliver{Ticket: id, As: incident.Accepted}
	case "confirm-mail":
		if f.kind != incident.KindIncident { // which sends none
			f.as(workflow.Reply{Ticket: id, Text: "Thank you."})
			f.w.flush(f.w.courier(answers(&mail.Error{Code: 451, Message: "the connection broke", Undecided: true})), 0)
		}
		return workflow.ConfirmMail{Ticket: id}
	case "release-mail", "drop-mail":
		if f.kind != incident.KindIncident { // which sends none
			f.as(workflow.Reply{Ticket: id, Text: "Thank you."})
		}
		if f.row.command == "drop-mail" {
			return workflow.DropMail{Ticket: id}
		}
		if f.kind != incident.KindIncident {
			f.as(workflow.DropMail{Ticket: id})
		}
		return workflow.ReleaseMail{Ticket: id}
	case "accept":
		return workflow.Accept{Ticket: id, Fields: classified}
	case "attach":
		return workflow.Attach{Ticket: id, Incident: f.open(incident.KindIncident)}
	case "group":
		var parents []incident.ID
		if f.kind == incident.KindInvestigation || f.kind == incident.KindBlock {
			parents = append(parents, inc)
		}
		other := f.open(f.kind, parents...)
		address := []incident.Observable{{Kind: incident.Address, Value: "192.0.2.7"}}
		f.as(workflow.Edit{Ticket: id, AddObservables: address}, workflow.Edit{Ticket: other, AddObservables: address}, workflow.Assign{Ticket: other, To: incident.Nobody})
		return workflow.Group{Ticket: id, With: []incident.ID{other}}
	case "deliver/to":
		return workflow.Deliver{Ticket: id, To: f.open(incident.KindInvestigation)}
	}
	require.Fail(f.t, "the table has a row that the test does not know", f.row.String())
	return nil
}

func (f *rightsFixture) opening(inc incident.ID) workflow.Command {
	o := workflow.Open{Kind: f.kind, Subject: "Scan", Constituency: f.constituency}
	switch f.kind {
	case incident.KindIncident:
		o.Fields = classified
	case incident.KindInvestigation, incident.KindBlock:
		o.Parents = []incident.ID{inc}
	}
	return o
}

// merging sets up a merge into a ticket of the same kind.
func (f *rightsFixture) merging(id, inc incident.ID) workflow.Command {
	var parents []incident.ID
	if f.kind == incident.KindBlock {
		parents = append(parents, inc)
	}
	if f.row.variant == "either" { // one of the two only
		if f.mine {
			f.owner = "handler:bob"
		} else {
			f.owner = f.actor
		}
		parents = nil
		if f.kind == incident.KindBlock {
			parents = append(parents, f.open(incident.KindIncident))
		}
	}
	merge := workflow.Merge{Ticket: id, Into: f.open(f.kind, parents...)}
	if f.row.command == "unmerge" {
		f.as(merge)
		return workflow.Unmerge{Ticket: id}
	}
	return merge
}

// A menu offers what the actor may do, and nothing else.
func TestAllowedIsWhatMayBeDone(t *testing.T) {
	p, err := workflow.Preset("rtir")
	require.NoError(t, err)
	offered := 0
	for _, s := range rightsTable(t) {
		for _, kind := range incident.Kinds() {
			for _, mine := range []bool{true, false} {
				f := &rightsFixture{t: t, policy: p, kind: kind, actor: "handler:eve", groups: s.groups, constituency: "EDUNET", mine: mine, row: rightsRow{command: "take", variant: "taken"}}
				f.outcome()
				session := f.w.desk.As(f.actor, f.groups...)
				ticket, err := session.Ticket(ctx, 2)
				if err != nil {
					_, err := session.Allowed(ctx, 2)
					require.ErrorIs(t, err, storage.ErrNotFound)
					continue
				}
				actions, err := session.Allowed(ctx, 2)
				require.NoError(t, err)
				for _, a := range p.Lifecycles[kind].ActionsFrom(ticket.Status) {
					may := false
					for _, c := range []workflow.Command{
						workflow.Move{Ticket: 2, To: a.To}, workflow.Reopen{Ticket: 2}, workflow.Resolve{Ticket: 2}, workflow.Abandon{Ticket: 2}, workflow.Reject{Ticket: 2, Steal: true},
					} {
						result, err := session.Preview(ctx, c)
						may = may || err == nil && slices.ContainsFunc(result.Tickets, func(after incident.Ticket) bool { return after.ID == 2 && after.Status == a.To })
					}
					require.Equal(t, may, slices.Contains(actions, a), "%s %v: %s, owned by the actor: %t", s.role, kind, a.Name, mine)
					offered += map[bool]int{true: 1}[may]
				}
			}
		}
	}
	require.Greater(t, offered, 20)
}

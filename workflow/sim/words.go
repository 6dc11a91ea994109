package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// word is a step that is no command. Its fields are its arguments; those that may
// not be left out need no names.
type word interface {
	play(ctx context.Context, p *player, s Step) (outcome, error)
}

type (
	policyWord struct {
		Name string `json:"name"`
	}
	actorWord struct {
		Who    incident.Actor `json:"who"`
		Groups []string       `json:"groups"`
	}
	atWord struct {
		Time time.Time `json:"time"`
	}
	afterWord struct {
		Duration time.Duration `json:"duration"`
	}
	sweepWord struct{}
	reactWord struct{}
	postWord  struct {
		Refuses []string `json:"refuses,omitempty"` // addresses that take no mail
		Breaks  []string `json:"breaks,omitempty"`  // addresses that do not say whether they took it
	}
	importWord struct {
		Format string `json:"format,omitempty"` // by name; none: the one that recognises it
		Feed   string `json:"feed,omitempty"`
	}
	fileWord struct {
		Name string `json:"name"`
	}
	showWord struct {
		Ticket incident.ID `json:"ticket"`
	}
	readWord struct {
		Ticket incident.ID `json:"ticket"`
	}
	listWord struct {
		List  listName `json:"list"`
		Topic string   `json:"topic,omitempty"` // only what is of it
		All   bool     `json:"all,omitempty"`   // children that the policy hides too
	}
	topicsWord  struct{}
	explainWord struct {
		Ticket incident.ID `json:"ticket"`
		What   string      `json:"what"`
	}
	expectWord struct { // beside the members of a ticket
		Ticket incident.ID `json:"ticket"`
	}
)

// listName is a list, or "$name" for the children of an incident.
type listName string

func words() map[string]word {
	return map[string]word{
		"policy": policyWord{}, "actor": actorWord{}, "at": atWord{}, "after": afterWord{}, "sweep": sweepWord{}, "react": reactWord{}, "post": postWord{}, "file": fileWord{}, "mail": mailWord{}, "import": importWord{},
		"show": showWord{}, "read": readWord{}, "list": listWord{}, "topics": topicsWord{}, "explain": explainWord{}, "expect": expectWord{},
	}
}

// asks reports whether a word may be somebody's: it shows what that person sees.
func asks(w word) bool {
	switch w.(type) {
	case showWord, readWord, listWord, topicsWord, explainWord, expectWord:
		return true
	}
	return false
}

// word reads the arguments of a word.
func (e encoder) word(c Call) (word, argErrors) {
	shape := reflect.TypeOf(words()[c.Name])
	args := c.Args
	if c.Name == "expect" {
		var rest []Arg
		args, rest = args[:min(1, len(args))], args[min(1, len(args)):]
		if _, errs := e.object(reflect.TypeFor[incident.Ticket](), rest); errs != nil {
			return nil, errs
		}
	}
	args, errs := named(shape, c, args)
	if errs != nil {
		return nil, errs
	}
	object, errs := e.object(shape, args)
	if errs != nil {
		return nil, errs
	}
	value := reflect.New(shape)
	raw, err := json.Marshal(object)
	if err == nil {
		err = json.Unmarshal(raw, value.Interface())
	}
	if err != nil {
		return nil, wrong(c, "%w", err)
	}
	return value.Elem().Interface().(word), nil
}

// check reports every step that could not be done whatever happens before it.
func (p *parser) check() {
	opened := map[string]bool{}
	enc := encoder{now: time.Unix(0, 0), ticket: func(s string) (incident.ID, error) {
		if name, ok := strings.CutPrefix(s, "$"); ok && isName(name) {
			if !opened[name] {
				return 0, fmt.Errorf("no step before this one opens %s", s)
			}
			return 1, nil
		}
		return incident.ParseID(s)
	}}
	for n, step := range p.Steps {
		for _, c := range step.Calls {
			w, isWord := words()[c.Name]
			var errs argErrors
			if isWord = isWord && !step.Block; isWord {
				_, errs = enc.word(c)
				p.checkWord(n, step, c, w)
			} else {
				_, errs = enc.command(c, step.Text)
			}
			for _, e := range errs {
				p.wrong(c.line, e.column, "%v", e.err)
			}
			if c.Opens != "" && c.Name != "open" && c.Name != "accept" && !(isWord && (c.Name == "mail" || c.Name == "import")) {
				p.wrong(c.line, c.column, "%s opens no ticket that could be called %s", c.Name, c.Opens)
			}
			opened[c.Opens] = true
		}
		if step.Block && len(step.Calls) == 0 {
			p.wrong(step.Line, 1, "%s does nothing: indented commands must follow", step.By)
		}
	}
}

func (p *parser) checkWord(n int, step Step, c Call, w word) {
	switch {
	case step.By != "" && !asks(w):
		p.wrong(c.line, c.column, "%s is nobody's to do: write it without a name", c.Name)
	case len(step.Text) > 0 && c.Name != "mail" && c.Name != "import":
		p.wrong(c.line+1, 1, "%s takes no text", c.Name)
	case c.Name == "policy" && n > 0:
		p.wrong(c.line, c.column, "the policy comes first")
	case c.Name == "list" && step.By == "" && slices.ContainsFunc(c.Args, func(a Arg) bool { return a.Values[0] == "mine" }):
		p.wrong(c.line, c.column, "whose? Write \"alice list mine\"")
	}
}

func (policyWord) play(context.Context, *player, Step) (outcome, error) {
	return outcome{silent: true}, nil // Run has seen to it
}

func (w atWord) play(_ context.Context, p *player, _ Step) (outcome, error) {
	return outcome{silent: true}, p.w.Until(w.Time)
}

func (w afterWord) play(_ context.Context, p *player, _ Step) (outcome, error) {
	return outcome{silent: true}, p.w.Advance(w.Duration)
}

func (sweepWord) play(ctx context.Context, p *player, _ Step) (o outcome, err error) {
	_, o.refused = p.w.Sweep(ctx, 0)
	return o, nil
}

func (reactWord) play(ctx context.Context, p *player, _ Step) (o outcome, err error) {
	_, o.refused = p.w.React(ctx)
	return o, nil
}

func (w postWord) play(ctx context.Context, p *player, _ Step) (o outcome, err error) {
	_, o.refused = p.w.Post(ctx, mail.SenderFunc(func(_ context.Context, env mail.Envelope, _ []byte) error {
		to := func(address string) bool {
			return slices.ContainsFunc(env.To, func(to string) bool { return incident.SameAddress(to, address) })
		}
		switch {
		case slices.ContainsFunc(w.Refuses, to):
			return &mail.Error{Code: 550, Enhanced: "5.1.1", Message: "nobody has this address"}
		case slices.ContainsFunc(w.Breaks, to):
			return &mail.Error{Code: 451, Enhanced: "4.4.2", Message: "the connection broke", Undecided: true}
		}
		return nil
	}))
	return o, nil
}

// play imports the text of the step. The name behind -> is that of the first report that
// it opens.
func (w importWord) play(ctx context.Context, p *player, s Step) (o outcome, err error) {
	text := strings.Join(s.Text, "\n") + "\n"
	_, o.refused = p.w.Import(ctx, desk.Import{Format: w.Format, Feed: w.Feed}, strings.NewReader(text))
	if s.Calls[0].Opens == "" || o.refused != nil {
		return o, nil
	}
	return o, p.w.Store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		opened, err := r.History(ctx, storage.HistoryQuery{After: p.w.seen, Types: []string{incident.Opened{}.Type()}, Limit: 1})
		if len(opened) > 0 {
			p.name(s.Calls[0].Opens, opened[0].Ticket)
		}
		return err
	})
}

func (w fileWord) play(_ context.Context, p *player, _ Step) (o outcome, err error) {
	text, ok := p.w.File(w.Name)
	if !ok {
		return outcome{refused: fmt.Errorf("nothing was exported as %s", w.Name)}, nil
	}
	return outcome{lines: strings.Split(strings.TrimRight(text, "\n"), "\n")}, nil
}

func (w actorWord) play(_ context.Context, p *player, _ Step) (outcome, error) {
	p.groups[w.Who] = w.Groups
	return outcome{silent: true}, nil
}

// session is that of the person of a step; without one, of the desk itself, which
// sees everything.
func (p *player) session(s Step) *desk.Session {
	who := actor(cmp.Or(s.By, string(incident.System)))
	return p.w.As(who, p.groups[who]...)
}

func (w showWord) play(ctx context.Context, p *player, s Step) (o outcome, err error) {
	t, err := p.session(s).Ticket(ctx, w.Ticket)
	return outcome{refused: err, lines: []string{p.describe(t)}}, nil
}

func (w expectWord) play(ctx context.Context, p *player, s Step) (outcome, error) {
	t, err := p.session(s).Ticket(ctx, w.Ticket)
	if err == nil {
		err = p.expect(t, s.Calls[0].Args[1:])
	}
	return outcome{refused: err, silent: true}, nil
}

// play shows the text of the newest message, note or notice of a ticket.
func (w readWord) play(ctx context.Context, p *player, s Step) (o outcome, err error) {
	session := p.session(s)
	history, err := session.History(ctx, w.Ticket)
	for _, record := range slices.Backward(history.Records) {
		if len(record.Blobs) == 0 {
			continue
		}
		text, err := session.Body(ctx, w.Ticket, record.Version)
		if err != nil {
			return o, err
		}
		ev, err := incident.Decode(record)
		m, isMessage := ev.(incident.Message)
		if _, told := ev.(incident.Notified); told || isMessage && m.IsMail() {
			parsed, _ := mail.Parse(text, mail.Limits{})
			text = []byte(parsed.Text)
		}
		return outcome{lines: strings.Split(strings.TrimRight(string(text), "\n"), "\n")}, err
	}
	return outcome{refused: err, lines: []string{"there is nothing to read"}}, nil
}

func (w listWord) play(ctx context.Context, p *player, s Step) (o outcome, err error) {
	session := p.session(s)
	if w.List == listName(desk.ListQueue) && w.Topic == "" {
		return p.queue(ctx, session)
	}
	list := func(ctx context.Context, after *storage.Cursor) (desk.Page, error) {
		q := session.Query(desk.List(w.List))
		if field, _ := p.w.Policy().Topics(); w.Topic != "" {
			q.Fields = []storage.Field{{Name: field, Value: w.Topic}}
		}
		return session.List(ctx, q, after)
	}
	if !slices.Contains(desk.Lists(), desk.List(w.List)) {
		id, err := p.ticket(string(w.List))
		if err != nil {
			return outcome{refused: err}, nil
		}
		list = func(ctx context.Context, after *storage.Cursor) (desk.Page, error) {
			return session.Children(ctx, id, w.All, after)
		}
	}
	var page desk.Page
	for more := true; more; more = page.Next != nil {
		if page, err = list(ctx, page.Next); err != nil {
			return outcome{refused: err}, nil
		}
		for _, row := range page.Rows {
			o.lines = append(o.lines, p.row(row))
		}
	}
	if len(o.lines) == 0 {
		o.lines = []string{"nothing is listed"}
	}
	return o, nil
}

// row is a line of a list.
func (p *player) row(row desk.Row) string {
	line := p.describe(row.Ticket)
	if row.Overdue {
		line += ", overdue"
	}
	if sum := row.Observations; sum != nil {
		line += ", " + observations(sum.Count, sum.First, sum.Last, sum.Beyond)
	}
	if n := row.Chasing; n.Timeouts > 0 || n.Resent > 0 {
		line += fmt.Sprintf(", %d due dates passed without an answer, sent again %d times", n.Timeouts, n.Resent)
	}
	if len(row.Defective) > 0 {
		line += ", mail comes back from " + strings.Join(row.Defective, ",")
	}
	return line
}

// queue shows the reports of machines that wait, with what their addresses are known for.
func (p *player) queue(ctx context.Context, session *desk.Session) (o outcome, err error) {
	var page desk.QueuePage
	for more := true; more; more = page.Next != nil {
		if page, err = session.Queue(ctx, page.Next); err != nil {
			return outcome{refused: err}, nil
		}
		for _, e := range page.Entries {
			var ticked, others, ended []incident.ID
			for _, offered := range e.Offered {
				switch {
				case offered.Ticked:
					ticked = append(ticked, offered.ID)
				case offered.Hint:
					ended = append(ended, offered.ID)
				default:
					others = append(others, offered.ID)
				}
			}
			o.lines = append(o.lines, p.row(e.Row)+p.several(", beside ", e.Siblings)+p.several(", is to join ", ticked)+p.several(", may join ", others)+p.several(", ended lately: ", ended))
		}
	}
	if len(o.lines) == 0 {
		o.lines = []string{"nothing is listed"}
	}
	return o, nil
}

// play counts the open work of each topic.
func (topicsWord) play(ctx context.Context, p *player, s Step) (o outcome, err error) {
	loads, err := p.session(s).Load(ctx)
	for _, l := range loads {
		o.lines = append(o.lines, fmt.Sprintf("%s: %d new, %d incidents, %d unowned, %d overdue", cmp.Or(l.Topic, "no topic"), l.New, l.Incidents, l.Unowned, l.Overdue))
	}
	o.refused = err
	return o, nil
}

// play writes why something about a ticket is as it is.
func (w explainWord) play(ctx context.Context, p *player, s Step) (o outcome, err error) {
	e, err := p.session(s).Explain(ctx, w.Ticket, desk.Topic(w.What))
	if err != nil {
		return outcome{refused: err}, nil
	}
	for _, step := range e.Steps {
		line := fmt.Sprintf("%s v%d %s", p.of(step.Record.Ticket), step.Record.Version, step.Words)
		if c := step.Record.Cause; c.Version > 0 {
			line += fmt.Sprintf(", because %s saw %s v%d", c.Rule, p.of(c.Ticket), c.Version)
		}
		o.lines = append(o.lines, line)
		for _, why := range step.Why {
			o.lines = append(o.lines, "  "+why)
		}
	}
	for _, step := range e.Skipped {
		o.lines = append(o.lines, fmt.Sprintf("since then %s v%d %s", p.of(step.Record.Ticket), step.Record.Version, step.Words))
	}
	for _, row := range e.Outgoing {
		o.lines = append(o.lines, fmt.Sprintf("  mail to %s: %s", row.To, row.Status))
	}
	for _, miss := range e.Misses {
		o.lines = append(o.lines, fmt.Sprintf("  not %s at %s v%d: %s", miss.Rule, p.of(miss.Ticket), miss.Version, miss.Why))
	}
	if e.Hidden > 0 {
		o.lines = append(o.lines, "  the rest is on a ticket that may not be seen")
	}
	if len(o.lines) == 0 {
		o.lines = []string{none}
	}
	return o, nil
}

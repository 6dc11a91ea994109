package workflow_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

func parse(text string, rules ...workflow.Rule) (*workflow.Policy, error) {
	return workflow.ParsePolicy(fstest.MapFS{"ours.yaml": {Data: []byte(text)}}, "ours.yaml", rules...)
}

func parsed(t *testing.T, text string, rules ...workflow.Rule) *workflow.Policy {
	t.Helper()
	p, err := parse(text, rules...)
	require.NoError(t, err)
	return p
}

// mistakes returns line:column and text of each mistake of a document.
func mistakes(t *testing.T, text string, rules ...workflow.Rule) []string {
	t.Helper()
	p, err := parse(text, rules...)
	require.Nil(t, p)
	var wrong *workflow.DocumentError
	require.ErrorAs(t, err, &wrong)
	var list []string
	for _, m := range wrong.Mistakes {
		require.Equal(t, "ours.yaml", m.File)
		list = append(list, fmt.Sprintf("%d:%d %s", m.Line, m.Column, m.What))
	}
	return list
}

func ruleNames(p *workflow.Policy) []string {
	var names []string
	for _, r := range p.Rules {
		names = append(names, r.Name)
	}
	return names
}

// TestEveryMistakeAtOnce reads one document with a mistake of each sort.
func TestEveryMistakeAtOnce(t *testing.T) {
	text := `base: janet
colour: red
lifecycles:
  report:
    statuses:
      new: {phase: sleepy, to: [open, nowhere]}
      odd: [a]
    on-create: fresh
    priority: high
    many-parents: maybe
    actions:
      - {name: Close, to: shut, form: none}
  ghost: {}
cascade:
  resolved: {report: open, block: vanished}
  melted: {report: resolved}
fields:
  Classification:
    default: Rumour
    retired: [Ping]
    values: {a: b}
  Extra: {kinds: [ticket], mandatory: 3}
  Extra: {}
hidden: {report: [binned]}
mail-trust: {append: blindly}
sealing: {notices: {sign: often}, recipients: {noc: {encrypt: always}}}
states:
rules:
  - close-children: {active-block: explode}
  - due-after-reply: {days: many, weeks: 2}
  - resolution: {field: Nonsense, values: {resolved: [x]}}
  - make-coffee
  - foreign-tags: {a: b}
  - foreign-tags
  - [x]
without: [notify-nobody]
with: {make-tea: {}, incident-due: {pin: sure}}
max-steps: &n 7
tags: *n
`
	got := mistakes(t, text)
	want := []string{
		`2:1 unknown key "colour": allowed are name, doc, lifecycles, cascade, fields, states, hidden, tags, rights, strict-constituency, mail-trust, sealing, templates, automatic-mail, squelched, operations-centre, uncertain, attention, agreement-kinds, level-field, reactions, queue, feeds, max-steps, base, rules, derivations, without, with`,
		`6:13 the policy gives status "new" of report the phase "sleepy": allowed are initial, active, inactive`,
		`6:39 the policy names a status "nowhere" that report does not have: allowed are new, open, resolved, rejected, odd`,
		`7:12 a list cannot stand here: allowed is a mapping, like key: value`,
		`8:5 the policy names a status "fresh" that report does not have`,
		`9:15 "high" cannot stand here: allowed is a whole number`,
		`10:19 "maybe" cannot stand here: allowed is true or false`,
		`12:23 the policy names a status "shut" that report does not have`,
		`13:3 "ghost" is no kind of ticket: allowed are report, incident, investigation, block`,
		`15:14 the policy lets a cascade end in "open", which is no inactive status of report`,
		`15:28 the policy lets a cascade end in "vanished", which is no status of block: allowed are pending activation, active, pending removal, removed`,
		`16:3 the policy has a cascade for "melted", which is no status of incidents: allowed are open, resolved, abandoned`,
		`19:5 the policy gives field "Classification" the default "Rumour": allowed is one of Spam, System Compromise`,
		`20:15 "Ping" is no value of field "Classification": allowed are Spam`,
		`21:13 a mapping cannot stand here: allowed is a list`,
		`22:19 "ticket" is no kind of ticket`,
		`22:39 "3" cannot stand here: allowed is true or false`,
		`23:3 the key "Extra" stands here a second time: allowed is once`,
		`24:19 the policy hides "binned", which is no status of report`,
		`25:14 the policy trusts mail that is "blindly": allowed are known, authenticated, signed, or none at all`,
		`26:21 the policy is to sign mail "often": allowed are never, when possible, always`,
		`26:48 the policy seals mail to "noc": allowed are addresses, and domains like @example.org`,
		`27:8 there is nothing behind the key: allowed is a list`,
		`29:5 the policy has a rule "close-children" that cannot work: active-block "explode": allowed are ask-removal, warn, close`,
		`30:29 "many" cannot stand here: allowed is a whole number`,
		`30:35 unknown key "weeks": allowed are days, urgent`,
		`31:54 a list cannot stand here: allowed is a text`,
		`32:5 there is no rule "make-coffee": allowed are open-linked-report, reopen-linked-incident`,
		`33:19 "foreign-tags" has no parameters: allowed is its name alone`,
		`34:5 "foreign-tags" is listed a second time: allowed is once`,
		`35:5 a list cannot stand here: allowed is a text`,
		`36:11 "notify-nobody" does not run: allowed are close-children, due-after-reply, resolution, foreign-tags, due-by-clock, incident-due`,
		`37:8 there is no rule "make-tea": allowed are open-linked-report`,
		`37:42 "sure" cannot stand here: allowed is true or false`,
		`39:7 aliases are not read: allowed is a list`,
	}
	require.Len(t, got, len(want), strings.Join(got, "\n"))
	for i := range want {
		require.Contains(t, got[i], want[i], "all of them:\n%s", strings.Join(got, "\n"))
	}
	_, err := parse(text)
	require.Equal(t, len(want), strings.Count(err.Error(), "\n")+1)
	require.Contains(t, err.Error(), `workflow: ours.yaml:9:15: "high" cannot stand here`)
}

func TestSyntax(t *testing.T) {
	deep := strings.Repeat("[", 20_000)
	for _, c := range []struct{ text, want string }{
		{"", "0:0 the document is empty: allowed is a policy, for example base: janet"},
		{"# nothing\n", "0:0 the document is empty"},
		{"a: b: c", "1:0 mapping values are not allowed"},
		{"base: janet\n---\nbase: rtir\n", "there is a second document: allowed is one"},
		{"[1, 2]", "1:1 a list cannot stand here: allowed is a mapping"},
		{"janet", `1:1 "janet" cannot stand here: allowed is a mapping`},
		{"base: mars", `1:7 there is no policy "mars" to start from: allowed are janet, rtir, airt`},
		{"base: janet\ndoc: !!binary aGk=", "2:6 "},
		{"base: janet\n<<: {name: x}", "2:1 "},
		{"base: janet\nname: \"a\\u0007b\"", "2:7 "},
		{"base: janet\nname: " + strings.Repeat("x", workflow.MaxDocument), "0:0 the document is too long: allowed are 131072 bytes"},
		{"base: janet\ntags: " + deep, "2:0 exceeded max depth"},
		{"base: janet\ntags: [" + strings.Repeat("a,", 6000) + "]", "2:7 the list is too long: allowed are 5000"},
		{"base: janet\nstates: [" + strings.Repeat("{a: b},", 5001) + "]", "2:9 the list is too long: allowed are 5000"},
		{"base: janet\nhidden: {report: [" + strings.Join(numbered(101, "s%d"), ", ") + "]}", "2:18 the list is too long: allowed are 100"},
		{"base: janet\nlifecycles: {report: {statuses: {" + strings.Join(numbered(101, "s%d: {}"), ", ") + "}}}", "2:33 there are too many statuses: allowed are 100"},
		{"base: janet\nstates: [{a: b, c: d}]", "2:10 a mapping cannot stand here: allowed is a value, or one value: what it means"},
		{"base: janet\nstates: [{[a]: b}]", "2:11 a list cannot stand here: allowed is a text"},
		{"base: janet\nfields: {'': {}}", "2:10 there is no name: allowed is a text"},
		{"base: janet\nhidden: {report: [new], IR: [new]}", `2:25 "IR" stands here a second time: allowed is once`},
		{"base: janet\nrules: foreign-tags", `2:8 "foreign-tags" cannot stand here: allowed is a list of names`},
		{"base: janet\nlifecycles: {report: {statuses: {open: {aliases: [new]}}}}", `the policy defines status "new" of report twice`},
		{"base: janet\nfields: {Port: {aliases: [netmask]}, subject: {many: true}}", `describes a field "netmask" twice`},
		{"base: janet\nfields: {subject: {many: true}}", `2:20 the policy lets "subject" have several values`},
		{"base: janet\nlifecycles: {report: {on-resolve: open}}", `2:23 the policy has "open", which is not inactive, as on-resolve of report`},
		{"base: janet\nlifecycles: {report: {actions: [{name: '', to: open, form: letter}]}}", `2:33 the policy has an action "" of report with the form "letter": allowed are a name, and none, comment, reply`},
		{"base: janet\nagreement-kinds: [incident]", `2:19 the policy has an agreement about "incident"`},
		{"base: janet\nfields: {" + strings.Join(numbered(600, "f%d: {}"), ", ") + "}", "there are too many entries: allowed are 500"},
	} {
		short := c.text[:min(len(c.text), 60)]
		got := strings.Join(mistakes(t, c.text), "\n")
		require.Contains(t, got, c.want, short)
	}
	_, err := workflow.ParsePolicy(fstest.MapFS{}, "absent.yaml")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func numbered(n int, format string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return list
}

// TestBomb reads what a parser that follows aliases turns into gigabytes.
func TestBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("base: janet\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 12 {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
	}
	b.WriteString("tags: *a12\n")
	require.Contains(t, strings.Join(mistakes(t, b.String()), "\n"), "aliases are not read")
}

func TestManyMistakesAreCut(t *testing.T) {
	text := "base: janet\ntags: [" + strings.Repeat("[],", 4000) + "]"
	require.Len(t, mistakes(t, text), 1000)
}

// TestBase changes a preset: entries in place, new ones at the end, null removes.
func TestBase(t *testing.T) {
	p := parsed(t, `base: janet
lifecycles:
  incident reports:
    statuses:
      OPEN: {to: [resolved, rejected, waiting]}
      waiting: {phase: active, to: [open]}
    actions:
      - {name: Wait, from: OPEN, to: waiting, form: comment}
  countermeasure:
    on-create: block pending
  investigation:
    statuses: {resolved: null, closed: {phase: inactive}, open: {to: [closed]}}
    on-merge: closed
    on-resolve: closed
    on-reject: null
    actions: []
cascade: {abandoned: {inv: closed}, resolved: {inv: closed}}
fields:
  HowReported: {values: [mail, telephone: 'Somebody rang, and did not write.']}
  _RTIR_Classification: {retired: [Piracy]}
  Function: null
  Sector: {values: [health, energy], default: energy}
hidden: null
mail-trust: {approve: signed, reopen: none}
operations-centre: {name: Operations, address: noc@example.org}
agreement-kinds: [report]
level-field: sector
states: [seen]
tags: [Our CSIRT]
max-steps: 50
without: [notify-reply, open-linked-report, due-by-clock]
with:
  close-children: {active-block: warn}
  confirm-block-removal:
  incident-due: {pin: false}
  due-after-reply: {days: 3}
`)
	janet := workflow.Default()
	require.Equal(t, "ours", p.Name, "after the file")
	require.Empty(t, p.Doc)
	report, old := p.Lifecycles[incident.KindReport], janet.Lifecycles[incident.KindReport]
	want := old
	want.Statuses = append(want.Statuses, workflow.StatusDef{Name: "waiting", Phase: incident.Active, MoveTo: statuses{"open"}})
	want.Statuses[1].MoveTo = statuses{"resolved", "rejected", "waiting"}
	want.Actions = []workflow.Action{{Name: "Wait", From: "open", To: "waiting", Form: workflow.FormComment}}
	require.Equal(t, want, report)
	require.Equal(t, janet.Lifecycles[incident.KindIncident], p.Lifecycles[incident.KindIncident])
	require.Equal(t, janet.Lifecycles[incident.KindBlock], p.Lifecycles[incident.KindBlock])
	require.Equal(t, workflow.Lifecycle{
		Statuses: []workflow.StatusDef{
			{Name: "open", Phase: incident.Active, First: true, MoveTo: statuses{"closed"}},
			{Name: "closed", Phase: incident.Inactive},
		},
		OnCreate: "open", OnMerge: "closed", OnResolve: "closed", QuoteFirst: true, Actions: []workflow.Action{},
	}, p.Lifecycles[incident.KindInvestigation])
	require.Equal(t, map[incident.Kind]incident.Status{"report": "rejected", "investigation": "closed", "block": "removed"}, p.Cascade["abandoned"])

	require.Len(t, p.Fields, len(janet.Fields))
	via, _ := p.Field("via")
	require.Equal(t, []workflow.FieldValue{{Value: "mail"}, {Value: "telephone", Doc: "Somebody rang, and did not write."}}, via.Values)
	require.Equal(t, "How the report came in.", via.Doc, "what is not named stays")
	classification, _ := p.Field("Classification")
	require.Equal(t, []string{"Spam", "System Compromise", "Query", "Scan", "Denial of Service"}, classification.Choices())
	require.True(t, classification.Mandatory)
	_, ok := p.Field("Function")
	require.False(t, ok)
	require.Equal(t, "Sector", p.Fields[len(p.Fields)-1].Name)

	require.Nil(t, p.Hidden)
	require.Equal(t, workflow.MailTrust{Approve: incident.TrustSigned}, p.MailTrust)
	require.Equal(t, incident.Party{Name: "Operations", Address: "noc@example.org"}, p.OperationsCentre)
	require.Equal(t, []incident.Kind{incident.KindReport}, p.AgreementKinds)
	require.Equal(t, "Sector", p.LevelField)
	require.Equal(t, []workflow.FieldValue{{Value: "seen"}}, p.States)
	require.Equal(t, []string{"Our CSIRT"}, p.Tags)
	require.Equal(t, 50, p.Steps())

	var names []string
	for _, name := range ruleNames(janet) {
		if name == "notify-reply" || name == "open-linked-report" {
			continue
		}
		if names = append(names, name); name == "request-block-removal" {
			names = append(names, "confirm-block-removal")
		}
	}
	require.Equal(t, names, ruleNames(p), "what is added stands where it stands in the order of all rules")
	closing, _ := p.Rule("close-children")
	require.Equal(t, workflow.CloseChildren{ActiveBlock: workflow.BlockWarn}, closing.Params)
	due, _ := p.Rule("due-after-reply")
	require.Equal(t, workflow.DueAfterReply{Days: 3, Urgent: []workflow.Urgent{{Priority: 70, Days: 3}, {Priority: 90, Days: 1}}}, due.Params)
	require.Len(t, p.Derivations, 1)
	require.Equal(t, workflow.IncidentDue{}, p.Derivations[0].Params)
}

// TestMistakeOfTheBase tells the line of the preset that no longer fits.
func TestMistakeOfTheBase(t *testing.T) {
	_, err := parse("base: airt\nlifecycles: {investigation: {statuses: {stalled: null}}}")
	var wrong *workflow.DocumentError
	require.ErrorAs(t, err, &wrong)
	lines := strings.Split(string(document(t, "airt")), "\n")
	for _, m := range wrong.Mistakes {
		require.Equal(t, "presets/airt.yaml", m.File)
		require.Contains(t, lines[m.Line-1][m.Column-1:], "stalled")
		require.Contains(t, m.What, `"stalled" that investigation does not have: allowed are open, closed`)
	}
	require.Len(t, wrong.Mistakes, 3, "two transitions and an action")
}

// TestJSON reads the JSON form.
func TestJSON(t *testing.T) {
	p := parsed(t, "{\n\t\"base\": \"rtir\",\n\t\"name\": \"ours\",\n\t\"with\": {\"reopen-on-reply\": {\"except\": [\"rejected\"]}}\n}")
	r, ok := p.Rule("reopen-on-reply")
	require.True(t, ok)
	require.Equal(t, workflow.ReopenOnReply{Inside: true, Except: statuses{"rejected"}}, r.Params)
}

type odd struct {
	Field  string
	Within time.Duration
	Share  float64
	Limit  *int
	Since  time.Time
	Small  uint8
	Nested struct{ Kinds []incident.Kind }
	Table  map[string]map[string]bool
	Hook   func()
	Only   incident.Status
}

// TestOwnRules lists rules of the embedding program, with parameters of any data
// type.
func TestOwnRules(t *testing.T) {
	then := func(*workflow.Policy, workflow.Change, workflow.Facts, any) workflow.Verdict {
		return workflow.Verdict{}
	}
	table := map[string]map[string]bool{"a": {"b": true}}
	own := []workflow.Rule{
		{Name: "ours", On: []string{"moved"}, Then: then, Params: odd{Share: 0.5, Table: table}},
		{Name: "plain", On: []string{"moved"}, Then: then},
	}
	p := parsed(t, `base: janet
rules:
  - plain
  - ours:
      field: HowReported
      within: 90m
      limit: 7
      since: 2026-03-02T09:00:00Z
      small: 255
      nested: {kinds: [IR]}
      table: {c: {d: true}, a: {e: false}}
      only: Block Pending
`, own...)
	require.Equal(t, []string{"plain", "ours"}, ruleNames(p))
	seven := 7
	want := odd{
		Field: "via", Within: 90 * time.Minute, Share: 0.5, Limit: &seven, Since: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), Small: 255,
		Table: map[string]map[string]bool{"a": {"b": true, "e": false}, "c": {"d": true}}, Only: "pending activation",
	}
	want.Nested.Kinds = []incident.Kind{incident.KindReport}
	require.Equal(t, want, p.Rules[1].Params)
	require.Equal(t, map[string]map[string]bool{"a": {"b": true}}, table, "the program's own value stays as it is")

	got := strings.Join(mistakes(t, `base: janet
with:
  ours: {within: soon, limit: x, since: now, small: 256, share: much, hook: x, nested: 3}
`, own...), "\n")
	for _, want := range []string{
		`3:18 "soon" cannot stand here: allowed is a duration like 90m or 24h`, `3:31 "x" cannot stand here: allowed is a whole number`,
		`3:41 "now" cannot stand here`, `3:53 "256" cannot stand here: allowed is a whole number that is not negative`,
		`3:65 "much" cannot stand here: allowed is a number`, `3:77 a document cannot give a func()`, `3:88 "3" cannot stand here: allowed is a mapping`,
	} {
		require.Contains(t, got, want)
	}
	twice := []workflow.Rule{{Name: "foreign-tags", Then: then}}
	require.Contains(t, strings.Join(mistakes(t, "base: janet", twice...), "\n"), `two rules called "foreign-tags"`)
	pointer := []workflow.Rule{{Name: "pointer", Then: then, Params: &odd{}}}
	require.Contains(t, strings.Join(mistakes(t, "base: janet\nwith: {pointer: {small: 1}}", pointer...), "\n"), "which a document cannot give")
}

// TestOldNames reads every old name that the library says it understands.
func TestOldNames(t *testing.T) {
	for _, old := range workflow.OldNames() {
		switch old.What {
		case "rule":
			p := parsed(t, "base: janet\nwith: {"+old.Old+": {regexp: done}}")
			r, _ := p.Rule(old.New)
			require.Equal(t, workflow.ApproveBlock{Regexp: "done"}, r.Params, old)
		case "parameter":
			p := parsed(t, "base: janet\nwith: {approve-block: {"+old.Old+": done}}")
			r, _ := p.Rule("approve-block")
			require.Equal(t, workflow.ApproveBlock{Regexp: "done"}, r.Params, old)
		case "status":
			p := parsed(t, "base: janet\nlifecycles: {block: {on-create: "+old.Old+"}}")
			require.Equal(t, incident.Status(old.New), p.Lifecycles[incident.KindBlock].OnCreate, old)
		case "field":
			p := parsed(t, "base: airt\nfields: {'"+old.Old+"': {doc: Renamed.}}")
			f, ok := p.Field(old.New)
			require.True(t, ok, old)
			require.Equal(t, "Renamed.", f.Doc, old)
			require.Equal(t, old.New, f.Name, old)
			again, ok := p.Field(old.Old)
			require.True(t, ok, "the old name is an alias: %v", old)
			require.Equal(t, f.Name, again.Name)
		default:
			t.Fatalf("no test for old names of a %s", old.What)
		}
	}
	fresh := parsed(t, strings.Replace(string(document(t, "airt")), "pending activation: {aliases: [block pending], ", "block pending: {", 1))
	first := fresh.Lifecycles[incident.KindBlock].Statuses[0]
	require.Equal(t, workflow.StatusPendingActivation, first.Name)
	require.Equal(t, statuses{"block pending"}, first.Aliases)
}

func document(t *testing.T, preset string) []byte {
	t.Helper()
	text, err := workflow.PresetDocument(preset)
	require.NoError(t, err)
	return text
}

// ExampleParsePolicy reads a document that changes a preset, and one with mistakes.
func ExampleParsePolicy() {
	files := fstest.MapFS{
		"ours.yaml": {Data: []byte(`base: janet
doc: As JANET says, but blocks end with their incident.
fields:
  Classification: {retired: [Piracy]}
with:
  close-children: {active-block: close}
`)},
		"wrong.yaml": {Data: []byte("base: janet\nfields:\n  Classification: {mandatory: often}\nwith: {close-childs: {}}\n")},
	}
	p, err := workflow.ParsePolicy(files, "ours.yaml")
	if err != nil {
		fmt.Println(err)
		return
	}
	rule, _ := p.Rule("close-children")
	fmt.Println(p.Name, rule.Params)

	_, err = workflow.ParsePolicy(files, "wrong.yaml")
	for line := range strings.Lines(err.Error()) {
		fmt.Println(strings.TrimSpace(line)[:72])
	}
	// Output:
	// ours {close}
	// workflow: wrong.yaml:3:31: "often" cannot stand here: allowed is true or
	// workflow: wrong.yaml:4:8: there is no rule "close-childs": allowed are o
}

// What a document says in another spelling changes what its base says, every time.
func TestOtherSpellingsChangeTheBase(t *testing.T) {
	for range 30 {
		p := parsed(t, "base: janet\ncascade: {Resolved: {report: rejected}}\nwith: {resolution: {values: {Resolved: no response from customer}}}")
		require.Equal(t, incident.Status("rejected"), p.Cascade["resolved"][incident.KindReport])
		require.Equal(t, workflow.Default().Cascade["resolved"][incident.KindBlock], p.Cascade["resolved"][incident.KindBlock], "the rest stays")
		require.NotContains(t, p.Cascade, incident.Status("Resolved"))
		r, _ := p.Rule("resolution")
		require.Equal(t, "no response from customer", r.Params.(workflow.Resolution).Values["resolved"])
	}
}

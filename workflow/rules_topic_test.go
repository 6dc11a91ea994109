package workflow_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// sorting are the parameters of sort-by-topic with these topics.
func sorting(topics ...workflow.Topic) workflow.SortByTopic {
	params := rule(nil, "sort-by-topic").Params.(workflow.SortByTopic)
	params.Topics = topics
	return params
}

// Each condition, alone and beside others.
func TestTopicConditions(t *testing.T) {
	about := func(kind incident.ObservableKind, value string) change {
		return func(t *incident.Ticket) {
			t.Observables = []incident.Observable{{Kind: kind, Value: value}}
		}
	}
	from := func(address string) change {
		return func(t *incident.Ticket) { t.Requestors = []incident.Party{{Address: address}} }
	}
	subject := func(s string) change { return func(t *incident.Ticket) { t.Subject = s } }
	for name, test := range map[string]struct {
		topic workflow.Topic
		fits  []incident.Ticket
		not   []incident.Ticket
		why   string
	}{
		"an address": {workflow.Topic{From: []string{"Dave@example.net"}}, []incident.Ticket{report(from("dave@EXAMPLE.net"))},
			[]incident.Ticket{report(), report(from("edave@example.net")), report(from("dave@sub.example.net"))}, "its sender belongs there"},
		"a domain": {workflow.Topic{From: []string{"example.org", "@Example.net"}}, []incident.Ticket{report(from("a@example.net")), report(from("a@b.EXAMPLE.org"))},
			[]incident.Ticket{report(from("a@notexample.net")), report(from("example.net@example.com"))}, "its sender belongs there"},
		"a constituency": {workflow.Topic{Constituency: []string{"campus"}}, []incident.Ticket{report(func(t *incident.Ticket) { t.Constituency = "campus" })},
			[]incident.Ticket{report()}, "it is of campus"},
		"a way": {workflow.Topic{Via: []string{"Telephone"}}, []incident.Ticket{report(func(t *incident.Ticket) { t.Via = "telephone" })}, []incident.Ticket{report()}, "it came by Telephone"},
		"words": {workflow.Topic{Words: []string{"spam", "bulk mail"}}, []incident.Ticket{report(subject("[SPAM] again")), report(subject("Bulk  Mail!"))},
			[]incident.Ticket{report(subject("spammer")), report(subject("mail bulk")), report(subject(""))}, `of "`},
		"a pattern": {workflow.Topic{Regexp: `^\[abuse`}, []incident.Ticket{report(subject("[abuse #7]"))}, []incident.Ticket{report(subject("Re: [abuse #7]"))}, "of its subject"},
		"a field": {workflow.Topic{Fields: map[string][]string{"Class": {"Spam", "Scam"}}}, []incident.Ticket{report(func(t *incident.Ticket) { t.Fields = map[string][]string{"Class": {"Odd", "Scam"}} })},
			[]incident.Ticket{report(), report(func(t *incident.Ticket) { t.Fields = map[string][]string{"Other": {"Spam"}} })}, "of its Class"},
		"a domain that it is about": {workflow.Topic{Under: []string{"Example.net"}}, []incident.Ticket{report(about(incident.Host, "www.example.net")), report(about(incident.URL, "https://example.net/x"))},
			[]incident.Ticket{report(), report(about(incident.Host, "example.net.example.org"))}, "it is about something under Example.net"},
		"all of several": {workflow.Topic{Words: []string{"spam"}, From: []string{"example.org"}}, []incident.Ticket{report(subject("spam"), from("a@example.org"))},
			[]incident.Ticket{report(subject("spam")), report(from("a@example.org"))}, `its sender belongs there, of "spam" in its subject`},
	} {
		test.topic.Topic = "it"
		params := sorting(test.topic)
		require.NoError(t, params.Check(workflow.Default()), name)
		says := func(ticket incident.Ticket) (string, string) {
			r := rule(t, "sort-by-topic")
			r.Params = params
			opened := changed(incident.Ticket{}, ticket, incident.Opened{}, workflow.Open{})
			p := workflow.Default()
			var known workflow.Facts
			for _, ask := range r.Asks(p, opened) {
				require.Equal(t, workflow.Ask{Fact: workflow.FactSetter, Ticket: 7, Field: "Topic"}, ask)
				known.KnowRecords(ask, recordsOf(incident.Opened{Kind: incident.KindReport}))
			}
			v := r.Then(p, opened, known, r.Params)
			require.Len(t, v.Commands, 1, name)
			return v.Commands[0].(workflow.Edit).Fields["Topic"][0], v.Why
		}
		for _, ticket := range test.fits {
			topic, why := says(ticket)
			require.Equal(t, "it", topic, "%s: %+v", name, ticket)
			require.Contains(t, why, "it is it: ")
			require.Contains(t, why, test.why)
			require.NotContains(t, why, "@")
		}
		for _, ticket := range test.not {
			topic, why := says(ticket)
			require.Equal(t, "everything else", topic, "%s: %+v", name, ticket)
			require.Equal(t, "it is everything else: no topic fits", why)
		}
	}
}

func TestSortByTopic(t *testing.T) {
	setter := func(record incident.Record) facts {
		return facts{{Fact: workflow.FactSetter, Ticket: 7, Field: "Topic"}: []incident.Record{record}}
	}
	set := func(by string, e incident.Event) incident.Record {
		r := recordsOf(e)[0]
		r.Cause.Rule = by
		return r
	}
	is := func(subject, topic string, more ...change) incident.Ticket {
		return report(append(more, func(t *incident.Ticket) {
			if t.Subject = subject; topic != "" {
				t.Fields = map[string][]string{"Topic": {topic}}
			}
		})...)
	}
	gives := func(topic string) []workflow.Command {
		return commands(workflow.Edit{Ticket: 7, Fields: map[string][]string{"Topic": {topic}}})
	}
	edited := func(before, after incident.Ticket) workflow.Change {
		return changed(before, after, incident.Edited{}, workflow.Edit{})
	}
	opened := set("", incident.Opened{Kind: incident.KindReport})
	rule := set("sort-by-topic", incident.Edited{Fields: map[string][]string{"Topic": {"spam"}}})
	person := set("", incident.Edited{Content: incident.EditedContent{Fields: map[string][]string{"Topic": {"odd"}}}})
	emptied := set("", incident.Edited{Fields: map[string][]string{"Topic": nil}})
	spam := `it is spam: of "spam" in its subject`
	reactWith(t, "sort-by-topic", sorting(workflow.Topic{Topic: "spam", Words: []string{"spam"}}), []reaction{
		{"new", changed(incident.Ticket{}, is("Spam", ""), incident.Opened{}, workflow.Open{}), setter(opened), gives("spam"), spam},
		{"new, with a topic", changed(incident.Ticket{}, is("Spam", "odd"), incident.Opened{}, workflow.Open{}),
			setter(set("", incident.Opened{Fields: map[string][]string{"Topic": {"odd"}}})), nil, "somebody has said what its topic is; it would be spam: of \"spam\" in its subject"},
		{"it comes to fit", edited(is("Scan", "everything else"), is("Spam", "everything else")), setter(rule), gives("spam"), spam},
		{"it fits no more", edited(is("Spam", "spam"), is("Scan", "spam")), setter(rule), gives("everything else"), "it is everything else: no topic fits"},
		{"somebody has said so", edited(is("Scan", "odd"), is("Spam", "odd")), setter(person), nil, "somebody has said what its topic is; it would be spam: of \"spam\" in its subject"},
		{"somebody has taken it away", edited(is("Scan", ""), is("Spam", "")), setter(emptied), nil, "somebody has said what its topic is; it would be spam: of \"spam\" in its subject"},
		{"from before there were topics", edited(is("Spam", ""), is("Spam", "")), setter(opened), gives("spam"), spam},
		{"it has it already", edited(is("Scan", "spam"), is("Spam", "spam")), nil, nil, ""},
		{"nothing has changed that counts", edited(is("Spam", "odd"), is("Spam", "odd")), nil, nil, ""},
		{"closed", edited(is("Scan", "odd", resolved), is("Spam", "odd", resolved)), nil, nil, ""},
		{"merged", edited(is("Scan", "odd"), is("Spam", "odd", mergedInto(9))), nil, nil, ""},
		{"a block", edited(is("Scan", ""), is("Spam", "", kind(incident.KindBlock))), nil, nil, ""},
		{"an incident", edited(is("Scan", "odd"), is("Spam", "odd", kind(incident.KindIncident))), setter(rule), gives("spam"), spam},
	})
}

// What the policy gives by default nobody has said.
func TestTopicByDefault(t *testing.T) {
	p := workflow.Default()
	p.Fields = append(p.Fields, workflow.Field{Name: "Topic", Default: "odd"})
	r := rule(t, "sort-by-topic")
	r.Params = sorting(workflow.Topic{Topic: "spam", Words: []string{"spam"}})
	born := incident.Opened{Kind: incident.KindReport, Fields: map[string][]string{"Topic": {"odd"}}}
	ticket := report(func(t *incident.Ticket) { t.Subject, t.Fields = "Spam", born.Fields })
	reactUnder(t, p, r, []reaction{{"its default", changed(incident.Ticket{}, ticket, born, workflow.Open{}),
		facts{{Fact: workflow.FactSetter, Ticket: 7, Field: "Topic"}: recordsOf(born)},
		commands(workflow.Edit{Ticket: 7, Fields: map[string][]string{"Topic": {"spam"}}}), `it is spam: of "spam" in its subject`}})
}

func TestTopicsThatCannotWork(t *testing.T) {
	read := func(params string) error {
		_, err := workflow.ParsePolicy(fstest.MapFS{"p.yaml": {Data: []byte(`base: janet
fields: {Topic: {kinds: [report, incident], values: [spam, everything else]}, Several: {many: true}}
with: {sort-by-topic: ` + params + "}\n")}}, "p.yaml")
		return err
	}
	require.NoError(t, read(`{topics: [{topic: spam, words: [spam], regexp: 'a+', via: [web], from: [example.net], constituency: [main], under: [example.net], fields: {Classification: [Spam]}}]}`))
	for params, want := range map[string]string{
		`{}`:                                                                   "there are no topics: allowed is a list like [{topic: spam, words: [spam]}]",
		`{topics: []}`:                                                         "there are no topics",
		`{topics: [{topic: spam}]}`:                                            "it names no condition: allowed are from, constituency, words, regexp, via, fields, under",
		`{topics: [{topic: ham, words: [ham]}]}`:                               `topic "ham" is no value of field "Topic": allowed are spam, everything else`,
		`{topics: [{topic: spam, regexp: '('}]}`:                               "missing closing )",
		`{topics: [{topic: spam, words: ['-']}]}`:                              "words has a value without a letter or digit",
		`{topics: [{topic: spam, fields: {Topic: [spam]}}]}`:                   `fields: "Topic" cannot be asked`,
		`{topics: [{topic: spam, fields: {via: [web]}}]}`:                      `fields: "via" cannot be asked`,
		`{topics: [{topic: spam, fields: {Classification: []}}]}`:              `"Classification" has no values`,
		`{topics: [{topic: spam, words: [spam]}], else: ''}`:                   "else is empty",
		`{topics: [{topic: spam, words: [spam]}], else: rest}`:                 `topic "rest" is no value`,
		`{topics: [{topic: spam, words: [spam]}], kinds: []}`:                  "kinds is empty",
		`{topics: [{topic: spam, words: [spam]}], kinds: [block]}`:             `a block does not have the field "Topic"`,
		`{topics: [{topic: spam, words: [spam]}], field: subject}`:             `field "subject": allowed is a field of its own`,
		`{topics: [{topic: spam, words: [spam]}], field: Several}`:             `field "Several" has several values`,
		`{topics: [{topic: spam, sender: [bob@example.org]}]}`:                 `unknown key "sender": allowed are topic, from, constituency, words, regexp, via, fields, under`,
		`{topics: [{topic: spam, words: [spam]}, {topic: spam, words: spam}]}`: "allowed is a list, like [a, b]",
	} {
		require.ErrorContains(t, read(params), want, params)
	}
	field, topics := workflow.Default().Topics()
	require.Empty(t, field)
	require.Nil(t, topics)
	p, err := workflow.ParsePolicy(os.DirFS(filepath.Join("testdata", "scripts")), "janet-with-topics.yaml")
	require.NoError(t, err)
	field, topics = p.Topics()
	require.Equal(t, "Topic", field)
	require.Equal(t, []string{"internal", "spam", "urgent", "everything else"}, topics)
}

func TestAttentionOfAPolicy(t *testing.T) {
	read := func(attention string) (*workflow.Policy, error) {
		return workflow.ParsePolicy(fstest.MapFS{"p.yaml": {Data: []byte("base: janet\nattention: " + attention + "\n")}}, "p.yaml")
	}
	p, err := read("{for: 45m, longest: 90m}")
	require.NoError(t, err)
	got, err := p.Decide(report(), workflow.Attend{Ticket: 7}, workflow.Facts{}, env)
	require.NoError(t, err)
	until := env.Now.Add(45 * time.Minute)
	require.Equal(t, list(incident.Attended{By: env.By, Until: &until}), got)
	_, err = p.Decide(report(), workflow.Attend{Ticket: 7, Minutes: 91}, workflow.Facts{}, env)
	require.ErrorContains(t, err, "1 to 90")
	for attention, want := range map[string]string{
		"{for: 30s}":                "lets somebody attend to a ticket for 30s: allowed is 1m to 8h",
		"{for: 9h}":                 "for 9h0m0s: allowed is 1m to 8h",
		"{longest: 200h}":           "longest 200h0m0s: allowed is 1m to 168h",
		"{for: -1m}":                "allowed is 1m to 8h",
		"{for: long}":               "a duration like 90m or 24h",
		"{for: 2h, longest: 1h}":    "for 2h0m0s: allowed is 1m to 1h",
		"{longest: 10m, until: 3}":  `unknown key "until": allowed are for, longest`,
		"{for: 20m, longest: -10m}": "allowed is 1m to 168h",
	} {
		_, err := read(attention)
		require.ErrorContains(t, err, want, attention)
	}
	_, err = read("{longest: 10m}")
	require.NoError(t, err, "whoever says nothing gets no more than that")
}

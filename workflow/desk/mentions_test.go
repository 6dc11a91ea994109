package desk_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

func observable(t testing.TB, value string) incident.Observable {
	o, err := incident.ParseObservable(value, incident.RoleUnknown)
	require.NoError(t, err)
	return o
}

// mentions returns the tickets of each circle, by kind.
func (w *world) mentions(l desk.Lookup) map[string]map[incident.Kind][]incident.ID {
	w.t.Helper()
	m, err := w.alice.Mentions(ctx, l)
	require.NoError(w.t, err)
	found := map[string]map[incident.Kind][]incident.ID{}
	for _, c := range m.Circles {
		found[c.What] = map[incident.Kind][]incident.ID{}
		total := 0
		for _, list := range c.Lists {
			for _, row := range list.Rows {
				found[c.What][list.Kind] = append(found[c.What][list.Kind], row.ID)
			}
			total += list.Total
		}
		require.Equal(w.t, c.Total, total)
	}
	return found
}

type kinds = map[incident.Kind][]incident.ID

func TestMentions(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store, withCampus(t))
		letter := func(text string) incident.ID {
			return w.raw("bob@example.com", fmt.Sprintf("From: bob@example.com\r\nSubject: Letter of %s\r\n\r\n%s\r\n", w.now.Format(time.TimeOnly), text)).Ticket
		}
		old := letter("192.0.2.7 long ago")
		w.now = w.now.AddDate(0, 0, 61)
		seven := letter("Scan from 192.0.2.7, says hamster-wheel.")
		rejected := letter("192.0.2.7 again")
		w.do(workflow.Take{Ticket: rejected}, workflow.Move{Ticket: rejected, To: "rejected"})
		near, far, six := letter("192.0.2.9"), letter("192.0.77.1"), letter("2001:db8:1::7")
		name, mailed := letter("See www.lab.example.org and http://lab.example.org/x"), letter("eve@lab.example.org wrote")
		inc := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Compromise", Constituency: "physics", Fields: classified, Observables: []incident.Observable{observable(t, "192.0.2.7")}}).Opened[0]
		neighbour := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Other", Constituency: "physics", Fields: classified}).Opened[0]

		require.Equal(t, map[string]kinds{"192.0.2.7": {incident.KindReport: {rejected, seven}, incident.KindIncident: {inc}}},
			w.mentions(desk.Lookup{Observable: observable(t, "192.0.2.7")}), "two months, rejected ones too, the latest first")
		require.Equal(t, kinds{incident.KindReport: {rejected, seven, old}, incident.KindIncident: {inc}}, w.mentions(desk.Lookup{Observable: observable(t, "192.0.2.7"), Ever: true})["192.0.2.7"])
		require.Equal(t, kinds{}, w.mentions(desk.Lookup{Observable: observable(t, "192.0.2.7"), Since: w.now.Add(time.Hour)})["192.0.2.7"])
		wide := w.mentions(desk.Lookup{Observable: observable(t, "192.0.2.7"), Widen: true})
		require.Equal(t, map[string]kinds{
			"192.0.2.7":    {incident.KindReport: {rejected, seven}, incident.KindIncident: {inc}},
			"192.0.2.0/24": {incident.KindReport: {near, rejected, seven}, incident.KindIncident: {inc}},
			"192.0.0.0/16": {incident.KindReport: {far, near, rejected, seven}, incident.KindIncident: {inc}},
		}, wide)
		wide = w.mentions(desk.Lookup{Observable: observable(t, "2001:db8:1::8"), Widen: true})
		require.Equal(t, map[string]kinds{"2001:db8:1::8": {}, "2001:db8:1::/64": {incident.KindReport: {six}}, "2001:db8:1::/48": {incident.KindReport: {six}}, "2001:db8::/32": {incident.KindReport: {six}}}, wide)
		require.Equal(t, map[string]kinds{
			"www.lab.example.org and below": {incident.KindReport: {name}},
			"lab.example.org and below":     {incident.KindReport: {mailed, name}},
			"example.org and below":         {incident.KindReport: {mailed, name}},
		}, w.mentions(desk.Lookup{Observable: observable(t, "www.lab.example.org"), Widen: true}), "up to what was registered")
		require.Equal(t, kinds{incident.KindReport: {mailed}}, w.mentions(desk.Lookup{Observable: observable(t, "eve@lab.example.org")})["eve@lab.example.org"])
		require.Equal(t, 6+1, len(w.mentions(desk.Lookup{Observable: observable(t, "bob@example.com")})["bob@example.com"][incident.KindReport]), "requestors count")
		require.Equal(t, kinds{incident.KindReport: {name}}, w.mentions(desk.Lookup{Observable: observable(t, "http://lab.example.org/x")})["http://lab.example.org/x"])
		require.Equal(t, map[string]kinds{"wheel hamster": {incident.KindReport: {seven}}}, w.mentions(desk.Lookup{Text: "WHEEL, Hamster!"}))
		require.Equal(t, kinds{incident.KindIncident: {inc}}, w.mentions(desk.Lookup{Text: "compromise"})["compromise"])
		w.do(workflow.Comment{Ticket: neighbour, Text: "They said gramophone."})
		require.Equal(t, kinds{incident.KindIncident: {neighbour}}, w.mentions(desk.Lookup{Text: "gramophone"})["gramophone"])

		m, err := w.alice.Mentions(ctx, desk.Lookup{Observable: observable(t, "192.0.2.200")})
		require.NoError(t, err)
		require.Equal(t, []string{"physics"}, m.Constituencies)
		require.Equal(t, "It belongs to physics, because network 192.0.2.0/24 does (imported from ipam).", m.Why[0])
		require.Len(t, m.Neighbours.Rows, 2)
		require.Equal(t, neighbour, m.Neighbours.Rows[0].ID, "the organisation's open incidents stand beside what is found")
		m, err = w.alice.Mentions(ctx, desk.Lookup{Text: "gramophone"})
		require.NoError(t, err)
		require.Equal(t, []string{"Tickets that mention gramophone have them."}, m.Why)
		require.Equal(t, 2, m.Neighbours.Total)

		// Pages of one kind.
		for range desk.PageSize {
			letter("CVE-2014-0160")
		}
		cve := desk.Lookup{Observable: observable(t, "CVE-2014-0160"), Kinds: []incident.Kind{incident.KindReport}}
		letter("CVE-2014-0160")
		m, err = w.alice.Mentions(ctx, cve)
		require.NoError(t, err)
		require.Equal(t, desk.PageSize+1, m.Circles[0].Total)
		cve.After = m.Circles[0].Lists[0].Next
		m, err = w.alice.Mentions(ctx, cve)
		require.NoError(t, err)
		require.Len(t, m.Circles[0].Lists[0].Rows, 1)
		require.Nil(t, m.Circles[0].Lists[0].Next)
	})
}

func TestMentionsRefuses(t *testing.T) {
	w := newWorld(t)
	for text, l := range map[string]desk.Lookup{
		"either an observable or a text":       {},
		"words to search for":                  {Text: " --- "},
		"name one kind, and do not widen":      {Text: "x", After: &storage.Cursor{}},
		"one kind, and do not widen":           {Observable: observable(t, "192.0.2.7"), Kinds: []incident.Kind{incident.KindReport}, Widen: true, After: &storage.Cursor{}},
		"has either an observable or a text":   {Observable: observable(t, "192.0.2.7"), Text: "x"},
		"there are 21 words to search for: al": {Text: "a b c d e f g h i j k l m n o p q r s t u"},
	} {
		_, err := w.alice.Mentions(ctx, l)
		require.ErrorContains(t, err, text)
	}
}

// What came encrypted is not found by its opened text, which is never kept.
func TestOpenedTextIsNotKept(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) { c.Opener = revealing{} })
	id := w.raw("bob@example.com", "From: bob@example.com\r\nSubject: x\r\n\r\ncovered gibberish\r\n").Ticket
	require.Equal(t, kinds{incident.KindReport: {id}}, w.mentions(desk.Lookup{Text: "gibberish"})["gibberish"])
	require.Equal(t, kinds{}, w.mentions(desk.Lookup{Text: "revealed"})["revealed"])
	require.Equal(t, kinds{incident.KindReport: {id}}, w.mentions(desk.Lookup{Observable: observable(t, "192.0.2.7")})["192.0.2.7"])
}

// A store that was filled without words gets them afterwards, and the same.
func TestKeepWords(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, wordless{store}, withCampus(t))
		report := w.raw("bob@example.com", "From: bob@example.com\r\nSubject: Trouble [Other #12]\r\n\r\nsays zebra\r\n").Ticket
		w.do(workflow.Comment{Ticket: report, Text: "a giraffe"}, workflow.Reply{Ticket: report, Text: "no okapi"}, workflow.Edit{Ticket: report, Subject: pointer("Hippo")})
		words := []string{"trouble", "12", "zebra", "giraffe", "okapi", "hippo"}
		_, err := w.alice.Mentions(ctx, desk.Lookup{Text: "zebra"})
		require.ErrorIs(t, err, desk.ErrNoTextSearch)
		_, _, err = w.desk.KeepWords(ctx, 0)
		require.ErrorIs(t, err, desk.ErrNoTextSearch)
		w = newWorldOn(t, store, withCampus(t))
		for _, word := range words {
			require.Equal(t, kinds{}, w.mentions(desk.Lookup{Text: word})[word])
		}
		for after, more := uint64(0), true; more; {
			after, more, err = w.desk.KeepWords(ctx, after)
			require.NoError(t, err)
		}
		for _, word := range words {
			require.Equal(t, kinds{incident.KindReport: {report}}, w.mentions(desk.Lookup{Text: word})[word], word)
		}
	})
}

// wordless is a store without words.
type wordless struct{ storage.Store }

func (s wordless) View(ctx context.Context, fn func(context.Context, storage.Reader) error) error {
	return s.Store.View(ctx, func(ctx context.Context, r storage.Reader) error { return fn(ctx, struct{ storage.Reader }{r}) })
}

func (s wordless) Update(ctx context.Context, fn func(context.Context, storage.Tx) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx storage.Tx) error { return fn(ctx, struct{ storage.Tx }{tx}) })
}

func suggested(list []desk.Suggestion) (open, hints []incident.ID) {
	for _, s := range list {
		if s.Hint {
			hints = append(hints, s.ID)
		} else {
			open = append(open, s.ID)
		}
	}
	return open, hints
}

func TestSuggest(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store, withCampus(t))
		made := func(subject, constituency string, observables ...string) incident.ID {
			open := workflow.Open{Kind: incident.KindIncident, Subject: subject, Constituency: constituency, Fields: classified}
			for _, o := range observables {
				open.Observables = append(open.Observables, observable(t, o))
			}
			return w.do(open).Opened[0]
		}
		same := made("One", "physics", "192.0.2.7", "198.18.0.1")
		network, elsewhere := made("Two", "physics", "192.0.2.200"), made("Three", "library", "192.0.2.201")
		tagged := made("Four [Other CERT #4711]", "")
		similar := made("Scans against the student portal", "")
		closed := made("Five", "physics", "192.0.2.7")
		long := made("Six", "physics", "192.0.2.7")
		byChild := made("Seven", "")
		mailed := made("Eight", "", "eve@example.com")
		w.do(workflow.Open{Kind: incident.KindReport, Subject: "child", Parents: []incident.ID{byChild}, Observables: []incident.Observable{observable(t, "192.0.2.7")}})
		w.do(workflow.Resolve{Ticket: long})
		w.now = w.now.AddDate(0, 0, 31)
		w.do(workflow.Resolve{Ticket: closed})

		report := w.raw("bob@example.com", "From: bob@example.com\r\nSubject: Scans against student portal [Other CERT #4711]\r\n\r\n192.0.2.7, 198.18.0.1, eve@example.com\r\n").Ticket
		require.Equal(t, "physics", w.ticket(report).Constituency)
		list, err := w.alice.Suggest(ctx, report)
		require.NoError(t, err)
		open, hints := suggested(list)
		require.Equal(t, []incident.ID{same, tagged, byChild, network, mailed}, open[:5])
		require.Equal(t, []incident.ID{closed}, hints)
		require.NotContains(t, open, elsewhere, "the same network of another constituency")
		require.Equal(t, []string{"Both mention 192.0.2.7, 198.18.0.1.", "It is of physics too, and has to do with 192.0.2.0/24."}, list[0].Reasons)
		require.Equal(t, []string{"Both have the number [Other CERT #4711] of somebody else."}, list[1].Reasons)
		require.Equal(t, 65, list[0].Score)
		require.Equal(t, workflow.Link{Ticket: report, Parent: same}, list[0].Offer)

		plain := w.raw("bob@example.com", "From: bob@example.com\r\nSubject: Re: Scans against student portal\r\n\r\nHello\r\n").Ticket
		list, err = w.alice.Suggest(ctx, plain)
		require.NoError(t, err)
		open, _ = suggested(list)
		require.Equal(t, []incident.ID{similar}, open)
		require.Equal(t, []string{"Of the words of both subjects, 4 of 4 are the same."}, list[0].Reasons)

		w.do(workflow.Take{Ticket: report}, workflow.Link{Ticket: report, Parent: same})
		list, err = w.alice.Suggest(ctx, report)
		require.NoError(t, err)
		open, _ = suggested(list)
		require.NotContains(t, open, same, "it belongs to it already")

		// Candidates of a merge.
		list, err = w.alice.Suggest(ctx, network)
		require.NoError(t, err)
		require.Equal(t, workflow.Merge{Ticket: network, Into: same}, list[0].Offer)
		_, err = w.alice.Suggest(ctx, 999)
		require.ErrorIs(t, err, storage.ErrNotFound)
	})
}

// One who may not see tickets finds none, and is told none.
func TestLookupTellsNothing(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newLeakWorld(t, store)
		hidden := w.do(workflow.Open{Kind: incident.KindIncident, Subject: marker + " scanning portal", Constituency: "GOVNET", Fields: classified, Observables: []incident.Observable{observable(t, "192.0.2.7"), observable(t, "www.example.org"), observable(t, "eve@example.com")}}).Opened[0]
		w.hidden["by address"] = hidden
		w.hidden["its child"] = w.do(workflow.Open{Kind: incident.KindReport, Subject: marker + " [Other #1]", Constituency: "GOVNET", Parents: []incident.ID{hidden}, Observables: []incident.Observable{observable(t, "192.0.2.7")}, Text: marker}).Opened[0]
		report := w.do(workflow.Open{Kind: incident.KindReport, Subject: "Seen scanning portal [Other #1]", Constituency: "EDUNET", Observables: []incident.Observable{observable(t, "192.0.2.7")}}).Opened[0]
		w.shown["shares a child"] = w.do(workflow.Open{Kind: incident.KindReport, Subject: "Seen", Constituency: "EDUNET", Parents: []incident.ID{hidden}, Observables: []incident.Observable{observable(t, "192.0.2.7")}}).Opened[0]
		for what, l := range map[string]desk.Lookup{
			"address": {Observable: observable(t, "192.0.2.7"), Widen: true}, "name": {Observable: observable(t, "www.example.org"), Widen: true},
			"mail": {Observable: observable(t, "eve@example.com"), Widen: true}, "requestor": {Observable: observable(t, "zanzibar@example.org")},
			"word": {Text: marker}, "number": {Text: hidden.String()}, "other number": {Text: w.hidden["incident"].String()},
		} {
			m, err := w.eve.Mentions(ctx, l)
			require.NoError(t, err)
			if what != "other number" { // senders have written it into subjects
				raw := *m
				raw.Asked = ""
				for i := range raw.Circles {
					raw.Circles[i].What = ""
				}
				w.tells("mentions by "+what, 0, raw)
			}
			for _, c := range m.Circles {
				rows := 0
				for _, list := range c.Lists {
					rows += len(list.Rows)
				}
				require.Equal(t, c.Total, rows, "a count counts what is listed")
			}
		}
		list, err := w.eve.Suggest(ctx, report)
		require.NoError(t, err)
		w.tells("suggest", 0, list)
		_, err = w.eve.Suggest(ctx, hidden)
		require.ErrorIs(t, err, storage.ErrNotFound)
		_, err = w.eve.Propose(ctx, desk.Proposing{Kind: incident.KindInvestigation, Incident: hidden, To: []string{"bob@example.org"}})
		require.ErrorIs(t, err, storage.ErrNotFound)
		all, err := w.alice.Suggest(ctx, report)
		require.NoError(t, err)
		require.Equal(t, hidden, all[0].ID, "who may see it is told")
	})
}

// revealing opens every mail: it says what is not to be kept.
type revealing struct{}

func (revealing) Open(context.Context, []byte) (mail.Opened, error) {
	return mail.Opened{
		Mail:   []byte("From: bob@example.com\r\nSubject: x\r\n\r\nrevealed 192.0.2.7\r\n"),
		Layers: []incident.Layer{{Protocol: "test"}},
	}, nil
}

package desk_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// A front end makes links of a text by the places in it.
func TestReading(t *testing.T) {
	w := newWorld(t, withCampus(t))
	report := w.raw("bob@example.com", "From: bob@example.com\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"+
		"Gr=FC=DFe: 192.0.2.7 and 192.0.2.256, www.example.org, foo@example.org,\r\nhxxp://evil[.]example[.]org/x, foo@example, @example.com\r\n").Ticket
	links := func(id incident.ID, version uint64) (list []string) {
		r, err := w.alice.Reading(ctx, id, version)
		require.NoError(t, err)
		for _, p := range r.Places {
			list = append(list, fmt.Sprintf("%s %s %s %v", p.Observable.Kind, r.Text[p.Start:p.End], p.Observable.Value, p.Defanged))
		}
		return list
	}
	require.Equal(t, []string{
		"address 192.0.2.7 192.0.2.7 false", "host www.example.org www.example.org false", "mail foo@example.org foo@example.org false",
		"url hxxp://evil[.]example[.]org/x http://evil.example.org/x true",
	}, links(report, 2), "invalid ones are none")
	typed := w.do(workflow.Open{Kind: incident.KindReport, Subject: "x", Text: "Telephone: 2001:db8::7"}).Opened[0]
	require.Equal(t, []string{"address 2001:db8::7 2001:db8::7 false"}, links(typed, 2))
	w.do(workflow.Comment{Ticket: typed, Text: "see 192.0.2.9"})
	require.Equal(t, []string{"address 192.0.2.9 192.0.2.9 false"}, links(typed, 3))
	_, err := w.alice.Reading(ctx, typed, 1)
	require.ErrorIs(t, err, desk.ErrNoBody)
	_, err = w.alice.Reading(ctx, 99, 1)
	require.ErrorIs(t, err, storage.ErrNotFound)

	many := w.desk.Places(strings.Repeat("192.0.2.7 ", 10_001))
	require.Len(t, many.Places, 10_000)
	require.True(t, many.More)
}

func TestParseLookup(t *testing.T) {
	w := newWorld(t, withCampus(t))
	for text, want := range map[string]desk.Lookup{
		"192.0.2.7":                        {Observable: incident.Observable{Kind: incident.Address, Value: "192.0.2.7"}},
		" 192.0.2[.]7 ":                    {Observable: incident.Observable{Kind: incident.Address, Value: "192.0.2.7"}},
		"192.0.2/24":                       {Observable: incident.Observable{Kind: incident.Prefix, Value: "192.0.2.0/24"}},
		"0.0.0.0/0":                        {Observable: incident.Observable{Kind: incident.Prefix, Value: "0.0.0.0/0"}},
		"lab.internal":                     {Observable: incident.Observable{Kind: incident.Host, Value: "lab.internal"}},
		"bücher.example.org":               {Observable: incident.Observable{Kind: incident.Host, Value: "xn--bcher-kva.example.org"}},
		"bob@example.org":                  {Observable: incident.Observable{Kind: incident.MailAddress, Value: "bob@example.org"}},
		"cve-2014-0160":                    {Observable: incident.Observable{Kind: incident.CVE, Value: "CVE-2014-0160"}},
		"d41d8cd98f00b204e9800998ecf8427e": {Observable: incident.Observable{Kind: incident.Hash, Value: "d41d8cd98f00b204e9800998ecf8427e"}},
		"https://example.org/a b":          {Text: "https://example.org/a b"},
		"hamster":                          {Text: "hamster"},
		"192.0.2.7 and more":               {Text: "192.0.2.7 and more"},
	} {
		require.Equal(t, want, w.desk.ParseLookup(text), text)
	}
}

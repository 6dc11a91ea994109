package desk_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// alarms are observations in whose texts the word zebra stands.
func alarms(addresses ...string) (list []incident.Observation) {
	for i, address := range addresses {
		o := observation("Z-"+string(rune('1'+i)), address)
		o.Logs = []incident.Log{{Data: []byte("zebra in the log of " + address)}}
		o.Extra = []incident.Field{{Name: "more", Value: "zebra"}}
		o.Foreign = []string{`<zebra xmlns="urn:example:zoo"/>`}
		list = append(list, o)
	}
	return list
}

// report is a mail with a file, sealed for the desk.
func (p *person) report(file string) string {
	p.t.Helper()
	return p.seal(mail.Always, mail.Always, strings.Replace(string(sensorMail("application/xml", file)), "sensor@example.org", p.address, 1))
}

// What machines report in mail that is decrypted when it comes is known without its
// texts: these are in nothing that is stored, looked for or sent on.
func TestEncryptedReportOfMachines(t *testing.T) {
	k := newKeyed(t, withFormats, has(map[string]string{"notice": "Seen:\n@LOGGING@\n@XMLDATA@\n@IODEF@\n"}), func(c *desk.Config) { c.Policy = feeding() })
	document := xirlOf(t, alarms("192.0.2.7", "192.0.2.8")...)
	receipt, m := k.take(k.bob.report(document))
	require.Contains(t, m.Content.Why, "It is a report of machines, in the format xirl: 2 observations, 0 of them known, 0 dropped. It came encrypted: logs and other texts of them stay in it.")
	entries := k.queue()
	require.Len(t, entries, 2)
	list, err := k.alice.Observations(ctx, receipt.Ticket)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, []string{"logs", "extra", "foreign"}, list[0].Left)
	require.Equal(t, "scan", list[0].Kind)
	require.Len(t, list[0].Endpoints, 2)
	opened, err := k.alice.Opened(ctx, receipt.Ticket, receipt.Version)
	require.NoError(t, err)
	require.Contains(t, string(opened.Mail), "zebra in the log of 192.0.2.7", "who may read the mail reads them there")

	known := k.imports(desk.Import{}, document)
	require.Equal(t, incident.Tally{Observations: 2, Known: 2}, known.Tally)

	inc := k.do(workflow.Accept{Ticket: receipt.Ticket, Fields: classified}).Opened[0]
	draft, _, err := k.alice.Draft(ctx, k.child(incident.KindInvestigation, inc), desk.Beginning{Template: "notice", Attach: []string{"xirl"}})
	require.NoError(t, err)
	require.Contains(t, draft.Text, "192.0.2.7")
	require.NotContains(t, draft.Text+string(draft.Attachments[0].Content), "zebra")
	for _, record := range k.history(receipt.Ticket) {
		require.NotContains(t, string(record.Content), "zebra")
	}
	found, err := k.alice.Mentions(ctx, k.world.desk.ParseLookup("zebra"))
	require.NoError(t, err)
	require.Zero(t, found.Circles[0].Total)
	k.verify()

	broken, m := k.take(k.bob.report(strings.Replace(document, "</incident>", "<zebra/></incident>", 1)))
	require.Nil(t, k.ticket(broken.Ticket).Observations)
	require.Contains(t, strings.Join(m.Content.Findings, "\n"), "its report could not be read: xirl: line ")
	require.NotContains(t, strings.Join(m.Content.Findings, "\n"), "zebra")
}

// What machines report in mail that could not be opened when it came is read as soon as
// it can be, once, and stays with its ticket.
func TestExamineReportOfMachines(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		k := &keyed{}
		clock := func() time.Time { return k.now }
		k.desk, k.bob = newPerson(t, "csirt@example.net", clock), newPerson(t, "bob@example.org", clock)
		late := newPerson(t, "csirt@example.net", clock) // a key of the team that the desk does not have yet
		k.bob.knows(late)
		k.world = newWorldUnder(t, store, feeding(workflow.Feed{Name: "xirl", Limit: 3}), withFormats, func(c *desk.Config) { c.Opener = k.desk })
		document := xirlOf(t, alarms("192.0.2.7", "192.0.2.8", "192.0.2.8", "192.0.2.9")...)
		receipt, m := k.take(k.bob.report(document))
		require.Equal(t, []string{incident.FlagUnopened}, m.Flags)
		require.Empty(t, k.queue())

		_, err := k.desk.ring.AddTeam("csirt@example.net", late.secret(), nil)
		require.NoError(t, err)
		result, err := k.alice.Examine(ctx, receipt.Ticket, receipt.Version)
		require.NoError(t, err)
		require.Len(t, result.Records, 2)
		event, _ := k.last(receipt.Ticket, "examined")
		require.Contains(t, event.(incident.Examined).Content.Findings,
			"It is a report of machines, in the format xirl: 4 observations, 0 of them known, 0 dropped. It came encrypted: logs and other texts of them stay in it.")
		report := k.ticket(receipt.Ticket)
		require.Equal(t, 3, report.Observations.Count, "as many as its feed keeps")
		require.True(t, report.Observations.Beyond)
		for _, address := range []string{"192.0.2.7", "192.0.2.8", "192.0.2.9"} {
			require.Contains(t, report.Observables, incident.Observable{Kind: incident.Address, Value: address, Role: incident.RoleSource})
		}
		require.Len(t, k.queue(), 1)
		require.NotContains(t, k.everything(), "zebra")
		list, err := k.alice.Exchange(ctx, receipt.Ticket)
		require.NoError(t, err)
		require.Len(t, list, 3)
		require.Empty(t, list[0].Logs)

		before := k.snapshot()
		_, err = k.alice.Examine(ctx, receipt.Ticket, receipt.Version)
		require.NoError(t, err)
		require.Equal(t, before, k.snapshot(), "it is known now")
		rest := k.imports(desk.Import{}, document)
		require.Equal(t, incident.Tally{Observations: 4, Known: 3, Kept: 1, Opened: 1}, rest.Tally)
		k.verify()
	})
}

// Mail on a ticket that was merged counts for the one that goes on, and mail on one with
// observations within its limit; mail that was read as a report when it came is examined
// without a new record.
func TestExamineReportOnOtherTickets(t *testing.T) {
	k := newKeyed(t, withFormats, func(c *desk.Config) { c.Policy = feeding(workflow.Feed{Name: "xirl", Limit: 1}) })
	plain, _ := k.take(string(sensorMail("application/xml", xirlOf(t, observation("X-1", "192.0.2.6")))))
	before := k.snapshot()
	_, err := k.alice.Examine(ctx, plain.Ticket, plain.Version)
	require.NoError(t, err)
	require.Equal(t, before, k.snapshot())

	late := newPerson(t, "csirt@example.net", func() time.Time { return k.now })
	bob := newPerson(t, "bob@example.org", func() time.Time { return k.now }).knows(late)
	list := alarms("192.0.2.7", "192.0.2.6")
	receipt, _ := k.take(bob.report(xirlOf(t, list[0])))
	answer, _ := k.take(strings.Replace(bob.report(xirlOf(t, list[1])), "Subject: Alarm", "Subject: "+tagged(plain.Ticket), 1))
	require.Equal(t, plain.Ticket, answer.Ticket)
	k.do(workflow.Merge{Ticket: receipt.Ticket, Into: plain.Ticket})
	_, err = k.desk.ring.AddTeam("csirt@example.net", late.secret(), nil)
	require.NoError(t, err)
	_, err = k.alice.Examine(ctx, receipt.Ticket, receipt.Version)
	require.NoError(t, err)
	entries := k.queue()
	require.Len(t, entries, 1)
	require.Equal(t, 2, entries[0].Observations.Count)
	require.False(t, entries[0].Observations.Beyond)
	_, err = k.alice.Examine(ctx, answer.Ticket, answer.Version)
	require.NoError(t, err)
	entries = k.queue()
	require.Equal(t, 2, entries[0].Observations.Count)
	require.True(t, entries[0].Observations.Beyond)
	k.verify()
}

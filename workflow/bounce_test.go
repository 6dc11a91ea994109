package workflow_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// bounces is what a bounce says of the mail to one address.
func bounces(action, reason, status string) incident.Bounced {
	return incident.Bounced{Ticket: 7, Mail: 3, Action: action, Reason: reason, Status: status,
		Content: incident.BouncedContent{Address: "noc@example.com", Diagnostic: "550 no"}}
}

func TestMarkDefective(t *testing.T) {
	is := func(b incident.Bounced) workflow.Change {
		return changed(report(), report(), b, workflow.Append{})
	}
	marks := func(reason, status string) []workflow.Command {
		return commands(workflow.MarkAddress{Address: "noc@example.com", Ticket: 7, Version: 4, Reason: reason, Status: status})
	}
	erased := bounces("failed", "mailbox", "5.1.1")
	erased.Content = incident.BouncedContent{}
	const comes, other = "mail to the address comes back", "the reason does not speak against the address"
	react(t, "mark-defective", []reaction{
		{"no mailbox", is(bounces("failed", "mailbox", "5.1.1")), nil, marks("mailbox", "5.1.1"), comes},
		{"no domain", is(bounces("failed", "host", "")), nil, marks("host", ""), comes},
		{"not for good", is(bounces("failed", "host", "4.4.1")), nil, nil, other},
		{"full", is(bounces("failed", "full", "5.2.2")), nil, nil, other},
		{"nobody says why", is(bounces("failed", "", "")), nil, nil, other},
		{"delayed", is(bounces("delayed", "mailbox", "4.1.1")), nil, nil, ""},
		{"arrived", is(bounces("delivered", "", "2.0.0")), nil, nil, ""},
		{"nothing is left", is(erased), nil, nil, ""},
	})
}

func TestNotifyBounced(t *testing.T) {
	is := func(b incident.Bounced, changes ...change) workflow.Change {
		return changed(report(changes...), report(changes...), b, workflow.Append{})
	}
	notice := bounces("failed", "mailbox", "5.1.1")
	notice.Notice = true
	const about, full = "a mail did not arrive: there is no such mailbox", "a mail did not arrive: the mailbox is full"
	react(t, "notify-bounced", []reaction{
		{"the owner", is(bounces("failed", "mailbox", "5.1.1"), owned(bob)), nil, tells(7, bob, about), about},
		{"nobody's: the duty team", is(bounces("failed", "full", "")), nil, tells(7, incident.Duty, full), full},
		{"a notice", is(notice, owned(bob)), nil, nil, "the mail was a notice to the team"},
		{"delayed", is(bounces("delayed", "", ""), owned(bob)), nil, nil, ""},
		{"arrived", is(bounces("delivered", "", ""), owned(bob)), nil, nil, ""},
	})
}

func TestAddresses(t *testing.T) {
	fact := func(is bool) facts {
		return facts{{Fact: workflow.FactDefective, Address: "noc@example.com"}: is}
	}
	mark := workflow.MarkAddress{Address: "NOC@example.com", Ticket: 7, Version: 4, Reason: "mailbox", Status: "5.1.1"}
	marked := incident.AddressMarked{Ticket: 7, Version: 4, Reason: "mailbox", Status: "5.1.1", Content: incident.AddressContent{Address: "NOC@example.com"}}
	cleared := incident.AddressCleared{Content: incident.AddressContent{Address: "noc@example.com"}}
	itself := incident.Ticket{Kind: incident.KindDesk}
	run(t, []decision{
		{"marked", itself, mark, fact(false), []workflow.Decision{{Event: marked}}, nil, ""},
		{"marked twice", itself, mark, fact(true), nil, nil, ""},
		{"cleared", itself, workflow.ClearAddress{Address: " noc@example.com"}, fact(true), []workflow.Decision{{Event: cleared}}, nil, ""},
		{"cleared twice", itself, workflow.ClearAddress{Address: "noc@example.com"}, fact(false), nil, nil, ""},
	})
	_, err := workflow.Default().Decide(itself, workflow.ClearAddress{Address: "noc"}, workflow.Facts{}, env)
	require.EqualError(t, err, `workflow: clear-address: address "noc" is not possible: allowed is mail addresses like bob@example.org`)
}

func TestBounceInWords(t *testing.T) {
	for want, event := range map[string]incident.Event{
		`mail #7.3 to noc@example.com did not arrive: there is no such mailbox (5.1.1): "550 no"`: bounces("failed", "mailbox", "5.1.1"),
		`mail #7.3 to noc@example.com is delayed: trouble of mail systems: "550 no"`:              bounces("delayed", "system", ""),
		`mail #7.3 to noc@example.com has arrived (2.0.0): "550 no"`:                              bounces("delivered", "", "2.0.0"),
		`mail #7.3 to noc@example.com was relayed: "550 no"`:                                      bounces("relayed", "", ""),
		`address noc@example.com is defective: the domain takes no mail`:                          incident.AddressMarked{Reason: "host", Content: incident.AddressContent{Address: "noc@example.com"}},
		`address noc@example.com is cleared`:                                                      incident.AddressCleared{Content: incident.AddressContent{Address: "noc@example.com"}},
	} {
		require.Equal(t, want, workflow.Words(event, time.UTC))
	}
}

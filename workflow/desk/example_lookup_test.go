package desk_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// A report gets the constituency of what it mentions, is found by it, and is offered to
// the incident that it may belong to.
func ExampleSession_Mentions() {
	ctx := context.Background()
	doc, _ := lookup.ParseYAML(strings.NewReader(`
default: elsewhere
constituencies: [{name: elsewhere}, {name: EDUNET, contacts: [{role: abuse, address: abuse@edunet.example}]}]
entries: [{scope: 192.0.2.0/24, constituency: EDUNET}]
`))
	directory, _ := lookup.NewDirectory(doc, lookup.Config{})
	csirt, _ := desk.New(memory.New(), desk.Config{Directory: directory})
	alice := csirt.As("handler:alice")
	fields := map[string][]string{"Classification": {"Scan"}}
	proposed, _ := alice.Propose(ctx, desk.Proposing{Kind: incident.KindIncident, About: []incident.Observable{{Kind: incident.Address, Value: "192.0.2.7"}}, Fields: fields})
	fmt.Println(proposed[0].Command.Contacts[0].Address, "of", proposed[0].Command.Constituency)
	alice.Do(ctx, proposed[0].Command)

	csirt.Receive(ctx, mail.Envelope{From: "bob@example.org"}, []byte("From: bob@example.org\r\nSubject: Scan\r\n\r\nIt comes from 192.0.2.7.\r\n"))
	found, _ := alice.Mentions(ctx, csirt.ParseLookup("192.0.2[.]7"))
	for _, list := range found.Circles[0].Lists {
		for _, row := range list.Rows {
			fmt.Println(row.Kind, row.ID, row.Constituency)
		}
	}
	suggestions, _ := alice.Suggest(ctx, 2)
	fmt.Println(suggestions[0].Reasons[0])
	offer, _ := workflow.MarshalCommand(suggestions[0].Offer)
	fmt.Println(string(offer))
	// Output:
	// abuse@edunet.example of EDUNET
	// report 2 EDUNET
	// incident 1 EDUNET
	// Both mention 192.0.2.7.
	// {"command":"link","ticket":2,"parent":1}
}

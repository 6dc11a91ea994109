package workflow_test

import (
	"fmt"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

func ExampleParseCommand() {
	c, err := workflow.ParseCommand([]byte(`{"command": "move", "ticket": 7, "to": "resolved"}`))
	fmt.Printf("%#v %v\n", c, err)

	_, err = workflow.ParseCommand([]byte(`{"command": "move", "ticket": 7, "status": "resolved"}`))
	fmt.Println(err)
	// Output:
	// workflow.Move{Ticket:0x7, To:"resolved", Based:0x0} <nil>
	// workflow: move: argument "status" is not possible: allowed is ticket, to, based
}

func ExampleMarshalCommand() {
	text, _ := workflow.MarshalCommand(workflow.Link{Ticket: 7, Parent: incident.Nth(1)})
	fmt.Println(string(text))
	// Output: {"command":"link","ticket":7,"parent":"$1"}
}

func ExampleBind() {
	c, _ := workflow.Bind(workflow.Link{Ticket: 7, Parent: incident.Nth(1)}, []incident.ID{12})
	text, _ := workflow.MarshalCommand(c)
	fmt.Println(string(text))
	// Output: {"command":"link","ticket":7,"parent":12}
}

// A decision is a function of values: ticket, command and facts in, events out.
func ExamplePolicy_Decide() {
	p := workflow.Default()
	report := incident.Ticket{ID: 7, Kind: incident.KindReport, Status: workflow.StatusNew, Phase: incident.Initial, Owner: "handler:bob"}
	env := workflow.Env{By: "handler:alice"}

	decisions, err := p.Decide(report, workflow.Move{Ticket: 7, To: workflow.StatusOpen}, workflow.Facts{}, env)
	for _, d := range decisions {
		fmt.Println(d.Event.Type(), d.Event)
	}
	fmt.Println(err)
	_, err = p.Decide(report, workflow.Take{Ticket: 7}, workflow.Facts{}, env)
	fmt.Println(err)
	_, err = p.Decide(report, workflow.Move{Ticket: 7, To: workflow.StatusAbandoned}, workflow.Facts{}, env)
	fmt.Println(err)
	// Output:
	// moved {new open active}
	// <nil>
	// workflow: ticket 7 is already taken by handler:bob: steal or assign it to change its owner
	// workflow: report 7 cannot move from "new" to "abandoned": allowed are "open", "resolved", "rejected"
}

// What a command must know, it asks for.
func ExamplePolicy_Asks() {
	p := workflow.Default()
	report := incident.Ticket{ID: 7, Kind: incident.KindReport, Status: workflow.StatusNew, Phase: incident.Initial}
	link := workflow.Link{Ticket: 7, Parent: 3}

	var facts workflow.Facts
	for _, ask := range p.Asks(report, link) {
		fmt.Println(ask.Fact, ask.Ticket)
		facts.Know(ask, incident.Ticket{ID: 3, Kind: incident.KindIncident})
	}
	decisions, err := p.Decide(report, link, facts, workflow.Env{})
	fmt.Println(decisions[0].Event, err)
	// Output:
	// ticket 3
	// {3} <nil>
}

// ExamplePolicy_Validate shows that a policy is a value that a program changes
// as it likes, and that all mistakes are told at once.
func ExamplePolicy_Validate() {
	p := workflow.Default()
	p.Cascade[workflow.StatusAbandoned][incident.KindReport] = workflow.StatusOpen
	p.Rules = append(p.Rules, workflow.Rule{Name: "resolution", Then: p.Rules[0].Then})
	fmt.Println(p.Validate())
	// Output:
	// workflow: policy lets a cascade end in "open", which is no inactive status of report
	// workflow: policy has two rules or derivations called "resolution", or one without a name
}

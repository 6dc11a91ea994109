package workflow_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
	"github.com/airtight-csirt/airtight/workflow"
)

func TestErrorsSayWhatIsAllowed(t *testing.T) {
	_, err := workflow.Preset("lisp")
	require.EqualError(t, err, `workflow: there is no policy "lisp": allowed are janet, rtir, airt`)
	for want, err := range map[string]error{
		"workflow: stopped after 9 steps: the rules a, b may chase each other":                          &workflow.LoopError{Steps: 9, Rules: []string{"a", "b"}},
		`workflow: report 7 cannot move from "odd" to "new": allowed are none`:                          &workflow.TransitionError{Ticket: 7, Kind: incident.KindReport, From: "odd", To: "new"},
		"workflow: open is refused: because":                                                            &workflow.RefusedError{Command: "open", Why: "because"},
		"workflow: edit: a report must have a, b":                                                       &workflow.MissingError{Command: "edit", Kind: incident.KindReport, Fields: []string{"a", "b"}},
		"workflow: open: an incident must have a: a is one of x, y; b is one of z":                      &workflow.MissingError{Command: "open", Kind: incident.KindIncident, Fields: []string{"a"}, Allowed: []string{"a is one of x, y", "b is one of z"}},
		"workflow: there is no ticket 7: allowed are the numbers of existing tickets":                   &workflow.NoTicketError{Ticket: 7},
		`workflow: a new investigation cannot have the status "resolved": allowed are "open", "closed"`: &workflow.TransitionError{Kind: incident.KindInvestigation, To: "resolved", Allowed: statuses{"open", "closed"}},
	} {
		require.EqualError(t, err, want)
	}
	stored := errors.New("gone")
	require.ErrorIs(t, &workflow.NoTicketError{Ticket: 7, Err: stored}, stored)
}

func TestSteps(t *testing.T) {
	p := workflow.Default()
	require.Equal(t, 100_000, p.Steps())
	p.MaxSteps = 7
	require.Equal(t, 7, p.Steps())
}

func TestStatusesOf(t *testing.T) {
	var history []incident.Record
	for i, e := range []incident.Event{
		incident.Opened{Kind: incident.KindReport, Status: "new", Phase: incident.Initial}, incident.Commented{},
		moved("new", "open", incident.Active), incident.Owned{To: bob}, moved("open", "resolved", incident.Inactive),
	} {
		r := incident.Record{Ticket: 7, Version: uint64(i + 1), At: *at(i)}
		require.NoError(t, r.Encode(e))
		history = append(history, r)
	}
	require.Equal(t, []workflow.StatusRecord{{*at(0), "new", incident.Initial}, {*at(2), "open", incident.Active}, {*at(4), "resolved", incident.Inactive}},
		workflow.StatusesOf(history))
	require.Empty(t, workflow.StatusesOf(nil))
}

// With an agreement the level of a ticket, and the moments that it declares, are
// fields with a form of their own.
func TestFieldsOfAgreements(t *testing.T) {
	sets := func(name string, list ...string) workflow.Edit {
		return workflow.Edit{Ticket: 7, Fields: values{name: list}}
	}
	stands := func(name string, list ...string) []workflow.Decision {
		return list7(incident.EditedContent{Fields: values{name: list}})
	}
	const level = workflow.DefaultLevelField
	runUnder(t, promising(t), []decision{
		{"a level", report(), sets(level, "careful"), nil, stands(level, "careful"), nil, ""},
		{"nothing promised", report(), sets(level, sla.None), nil, stands(level, sla.None), nil, ""},
		{"a moment", report(), sets("aware", "2026-03-02T09:00:00Z"), nil, stands("aware", "2026-03-02T09:00:00Z"), nil, ""},
		{"a level that there is not", report(), sets(level, "gold"), nil, nil, argument, "one of plain, careful, " + sla.None},
		{"two levels", report(), sets(level, "plain", "careful"), nil, nil, argument, `"plain, careful" is not possible`},
		{"a moment that is none", report(), sets("aware", "soon"), nil, nil, argument, "one time like 2026-03-02T09:00:00Z"},
		{"two moments", report(), sets("aware", "2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z"), nil, nil, argument, "one time like"},
		{"a moment before there was any", report(), sets("aware", "1970-01-01T00:30:00+01:00"), nil, nil, argument, "one time like"},
		{"a moment after all", report(), sets("aware", "9999-12-31T23:30:00-01:00"), nil, nil, argument, "one time like"},
		{"a moment that the history tells", report(), sets(string(sla.Reopened), "2026-03-02T09:00:00Z"), nil, nil, argument, "none: it is when the ticket was opened again"},
	})
}

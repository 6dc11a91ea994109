package workflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// What each role of the presets may do is tested in workflow/desk, by doing it.

func TestGroupsGiveRoles(t *testing.T) {
	p := parsed(t, `base: janet
fields: {constituency: {values: [EDUNET, GOVNET, main]}}
rights: {roles: {blocks: {may: [{commands: [see], kinds: [block]}]}, own: {may: [{commands: [see, comment], tickets: own}]}}}`)
	views := func(groups ...string) []workflow.View {
		list, all := p.Who("handler:eve", groups...).Sees()
		require.False(t, all, groups)
		return list
	}
	all := func(who workflow.Who) bool { _, all := who.Sees(); return all }
	edu := []string{"EDUNET"}
	require.True(t, all(p.Who("handler:eve")), "the default role")
	require.True(t, all(p.Who("handler:eve", "manager")))
	require.True(t, all(p.Who("handler:eve", "visitors", "READONLY")), "by another name, without regard to case")
	require.True(t, all(p.Who("handler:eve", "duty-team:EDUNET", "handler")), "the widest counts")
	require.Equal(t, []workflow.View{{Constituencies: edu}}, views("DutyTeam:edunet"), "as the policy writes it")
	require.Equal(t, []workflow.View{{Constituencies: edu}}, views("handler:EDUNET"), "a group that names a constituency means it")
	require.Equal(t, []workflow.View{{Constituencies: []string{""}}}, views("duty-team:"), "tickets without a constituency")
	require.Equal(t, []workflow.View{{Constituencies: []string{"elsewhere"}}}, views("duty-team:elsewhere"))
	require.Equal(t, []workflow.View{{Constituencies: edu}, {Kinds: []incident.Kind{incident.KindBlock}, Constituencies: []string{"GOVNET"}}}, views("duty-team:EDUNET", "blocks:GOVNET"))
	require.Equal(t, []workflow.View{{Owner: "handler:eve"}}, views("own"))
	for _, nothing := range []string{"duty-team", "visitors", "", ":EDUNET", "correspondent"} {
		require.Empty(t, views(nothing), nothing)
	}
	require.True(t, all(p.Who(incident.System, "visitors")), "the desk itself")
	require.False(t, all(p.Who(incident.Correspondent, "manager")), "a correspondent is no manager")
	list, _ := p.Who(incident.Correspondent, "manager").Sees()
	require.Empty(t, list)
	require.True(t, all((&workflow.Policy{}).Who("handler:eve", "visitors")), "without rights")
	require.True(t, all(preset(t, "airt").Who("handler:eve")))

	nobodys := incident.Ticket{ID: 7, Kind: incident.KindReport, Status: "open"}
	require.Error(t, p.Who("", "own").Check(workflow.Comment{Ticket: 7}, nobodys, nil), "nobody owns nothing")
}

func TestRightsErrors(t *testing.T) {
	p := preset(t, "janet")
	free := incident.Ticket{ID: 7, Kind: incident.KindReport, Status: "open", Constituency: "EDUNET"}
	taken := incident.Ticket{ID: 8, Kind: incident.KindIncident, Status: "open", Constituency: "GOVNET", Owner: "handler:bob"}
	mine := incident.Ticket{ID: 9, Kind: incident.KindReport, Status: "open", Owner: "handler:eve"}
	for _, c := range []struct {
		groups  []string
		command workflow.Command
		t       incident.Ticket
		others  []incident.Ticket
		want    string
		offers  []workflow.Command
	}{
		{nil, workflow.Resolve{Ticket: 7}, free, nil, "resolve on ticket 7 is not for you to give: only its owner may, and nobody owns it: take it first", commands(workflow.Take{Ticket: 7})},
		{nil, workflow.Resolve{Ticket: 8}, taken, nil, "only its owner may, and handler:bob owns it: steal it first", commands(workflow.Steal{Ticket: 8})},
		{nil, workflow.Link{Ticket: 7, Parent: 8}, free, []incident.Ticket{taken},
			"only the owner of one of the two may, and nobody owns ticket 7, handler:bob owns ticket 8: take ticket 7 or steal ticket 8 first", commands(workflow.Take{Ticket: 7}, workflow.Steal{Ticket: 8})},
		{nil, workflow.Link{Ticket: 9, Parent: 8}, mine, []incident.Ticket{taken}, "", nil},
		{nil, workflow.Merge{Ticket: 9, Into: 7}, mine, []incident.Ticket{free}, "merge on ticket 9 is not for you to give: only the owner of both may, and nobody owns ticket 7: take ticket 7 first", commands(workflow.Take{Ticket: 7})},
		{nil, workflow.Assign{Ticket: 8}, taken, nil, "only its owner may, and handler:bob owns it: steal it first", commands(workflow.Steal{Ticket: 8})},
		{[]string{"manager"}, workflow.Assign{Ticket: 8}, taken, nil, "", nil},
		{[]string{"read-only"}, workflow.Resolve{Ticket: 7}, free, nil, "it takes one of the roles handler, duty-team of EDUNET, manager; yours is read-only", nil},
		{[]string{"duty-team:EDUNET", "read-only"}, workflow.Link{Ticket: 7, Parent: 8}, free, []incident.Ticket{taken},
			"link on ticket 8 is not for you to give: it takes one of the roles handler, duty-team of GOVNET, manager; yours is duty-team of EDUNET, read-only", nil},
		{[]string{"visitors"}, workflow.Open{Kind: "ir"}, incident.Ticket{}, nil, "open is not for you to give: it takes one of the roles handler, duty-team of no constituency, manager; yours is none", nil},
		{nil, workflow.Edit{Ticket: 7, Constituency: pointer("GOVNET")}, mine, nil, "", nil},
		{[]string{"duty-team:EDUNET"}, workflow.Edit{Ticket: 8, Constituency: pointer("GOVNET")}, incident.Ticket{ID: 8, Kind: incident.KindIncident, Status: "open", Constituency: "EDUNET", Owner: "handler:eve"}, nil,
			"edit on ticket 8 is not for you to give: to open it in GOVNET it takes one of the roles handler, duty-team of GOVNET, manager; yours is duty-team of EDUNET", nil},
	} {
		err := p.Who("handler:eve", c.groups...).Check(c.command, c.t, c.others)
		if c.want == "" {
			require.NoError(t, err, c.command.Name())
			continue
		}
		var refused *workflow.RightsError
		require.ErrorAs(t, err, &refused, c.want)
		require.ErrorContains(t, err, c.want)
		require.Equal(t, c.offers, refused.Offers)
	}
	only := parsed(t, "base: airt\nrights: {owner-only: [move]}")
	require.ErrorContains(t, only.Who("handler:eve").Check(workflow.Move{Ticket: 8}, taken, nil), "steal it first", "ownership counts without roles")
	require.NoError(t, only.Who(incident.System).Check(workflow.Move{Ticket: 8}, taken, nil))
	merged := incident.Ticket{ID: 7, Kind: incident.KindReport, Status: "resolved", MergedInto: 9}
	require.NoError(t, p.Who("handler:eve").Check(workflow.Move{Ticket: 7}, merged, nil), "who is told to take it could not")
}

func TestRightsOfDocuments(t *testing.T) {
	p := parsed(t, `base: janet
rights:
  default: DutyTeam
  owner-only: [resolve]
  roles:
    Handler: {doc: Ours.}
    manager: null
    noc: {groups: [operators], may: [{commands: [comment, move], kinds: [countermeasure], from: [block pending, ACTIVE], tickets: all, constituencies: own}]}`)
	var names []string
	for _, r := range p.Rights.Roles {
		names = append(names, r.Name)
	}
	require.Equal(t, []string{"handler", "duty-team", "read-only", "operations-centre", "correspondent", "noc"}, names)
	require.Equal(t, "Ours.", p.Rights.Roles[0].Doc)
	require.Len(t, p.Rights.Roles[0].May, 2, "the rest stays")
	require.Equal(t, []workflow.Permission{{
		Commands: []string{"comment", "move"}, Kinds: []incident.Kind{incident.KindBlock}, From: []incident.Status{"pending activation", "active"},
		Tickets: workflow.ReachAll, Constituencies: workflow.ReachOwn,
	}}, p.Rights.Roles[5].May)
	diff := differences(preset(t, "janet"), p)
	for _, line := range []string{
		`~ rights > default: "handler" -> "DutyTeam"`, "- rights > owner-only > move", "- rights > roles > manager: {doc: What a handler does",
		"+ rights > roles > noc: {groups: operators, may: {commands: comment, move, kinds: block, from: pending activation, active, constituencies: own, tickets: all}}",
	} {
		require.Contains(t, diff, line)
	}
	require.NotContains(t, diff, "roles > order")

	wrong := mistakes(t, `base: janet
strict-constituency: perhaps
rights:
  default: boss
  owner-only: [move, take, dance]
  roles:
    handler: {groups: ["a:b"]}
    noc:
      groups: [dutyteam]
      may:
        - {commands: [see, fly], from: [open]}
        - {commands: [move], kinds: [block], to: [rejected, gone], tickets: mine, constituencies: theirs}
        - {commands: [notify], kinds: [ghost]}
`)
	require.Equal(t, []string{
		`2:22 "perhaps" cannot stand here: allowed is true or false`,
		`4:3 the policy has no role "boss", which is to be the default: allowed are handler, duty-team, manager, read-only, operations-centre, correspondent, noc`,
		`5:22 the policy names a command "take" that nobody can be allowed: allowed are release, assign, attend, move, reopen, resolve, abandon, reject, link, unlink, merge, unmerge, comment, edit, reply, reply-all, resend, deliver, accept, attach, group, release-mail, drop-mail, confirm-mail, clear-address, examine`,
		`5:28 the policy names a command "dance" that nobody can be allowed: allowed are release, assign, attend, move, reopen, resolve, abandon, reject, link, unlink, merge, unmerge, comment, edit, reply, reply-all, resend, deliver, accept, attach, group, release-mail, drop-mail, confirm-mail, clear-address, examine`,
		`7:5 the policy has a role or group called "a:b": allowed is a name without a colon`,
		`8:5 the policy has two roles for the group "dutyteam"`,
		`11:23 the policy lets "noc" see tickets by their status: allowed are kinds, constituencies and tickets`,
		`11:28 the policy names a command "fly" that nobody can be allowed: allowed are see, open, take, steal, release, assign, attend, move, reopen, resolve, abandon, reject, link, unlink, merge, unmerge, comment, edit, reply, reply-all, resend, deliver, accept, attach, group, release-mail, drop-mail, confirm-mail, clear-address, examine`,
		`12:51 the policy lets "noc" move to "rejected", which is no status of these kinds`,
		`12:61 the policy lets "noc" move to "gone", which is no status of these kinds`,
		`12:68 the policy lets "noc" reach "mine": allowed are own, all, or nothing at all`,
		`12:83 the policy lets "noc" reach "theirs": allowed are own, all, or nothing at all`,
		`13:23 the policy names a command "notify" that nobody can be allowed: allowed are see, open, take, steal, release, assign, attend, move, reopen, resolve, abandon, reject, link, unlink, merge, unmerge, comment, edit, reply, reply-all, resend, deliver, accept, attach, group, release-mail, drop-mail, confirm-mail, clear-address, examine`,
		`13:40 "ghost" is no kind of ticket: allowed are report, incident, investigation, block`,
	}, wrong)

	bad := preset(t, "janet")
	bad.Rights.Roles = append(bad.Rights.Roles, workflow.Role{May: []workflow.Permission{{Kinds: []incident.Kind{"ghost"}}}})
	require.ErrorContains(t, bad.Validate(), `lets "" work on "ghost": allowed are report, incident, investigation, block`)
	require.ErrorContains(t, bad.Validate(), `has a role or group called ""`)
}

func TestLintOfRights(t *testing.T) {
	for _, c := range []struct{ document, want string }{
		{"roles: {blind: {may: [{commands: [comment]}]}}", `ours.yaml:2:18: warning: the role "blind" sees nothing, so that it finds no ticket to do what it may: add see to its commands`},
		{"roles: {handler: null, duty-team: null, manager: null}, default: read-only", "warning: nobody may give the command take: let some role give it"},
		{"roles: {handler: null, duty-team: null, manager: null}, default: read-only", "warning: nobody may see or open a report"},
		{"roles: {handler: null, duty-team: null, manager: null}, default: read-only", `warning: nobody may do the action "Quick Resolve" of incident: let some role do it, or take the action out`},
		{"default: correspondent", `warning: the default role "correspondent" is never given to the team: name a role of the team`},
	} {
		got := findings(parsed(t, "base: janet\nrights: {"+c.document+"}"))
		require.Contains(t, got, c.want)
		require.NotContains(t, got, "error")
	}
	got := findings(parsed(t, "base: janet\nrights: {roles: {handler: null, duty-team: null, manager: null}, default: read-only}"))
	require.NotContains(t, got, `action "Activate"`, "the operations centre does that")
	require.Contains(t, findings(parsed(t, "base: rtir\nwith: {inherit-constituency: }")), `warning: the rule "inherit-constituency" can never fire: strict-constituency keeps tickets of two constituencies apart: take one of the two out`)
	require.Contains(t, findings(parsed(t, "base: janet\nwith: {inherit-constituency: }")), "which ends: one value spreads")
}

// Where the end of a link is not seen through the front door, it is kept shut too.
func TestUnmergeKeepsConstituenciesApart(t *testing.T) {
	p := preset(t, "rtir")
	gone := incident.Ticket{ID: 3, Kind: incident.KindIncident, Status: "resolved", Phase: incident.Inactive, Constituency: "EDUNET", MergedInto: 4}
	into := incident.Ticket{ID: 4, Kind: incident.KindIncident, Status: "open", Phase: incident.Active, Constituency: "GOVNET", MergedFrom: []incident.ID{3}}
	child := incident.Ticket{ID: 5, Kind: incident.KindReport, Status: "open", Phase: incident.Active, Constituency: "GOVNET", Parents: []incident.ID{4}}
	var joined incident.Record
	require.NoError(t, joined.Encode(incident.Joined{From: 3, Children: []incident.ID{5}}))
	decide := func(child incident.Ticket) error {
		var f workflow.Facts
		f.Know(workflow.Ask{Fact: workflow.FactTicket, Ticket: 4}, into)
		f.KnowRecords(workflow.Ask{Fact: workflow.FactMerges, Ticket: 3}, nil)
		f.KnowRecords(workflow.Ask{Fact: workflow.FactMerges, Ticket: 4}, []incident.Record{joined})
		f.Know(workflow.Ask{Fact: workflow.FactChildren, Ticket: 4}, child)
		_, err := p.Decide(gone, workflow.Unmerge{Ticket: 3}, f, env)
		return err
	}
	require.ErrorContains(t, decide(child), "it is of GOVNET, and incident 3 of EDUNET: tickets of two constituencies are kept apart")
	child.Constituency = ""
	require.NoError(t, decide(child))
}

package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/workflow/desk"
)

// Groups give roles: by the flag, or by the environment.
func TestGroups(t *testing.T) {
	b := newWork(t)
	edu := []string{"--as", "eve", "--group", "DutyTeam:EDUNET"}
	as := func(args ...string) []string { return append(args, edu...) }
	b.ok(as("open", "incident", "--subject", "Worm", "--constituency", "EDUNET", "--field", "Classification=Scan")...)
	listed := b.ok(as("list", "all")...)
	require.Contains(t, listed, "1 of 1")
	require.Contains(t, listed, "Worm")
	require.Contains(t, b.refused(exitRefused, as("show", "2")...), "there is no ticket 2")
	require.Contains(t, b.refused(exitRefused, as("take", "1")...), "there is no ticket 1")
	require.Contains(t, b.refused(exitRefused, as("open", "incident", "--subject", "x", "--constituency", "GOVNET", "--field", "Classification=Scan")...),
		"it takes one of the roles handler, duty-team of GOVNET, manager; yours is duty-team of EDUNET")

	// What has to do with others is counted.
	b.ok("open", "report", "--subject", "Seen", "--constituency", "EDUNET", "--parent", "2")
	require.Contains(t, b.ok(as("show", "5")...), "1 more that have to do with tickets which you may not see")
	var result desk.Result
	b.decode(&result, as("comment", "5", "Whose is it?")...)
	require.Len(t, result.Records, 1)

	b.env["AIRTIGHT_GROUPS"] = "read-only:EDUNET, visitors"
	require.Contains(t, b.ok("list", "all", "--as", "rita"), "2 of 2")
	require.Contains(t, b.refused(exitRefused, "comment", "5", "x", "--as", "rita"), "yours is read-only of EDUNET")
	require.Contains(t, b.ok("list", "all", "--as", "rita", "--group", "manager"), "5 of 5")

	delete(b.env, "AIRTIGHT_GROUPS")
	require.Contains(t, b.refused(exitUsage, "list", "--group", "duty", "--group", "visitors"),
		"--group duty,visitors gives no role of the policy janet: allowed are handler, duty-team, manager, read-only, operations-centre")
}

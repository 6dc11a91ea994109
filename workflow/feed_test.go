package workflow_test

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// Feeds of a document are found by what observations call them, the longest name
// first.
func TestFeeds(t *testing.T) {
	document := `base: janet
queue: {state: imported, reset: false, hint: 24h}
feeds:
  shadowserver:
    format: shadowserver
    zone: Europe/Amsterdam
    fields: {Classification: [System Compromise]}
    priority: 60
    limit: 20
    as-numbers: [64496]
    drop-networks: [192.0.2.0/24]
    drop-kinds: [test]
    drop-foreign: true
    oldest: 720h
  shadowserver scan_dns: {limit: 5}
with:
  accept-known: {feeds: [shadowserver]}
`
	p, err := workflow.ParsePolicy(fstest.MapFS{"ours.yaml": {Data: []byte(document)}}, "ours.yaml")
	require.NoError(t, err)
	require.Equal(t, 24*time.Hour, p.Queue.Recent())
	require.False(t, p.Queue.Reset)
	for name, keeps := range map[string]int{"Shadowserver": 20, "shadowserver scan_ntp": 20, "shadowserver scan_dns": 5, "shadowserver scan_dns six": 5} {
		f, ok := p.Feed(name)
		require.True(t, ok, name)
		require.Equal(t, keeps, f.Keeps(), name)
	}
	f, ok := p.Feed("shadowserverplus")
	require.False(t, ok)
	require.Equal(t, 50, f.Keeps())
	_, ok = p.Rule("accept-known")
	require.True(t, ok)
}

// All mistakes of feeds are told at once, with what is allowed.
func TestFeedMistakes(t *testing.T) {
	document := `base: janet
queue: {hint: -1h}
feeds:
  a:
    zone: Mars/Olympus
    limit: 5000
    oldest: -2h
    priority: 700
    drop-networks: [192.0.2.7/24]
    fields: {Classification: [Rumour], Port: ["22"], state: [imported]}
  A: {}
with:
  accept-known: {feeds: [nobody]}
`
	_, err := workflow.ParsePolicy(fstest.MapFS{"ours.yaml": {Data: []byte(document)}}, "ours.yaml")
	for _, what := range []string{
		"looks back -1h0m0s", `in the zone "Mars/Olympus": allowed are names like Europe/Amsterdam`, "keeps 5000 observations of a source of the feed \"a\": allowed are 1 to 1000",
		"older than -2h0m0s", "the priority 700: allowed are 0 to 100", "drops 192.0.2.7/24 from the feed \"a\": allowed are first addresses of networks, like 192.0.2.0/24",
		"Rumour", `sets the field "Port" of incidents of the feed "a", which have none`, `sets "state" of incidents of the feed "a": allowed are fields`,
		`has two feeds called "A"`, `there is no feed "nobody"`,
	} {
		require.ErrorContains(t, err, what)
	}
}

// Observations are ordered by time, and then by what they say.
func TestObservationKeys(t *testing.T) {
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	first, second, never := incident.Observation{Time: at}, incident.Observation{Time: at.Add(time.Second)}, incident.Observation{}
	early := incident.Observation{Time: time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC)}
	require.Less(t, first.Key(), second.Key())
	require.Less(t, never.Key(), early.Key())
	require.Less(t, early.Key(), first.Key())
	require.NotEqual(t, first.Key(), incident.Observation{Time: at, Kind: "scan"}.Key())
	told, ok := incident.KeyTime(second.Key())
	require.True(t, ok)
	require.Equal(t, second.Time, told)
	_, ok = incident.KeyTime(never.Key())
	require.False(t, ok)
}

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// routed is a bench with incidents in several states.
func routed(t *testing.T) *bench {
	b := newBench(t)
	b.env["AIRTIGHT_POLICY"] = "airt"
	b.ok("do", `[
		{"command":"open","kind":"incident","subject":"a","state":"blocked","constituency":"campus","observables":[{"kind":"address","value":"192.0.2.6","role":"source"},{"kind":"address","value":"198.51.100.1","role":"target"}]},
		{"command":"open","kind":"incident","subject":"b","state":"blocked","observables":[{"kind":"address","value":"192.0.2.7","role":"source"},{"kind":"address","value":"203.0.113.1"}],"fields":{"Type":["ddos"]}},
		{"command":"open","kind":"incident","subject":"c","state":"inspected","observables":[{"kind":"address","value":"192.0.2.8","role":"source"}]},
		{"command":"open","kind":"incident","subject":"d","state":"blocked","observables":[{"kind":"address","value":"2001:db8::7","role":"source"}]},
		{"command":"open","kind":"incident","subject":"e","state":"blocked","observables":[{"kind":"address","value":"192.0.2.9","role":"source"}]},
		{"command":"resolve","ticket":4},
		{"command":"move","ticket":5,"to":"stalled"}
	]`)
	return b
}

func TestExportList(t *testing.T) {
	b := routed(t)
	for flags, want := range map[string]string{
		"--state blocked":                                         "192.0.2.6/32 192.0.2.7/32 192.0.2.9/32 2001:db8::7/128",
		"--status open,closed --state blocked":                    "192.0.2.6/32 192.0.2.7/32 2001:db8::7/128",
		"--status open --status CLOSED --state blocked,inspected": "192.0.2.6/32 192.0.2.7/32 192.0.2.8/32 2001:db8::7/128",
		"--state blocked --status open --aggregate":               "192.0.2.6/31",
		"--state blocked --role target,unknown":                   "198.51.100.1/32 203.0.113.1/32",
		"--state blocked --constituency campus":                   "192.0.2.6/32",
		"--state blocked --field Type=ddos --field Type=spam":     "192.0.2.7/32",
		"--state blocked --kind report":                           "",
		"--state blocked --spare 192.0.2.0/29,2001:db8::/32":      "192.0.2.9/32",
		"--state blocked --widest 32 --widest6 128 --aggregate":   "192.0.2.6/32 192.0.2.7/32 192.0.2.9/32 2001:db8::7/128",
	} {
		out, _, code := b.try(nil, append([]string{"export-list"}, strings.Fields(flags)...)...)
		require.Zero(t, code, flags)
		require.Equal(t, want, strings.Join(strings.Fields(out), " "), flags)
	}
	require.Equal(t, "! Null routes made by Airtight: 3\n"+
		"ip route 192.0.2.6 255.255.255.255 Null0 name airtight\nip route 192.0.2.7 255.255.255.255 Null0 name airtight\nipv6 route 2001:db8::7/128 Null0 name airtight\n",
		b.ok("export-list", "--template", "nullroute", "--status", "open,closed", "--state", "blocked"))
	require.Contains(t, b.ok("export-list", "--template", "nullroute", "--dialect", "junos", "--state", "blocked"), "static route 192.0.2.6/32 discard")

	var out struct {
		Template, Text string
		Networks       []string
		Tickets        int
		Omitted        []struct{ Network, Why string }
	}
	text, errs, code := b.try(nil, "export-list", "--state", "blocked", "--spare", "2001:db8::7", "--json")
	require.Zero(t, code)
	require.NoError(t, json.Unmarshal([]byte(text), &out))
	require.Equal(t, []string{"192.0.2.6/32", "192.0.2.7/32", "192.0.2.9/32"}, out.Networks)
	require.Equal(t, 4, out.Tickets)
	require.Equal(t, "192.0.2.6/32\n192.0.2.7/32\n192.0.2.9/32\n", out.Text)
	require.Equal(t, "2001:db8::7/128", out.Omitted[0].Network)
	require.Equal(t, "left out: 2001:db8::7/128: 2001:db8::7/128 is spared\n", errs)
}

// A handler gives an address its role, by which it comes into the list.
func TestExportListByRole(t *testing.T) {
	b := routed(t)
	list := []string{"export-list", "--state", "blocked", "--status", "open"}
	b.ok("edit", "2", "--observable", "203.0.113.1=source", "--remove-observable", "192.0.2.7")
	require.Equal(t, "192.0.2.6/32\n203.0.113.1/32\n", b.ok(list...))
	b.ok("open", "incident", "--subject", "f", "--state", "blocked", "--observable", "198.51.100.9=source", "--observable", "198.51.100.10=target", "--observable", "198.51.100.11")
	require.Equal(t, "192.0.2.6/32\n198.51.100.9/32\n203.0.113.1/32\n", b.ok(list...))
}

func TestExportListToFile(t *testing.T) {
	b := routed(t)
	path := filepath.Join(t.TempDir(), "routes.conf")
	export := []string{"export-list", "--template", "nullroute", "--state", "blocked", "--output", path}
	require.Equal(t, path+": 4 networks of 4 tickets, written\n", b.ok(export...))
	require.Equal(t, path+": 4 networks of 4 tickets, as it was\n", b.ok(export...))
	b.ok("edit", "1", "--state", "unblocked")
	var out struct{ Changed bool }
	b.decode(&out, export...)
	require.True(t, out.Changed)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(text), "192.0.2.6")

	form := filepath.Join(t.TempDir(), "ours.tmpl")
	require.NoError(t, os.WriteFile(form, []byte("{{range .IPv4}}drop {{.}};{{end}}\n"), 0o600))
	require.Equal(t, "drop 192.0.2.7/32;drop 192.0.2.9/32;\n", b.ok("export-list", "--template-file", form, "--state", "blocked"))
	require.NoError(t, os.WriteFile(form, []byte("{{.Subject}}\n"), 0o600))
	require.Contains(t, b.refused(exitRefused, "export-list", "--template-file", form, "--state", "blocked"), "the template ours cannot be filled in")
}

func TestExportListRefusals(t *testing.T) {
	b := routed(t)
	require.Equal(t, "there is no template blackhole: allowed are list, nullroute (cisco-ios, bird, frr, junos, linux, nftables)",
		b.refused(exitRefused, "export-list", "--template", "blackhole", "--state", "blocked"))
	require.Contains(t, b.refused(exitRefused, "export-list", "--template", "nullroute", "--dialect", "x", "--state", "blocked"), "in the dialect x: allowed are list, nullroute (")
	require.Contains(t, b.refused(exitRefused, "export-list"), "name statuses, phases or states")
	require.Contains(t, b.refused(exitUsage, "export-list", "--state", "blokced"), `there is no state "blokced": allowed are ["imported"`)
	require.Contains(t, b.refused(exitUsage, "export-list", "--status", "shut"), `there is no status "shut": allowed are`)
	require.Contains(t, b.refused(exitUsage, "export-list", "--state", "blocked", "--role", "victim"), `allowed are source, target, unknown`)
	require.Contains(t, b.refused(exitUsage, "export-list", "--state", "blocked", "--kind", "x"), `there is no kind "x"`)
	require.Contains(t, b.refused(exitUsage, "export-list", "--state", "blocked", "--field", "x"), `allowed is NAME=VALUE`)
	require.Contains(t, b.refused(exitUsage, "export-list", "--state", "blocked", "--spare", "x"), `is no network`)
	require.Contains(t, b.refused(exitUsage, "export-list", "--state", "blocked", "--widest", "x"), `allowed is one like /24`)
	require.Contains(t, b.refused(exitRefused, "export-list", "--state", "blocked", "--widest", "33"), `allowed are 1 to 32`)
	require.Contains(t, b.refused(exitRefused, "export-list", "--state", "blocked", "--output", t.TempDir()), "is no file")
	require.Contains(t, b.refused(exitRefused, "export-list", "--state", "blocked", "--template-file", "/nowhere/x"), "no such file")
}

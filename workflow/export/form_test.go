package export_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow/export"
)

var update = flag.Bool("update", false, "write the golden files")

// Every form writes the same bytes as ever, for a list and for an empty one.
func TestForms(t *testing.T) {
	full := nullroute().List(these(blocked(
		sees("192.0.2.7", incident.RoleSource), sees("198.51.100.0/25", incident.RoleSource), sees("2001:db8::7", incident.RoleSource), sees("2001:db8:1::/48", incident.RoleSource),
	)))
	forms := export.Forms()
	require.Equal(t, []string{"list", "nullroute (cisco-ios, bird, frr, junos, linux, nftables)"}, export.Names(forms))
	for _, f := range forms {
		name := strings.TrimSuffix(f.Name+"."+f.Dialect, ".")
		var got []byte
		for _, l := range []export.List{full, {}} {
			text, err := f.Render(l)
			require.NoError(t, err, name)
			again, err := f.Render(l)
			require.NoError(t, err)
			require.Equal(t, text, again)
			got = append(append(got, text...), "====\n"...)
		}
		file := filepath.Join("testdata", name+".golden")
		if *update {
			require.NoError(t, os.MkdirAll("testdata", 0o755))
			require.NoError(t, os.WriteFile(file, got, 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), name)
	}
}

// Whatever stands in a ticket, a text is made of networks and the form alone.
func TestNothingBreaksOut(t *testing.T) {
	evil := "x\n! 0.0.0.0/0\nip route 0.0.0.0 0.0.0.0 Null0 {{.}} $(reboot)"
	ticket := blocked(
		sees("192.0.2.7", incident.RoleSource),
		incident.Observable{Kind: incident.Address, Value: "192.0.2.8\n" + evil, Role: incident.RoleSource},
		incident.Observable{Kind: incident.Address, Value: "fe80::1%" + evil, Role: incident.RoleSource},
		incident.Observable{Kind: incident.Address, Value: "2001:db8::9%eth0;reboot", Role: incident.RoleSource},
		incident.Observable{Kind: incident.Prefix, Value: evil, Role: incident.RoleSource},
		incident.Observable{Kind: incident.Host, Value: evil, Role: incident.RoleSource},
		incident.Observable{Kind: incident.URL, Value: evil, Role: incident.RoleSource},
	)
	ticket.Subject, ticket.Fields["Type"], ticket.Owner = evil, []string{evil}, incident.Actor(evil)
	l := nullroute().List(these(ticket))
	require.Equal(t, []string{"192.0.2.7/32", "2001:db8::9/128"}, networks(l))
	line := regexp.MustCompile(`^[-a-zA-Z0-9_ .:;/@{},=!#\t]*$`)
	for _, f := range export.Forms() {
		text, err := f.Render(l)
		require.NoError(t, err)
		require.NotContains(t, string(text), "reboot")
		require.NotContains(t, string(text), "0.0.0.0/0")
		for got := range strings.Lines(string(text)) {
			require.Regexp(t, line, strings.TrimSuffix(got, "\n"))
		}
	}
}

func TestParseForm(t *testing.T) {
	f, err := export.ParseForm("ours", "", "{{range .IPv4}}{{.Address}}/{{.Mask}}/{{.Bits}} {{end}}{{.Tickets}}")
	require.NoError(t, err)
	text, err := f.Render(nullroute().List(these(blocked(sees("192.0.2.0/28", incident.RoleSource)))))
	require.NoError(t, err)
	require.Equal(t, "192.0.2.0/255.255.255.240/28 1", string(text))

	for text, want := range map[string]string{
		"{{range .Networks}}{{.Subject}}{{end}}":                      "Subject",
		"{{range .IPv4}}{{.Subject}}{{end}}":                          "Subject",
		"{{range .IPv6}}{{.Subject}}{{end}}":                          "Subject",
		"{{.Hosts}}":                                                  "Hosts",
		"{{range .IPv4}}":                                             "template: ours:1",
		"{{template \"other\"}}":                                      "other",
		"{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}": "exceeded maximum template depth",
		strings.Repeat("x", 1<<20+1):                                  "has 1048577 bytes: allowed are 1048576",
	} {
		_, err := export.ParseForm("ours", "", text)
		require.ErrorContains(t, err, want)
	}
	_, err = export.ParseForm("ours", "", `{{range 100000000}}0123456789{{end}}`)
	require.ErrorIs(t, err, export.ErrTooLong)
	_, err = export.Form{}.Render(export.List{})
	require.ErrorContains(t, err, "make it by ParseForm")
}

func TestFind(t *testing.T) {
	f, err := export.Find(export.Forms(), "nullroute", "")
	require.NoError(t, err)
	require.Equal(t, "cisco-ios", f.Dialect)
	f, err = export.Find(export.Forms(), "nullroute", "junos")
	require.NoError(t, err)
	require.Equal(t, "junos", f.Dialect)
	_, err = export.Find(export.Forms(), "nullroute", "ios-xr")
	require.EqualError(t, err, "export: there is no template nullroute in the dialect ios-xr: allowed are list, nullroute (cisco-ios, bird, frr, junos, linux, nftables)")
	_, err = export.Find(export.Forms(), "blackhole", "")
	require.ErrorContains(t, err, "there is no template blackhole: allowed are list, nullroute (")
}

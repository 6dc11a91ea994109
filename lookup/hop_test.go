package lookup

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadHop(t *testing.T) {
	for value, want := range map[string]string{
		"from mx.example.net (mx.example.net [192.0.2.1]) by mail.example.org (Postfix) with ESMTP id 1; Fri, 27 Nov 2026 10:00:00 +0000": "mx.example.net|mx.example.net|192.0.2.1|mail.example.org",
		"FROM localhost (Host.Example.NET. [IPv6:2001:DB8::1])\r\n\tBY Mail.example.org":                                                  "localhost|host.example.net|2001:db8::1|mail.example.org",
		"from [192.0.2.9] (host.example.net [192.0.2.1]) by a":                                                                            "192.0.2.9|host.example.net|192.0.2.1|a",
		"from [192.0.2.9]:50999 (HELO x.example.net) by a":                                                                                "192.0.2.9||192.0.2.9|a",
		"from 192.0.2.9 by a":                                   "192.0.2.9||192.0.2.9|a",
		"from unknown (HELO x) (192.0.2.1) by a":                "unknown||192.0.2.1|a",
		"from x(192.0.2.1, HELO y.example.net) by a":            "x||192.0.2.1|a",
		"from x ([192.0.2.1:25] helo=y.example.net) by a":       "x||192.0.2.1|a",
		"from x (192.0.2.2) ([192.0.2.1]) by a":                 "x||192.0.2.1|a", // square brackets first
		"from x ([192.0.2.1]) ([192.0.2.2]) (192.0.2.3) by a":   "x||192.0.2.1|a", // the first of them
		"from x (192.0.2.1) (192.0.2.2) by a":                   "x||192.0.2.1|a",
		"from x [192.0.2.1] by a":                               "x||192.0.2.1|a",
		"from x (bob@192.0.2.1 with login) by a":                "x||192.0.2.1|a",
		"from x (bob@host.example.net) by a":                    "x|||a",
		"from x (bob@[192.0.2.1]) by a":                         "x||192.0.2.1|a",
		"from x (MTA 1.2.3.4) by a":                             "x|||a", // a version
		"from ([192.0.2.1]) by <a> (relay [192.0.2.2])":         "||192.0.2.1|a",
		"from x (y.example.net (forged) [192.0.2.1])by a, id b": "x|y.example.net|192.0.2.1|a",
		"from x (y (z.example.net)) by a":                       "x|||a",
		"from x (y.example.net) (z.example.net) by a":           "x|y.example.net||a",
		"from x with LMTP by a by b":                            "x|||a",
		"from x (one) from y by a":                              "x|||a",
		"from x (by b) by [192.0.2.2]":                          "x|||192.0.2.2",
		"from x ] (y [192.0.2.1]) by a":                         "x||192.0.2.1|a",
		"from x bob@192.0.2.1 by a":                             "x|||a",
		"from x; by a":                                          "x|||",
		"from x (a; b) by c":                                    "x|||c",
		"by a (Postfix, from userid 1)":                         "|||a",
		"(from bob) mail (by x) y by a":                         "|||a",
		"(from bob@localhost) by a":                             "|||a",
		"(qmail 1 invoked from network); 1 Jan 2026":            "|||",
		"x ([192.0.2.1]) by a":                                  "|||a", // of nobody
		"from x ([::ffff:192.0.2.1]) by a":                      "x||192.0.2.1|a",
		"from x ([fe80::1%eth0]) by a":                          "x||fe80::1|a",
		"from x ([192.0.2.300] [UNIX: y]) by a":                 "x|||a",
		"from x) ([192.0.2.1]] by a":                            "x||192.0.2.1|", // the comment does not end
		"from":                                                  "|||",
		"from bücher.example (bücher.example [192.0.2.1]) by a": "bücher.example|xn--bcher-kva.example|192.0.2.1|a",
		"from x\x00\x1by by a":                                  "xy|||a",
		"from " + strings.Repeat("x", 1000) + " by a":           strings.Repeat("x", MaxRegistryField) + "|||a",
	} {
		h := ReadHop(value)
		address := ""
		if h.Address.IsValid() {
			address = h.Address.String()
		}
		assert.Equal(t, want, h.Host+"|"+h.Name+"|"+address+"|"+h.By, value)
	}
}

// TestCorpusReceived holds ReadHop against a table of another program, row by
// row. A row that differs stands in testdata/received.tsv, with the reason.
func TestCorpusReceived(t *testing.T) {
	corpus := os.Getenv("AIRTIGHT_CORPUS")
	if corpus == "" {
		t.Skip("AIRTIGHT_CORPUS does not name the folder of the corpus")
	}
	data, err := os.ReadFile(filepath.Join(corpus, "header", "received.json"))
	require.NoError(t, err)
	type host struct{ Name, IpAddr string }
	var table struct {
		Rows []struct {
			ID, Header string
			Expected   struct {
				From, By host
				IP       string `json:"from_ip"`
				Name     string `json:"from_iprev"`
			}
		}
	}
	require.NoError(t, json.Unmarshal(data, &table))
	require.Greater(t, len(table.Rows), 100)
	var differ []string
	total, equal, addresses := 0, 0, 0
	for _, row := range table.Rows {
		h, e := ReadHop(row.Header), row.Expected
		want := map[string]string{"host": e.From.Name + e.From.IpAddr, "by": e.By.Name + e.By.IpAddr, "name": e.Name, "address": e.IP}
		if e.IP == "" {
			want["address"] = e.From.IpAddr
		}
		have := map[string]string{"host": h.Host, "by": h.By, "name": h.Name, "address": ""}
		if h.Address.IsValid() {
			have["address"] = h.Address.String()
			addresses++
		}
		for _, field := range []string{"host", "name", "address", "by"} {
			total++
			if strings.EqualFold(have[field], strings.TrimSuffix(want[field], ".")) {
				equal++
				continue
			}
			differ = append(differ, row.ID+"\t"+field)
			if testing.Verbose() {
				t.Logf("%s %s: %q, expected %q in %q", row.ID, field, have[field], want[field], row.Header)
			}
		}
	}
	t.Logf("%d rows, %d of %d fields equal, %d senders have an address", len(table.Rows), equal, total, addresses)
	known, err := os.ReadFile("testdata/received.tsv")
	require.NoError(t, err)
	var listed []string
	for line := range strings.Lines(string(known)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		require.Len(t, fields, 3, "row, field, reason: %q", line)
		listed = append(listed, fields[0]+"\t"+fields[1])
	}
	slices.Sort(listed)
	slices.Sort(differ)
	assert.Equal(t, listed, differ, "rows that differ are those of testdata/received.tsv")
}

func FuzzReadHop(f *testing.F) {
	for _, seed := range []string{"", "from x (y.example.net [192.0.2.1]) by a; now", "from ([IPv6:::1]:25) by [192.0.2.1]", "by a (from b)", "from (((", "from x (a@192.0.2.1, b) by"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		h := ReadHop(value)
		for _, s := range []string{h.Host, h.Name, h.By} {
			if s != strings.ToLower(RegistryField(s)) {
				t.Fatalf("%q is no clean word", s)
			}
		}
		if h.Address != (netip.Addr{}) && h.Address != h.Address.Unmap().WithZone("") {
			t.Fatalf("%s is not in one form", h.Address)
		}
	})
}

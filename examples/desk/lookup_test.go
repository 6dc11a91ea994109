package main

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

const campusYAML = `default: outside
constituencies:
    - name: outside
    - name: EDUNET
      contacts:
        - role: abuse
          address: abuse@edunet.example
    - name: GOVNET
      contacts:
        - role: abuse
          address: abuse@govnet.example
entries:
    - scope: 192.0.2.0/24
      constituency: EDUNET
    - scope: gov.example.org
      constituency: GOVNET
`

// file writes a file and returns its path.
func (b *bench) file(name, text string) string {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), name)
	require.NoError(b.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// whoisServer answers every question about a network with the same.
func whoisServer(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			bufio.NewReader(conn).ReadString('\n')
			fmt.Fprintf(conn, "%% Abuse contact for '198.18.0.0 - 198.19.255.255' is 'abuse@isp.example'\r\n\r\ninetnum: 198.18.0.0 - 198.19.255.255\r\nnetname: ISP-NET\r\nsource: TEST\r\n\r\n")
			conn.Close()
		}
	}()
	return "whois.isp.example=" + l.Addr().String()
}

func TestDirectory(t *testing.T) {
	b := newBench(t)
	path := b.file("campus.yaml", campusYAML)
	require.Equal(t, "unreached: Nothing leads to constituency LAB.\nsilent: Constituency LAB has no contact.\nsilent: Constituency outside has no contact.\n2 constituencies, 0 entries, 3 findings\n",
		b.ok("directory", "check", b.file("x.yaml", "default: outside\nconstituencies: [{name: LAB}, {name: outside}]\n")))
	require.Contains(t, b.refused(exitRefused, "directory", "check", b.file("y.yaml", "default: nobody\n")), `the default is "nobody", which is no constituency in it`)
	require.NoFileExists(t, b.db)
	require.Contains(t, b.refused(exitUsage, "directory", "eat"), "allowed are check [FILE], diff [FILE] FILE")
	require.Contains(t, b.refused(exitRefused, "directory", "check", "nowhere.yaml"), `there is no directory "nowhere.yaml"`)

	out := b.ok("directory", "adopt", path)
	require.Contains(t, out, "+ network 192.0.2.0/24: EDUNET\n")
	require.Contains(t, out, "the desk works with version 1 of its directory")
	require.Equal(t, campusYAML, b.ok("directory", "show"))
	table := b.file("ipam.csv", "constituency;scope;address\nEDUNET;198.51.100.0/24;\nLAB;192.0.2.64/26;abuse@lab.example\n")
	require.Contains(t, b.ok("directory", "import", table, "--source", "ipam", "--preview"), "+ network 192.0.2.64/26 from ipam: LAB")
	require.Equal(t, campusYAML, b.ok("directory", "show"), "a preview stores nothing")
	require.Contains(t, b.ok("directory", "import", table, "--source", "ipam"), "version 2 of its directory")
	out = b.ok("directory", "import", b.file("ipam2.csv", "constituency,scope\nEDUNET,198.51.100.0/24\n"), "--source", "ipam")
	require.Contains(t, out, "- network 192.0.2.64/26 from ipam: LAB\n")
	require.Contains(t, b.ok("directory", "diff", path), "- network 198.51.100.0/24 from ipam: EDUNET\n1 differences\n")
	require.Equal(t, "0 differences\n", b.ok("directory", "diff", path, path))

	require.Contains(t, b.ok("directory", "set", "198.51.100.7", "GOVNET", "--label", "printer"), "+ address 198.51.100.7: GOVNET, label printer")
	require.Contains(t, b.refused(exitRefused, "directory", "set", "198.51.100.8", "MARS"), `belongs to "MARS", which is no constituency in it`)
	require.Contains(t, b.ok("directory", "set", "AS64500", "MARS", "--contact", "abuse@mars.example"), "+ contact abuse@mars.example of MARS: ")
	require.Contains(t, b.ok("directory", "set", "198.51.100.9", "--except"), "+ address 198.51.100.9: excepted")
	require.Contains(t, b.refused(exitUsage, "directory", "set", "192.0.2.1/24", "GOVNET"), "has bits behind its length")
	require.Contains(t, b.ok("directory", "remove", "AS64500"), "- AS64500: MARS")
	require.Contains(t, b.refused(exitRefused, "directory", "remove", "AS64500"), "there is no entry for AS64500")
	var doc lookup.Document
	b.decode(&doc, "directory", "show")
	require.EqualValues(t, 7, doc.Version)
	var adopted desk.Adoption
	b.decode(&adopted, "directory", "adopt", path)
	require.EqualValues(t, 8, adopted.Version)
}

func TestLookup(t *testing.T) {
	b := newWork(t) // a report that mentions 192.0.2.7, incident 2, investigation 3
	b.ok("directory", "adopt", b.file("campus.yaml", campusYAML))
	b.env["AIRTIGHT_WHOIS"] = whoisServer(t)
	b.fed("From: carol@example.org\r\nSubject: Re: Scan\r\n\r\n192.0.2.9 and www.lab.example.com, says zebra\r\n", "receive", "--from", "carol@example.org")
	b.ok("open", "incident", "--subject", "Campus", "--constituency", "EDUNET", "--field", "Classification=Scan", "--observable", "192.0.2.9")

	out := b.ok("lookup", "192.0.2[.]9")
	require.Contains(t, out, "192.0.2.9, tickets updated since 2026-01-01\n  It belongs to EDUNET, because network 192.0.2.0/24 does (set by hand).\n")
	require.Contains(t, out, "192.0.2.9, report: 1 of 1 tickets")
	require.Contains(t, out, "192.0.2.9, incident: 1 of 1 tickets")
	require.Contains(t, out, "open incidents of EDUNET: 1 of 1 tickets")
	wide := b.ok("lookup", "192.0.2.9", "--widen", "--for", "4")
	require.Contains(t, wide, "192.0.2.0/24, report: 2 of 2 tickets")
	require.Contains(t, wide, "192.0.0.0/16, report: 2 of 2 tickets")
	require.Contains(t, wide, "  desk link 4 5\n")
	require.Contains(t, wide, "  desk merge 4 1\n")
	require.Contains(t, b.ok("lookup", "Zebra", "says"), "says, report: 1 of 1")
	require.Contains(t, b.ok("lookup", "lab.example.com"), "lab.example.com and below, report: 1 of 1")
	require.Contains(t, b.ok("lookup", "carol@example.org"), "carol@example.org, report: 1 of 1")
	require.Contains(t, b.ok("lookup", "#2"), "ticket 2: 1 of 1 tickets")
	require.Contains(t, b.ok("lookup", "192.0.2.200"), "192.0.2.200: no tickets\n")
	b.now = b.now.AddDate(0, 3, 0)
	require.Contains(t, b.ok("lookup", "192.0.2.9"), "192.0.2.9: no tickets\n")
	require.Contains(t, b.ok("lookup", "192.0.2.9", "--days", "0"), "192.0.2.9, report: 1 of 1")
	require.Contains(t, b.ok("lookup", "192.0.2.9", "--since", "2026-03-01"), "192.0.2.9, report: 1 of 1")
	require.Contains(t, b.refused(exitUsage, "lookup", "x", "--days", "-1"), "allowed are 0 for all")
	require.Contains(t, b.refused(exitRefused, "lookup", "!!!"), "there are 0 words to search for")

	out = b.ok("lookup", "198.18.0.1", "--ask")
	require.Contains(t, out, "  contact        abuse abuse@isp.example\n")
	require.Contains(t, out, "names abuse@isp.example for abuse of ISP-NET.")
	var found answer
	b.decode(&found, "lookup", "198.18.0.1", "--ask", "--kind", "report", "--days", "0")
	require.Equal(t, "ISP-NET", found.Owner.Registration.Name)
	require.Len(t, found.Circles[0].Lists, 1)
}

func TestReindex(t *testing.T) {
	b := newWork(t)
	db, err := sql.Open("sqlite", "file:"+b.db)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec("DELETE FROM texts")
	require.NoError(t, err)
	require.Contains(t, b.ok("lookup", "please"), "please: no tickets")
	require.Equal(t, "7 records can be found by their words\n", b.ok("reindex"))
	require.Contains(t, b.ok("lookup", "please"), "please, investigation: 1 of 1 tickets")
}

func TestExtract(t *testing.T) {
	b := newBench(t)
	require.Equal(t, "0-9 address 192.0.2.7 (likely)\n14-32 host evil.example.com (certain, defanged)\n",
		b.fed("192.0.2.7 and evil[.]example.com\n", "extract"))
	var place desk.Place
	require.NoError(t, json.Unmarshal([]byte(b.fed("See 192.0.2.0/24.", "extract", "--json")), &place))
	require.Equal(t, desk.Place{Observable: observableOf("192.0.2.0/24"), Start: 4, End: 16, Confidence: "certain"}, place)
	require.Equal(t, "your bank <http://evil.example.com/>\n\n11-35 url http://evil.example.com/ (certain)\n",
		b.fed(`<a href="http://evil.example.com/">your bank</a>`, "extract", "--html", "--text"))
	require.NoFileExists(t, b.db)
}

func TestSuggest(t *testing.T) {
	b := newWork(t)
	require.Equal(t, "#1: no incident suggests itself\n", b.ok("suggest", "1"))
	b.ok("open", "incident", "--subject", "Worm", "--field", "Classification=Scan", "--observable", "192.0.2.7")
	require.Equal(t, "#4 incident, open, score 40: Worm\n  Both mention 192.0.2.7.\n  desk link 1 4\n", b.ok("suggest", "1"))
	var list []desk.Suggestion
	b.decode(&list, "suggest", "1")
	require.Equal(t, 40, list[0].Score)
	require.Contains(t, b.refused(exitRefused, "suggest", "99"), "there is no ticket 99")
}

// A list of addresses: the dry run says to whom each goes, and why.
func TestFromAddresses(t *testing.T) {
	b := newWork(t)
	b.ok("directory", "adopt", b.file("campus.yaml", campusYAML))
	b.env["AIRTIGHT_WHOIS"] = whoisServer(t)
	list := b.file("list.txt", "192.0.2.7\n198.18.0.1 # theirs\n192.0.2.7\n")
	dry := b.ok("investigate", "2", "--list", list, "--text", "Please look at it.", "--preview")
	require.Contains(t, dry, "investigation 192.0.2.7 -> abuse@edunet.example\n  It belongs to EDUNET, because network 192.0.2.0/24 does (set by hand).\n  abuse@edunet.example is told, for 192.0.2.7.\n")
	require.Contains(t, dry, "investigation 198.18.0.1 -> abuse@isp.example\n")
	require.Contains(t, dry, "preview, nothing is stored")
	require.Contains(t, b.ok("list", "all"), "3 of 3")
	var proposals []desk.Proposal
	b.decode(&proposals, "investigate", "2", "--list", list, "--preview")
	require.Len(t, proposals, 2)
	out := b.ok("investigate", "2", "--list", list, "--text", "Please look at it.")
	require.Contains(t, out, "#4.1 investigation opened")
	require.Contains(t, out, "#5.1 investigation opened")
	require.Contains(t, b.ok("show", "5"), "#5.2 to abuse@isp.example: queued")
	require.Contains(t, b.ok("investigate", "2", "--to", "a@example.org", "--to", "b@example.org", "--together", "--text", "x"), "investigation a@example.org, b@example.org -> a@example.org, b@example.org\n")

	out = b.ok("incident", "192.0.2.65", "www.gov.example.org", "--field", "Classification=Scan")
	require.Contains(t, out, "incident 192.0.2.65 -> abuse@edunet.example\n")
	require.Contains(t, out, "incident www.gov.example.org -> abuse@govnet.example\n")
	require.Contains(t, b.ok("show", "7"), "constituency   EDUNET")
	require.Contains(t, b.ok("show", "8"), "contacts       abuse@govnet.example")
	require.Contains(t, b.ok("block", "2", "192.0.2.7", "--preview", "--subject", "Block it"), "block 192.0.2.7 -> nobody\n  Whom the policy says is asked for the block.")

	b.env["AIRTIGHT_WHOIS"] = ""
	_, errs, code := b.try(strings.NewReader(""), "investigate", "2", "192.0.2.7", "198.18.0.1", "--text", "x", "--preview")
	require.Equal(t, exitRefused, code)
	require.Contains(t, errs, "198.18.0.1 is left out: nobody is known to write to: name mail addresses\n")
	require.Contains(t, errs, "1 of 2 tickets were not opened")
	require.Contains(t, b.refused(exitRefused, "incident"), "there is nothing that it would be about")
	require.Contains(t, b.refused(exitUsage, "incident", "not an address"), "is no observable")
	require.Contains(t, b.refused(exitUsage, "incident", "--list", b.file("empty.txt", "nothing")), "there is neither an address nor a network in it")
	require.Contains(t, b.refused(exitRefused, "block", "99", "192.0.2.7"), "there is no ticket 99")
}

func observableOf(s string) incident.Observable {
	o, _ := incident.ParseObservable(s, incident.RoleUnknown)
	return o
}

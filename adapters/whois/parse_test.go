package whois_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/whois"
	"github.com/airtight-csirt/airtight/lookup"
)

func parse(t testing.TB, text string) lookup.Registration {
	t.Helper()
	r, err := whois.Parse([]byte(text), nil)
	require.NoError(t, err)
	return r
}

// TestAbuseContact takes the nearest contact: each case adds one that is
// nearer than those of the cases above it.
func TestAbuseContact(t *testing.T) {
	answer := ""
	network := "inetnum: 192.0.2.0 - 192.0.2.255\nnetname: EXAMPLE\n"
	for _, step := range []struct{ network, object, want string }{
		{"remarks: write to abuse <hint@example.org>\n", "", ""},
		{"", "role: Somebody\nnic-hdl: ANY-1\nabuse-mailbox: any@example.org\n", "any@example.org"},
		{"tech-c: TECH-1\n", "role: Technicians\nnic-hdl: TECH-1\ne-mail: no@example.org\nabuse-mailbox: tech@example.org\n", "tech@example.org"},
		{"org: ORG-1\n", "organisation: ORG-1\norg-name: Example Org\nabuse-c: OA-1\n\nrole: Org abuse\nnic-hdl: OA-1\nabuse-mailbox: orgabuse@example.org\n", "orgabuse@example.org"},
		{"org: ORG-2\n", "organisation: ORG-2\nabuse-mailbox: org@example.org\n", "org@example.org"},
		{"mnt-irt: IRT-1\n", "irt: IRT-1\ne-mail: irt-mail@example.org\n", "irt-mail@example.org"},
		{"mnt-irt: IRT-2\n", "irt: IRT-2\nabuse-mailbox: irt@example.org\n", "irt@example.org"},
		{"abuse-c: AC-1\n", "person: Alice\nnic-hdl: AC-1\ne-mail: ac-mail@example.org\n", "ac-mail@example.org"},
		{"abuse-c: ac-2\n", "role: Abuse desk\nnic-hdl: AC-2\nphone: +1 555 0100\nabuse-mailbox: ac@example.org\n", "ac@example.org"},
		{"", "% Abuse contact for '192.0.2.0 - 192.0.2.255' is 'said@example.org'\n", "said@example.org"},
	} {
		network += step.network
		answer += "\n" + step.object
		r := parse(t, network+answer)
		if step.want == "" {
			require.Empty(t, r.Abuse())
			require.Equal(t, []string{"hint@example.org"}, r.Hints)
			continue
		}
		require.Equal(t, []string{step.want}, r.Abuse())
		require.Equal(t, "abuse", r.Contacts[0].Roles[0], "in front of the others")
		if step.want == "ac@example.org" {
			require.Equal(t, "AC-2 Abuse desk +1 555 0100", r.Contacts[0].Handle+" "+r.Contacts[0].Name+" "+r.Contacts[0].Telephone)
			require.Equal(t, "Example Org", r.Organisation)
		}
	}
}

// TestSmallestNetwork takes the smallest network of an answer, and its contacts.
func TestSmallestNetwork(t *testing.T) {
	large := "inetnum: 192.0.2.0 - 192.0.2.255\nnetname: LARGE\nabuse-c: L-1\n"
	small := "inetnum: 192.0.2.64/26\nnetname: SMALL\nabuse-c: S-1\n"
	contacts := "role: L\nnic-hdl: L-1\nabuse-mailbox: large@example.org\n\nrole: S\nnic-hdl: S-1\nabuse-mailbox: small@example.org\n\nroute: 192.0.2.0/24\norigin: AS64500\n"
	for _, answer := range []string{large + "\n" + small + "\n" + contacts, small + "\n" + large + "\n" + contacts} {
		r := parse(t, answer)
		require.Equal(t, "SMALL", r.Name)
		require.Equal(t, "192.0.2.64", r.First.String())
		require.Equal(t, "192.0.2.127", r.Last.String())
		require.Equal(t, []string{"small@example.org"}, r.Abuse())
		require.Equal(t, []uint32{64500}, r.Origins)
	}

	large = "NetRange: 192.0.0.0 - 192.0.255.255\nNetName: LARGE\nNetType: Direct Allocation\nOriginAS: AS64500, AS64501\n\nOrgName: Large Org\nCountry: ZZ\n\nOrgAbuseEmail: large@example.org\nOrgAbusePhone: +1-555-0100\n"
	small = "NetRange: 192.0.2.0 - 192.0.2.255\nNetName: SMALL\nNetType: Reassigned\n\nCustName: Small Org\nRegDate: 2020-01-31\nUpdated: 2021-01-31\n"
	own := "\nOrgAbuseEmail: small@example.org\nOrgTechHandle: T-1\nOrgTechEmail: tech@example.org\nRAbuseEmail: nearer@example.org\n"
	for _, order := range [][2]string{{large, small}, {small, large}} {
		r := parse(t, "# start\n\n"+order[0]+"# end\n\n# start\n\n"+order[1]+"# end\n")
		require.Equal(t, "SMALL Small Org", r.Name+" "+r.Organisation)
		require.Equal(t, []string{"large@example.org"}, r.Abuse(), "a customer without contacts has those of the network around")
		require.Equal(t, "2020-01-31 2021-01-31", r.Created.Format(time.DateOnly)+" "+r.Changed.Format(time.DateOnly))
	}
	for _, answer := range []string{large + "\n" + small + own, small + own + "\n" + large} {
		r := parse(t, answer)
		require.Equal(t, []string{"nearer@example.org", "small@example.org"}, r.Abuse())
		require.Equal(t, "technical", r.Contacts[2].Roles[0])
	}
	r := parse(t, large+"ReferralServer: rwhois://rwhois.example.net:4321\n")
	require.Equal(t, "rwhois://rwhois.example.net:4321", r.Referral)
	require.Equal(t, []string{"large@example.org"}, r.Abuse())
	require.Equal(t, []uint32{64500, 64501}, r.Origins)

	require.Equal(t, []uint32{64500}, parse(t, "aut-num: AS64500\nas-name: EXAMPLE\n").Origins)
	require.Equal(t, "192.0.0.0", parse(t, "inetnum: 192.0/16\nowner: Example\n").First.String())
	require.False(t, parse(t, "inetnum: 192.0.2.9 - 192.0.2.1\nnetname: X\n").First.IsValid())
	require.False(t, parse(t, "inetnum: 192.0.2.9 - 2001:db8::1\nnetname: X\n").First.IsValid())
}

// TestNational reads KRNIC, with the same twice in two languages, and JPNIC.
func TestNational(t *testing.T) {
	large := "IPv4 Address       : 192.0.0.0 - 192.0.63.255 (/18)\nOrganization Name  : Large Org\nService Name       : LARGE\nRegistration Date  : 20080703\n\nName               : IP Manager\nPhone              : +82-2-555-0100\nE-Mail             : manager@example.org\n"
	small := "IPv4 Address       : 192.0.2.0 - 192.0.2.63 (/26)\nOrganization Name  : Small Org\nNetwork Type       : CUSTOMER\n\nName               : IP Manager\nE-Mail             : small@example.org\n"
	for _, text := range []string{
		"query : 192.0.2.7\n\n# ENGLISH\n\n[ Network Information ]\n" + large + "\n[ Network Information ]\n" + small,
		"[ Network Information ]\n" + small + "\n[ Network Information ]\n" + large,
	} {
		r := parse(t, text)
		require.Equal(t, "192.0.2.0 192.0.2.63 Small Org", r.First.String()+" "+r.Last.String()+" "+r.Organisation)
		require.Equal(t, []lookup.RegistryContact{{Roles: []string{"administrative"}, Name: "IP Manager", Addresses: []string{"small@example.org"}}}, r.Contacts)
		require.Empty(t, r.Abuse(), "a manager is no contact for abuse")
		require.NotEmpty(t, r.Text)
	}
	r := parse(t, large)
	require.Equal(t, "LARGE 2008-07-03 +82-2-555-0100", r.Name+" "+r.Created.Format(time.DateOnly)+" "+r.Contacts[0].Telephone)

	r = parse(t, "Network Information:\na. [Network Number]             192.0.2.0/24\nb. [Network Name]               EXAMPLE\ng. [Organization]               Example Org\nm. [Administrative Contact]     JP00000001\n"+
		"p. [Nameserver]                 ns1.example.org\n[Assigned Date]                 2010/01/31\n[Last Update]                   2020/01/31 10:00:00(JST)\n[Abuse]                         abuse@example.org\n")
	require.Equal(t, "192.0.2.0 192.0.2.255 EXAMPLE Example Org 2010-01-31 2020-01-31", strings.Join([]string{r.First.String(), r.Last.String(), r.Name, r.Organisation, r.Created.Format(time.DateOnly), r.Changed.Format(time.DateOnly)}, " "))
	require.Equal(t, []string{"abuse@example.org"}, r.Abuse())

	r = parse(t, "Domain Name: example.org\nName Server: ns1.example.org\nIPv4 Address: 192.0.2.1\n")
	require.Equal(t, "example.org", r.Name, "the address of a name server is no network")
}

// TestRouteOnly reads an answer of a routing registry, a warning in front.
func TestRouteOnly(t *testing.T) {
	r := parse(t, "Warning: flags are not known here.\nroute: 192.0.2.0/24\ndescr: Example Org\norigin: AS64500\n\nroute: 198.51.100.0/24\norigin: AS64501\n")
	require.Equal(t, "192.0.2.0/24 Example Org", r.Handle+" "+r.Organisation)
	require.Equal(t, []uint32{64500, 64501}, r.Origins)
}

// TestLongAnswer reads 10,000 lines and says that there are more, and names each contact once.
func TestLongAnswer(t *testing.T) {
	network := "inetnum: 192.0.2.0 - 192.0.2.255\nnetname: EXAMPLE\n"
	contact := "\nrole: Somebody\nnic-hdl: A-1\nabuse-mailbox: a@example.org\n"
	r := parse(t, network+strings.Repeat("tech-c: A-1\n", 9000)+contact)
	require.Len(t, r.Contacts, 2, "for abuse, and technical")
	r, err := whois.Parse([]byte(network+contact+strings.Repeat("\n", 10_000)), nil)
	require.ErrorIs(t, err, lookup.ErrTooLong)
	require.Equal(t, []string{"a@example.org"}, r.Abuse())
}

func TestDomain(t *testing.T) {
	want := lookup.Registration{
		Name: "example.org", Registrar: "Example Registrar", Organisation: "Example Org", NameServers: []string{"ns1.example.org", "ns2.example.net"},
		Status: []string{"clientHold", "ok"}, Created: day(2001, 2, 3), Changed: day(2020, 2, 3), Until: day(2030, 2, 3),
	}
	for name, text := range map[string]string{
		"keys": "Domain Name: EXAMPLE.ORG\nRegistrar: Example Registrar\nCreation Date: 2001-02-03T00:00:00Z\nUpdated Date: 2020-02-03\nRegistry Expiry Date: 2030-02-03T00:00:00Z\n" +
			"Domain Status: clientHold https://icann.org/epp#clientHold\nDomain Status: ok (paid)\nRegistrant Organization: Example Org\nName Server: NS1.EXAMPLE.ORG\nName Server: NS2.EXAMPLE.NET\n",
		"dots":     "domain.......: example.org\nstatus.......: clientHold, ok\ncreated......: 3.2.2001\nmodified.....: 3.2.2020\nexpires......: 3.2.2030\nholder.......: Example Org\nregistrar....: Example Registrar\nnserver......: ns1.example.org [192.0.2.1]\nnserver......: ns2.example.net. 192.0.2.2\n",
		"brackets": "[Domain Name]   EXAMPLE.ORG\n[Registrant]    Example Org\nf. [Registrar]  Example Registrar\np. [Name Server]  ns1.example.org\np. [Name Server]  ns2.example.net\n[Created on]    2001/02/03\n[Last Updated]  2020/02/03 00:00:00 (JST)\n[Expires on]    2030/02/03\n[Status]  clientHold\n[Status]  ok\n",
		"sections": "    Domain name:\n        example.org\n\n    Registrant:\n        Example Org\n        Street 1\n\n    Registrar:\n        Example Registrar\n        URL: https://www.example\n\n    Relevant dates:\n        Registered on: 03-Feb-2001\n        Expiry date:  03-Feb-2030\n        Last updated:  03-Feb-2020\n\n    Registration status:\n        clientHold\n        ok\n\n    Name servers:\n        ns1.example.org  192.0.2.1\n        ns2.example.net\n",
		"two languages": "Nome / Domain Name: example.org\nData / Creation Date (dd/mm/yyyy): 03/02/2001\nData / Updated Date (dd/mm/yyyy): 03/02/2020\nData / Expiration Date (dd/mm/yyyy): 03/02/2030\n" +
			"Estado / Status: clientHold,ok\nTitular / Registrant: Example Org\nRegistrar: Example Registrar\nNome / Nameservers: ns1.example.org\nNome / Nameservers: ns2.example.net\n",
		"flat headings": "Domain:\nname: example.org\nstatus: clientHold, ok\nregistered: 2001-02-03 00:00:00 +00:00\nchanged: 2020-02-03\nexpire: 2030-02-03\n\n" +
			"Registrant:\nname: Example Org\nchanged: 1999-01-01\n\nRegistrar:\nname: Example Registrar\nphone: +1.5550100\n\nName servers:\nnserver: ns1.example.org\nnserver: ns2.example.net\n",
		"contact first": "Registrant:\n  Organization: Example Org\n  Created: 1999-01-01\n\nDomain: example.org\nStatus: clientHold, ok\nCreated: 2001-02-03\nModified: 2020-02-03\nExpires: 2030-02-03\nRegistrar: Example Registrar\nNameservers: ns1.example.org, ns2.example.net\n",
		"headings":      "Domain: example.org\nStatus: clientHold, ok\nCreated: 2001-02-03 00:00:00\nLast Update: 2020-02-03 00:00:00\nExpire Date: 2030-02-03\n\nRegistrant\n  Organization: Example Org\n  Created: 1999-01-01\n\nRegistrar\n  Organization: Example Registrar\n  Name: EX-REG\n\nNameservers\n  ns1.example.org\n  ns2.example.net\n",
		"no colon":      "Domain EXAMPLE.ORG (ACTIVE)\nStatus: clientHold, ok\nRegistrar Name: Example Registrar\nHolder: Example Org\nRecord created on 2001-02-03\nRecord last updated on 2020-02-03\nRecord expires on 2030-02-03 00:00:00 (UTC+8)\nDNS: example.org ns1.example.org\nDNS: ns2.example.net\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := parse(t, text)
			r.Text, r.Contacts, r.Referral, r.Country = "", nil, "", ""
			require.Equal(t, want, r)
		})
	}
	r := parse(t, "Domain Name: example.org\nRegistrar: R\nRegistrar WHOIS Server: whois.example.net\nRegistrar Abuse Contact Email: abuse@example.net\nRegistrar Abuse Contact Phone: +1.5550100\n"+
		"Registrant Email: owner@example.org\nAdmin Name: Alice\nAdmin Phone: +1.5550101\nTech Email: REDACTED FOR PRIVACY\n")
	require.Equal(t, "whois.example.net", r.Referral)
	require.Equal(t, []lookup.RegistryContact{
		{Roles: []string{"abuse"}, Name: "R", Addresses: []string{"abuse@example.net"}, Telephone: "+1.5550100"},
		{Roles: []string{"registrant"}, Addresses: []string{"owner@example.org"}},
		{Roles: []string{"administrative"}, Name: "Alice", Telephone: "+1.5550101"},
	}, r.Contacts)
	require.Empty(t, parse(t, "domain name: example.org\nwhois: https://www.example/whois\n").Referral, "a page is no server")
}

func day(year, month, day int) time.Time {
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
}

// TestVerdict tells what is not there from what is not said.
func TestVerdict(t *testing.T) {
	for text, unknown := range map[string]bool{
		"No match for \"EXAMPLE.ORG\".\n":                        true,
		"Domain: example.org\nStatus: free\n":                    true,
		"Domain EXAMPLE.ORG\n\nData not found.\n":                true,
		"% No entries found.\n":                                  true,
		"Domain not found.\n\nToo many queries are throttled.\n": true,
		"Lookup quota exceeded\nThe domain may be available.\n":  false,
		"%ERROR:201: access denied for 192.0.2.1\n":              false,
		"% This query returned 0 objects.\n":                     true,
		"Domain name not known in this registry\n":               true,
		"Welcome to the whois server\n":                          false,
		"":                                                       false,
	} {
		_, err := whois.Parse([]byte(text), nil)
		require.Error(t, err, text)
		require.Equal(t, unknown, err == lookup.ErrUnknown, text)
	}
	parse(t, "Domain: example.org\nStatus: ok\n\nNot found? Ask us.\n")
}

func TestDates(t *testing.T) {
	for _, text := range []string{
		"2026-11-27", "2026-11-27T10:00:00Z", "27-Nov-2026", "27.11.2026", "27/11/2026", "20261127", "2026. 11. 27.", "Fri Nov 27 2026",
		"27 November 2026", "November 27 2026", "2026-11-27 10:00:00 (UTC+8)", "2026/11/27 10:00:00 (JST)", "27/11/2026 00:00:00 EET", "2026-11-27T10:00:00.123Z", "20261127 #12345",
	} {
		require.Equal(t, "2026-11-27", parse(t, "Domain: example.org\nCreated: "+text+"\n").Created.Format(time.DateOnly), text)
	}
	require.Equal(t, time.Date(2026, 11, 28, 0, 30, 0, 0, time.UTC), parse(t, "Domain: example.org\nCreated: 2026-11-27T23:30:00-01:00\n").Created, "in UTC")
	for _, text := range []string{"2026-13-45", "soon", "1234567890123", "0001-01-01"} {
		require.True(t, parse(t, "Domain: example.org\nCreated: "+text+"\n").Created.IsZero(), text)
	}
}

// What is read first when there is too much to read does not depend on chance.
func TestTheSameAnswerReadsTheSame(t *testing.T) {
	text := "Domain name: example.org\n" + strings.Repeat("expires no date at all\n", lookup.MaxRegistryList-1) + "domain created 2026-01-31\n"
	first := parse(t, text)
	for range 50 {
		require.Equal(t, first, parse(t, text))
	}
}

package rdap_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/rdap"
	"github.com/airtight-csirt/airtight/lookup"
)

func parse(t testing.TB, text string) lookup.Registration {
	t.Helper()
	r, err := rdap.Parse([]byte(text))
	require.NoError(t, err)
	return r
}

// entity is one with a mail address, and others below it.
func entity(role, mail string, below ...string) string {
	return fmt.Sprintf(`{"handle":%q,"roles":[%q],"vcardArray":["vcard",[["fn",{},"text",%q],["email",{},"text",%q]]],"entities":[%s]}`, role, role, role, mail, strings.Join(below, ","))
}

func TestParseDomain(t *testing.T) {
	r := parse(t, `{"objectClassName":"domain","handle":"D-1","ldhName":"EXAMPLE.org.","status":["active","active","client hold"],
		"nameservers":[{"ldhName":"NS1.example.org","entities":[`+entity("abuse", "ns@example.net")+`]},null,{"ldhName":7}],
		"events":[{"eventAction":"registration","eventDate":"2001-02-03T01:00:00+01:00"},{"eventAction":"Last Changed","eventDate":"2020-02-03T00:00:00Z"},
			{"eventAction":"expiration","eventDate":"soon"},{"eventAction":"transfer","eventDate":"2022-02-03T00:00:00Z"}],
		"entities":[`+entity("registrar", "sales@example.net", entity("abuse", "abuse@example.net"))+`,`+entity("registrant", "owner@example.org")+`]}`)
	require.Equal(t, "example.org D-1 registrar registrant", r.Name+" "+r.Handle+" "+r.Registrar+" "+r.Organisation)
	require.Equal(t, []string{"abuse@example.net"}, r.Abuse(), "not that of a name server")
	require.Equal(t, []string{"ns1.example.org", "7"}, r.NameServers)
	require.Equal(t, []string{"active", "client hold"}, r.Status)
	require.Equal(t, time.Date(2001, 2, 3, 0, 0, 0, 0, time.UTC), r.Created)
	require.Equal(t, time.Date(2020, 2, 3, 0, 0, 0, 0, time.UTC), r.Changed)
	require.Zero(t, r.Until)
}

// TestNearest wants the abuse contacts next to the object in front.
func TestNearest(t *testing.T) {
	r := parse(t, `{"entities":[`+entity("registrant", "x@example.org", entity("abuse", "below@example.org"), entity("abuse", "NEAR@example.org"))+`,`+entity("abuse", "near@example.org")+`]}`)
	require.Equal(t, []string{"near@example.org", "below@example.org"}, r.Abuse())
}

func TestParseContact(t *testing.T) {
	r := parse(t, `{"objectClassName":"entity","handle":9,"roles":"Abuse","lang":"de","vcardArray":["vcard",[
		["version",{},"text","4.0"],["org",{},"text",["Example","Org"]],["lang",{},"language-tag","fr"],[],null,"x",["email"],["email",{},"text",null],
		["email",null,"text","mailto:a@example.org","b@example.org",["c@example.org"]],["email",{},"text","redacted for privacy"],
		["tel",{"type":["fax"]},"uri","tel:+1-555-0199"],["tel",{"type":"fax"},"uri","tel:+1-555-0198"],["tel",{"type":"voice"},"uri","tel:+1-555-0100"],["tel",{},"text","+1-555-0101"]]]}`)
	require.Equal(t, []lookup.RegistryContact{{
		Handle: "9", Roles: []string{"abuse"}, Name: "Example Org", Language: "fr", Telephone: "+1-555-0100",
		Addresses: []string{"a@example.org", "b@example.org", "c@example.org"},
	}}, r.Contacts)
}

func TestParseNetwork(t *testing.T) {
	for ends, want := range map[string]string{
		`"192.0.2.0/32","endAddress":"192.0.2.255/32"`: "192.0.2.0 192.0.2.255", // a fault of a registry
		`"2001:DB8::","endAddress":"2001:db8::FFFF"`:   "2001:db8:: 2001:db8::ffff",
		`"192.0.2.9","endAddress":"192.0.2.1"`:         "invalid IP invalid IP",
		`"192.0.2.9","endAddress":"2001:db8::"`:        "invalid IP invalid IP",
		`"192.0.2.9"`:                                  "invalid IP invalid IP",
	} {
		r := parse(t, `{"startAddress":`+ends+`}`)
		require.Equal(t, want, r.First.String()+" "+r.Last.String())
	}
	r := parse(t, `{"name":"first","name":"second","country":"ZZ","startAutnum":64500,"arin_originas0_originautnums":[64501,"64500",0,-1,4294967296],
		"remarks":[{"description":["Write to abuse@example.org","or to x@example.org"]},{"description":"Abuse: y@example.org"}]}`)
	require.Equal(t, "first ZZ", r.Name+" "+r.Country)
	require.Equal(t, []uint32{64500, 64501}, r.Origins)
	require.Equal(t, []string{"abuse@example.org", "y@example.org"}, r.Hints)
	require.Empty(t, r.Abuse(), "a remark is no contact")
}

// TestDamage wants the error and what stands in front of the damage.
func TestDamage(t *testing.T) {
	for text, want := range map[string]string{
		network[:len(network)-3]: "EOF",
		network + "x":            "follows",
		strings.Replace(network, "]]]}]}]}", "]],]}]}]}", 1):    "invalid character",
		`{"name":"EXAMPLE","x":` + strings.Repeat("[", 100):     "more than 64 levels",
		`{"name":"EXAMPLE","x":[` + strings.Repeat("0,", 30000): "more than 20000 values",
	} {
		r, err := rdap.Parse([]byte(text))
		require.ErrorContains(t, err, want)
		require.Equal(t, "EXAMPLE", r.Name)
	}
	_, err := rdap.Parse([]byte(`{"errorCode":404}`))
	require.ErrorIs(t, err, lookup.ErrUnknown)
	_, err = rdap.Parse([]byte(`{"errorCode":451,"title":"not\nhere"}`))
	require.ErrorContains(t, err, "error 451: not here")
}

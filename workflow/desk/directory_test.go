package desk_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/publicsuffix"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// icann is the list of public suffixes.
func icann(name string) (string, bool) { return publicsuffix.PublicSuffix(name) }

const campus = `
default: outside
constituencies:
  - {name: outside}
  - {name: physics, language: en, contacts: [{role: abuse, address: abuse@physics.example}, {role: technical, telephone: "+31 1", order: 1}]}
  - {name: library, contacts: [{role: abuse, address: abuse@library.example}]}
  - {name: EDUNET, contacts: [{role: abuse, address: abuse@edunet.example}]}
  - {name: GOVNET, contacts: [{role: abuse, address: abuse@govnet.example}]}
entries:
  - {scope: 192.0.2.0/24, constituency: physics, source: ipam}
  - {scope: 192.0.2.64/26, constituency: library}
  - {scope: 192.0.2.70, except: true}
  - {scope: "2001:db8:1::/48", constituency: library}
  - {scope: physics.example.org, constituency: physics}
  - {scope: 198.51.100.0/24, constituency: EDUNET}
  - {scope: 203.0.113.0/24, constituency: GOVNET}
`

func directory(t testing.TB, text string, hooks lookup.Config) *lookup.Directory {
	doc, err := lookup.ParseYAML(strings.NewReader(text))
	require.NoError(t, err)
	doc.Version = 3
	d, err := lookup.NewDirectory(doc, hooks)
	require.NoError(t, err)
	return d
}

func withCampus(t testing.TB) func(*desk.Config) {
	return func(c *desk.Config) {
		c.Directory, c.PublicSuffix = directory(t, campus, lookup.Config{}), icann
	}
}

// unasked is a registry that nobody may ask.
type unasked struct{ t testing.TB }

func (n unasked) Ask(context.Context, lookup.Question) (lookup.Registration, error) {
	n.t.Error("a registry was asked")
	return lookup.Registration{}, errors.New("asked")
}

func TestConstituencyByDirectory(t *testing.T) {
	registries, err := lookup.NewRegistries(lookup.RegistriesConfig{Registries: []lookup.Registry{unasked{t}}})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		text, want string
		why        []string
	}{
		"longest": {"Scan from 192.0.2.65 at night", "library", []string{
			"Its constituency is library, because it mentions 192.0.2.65.", "It belongs to library, because network 192.0.2.64/26 does (set by hand).",
			"network 192.0.2.0/24 belongs to physics (imported from ipam).", "So says version 3 of the directory."}},
		"addresses before names": {"bob@physics.example.org saw www.physics.example.org and 2001:db8:1::7", "library", []string{
			"Its constituency is library, because it mentions 2001:db8:1::7.", "It belongs to library, because network 2001:db8:1::/48 does (set by hand).",
			"So says version 3 of the directory.", "It mentions www.physics.example.org of constituency physics as well."}},
		"name": {"See http://www.physics.example.org/x", "physics", []string{
			"Its constituency is physics, because it mentions http://www.physics.example.org/x.", "It belongs to physics, because domain physics.example.org does (set by hand).",
			"So says version 3 of the directory."}},
		"excepted":     {"192.0.2.70", "", []string{"It has no constituency by what it mentions: nothing of it decides in version 3 of the directory."}},
		"of others":    {"100.64.0.1", "", []string{"It has no constituency by what it mentions: nothing of it decides in version 3 of the directory."}},
		"says nothing": {"Hello", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, withCampus(t), func(c *desk.Config) { c.Registries = registries })
			id := w.raw("bob@example.com", "From: bob@example.com\r\nSubject: x\r\n\r\n"+c.text+"\r\n").Ticket
			require.Equal(t, c.want, w.ticket(id).Constituency)
			event, _ := w.last(id, "message")
			require.Equal(t, append([]string{}, c.why...), event.(incident.Message).Content.Why[1:], "behind the reason for a new report")
			if len(c.why) == 0 {
				return
			}
			explained, err := w.alice.Explain(ctx, id, desk.TopicConstituency)
			require.NoError(t, err)
			require.Equal(t, c.why, explained.Steps[0].Why)
			require.Contains(t, explained.Text, c.why[0])
		})
	}
}

// The recipient decides before what a mail mentions, and what the policy does not
// take is not taken.
func TestDirectoryAmongOthers(t *testing.T) {
	w := newWorld(t, withCampus(t), forTwo)
	receipt, err := w.desk.Receive(ctx, mail.Envelope{To: []string{"uni@example.net"}}, []byte("From: bob@example.org\r\n\r\n192.0.2.7"))
	require.NoError(t, err)
	require.Equal(t, "university", w.ticket(receipt.Ticket).Constituency)

	listed := plain()
	listed.Fields = []workflow.Field{{Name: workflow.FieldConstituency, Values: []workflow.FieldValue{{Value: "library"}}}}
	w = newWorldUnder(t, memory.New(), listed, withCampus(t))
	id := w.raw("bob@example.com", "From: bob@example.com\r\n\r\n192.0.2.7 then 192.0.2.65").Ticket
	require.Equal(t, "library", w.ticket(id).Constituency)
	event, _ := w.last(id, "message")
	require.Equal(t, "It mentions 192.0.2.7 of physics, which is no constituency of the policy.", event.(incident.Message).Content.Why[1])
}

// AIRT's local hooks.
func TestDirectoryHooks(t *testing.T) {
	d := directory(t, campus, lookup.Config{
		Network: func(asked netip.Prefix, around []lookup.Entry) (lookup.Entry, bool) {
			if len(around) == 0 {
				return lookup.Entry{}, false
			}
			return around[len(around)-1], true // the widest
		},
		Role: func(o incident.Observable) incident.Role {
			if o.Kind == incident.Address {
				return incident.RoleSource
			}
			return incident.RoleUnknown
		},
		Text: func(o incident.Observable, m lookup.Match) []string {
			return []string{"See the wiki on " + m.Constituency.Name + "."}
		},
	})
	w := newWorld(t, func(c *desk.Config) { c.Directory = d })
	id := w.raw("bob@example.com", "From: bob@example.com\r\n\r\n192.0.2.65 and eve@example.com").Ticket
	report := w.ticket(id)
	require.Equal(t, "physics", report.Constituency)
	require.Equal(t, []incident.Observable{
		{Kind: incident.Address, Value: "192.0.2.65", Role: incident.RoleSource}, {Kind: incident.MailAddress, Value: "eve@example.com"},
	}, report.Observables)
	owner, err := w.alice.Owner(ctx, report.Observables[0])
	require.NoError(t, err)
	require.Equal(t, []string{"See the wiki on physics."}, owner.Match.Text)
}

func TestAdoptDirectory(t *testing.T) {
	store := memory.New()
	w := newWorldOn(t, store, withCampus(t))
	_, err := desk.AdoptedDirectory(ctx, store, 0)
	require.ErrorContains(t, err, "no version")
	doc, err := lookup.ParseYAML(strings.NewReader(campus))
	require.NoError(t, err)
	adopt := func(doc lookup.Document) uint32 {
		adopted, err := desk.AdoptDirectory(ctx, store, "handler:alice", "directory", doc, desk.Config{})
		require.NoError(t, err)
		return adopted.Version
	}
	require.EqualValues(t, 1, adopt(doc))
	require.EqualValues(t, 1, adopt(doc), "the same again")
	scope, err := lookup.ParseScope("192.0.2.0/24")
	require.NoError(t, err)

	// A ticket keeps what it was matched with.
	id := w.raw("bob@example.com", "From: bob@example.com\r\n\r\n192.0.2.7").Ticket
	require.Equal(t, "physics", w.ticket(id).Constituency)
	require.EqualValues(t, 2, adopt(doc.Remove(scope, "ipam").Set(lookup.Entry{Scope: scope, Constituency: "library"})))
	second, err := desk.AdoptedDirectory(ctx, store, 0)
	require.NoError(t, err)
	require.EqualValues(t, 2, second.Version)
	d, err := lookup.NewDirectory(second, lookup.Config{})
	require.NoError(t, err)
	later := newWorldOn(t, store, func(c *desk.Config) { c.Directory = d })
	require.Equal(t, "physics", later.ticket(id).Constituency)
	next := later.raw("bob@example.com", "From: bob@example.com\r\nSubject: other\r\n\r\n192.0.2.7").Ticket
	require.Equal(t, "library", later.ticket(next).Constituency)
	first, err := desk.AdoptedDirectory(ctx, store, 1)
	require.NoError(t, err)
	doc.Version = 1
	require.Equal(t, doc, first)

	_, err = desk.AdoptDirectory(ctx, store, "handler:alice", "directory", lookup.Document{}, desk.Config{})
	require.ErrorContains(t, err, "default")
}

// Which text counts: the main one, and files only when it says nothing (RTIR).
func TestWhatMailMentions(t *testing.T) {
	part := func(kind, disposition, text string) string {
		return "--b\r\nContent-Type: " + kind + "\r\nContent-Disposition: " + disposition + "\r\n\r\n" + text + "\r\n"
	}
	mixed := func(parts ...string) string {
		return "From: bob@example.com\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Join(parts, "") + "--b--\r\n"
	}
	for name, c := range map[string]struct {
		raw  string
		want []string
	}{
		"main text alone": {mixed(part("text/plain", "inline", "2.2.2.2"), part("text/plain", "attachment", "3.3.3.3")), []string{"2.2.2.2"}},
		"first file that has any": {mixed(part("text/plain", "inline", "see below"), part("text/plain", "attachment", "nothing"),
			part("text/plain", "attachment", "4.4.4.4 and 5.5.5.5"), part("text/plain", "attachment", "6.6.6.6")), []string{"4.4.4.4", "5.5.5.5"}},
		"no names in files":         {mixed(part("text/plain", "inline", "see"), part("text/csv", "attachment", "www.example.org,7.7.7.7")), []string{"7.7.7.7"}},
		"pictures are no text":      {mixed(part("text/plain", "inline", "see"), part("image/png", "attachment", "8.8.8.8")), nil},
		"links of HTML":             {mixed(part("text/html", "inline", `<a href="http://www.example.org/login">your bank</a>`)), []string{"http://www.example.org/login"}},
		"plain text beside HTML":    {strings.Replace(mixed(part("text/plain", "inline", "2.2.2.2"), part("text/html", "inline", "<p>3.3.3.3</p>")), "mixed", "alternative", 1), []string{"2.2.2.2"}},
		"an attached mail":          {mixed(part("text/plain", "inline", "see"), part("message/rfc822", "attachment", "From: eve@example.org\r\nSubject: x\r\n\r\nCall 9.9.9.9")), []string{"9.9.9.9"}},
		"a feedback report":         {mixed(part("text/plain", "inline", "see"), part("message/feedback-report", "inline", "Feedback-Type: abuse\r\nSource-IP: 9.9.9.9")), []string{"9.9.9.9"}},
		"a bounce of our own mail":  {dsn(1, "x@example.net", groups("failed", "5.1.1", "eve@example.org")) + "--b\r\nContent-Type: message/rfc822\r\n\r\n\r\n9.9.9.9\r\n--b--\r\n", nil},
		"names":                     {"From: bob@example.com\r\n\r\nwww.example.org, xn--bcher-kva.example.org, invoice.zip, test.bla and CVE-2014-0160, cve-20-3\r\n", []string{"www.example.org", "xn--bcher-kva.example.org", "CVE-2014-0160"}},
		"defanged":                  {"From: bob@example.com\r\n\r\nhxxp://evil[.]example[.]org/x\r\n", []string{"http://evil.example.org/x"}},
		"our own mailbox is no one": {"From: bob@example.com\r\n\r\ncsirt@example.net\r\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, withCampus(t))
			var got []string
			for _, o := range w.ticket(w.raw("bob@example.com", c.raw).Ticket).Observables {
				got = append(got, o.Value)
			}
			require.Equal(t, c.want, got)
		})
	}
}

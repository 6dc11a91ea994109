package desk_test

import (
	"context"
	"fmt"
	"maps"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// answering is a policy whose desk answers every new report, each time, and, with
// everything, whatever else comes from outside.
func answering(t testing.TB, limits workflow.AutomaticMail, everything bool) *workflow.Policy {
	t.Helper()
	p, err := workflow.Preset("rtir")
	require.NoError(t, err)
	p.AutomaticMail = limits
	for i, r := range p.Rules {
		if r.Name == "acknowledge" {
			p.Rules[i].Params = workflow.Acknowledge{Text: "It has come.", Hours: 0}
		}
	}
	if everything {
		p.Rules = append(p.Rules, workflow.Rule{
			Name: "answer-everything", On: []string{"message"},
			Then: func(_ *workflow.Policy, c workflow.Change, _ workflow.Facts, _ any) workflow.Verdict {
				m := c.Event.(incident.Message)
				if m.Sent || m.Machine || c.Command == (workflow.Open{}).Name() {
					return workflow.Verdict{}
				}
				return workflow.Verdict{Commands: []workflow.Command{workflow.AutoReply{Ticket: c.After.ID, Text: "It has come."}}}
			},
		})
	}
	return p
}

// parcel is a mail under way.
type parcel struct {
	env mail.Envelope
	raw []byte
}

// network carries mail between desks and machines on a clock of its own.
type network struct {
	t      testing.TB
	desks  map[string]*world                  // by mailbox
	others func(to string, l parcel) []parcel // what comes back from anybody else
	hide   bool                               // a gateway takes away all that tells a machine or a thread
	most   int                                // mails of desks before it gives up

	sent  int
	queue []parcel
}

func (n *network) desk(mailbox string, policy *workflow.Policy, change ...func(*desk.Config)) *world {
	n.t.Helper()
	w := newWorld(n.t, append([]func(*desk.Config){func(c *desk.Config) {
		local, domain, _ := strings.Cut(mailbox, "@")
		c.Policy, c.From, c.Tag = policy, incident.Party{Address: mailbox}, mail.Tag{Name: local}
		c.Team = []desk.Member{{Address: "alice@" + domain}}
	}}, change...)...)
	if n.desks == nil {
		n.desks = map[string]*world{}
	}
	n.desks[mailbox] = w
	return w
}

// run delivers mail until none is under way, an hour passing each time, and returns
// how many mails the desks have sent; false: they go on and on.
func (n *network) run() (int, bool) {
	n.t.Helper()
	for {
		for _, mailbox := range slices.Sorted(maps.Keys(n.desks)) {
			w := n.desks[mailbox]
			w.now = w.now.Add(time.Hour)
			_, err := w.courier(func(_ context.Context, env mail.Envelope, raw []byte) error {
				n.sent++
				n.queue = append(n.queue, parcel{env, raw})
				return nil
			}).Flush(ctx, 1000)
			require.NoError(n.t, err)
		}
		switch {
		case len(n.queue) == 0:
			for _, w := range n.desks {
				w.verify()
				for _, o := range w.outgoing() {
					require.Contains(n.t, []storage.OutStatus{storage.Sent, storage.Parked}, o.Status, "nothing is lost")
				}
			}
			return n.sent, true
		case n.sent >= n.most:
			return n.sent, false
		}
		under := n.queue
		n.queue = nil
		for _, l := range under {
			to := l.env.To[0]
			if w := n.desks[to]; w != nil {
				if n.hide {
					l = hidden(l)
				}
				_, err := w.desk.Receive(ctx, l.env, l.raw)
				require.NoError(n.t, err)
			} else if n.others != nil {
				n.queue = append(n.queue, n.others(to, l)...)
			}
		}
	}
}

var telling = regexp.MustCompile(`(?m)^(Auto-Submitted|X-Airtight-Desk|In-Reply-To|References):.*\r\n([ \t].*\r\n)*`)

// hidden is a mail as a gateway passes it on that takes away what tells a machine,
// a loop or a thread.
func hidden(l parcel) parcel {
	parsed, _ := netmail.ReadMessage(strings.NewReader(string(l.raw)))
	if l.env.From == "" {
		from, _ := parsed.Header.AddressList("From")
		l.env.From = from[0].Address
	}
	raw := telling.ReplaceAllString(string(l.raw), "")
	l.raw = []byte(regexp.MustCompile(`(?m)^Subject:.*\r\n([ \t].*\r\n)*`).ReplaceAllString(raw, "Subject: Hello\r\n"))
	return l
}

// written is a mail that looks as if a person had written it.
func written(from, to, subject string) parcel {
	return parcel{mail.Envelope{From: from, To: []string{to}}, fmt.Appendf(nil,
		"From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%s>\r\n\r\nHello.\r\n", from, to, subject, fresh())}
}

var letters int

func fresh() string {
	letters++
	return fmt.Sprintf("%d@letters.example.org", letters)
}

// limited are small limits, so that a test comes to rest soon.
var limited = workflow.AutomaticMail{Correspondent: 4, Ticket: 6, Desk: 15}

// unlimited is no limit at all.
var unlimited = workflow.AutomaticMail{Correspondent: -1, Member: -1, Ticket: -1, Desk: -1}

const endless = 150 // mails of desks after which they do not seem to come to rest

// loops are the worlds that must come to rest, each with how many mails its desks
// may send at most under the limits.
func loops() map[string]struct {
	most  int
	start func(n *network, limits workflow.AutomaticMail)
} {
	type loop = struct {
		most  int
		start func(n *network, limits workflow.AutomaticMail)
	}
	const one, two, three = "one@one.example", "two@two.example", "three@three.example"
	vacation := func(name func() string) func(string, parcel) []parcel {
		return func(to string, l parcel) []parcel {
			from := to
			if name != nil {
				from = name()
			}
			return []parcel{written(from, one, "Out of office")}
		}
	}
	return map[string]loop{
		// A sends 4 at most to B and B to A; so does a desk that answers all.
		"two desks": {2 * limited.Correspondent, func(n *network, limits workflow.AutomaticMail) {
			n.hide = true
			n.desk(one, answering(n.t, limits, false))
			n.desk(two, answering(n.t, limits, false))
			n.queue = []parcel{written(one, two, "Hello")}
		}},
		"two desks that answer everything": {2 * limited.Correspondent, func(n *network, limits workflow.AutomaticMail) {
			n.hide = true
			n.desk(one, answering(n.t, limits, true))
			n.desk(two, answering(n.t, limits, true))
			n.queue = []parcel{written(one, two, "Hello")}
		}},
		"a responder that ignores every header": {limited.Correspondent, func(n *network, limits workflow.AutomaticMail) {
			n.desk(one, answering(n.t, limits, false))
			n.others = vacation(nil)
			n.queue = []parcel{written("bob@example.org", one, "Scan")}
		}},
		// It keeps the tag, so that all is about one ticket.
		"a responder that keeps the subject": {limited.Correspondent, func(n *network, limits workflow.AutomaticMail) {
			n.desk(one, answering(n.t, limits, true))
			n.others = func(to string, l parcel) []parcel {
				parsed, _ := netmail.ReadMessage(strings.NewReader(string(l.raw)))
				return []parcel{written(to, one, "Re: "+parsed.Header.Get("Subject"))}
			}
			n.queue = []parcel{written("bob@example.org", one, "Scan")}
		}},
		"a responder that changes its address each time": {limited.Desk, func(n *network, limits workflow.AutomaticMail) {
			n.desk(one, answering(n.t, limits, false))
			i := 0
			n.others = vacation(func() string { i++; return fmt.Sprintf("bob%d@example.org", i) })
			n.queue = []parcel{written("bob@example.org", one, "Scan")}
		}},
		"three desks in a ring": {3 * limited.Correspondent, func(n *network, limits workflow.AutomaticMail) {
			n.hide = true
			// What is sent to relayN goes on to desk N+1, in the name of relayN+1.
			ring := []string{one, two, three}
			for _, mailbox := range ring {
				n.desk(mailbox, answering(n.t, limits, false))
			}
			n.others = func(to string, l parcel) []parcel {
				i := (int(to[len("relay")]-'0') + 1) % len(ring)
				return []parcel{written(fmt.Sprintf("relay%d@example.org", i), ring[i], "Hello")}
			}
			n.queue = []parcel{written("relay0@example.org", one, "Hello")}
		}},
		// Mail to the team: alice owns what her vacation responder answers.
		"a member of the team whose responder opens reports": {4, func(n *network, limits workflow.AutomaticMail) {
			if limits.Correspondent > 0 {
				limits.Member = 4
			}
			p := answering(n.t, limits, false)
			p.Rules = append(p.Rules, workflow.Rule{
				Name: "tell-of-everything", On: []string{"opened"},
				Then: func(_ *workflow.Policy, c workflow.Change, _ workflow.Facts, _ any) workflow.Verdict {
					return workflow.Verdict{Commands: []workflow.Command{workflow.Notify{Ticket: c.After.ID, To: "handler:alice", About: "a report has come"}}}
				},
			})
			n.desk(one, p)
			n.others = func(to string, l parcel) []parcel {
				if !strings.HasPrefix(to, "alice@") {
					return nil
				}
				return []parcel{written(to, one, "Out of office")}
			}
			n.queue = []parcel{written("alice@one.example", one, "Scan")}
		}},
	}
}

func TestLoopsComeToRest(t *testing.T) {
	for name, loop := range loops() {
		t.Run(name, func(t *testing.T) {
			n := &network{t: t, most: endless}
			loop.start(n, limited)
			sent, rests := n.run()
			require.True(t, rests, "%d mails", sent)
			require.Equal(t, loop.most, sent, "the bound is reached, and not passed")
			var parked int
			for _, w := range n.desks {
				for _, o := range w.outgoing() {
					if o.Status == storage.Parked {
						parked++
						require.Contains(t, o.LastError, "is reached: a person must release it")
					}
				}
			}
			require.Positive(t, parked, "what is over the limit waits")

			n = &network{t: t, most: endless}
			loop.start(n, unlimited)
			sent, rests = n.run()
			require.False(t, rests, "without limits they stop after %d mails", sent)
		})
	}
}

// Where nothing hides what it is, RFC 3834 is enough: one answer, and rest.
func TestHonestDesksComeToRestAtOnce(t *testing.T) {
	for _, everything := range []bool{false, true} {
		n := &network{t: t, most: endless}
		one := n.desk("one@one.example", answering(t, unlimited, everything))
		n.desk("two@two.example", answering(t, unlimited, everything))
		inc := one.do(workflow.Open{Kind: incident.KindIncident, Subject: "Scan"}).Opened[0]
		one.do(workflow.Open{Kind: incident.KindInvestigation, Subject: "Scan", Parents: []incident.ID{inc}, Text: "Please look.", Requestors: []incident.Party{{Address: "two@two.example"}}})
		sent, rests := n.run()
		require.True(t, rests)
		require.Equal(t, 2, sent, "the mail of a person, and one answer")
	}
}

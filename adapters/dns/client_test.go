package dns_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	wire "github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/dns"
	"github.com/airtight-csirt/airtight/lookup"
)

// serve answers over UDP and TCP on one loopback port.
func serve(t testing.TB, handle wire.HandlerFunc) (address string) {
	t.Helper()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	require.NoError(t, err)
	for _, s := range []*wire.Server{{PacketConn: udp, Handler: handle}, {Listener: tcp, Handler: handle}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		t.Cleanup(func() { s.Shutdown() })
	}
	return udp.LocalAddr().String()
}

// zone answers with the records that have the asked name and type, and follows no alias.
func zone(records ...string) wire.HandlerFunc {
	return func(w wire.ResponseWriter, question *wire.Msg) {
		answer := new(wire.Msg).SetReply(question)
		known := false
		for _, text := range records {
			record, err := wire.NewRR(text)
			if err != nil {
				panic(err)
			}
			if strings.EqualFold(record.Header().Name, question.Question[0].Name) {
				known = true
				if kind := record.Header().Rrtype; kind == question.Question[0].Qtype || kind == wire.TypeCNAME {
					answer.Answer = append(answer.Answer, record)
				}
			}
		}
		if !known {
			answer.Rcode = wire.RcodeNameError
			soa, _ := wire.NewRR(`example.org. 60 IN SOA ns.example.org. net\.ops.example.org. 1 2 3 4 5`)
			answer.Ns = append(answer.Ns, soa)
		}
		w.WriteMsg(answer)
	}
}

func client(t testing.TB, config dns.Config) *dns.Client {
	t.Helper()
	c, err := dns.New(config)
	require.NoError(t, err)
	return c
}

func TestClient(t *testing.T) {
	server := serve(t, zone(
		"www.example.org. 60 IN A 192.0.2.7",
		"www.example.org. 60 IN AAAA 2001:db8::7",
		"only6.example.org. 60 IN AAAA 2001:db8::8",
		"7.2.0.192.in-addr.arpa. 60 IN PTR WWW.example.org.",
		"8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 60 IN PTR only6.example.org.",
		"example.org. 60 IN MX 20 backup.example.org.",
		"example.org. 60 IN MX 10 mx.example.org.",
		`example.org. 60 IN SOA ns.example.org. net\.ops.example.org. 1 2 3 4 5`,
		"null.example.org. 60 IN MX 0 .",
		`7.2.0.192.origin.example. 60 IN TXT "64500 64501 | 192.0.2.0/24 | ZZ"`,
		`7.2.0.192.origin.example. 60 IN TXT "64502 | 192.0.2.0/28 | ZZ"`,
		`7.2.0.192.origin.example. 60 IN TXT "64503 | 198.51.100.0/24 | another network"`,
		`8.2.0.192.origin.example. 60 IN TXT "nonsense"`,
		`8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.origin6.example. 60 IN TXT "64504 | 2001:db8::/32"`,
	))
	c, ctx := client(t, dns.Config{Servers: []string{server}, Origin4: "origin.example", Origin6: "origin6.example."}), t.Context()

	addresses, err := c.Addresses(ctx, "WWW.example.org")
	require.NoError(t, err)
	require.Equal(t, []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}, addresses)
	addresses, err = c.Addresses(ctx, "only6.example.org.")
	require.NoError(t, err)
	require.Equal(t, []netip.Addr{netip.MustParseAddr("2001:db8::8")}, addresses)
	_, err = c.Addresses(ctx, "nobody.example.org")
	require.ErrorIs(t, err, lookup.ErrUnknown)
	for _, bad := range []string{"", ".", "bücher.example", "a b.example", strings.Repeat("a", 64) + ".example"} {
		_, err = c.Addresses(ctx, bad)
		require.ErrorContains(t, err, "no name to ask for", bad)
	}

	for _, a := range []string{"192.0.2.7", "::ffff:192.0.2.7"} {
		names, err := c.Names(ctx, netip.MustParseAddr(a))
		require.NoError(t, err)
		require.Equal(t, []string{"www.example.org"}, names)
	}
	names, err := c.Names(ctx, netip.MustParseAddr("2001:db8::8"))
	require.NoError(t, err)
	require.Equal(t, []string{"only6.example.org"}, names)
	_, err = c.Names(ctx, netip.MustParseAddr("192.0.2.9"))
	require.ErrorIs(t, err, lookup.ErrUnknown)

	mail, err := c.Mail(ctx, "example.org")
	require.NoError(t, err)
	require.Equal(t, lookup.DomainMail{Hosts: []string{"mx.example.org", "backup.example.org"}, Authority: "example.org", Contact: "net.ops@example.org"}, mail)
	mail, err = c.Mail(ctx, "deep.below.example.org")
	require.NoError(t, err)
	require.Equal(t, lookup.DomainMail{Authority: "example.org", Contact: "net.ops@example.org"}, mail, "of the zone above")
	mail, err = c.Mail(ctx, "null.example.org")
	require.ErrorIs(t, err, lookup.ErrUnknown)
	require.Empty(t, mail.Hosts)
	mail, err = c.Mail(ctx, "example.net")
	require.ErrorIs(t, err, lookup.ErrUnknown, "an SOA record of somebody else is none")
	require.Empty(t, mail)

	origins, err := c.Origins(ctx, netip.MustParseAddr("192.0.2.7"))
	require.NoError(t, err)
	network := netip.MustParsePrefix("192.0.2.0/24")
	require.Equal(t, []lookup.Origin{{AS: 64500, Prefix: network}, {AS: 64501, Prefix: network}, {AS: 64502, Prefix: netip.MustParsePrefix("192.0.2.0/28")}}, origins)
	origins, err = c.Origins(ctx, netip.MustParseAddr("2001:db8::8"))
	require.NoError(t, err)
	require.Equal(t, []lookup.Origin{{AS: 64504, Prefix: netip.MustParsePrefix("2001:db8::/32")}}, origins)
	_, err = c.Origins(ctx, netip.MustParseAddr("192.0.2.8"))
	require.ErrorIs(t, err, lookup.ErrUnknown)
	_, err = client(t, dns.Config{Servers: []string{server}}).Origins(ctx, netip.MustParseAddr("192.0.2.7"))
	require.ErrorIs(t, err, lookup.ErrNoServer)
}

func TestAliases(t *testing.T) {
	server := serve(t, func(w wire.ResponseWriter, question *wire.Msg) {
		answer := new(wire.Msg).SetReply(question)
		for _, text := range []string{
			"www.example.org. 60 IN CNAME a.example.net.", "a.example.net. 60 IN CNAME b.example.net.", "b.example.net. 60 IN A 192.0.2.1",
			"other.example.net. 60 IN A 192.0.2.2",
			"loop.example.org. 60 IN CNAME loop.example.org.",
		} {
			record, _ := wire.NewRR(text)
			answer.Answer = append(answer.Answer, record)
		}
		w.WriteMsg(answer)
	})
	c := client(t, dns.Config{Servers: []string{server}})
	addresses, err := c.Addresses(t.Context(), "www.example.org")
	require.NoError(t, err)
	require.Equal(t, []netip.Addr{netip.MustParseAddr("192.0.2.1")}, addresses, "not what belongs to another name")
	_, err = c.Addresses(t.Context(), "loop.example.org")
	require.ErrorIs(t, err, lookup.ErrUnknown)
}

// TestLongAnswer wants TCP when an answer does not fit, and Most records of it.
func TestLongAnswer(t *testing.T) {
	var tcp atomic.Int32
	server := serve(t, func(w wire.ResponseWriter, question *wire.Msg) {
		answer := new(wire.Msg).SetReply(question)
		if w.RemoteAddr().Network() == "udp" {
			answer.Truncated = true
		} else {
			tcp.Add(1)
			for i := range 3000 {
				answer.Answer = append(answer.Answer, &wire.A{Hdr: wire.RR_Header{Name: question.Question[0].Name, Rrtype: wire.TypeA, Class: wire.ClassINET}, A: net.IPv4(192, 0, byte(i>>8), byte(i))})
			}
			answer.Compress = true
		}
		w.WriteMsg(answer)
	})
	addresses, err := client(t, dns.Config{Servers: []string{server}}).Addresses(t.Context(), "many.example.org")
	require.NoError(t, err)
	require.Len(t, addresses, 50)
	require.EqualValues(t, 2, tcp.Load())
}

// TestBadServers asks servers that are down, silent, or lie; a good one behind
// them answers.
func TestBadServers(t *testing.T) {
	good := serve(t, zone("www.example.org. 60 IN A 192.0.2.7", "www.example.org. 60 IN AAAA 2001:db8::7"))
	for name, bad := range map[string]wire.HandlerFunc{
		"silent":         func(wire.ResponseWriter, *wire.Msg) {},
		"refuses":        func(w wire.ResponseWriter, q *wire.Msg) { w.WriteMsg(new(wire.Msg).SetRcode(q, wire.RcodeRefused)) },
		"no DNS":         func(w wire.ResponseWriter, _ *wire.Msg) { w.Write([]byte(strings.Repeat("x", 40))) },
		"another number": func(w wire.ResponseWriter, q *wire.Msg) { a := new(wire.Msg).SetReply(q); a.Id++; w.WriteMsg(a) },
		"another question": func(w wire.ResponseWriter, q *wire.Msg) {
			a := new(wire.Msg).SetReply(q)
			a.Question[0].Name = "x.example."
			w.WriteMsg(a)
		},
		"no answer": func(w wire.ResponseWriter, q *wire.Msg) { w.WriteMsg(q) },
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, dns.Config{Servers: []string{serve(t, bad), good}, Timeout: 100 * time.Millisecond})
			addresses, err := c.Addresses(t.Context(), "www.example.org")
			require.NoError(t, err)
			require.Len(t, addresses, 2)
			c = client(t, dns.Config{Servers: []string{serve(t, bad)}, Timeout: 100 * time.Millisecond})
			_, err = c.Addresses(t.Context(), "www.example.org")
			require.Error(t, err)
			require.NotErrorIs(t, err, lookup.ErrUnknown, "a failure does not say that the name is unknown")
		})
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed.Close()
	addresses, err := client(t, dns.Config{Servers: []string{closed.Addr().String(), good}}).Addresses(t.Context(), "www.example.org")
	require.NoError(t, err)
	require.Len(t, addresses, 2)
}

// TestGiveUp ends a question that nobody answers when the caller leaves.
func TestGiveUp(t *testing.T) {
	asked := make(chan struct{}, 10)
	c := client(t, dns.Config{Servers: []string{serve(t, func(wire.ResponseWriter, *wire.Msg) { asked <- struct{}{} })}, Timeout: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err := c.Names(ctx, netip.MustParseAddr("192.0.2.7"))
	require.ErrorIs(t, err, context.Canceled)
}

func TestNew(t *testing.T) {
	for want, config := range map[string]dns.Config{
		"Servers is empty":      {},
		"an address and a port": {Servers: []string{"resolver.example"}},
		"no domain name":        {Servers: []string{"192.0.2.53:53"}, Origin4: "a..b"},
		"below zero":            {Servers: []string{"192.0.2.53:53"}, Most: -1},
		"Pace":                  {Servers: []string{"192.0.2.53:53"}, Pace: lookup.Pace{Failures: -1}},
	} {
		_, err := dns.New(config)
		require.ErrorContains(t, err, want)
	}
}

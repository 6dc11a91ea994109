package whois_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/whois"
	"github.com/airtight-csirt/airtight/lookup"
)

// serve answers questions on loopback.
func serve(t testing.TB, answer func(conn net.Conn, question string)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				question, _ := bufio.NewReader(conn).ReadString('\n')
				answer(conn, strings.TrimSuffix(question, "\r\n"))
			}()
		}
	}()
	return listener.Addr().String()
}

// says answers every question with a text.
func says(text string) func(net.Conn, string) {
	return func(conn net.Conn, _ string) { io.WriteString(conn, text) }
}

func client(t testing.TB, config whois.Config) *whois.Client {
	t.Helper()
	c, err := whois.New(config)
	require.NoError(t, err)
	return c
}

func address(s string) lookup.Question {
	a := netip.MustParseAddr(s)
	return lookup.Question{Network: netip.PrefixFrom(a, a.BitLen())}
}

const network = "inetnum: 192.0.2.0 - 192.0.2.255\nnetname: EXAMPLE\n"

func TestAsk(t *testing.T) {
	var asked []string
	server := serve(t, func(conn net.Conn, question string) {
		asked = append(asked, question)
		fmt.Fprint(conn, "% Abuse contact for '192.0.2.0 - 192.0.2.255' is 'abuse@example.org'\n\n"+network)
	})
	c := client(t, whois.Config{Servers: []whois.Server{
		{Name: "WHOIS.example.net", Address: server, Networks: true, Network: "n + %s", AS: "a + %s", Domains: []string{"example", "."}, Domain: "domain %s"},
	}})
	answer, err := c.Ask(t.Context(), address("192.0.2.7"))
	require.NoError(t, err)
	require.Equal(t, []string{"abuse@example.org"}, answer.Abuse())
	require.Equal(t, "whois.example.net", answer.Server)
	require.Equal(t, "192.0.2.0 192.0.2.255 EXAMPLE", fmt.Sprint(answer.First, answer.Last, " ", answer.Name))
	require.WithinDuration(t, time.Now(), answer.Fetched, time.Minute)
	_, err = c.Ask(t.Context(), lookup.Question{AS: 64500})
	require.NoError(t, err)
	_, err = c.Ask(t.Context(), lookup.Question{Domain: "www.example.org"})
	require.NoError(t, err)
	require.Equal(t, []string{"n + 192.0.2.7", "a + AS64500", "domain www.example.org"}, asked)
}

// TestReferrals follows referrals to configured servers until there is an abuse contact.
func TestReferrals(t *testing.T) {
	second := serve(t, says(network+"abuse-mailbox: abuse@example.org\n"))
	first := func(referral string) string {
		return serve(t, says("NetRange: 192.0.0.0 - 192.0.255.255\nNetType: Early Registrations, Transferred to another\nOrgAbuseEmail: not-this-one@example.net\nReferralServer: "+referral+"\n"))
	}
	ask := func(servers ...whois.Server) (lookup.Registration, error) {
		servers[0].Networks = true
		return client(t, whois.Config{Servers: servers}).Ask(t.Context(), address("192.0.2.7"))
	}
	target := whois.Server{Name: "whois.example.org", Address: second}

	for _, form := range []string{"whois://whois.example.org:43", "whois://WHOIS.example.org", "whois.example.org", "whois.example.org:43"} {
		answer, err := ask(whois.Server{Name: "first", Address: first(form)}, target)
		require.NoError(t, err, form)
		require.Equal(t, []string{"abuse@example.org"}, answer.Abuse(), form)
		require.Equal(t, "whois.example.org", answer.Server)
	}
	for form, noted := range map[string]string{
		"whois://whois.elsewhere.example": "whois.elsewhere.example", "rwhois://whois.example.org:4321": "rwhois://whois.example.org:4321",
		"whois://whois.example.org:4343": "whois.example.org:4343",
	} {
		answer, err := ask(whois.Server{Name: "first", Address: first(form)}, target)
		require.NoError(t, err, form)
		require.Equal(t, noted, answer.Referral, "only configured servers are asked")
		require.Empty(t, answer.Abuse(), "of a network that another registry has got")
	}
	iana := "% IANA WHOIS server\n\nrefer:        whois.example.org\n\n%s\norganisation: Example registry\nstatus:       ALLOCATED\n\nwhois:        whois.example.org\n\nsource:       IANA\n"
	for q, block := range map[lookup.Question]string{address("192.0.2.7"): "inetnum:      192.0.0.0 - 192.255.255.255", {AS: 64500}: "as-block:     64500-64510"} {
		root := serve(t, says(strings.Replace(iana, "%s", block, 1)))
		answer, err := client(t, whois.Config{Servers: []whois.Server{{Name: "whois.iana.example", Address: root, Networks: true}, target}}).Ask(t.Context(), q)
		require.NoError(t, err, q)
		require.Equal(t, []string{"abuse@example.org"}, answer.Abuse(), q)
	}
	knows := serve(t, says("Domain Name: example.org\nRegistrar WHOIS Server: whois.example.org\nRegistrar Abuse Contact Email: enough@example.net\n"))
	answer, err := ask(whois.Server{Name: "first", Address: knows}, target)
	require.NoError(t, err)
	require.Equal(t, "first", answer.Server, "who names an abuse contact has the last word")

	answer, err = ask(whois.Server{Name: "first", Address: first("second")}, whois.Server{Name: "second", Address: second})
	require.NoError(t, err)
	require.Empty(t, answer.Referral, "no name of a host")

	answer, err = ask(whois.Server{Name: "a.example", Address: first("b.example")}, whois.Server{Name: "b.example", Address: first("a.example")})
	require.ErrorContains(t, err, "refers back to a.example")
	require.Equal(t, "b.example", answer.Server)
	var chain []whois.Server
	for i := range 8 {
		chain = append(chain, whois.Server{Name: fmt.Sprintf("s%d.example", i), Address: first(fmt.Sprintf("s%d.example", i+1))})
	}
	answer, err = ask(chain...)
	require.ErrorContains(t, err, "more than 4 referrals")
	require.Equal(t, "s4.example", answer.Server)

	answer, err = ask(whois.Server{Name: "first", Address: first("whois.example.org")}, whois.Server{Name: "whois.example.org", Address: serve(t, says(""))})
	require.ErrorContains(t, err, "nothing in the answer")
	require.Equal(t, "first", answer.Server, "what was read stays")
}

func TestCharsets(t *testing.T) {
	for name, server := range map[string]whois.Server{
		"utf-8":   {Address: serve(t, says(network+"descr: Bücher\n"))},
		"default": {Address: serve(t, says(network+"descr: B\xfccher\n"))},
		"koi8-r":  {Charset: "koi8-r", Address: serve(t, says(network+"descr: \xeb\xce\xc9\xc7\xc9\n"))},
		"euc-kr":  {Charset: "euc-kr", Address: serve(t, says(network+"descr: \xc7\xd1\xb1\xb9\n"))},
		"escapes": {Address: serve(t, says(network+"descr: \x1b$BF|K\\\x1b(B\n"))},
		"wrong":   {Charset: "euc-kr", Address: serve(t, says(network+"descr: \xff\xfe\x00 x\x07y\n"))},
	} {
		server.Name, server.Networks = "whois.example.net", true
		answer, err := client(t, whois.Config{Servers: []whois.Server{server}}).Ask(t.Context(), address("192.0.2.7"))
		require.NoError(t, err, name)
		want := map[string]string{"utf-8": "Bücher", "default": "Bücher", "koi8-r": "Книги", "euc-kr": "한국", "escapes": "日本"}[name]
		if want != "" {
			require.Equal(t, want, answer.Organisation, name)
		}
		require.Equal(t, "EXAMPLE", answer.Name, name)
		require.NotContains(t, answer.Text+answer.Organisation, "\x00")
		require.NotContains(t, answer.Text, "\x07")
	}
}

// TestBadServers asks servers that are down, slow, endless or lie: all end in
// time, and memory stays bounded.
func TestBadServers(t *testing.T) {
	endless := func(text string) func(net.Conn, string) {
		bytes := []byte(text)
		return func(conn net.Conn, _ string) {
			for {
				if _, err := conn.Write(bytes); err != nil {
					return
				}
			}
		}
	}
	hang := func(conn net.Conn, _ string) { io.WriteString(conn, network); io.Copy(io.Discard, conn) }
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed.Close()
	for name, test := range map[string]struct {
		address string
		want    error
		read    bool // something could be read
	}{
		"down":          {closed.Addr().String(), nil, false},
		"hangs":         {serve(t, hang), context.DeadlineExceeded, true},
		"endless lines": {serve(t, endless(network+"\n")), lookup.ErrTooLong, true},
		"many lines":    {serve(t, says(network+strings.Repeat("\n", 10_000))), lookup.ErrTooLong, true},
		"endless line":  {serve(t, endless("x")), nil, false},
		"empty":         {serve(t, says("")), nil, false},
		"refuses":       {serve(t, says("%ERROR:201: access denied, query limit exceeded\n")), nil, false},
		"unknown":       {serve(t, says("%ERROR:101: no entries found\n")), lookup.ErrUnknown, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, whois.Config{Timeout: 300 * time.Millisecond, Servers: []whois.Server{{Name: "bad.example", Address: test.address, Networks: true}}})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			answer, err := c.Ask(t.Context(), address("192.0.2.7"))
			runtime.ReadMemStats(&after)
			require.Error(t, err)
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
			} else {
				require.NotErrorIs(t, err, lookup.ErrUnknown)
			}
			require.Equal(t, test.read, answer.First.IsValid())
			// Twenty times the answer as documented, and as much for the servers of this test.
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(40*256<<10))
			require.LessOrEqual(t, len(answer.Text), lookup.MaxRegistryText)
		})
	}
}

// TestPace leaves a server alone that fails or refuses time after time.
func TestPace(t *testing.T) {
	var asked atomic.Int32
	c := client(t, whois.Config{Servers: []whois.Server{{Name: "bad.example", Networks: true, Address: serve(t, func(conn net.Conn, _ string) {
		asked.Add(1)
		io.WriteString(conn, "Query rate limit exceeded\n")
	})}}})
	for range 3 {
		_, err := c.Ask(t.Context(), address("192.0.2.7"))
		require.ErrorContains(t, err, "refuses")
	}
	_, err := c.Ask(t.Context(), address("192.0.2.7"))
	require.ErrorIs(t, err, lookup.ErrResting)
	require.EqualValues(t, 3, asked.Load())
}

func TestGiveUp(t *testing.T) {
	asked := make(chan struct{})
	c := client(t, whois.Config{Timeout: time.Hour, Servers: []whois.Server{{Name: "slow.example", Networks: true, Address: serve(t, func(conn net.Conn, _ string) {
		close(asked)
		io.Copy(io.Discard, conn)
	})}}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err := c.Ask(ctx, address("192.0.2.7"))
	require.ErrorIs(t, err, context.Canceled)
}

func TestNew(t *testing.T) {
	for want, servers := range map[string][]whois.Server{
		"none to ask first": {{Name: "whois.example.net"}},
		"is empty":          {{Networks: true}},
		"there twice":       {{Name: "a", Networks: true}, {Name: "A"}},
		"both first for n":  {{Name: "a", Networks: true}, {Name: "b", Networks: true}},
		"both first for d":  {{Name: "a", Domains: []string{"org"}}, {Name: "b", Domains: []string{".ORG"}}},
		"one %s":            {{Name: "a", Networks: true, Network: "n %s\r\n%s"}},
		"charset":           {{Name: "a", Networks: true, Charset: "klingon"}},
	} {
		_, err := whois.New(whois.Config{Servers: servers})
		require.ErrorContains(t, err, want)
	}
	_, err := whois.New(whois.Config{MaxBytes: -1})
	require.ErrorContains(t, err, "below zero")
	c := client(t, whois.Config{Servers: []whois.Server{{Name: "whois.example.net", Domains: []string{"org"}}}})
	for _, q := range []lookup.Question{address("192.0.2.7"), {AS: 64500}, {Domain: "example.net"}, {Domain: "notorg"}} {
		_, err = c.Ask(t.Context(), q)
		require.ErrorIs(t, err, lookup.ErrNoServer)
	}
	require.False(t, errors.Is(err, lookup.ErrUnknown))
}

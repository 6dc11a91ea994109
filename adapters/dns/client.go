package dns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/airtight-csirt/airtight/lookup"
)

// Config says whom a [Client] asks. Servers is required; every other field may be
// zero.
type Config struct {
	// Servers are recursive resolvers, like 192.0.2.53:53, in the order to ask;
	// the next one is asked when one fails.
	Servers []string

	// Origin4 and Origin6 are the zones with the announcements of addresses in
	// the form that Team Cymru made: the octets or nibbles in reverse below the
	// zone, TXT records "64500 | 192.0.2.0/24 | ...". Empty: not asked.
	Origin4, Origin6 string

	Timeout time.Duration // of one try, waiting for the Pace aside; default 3 seconds
	Most    int           // records taken of an answer; default 50
	Pace    lookup.Pace   // for each server; its defaults here: every 10 ms, 20 at once, 8 at a time
}

// udpSize is what an answer over UDP may have (RFC 9715 3.2).
const udpSize = 1232

// Client asks resolvers. Make one with [New]; any number of goroutines may use it. An answer has
// 64 KiB at most, as the protocol says.
type Client struct {
	config Config
	pacer  *lookup.Pacer
}

var _ lookup.Resolver = (*Client)(nil)

// New returns a client. The error says what is missing or wrong.
func New(config Config) (*Client, error) {
	if len(config.Servers) == 0 {
		return nil, errors.New("dns: Config.Servers is empty: name a recursive resolver, like 192.0.2.53:53")
	}
	for _, s := range config.Servers {
		if _, err := netip.ParseAddrPort(s); err != nil {
			return nil, fmt.Errorf("dns: server %q: allowed are an address and a port, like 192.0.2.53:53", s)
		}
	}
	for _, zone := range []string{config.Origin4, config.Origin6} {
		if _, ok := dns.IsDomainName(zone); zone != "" && !ok {
			return nil, fmt.Errorf("dns: zone %q is no domain name", zone)
		}
	}
	if config.Timeout < 0 || config.Most < 0 {
		return nil, errors.New("dns: Timeout or Most is below zero: allowed are 0 for the default and more")
	}
	config.Timeout = cmp.Or(config.Timeout, 3*time.Second)
	config.Most = cmp.Or(config.Most, 50)
	config.Pace.Every = cmp.Or(config.Pace.Every, 10*time.Millisecond)
	config.Pace.Burst = cmp.Or(config.Pace.Burst, 20)
	config.Pace.Concurrent = cmp.Or(config.Pace.Concurrent, 8)
	config.Servers = slices.Clone(config.Servers)
	pacer, err := lookup.NewPacer(config.Pace)
	if err != nil {
		return nil, err
	}
	return &Client{config: config, pacer: pacer}, nil
}

// Addresses implements [lookup.Resolver]: A and AAAA records, those of IPv4 first.
func (c *Client) Addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	name, err := absolute(host)
	if err != nil {
		return nil, err
	}
	var list []netip.Addr
	var failed []error
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		answer, err := c.ask(ctx, name, kind)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for _, record := range records(answer, name, kind, c.config.Most) {
			var ip net.IP
			switch record := record.(type) {
			case *dns.A:
				ip = record.A
			case *dns.AAAA:
				ip = record.AAAA
			}
			if a, ok := netip.AddrFromSlice(ip); ok {
				list = append(list, a.Unmap())
			}
		}
	}
	return list, found(len(list), host, failed...)
}

// found returns the error of an answer: with something found there is none but failures.
func found(n int, what string, failed ...error) error {
	var real []error
	for _, err := range failed {
		if !errors.Is(err, lookup.ErrUnknown) {
			real = append(real, err)
		}
	}
	if n == 0 && len(real) == 0 {
		return fmt.Errorf("dns: %w: %s", lookup.ErrUnknown, what)
	}
	return errors.Join(real...)
}

// Names implements [lookup.Resolver]: PTR records (RFC 1035 3.5, RFC 3596 2.5).
func (c *Client) Names(ctx context.Context, a netip.Addr) ([]string, error) {
	name, err := dns.ReverseAddr(a.Unmap().WithZone("").String())
	if err != nil {
		return nil, fmt.Errorf("dns: %w", err)
	}
	answer, err := c.ask(ctx, name, dns.TypePTR)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, record := range records(answer, name, dns.TypePTR, c.config.Most) {
		if s := host(record.(*dns.PTR).Ptr); s != "" && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list, found(len(list), a.String())
}

// Mail implements [lookup.Resolver]. The SOA record may be that of a zone above the domain.
func (c *Client) Mail(ctx context.Context, domain string) (lookup.DomainMail, error) {
	var m lookup.DomainMail
	name, err := absolute(domain)
	if err != nil {
		return m, err
	}
	var failed []error
	answer, err := c.ask(ctx, name, dns.TypeMX)
	if err != nil {
		failed = append(failed, err)
	} else {
		var list []*dns.MX
		for _, record := range records(answer, name, dns.TypeMX, c.config.Most) {
			list = append(list, record.(*dns.MX))
		}
		slices.SortStableFunc(list, func(a, b *dns.MX) int { return cmp.Compare(a.Preference, b.Preference) })
		for _, mx := range list {
			if s := host(mx.Mx); s != "" { // "." is a null MX, RFC 7505
				m.Hosts = append(m.Hosts, s)
			}
		}
	}
	// NXDOMAIN comes with the SOA of the zone, too (RFC 2308).
	answer, err = c.exchange(ctx, name, dns.TypeSOA)
	if err != nil {
		failed = append(failed, err)
	} else {
		for _, record := range append(answer.Answer, answer.Ns...) {
			if soa, ok := record.(*dns.SOA); ok && dns.IsSubDomain(soa.Hdr.Name, name) && soa.Hdr.Name != "." {
				m.Authority, m.Contact = host(soa.Hdr.Name), mailbox(soa.Mbox)
				break
			}
		}
	}
	return m, found(len(m.Hosts)+len(m.Contact), domain, failed...)
}

// mailbox reads a mailbox as SOA has it: the first label is the local part, with
// dots escaped (RFC 1035 8).
func mailbox(name string) string {
	labels := dns.SplitDomainName(name)
	if len(labels) < 2 {
		return ""
	}
	s := strings.ReplaceAll(labels[0], `\.`, ".") + "@" + strings.Join(labels[1:], ".")
	if s, ok := lookup.RegistryAddress(s); ok {
		return s
	}
	return ""
}

// Origins implements [lookup.Resolver]. An announcement by several systems is
// several origins.
func (c *Client) Origins(ctx context.Context, a netip.Addr) ([]lookup.Origin, error) {
	a = a.Unmap().WithZone("")
	zone, arpa := c.config.Origin4, ".in-addr.arpa."
	if a.Is6() {
		zone, arpa = c.config.Origin6, ".ip6.arpa."
	}
	if zone == "" {
		return nil, fmt.Errorf("dns: origin of %s: %w", a, lookup.ErrNoServer)
	}
	name, err := dns.ReverseAddr(a.String())
	if err != nil {
		return nil, fmt.Errorf("dns: %w", err)
	}
	name = strings.TrimSuffix(name, arpa) + "." + dns.Fqdn(zone)
	answer, err := c.ask(ctx, name, dns.TypeTXT)
	if err != nil {
		return nil, err
	}
	var list []lookup.Origin
	for _, record := range records(answer, name, dns.TypeTXT, c.config.Most) {
		fields := strings.Split(strings.Join(record.(*dns.TXT).Txt, ""), "|")
		if len(fields) < 2 {
			continue
		}
		prefix, err := netip.ParsePrefix(strings.TrimSpace(fields[1]))
		if err != nil || !prefix.Contains(a) {
			continue
		}
		for number := range strings.FieldsSeq(fields[0]) {
			if n, err := strconv.ParseUint(number, 10, 32); err == nil && n > 0 && len(list) < c.config.Most {
				list = append(list, lookup.Origin{AS: uint32(n), Prefix: prefix.Masked()})
			}
		}
	}
	return list, found(len(list), a.String())
}

// absolute returns a host name with its dot at the end.
func absolute(name string) (string, error) {
	labels, ok := dns.IsDomainName(name)
	if !ok || labels == 0 || name == "." || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("dns: %q is no name to ask for: write others than ASCII as A-labels", lookup.RegistryField(name))
	}
	return dns.CanonicalName(name), nil
}

// host makes a name of an answer fit to show: lower case, no dot at the end.
func host(name string) string {
	return strings.ToLower(strings.TrimSuffix(lookup.RegistryField(name), "."))
}

// records returns those of a kind that belong to a name, directly or by CNAME.
func records(answer *dns.Msg, name string, kind uint16, most int) (list []dns.RR) {
	for range 10 { // longer chains are loops
		next := ""
		for _, record := range answer.Answer {
			switch header := record.Header(); {
			case !strings.EqualFold(header.Name, name):
			case header.Rrtype == kind && len(list) < most:
				list = append(list, record)
			case header.Rrtype == dns.TypeCNAME:
				next = record.(*dns.CNAME).Target
			}
		}
		if next == "" || len(list) > 0 {
			break
		}
		name = next
	}
	return list
}

// ask returns an answer with records; others are ErrUnknown.
func (c *Client) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	answer, err := c.exchange(ctx, name, kind)
	if err == nil && (answer.Rcode == dns.RcodeNameError || len(answer.Answer) == 0) {
		err = fmt.Errorf("dns: %w: %s", lookup.ErrUnknown, host(name))
	}
	return answer, err
}

// exchange asks the servers in order until one answers.
func (c *Client) exchange(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	var failed []error
	for _, server := range c.config.Servers {
		var answer *dns.Msg
		err := c.pacer.Do(ctx, server, func(ctx context.Context) (err error) {
			question := new(dns.Msg).SetQuestion(name, kind)
			question.SetEdns0(udpSize, false)
			for _, network := range []string{"udp", "tcp"} {
				if answer, err = c.once(ctx, network, server, question); err != nil || !answer.Truncated {
					break
				}
			}
			return err
		})
		if err == nil {
			return answer, nil
		}
		failed = append(failed, fmt.Errorf("dns: %s: %w", server, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failed...)
}

// once asks one server once. What does not answer the question is an error, so that
// nobody who guesses a number can answer for the server.
func (c *Client) once(ctx context.Context, network, server string, question *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	client := dns.Client{Net: network, Timeout: c.config.Timeout, UDPSize: udpSize}
	conn, err := client.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	answer, _, err := client.ExchangeWithConnContext(ctx, question, conn)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	switch {
	case err != nil:
		return nil, err
	case !answer.Response || len(answer.Question) != 1 || !strings.EqualFold(answer.Question[0].Name, question.Question[0].Name) || answer.Question[0].Qtype != question.Question[0].Qtype:
		return nil, errors.New("the answer is to another question")
	case answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("the server says %s", dns.RcodeToString[answer.Rcode])
	}
	return answer, nil
}

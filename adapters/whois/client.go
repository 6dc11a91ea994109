package whois

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"

	"github.com/airtight-csirt/airtight/lookup"
)

// Server is a whois server that may be asked.
type Server struct {
	Name     string   // as referrals call it: whois.example.net
	Address  string   // to connect to; default Name and port 43
	Networks bool     // ask it first about networks and AS numbers
	Domains  []string // ask it first about these domains and what is below them; "." for all others
	Charset  string   // of what it sends when that is no UTF-8, like "euc-kr"; default windows-1252
	Network  string   // the line to send for a network, %s for what is asked: "n + %s"; default "%s"
	AS       string   // the same for AS numbers, AS64500
	Domain   string   // the same for domains
}

// Config says which servers a [Client] asks. Servers is required; every other
// field may be zero.
type Config struct {
	Servers      []Server
	Timeout      time.Duration // for each server, waiting for the Pace aside; default 10 seconds
	MaxBytes     int64         // of an answer; what is behind is not read; default 256 KiB
	MaxReferrals int           // default 4
	Pace         lookup.Pace   // for each server
	Dial         func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client asks whois servers. Make one with [New]; any number of goroutines may
// use it. A question costs at most about 20 times MaxBytes of memory while it is asked.
type Client struct {
	config  Config
	servers map[string]*server // by name, lower case
	first   *server            // for networks and AS numbers; may be nil
	domains map[string]*server
	pacer   *lookup.Pacer
}

type server struct {
	Server
	charset encoding.Encoding
}

var _ lookup.Registry = (*Client)(nil)

// New returns a client. The error says what is missing or wrong.
func New(config Config) (*Client, error) {
	if config.Timeout < 0 || config.MaxBytes < 0 || config.MaxReferrals < 0 {
		return nil, errors.New("whois: Timeout, MaxBytes or MaxReferrals is below zero: allowed are 0 for the default and more")
	}
	config.Timeout = cmp.Or(config.Timeout, 10*time.Second)
	config.MaxBytes = cmp.Or(config.MaxBytes, 256<<10)
	config.MaxReferrals = cmp.Or(config.MaxReferrals, 4)
	if config.Dial == nil {
		config.Dial = new(net.Dialer).DialContext
	}
	pacer, err := lookup.NewPacer(config.Pace)
	if err != nil {
		return nil, err
	}
	c := &Client{config: config, servers: map[string]*server{}, domains: map[string]*server{}, pacer: pacer}
	for _, s := range config.Servers {
		if err := c.add(s); err != nil {
			return nil, err
		}
	}
	if c.first == nil && len(c.domains) == 0 {
		return nil, errors.New("whois: Config.Servers has none to ask first: set Networks or Domains of one")
	}
	return c, nil
}

func (c *Client) add(s Server) error {
	s.Name = strings.ToLower(s.Name)
	if s.Name == "" || c.servers[s.Name] != nil {
		return fmt.Errorf("whois: Config.Servers: name %q is empty or there twice", s.Name)
	}
	s.Address = cmp.Or(s.Address, net.JoinHostPort(s.Name, "43"))
	for _, line := range []*string{&s.Network, &s.AS, &s.Domain} {
		*line = cmp.Or(*line, "%s")
		if strings.Count(*line, "%s") != 1 || strings.ContainsAny(*line, "\r\n") {
			return fmt.Errorf("whois: server %s: line %q: allowed is one line with one %%s", s.Name, *line)
		}
	}
	charset, err := htmlindex.Get(cmp.Or(s.Charset, "windows-1252"))
	if err != nil {
		return fmt.Errorf("whois: server %s: charset %q: allowed are the names of the WHATWG encoding standard", s.Name, s.Charset)
	}
	added := &server{s, charset}
	c.servers[s.Name] = added
	if s.Networks {
		if c.first != nil {
			return fmt.Errorf("whois: servers %s and %s are both first for networks", c.first.Name, s.Name)
		}
		c.first = added
	}
	for _, d := range s.Domains {
		d = strings.ToLower(strings.Trim(d, "."))
		if c.domains[d] != nil {
			return fmt.Errorf("whois: servers %s and %s are both first for domain %q", c.domains[d].Name, s.Name, d)
		}
		c.domains[d] = added
	}
	return nil
}

// start returns the server to ask first, and nil without one.
func (c *Client) start(q lookup.Question) *server {
	if q.Domain == "" {
		return c.first
	}
	for name := range q.Domains() {
		if s := c.domains[name]; s != nil {
			return s
		}
	}
	return nil
}

// Ask implements [lookup.Registry]. A referral to a configured server is followed
// when the answer names no abuse contact; the last answer counts, and one that
// cannot be had leaves the one before, with an error.
func (c *Client) Ask(ctx context.Context, q lookup.Question) (lookup.Registration, error) {
	s := c.start(q)
	if s == nil {
		return lookup.Registration{}, fmt.Errorf("whois: %w of %s", lookup.ErrNoServer, q)
	}
	answer, err := c.ask(ctx, s, q)
	asked := map[*server]bool{}
	for range c.config.MaxReferrals {
		asked[s] = true
		if err != nil || answer.Referral == "" || len(answer.Abuse()) > 0 {
			return answer, err
		}
		if s = c.servers[answer.Referral]; s == nil {
			return answer, nil
		}
		if asked[s] {
			return answer, fmt.Errorf("whois: %s refers back to %s", answer.Server, s.Name)
		}
		next, err := c.ask(ctx, s, q)
		if err != nil && next.Handle == "" && next.Name == "" && !next.First.IsValid() {
			return answer, err
		}
		answer = next
	}
	if answer.Referral != "" && len(answer.Abuse()) == 0 {
		err = errors.Join(err, fmt.Errorf("whois: more than %d referrals for %s", c.config.MaxReferrals, q))
	}
	return answer, err
}

// ask asks one server.
func (c *Client) ask(ctx context.Context, s *server, q lookup.Question) (answer lookup.Registration, err error) {
	line := s.Domain
	if q.Network.IsValid() {
		line = s.Network
	} else if q.AS != 0 {
		line = s.AS
	}
	line = strings.Replace(line, "%s", q.String(), 1)
	var unknown, long bool
	err = c.pacer.Do(ctx, s.Name, func(ctx context.Context) error {
		data, err := c.exchange(ctx, s, line)
		if int64(len(data)) > c.config.MaxBytes {
			data, long = data[:c.config.MaxBytes], true
		}
		var readErr error
		answer, readErr = Parse(data, s.charset)
		answer.Server, answer.Fetched = s.Name, time.Now()
		if errors.Is(readErr, lookup.ErrTooLong) {
			long, readErr = true, nil
		}
		if unknown = errors.Is(readErr, lookup.ErrUnknown); unknown && err == nil {
			return nil
		}
		if err == nil || len(data) == 0 {
			err = errors.Join(err, readErr)
		}
		return err
	})
	switch {
	case err != nil:
		return answer, fmt.Errorf("whois: %s: %w", s.Name, err)
	case long:
		return answer, fmt.Errorf("whois: %s: %w: more than %d bytes or %d lines", s.Name, lookup.ErrTooLong, c.config.MaxBytes, maxLines)
	case unknown:
		return answer, fmt.Errorf("whois: %w: %s at %s", lookup.ErrUnknown, q, s.Name)
	}
	return answer, nil
}

// exchange sends a line and reads until the server closes, one byte more than
// allowed at most. An error comes with what was read.
func (c *Client) exchange(ctx context.Context, s *server, line string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	conn, err := c.config.Dial(ctx, "tcp", s.Address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(conn, line+"\r\n"); err != nil {
		return nil, err
	}
	var data bytes.Buffer
	_, err = data.ReadFrom(io.LimitReader(conn, c.config.MaxBytes+1))
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return data.Bytes(), err
}

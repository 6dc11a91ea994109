package rdap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/lookup"
)

// Config says which servers a [Client] asks. One of Bootstrap and Server is
// required; every other field may be zero.
type Config struct {
	Bootstrap Bootstrap // who answers for what
	Server    string    // URL of the server to ask where Bootstrap knows none
	Others    []string  // URLs of servers that may only be redirected to

	Transport    http.RoundTripper // default: one of its own, with the proxy of the environment
	Timeout      time.Duration     // for a request, waiting for the Pace aside; default 10 seconds
	MaxBytes     int64             // of an answer, unpacked; what is behind is not read; default 1 MiB
	MaxRedirects int               // default 4
	Pace         lookup.Pace       // for each host
	Agent        string            // User-Agent; default "airtight"
}

// Client asks RDAP servers. Make one with [New]; any number of goroutines may use it.
//
// A question costs at most 40 times MaxBytes of memory while it is asked.
type Client struct {
	config Config
	server *url.URL
	hosts  map[string]bool
	http   *http.Client
	pacer  *lookup.Pacer
}

var _ lookup.Registry = (*Client)(nil)

// New returns a client. The error says what is missing or wrong.
func New(config Config) (*Client, error) {
	if config.Timeout < 0 || config.MaxBytes < 0 || config.MaxRedirects < 0 {
		return nil, errors.New("rdap: Timeout, MaxBytes or MaxRedirects is below zero: allowed are 0 for the default and more")
	}
	config.Timeout = cmp.Or(config.Timeout, 10*time.Second)
	config.MaxBytes = cmp.Or(config.MaxBytes, 1<<20)
	config.MaxRedirects = cmp.Or(config.MaxRedirects, 4)
	config.Agent = cmp.Or(config.Agent, "airtight")
	pacer, err := lookup.NewPacer(config.Pace)
	if err != nil {
		return nil, err
	}
	c := &Client{config: config, hosts: map[string]bool{}, pacer: pacer}
	config.Bootstrap.hosts(c.hosts)
	for i, s := range append([]string{config.Server}, config.Others...) {
		if i == 0 && s == "" {
			continue
		}
		u, err := base(s)
		if err != nil {
			return nil, fmt.Errorf("rdap: Config: %w", err)
		}
		c.hosts[u.Host] = true
		if i == 0 {
			c.server = u
		}
	}
	if c.server == nil && config.Bootstrap.networks == nil {
		return nil, errors.New("rdap: Config has no server to ask: set Bootstrap or Server")
	}
	if config.Transport == nil {
		t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
		t.MaxResponseHeaderBytes, t.MaxIdleConnsPerHost, t.IdleConnTimeout = 64<<10, 2, time.Minute
		t.TLSHandshakeTimeout = config.Timeout
		config.Transport = t
	}
	c.http = &http.Client{
		Transport:     config.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Ask implements [lookup.Registry]. A redirect is followed to configured hosts,
// and from https to https only.
func (c *Client) Ask(ctx context.Context, q lookup.Question) (lookup.Registration, error) {
	server := c.config.Bootstrap.server(q)
	if server == nil {
		server = c.server
	}
	if server == nil {
		return lookup.Registration{}, fmt.Errorf("rdap: %w of %s", lookup.ErrNoServer, q)
	}
	at := *server
	at.Path = path.Join("/", at.Path, segments(q))
	at.RawPath = ""
	seen := map[string]bool{}
	for range c.config.MaxRedirects + 1 {
		if seen[at.String()] {
			return lookup.Registration{}, fmt.Errorf("rdap: %s redirects in a circle", at.Host)
		}
		seen[at.String()] = true
		status, next, body, err := c.get(ctx, &at)
		if err != nil {
			var answer lookup.Registration
			if len(body) > 0 {
				answer, _ = Parse(body)
				answer.Server, answer.Fetched = at.Host, time.Now()
			}
			return answer, err
		}
		if next != nil {
			next.Host = strings.ToLower(next.Host)
			if !c.hosts[next.Host] || next.User != nil || next.Scheme != "https" && next.Scheme != at.Scheme {
				return lookup.Registration{}, fmt.Errorf("rdap: %s redirects to %s, which is not allowed: add it to Config.Others", at.Host, lookup.RegistryField(next.Redacted()))
			}
			at = *next
			continue
		}
		switch {
		case status == http.StatusNotFound:
			return lookup.Registration{}, fmt.Errorf("rdap: %w: %s at %s", lookup.ErrUnknown, q, at.Host)
		case status != http.StatusOK:
			return lookup.Registration{}, fmt.Errorf("rdap: %s answers with status %d", at.Host, status)
		}
		long := int64(len(body)) > c.config.MaxBytes
		if long {
			body = body[:c.config.MaxBytes]
		}
		answer, err := Parse(body)
		answer.Server, answer.Fetched = at.Host, time.Now()
		if long {
			err = fmt.Errorf("rdap: %s: %w: more than %d bytes", at.Host, lookup.ErrTooLong, c.config.MaxBytes)
		}
		return answer, err
	}
	return lookup.Registration{}, fmt.Errorf("rdap: %s redirects more than %d times", server.Host, c.config.MaxRedirects)
}

// segments returns the path of a question below that of the server (RFC 9082 3.1).
func segments(q lookup.Question) string {
	switch {
	case q.Network.IsValid():
		return "ip/" + q.String()
	case q.AS != 0:
		return "autnum/" + strings.TrimPrefix(q.String(), "AS")
	}
	return "domain/" + q.Domain
}

// get makes one request. A body has up to one byte more than allowed.
func (c *Client) get(ctx context.Context, at *url.URL) (status int, next *url.URL, body []byte, err error) {
	err = c.pacer.Do(ctx, at.Host, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
		if err != nil {
			return fmt.Errorf("rdap: %w", err)
		}
		request.Header.Set("Accept", "application/rdap+json, application/json;q=0.9")
		request.Header.Set("User-Agent", c.config.Agent)
		response, err := c.http.Do(request)
		if err != nil {
			return fmt.Errorf("rdap: %w", err)
		}
		defer response.Body.Close()
		status = response.StatusCode
		switch {
		case status == http.StatusTooManyRequests || status >= 500:
			return fmt.Errorf("rdap: %s answers with status %d", at.Host, status)
		case status >= 300 && status < 400:
			if next, err = response.Location(); err != nil {
				return fmt.Errorf("rdap: %s redirects to nowhere: %w", at.Host, err)
			}
			return nil
		case status != http.StatusOK:
			return nil
		}
		if body, err = io.ReadAll(io.LimitReader(response.Body, c.config.MaxBytes+1)); err != nil {
			return fmt.Errorf("rdap: reading from %s: %w", at.Host, err)
		}
		return nil
	})
	return status, next, body, err
}

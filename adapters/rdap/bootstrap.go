package rdap

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/airtight-csirt/airtight/lookup"
)

// maxBootstrap is the size of the largest bootstrap file read. That of the
// domains has about 100 KB.
const maxBootstrap = 8 << 20

// Bootstrap says which server answers for what: one or several bootstrap
// files (RFC 9224). The zero Bootstrap knows none. It does not change while it is
// used.
type Bootstrap struct {
	networks map[netip.Prefix]*url.URL
	domains  map[string]*url.URL
	systems  []systems
}

type systems struct {
	first, last uint32
	server      *url.URL
}

// Read adds a bootstrap file, 8 MiB at most: networks, domains and AS
// numbers in any mixture. The error names every entry and URL that was left out;
// the others count. Entries read first win.
func (b *Bootstrap) Read(r io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(r, maxBootstrap+1))
	if err != nil {
		return fmt.Errorf("rdap: bootstrap: %w", err)
	}
	if len(data) > maxBootstrap {
		return fmt.Errorf("rdap: bootstrap: more than %d bytes", maxBootstrap)
	}
	var file struct {
		Version  string              `json:"version"`
		Services [][]json.RawMessage `json:"services"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return fmt.Errorf("rdap: bootstrap: no such file (RFC 9224 3): %w", err)
	}
	if file.Version != "1.0" {
		return fmt.Errorf("rdap: bootstrap: version %q: allowed is 1.0", lookup.RegistryField(file.Version))
	}
	if b.networks == nil {
		b.networks, b.domains = map[netip.Prefix]*url.URL{}, map[string]*url.URL{}
	}
	var list []error
	for i, service := range file.Services {
		var entries, urls []string
		if n := len(service); n < 2 { // object tags have three, RFC 8521
			list = append(list, fmt.Errorf("rdap: bootstrap: service %d has %d lists: allowed are 2 and 3", i, n))
			continue
		} else if err := errors.Join(json.Unmarshal(service[n-2], &entries), json.Unmarshal(service[n-1], &urls)); err != nil {
			list = append(list, fmt.Errorf("rdap: bootstrap: service %d: %w", i, err))
			continue
		}
		server, err := best(urls)
		if err != nil {
			list = append(list, fmt.Errorf("rdap: bootstrap: service %d: %w", i, err))
			continue
		}
		for _, entry := range entries {
			if len(service) == 2 && !b.add(entry, server) {
				list = append(list, fmt.Errorf("rdap: bootstrap: service %d: %q is no network, domain or range of AS numbers", i, lookup.RegistryField(entry)))
			}
		}
	}
	return errors.Join(list...)
}

// best chooses https where there is a choice (RFC 9224 3).
func best(urls []string) (*url.URL, error) {
	var chosen *url.URL
	var list []error
	for _, s := range urls {
		u, err := base(s)
		if err != nil {
			list = append(list, err)
		} else if chosen == nil || chosen.Scheme == "http" && u.Scheme == "https" {
			chosen = u
		}
	}
	if chosen != nil {
		return chosen, nil
	}
	return nil, errors.Join(append(list, errors.New("no URL of a server"))...)
}

// base reads the URL of a server.
func base(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("%q is no server: allowed are URLs like https://rdap.example.net/", lookup.RegistryField(s))
	}
	u.Host, u.Fragment = strings.ToLower(u.Host), ""
	return u, nil
}

func (b *Bootstrap) add(entry string, server *url.URL) bool {
	if p, err := netip.ParsePrefix(entry); err == nil {
		if _, ok := b.networks[p.Masked()]; !ok {
			b.networks[p.Masked()] = server
		}
		return true
	}
	first, last, isRange := strings.Cut(entry, "-")
	if !isRange {
		last = first
	}
	low, err1 := strconv.ParseUint(first, 10, 32)
	high, err2 := strconv.ParseUint(last, 10, 32)
	if err1 == nil && err2 == nil && low <= high {
		b.systems = append(b.systems, systems{uint32(low), uint32(high), server})
		return true
	}
	if entry == "" || strings.ContainsFunc(entry, func(r rune) bool { return r <= ' ' || r == '/' || r == ':' }) {
		return false
	}
	name := strings.ToLower(strings.Trim(entry, "."))
	if _, ok := b.domains[name]; !ok {
		b.domains[name] = server
	}
	return true
}

// server returns who answers: by the longest prefix, the longest domain, the
// range of the number (RFC 9224 4, 5.1, 5.2, 5.3).
func (b *Bootstrap) server(q lookup.Question) *url.URL {
	switch {
	case q.Network.IsValid():
		for bits := q.Network.Bits(); bits >= 0; bits-- {
			if u := b.networks[netip.PrefixFrom(q.Network.Addr(), bits).Masked()]; u != nil {
				return u
			}
		}
	case q.AS != 0:
		for _, s := range b.systems {
			if s.first <= q.AS && q.AS <= s.last {
				return s.server
			}
		}
	default:
		for name := range q.Domains() {
			if u := b.domains[name]; u != nil {
				return u
			}
		}
	}
	return nil
}

// hosts adds the hosts of all servers to a set.
func (b *Bootstrap) hosts(into map[string]bool) {
	for _, u := range b.networks {
		into[u.Host] = true
	}
	for _, u := range b.domains {
		into[u.Host] = true
	}
	for _, s := range b.systems {
		into[s.server.Host] = true
	}
}

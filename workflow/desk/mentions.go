package desk

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// ErrNoTextSearch is returned for a search by words on a store that keeps none:
// see [storage.TextSearcher].
var ErrNoTextSearch = errors.New("desk: this store does not search texts: allowed are addresses, networks, host names, mail addresses, URLs, hashes and CVE ids")

// LookupDays is how many days ago a ticket may have been updated last to be found by
// [Session.Mentions], unless somebody says otherwise (JANET 3.8: two months).
const LookupDays = 60

// Lookup is what [Session.Mentions] is asked. One of Observable and Text is set.
type Lookup struct {
	// Observable is looked for as the policy of its kind has it: an address or network
	// that overlaps it; a host name and everything under it, in mail addresses and URLs
	// too; a mail address that is also requestor, copy or contact; anything else as it is.
	Observable incident.Observable

	// Text is words, all of which stand in one text of a ticket, in any order: a subject,
	// a message, a comment. Case and punctuation do not count.
	Text string

	Widen bool            // look in wider circles too: networks around an address, domains above a name
	Since time.Time       // last updated then or later; zero: [LookupDays] before now
	Ever  bool            // Since does not count: everything
	Kinds []incident.Kind // nil: all
	After *storage.Cursor // where the lists begin: the Next of a page before; needs one kind, and no Widen
}

// Mentions are the tickets that mention something (JANET 3.8): of every status, those
// that were rejected too (JANET 3.6).
type Mentions struct {
	Asked   string     `json:"asked"`
	Since   *time.Time `json:"since,omitempty"`
	Circles []Circle   `json:"circles"` // the narrowest first; one, unless it was to be widened

	// Neighbours are the open incidents of the same organisation, the newest first: of the constituency
	// that the directory gives to what was asked; where it knows none, of those that the
	// tickets of the narrowest circle have which is not empty.
	Constituencies []string `json:"constituencies,omitempty"`
	Neighbours     Page     `json:"neighbours"`
	Why            []string `json:"why,omitempty"` // why these constituencies
}

// Circle is one width of a search.
type Circle struct {
	What  string     `json:"what"`  // "192.0.2.0/24", "example.org and below"
	Total int        `json:"total"` // tickets of all kinds
	Lists []KindPage `json:"lists"` // one for each kind, the latest update first
}

// KindPage is a page of tickets of one kind.
type KindPage struct {
	Kind incident.Kind `json:"kind"`
	Page
}

// circle is what a store is asked for one width.
type circle struct {
	what  string
	query storage.Query
	words []string
}

// Mentions finds the tickets that mention something, those that the actor may see. The
// cost grows with what is found, and not with the store.
//
// Errors: one that says what can be asked; [ErrNoTextSearch]; those of the store.
func (s *Session) Mentions(ctx context.Context, l Lookup) (*Mentions, error) {
	circles, err := s.desk.circles(l)
	if err != nil {
		return nil, err
	}
	kinds := l.Kinds
	if len(kinds) == 0 {
		kinds = incident.Kinds()
	}
	if l.After != nil && (len(kinds) != 1 || l.Widen) {
		return nil, errors.New("desk: a page behind a place is one of a list: name one kind, and do not widen")
	}
	m := &Mentions{Asked: circles[0].what, Neighbours: Page{Rows: []Row{}, At: s.desk.now()}}
	if !l.Ever {
		since := l.Since
		if since.IsZero() {
			since = s.desk.now().AddDate(0, 0, -LookupDays)
		}
		m.Since = &since
	}
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		m.Circles = nil
		for _, c := range circles {
			found := Circle{What: c.what}
			for _, kind := range kinds {
				q := c.query
				q.Kinds, q.Order = []incident.Kind{kind}, []storage.Order{{Column: storage.ByUpdated, Descending: true}}
				if m.Since != nil {
					q.UpdatedSince = *m.Since
				}
				page, err := s.page(ctx, r, q, c.words, l.After)
				if err != nil {
					return err
				}
				found.Lists = append(found.Lists, KindPage{kind, page})
				found.Total += page.Total
			}
			m.Circles = append(m.Circles, found)
		}
		return s.neighbours(ctx, r, l, m)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// neighbours adds the open incidents of the same organisation.
func (s *Session) neighbours(ctx context.Context, r storage.Reader, l Lookup, m *Mentions) error {
	m.Constituencies, m.Why = nil, nil
	if d := s.desk.config.Directory; d != nil && l.Text == "" {
		if match := d.Match(l.Observable); match.Known() {
			m.Constituencies, m.Why = []string{match.Constituency.Name}, match.Why
		}
	}
	for _, c := range m.Circles {
		if len(m.Constituencies) > 0 {
			break
		}
		for _, list := range c.Lists {
			for _, row := range list.Rows {
				if row.Constituency != "" && !slices.Contains(m.Constituencies, row.Constituency) && len(m.Constituencies) < maxNeighbourhoods {
					m.Constituencies = append(m.Constituencies, row.Constituency)
				}
			}
		}
		if len(m.Constituencies) > 0 {
			m.Why = []string{fmt.Sprintf("Tickets that mention %s have them.", c.What)}
		}
	}
	if len(m.Constituencies) == 0 {
		return nil
	}
	page, err := s.page(ctx, r, storage.Query{
		Kinds: []incident.Kind{incident.KindIncident}, Phases: notInactive(), Constituencies: m.Constituencies,
		Order: []storage.Order{{Column: storage.ByConstituency, Descending: true}}, // which has an index for it, and then by number
	}, nil, nil)
	m.Neighbours = page
	return err
}

// maxNeighbourhoods bounds the constituencies whose incidents are shown as neighbours.
const maxNeighbourhoods = 5

// Lengths of the networks around an address that a search is widened to: what people
// have dropped from an address by hand (JANET 3.8), and what is given to a site, a
// customer and a provider with IPv6 (RFC 6177).
var (
	widths4 = []int{24, 16}
	widths6 = []int{64, 48, 32}
)

// circles are the widths of a search.
func (d *Desk) circles(l Lookup) ([]circle, error) {
	if (l.Text == "") == (l.Observable.Value == "") {
		return nil, errors.New("desk: a search has either an observable or a text")
	}
	if l.Text != "" {
		words := storage.Words(l.Text)
		if len(words) == 0 || len(words) > maxSearchWords {
			return nil, fmt.Errorf("desk: there are %d words to search for: allowed are 1 to %d, of letters and digits", len(words), maxSearchWords)
		}
		return []circle{{what: strings.Join(words, " "), words: words}}, nil
	}
	o := l.Observable
	var list []circle
	if p, ok := o.Network(); ok {
		list = networks(p)
	} else {
		name, named := o.Domain()
		switch o.Kind {
		case incident.Host:
		case incident.MailAddress:
			list = []circle{{what: o.Value, query: storage.Query{Mail: o.Value}}}
		default:
			list = []circle{{what: o.Value, query: storage.Query{Keys: []string{o.Key()}}}}
		}
		if named {
			list = append(list, d.domains(name)...)
		}
	}
	if !l.Widen {
		list = list[:1]
	}
	return list, nil
}

// maxSearchWords bounds the words of one search.
const maxSearchWords = 20

func networks(p netip.Prefix) []circle {
	list := []circle{{what: incident.PrefixOf(p, "").Value, query: storage.Query{Touches: p}}}
	widths := widths6
	if p.Addr().Is4() {
		widths = widths4
	}
	for _, bits := range widths {
		if bits < p.Bits() {
			wider := netip.PrefixFrom(p.Addr(), bits).Masked()
			list = append(list, circle{what: wider.String(), query: storage.Query{Touches: wider}})
		}
	}
	return list
}

// domains are a name and those above it, down to what somebody has registered.
func (d *Desk) domains(name string) []circle {
	var list []circle
	last := d.registered(name)
	for {
		list = append(list, circle{what: name + " and below", query: storage.Query{Under: name}})
		_, above, ok := strings.Cut(name, ".")
		if !ok || name == last {
			return list
		}
		name = above
	}
}

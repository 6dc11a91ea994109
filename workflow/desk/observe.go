package desk

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Spaces of claims about what machines report.
const (
	claimObservation = "observation" // what tells an observation from others; see identity
	claimWaiting     = "waiting"     // source, feed, kind and number: the reports of one source, of which the last one may wait
	claimImport      = "import"      // digest of all bytes of an import
)

// gathered are observations of one source, feed and kind, on their way to the report
// that collects them.
type gathered struct {
	feed, kind string
	sources    []incident.Observable
	list       []incident.Observation
	ids        []string // identity of each
}

// sorting puts observations where they belong, before anything is written. An
// observation goes to the report of its sources: as one, where it has several, so that
// none is lost.
type sorting struct {
	run     *run
	groups  []*gathered
	byKey   map[string]*gathered
	seen    map[string]bool // identities
	tally   incident.Tally
	reasons []string
	known   incident.ID // ticket of the first that was known; 0: none was
}

func (r *run) sorting() *sorting {
	return &sorting{run: r, byKey: map[string]*gathered{}, seen: map[string]bool{}}
}

// identified is an observation in the zone of its feed, with what tells it from others.
type identified struct {
	incident.Observation
	feed string
	id   string
}

// identified says which feed an observation is of: that which it names, if it is part
// of the feed that is read.
func (d *Desk) identified(o incident.Observation, feed string) identified {
	if o.Feed != "" && strings.HasPrefix(strings.ToLower(o.Feed)+" ", strings.ToLower(feed)+" ") {
		feed = o.Feed
	}
	described, _ := d.config.Policy.Feed(feed)
	o = rezoned(o, described.Zone)
	return identified{o, feed, identity(o, feed)}
}

// lookUp asks at once which observations are known, for add.
func (s *sorting) lookUp(ctx context.Context, list []identified) error {
	keys := make([]storage.Key, len(list))
	for i, o := range list {
		keys[i] = storage.Key{Space: claimObservation, Value: o.id}
	}
	return s.run.draft.LookUpClaims(ctx, keys)
}

// add takes in an observation, unless it is known or the feed's guards drop it.
func (s *sorting) add(ctx context.Context, one identified) error {
	o, name, id := one.Observation, one.feed, one.id
	s.tally.Observations++
	feed, _ := s.run.policy.Feed(name)
	holder, known, err := s.run.draft.Claimed(ctx, storage.Key{Space: claimObservation, Value: id})
	if err != nil {
		return err
	}
	if known || s.seen[id] {
		s.tally.Known++
		s.known = cmp.Or(s.known, holder)
		return nil
	}
	s.seen[id] = true
	sources := o.Sources()
	constituency, _ := s.run.desk.belongs(sources)
	if why := feed.Drops(o, constituency != "", s.run.now); why != "" {
		s.tally.Dropped++
		s.why("%s: %s", sourceName(sources), why)
		return nil
	}
	key := queueKey(name, o.Kind, sources)
	g := s.byKey[key]
	if g == nil {
		g = &gathered{feed: name, kind: o.Kind, sources: sources}
		s.byKey[key], s.groups = g, append(s.groups, g)
	}
	g.list, g.ids = append(g.list, o), append(g.ids, id)
	return nil
}

// maxWhys bounds the reasons that a record keeps.
const maxWhys = 20

func (s *sorting) why(format string, args ...any) {
	if len(s.reasons) < maxWhys {
		s.reasons = append(s.reasons, incident.Clean(fmt.Sprintf(format, args...)))
	}
}

// identity tells whether two observations are the same: by the reporter's own number
// of it, with its systems and time, as formats repeat a number for several of these; or
// by all that it says.
func identity(o incident.Observation, feed string) string {
	if o.ID == "" {
		return o.Digest().String()
	}
	parts := []string{"id", o.Reporter.Name, o.Reporter.Mail, o.Reporter.Domain, feed, o.ID, strconv.FormatInt(o.Time.UnixMicro(), 10)}
	if o.Reporter != (incident.Reporter{}) {
		parts[4] = "" // whichever way it comes
	}
	var systems []string
	for _, x := range o.Observables() {
		systems = append(systems, string(x.Role)+x.Key())
	}
	slices.Sort(systems)
	return strings.Join(append(parts, systems...), "\n")
}

// rezoned gives a time, whose zone had to be assumed, the zone of the feed.
func rezoned(o incident.Observation, zone string) incident.Observation {
	at, err := time.LoadLocation(zone)
	if zone == "" || o.Zone == "" || o.Zone == zone || err != nil {
		return o
	}
	in := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), at)
	}
	o.Time, o.End, o.Zone = in(o.Time), in(o.End), zone
	o.Normalize()
	return o
}

// queueKey is what the observations of one report have in common.
func queueKey(feed, kind string, sources []incident.Observable) string {
	parts := []string{strings.ToLower(feed), strings.ToLower(kind)}
	for _, x := range sources {
		parts = append(parts, x.Key())
	}
	return strings.Join(parts, "\n")
}

func sourceName(sources []incident.Observable) string {
	switch len(sources) {
	case 0:
		return "no source"
	case 1:
		return sources[0].Value
	}
	return fmt.Sprintf("%s and %d more", sources[0].Value, len(sources)-1)
}

// subject is that of the report of a source.
func (g *gathered) subject() string {
	what := cmp.Or(g.kind, "report")
	if len(g.feed) > 0 {
		what += " (" + g.feed + ")"
	}
	return cutLine(sourceName(g.sources) + ": " + what)
}

// belongs says which constituency has the first of some sources that an entry of the
// directory decides, and whom there to tell.
func (d *Desk) belongs(sources []incident.Observable) (constituency string, contacts []incident.Party) {
	if d.config.Directory == nil {
		return "", nil
	}
	for _, x := range sources {
		m := d.config.Directory.Match(x)
		if m.Known() && d.config.Policy.TakesConstituency(incident.KindReport, m.Constituency.Name) {
			return m.Constituency.Name, parties(m.Constituency.Contacts)
		}
	}
	return "", nil
}

func waitingKey(key string, number int) storage.Key {
	return storage.Key{Space: claimWaiting, Value: key + "\n" + strconv.Itoa(number)}
}

// waiting returns the report that collects what a source, feed and kind have in
// common; number: that of the next one, where none waits any more. Those before it
// were decided: their numbers are 0, 1, 2 ..., and the last one is looked for by
// halves.
func (r *run) waiting(ctx context.Context, key string) (t incident.Ticket, number int, err error) {
	claimed := func(n int) (incident.ID, bool, error) { return r.draft.Claimed(ctx, waitingKey(key, n)) }
	id, found, err := claimed(0)
	if err != nil || !found {
		return t, 0, err
	}
	last, beyond := 0, 0 // claimed; not claimed
	for step := 1; beyond == 0; step *= 2 {
		if t, err = r.draft.Ticket(ctx, id); err != nil || t.Waiting() {
			return t, last, err
		}
		next, found, err := claimed(last + step)
		if err != nil {
			return t, 0, err
		}
		if found {
			last, id = last+step, next
		} else {
			beyond = last + step
		}
	}
	for beyond-last > 1 {
		middle := (last + beyond) / 2
		next, found, err := claimed(middle)
		if err != nil {
			return t, 0, err
		}
		if found {
			last, id = middle, next
		} else {
			beyond = middle
		}
	}
	if t, err = r.draft.Ticket(ctx, id); err != nil || t.Waiting() {
		return t, last, err
	}
	return incident.Ticket{}, beyond, nil
}

// cover is the mail that observations came with.
type cover struct {
	open  workflow.Open // the report that the mail alone would open
	blobs []incident.Digest
}

// place brings gathered observations to the reports that collect them, opening those
// that there are not. A mail goes to the first of these.
func (s *sorting) place(ctx context.Context, l *cover, cause incident.Cause) (first incident.ID, err error) {
	var keys []storage.Key
	for _, g := range s.groups {
		keys = append(keys, waitingKey(queueKey(g.feed, g.kind, g.sources), 0))
	}
	if err := s.run.draft.LookUpClaims(ctx, keys); err != nil {
		return first, err
	}
	var held []incident.ID
	for _, key := range keys {
		if id, found, err := s.run.draft.Claimed(ctx, key); err != nil {
			return first, err
		} else if found {
			held = append(held, id)
		}
	}
	if err := s.run.draft.LookUpTickets(ctx, held); err != nil {
		return first, err
	}
	for i, g := range s.groups {
		observed := workflow.Observed{Feed: g.feed, Observations: g.list}
		if l != nil {
			observed.Blobs = l.blobs
		}
		key := queueKey(g.feed, g.kind, g.sources)
		t, number, err := s.run.waiting(ctx, key)
		if err != nil {
			return first, err
		}
		if t.Version == 0 {
			t, err = s.open(ctx, g, observed, l, i == 0, cause)
			if err == nil {
				_, err = s.run.draft.Claim(ctx, waitingKey(key, number), t.ID)
			}
		} else {
			if l != nil && i == 0 {
				if err = s.run.command(ctx, workflow.Append{Ticket: t.ID, Mail: *l.open.Mail}, cause); err != nil {
					return first, err
				}
			}
			err = s.run.observe(ctx, t, observed, cause)
		}
		if err == nil {
			err = s.run.derive(ctx)
		}
		if err == nil {
			err = s.count(ctx, g, t.ID)
		}
		if err != nil {
			return first, err
		}
		if i == 0 {
			first = t.ID
		}
	}
	return first, nil
}

// observe adds observations to a ticket. Where all of them are beyond what it keeps,
// and that is written down, nothing is asked.
func (r *run) observe(ctx context.Context, t incident.Ticket, o workflow.Observed, cause incident.Cause) error {
	if sum := t.Observations; sum != nil && sum.Bound != "" && sum.Beyond {
		o.Observations = slices.DeleteFunc(slices.Clone(o.Observations), func(one incident.Observation) bool { return one.Key() >= sum.Bound })
		if len(o.Observations) == 0 {
			return nil
		}
	}
	return r.command(ctx, workflow.Observe{Ticket: t.ID, Observed: o}, cause)
}

// open opens the report of a source.
func (s *sorting) open(ctx context.Context, g *gathered, o workflow.Observed, l *cover, mailed bool, cause incident.Cause) (t incident.Ticket, err error) {
	constituency, contacts := s.run.desk.belongs(g.sources)
	open := workflow.Open{Kind: incident.KindReport, Subject: g.subject(), Via: "feed"}
	if l != nil {
		open.Via, open.Constituency, open.Requestors = l.open.Via, l.open.Constituency, l.open.Requestors
		if mailed {
			open.Mail = l.open.Mail
		}
	}
	if open.Constituency == "" {
		open.Constituency = constituency
	}
	if open.Constituency == constituency {
		open.Contacts = contacts
	}
	open.Observables, open.Observed = g.sources, &o
	before := len(s.run.opened)
	if err := s.run.command(ctx, open, cause); err != nil {
		return t, err
	}
	s.tally.Opened++
	return s.run.draft.Ticket(ctx, s.run.opened[before])
}

// count says what became of the observations of a report, and claims those that it
// has got.
func (s *sorting) count(ctx context.Context, g *gathered, id incident.ID) error {
	added, err := s.added(g, id)
	if err != nil {
		return err
	}
	for i, o := range g.list {
		if added != nil {
			digest := o.Digest()
			if added[digest] == 0 {
				s.tally.Beyond++
				continue
			}
			added[digest]--
		}
		s.tally.Kept++
		if _, err := s.run.draft.Claim(ctx, storage.Key{Space: claimObservation, Value: g.ids[i]}, id); err != nil {
			return err
		}
	}
	return nil
}

// added counts the observations that a ticket has got of a group, by their digests; nil:
// it has got all.
func (s *sorting) added(g *gathered, id incident.ID) (map[incident.Digest]int, error) {
	added := map[incident.Digest]int{}
	for _, record := range slices.Backward(s.run.draft.Drafted(id)) {
		if record.Type != (incident.Observed{}).Type() {
			continue
		}
		var sum incident.Observed
		if err := json.Unmarshal(record.Data, &sum); err != nil || sum.Added == len(g.list) {
			return nil, err
		}
		ev, err := incident.Decode(*record)
		if err != nil {
			return nil, err
		}
		for _, o := range ev.(incident.Observed).Content.Observations {
			added[o.Digest()]++
		}
		break
	}
	return added, nil
}

package incident

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Observed says that machines have reported events on a ticket: the observations that
// it got with this record, and what all that it keeps now come to. A report keeps so
// many observations of one source; Beyond says that there were more, and stands in one
// record at most. What is beyond lies in the raw input alone.
type Observed struct {
	Feed   string     `json:"feed"`             // feed and kind of report that the ticket is about: "shadowserver scan_dns"
	Added  int        `json:"added,omitempty"`  // observations in Content
	Count  int        `json:"count"`            // that the ticket keeps now
	First  *time.Time `json:"first,omitempty"`  // the first time among them; nil: none says one
	Last   *time.Time `json:"last,omitempty"`   // the last
	Full   bool       `json:"full,omitempty"`   // the limit is reached, and Content has what is kept
	Beyond bool       `json:"beyond,omitempty"` // there were more for the first time

	Content ObservedContent `json:"-"`
	Blobs   []Digest        `json:"-"` // the pieces of the raw input that they were read from
}

// ObservedContent is the erasable part of [Observed].
type ObservedContent struct {
	Observations []Observation `json:"observations,omitempty"`
	Kept         []string      `json:"kept,omitempty"` // once the limit is reached: the keys of all that is kept, in order; see [Observation.Key]
}

// Observations sums up what machines have reported on a ticket. The observations lie
// in its records.
type Observations struct {
	Feed   string     `json:"feed"`
	Count  int        `json:"count"`
	First  *time.Time `json:"first,omitempty"`
	Last   *time.Time `json:"last,omitempty"`
	Beyond bool       `json:"beyond,omitempty"` // there were more than a report keeps
	Bound  string     `json:"bound,omitempty"`  // key of the last that is kept, once the limit is reached
}

// Imported says what came of a piece of an import, which follows the piece before it.
// It stands in the history of the desk itself. The pieces of one import, in order of
// Part, have its raw input in Blobs, byte for byte.
type Imported struct {
	Import string `json:"import"` // which one: the same in all pieces of it
	Format string `json:"format"`
	Feed   string `json:"feed,omitempty"` // of which feed whoever imports says that it is
	Part   int    `json:"part"`           // 1, 2, 3 ...
	Tally
	Done  bool `json:"done,omitempty"`  // the last piece
	Again bool `json:"again,omitempty"` // the same bytes were imported before, to the end

	Content ImportedContent `json:"-"`
	Blobs   []Digest        `json:"-"`
}

// Tally counts what became of observations.
type Tally struct {
	Observations int `json:"observations"`      // that were read
	Kept         int `json:"kept,omitempty"`    // on reports
	Known        int `json:"known,omitempty"`   // were here already
	Beyond       int `json:"beyond,omitempty"`  // more than a report keeps
	Dropped      int `json:"dropped,omitempty"` // as the feed's guards say
	Refused      int `json:"refused,omitempty"` // could not be read
	Opened       int `json:"opened,omitempty"`  // new reports
}

// Add adds another tally.
func (t *Tally) Add(u Tally) {
	t.Observations += u.Observations
	t.Kept += u.Kept
	t.Known += u.Known
	t.Beyond += u.Beyond
	t.Dropped += u.Dropped
	t.Refused += u.Refused
	t.Opened += u.Opened
}

// Unkept says in words what else became of observations: "2 known, 1 dropped"; nothing,
// if all were kept.
func (t Tally) Unkept() string {
	var list []string
	for _, rest := range []struct {
		n   int
		how string
	}{{t.Known, "known"}, {t.Beyond, "beyond the limit"}, {t.Dropped, "dropped"}, {t.Refused, "refused"}} {
		if rest.n > 0 {
			list = append(list, fmt.Sprintf("%d %s", rest.n, rest.how))
		}
	}
	return strings.Join(list, ", ")
}

// ImportedContent is the erasable part of [Imported].
type ImportedContent struct {
	Name    string   `json:"name,omitempty"`    // of the file
	Reasons []string `json:"reasons,omitempty"` // why observations were refused or dropped, the first ones
}

func (e Observed) apply(t *Ticket, _ time.Time) {
	bound, beyond := "", e.Beyond
	if t.Observations != nil {
		bound, beyond = t.Observations.Bound, beyond || t.Observations.Beyond
	}
	if n := len(e.Content.Kept); n > 0 && e.Full {
		bound = e.Content.Kept[n-1]
	}
	t.Observations = &Observations{Feed: e.Feed, Count: e.Count, First: moment(e.First), Last: moment(e.Last), Beyond: beyond, Bound: bound}
}

// folded decodes a record as far as the fold needs it: not the observations, which
// cost more than all the rest.
func folded(r Record) (Event, error) {
	if r.Type != (Observed{}).Type() {
		return Decode(r)
	}
	var sum Observed
	if err := json.Unmarshal(r.Data, &sum); err != nil || !sum.Full {
		return sum, err
	}
	return decode(r, func(e *Observed) any {
		return &struct {
			Kept *[]string `json:"kept"`
		}{&e.Content.Kept}
	})
}

func (Imported) apply(t *Ticket, _ time.Time) { t.Kind = KindDesk }

// ByFeed reports whether all that the ticket holds came out of feeds: no mail, no
// person said it.
func (t Ticket) ByFeed() bool { return t.Observations != nil && t.Messages == 0 }

// Waiting reports whether a report waits for a decision: it is in its initial phase,
// belongs to no incident and was not merged.
func (t Ticket) Waiting() bool {
	return t.Kind == KindReport && t.Phase == Initial && len(t.Parents) == 0 && t.MergedInto == 0
}

// Key orders observations by time, and then by digest: the form of it sorts bytewise.
// Those without a time come first.
func (o Observation) Key() string {
	at := uint64(0)
	if !o.Time.IsZero() {
		at = uint64(o.Time.UnixMicro() + keyOffset)
	}
	digest := o.Digest()
	return fmt.Sprintf("%016x%x", at, digest[:8])
}

const keyOffset = 1 << 62 // microseconds before 1970 sort before later ones

// KeyTime returns the time in a key, in UTC; false: there is none.
func KeyTime(key string) (time.Time, bool) {
	at, err := strconv.ParseUint(key[:min(len(key), 16)], 16, 64)
	if err != nil || at == 0 {
		return time.Time{}, false
	}
	return time.UnixMicro(int64(at) - keyOffset).UTC(), true
}

// Sources are what an observation is about, in order: the addresses of its source
// endpoints, otherwise the other things that these name; without any, those of
// endpoints whose role is not known, and at last of the targets.
func (o Observation) Sources() []Observable {
	all := o.Observables()
	for _, role := range []Role{RoleSource, RoleUnknown, RoleTarget} {
		for _, addresses := range []bool{true, false} {
			var found []Observable
			for _, x := range all {
				if x.Role == role && (x.Kind == Address) == addresses {
					found = append(found, x)
				}
			}
			if len(found) > 0 {
				slices.SortFunc(found, func(a, b Observable) int { return strings.Compare(a.Key(), b.Key()) })
				return found
			}
		}
	}
	return nil
}

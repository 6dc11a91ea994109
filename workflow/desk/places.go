package desk

import (
	"context"
	"errors"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/mail"
)

// Reading is the text of a record as somebody reads it, and where observables stand in
// it: a front end makes links of them (JANET 3.8, RTIR 6.4).
type Reading struct {
	Text   string  `json:"text"`
	Places []Place `json:"places"`         // in order; see [lookup.Extractor.Extract]
	More   bool    `json:"more,omitempty"` // there are more than the 10,000 places given
}

// Place is where an observable stands: Text[Start:End], counted in bytes.
type Place struct {
	Observable incident.Observable `json:"observable"`
	Start      int                 `json:"start"`
	End        int                 `json:"end"`
	Defanged   bool                `json:"defanged,omitempty"`
	Confidence string              `json:"confidence"`
}

// maxPlaces bounds the places of one text.
const maxPlaces = 10_000

// Reading returns what there is to read of one record: of a mail its main text, opened
// with the keys that there are now where it came encrypted; what somebody typed; a
// comment.
//
// Errors: those of [Session.Body].
func (s *Session) Reading(ctx context.Context, id incident.ID, version uint64) (Reading, error) {
	body, err := s.Body(ctx, id, version)
	if err != nil {
		return Reading{}, err
	}
	text := string(body)
	switch opened, err := s.Opened(ctx, id, version); {
	case err == nil:
		msg, _ := mail.Parse(opened.Mail, s.desk.config.Limits) // its defects stand in the record
		text = msg.Text
	case errors.Is(err, ErrNoBody): // it is no mail
	default: // it cannot be opened now: as it came
		msg, _ := mail.Parse(body, s.desk.config.Limits)
		text = msg.Text
	}
	return s.desk.Places(incident.Clean(text)), nil
}

// Places finds the observables in a text that a front end shows.
func (d *Desk) Places(text string) Reading {
	r := Reading{Text: text, Places: []Place{}}
	for f := range d.extractor().All(text) {
		if len(r.Places) == maxPlaces {
			r.More = true
			break
		}
		r.Places = append(r.Places, Place{f.Observable, f.Start, f.End, f.Defanged, f.Confidence.String()})
	}
	return r
}

// ParseLookup reads what somebody types into a search box: an observable, defanged or
// not, if it is nothing but one; otherwise words. A word without a dot is a word.
func (d *Desk) ParseLookup(s string) Lookup {
	s = strings.TrimSpace(s)
	if found := (lookup.Extractor{PublicSuffix: d.config.PublicSuffix}).Extract(s); len(found) > 0 && found[0].Start == 0 && found[0].End == len(s) {
		return Lookup{Observable: found[0].Observable}
	}
	o, err := incident.ParseObservable(s, incident.RoleUnknown)
	if err != nil || o.Kind == incident.CVE || o.Kind == incident.Host && !strings.Contains(o.Value, ".") || strings.ContainsAny(s, " \t\r\n") {
		return Lookup{Text: s}
	}
	return Lookup{Observable: o}
}

// Package xirl turns reports from machines into observations and back: XIRL
// and its neighbours, one file per format, each a value of
// [incident.Format]. [Formats] returns all that need no configuration; hand
// them to the desk, or pick one and range over its Decode.
//
// # XIRL
//
// The AIRT paper (section 3) names the Extensible Incident Representation
// Language and what it must be: XML with namespaces, machine readable, minimal,
// data only. No specification of it survives. What this package reads and
// writes is a reconstruction from those requirements, under a namespace of our
// own, [Namespace], with a W3C XML Schema and a RELAX NG schema in [Schemas]. It
// is strict in its own namespace and keeps what it finds of others, so that CAIF
// or IODEF data can stand in the same message. Decode(Encode(x)) = x.
//
// # Hostile input
//
// All decoders stream, hold at most one observation, and run under
// [incident.Limits]. No document types, no entities, no UTF-16. An error names
// the line and byte and what was allowed, and comes with what could be read.
//
// # Conversions
//
// What a format has no place for is listed: by Encode as [incident.Loss], by
// Decode in Observation.Left. Process information (status, state, severity,
// history, owners) is never carried.
//
// All functions are pure: no clock, no I/O but the Reader or Writer handed in.
// Values of Format may be shared by goroutines.
package xirl

import (
	"embed"
	"encoding/json"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
)

// Schemas holds the schemas of what this package writes: schema/xirl.xsd (W3C
// XML Schema 1.0), schema/xirl.rng (RELAX NG) and schema/airt.xsd, a corrected
// schema of AIRT's XML, the dialect that is written.
//
//go:embed schema
var Schemas embed.FS

// Formats returns all formats that need no configuration, in the order in which
// they should be tried: the more special first.
func Formats() []incident.Format {
	return []incident.Format{
		XIRL(), AIRT(nil), IODEF(), IDMEF(), ACNS(),
		XARF(), XARFMail(), ARF(), SpamCop(), MyNetWatchman(), Shadowserver(), Notice(),
	}
}

// losses counts what encoders leave out, field by field.
type losses struct {
	list []incident.Loss
}

// compare notes every field of o that kept lacks or has changed.
func (l *losses) compare(o, kept incident.Observation) {
	if o.Equal(kept) {
		return
	}
	had, has := fields(o), fields(kept)
	names := make([]string, 0, len(had))
	for name := range had {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if name == "left" || string(had[name]) == string(has[name]) {
			continue
		}
		i := slices.IndexFunc(l.list, func(x incident.Loss) bool { return x.Field == name })
		if i < 0 {
			i = len(l.list)
			l.list = append(l.list, incident.Loss{Field: name})
		}
		l.list[i].Count++
	}
}

func fields(o incident.Observation) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if b, err := json.Marshal(o); err == nil {
		_ = json.Unmarshal(b, &m) // what Marshal wrote
	}
	return m
}

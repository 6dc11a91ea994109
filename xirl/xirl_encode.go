package xirl

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Encoder writes one XIRL document, observation by observation. It holds none
// of them. The reporter of the first stands for the whole document; those of
// others are written where they differ.
type Encoder struct {
	x        *xmlWriter
	begun    bool
	reporter incident.Reporter
}

// NewEncoder returns an encoder that writes to w, which stays the caller's.
func NewEncoder(w io.Writer) *Encoder { return &Encoder{x: newXMLWriter(w)} }

// Encode writes one observation. An observation that is not valid, or foreign
// markup that is no single well-formed element of another namespace, is an
// error and leaves nothing of itself behind. Left is not written.
func (e *Encoder) Encode(o incident.Observation) error {
	if err := o.Validate(); err != nil {
		return err
	}
	foreign, err := foreignMarkup(o.Foreign)
	if err != nil {
		return err
	}
	e.begin(o.Reporter)
	x := e.x
	x.start("incident", "id", o.ID)
	if o.Reporter != e.reporter {
		e.writeReporter(o.Reporter)
	}
	for _, id := range o.OtherIDs {
		x.must("otherId", id)
	}
	x.element("feed", o.Feed)
	if !o.Time.IsZero() {
		x.must("time", stamp(o.Time), "end", stamp(o.End), "zone", o.Zone)
	}
	x.element("nature", o.Kind, "scheme", o.Scheme)
	if o.Confidence != nil {
		x.must("confidence", strconv.Itoa(*o.Confidence))
	}
	for _, end := range o.Endpoints {
		e.endpoint(end)
	}
	x.element("protocol", o.Protocol)
	x.element("service", o.Service)
	if o.Count > 0 {
		x.must("count", strconv.FormatInt(o.Count, 10))
	}
	for _, log := range o.Logs {
		text, encoding := encoded(string(log.Data))
		x.must("log", text, "type", log.Type, "name", log.Name, "encoding", encoding)
	}
	for _, f := range o.Extra {
		text, encoding := encoded(f.Value)
		x.must("extra", text, "name", f.Name, "type", f.Type, "encoding", encoding)
	}
	for _, m := range foreign {
		x.write("\n    ", m)
		x.leaf = false
	}
	x.end()
	return nil
}

// Close writes the end of the document, with foreign markup before it, and
// flushes. The error is the first that writing met.
func (e *Encoder) Close(foreign ...string) error {
	foreign, err := foreignMarkup(foreign)
	if err != nil {
		return err
	}
	e.begin(incident.Reporter{})
	for _, m := range foreign {
		e.x.write("\n  ", m)
	}
	e.x.leaf = false
	e.x.end()
	return e.x.w.Flush()
}

func (e *Encoder) begin(r incident.Reporter) {
	if e.begun {
		return
	}
	e.begun, e.reporter = true, r
	e.x.start("xirl", "xmlns", Namespace, "version", Version)
	if r != (incident.Reporter{}) {
		e.writeReporter(r)
	}
}

func (e *Encoder) writeReporter(r incident.Reporter) {
	e.x.start("reporter")
	e.x.element("name", r.Name)
	e.x.element("email", r.Mail)
	e.x.element("domain", r.Domain)
	e.x.end()
}

func (e *Encoder) endpoint(end incident.Endpoint) {
	name := "other"
	if end.Role != incident.RoleUnknown {
		name = string(end.Role)
	}
	x := e.x
	x.start(name)
	if end.Address.IsValid() {
		x.must("ip", end.Address.String())
	}
	if end.Network.IsValid() {
		x.must("network", end.Network.String())
	}
	x.element("hostname", end.Host)
	x.element("port", end.Ports)
	x.element("url", end.URL)
	x.element("email", end.Mail)
	x.element("mac", end.MAC)
	if end.ASN > 0 {
		x.must("asn", strconv.FormatUint(uint64(end.ASN), 10))
	}
	x.end()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// encoded returns text as it can stand in XML, and the name of its encoding.
func encoded(s string) (text, encoding string) {
	if legalXML(s) {
		return s, ""
	}
	return base64.StdEncoding.EncodeToString([]byte(s)), "base64"
}

// foreignMarkup checks markup that is to stand in a document of ours.
func foreignMarkup(list []string) ([]string, error) {
	var markup []string
	for _, s := range list {
		x := newXMLReader("xirl", strings.NewReader(s), incident.Limits{})
		n, err := x.begin()
		if err == nil && n.space == Namespace {
			err = errors.New("the element is in the namespace of XIRL; allowed is any other")
		}
		if err == nil {
			n.bindings = x.inScope()
			err = x.fill(n)
		}
		if err == nil {
			err = x.finish()
		}
		if err != nil {
			return nil, fmt.Errorf("xirl: foreign markup %.60q: %w", s, err)
		}
		markup = append(markup, n.markup())
	}
	return markup, nil
}

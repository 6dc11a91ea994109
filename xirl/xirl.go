package xirl

import (
	"encoding/base64"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Namespace is the namespace of XIRL as this package reads and writes it;
// Version is its version.
const (
	Namespace = "urn:airtight:xirl:1"
	Version   = "1.0"
)

// XIRL returns the format.
func XIRL() incident.Format {
	return incident.Format{
		Name:      "xirl",
		Recognise: func(parts []incident.Part) bool { return anyPart(parts, rootIs("xirl", Namespace)) },
		Decode:    Decode,
		Encode: func(w io.Writer, list iter.Seq[incident.Observation]) ([]incident.Loss, error) {
			e := NewEncoder(w)
			for o := range list {
				if err := e.Encode(o); err != nil {
					return nil, err
				}
			}
			return nil, e.Close()
		},
	}
}

// Decode reads a XIRL document. It ends at the first error: a document that
// breaks the rules of its own namespace is not read any further. Elements of
// other namespaces are kept in Foreign, their attributes on incident are named
// in Left.
func Decode(r io.Reader, limits incident.Limits) iter.Seq2[incident.Observation, error] {
	return NewDecoder(r, limits).All()
}

// Decoder reads a XIRL document and what stands in it beside incidents.
type Decoder struct {
	x        *xmlReader
	reporter incident.Reporter
	foreign  []string
	count    int
}

// NewDecoder returns a decoder that reads from r, which stays the caller's.
func NewDecoder(r io.Reader, limits incident.Limits) *Decoder {
	return &Decoder{x: newXMLReader("xirl", r, limits)}
}

// Foreign returns the elements of other namespaces directly below the root that
// have been read so far.
func (d *Decoder) Foreign() []string { return d.foreign }

// All reads the document. It can be ranged over once.
func (d *Decoder) All() iter.Seq2[incident.Observation, error] {
	return func(yield func(incident.Observation, error) bool) {
		if o, err := d.read(yield); err != nil {
			yield(o, err)
		}
	}
}

func (d *Decoder) read(yield func(incident.Observation, error) bool) (incident.Observation, error) {
	none := incident.Observation{}
	root, err := d.x.begin()
	if err != nil {
		return none, err
	}
	if root.space != Namespace || root.local != "xirl" {
		return none, d.x.g.fail("the root element is {%s}%s; allowed is {%s}xirl", root.space, root.local, Namespace)
	}
	if root.attr("version") != Version {
		return none, d.x.g.fail("version %q; allowed is %s", root.attr("version"), Version)
	}
	if err := d.attributes(root, "version"); err != nil {
		return none, err
	}
	for {
		d.x.item()
		n, err := d.x.kid()
		if err != nil {
			return none, err
		}
		if n == nil {
			return none, d.x.finish()
		}
		scope := d.x.inScope()
		if err := d.x.fill(n); err != nil {
			return none, err
		}
		switch {
		case n.space != Namespace:
			if d.foreign, err = d.keep(d.foreign, n, scope); err != nil {
				return none, err
			}
		case n.local == "reporter" && d.count == 0 && d.reporter == (incident.Reporter{}):
			if d.reporter, err = d.readReporter(n); err != nil {
				return none, err
			}
		case n.local == "incident":
			if d.count++; d.count > d.x.g.limits.Incidents {
				return none, d.x.g.fail("more than %d incidents", d.x.g.limits.Incidents)
			}
			o, err := d.incident(n, scope)
			if err != nil {
				return o, err
			}
			if err := o.Validate(); err != nil {
				return o, d.x.g.wrap(err)
			}
			if !yield(o, nil) {
				return none, nil
			}
		default:
			return none, d.bad(n, "allowed in xirl are one reporter first, incident, and elements of other namespaces")
		}
	}
}

func (d *Decoder) bad(n *node, allowed string) error {
	e := d.x.g.errorf(nil, "element %s: %s", n.local, allowed)
	e.Line = n.line
	d.x.g.err = e
	return e
}

// attributes refuses attributes of ours that are not among the allowed ones.
func (d *Decoder) attributes(n *node, allowed ...string) error {
	for _, a := range n.raw.Attr {
		if a.Name.Space == "" && a.Name.Local != "xmlns" && !slices.Contains(allowed, a.Name.Local) {
			return d.bad(n, fmt.Sprintf("attribute %s; allowed are %v", a.Name.Local, allowed))
		}
	}
	return nil
}

// leaf returns the text of an element that has no children.
func (d *Decoder) leaf(n *node, allowed ...string) (string, error) {
	for _, k := range n.kids {
		if k.local != "" {
			return "", d.bad(k, "not allowed inside "+n.local)
		}
	}
	return n.content(), d.attributes(n, allowed...)
}

func (d *Decoder) readReporter(n *node) (r incident.Reporter, err error) {
	if err := d.attributes(n); err != nil {
		return r, err
	}
	err = d.fields(n, n.kids, []string{"name", "email", "domain"}, func(k *node) error {
		text, err := d.leaf(k)
		switch k.local {
		case "name":
			r.Name = text
		case "email":
			r.Mail = text
		case "domain":
			r.Domain = text
		}
		return err
	})
	return r, err
}

// fields calls f for each child in our namespace and refuses those that are
// unknown, out of order, or twice where the model has no star: "a" may stand
// once, "b|c*" any number of b and c.
func (d *Decoder) fields(n *node, kids []*node, model []string, f func(*node) error) error {
	at := 0
	for _, k := range kids {
		if k.local == "" {
			if strings.TrimSpace(k.text) != "" {
				return d.bad(n, fmt.Sprintf("text between elements: %.40q", strings.TrimSpace(k.text)))
			}
			continue
		}
		i := slices.IndexFunc(model[at:], func(names string) bool {
			return slices.Contains(strings.Split(strings.TrimSuffix(names, "*"), "|"), k.local)
		})
		if i < 0 || k.space != Namespace {
			return d.bad(k, fmt.Sprintf("allowed in %s are, in this order, %s, and only in xirl and incident, last, elements of other namespaces", n.local, strings.Join(model, ", ")))
		}
		if at += i; !strings.HasSuffix(model[at], "*") {
			at++
		}
		if err := f(k); err != nil {
			return err
		}
	}
	return nil
}

func incidentModel() []string {
	return []string{"reporter", "otherId*", "feed", "time", "nature", "confidence", "source|target|other*", "protocol", "service", "count", "log*", "extra*"}
}

func endpointModel() []string {
	return []string{"ip", "network", "hostname", "port", "url", "email", "mac", "asn"}
}

func (d *Decoder) incident(n *node, scope []binding) (incident.Observation, error) {
	o := incident.Observation{Reporter: d.reporter, ID: n.attr("id")}
	if err := d.attributes(n, "id"); err != nil {
		return o, err
	}
	for _, a := range n.raw.Attr {
		if a.Name.Space != "" && a.Name.Space != "xmlns" {
			o.Left = append(o.Left, "@"+a.Name.Space+":"+a.Name.Local)
		}
	}
	own := len(n.kids)
	for own > 0 && (n.kids[own-1].local == "" || n.kids[own-1].space != Namespace) {
		own--
	}
	err := d.fields(n, n.kids[:own], incidentModel(), func(k *node) error { return d.field(&o, k) })
	for _, k := range n.kids[own:] {
		if k.local != "" {
			var full error
			if o.Foreign, full = d.keep(o.Foreign, k, merge(scope, k.bindings)); full != nil {
				return o, full
			}
		} else if err == nil && strings.TrimSpace(k.text) != "" {
			err = d.bad(n, fmt.Sprintf("text between elements: %.40q", strings.TrimSpace(k.text)))
		}
	}
	return o, err
}

func (d *Decoder) field(o *incident.Observation, k *node) (err error) {
	switch k.local {
	case "reporter":
		o.Reporter, err = d.readReporter(k)
		return err
	case "source", "target", "other":
		return d.endpoint(o, k)
	case "log":
		log := incident.Log{Type: k.attr("type"), Name: k.attr("name")}
		text, err := d.encoded(k, "type", "name")
		log.Data = []byte(text)
		o.Logs = append(o.Logs, log)
		return err
	case "extra":
		text, err := d.encoded(k, "type", "name")
		o.Extra = append(o.Extra, incident.Field{Name: k.attr("name"), Value: text, Type: k.attr("type")})
		return err
	}
	attributes := map[string][]string{"time": {"end", "zone"}, "nature": {"scheme"}}[k.local]
	text, err := d.leaf(k, attributes...)
	if err != nil {
		return err
	}
	number := func(max int64) (n int64) {
		if n, err = strconv.ParseInt(text, 10, 64); err != nil || n < 0 || n > max || text != strconv.FormatInt(n, 10) {
			err = d.bad(k, fmt.Sprintf("%.40q; allowed are whole numbers from 0 to %d", text, max))
		}
		return n
	}
	switch k.local {
	case "otherId":
		o.OtherIDs = append(o.OtherIDs, text)
	case "feed":
		o.Feed = text
	case "time":
		o.Zone = k.attr("zone")
		o.Time, err = d.time(k, text)
		if end := k.attr("end"); err == nil && end != "" {
			o.End, err = d.time(k, end)
		}
	case "nature":
		o.Kind, o.Scheme = text, k.attr("scheme")
	case "confidence":
		percent := int(number(100))
		o.Confidence = &percent
	case "protocol":
		o.Protocol = text
	case "service":
		o.Service = text
	case "count":
		o.Count = number(1<<63 - 1)
	}
	return err
}

func (d *Decoder) time(k *node, text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, d.bad(k, fmt.Sprintf("%.40q; allowed is a date and time with its offset, like 2006-05-09T10:00:00+02:00", text))
	}
	if _, offset := t.Zone(); offset == 0 {
		return t.UTC(), nil
	} else {
		return t.In(time.FixedZone("", offset)), nil
	}
}

func (d *Decoder) encoded(k *node, allowed ...string) (string, error) {
	text, err := d.leaf(k, append(allowed, "encoding")...)
	if err != nil {
		return "", err
	}
	switch k.attr("encoding") {
	case "":
		return text, nil
	case "base64":
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return "", d.bad(k, "the content is no base64: "+err.Error())
		}
		return string(b), nil
	}
	return "", d.bad(k, fmt.Sprintf("encoding %q; allowed is base64", k.attr("encoding")))
}

func (d *Decoder) endpoint(o *incident.Observation, n *node) error {
	e := incident.Endpoint{Role: map[string]incident.Role{"source": incident.RoleSource, "target": incident.RoleTarget}[n.local]}
	if err := d.attributes(n); err != nil {
		return err
	}
	err := d.fields(n, n.kids, endpointModel(), func(k *node) error {
		text, err := d.leaf(k)
		if err != nil {
			return err
		}
		switch k.local {
		case "ip":
			if e.Address, err = netip.ParseAddr(text); err != nil || e.Address.String() != text {
				return d.bad(k, fmt.Sprintf("%.60q; allowed is an IP address in its canonical form, without prefix length", text))
			}
		case "network":
			if e.Network, err = netip.ParsePrefix(text); err != nil || e.Network.String() != text {
				return d.bad(k, fmt.Sprintf("%.60q; allowed is a network like 192.0.2.0/24", text))
			}
		case "hostname":
			e.Host = text
		case "port":
			e.Ports = text
		case "url":
			e.URL = text
		case "email":
			e.Mail = text
		case "mac":
			e.MAC = text
		case "asn":
			asn, err := strconv.ParseUint(text, 10, 32)
			if err != nil {
				return d.bad(k, fmt.Sprintf("%.40q; allowed are AS numbers, 0 to 4294967295", text))
			}
			e.ASN = uint32(asn)
		}
		return nil
	})
	o.Endpoints = append(o.Endpoints, e)
	return err
}

// keep adds foreign markup to a list. Each piece declares all namespaces in
// force, so that many small ones may say much: together they are one item.
func (d *Decoder) keep(list []string, n *node, scope []binding) ([]string, error) {
	n.bindings = scope
	list = append(list, n.markup())
	size := 0
	for _, m := range list {
		size += len(m)
	}
	if size > d.x.g.limits.Item || len(list) > d.x.g.limits.Elements {
		return list, d.x.g.fail("more than %d elements or %d bytes of other namespaces", d.x.g.limits.Elements, d.x.g.limits.Item)
	}
	return list, nil
}

// merge returns the bindings of an element inside of a scope, each prefix once.
func merge(scope, own []binding) []binding {
	scope = slices.Clone(scope)
	for _, b := range own {
		i, found := slices.BinarySearchFunc(scope, b, func(a, b binding) int { return strings.Compare(a.prefix, b.prefix) })
		if found {
			scope[i] = b
		} else {
			scope = slices.Insert(scope, i, b)
		}
	}
	return scope
}

package incident

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Observation is the data of one reported event: who, whom, when, how, and the
// log that shows it. It is what XIRL, ARF, IODEF and the feeds carry. It holds
// nothing on how a team handles the event (AIRT paper 3): no state, status,
// severity, owner or comment.
//
// Everything may be missing: machines report what they have. Decoders return
// observations for which Validate is nil; [Observation.Normalize] brings others
// there as far as cleaning can.
type Observation struct {
	ID         string     `json:"id,omitempty"`       // as the reporter numbers it; unique per reporter, if there at all
	OtherIDs   []string   `json:"otherIds,omitempty"` // further numbers of the same event
	Reporter   Reporter   `json:"reporter,omitzero"`
	Feed       string     `json:"feed,omitempty"` // feed and kind of report, what templates are bound to: "shadowserver scan_dns"
	Time       time.Time  `json:"time,omitzero"`  // of the event, in the zone as given; zero: not said
	End        time.Time  `json:"end,omitzero"`   // of the last event, not before Time; zero: not said
	Zone       string     `json:"zone,omitempty"` // the zone that was assumed because the source names none: "UTC"; empty: the source said it
	Kind       string     `json:"kind,omitempty"` // nature of the complaint in the reporter's words: "phishing"
	Scheme     string     `json:"scheme,omitempty"`
	Confidence *int       `json:"confidence,omitempty"` // percent, 0 to 100; nil: not said
	Endpoints  []Endpoint `json:"endpoints,omitempty"`
	Protocol   string     `json:"protocol,omitempty"` // transport in lower case (tcp, udp, icmp ...) or its number
	Service    string     `json:"service,omitempty"`  // application protocol or service: "ssh"
	Count      int64      `json:"count,omitempty"`    // events that this stands for; 0: not said
	Logs       []Log      `json:"logs,omitempty"`
	Extra      []Field    `json:"extra,omitempty"`   // what the source says beyond these fields
	Foreign    []string   `json:"foreign,omitempty"` // XML elements of other vocabularies that came along, each complete in itself
	Left       []string   `json:"left,omitempty"`    // names of what the source holds and this value does not; a remark on the conversion and no part of the event
}

// Reporter says where the data came from, as far as the data itself says so.
type Reporter struct {
	Name   string `json:"name,omitempty"`
	Mail   string `json:"mail,omitempty"`
	Domain string `json:"domain,omitempty"`
}

// Endpoint is one system that took part. At least one field beside Role is set.
type Endpoint struct {
	Role    Role         `json:"role,omitempty"`
	Address netip.Addr   `json:"address,omitzero"` // unmapped, without zone
	Network netip.Prefix `json:"network,omitzero"` // where a whole network is meant
	Host    string       `json:"host,omitempty"`
	Ports   string       `json:"ports,omitempty"` // "443", or a list as in RFC 7970: "5-25,37"
	URL     string       `json:"url,omitempty"`
	Mail    string       `json:"mail,omitempty"`
	MAC     string       `json:"mac,omitempty"` // 00:00:5e:00:53:af
	ASN     uint32       `json:"asn,omitempty"`
}

// Field is a name and a value beyond the fixed fields.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`          // any text
	Type  string `json:"type,omitempty"` // "json": Value is JSON that is no string; otherwise empty
}

// Log is one piece of evidence, byte for byte.
type Log struct {
	Type string // media type; empty: text/plain
	Name string // file name or description
	Data []byte
}

type logJSON struct {
	Type string  `json:"type,omitempty"`
	Name string  `json:"name,omitempty"`
	Text *string `json:"text,omitempty"`
	Data []byte  `json:"base64,omitempty"`
}

// MarshalJSON writes the bytes as "text", or as "base64" where they are not
// UTF-8.
func (l Log) MarshalJSON() ([]byte, error) {
	j := logJSON{Type: l.Type, Name: l.Name}
	if utf8.Valid(l.Data) {
		text := string(l.Data)
		j.Text = &text
	} else {
		j.Data = l.Data
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (l *Log) UnmarshalJSON(b []byte) error {
	var j logJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*l = Log{Type: j.Type, Name: j.Name, Data: j.Data}
	if j.Text != nil {
		l.Data = []byte(*j.Text)
	}
	return nil
}

// Equal reports whether two observations say the same in the same way: same
// order, same zones. Left is not compared.
func (o Observation) Equal(p Observation) bool {
	o.Left, p.Left = nil, nil
	return bytes.Equal(o.json(), p.json())
}

// Canonical returns the bytes by which observations are compared to find the
// same report twice: JSON with times in UTC and lists sorted; the assumed zone
// and Left are left out.
func (o Observation) Canonical() []byte {
	o.Zone, o.Left = "", nil
	o.Time, o.End = o.Time.UTC(), o.End.UTC()
	o.OtherIDs = slices.Sorted(slices.Values(o.OtherIDs))
	o.Endpoints = sortedByJSON(o.Endpoints)
	o.Logs = sortedByJSON(o.Logs)
	o.Foreign = slices.Sorted(slices.Values(o.Foreign))
	o.Extra = sortedByJSON(o.Extra)
	return o.json()
}

// Digest returns the SHA-256 of Canonical.
func (o Observation) Digest() Digest { return sha256.Sum256(o.Canonical()) }

func (o Observation) json() []byte {
	b, err := json.Marshal(o)
	if err != nil { // a year outside of 0 to 9999
		return fmt.Append(nil, err, o)
	}
	return b
}

func sortedByJSON[T any](list []T) []T {
	if len(list) < 2 {
		return list
	}
	type entry struct {
		key   []byte
		value T
	}
	entries := make([]entry, len(list))
	for i, v := range list {
		entries[i].value = v
		entries[i].key, _ = json.Marshal(v) // the types here always can
	}
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	sorted := make([]T, len(list))
	for i, e := range entries {
		sorted[i] = e.value
	}
	return sorted
}

// Observables returns what the endpoints name, each once, in order.
func (o Observation) Observables() []Observable {
	var list []Observable
	add := func(found Observable, err error) {
		if err == nil && !slices.Contains(list, found) {
			list = append(list, found)
		}
	}
	for _, e := range o.Endpoints {
		if e.Address.IsValid() {
			add(AddressOf(e.Address, e.Role), nil)
		}
		if e.Network.IsValid() {
			add(PrefixOf(e.Network, e.Role), nil)
		}
		if e.Host != "" {
			add(NewObservable(Host, e.Host, e.Role))
		}
		if e.URL != "" {
			add(NewObservable(URL, e.URL, e.Role))
		}
		if e.Mail != "" {
			add(NewObservable(MailAddress, e.Mail, e.Role))
		}
	}
	return list
}

// Normalize brings the observation into the one form that is compared and
// written: text that is one legal line, addresses unmapped, names in lower
// case, times with whole minutes of offset, empty endpoints and fields gone.
// What no cleaning can mend is left for Validate to name.
func (o *Observation) Normalize() {
	for _, s := range o.lines() {
		*s = oneLine(*s)
	}
	o.Protocol = strings.ToLower(o.Protocol)
	if o.Time.IsZero() {
		o.Zone = ""
	}
	o.Time, o.End = normalTime(o.Time), normalTime(o.End)
	for i := range o.Endpoints {
		e := &o.Endpoints[i]
		e.Address = e.Address.Unmap().WithZone("")
		if e.Network.IsValid() {
			e.Network = canonicalPrefix(e.Network)
			if e.Network.IsSingleIP() && !e.Address.IsValid() {
				e.Address, e.Network = e.Network.Addr(), netip.Prefix{}
			}
		}
		e.Host = strings.ToLower(strings.TrimSuffix(e.Host, "."))
		e.MAC = strings.ToLower(strings.ReplaceAll(e.MAC, "-", ":"))
	}
	o.Endpoints = slices.DeleteFunc(o.Endpoints, func(e Endpoint) bool { e.Role = ""; return e == Endpoint{} })
	for i := range o.Extra {
		o.Extra[i].Value = strings.ToValidUTF8(o.Extra[i].Value, "\uFFFD")
	}
	o.Extra = slices.DeleteFunc(o.Extra, func(f Field) bool { return f.Name == "" || f.Value == "" })
	o.OtherIDs = slices.DeleteFunc(o.OtherIDs, func(s string) bool { return s == "" })
}

// Validate returns all that keeps the observation from being written, or nil.
func (o Observation) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("incident: "+format, args...)) }
	for _, s := range o.lines() {
		if *s != oneLine(*s) {
			bad("%q is not one line of text without control characters and outer white space", *s)
		}
	}
	for _, t := range []time.Time{o.Time, o.End} {
		if _, offset := t.Zone(); offset%60 != 0 || offset < -14*3600 || offset > 14*3600 || !t.IsZero() && (t.Year() < 1 || t.Year() > 9999) {
			bad("time %v: allowed are years 1 to 9999 and offsets of whole minutes up to 14 hours", t)
		}
	}
	if !o.End.IsZero() && (o.Time.IsZero() || o.End.Before(o.Time)) {
		bad("end %v: allowed is a time not before the first, %v", o.End, o.Time)
	}
	if o.Zone != "" && o.Time.IsZero() {
		bad("zone %q without a time", o.Zone)
	}
	if o.Confidence != nil && (*o.Confidence < 0 || *o.Confidence > 100) {
		bad("confidence %d: allowed are 0 to 100", *o.Confidence)
	}
	if o.Count < 0 {
		bad("count %d: allowed are whole numbers from 1, or 0 for not said", o.Count)
	}
	if n, err := strconv.Atoi(o.Protocol); o.Protocol != strings.ToLower(o.Protocol) || strings.Contains(o.Protocol, " ") || err == nil && (n < 0 || n > 255) {
		bad("protocol %q: allowed are a name in lower case or a number from 0 to 255", o.Protocol)
	}
	for _, e := range o.Endpoints {
		if err := e.validate(); err != nil {
			errs = append(errs, err)
		}
	}
	for _, f := range o.Extra {
		if f.Name == "" || f.Value == "" || !utf8.ValidString(f.Value) || f.Type != "" && f.Type != "json" || f.Type == "json" && !json.Valid([]byte(f.Value)) {
			bad("extra field %q (type %q): allowed are a name, a value in UTF-8, and type json for JSON", f.Name, f.Type)
		}
	}
	if slices.Contains(o.OtherIDs, "") {
		bad("an empty id among the others")
	}
	return errors.Join(errs...)
}

func (e Endpoint) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("incident: "+format, args...)) }
	role := e.Role
	e.Role = ""
	if e == (Endpoint{}) {
		bad("an endpoint without any address, name or port")
	}
	if role != RoleUnknown && role != RoleSource && role != RoleTarget {
		bad("role %q: allowed are source, target and none", role)
	}
	if e.Address.Is4In6() || e.Address.Zone() != "" {
		bad("address %v: allowed are addresses without zone, v4 not inside v6", e.Address)
	}
	if e.Network != (netip.Prefix{}) && (!e.Network.IsValid() || e.Network != canonicalPrefix(e.Network)) {
		bad("network %v: allowed are first addresses of a network", e.Network)
	}
	if e.Host != strings.ToLower(e.Host) || strings.Contains(e.Host, " ") {
		bad("host %q: allowed are names in lower case", e.Host)
	}
	if e.Ports != "" && !validPorts(e.Ports) {
		bad("ports %q: allowed are 0 to 65535, ranges and lists: 5-25,37", e.Ports)
	}
	if e.MAC != "" && !validMAC(e.MAC) {
		bad("hardware address %q: allowed are six pairs of hexadecimal digits in lower case", e.MAC)
	}
	return errors.Join(errs...)
}

// lines returns all fields that are one line of text.
func (o *Observation) lines() []*string {
	list := []*string{&o.ID, &o.Reporter.Name, &o.Reporter.Mail, &o.Reporter.Domain, &o.Feed, &o.Zone, &o.Kind, &o.Scheme, &o.Protocol, &o.Service}
	for i := range o.OtherIDs {
		list = append(list, &o.OtherIDs[i])
	}
	for i := range o.Endpoints {
		e := &o.Endpoints[i]
		list = append(list, &e.Host, &e.Ports, &e.URL, &e.Mail, &e.MAC)
	}
	for i := range o.Logs {
		list = append(list, &o.Logs[i].Type, &o.Logs[i].Name)
	}
	for i := range o.Extra {
		list = append(list, &o.Extra[i].Name)
	}
	for i := range o.Left {
		list = append(list, &o.Left[i])
	}
	return list
}

func oneLine(s string) string {
	plain := utf8.ValidString(s) && !strings.HasPrefix(s, " ") && !strings.HasSuffix(s, " ") && !strings.Contains(s, "  ")
	if plain && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfffe || r == 0xffff }) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' {
			return ' '
		}
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfffe || r == 0xffff {
			return utf8.RuneError
		}
		return r
	}, s) // also replaces invalid UTF-8
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }), " ")
}

func normalTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	_, offset := t.Zone()
	if offset%60 != 0 || offset < -14*3600 || offset > 14*3600 || offset == 0 {
		return t.UTC().Round(0)
	}
	return t.In(time.FixedZone("", offset)).Round(0)
}

func validPorts(s string) bool {
	for item := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(item, "-")
		from, err := strconv.ParseUint(first, 10, 16)
		if err != nil || first != strconv.FormatUint(from, 10) {
			return false
		}
		if isRange {
			to, err := strconv.ParseUint(last, 10, 16)
			if err != nil || to < from || last != strconv.FormatUint(to, 10) {
				return false
			}
		}
	}
	return true
}

func validMAC(s string) bool {
	if len(s) != 17 {
		return false
	}
	for i := range len(s) {
		if i%3 == 2 {
			if s[i] != ':' {
				return false
			}
		} else if !strings.Contains("0123456789abcdef", s[i:i+1]) {
			return false
		}
	}
	return true
}

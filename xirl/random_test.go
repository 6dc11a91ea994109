package xirl

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// dice makes random observations: valid, and otherwise as odd as can be.
type dice struct{ *rand.Rand }

func newDice(t testing.TB, salt uint64) dice {
	seed := uint64(20060509)
	t.Logf("seed %d, %d", seed, salt)
	return dice{rand.New(rand.NewPCG(seed, salt))}
}

func (d dice) one(in int) bool { return d.IntN(in) == 0 }

func pick[T any](d dice, list ...T) T { return list[d.IntN(len(list))] }

func (d dice) text(max int) string {
	var b strings.Builder
	for range d.IntN(max) {
		b.WriteString(pick(d, "a", "Z", "0", " ", "<", "&", ">", "\"", "'", "]]>", "é", "漢", "😀", "-", "#", "{", "\\", "%", ";", ",", "\u00a0", "&amp;", "<!--"))
	}
	return strings.Join(strings.FieldsFunc(b.String(), func(r rune) bool { return r == ' ' }), " ")
}

func (d dice) line(max int) string {
	if d.one(3) {
		return ""
	}
	return d.text(max)
}

func (d dice) data() []byte {
	switch d.IntN(5) {
	case 0:
		return []byte{}
	case 1:
		b := make([]byte, d.IntN(40))
		for i := range b {
			b[i] = byte(d.Uint32())
		}
		return b
	case 2:
		return []byte(" \r\n\t" + d.text(30) + "\n\n  " + d.text(10) + "\r")
	case 3:
		return []byte("\x00\x01" + d.text(10) + "\ufffe\uffff\ufffd")
	}
	return []byte(d.text(60))
}

func (d dice) time() time.Time {
	t := time.Unix(d.Int64N(4e9), pick(d, 0, 0, d.Int64N(1e9)))
	if minutes := d.IntN(29*60) - 14*60; minutes != 0 && d.one(2) {
		return t.In(time.FixedZone("", minutes*60))
	}
	return t.UTC()
}

func (d dice) address() netip.Addr {
	if d.one(2) {
		return netip.AddrFrom4([4]byte{192, 0, 2, byte(d.Uint32())})
	}
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(d.Uint32())})
}

func (d dice) endpoint() incident.Endpoint {
	e := incident.Endpoint{Role: pick(d, incident.RoleUnknown, incident.RoleSource, incident.RoleTarget)}
	if d.one(2) {
		e.Address = d.address()
	}
	if d.one(6) {
		a := d.address()
		e.Network, _ = a.Prefix(d.IntN(a.BitLen()))
	}
	if d.one(3) {
		e.Host = pick(d, "www.example.org", "xn--bcher-kva.example.net", "_dmarc.example.com")
	}
	if d.one(2) {
		e.Ports = pick(d, "0", "25", "65535", "5-25,37", "1,2,3")
	}
	if d.one(5) {
		e.URL = "http://example.org/" + strings.ReplaceAll(d.text(20), " ", "%20")
	}
	if d.one(6) {
		e.Mail = "a.b+c@example.org"
	}
	if d.one(6) {
		e.MAC = "00:00:5e:00:53:af"
	}
	if d.one(6) {
		e.ASN = d.Uint32()
	}
	return e
}

func (d dice) observation() incident.Observation {
	o := incident.Observation{
		ID: d.line(20), Feed: d.line(12), Kind: d.line(12), Scheme: d.line(12), Service: pick(d, "", "ssh", d.line(8)),
		Protocol: pick(d, "", "tcp", "udp", "icmp", "47", "x-y"),
		Reporter: pick(d, incident.Reporter{}, incident.Reporter{Name: d.line(20), Mail: pick(d, "", "csirt@example.org"), Domain: pick(d, "", "example.org")}),
	}
	for range d.IntN(3) {
		o.OtherIDs = append(o.OtherIDs, "x"+d.text(8))
	}
	if !d.one(5) {
		o.Time = d.time()
		if d.one(3) {
			o.End = o.Time.Add(time.Duration(d.Int64N(1e15)))
		}
		if d.one(4) {
			o.Zone = "UTC"
		}
	}
	if d.one(3) {
		percent := d.IntN(101)
		o.Confidence = &percent
	}
	if d.one(3) {
		o.Count = 1 + d.Int64N(1<<40)
	}
	for range d.IntN(4) {
		o.Endpoints = append(o.Endpoints, d.endpoint())
	}
	for range d.IntN(3) {
		o.Logs = append(o.Logs, incident.Log{Type: pick(d, "", "text/plain", "message/rfc822"), Name: d.line(10), Data: d.data()})
	}
	for range d.IntN(4) {
		f := incident.Field{Name: "n" + d.text(8), Value: string(append([]byte("v"), d.text(20)...))}
		switch d.IntN(4) {
		case 0:
			f.Value, f.Type = pick(d, "1", "true", `{"a":[1,"x"]}`, "null"), "json"
		case 1:
			f.Value = "\x01\r\n" + f.Value
		case 2:
			f = incident.Field{Name: "summary", Value: f.Value}
		}
		o.Extra = append(o.Extra, f)
	}
	for range d.IntN(2) {
		o.Foreign = append(o.Foreign, canonical(fmt.Sprintf("<c:caif xmlns:c=%q b=\"&lt;&#10;\"><plain>%s</plain> tail</c:caif>", "urn:example:caif", escaped(d.text(20)))))
	}
	o.Normalize()
	return o
}

func escaped(s string) string {
	var b strings.Builder
	escapeXML(&b, s)
	return b.String()
}

func canonical(markup string) string {
	list, err := foreignMarkup([]string{markup})
	if err != nil {
		panic(err)
	}
	return list[0]
}

// decodeAll reads a document that must be right.
func decodeAll(t testing.TB, f incident.Format, doc []byte) []incident.Observation {
	t.Helper()
	var list []incident.Observation
	for o, err := range f.Decode(bytes.NewReader(doc), incident.Limits{}) {
		require.NoError(t, err, "%s", doc)
		list = append(list, o)
	}
	return list
}

// roundTrip writes n random observations, in documents of size, reads them and
// compares with what the format keeps. It returns the documents.
func roundTrip(t *testing.T, f incident.Format, n, size int, shape func(*incident.Observation, dice) bool, keep func(incident.Observation) incident.Observation) [][]byte {
	t.Helper()
	d := newDice(t, uint64(len(f.Name)))
	var docs [][]byte
	for n > 0 {
		var list []incident.Observation
		for len(list) < size {
			o := d.observation()
			if shape(&o, d) {
				require.NoError(t, o.Validate())
				list = append(list, o)
			}
		}
		n -= size
		var doc bytes.Buffer
		_, err := f.Encode(&doc, slices.Values(list))
		require.NoError(t, err)
		got := decodeAll(t, f, doc.Bytes())
		require.Len(t, got, len(list), "%s", doc.Bytes())
		for i, o := range list {
			want := keep(o)
			if !assert.True(t, want.Equal(got[i]), "observation %d\nwant %s\ngot  %s\n%s", i, want.Canonical(), got[i].Canonical(), doc.Bytes()) {
				t.FailNow()
			}
		}
		docs = append(docs, doc.Bytes())
	}
	return docs
}

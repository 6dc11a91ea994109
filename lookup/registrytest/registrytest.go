// Package registrytest checks what a [lookup.Registry] may return. Whoever writes
// an adapter runs it on answers good and bad; it brings nothing but the standard
// library into a build.
package registrytest

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/airtight-csirt/airtight/lookup"
)

// Check fails the test where a Registration breaks what holds for all of them,
// whatever was read: bounded lists and texts, one clean line in each field, mail
// addresses that can be written to, a network from its first address to its last.
func Check(t testing.TB, r lookup.Registration) {
	t.Helper()
	texts := []string{r.Handle, r.Name, r.Organisation, r.Country, r.Registrar, r.Referral}
	texts = append(append(append(texts, r.NameServers...), r.Status...), r.Hints...)
	lists := []int{len(r.NameServers), len(r.Status), len(r.Hints), len(r.Contacts), len(r.Origins)}
	for _, c := range r.Contacts {
		texts = append(append(append(texts, c.Handle, c.Name, c.Telephone, c.Language), c.Roles...), c.Addresses...)
		lists = append(lists, len(c.Addresses))
	}
	for _, s := range texts {
		if len(s) > lookup.MaxRegistryField || !utf8.ValidString(s) || strings.ContainsAny(s, "\r\n\x00\x1b") {
			t.Errorf("%q is no field: allowed is a line of UTF-8 of at most %d bytes", s, lookup.MaxRegistryField)
		}
	}
	for _, n := range lists {
		if n > lookup.MaxRegistryList {
			t.Errorf("a list has %d entries: allowed are %d", n, lookup.MaxRegistryList)
		}
	}
	if len(r.Text) > lookup.MaxRegistryText {
		t.Errorf("the text has %d bytes: allowed are %d", len(r.Text), lookup.MaxRegistryText)
	}
	for _, a := range append(r.Abuse(), r.Hints...) {
		if _, ok := lookup.RegistryAddress(a); !ok {
			t.Errorf("%q is no mail address", a)
		}
	}
	if r.First.IsValid() && (r.First.BitLen() != r.Last.BitLen() || r.Last.Less(r.First)) {
		t.Errorf("%v to %v is no network", r.First, r.Last)
	}
}

// Package whois asks registries over port 43 (RFC 3912): [New] makes a client
// that is a [lookup.Registry], [Parse] reads a single answer.
//
// Answers have no common form. Parse knows that of ARIN, the objects of RIPE,
// APNIC, AFRINIC, LACNIC and registro.br (RPSL, RFC 2622, and what is like it),
// and what most registries of domains have: lines with a key, with or without
// sections. The client asks the servers of its [Config] and no other, whatever an
// answer refers to.
package whois

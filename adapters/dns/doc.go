// Package dns asks the domain name system: [New] makes a client that is a
// [lookup.Resolver].
//
// It asks recursive resolvers, which its [Config] names, over UDP, and over TCP
// when an answer does not fit. They find, check (DNSSEC) and remember answers; the
// client only carries the question.
package dns

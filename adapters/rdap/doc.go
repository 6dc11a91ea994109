// Package rdap asks registries by the Registration Data Access Protocol
// (RFC 9082, RFC 9083): [New] makes a client that is a [lookup.Registry], [Parse]
// reads a single answer.
//
// The client asks the servers that its [Config] names and no other, whatever an
// answer refers to: those of the bootstrap files of IANA (RFC 9224), which the
// program hands in, and its own. The abuse contact is every entity with the role
// abuse, however deep it lies below the object.
package rdap

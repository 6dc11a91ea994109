// Package smtp carries mail over SMTP (RFC 5321): a [Server] hands what arrives
// to a [mail.Receiver], a [Sender] hands what leaves to one smart host.
//
// The server says 250 only when the Receiver has the message. It takes mail for
// its own addresses alone and never relays; it has neither AUTH nor STARTTLS:
// listen on loopback, behind a mail system that faces the world. It adds no
// Received line: the bytes are those that the peer sent.
package smtp

// Package smtp carries mail over SMTP (RFC 5321) and LMTP (RFC 2033): a
// [Server] hands what arrives to a [mail.Receiver], a [Sender] hands what leaves
// to one smart host. Both speak TLS by STARTTLS (RFC 3207); answers carry
// enhanced status codes (RFC 3463).
//
// The server says 250 only when the Receiver has the message. It takes mail for
// its own addresses alone and never relays, so it asks for no password. Each of
// its limits is a field of [Config]; together they bound the memory, the
// goroutines and the time that peers can cost. It adds no Received line: the
// bytes are those that the peer sent.
package smtp

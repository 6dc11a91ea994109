package mail

import (
	"context"
	"fmt"
)

// Envelope is what the SMTP dialogue says about a message (RFC 5321 3.3): it
// need not agree with the header.
type Envelope struct {
	From string   `json:"from"` // reverse-path without angle brackets; empty for the null sender
	To   []string `json:"to"`   // forward-paths
}

// Receiver takes over messages that arrive. A nil error means that the message
// is kept: only then may a server answer 250. An [*Error] carries the answer
// that the peer should get; any other error is temporary. raw belongs to the
// caller and must not be changed. A Receiver is safe for concurrent use.
type Receiver func(ctx context.Context, env Envelope, raw []byte) error

// Sender hands a message to the next hop. A nil error means that the next hop
// took responsibility for every recipient of the envelope. An [*Error] says
// whether trying again can help; one whose Undecided is true came
// after the message was handed over and before the answer, so that nobody can
// say whether it was taken. A Sender is safe for concurrent use.
type Sender interface {
	Send(ctx context.Context, env Envelope, raw []byte) error
}

// CarefulSender is a [Sender] that says when a message is about to be handed over, so
// that whoever is stopped before that knows that it was not taken.
type CarefulSender interface {
	Sender

	// SendWhen does what Send does, and calls ready once all is said but what makes the
	// next hop take the message: the final dot (RFC 5321 4.1.1.4). It calls it once at
	// most. An error of ready ends the attempt, and is what SendWhen returns: the message
	// is not taken.
	SendWhen(ctx context.Context, env Envelope, raw []byte, ready func(context.Context) error) error
}

// SenderFunc makes a [Sender] of a function.
type SenderFunc func(ctx context.Context, env Envelope, raw []byte) error

// Send calls f.
func (f SenderFunc) Send(ctx context.Context, env Envelope, raw []byte) error {
	return f(ctx, env, raw)
}

// Error is the answer of a mail system, ours or a peer's, in the terms of SMTP.
type Error struct {
	Code      int    // RFC 5321 4.2: 4yz is temporary, 5yz permanent
	Enhanced  string // RFC 3463, like "5.3.4"; may be empty
	Message   string // one line for the peer: no address, path or body of ours
	Undecided bool   // the connection ended between the final dot and the answer
	Err       error  // the cause, for our own log; may be nil
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("mail: %d %s %s: %v", e.Code, e.Enhanced, e.Message, e.Err)
	}
	return fmt.Sprintf("mail: %d %s %s", e.Code, e.Enhanced, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same message may be taken later.
func (e *Error) Temporary() bool { return e.Code/100 == 4 }

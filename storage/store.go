package storage

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"

	"github.com/airtight-csirt/airtight/incident"
)

// Errors of every store, to be tested with errors.Is.
var (
	// ErrNotFound: there is no such ticket or blob.
	ErrNotFound = errors.New("storage: not found")
	// ErrConflict: somebody else was faster. Read again, decide again; the Desk
	// does so by itself.
	ErrConflict = errors.New("storage: changed by somebody else meanwhile")
)

// Store keeps tickets, their records, claims, outgoing mail, reactions, blobs and the
// bookmarks of those who read its feed. This is the contract; storagetest holds a check
// for each sentence of it.
//
// Updates:
//
//   - Updates behave as if they ran one at a time, in some order: nothing that
//     fn read may have been changed by another update when fn's own changes are
//     committed.
//   - fn sees its own writes, in every method.
//   - An error from fn, a panic in fn or a cancelled context leaves nothing
//     behind: no ticket, record, claim, outgoing row, blob or bookmark. The error
//     comes back as fn gave it, and a panic goes on after the roll-back.
//   - A lost race is [ErrConflict]. The caller runs fn again, so fn has no
//     effects outside the store.
//   - A View is a snapshot: what fn reads does not change while it runs. Its
//     Reader is not a [Tx].
//   - fn may not call the Store. Reader and Tx may not be used after fn has
//     returned, and not by several goroutines at once.
//   - The Store itself is safe for concurrent use.
//
// Tickets and records:
//
//   - [Reader.Find] returns exactly the tickets for which [Query.Match] is true,
//     in the order of [Query.Compare], from behind Query.After on, at most
//     Query.Limit of them. Where keys are equal the ID decides, in the direction of
//     the first column of the order. Tickets without a due date sort before those with
//     one. Strings compare bytewise. [Reader.Count] counts the same tickets,
//     without After and Limit.
//   - [Tx.Append] takes only records that [incident.Extend] accepts and keeps
//     what it returns. A record that does not continue the stored ticket is
//     ErrConflict; any other refusal is the error of Extend. When one record is
//     refused, the update must end with an error.
//   - [Tx.NextID] never returns an id that Append has seen, nor one twice in one
//     update. Ids are 1, 2, 3 ...; the id of an update that is rolled back is
//     free again.
//   - Record.Seq numbers the committed records 1, 2, 3 ... without holes. It is
//     larger than that of every record committed before the update began, and
//     than that of every earlier record of its ticket. A reader that has seen n
//     never later finds a new record at or below n. What Append was given in Seq
//     is ignored, and inside fn Seq is zero.
//   - [Reader.History] returns exactly the records for which [HistoryQuery.Match]
//     is true, in ascending order of Seq or, if HistoryQuery.Descending, from the
//     newest on, at most HistoryQuery.Limit of them. Those that fn has appended
//     are the newest.
//   - Bytes of records come back as they were given. Times keep their
//     microseconds and are UTC.
//   - Values in and out are the caller's to change.
//
// Claims, outgoing mail and reactions, blobs, bookmarks:
//
//   - [Tx.Claim] gives a key to a ticket unless some ticket holds it already, and
//     returns the holder. A claim is never taken away.
//   - [Tx.PutOutgoing] writes a row if its Revision is that of the stored row (0:
//     there is none), and ErrConflict otherwise. The stored Revision is one more.
//   - [Tx.PutBlob] keeps bytes under their SHA-256. Putting the same bytes again
//     changes nothing.
//   - [Tx.PutBookmark] writes a bookmark if its Revision is that of the stored one
//     (0: there is none), and ErrConflict otherwise. The stored Revision is one
//     more. [Tx.RemoveBookmark] removes one that is there on the same condition.
//
// Optional powers are interfaces found by type assertion; the comment of each
// says what happens without it.
type Store interface {
	// View runs fn on a snapshot. It returns fn's error as it is.
	View(ctx context.Context, fn func(context.Context, Reader) error) error
	// Update runs fn and commits what it wrote, or nothing.
	Update(ctx context.Context, fn func(context.Context, Tx) error) error
}

// Reader reads a store inside a View or an Update.
type Reader interface {
	// Ticket returns a ticket by its number, or ErrNotFound.
	Ticket(ctx context.Context, id incident.ID) (incident.Ticket, error)
	// Find returns the tickets that a query describes.
	Find(ctx context.Context, q Query) ([]incident.Ticket, error)
	// Count returns how many tickets a query describes, whatever its After and
	// Limit.
	Count(ctx context.Context, q Query) (int, error)
	// History returns the records that a query describes, in ascending order of
	// Seq unless it says otherwise.
	History(ctx context.Context, q HistoryQuery) ([]incident.Record, error)
	// Claimed returns the ticket that holds a key; false if none does.
	Claimed(ctx context.Context, key Key) (incident.ID, bool, error)
	// Outgoing returns rows of the outbox, in ascending order of [Outgoing.ID].
	Outgoing(ctx context.Context, q OutgoingQuery) ([]Outgoing, error)
	// OpenBlob returns the bytes of a blob, or ErrNotFound. The caller closes it,
	// before fn returns.
	OpenBlob(ctx context.Context, digest incident.Digest) (io.ReadCloser, error)
	// Bookmark returns the bookmark with a name; where there is none, one that has
	// the Name and nothing else.
	Bookmark(ctx context.Context, name string) (Bookmark, error)
	// Bookmarks returns all bookmarks, in ascending order of Name.
	Bookmarks(ctx context.Context) ([]Bookmark, error)
}

// Tx reads and writes a store inside an Update.
type Tx interface {
	Reader
	// NextID returns the number for a new ticket.
	NextID(ctx context.Context) (incident.ID, error)
	// Append adds records, those of one ticket in order.
	Append(ctx context.Context, records ...incident.Record) error
	// Claim gives a key to a ticket, unless it is taken, and returns who holds it.
	Claim(ctx context.Context, key Key, id incident.ID) (holder incident.ID, err error)
	// PutOutgoing writes a row of the outbox by compare and set on Revision.
	PutOutgoing(ctx context.Context, o Outgoing) error
	// PutBlob keeps bytes and returns their SHA-256.
	PutBlob(ctx context.Context, content []byte) (incident.Digest, error)
	// PutBookmark writes a bookmark by compare and set on Revision.
	PutBookmark(ctx context.Context, b Bookmark) error
	// RemoveBookmark removes a bookmark by compare and set on Revision.
	RemoveBookmark(ctx context.Context, b Bookmark) error
}

// Key is a name that at most one ticket holds: a Message-ID, the digest of a raw
// mail, somebody else's incident number. Space tells these apart.
type Key struct {
	Space string
	Value string
}

// Sum returns the form of Value that goes into an index: short, whatever the
// length of Value, and equal for equal values only.
func (k Key) Sum() incident.Digest { return sha256.Sum256([]byte(k.Value)) }

// HistoryQuery says which records are wanted: those that meet all of its fields.
// A list is met by any one of its members. The zero HistoryQuery asks for the
// whole feed.
type HistoryQuery struct {
	Tickets    []incident.ID // empty: all tickets
	Versions   []uint64      // empty: all; 1 is a ticket's first record
	Types      []string      // empty: all; see [incident.Event]
	After      uint64        // only records with a larger Seq; 0: all
	Descending bool          // the newest first
	Limit      int           // so many, from the first in this order on; 0: all
}

// Match reports whether a query describes a record. It does not look at Limit.
// A record of the update that asks, whose Seq is zero yet, is behind every After.
func (q HistoryQuery) Match(r incident.Record) bool {
	return among(q.Tickets, r.Ticket) && among(q.Versions, r.Version) && among(q.Types, r.Type) &&
		(r.Seq == 0 || r.Seq > q.After)
}

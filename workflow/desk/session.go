package desk

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Session acts for one person. Make one with [Desk.As]; it is cheap and safe for
// concurrent use. A ticket that the actor may not see does not exist for it: nothing
// that a session returns names one, and what was left out for that is counted.
type Session struct {
	desk  *Desk
	who   workflow.Who
	scope *storage.Scope // what may be seen; nil: everything
}

// As returns a session for an actor, who is a member of groups, with what the
// policy's [workflow.Rights] give them. The library has no log-in: the program says
// who it is.
func (d *Desk) As(actor incident.Actor, groups ...string) *Session {
	who := d.config.Policy.Who(actor, groups...)
	return &Session{desk: d, who: who, scope: scopeOf(who)}
}

// Who returns the actor of the session and what the policy permits.
func (s *Session) Who() workflow.Who { return s.who }

// Result is what a list of commands did, as far as the actor may see it: the
// tickets that the commands name, and those that it could read.
type Result struct {
	Opened  []incident.ID     `json:"opened,omitempty"` // by the commands themselves, in order: $1, $2 ...
	Tickets []incident.Ticket `json:"tickets"`          // every ticket that changed, as it is now, by ID
	Records []incident.Record `json:"records"`          // in order; without Seq, which the feed has
	Hidden  int               `json:"hidden,omitempty"` // records that are left out

	// Offers are commands that rules propose, for a person to give or not: a notice
	// to those whom a block affects. They are made for the state after the Do.
	Offers []workflow.Command `json:"-"`

	// AtWork are the others who worked on tickets when the Do changed them, or when
	// the actor attended to them (JANET 3.18). It is a notice and no refusal.
	AtWork []AtWork `json:"atWork,omitempty"`

	// Warnings are sentences about what was done all the same: a mail that goes to an
	// address from which mail has come back.
	Warnings []string `json:"warnings,omitempty"`

	calls   []CommandCall // what after hooks have not seen yet
	written []incident.Record
}

// AtWork is somebody who works on a ticket until a time: see [workflow.Attend].
type AtWork struct {
	Ticket incident.ID `json:"ticket"`
	incident.Attention
}

// ErrNoCommand is returned for a list of commands that is empty.
var ErrNoCommand = errors.New("desk: there is no command to do")

// Do runs commands in order, with all that follows from them, in one
// transaction: all or nothing. A later command may name a ticket that an earlier
// one opens, by [incident.Nth]. A command that asks for what already is does
// nothing and is no error.
//
// Errors: [*workflow.RightsError], those of [workflow.Policy.Decide], [*UnsealedError], [*VetoError], [*ReplacementError],
// [*workflow.LoopError],
// [*workflow.NoTicketError] for a ticket that does not exist or that the actor may not see (it
// is also storage.ErrNotFound), errors of the store. After storage.ErrConflict
// the commands are tried again, at most ten times and for a few seconds.
func (s *Session) Do(ctx context.Context, commands ...workflow.Command) (*Result, error) {
	if err := given(commands); err != nil {
		return nil, err
	}
	return s.desk.do(ctx, s.who.Actor, s, commands)
}

// DoTx runs commands as Do does, inside a transaction of the caller: that of
// sqlstore's Join, beside the caller's own rows, or that of a Store.Update. When
// it is committed, hand the Result to [Desk.Announce]: after hooks have not run.
//
// Nothing is written before all commands have been decided, so that a refusal
// leaves tx as it was. After an error of tx itself, storage.ErrConflict among
// them, the transaction must be rolled back, unless the adapter promises more.
// Nothing is tried again.
func (s *Session) DoTx(ctx context.Context, tx storage.Tx, commands ...workflow.Command) (*Result, error) {
	if err := given(commands); err != nil {
		return nil, err
	}
	seed, err := s.desk.seed()
	if err != nil {
		return nil, err
	}
	return s.newRun(seed, tx).write(ctx, tx, commands)
}

// write runs commands and flushes them to tx.
func (r *run) write(ctx context.Context, tx storage.Tx, commands []workflow.Command) (*Result, error) {
	if err := r.all(ctx, commands); err != nil {
		return nil, err
	}
	if err := r.clearActed(ctx); err != nil {
		return nil, err
	}
	return r.flush(ctx, tx)
}

// flush writes what the run has drafted.
func (r *run) flush(ctx context.Context, tx storage.Tx) (*Result, error) {
	changes, err := r.draft.Flush(ctx, tx)
	if err != nil {
		return nil, err
	}
	return r.result(ctx, changes)
}

// Announce runs the after hooks for what [Session.DoTx] has done, once: call it
// after the commit. For a Result of Do there is nothing left to announce.
func (d *Desk) Announce(ctx context.Context, result *Result) {
	calls, written := result.calls, result.written
	result.calls, result.written = nil, nil
	d.announce(ctx, calls, written)
}

// Preview runs commands as Do does and stores nothing. Its records agree with
// those that Do would write, but for salts, Message-IDs and the digests and
// hashes that follow from them.
func (s *Session) Preview(ctx context.Context, commands ...workflow.Command) (*Result, error) {
	if err := given(commands); err != nil {
		return nil, err
	}
	seed, err := s.desk.seed()
	if err != nil {
		return nil, err
	}
	var result *Result
	err = s.desk.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		run := s.newRun(seed, r)
		if err := run.all(ctx, commands); err != nil {
			return err
		}
		var err error
		if result, err = run.result(ctx, run.draft.Changes()); err == nil {
			result.calls, result.written = nil, nil
		}
		return err
	})
	return result, err
}

// given refuses commands that are not a person's to give.
func given(commands []workflow.Command) error {
	if len(commands) == 0 {
		return ErrNoCommand
	}
	for _, c := range commands {
		if workflow.ByDesk(c) {
			return &workflow.RefusedError{Command: c.Name(), Ticket: c.Target(), Why: "only the desk itself gives this command"}
		}
	}
	return nil
}

// A lost race is run again so often, and not after so long: behind a database
// that another program has locked, every try would wait as long as its settings
// allow.
const (
	conflictTries = 10
	conflictWait  = 3 * time.Second
)

// do runs commands in one update, and the after hooks when it is committed; for the
// desk itself without a session.
func (d *Desk) do(ctx context.Context, by incident.Actor, session *Session, commands []workflow.Command) (*Result, error) {
	seed, err := d.seed()
	if err != nil {
		return nil, err
	}
	var result *Result
	err = update(ctx, d.store, func(ctx context.Context, tx storage.Tx) error {
		var err error
		result, err = d.newRun(by, session, seed, tx).write(ctx, tx, commands)
		return err
	})
	if err != nil {
		return nil, err
	}
	d.Announce(ctx, result)
	return result, nil
}

// update runs fn again while somebody else was faster.
func update(ctx context.Context, store storage.Store, fn func(context.Context, storage.Tx) error) error {
	start := time.Now()
	for tries := 1; ; tries++ {
		err := store.Update(ctx, fn)
		if !errors.Is(err, storage.ErrConflict) || tries == conflictTries || time.Since(start) > conflictWait {
			return err
		}
	}
}

// result is what the actor may see of what was done.
func (r *run) result(ctx context.Context, changes storage.Changes) (*Result, error) {
	hidden := map[incident.ID]bool{}
	for _, t := range changes.Tickets {
		hidden[t.ID] = !r.visible(t) && !slices.ContainsFunc(r.calls, func(call CommandCall) bool {
			return call.Cause.Rule == "" && call.Ticket.ID == t.ID
		})
	}
	var others []AtWork
	for _, id := range slices.Sorted(maps.Keys(r.attended)) {
		for _, a := range r.attended[id] {
			if a.By != r.by && !hidden[id] {
				others = append(others, AtWork{id, a})
			}
		}
	}
	written := changes.Records
	result := &Result{calls: r.calls, written: written, Opened: r.opened, Offers: r.offers, AtWork: others, Warnings: r.warnings}
	sight := r.sight()
	result.Tickets = slices.DeleteFunc(changes.Tickets, func(t incident.Ticket) bool { return hidden[t.ID] })
	if err := sight.tickets(ctx, result.Tickets); err != nil {
		return nil, err
	}
	var err error
	result.Records, _, err = sight.records(ctx, slices.DeleteFunc(slices.Clone(written), func(record incident.Record) bool { return hidden[record.Ticket] }))
	result.Hidden = len(written) - len(result.Records)
	return result, err
}

// announce runs the after hooks.
func (d *Desk) announce(ctx context.Context, calls []CommandCall, records []incident.Record) {
	for _, call := range calls {
		for _, hook := range d.config.AfterCommand {
			hook(ctx, call)
		}
	}
	for _, record := range records {
		for _, hook := range d.config.AfterEvent {
			hook(ctx, storage.CloneRecord(record))
		}
	}
}

// view runs fn on a snapshot.
func (s *Session) view(ctx context.Context, fn func(context.Context, storage.Reader) error) error {
	return s.desk.store.View(ctx, fn)
}

// Ticket returns a ticket, or a [*workflow.NoTicketError].
func (s *Session) Ticket(ctx context.Context, id incident.ID) (t incident.Ticket, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		if t, err = s.ticket(ctx, r, id); err == nil {
			t, err = s.sight(r).ticket(ctx, t)
		}
		return err
	})
	return t, err
}

// ticket reads a ticket that the actor may see, with all that it names.

func (s *Session) ticket(ctx context.Context, r storage.Reader, id incident.ID) (incident.Ticket, error) {
	t, err := r.Ticket(ctx, id)
	if errors.Is(err, storage.ErrNotFound) || err == nil && s.scope != nil && !s.scope.Covers(t) {
		return incident.Ticket{}, &workflow.NoTicketError{Ticket: id, Err: storage.ErrNotFound}
	}
	return t, err
}

// Find returns the tickets that a query describes, as far as the actor may see
// them: the session's scope replaces that of the query.
func (s *Session) Find(ctx context.Context, q storage.Query) (found []incident.Ticket, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		found, err = s.find(ctx, r, q)
		return err
	})
	return found, err
}

// find asks for tickets as the actor sees them.
func (s *Session) find(ctx context.Context, r storage.Reader, q storage.Query) ([]incident.Ticket, error) {
	q, err := s.within(ctx, r, q)
	if err != nil {
		return nil, err
	}
	found, err := r.Find(ctx, q)
	if err != nil {
		return nil, err
	}
	return found, s.sight(r).tickets(ctx, found)
}

// within limits a query to what the actor may see. A ticket that does not exist for
// the actor has no children.
func (s *Session) within(ctx context.Context, r storage.Reader, q storage.Query) (storage.Query, error) {
	if s.scope == nil {
		return q, nil
	}
	q.Scope = s.scope
	hidden, err := s.sight(r).hides(ctx, []incident.ID{q.Parent})
	if hidden {
		q.Scope = &storage.Scope{}
	}
	return q, err
}

// History is the history of a ticket, as far as the actor may see it: records that
// name other tickets which he may not see, or that such a ticket caused, are left
// out.
type History struct {
	Records []incident.Record `json:"records"` // oldest first
	Hidden  int               `json:"hidden,omitempty"`
}

// History returns the records of a ticket. The error is a
// [*workflow.NoTicketError], or the store's.
func (s *Session) History(ctx context.Context, id incident.ID) (history History, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		if _, err := s.ticket(ctx, r, id); err != nil {
			return err
		}
		records, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{id}})
		if err == nil {
			history.Records, history.Hidden, err = s.sight(r).records(ctx, records)
		}
		return err
	})
	return history, err
}

// Outgoing returns the rows of the outbox that belong to a ticket: mail and reactions.
func (s *Session) Outgoing(ctx context.Context, id incident.ID) (rows []storage.Outgoing, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		if _, err := s.ticket(ctx, r, id); err != nil {
			return err
		}
		rows, err = r.Outgoing(ctx, storage.OutgoingQuery{Tickets: []incident.ID{id}})
		return err
	})
	return rows, err
}

// ErrNoBody is returned by Body for a record that has no body.
var ErrNoBody = errors.New("desk: the record has no body")

// Body returns the body of one record: the raw mail of a message, the text of a
// comment. Bodies open only through a ticket that the actor may see, and those of
// records that [Session.History] leaves out only when they were received.
func (s *Session) Body(ctx context.Context, id incident.ID, version uint64) (body []byte, err error) {
	return s.blob(ctx, id, version, 0)
}

// Attachment returns the bytes of the n-th file (from 1) that came with what was no
// mail: those that [incident.MessageEntity] names. What a mail brings is in its
// Body. ErrNoBody: the record has no such file.
func (s *Session) Attachment(ctx context.Context, id incident.ID, version uint64, n int) ([]byte, error) {
	if n < 1 {
		return nil, ErrNoBody
	}
	return s.blob(ctx, id, version, n)
}

// blob reads one of the bodies of a record.
func (s *Session) blob(ctx context.Context, id incident.ID, version uint64, n int) (body []byte, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		if _, err := s.ticket(ctx, r, id); err != nil {
			return err
		}
		records, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{id}, Versions: []uint64{version}})
		if err != nil {
			return err
		}
		if len(records) == 0 || len(records[0].Blobs) <= n {
			return ErrNoBody
		}
		if shut, err := s.shut(ctx, r, records); err != nil {
			return err
		} else if shut {
			return ErrNoBody
		}
		body, err = s.desk.body(ctx, r, records[0].Blobs[n])
		return err
	})
	return body, err
}

// shut reports whether the body of a record is kept from the actor: one that
// [Session.History] leaves out, unless it was received. The desk may have written into
// it why it was.
func (s *Session) shut(ctx context.Context, r storage.Reader, record []incident.Record) (bool, error) {
	_, hidden, err := s.sight(r).records(ctx, record)
	return hidden > 0 && len(record) > 0 && !received(record[0]), err
}

// received reports whether a record is of a message as its sender wrote it.
func received(record incident.Record) bool {
	ev, err := incident.Decode(record)
	m, ok := ev.(incident.Message)
	return err == nil && ok && !m.Sent
}

// body reads a body, whether it lies in the store or in Config.Blobs.
func (d *Desk) body(ctx context.Context, r storage.Reader, digest incident.Digest) ([]byte, error) {
	body, err := readBlob(ctx, r.OpenBlob, digest)
	if d.config.Blobs != nil && errors.Is(err, storage.ErrNotFound) {
		return readBlob(ctx, d.config.Blobs.Open, digest)
	}
	return body, err
}

// HoldsBody reports whether a mail with these bytes was received: whether
// Config.Blobs must keep them. blobdir.Dir.Sweep asks this.
func (d *Desk) HoldsBody(ctx context.Context, digest incident.Digest) (held bool, err error) {
	err = d.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		_, held, err = r.Claimed(ctx, storage.Key{Space: claimRaw, Value: digest.String()})
		return err
	})
	return held, err
}

func readBlob(ctx context.Context, open func(context.Context, incident.Digest) (io.ReadCloser, error), digest incident.Digest) ([]byte, error) {
	blob, err := open(ctx, digest)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	return io.ReadAll(blob)
}

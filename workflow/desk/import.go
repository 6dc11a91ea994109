package desk

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Import says what is imported, and how.
type Import struct {
	Name   string         // of the file, for whoever looks at it later
	Feed   string         // that it is of, as the policy calls it; empty: as its observations say
	Format string         // by name; empty: that of the feed, otherwise the one that recognises the beginning
	By     incident.Actor // who imports; empty: [incident.System]
	Limits incident.Limits

	Progress func(Imported) // is called after every commit; nil: nobody is
	Preview  bool           // nothing is stored, and nobody is told by hooks. Each piece is judged for itself
}

// Imported says how far an import has come.
type Imported struct {
	Import string `json:"import"` // its number
	Format string `json:"format"`
	incident.Tally
	Bytes   int64    `json:"bytes"`             // of the input, that were read
	Again   bool     `json:"again,omitempty"`   // the same bytes were imported before
	Reasons []string `json:"reasons,omitempty"` // why observations were refused or dropped, the first 20
}

// Sizes of the pieces of an import: each is one commit.
const (
	importRows  = 500
	importBytes = 4 << 20
)

// FormatUnknownError says that there is no format for an input.
type FormatUnknownError struct {
	Name    string   // that was asked for; empty: none recognises the input
	Allowed []string // names of the formats that read streams
}

// Error implements error.
func (e *FormatUnknownError) Error() string {
	if e.Name == "" {
		return "desk: format not supported: none of " + strings.Join(e.Allowed, ", ") + " recognises the input; name one"
	}
	return fmt.Sprintf("desk: format %q not supported: allowed are %s", e.Name, strings.Join(e.Allowed, ", "))
}

// Import reads what machines report and makes reports of it, that wait for a decision
// (AIRT paper 3.1). It reads a stream and commits every 500 observations, or 4 MiB of
// input, so that memory does not grow with the input; nor does the cost of a report
// with what it has collected.
//
// For each source, feed and kind one waiting report collects what comes in. It keeps
// those with the least time, as many as the feed says ([workflow.Feed.Keeps]); one
// record says that there were more. Two imports make the same of it in either order,
// as long as no report is decided in between.
//
// An observation that is here already, by the reporter's number or by all that it says,
// is recognised and not taken again. So an import that has broken off is taken up by
// importing the same input again. The raw input is kept, byte for byte, piece by piece
// in the history of the desk itself ([incident.Imported]).
//
// It reads r and decodes in a goroutine of its own, at most one piece ahead of the
// commits, and has ended that one when it returns; a panic of the decoder is a panic of
// Import. It makes much garbage and keeps little: a program that does nothing else is a
// sixth faster with GOGC=400.
//
// What cannot be read is counted and its reason returned; the rest goes on. Errors:
// [*FormatUnknownError]; the [*incident.FormatError] of an input in which nothing could
// be read, which is not kept then; those of r, of commands ([Session.Do]) and of the
// store: what was committed before stays.
func (d *Desk) Import(ctx context.Context, in Import, r io.Reader) (*Imported, error) {
	feed, _ := d.config.Policy.Feed(in.Feed)
	in.By, in.Feed = cmp.Or(in.By, incident.System), cmp.Or(in.Feed, feed.Name)
	input := &rawInput{from: r, sum: sha256.New()}
	format, err := d.streamFormat(cmp.Or(in.Format, feed.Format), input)
	if err != nil {
		return nil, err
	}
	seed, err := d.seed()
	if err != nil {
		return nil, err
	}
	im := &importing{desk: d, Import: in, result: Imported{Import: hex.EncodeToString(seed[:8]), Format: format.Name}}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ahead := &reading{desk: d, input: input, feed: im.feed(), limits: in.Limits, pieces: make(chan piece)}
	go ahead.run(ctx, format)
	var failed error
	for p := range ahead.pieces {
		if failed != nil {
			continue
		}
		if failed = im.commit(ctx, p); failed != nil {
			stop()
		}
	}
	if ahead.panicked != nil {
		panic(ahead.panicked)
	}
	if ahead.unread {
		im.result.Refused, im.result.Reasons = ahead.next.refused, ahead.next.reasons
	}
	return &im.result, cmp.Or(failed, ahead.failed)
}

// feed is that of observations which name none.
func (im *importing) feed() string { return cmp.Or(im.Feed, im.result.Format) }

// importing is an import on its way.
type importing struct {
	desk *Desk
	Import
	part   int // committed
	result Imported
}

// commit writes a piece.
func (im *importing) commit(ctx context.Context, p piece) error {
	ev := incident.Imported{
		Import: im.result.Import, Format: im.result.Format, Feed: im.Feed, Part: im.part + 1, Done: p.sum != nil,
		Content: incident.ImportedContent{Name: incident.Clean(im.Name)},
	}
	var run *run
	var changes storage.Changes
	seed, err := im.desk.seed()
	write := func(ctx context.Context, base storage.Reader) (err error) {
		run = im.desk.newRun(im.By, nil, seed, base)
		run.label = "import"
		return im.write(ctx, run, p, &ev)
	}
	if err == nil && im.Preview {
		err = im.desk.store.View(ctx, write)
	} else if err == nil {
		err = update(ctx, im.desk.store, func(ctx context.Context, tx storage.Tx) error {
			if err := write(ctx, tx); err != nil {
				return err
			}
			changes, err = run.draft.Flush(ctx, tx)
			return err
		})
	}
	if err != nil {
		return err
	}
	if !im.Preview {
		im.desk.announce(ctx, run.calls, changes.Records)
	}
	im.part++
	im.result.Add(ev.Tally)
	im.result.Bytes, im.result.Again = p.read, ev.Again
	for _, why := range ev.Content.Reasons {
		if len(im.result.Reasons) < maxWhys {
			im.result.Reasons = append(im.result.Reasons, why)
		}
	}
	if im.Progress != nil {
		im.Progress(im.result)
	}
	return nil
}

// write drafts a piece: its record, and what becomes of its observations.
func (im *importing) write(ctx context.Context, r *run, p piece, ev *incident.Imported) error {
	self, err := r.draft.Ticket(ctx, incident.Desk)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	ev.Blobs = nil
	if len(p.raw) > 0 {
		digest, err := r.draft.PutBlob(ctx, p.raw)
		if err != nil {
			return err
		}
		ev.Blobs = []incident.Digest{digest}
	}
	if p.sum != nil {
		key := storage.Key{Space: claimImport, Value: p.sum.String()}
		if _, ev.Again, err = r.draft.Claimed(ctx, key); err != nil {
			return err
		}
		if _, err := r.draft.Claim(ctx, key, incident.Desk); err != nil {
			return err
		}
	}
	change, err := r.event(ctx, self, incident.Desk, nil, workflow.Decision{Event: *ev}, incident.Cause{})
	if err != nil {
		return err
	}
	at := change.After.Version
	s := r.sorting()
	if err := s.lookUp(ctx, p.rows); err != nil {
		return err
	}
	for _, o := range p.rows {
		if err := s.add(ctx, o); err != nil {
			return err
		}
	}
	if _, err := s.place(ctx, nil, incident.Cause{Ticket: incident.Desk, Version: at}); err != nil {
		return err
	}
	ev.Tally = s.tally
	ev.Refused = p.refused
	ev.Content.Reasons = cut(append(slices.Clone(p.reasons), s.reasons...), maxWhys)
	return r.draft.Revise(incident.Desk, at, func(record *incident.Record) error { return record.Encode(*ev) })
}

// RawInput writes the raw input of an import to w, byte for byte. storage.ErrNotFound:
// there is no such import.
func (d *Desk) RawInput(ctx context.Context, number string, w io.Writer) error {
	return d.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		history, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{incident.Desk}, Types: []string{incident.Imported{}.Type()}})
		if err != nil {
			return err
		}
		found := false
		for _, record := range history {
			ev, err := incident.Decode(record)
			e, ok := ev.(incident.Imported)
			if err != nil || !ok || e.Import != number {
				continue
			}
			found = true
			for _, digest := range e.Blobs {
				piece, err := d.body(ctx, r, digest)
				if err != nil {
					return err
				}
				if _, err := io.Copy(w, bytes.NewReader(piece)); err != nil {
					return err
				}
			}
		}
		if !found {
			return fmt.Errorf("desk: no import %q: %w", number, storage.ErrNotFound)
		}
		return nil
	})
}

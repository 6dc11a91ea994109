package desk

import (
	"cmp"
	"context"
	"errors"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// streamFormat returns the format with a name, or the one that recognises the
// beginning of an input.
func (d *Desk) streamFormat(name string, input *rawInput) (incident.Format, error) {
	streams := slices.DeleteFunc(slices.Clone(d.config.Formats), func(f incident.Format) bool { return f.Decode == nil })
	unknown := &FormatUnknownError{Name: name}
	for _, f := range streams {
		unknown.Allowed = append(unknown.Allowed, f.Name)
	}
	is := func(f incident.Format) bool { return strings.EqualFold(f.Name, name) }
	if name == "" {
		head, err := input.peek(4 << 10)
		if err != nil {
			return incident.Format{}, err
		}
		is = func(f incident.Format) bool { return f.Recognise([]incident.Part{{Content: head}}) }
	}
	if i := slices.IndexFunc(streams, is); i >= 0 {
		return streams[i], nil
	}
	return incident.Format{}, unknown
}

// piece is what one commit writes.
type piece struct {
	rows    []identified
	refused int
	reasons []string
	raw     []byte           // the input that it was read from
	read    int64            // of the input, up to its end
	sum     *incident.Digest // of all of the input, in the last piece
}

// reading reads an input, one piece ahead of what is committed.
type reading struct {
	desk   *Desk
	input  *rawInput
	feed   string
	limits incident.Limits
	pieces chan piece // is closed at the end; what follows may be read then

	next         piece
	observations int   // read in all
	failed       error // what ended the import
	unread       bool  // nothing could be read, and failed says why
	panicked     any   // of the decoder
}

// run reads to the end, or until ctx is done.
func (r *reading) run(ctx context.Context, format incident.Format) {
	defer close(r.pieces)
	defer func() { r.panicked = recover() }()
	r.input.full = func() error { return r.send(ctx) }
	var first error
	for o, err := range format.Decode(r.input, r.limits) {
		if r.failed = cmp.Or(r.input.failed, ctx.Err()); r.failed != nil {
			return
		}
		if err != nil {
			first = cmp.Or(first, err)
			if r.next.refused++; len(r.next.reasons) < maxWhys {
				r.next.reasons = append(r.next.reasons, incident.Clean(err.Error()))
			}
			continue
		}
		r.observations++
		r.next.rows = append(r.next.rows, r.desk.identified(o, r.feed))
		if len(r.next.rows) >= importRows {
			if r.failed = r.send(ctx); r.failed != nil {
				return
			}
		}
	}
	if r.failed = cmp.Or(r.input.failed, ctx.Err()); r.failed != nil {
		return
	}
	if first != nil && r.observations == 0 {
		r.failed, r.unread = first, true
		return
	}
	limit := r.limits.WithDefaults().Bytes
	if _, err := io.CopyN(io.Discard, r.input, max(limit-r.input.read, 0)); err != nil && !errors.Is(err, io.EOF) { // behind an error, or the end of a document
		r.failed = err
		return
	}
	sum := incident.Digest(r.input.sum.Sum(nil))
	r.next.sum = &sum
	r.failed = r.send(ctx)
}

// send hands over what was read since the last time.
func (r *reading) send(ctx context.Context) error {
	r.next.raw, r.next.read = r.input.piece, r.input.read
	select {
	case r.pieces <- r.next:
		r.next, r.input.piece = piece{}, nil
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rawInput keeps the bytes of an input as they are read, until a piece is sent.
type rawInput struct {
	from   io.Reader
	ahead  []byte // read by peek
	piece  []byte // read since the last one was sent
	read   int64
	sum    hash.Hash
	full   func() error // sends the piece
	failed error        // of from, or of full
}

func (r *rawInput) peek(n int) ([]byte, error) {
	head := make([]byte, n)
	n, err := io.ReadFull(r.from, head)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	r.ahead = head[:n]
	return r.ahead, err
}

// Read implements io.Reader.
func (r *rawInput) Read(p []byte) (n int, err error) {
	if len(r.piece) >= importBytes {
		if r.failed = r.full(); r.failed != nil {
			return 0, r.failed
		}
	}
	if len(r.ahead) > 0 {
		n = copy(p, r.ahead)
		r.ahead = r.ahead[n:]
	} else if n, err = r.from.Read(p); err != nil && !errors.Is(err, io.EOF) {
		r.failed = err
	}
	r.piece = append(r.piece, p[:n]...)
	r.sum.Write(p[:n])
	r.read += int64(n)
	return n, err
}

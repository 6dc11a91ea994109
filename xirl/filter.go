package xirl

import (
	"fmt"
	"io"
	"iter"

	"github.com/airtight-csirt/airtight/incident"
)

// Filter is an own filter, after AIRT's contract: it turns raw input into XIRL
// or refuses it with a reason. A filter that is written in Go may as well be an
// [incident.Format]; this is for what writes XIRL, like a program that is run
// with the raw input on its standard input (adapters/program).
type Filter interface {
	// Filter reads raw and writes one XIRL document. An error refuses the
	// whole input; its text is the reason. A Write that fails says that
	// nobody reads on: Filter returns then.
	Filter(raw io.Reader, document io.Writer) error
}

// FromFilter makes a format of a filter. Limits apply to the raw input (Bytes)
// and to the document that comes out. Observations stream: those that came
// before a refusal have been yielded, and the refusal is the last error.
func FromFilter(name string, f Filter) incident.Format {
	return incident.Format{
		Name:      name,
		Recognise: func([]incident.Part) bool { return false },
		Decode: func(r io.Reader, limits incident.Limits) iter.Seq2[incident.Observation, error] {
			return func(yield func(incident.Observation, error) bool) {
				raw := newGuard(name, r, incident.Limits{Bytes: limits.Bytes, Item: -1})
				var refused error
				// iter.Pull runs the filter in turns with its reader.
				next, stop := iter.Pull(func(chunk func([]byte) bool) {
					refused = f.Filter(raw, chunkWriter(chunk))
				})
				defer stop()
				document := &chunkReader{next: next, refused: &refused}
				for o, err := range Decode(document, limits) {
					if refused != nil {
						yield(o, raw.errorf(refused, "the filter refuses it: %v", refused))
						return
					}
					if !yield(o, err) {
						return
					}
				}
			}
		},
	}
}

type chunkWriter func([]byte) bool

func (w chunkWriter) Write(p []byte) (int, error) {
	if len(p) > 0 && !w(p) {
		return 0, fmt.Errorf("xirl: nobody reads on: %w", io.ErrClosedPipe)
	}
	return len(p), nil
}

// chunkReader reads what a filter writes. A chunk is the writer's until it is
// used up, since the writer waits for that long.
type chunkReader struct {
	next    func() ([]byte, bool)
	refused *error
	chunk   []byte
}

func (r *chunkReader) Read(p []byte) (int, error) {
	if len(r.chunk) == 0 {
		chunk, ok := r.next()
		if !ok {
			if *r.refused != nil {
				return 0, *r.refused
			}
			return 0, io.EOF
		}
		r.chunk = chunk
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

package incident

import (
	"bytes"
	"io"
	"iter"
	"strconv"
)

// Limits bounds what one input may cost a decoder. A field that is zero has its
// default; a negative one means no limit.
type Limits struct {
	Bytes      int64 // of the whole input, unpacked: 1 GiB
	Item       int   // bytes of input for one observation, one value, one row: 16 MiB
	Elements   int   // elements, fields or objects of one observation: 10,000
	Depth      int   // levels of nesting: 64
	Attributes int   // attributes of one element: 64
	Incidents  int   // observations: 1,000,000
}

// WithDefaults returns the limits with every zero replaced by its default and
// every negative one by the largest number.
func (l Limits) WithDefaults() Limits {
	set := func(n *int, def int) {
		if *n == 0 {
			*n = def
		} else if *n < 0 {
			*n = int(^uint(0) >> 1)
		}
	}
	if l.Bytes == 0 {
		l.Bytes = 1 << 30
	}
	if l.Bytes < 0 {
		l.Bytes = 1<<63 - 1
	}
	set(&l.Item, 16<<20)
	set(&l.Elements, 10_000)
	set(&l.Depth, 64)
	set(&l.Attributes, 64)
	set(&l.Incidents, 1_000_000)
	return l
}

// Format turns bytes into observations and back. Its functions are pure and
// safe for concurrent use; a function that is nil says that the format has
// no such side.
//
// A mail is handed over as its parts (mail.Message.Parts), before them one of
// type [HeaderType] with the mail's own header, so that formats that look at a
// subject find it.
type Format struct {
	Name string

	// Recognise reports whether the parts hold a report of this format. It
	// looks at the beginnings only: of a long file, the first 4 KiB as the
	// Content of one part are enough. Never nil.
	Recognise func([]Part) bool

	// Decode reads a stream. The sequence yields each observation as soon as
	// it is complete. An error comes with what could be read of that
	// observation; more may follow it, where a format can find its feet again
	// (the next row). Every error about the input is a *FormatError.
	Decode func(io.Reader, Limits) iter.Seq2[Observation, error]

	// DecodeMail reads a report that only a whole mail holds. Nil: a mail is
	// read by Decode, part by part; see Mail.
	DecodeMail func([]Part, Limits) iter.Seq2[Observation, error]

	// Encode writes the observations as one document and returns what it had
	// to leave out. An observation that the format cannot hold at all ends it
	// with an error.
	Encode func(io.Writer, iter.Seq[Observation]) ([]Loss, error)
}

// HeaderType is the media type of the part that holds a mail's own header
// (RFC 3462), first in the list and at depth 0.
const HeaderType = "text/rfc822-headers"

// Mail reads the parts of a mail: by DecodeMail, or by Decode from each part
// that Recognise accepts by itself.
func (f Format) Mail(parts []Part, limits Limits) iter.Seq2[Observation, error] {
	if f.DecodeMail != nil {
		return f.DecodeMail(parts, limits)
	}
	return func(yield func(Observation, error) bool) {
		for _, part := range parts {
			if f.Decode == nil || !f.Recognise([]Part{part}) {
				continue
			}
			for o, err := range f.Decode(bytes.NewReader(part.Content), limits) {
				if !yield(o, err) {
					return
				}
			}
		}
	}
}

// Loss says what an encoding left out.
type Loss struct {
	Field string // as in JSON: "extra"
	Count int    // in how many observations
}

// FormatError says what is wrong with an input and where.
type FormatError struct {
	Format string
	Line   int   // from 1; 0: unknown
	Offset int64 // bytes from the beginning
	Reason string
	Err    error // what caused it, or nil
}

// Error names format, place and reason.
func (e *FormatError) Error() string {
	where := "byte " + strconv.FormatInt(e.Offset, 10)
	if e.Line > 0 {
		where = "line " + strconv.Itoa(e.Line) + ", " + where
	}
	return e.Format + ": " + where + ": " + e.Reason
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

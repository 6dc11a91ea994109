package xirl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// guard reads an input under limits and counts where it is. Every decoder
// reads through one: memory for one item is bounded because the guard fails
// when an item takes too long to end, however the decoder above it buffers.
type guard struct {
	r      *bufio.Reader
	format string
	limits incident.Limits
	offset int64
	line   int
	item   int64 // offset where the item began
	err    error
}

func newGuard(format string, r io.Reader, limits incident.Limits) *guard {
	return &guard{r: bufio.NewReaderSize(r, 32<<10), format: format, limits: limits.WithDefaults(), line: 1}
}

// ReadByte makes encoding/xml read without a buffer of its own.
func (g *guard) ReadByte() (byte, error) {
	if g.err != nil {
		return 0, g.err
	}
	if g.offset >= g.limits.Bytes {
		return 0, g.fail("the input is longer than %d bytes", g.limits.Bytes)
	}
	if g.offset-g.item >= int64(g.limits.Item) {
		return 0, g.fail("one item is longer than %d bytes", g.limits.Item)
	}
	b, err := g.r.ReadByte()
	if err != nil {
		if err != io.EOF {
			err = g.errorf(err, "reading failed: %v", err)
		}
		g.err = err
		return 0, err
	}
	g.offset++
	if b == '\n' {
		g.line++
	}
	return b, nil
}

// Read makes the guard an io.Reader. It stops where ReadByte would.
func (g *guard) Read(p []byte) (int, error) {
	for i := range p {
		b, err := g.ReadByte()
		if err != nil {
			if i > 0 {
				return i, nil
			}
			return 0, err
		}
		p[i] = b
		if b == '\n' {
			return i + 1, nil
		}
	}
	return len(p), nil
}

// next begins an item.
func (g *guard) next() { g.item = g.offset }

// readLine returns the next line without its end (LF, CRLF), nil at the end of
// the input. It is valid until the next call.
func (g *guard) readLine(buffer []byte) ([]byte, error) {
	buffer = buffer[:0]
	for {
		b, err := g.ReadByte()
		if err == io.EOF && len(buffer) > 0 {
			return buffer, nil
		}
		if err != nil {
			return nil, err
		}
		if b == '\n' {
			if n := len(buffer); n > 0 && buffer[n-1] == '\r' {
				buffer = buffer[:n-1]
			}
			return buffer, nil
		}
		buffer = append(buffer, b)
	}
}

// text checks the beginning for encodings that no decoder here reads and skips
// a byte order mark of UTF-8.
func (g *guard) text() error {
	head, _ := g.r.Peek(4)
	switch {
	case len(head) >= 2 && (head[0] == 0xfe && head[1] == 0xff || head[0] == 0xff && head[1] == 0xfe),
		len(head) >= 2 && (head[0] == 0) != (head[1] == 0):
		return g.fail("the text is UTF-16 or UTF-32; allowed is UTF-8")
	case len(head) >= 3 && head[0] == 0xef && head[1] == 0xbb && head[2] == 0xbf:
		n, _ := g.r.Discard(3)
		g.offset += int64(n)
	}
	return nil
}

// fail ends the input with an error about the place that was reached.
func (g *guard) fail(format string, args ...any) error {
	g.err = g.errorf(nil, format, args...)
	return g.err
}

func (g *guard) errorf(cause error, format string, args ...any) *incident.FormatError {
	reason := fmt.Sprintf(format, args...)
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + " ..."
	}
	return &incident.FormatError{Format: g.format, Line: g.line, Offset: g.offset, Reason: reason, Err: cause}
}

// maxReason is how long a reason may be: it may quote hostile input.
const maxReason = 800

// wrap turns an error of a standard decoder into one that names the place; an
// error of the guard itself comes back as it was.
func (g *guard) wrap(err error) error {
	if format := (*incident.FormatError)(nil); errors.As(err, &format) {
		return format
	}
	return g.errorf(err, "%v", err)
}

// emit normalizes and checks an observation and yields it. It reports whether
// to go on.
func emit(g *guard, o incident.Observation, yield func(incident.Observation, error) bool) bool {
	slices.Sort(o.Left)
	o.Left = slices.Compact(o.Left)
	o.Normalize()
	if err := o.Validate(); err != nil {
		return yield(o, g.wrap(err))
	}
	return yield(o, nil)
}

package smtp

import "io"

// dots reads a message from go-smtp.
//
// QUIRK: go-smtp takes CR CR LF for no line end, so that it neither removes
// the dot of transparency behind it nor sees the end of data there, and waits
// for ever. Mail with such lines exists (RFC 5321 2.3.8 forbids it), and the CRLF
// in it counts like any other. So dots does there what RFC 5321 4.5.2
// demands. When it finds the end of data, go-smtp does not know: the connection
// ends after the answer, and the peer opens another.
type dots struct {
	r    io.Reader
	conn *conn

	returns int    // CRs in a row before this byte
	missed  bool   // go-smtp has missed that a line begins here
	pending []byte // read, not yet given out
	ended   bool
}

func (d *dots) Read(b []byte) (n int, err error) {
	for n < len(b) {
		if len(d.pending) > 0 {
			copied := copy(b[n:], d.pending)
			d.pending = d.pending[copied:]
			n += copied
			continue
		}
		if d.ended {
			return n, io.EOF
		}
		c, err := d.next()
		if err != nil {
			return n, err
		}
		if d.missed {
			d.missed = false
			if c == '.' {
				if err := d.dot(); err != nil {
					return n, err
				}
				continue
			}
		}
		d.note(c)
		b[n] = c
		n++
	}
	return n, nil
}

// next reads one byte: more at a time would wait for bytes after the end.
func (d *dots) next() (byte, error) {
	var one [1]byte
	_, err := io.ReadFull(d.r, one[:])
	return one[0], err
}

// note follows go-smtp's idea of where lines begin: an even number of CRs
// before LF makes it miss one.
func (d *dots) note(c byte) {
	d.missed = c == '\n' && d.returns > 0 && d.returns%2 == 0
	if c == '\r' {
		d.returns++
	} else {
		d.returns = 0
	}
}

// dot has read the dot at the beginning of a line: it goes, and is the end of
// data with CRLF behind it.
func (d *dots) dot() error {
	c, err := d.next()
	if err != nil {
		return err
	}
	d.note(c)
	d.pending = append(d.pending[:0], c)
	if c != '\r' {
		return nil
	}
	c, err = d.next()
	if err != nil {
		return err
	}
	if c == '\n' {
		d.pending, d.ended = nil, true
		d.conn.end()
		return nil
	}
	d.note(c)
	d.pending = append(d.pending, c)
	return nil
}

package smtp

import (
	"bufio"
	"bytes"
	"time"
)

// endOfData is the line behind a message (RFC 5321 4.1.1.4).
const endOfData = ".\r\n"

// message reads a message up to the end of data and removes the dots of
// transparency (RFC 5321 4.5.2). A message that may not be kept is read as well,
// so that no part of it is taken for a command. The caller releases raw.
//
// QUIRK: go-smtp takes CR CR LF for no line end, so that it neither removes the
// dot behind it nor sees the end of data there, and waits for ever; mail with
// such lines exists. It refuses a message of exactly its limit, and the whole
// connection for one long line. So it gets to read an empty message.
func (c *conn) message() (raw []byte, err error) {
	c.pending = endOfData
	c.until = time.Now().Add(c.server.config.MessageTimeout)
	begin := true // of a line, which only CRLF ends: RFC 5321 2.3.8
	last := byte('\n')
	var refusal error
	for {
		piece, err := c.in.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			c.end()
			c.server.release(raw)
			return nil, err
		}
		if begin && string(piece) == endOfData {
			return raw, refusal
		}
		if begin && piece[0] == '.' {
			piece = piece[1:]
		}
		begin = bytes.HasSuffix(piece, []byte("\r\n")) || string(piece) == "\n" && last == '\r'
		last = piece[len(piece)-1]
		if refusal == nil {
			raw, refusal = c.server.hold(raw, piece)
		}
	}
}

// ownMemory is what every message may have: those who send large ones slowly
// keep out each other, and no ordinary mail.
const ownMemory = 64 << 10

// hold appends to a message within MaxBytes and MaxMemory. With an error the
// message is given up.
func (s *Server) hold(raw, piece []byte) ([]byte, error) {
	size := len(raw) + len(piece)
	if int64(size) > s.config.MaxBytes {
		s.release(raw)
		return nil, errSize
	}
	if size > cap(raw) {
		grown := make([]byte, 0, min(max(size, 2*cap(raw), 8<<10), int(s.config.MaxBytes)))
		if s.held.Add(counted(grown)-counted(raw)) > s.config.MaxMemory {
			s.release(grown)
			return nil, errMemory
		}
		raw = append(grown, raw...)
	}
	return append(raw, piece...), nil
}

// release gives the memory of a message back.
func (s *Server) release(raw []byte) { s.held.Add(-counted(raw)) }

// counted is what a message takes of MaxMemory.
func counted(raw []byte) int64 { return int64(max(0, cap(raw)-ownMemory)) }

package smtp

import (
	"bufio"
	"crypto/tls"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxCommand is the longest command with its line end: what RFC 5321 4.5.3.1.4
// asks for and room for the parameters of extensions.
const maxCommand = 2048

// command waits for the next line. An error says that the dialogue is over; the
// peer knows why.
func (c *conn) command() (string, error) {
	config := c.server.config
	if c.refused {
		c.refused = false
		c.refusals++
	}
	c.until = earlier(time.Now().Add(config.IdleTimeout), c.last)
	switch {
	case c.isEnded():
		return "", io.EOF
	case c.server.isClosing():
		c.bye("4.3.2", "is closing down")
		return "", io.EOF
	case c.refusals >= config.MaxErrors:
		c.bye("4.7.0", "has refused too many commands")
		return "", io.EOF
	}
	piece, err := c.in.ReadSlice('\n')
	line := string(piece)
	for err == bufio.ErrBufferFull { // too long already
		_, err = c.in.ReadSlice('\n')
	}
	switch {
	case timedOut(err) && c.server.isClosing():
		c.bye("4.3.2", "is closing down")
		return "", io.EOF
	case timedOut(err):
		c.bye("4.4.2", "has waited for too long")
		return "", io.EOF
	case err != nil:
		c.end()
		return "", io.EOF
	}
	return line, nil
}

// admit decides about a command. It returns the line for go-smtp, or nothing when
// the answer has been given here.
func (c *conn) admit(line string) string {
	if len(line) > maxCommand {
		c.send("500 5.5.2 the command is too long\r\n") // RFC 5321 4.5.3.1.10
		return ""
	}
	line = strings.TrimRight(line, " \t\r\n")
	verb, arg, _ := strings.Cut(line, " ")
	verb, arg = strings.ToUpper(verb), strings.TrimSpace(arg)
	c.hello = verb == "EHLO" || verb == "HELO" || verb == "LHLO"
	switch {
	case !utf8.ValidString(line) || strings.ContainsFunc(line, isControl):
		c.send("500 5.5.2 a command is one line of ASCII or UTF-8\r\n")
	case c.hello, verb == "NOOP", verb == "QUIT":
		return line + "\r\n"
	case verb == "STARTTLS":
		c.startTLS(arg)
	case c.server.config.RequireTLS && c.secure == nil:
		c.send("530 5.7.0 say STARTTLS first\r\n") // RFC 3207 4
	case verb == "RSET", verb == "VRFY":
		return line + "\r\n"
	case verb == "BDAT":
		c.skipChunk(arg)
	case verb == "MAIL", verb == "RCPT", verb == "DATA":
		if !c.greeted {
			c.send("503 5.5.1 introduce yourself first\r\n")
			return ""
		}
		return strings.TrimSpace(verb+" "+c.withDomain(arg)) + "\r\n"
	case verb == "AUTH", verb == "EXPN", verb == "HELP", verb == "ETRN", verb == "TURN":
		c.send("502 5.5.1 " + verb + " is not offered\r\n")
	default:
		c.send("500 5.5.1 the command is unknown\r\n")
	}
	return ""
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// withDomain puts our name behind a recipient that has none.
//
// QUIRK: go-smtp refuses <Postmaster>, which RFC 5321 4.1.1.3 has every server
// take.
func (c *conn) withDomain(arg string) string {
	keyword, path, _ := strings.Cut(arg, ":")
	path, parameters, _ := strings.Cut(strings.TrimLeft(path, " \t"), " ")
	if strings.EqualFold(keyword, "TO") && strings.EqualFold(path, "<Postmaster>") {
		return "TO:<" + c.server.postmaster() + "> " + parameters
	}
	return arg
}

// startTLS answers STARTTLS (RFC 3207). What the peer sent behind it in clear
// text is thrown away, as anybody on the way may have written it, and so is what
// it said before: nothing but EHLO begins a dialogue anew (4.2), and go-smtp
// then forgets the mail transaction.
func (c *conn) startTLS(arg string) {
	config := c.server.config
	switch {
	case c.secure != nil:
		c.send("503 5.5.1 this is TLS already\r\n")
		return
	case config.TLS == nil:
		c.send("502 5.5.1 STARTTLS is not offered\r\n")
		return
	case arg != "":
		c.send("501 5.5.4 STARTTLS has no parameters\r\n")
		return
	}
	if c.send("220 2.0.0 go ahead\r\n") != nil {
		return
	}
	c.in.Reset(feed{c})
	c.await()
	c.Conn.SetWriteDeadline(time.Now().Add(config.WriteTimeout))
	secure := tls.Server(c.Conn, config.TLS)
	if err := secure.Handshake(); err != nil {
		config.Log.Debug("smtp: no TLS", "cause", err)
		c.end() // in clear text there is nothing more to say
		return
	}
	c.stream, c.secure, c.greeted = secure, secure, false
}

// skipChunk reads what follows BDAT, which is no command (RFC 3030 2).
func (c *conn) skipChunk(arg string) {
	size, _, _ := strings.Cut(arg, " ")
	n, err := strconv.ParseUint(size, 10, 32)
	if err != nil { // where would the next command begin?
		c.send("501 5.5.4 BDAT has no size\r\n")
		c.end()
		return
	}
	c.until = time.Now().Add(c.server.config.MessageTimeout)
	if _, err := io.CopyN(io.Discard, c.in, int64(n)); err != nil {
		c.bye("4.4.2", "has waited for too long")
		return
	}
	c.send("502 5.5.1 BDAT is not offered, use DATA\r\n")
}

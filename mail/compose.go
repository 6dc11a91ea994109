package mail

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/airtight-csirt/airtight/incident"
)

// Letter is a mail to be written.
type Letter struct {
	From    incident.Party
	To, Cc  []incident.Party
	ReplyTo incident.Party // none if its Address is empty

	Subject string // with its tag ([Tag.Put])

	// Message ids, without angle brackets. What is no id in InReplyTo and
	// References is left out: it came from other people's mail.
	MessageID  string
	InReplyTo  string
	References []string // oldest first; InReplyTo is put behind them unless it is there; of more than ten, the first four and the last six are written

	Date time.Time
	Text string // lines end in "\n" or "\r\n"

	// Attachments go along byte for byte, parts of a report for example. Of a
	// part, Type, Name, Content and the charset are used. A type that cannot
	// be written, or that a mail must not encode, becomes
	// application/octet-stream.
	Attachments []incident.Part

	Desk          string // for [LoopHeader]; none if empty
	AutoSubmitted string // "auto-replied", "auto-generated" (RFC 3834 5); none if empty
}

// FieldError says which field of a [Letter] cannot be written.
type FieldError struct {
	Field string // name of the field of Letter
	What  string // what is wrong, and what is allowed
}

// Error implements error.
func (e *FieldError) Error() string { return "mail: " + e.Field + ": " + e.What }

const (
	lineLength = 76  // RFC 2047 2; RFC 5322 2.1.1 would allow 78
	wordLength = 75  // longest encoded word
	longestID  = 900 // RFC 5322 2.1.1: a line has at most 998 characters

	// Of more than keptFirst+keptLast references the middle is left out.
	keptFirst, keptLast = 4, 6
)

// Compose writes a letter: plain text in UTF-8, with its attachments behind it,
// lines ending in CRLF. The same letter gives the same bytes. Line breaks in any
// field are blanks: nothing in a letter can add a header field. The error is a
// [*FieldError]: From, To (no recipient at all), MessageID or Date missing, or
// an address that is none.
func Compose(l Letter) ([]byte, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	var h headerWriter
	h.addresses("From", []incident.Party{l.From})
	h.addresses("To", l.To)
	h.addresses("Cc", l.Cc)
	if l.ReplyTo.Address != "" {
		h.addresses("Reply-To", []incident.Party{l.ReplyTo})
	}
	h.text("Subject", l.Subject)
	h.field("Date", l.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	h.field("Message-ID", "<"+l.MessageID+">")
	if isMessageID(l.InReplyTo) {
		h.field("In-Reply-To", "<"+l.InReplyTo+">")
	}
	h.field("References", references(l.References, l.InReplyTo)...)
	if l.Desk != "" {
		h.text(LoopHeader, l.Desk)
	}
	if l.AutoSubmitted != "" {
		h.text("Auto-Submitted", l.AutoSubmitted)
	}
	h.field("MIME-Version", "1.0")
	if len(l.Attachments) > 0 {
		h.mixed(l)
	} else {
		h.plainText(l.Text)
	}
	return h.b.Bytes(), nil
}

// plainText writes the fields of a text, and the text.
func (h *headerWriter) plainText(s string) {
	h.field("Content-Type", "text/plain;", "charset=utf-8")
	text := strings.ReplaceAll(lines(incident.Clean(s)), "\n", "\r\n")
	if text != "" && !strings.HasSuffix(text, "\r\n") {
		text += "\r\n"
	}
	if plain(text) {
		h.field("Content-Transfer-Encoding", "7bit")
		h.b.WriteString("\r\n" + text)
		return
	}
	h.field("Content-Transfer-Encoding", "quoted-printable")
	h.b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&h.b) // a bytes.Buffer takes everything
	_, _ = w.Write([]byte(text))
	_ = w.Close()
}

func (l Letter) check() error {
	if len(l.To)+len(l.Cc) == 0 {
		return &FieldError{"To", "no recipient: To or Cc must have one"}
	}
	for _, f := range []struct {
		name   string
		people []incident.Party
	}{{"From", []incident.Party{l.From}}, {"To", l.To}, {"Cc", l.Cc}, {"ReplyTo", []incident.Party{l.ReplyTo}}} {
		for _, p := range f.people {
			if f.name == "ReplyTo" && p.Address == "" {
				continue
			}
			if !isAddress(p.Address) {
				return &FieldError{f.name, fmt.Sprintf("%q is no mail address: allowed is name@example.org in ASCII", p.Address)}
			}
		}
	}
	if !isMessageID(l.MessageID) {
		return &FieldError{"MessageID", fmt.Sprintf("%q is no message id: allowed is something@example.org in ASCII, without angle brackets", l.MessageID)}
	}
	if l.Date.IsZero() {
		return &FieldError{"Date", "missing"}
	}
	return nil
}

// references ends in the mail that is answered (RFC 5322 3.6.4), names each
// mail once and keeps the ends of a long thread.
func references(ids []string, parent string) []string {
	var out []string
	seen := map[string]bool{}
	for _, id := range append(ids[:len(ids):len(ids)], parent) {
		if isMessageID(id) && !seen[id] {
			seen[id] = true
			out = append(out, "<"+id+">")
		}
	}
	if len(out) > keptFirst+keptLast {
		out = append(out[:keptFirst:keptFirst], out[len(out)-keptLast:]...)
	}
	return out
}

// isAddress reports whether s is an addr-spec that can be written as it is
// (RFC 5322 3.4.1, ASCII).
func isAddress(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || len(s) > 320 {
		return false
	}
	local, domain := s[:at], s[at+1:]
	if len(local) > 1 && local[0] == '"' && local[len(local)-1] == '"' {
		for i := 1; i < len(local)-1; i++ {
			if c := local[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
				return false
			}
		}
	} else if !isDotAtom(local) {
		return false
	}
	if inner, ok := strings.CutPrefix(domain, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && inner != "" && strings.Trim(inner, "0123456789abcdefABCDEFIPv:.") == ""
	}
	return isDotAtom(domain)
}

// isDotAtom reports whether s is made of atoms and single dots (RFC 5322
// 3.2.3).
func isDotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for i := 0; i < len(atom); i++ {
			if c := atom[i]; c <= ' ' || c > '~' || strings.IndexByte(`()<>[]:;@\,."`, c) >= 0 {
				return false
			}
		}
	}
	return true
}

// isMessageID reports whether s can stand between angle brackets.
func isMessageID(s string) bool {
	if len(s) > longestID || !strings.Contains(s, "@") {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c > '~' || c == '<' || c == '>' {
			return false
		}
	}
	return true
}

// plain reports whether text can be sent as it is: ASCII without controls, in
// short lines (RFC 2045 2.7).
func plain(text string) bool {
	for line := range strings.SplitSeq(text, "\r\n") {
		if len(line) > lineLength {
			return false
		}
		for i := 0; i < len(line); i++ {
			if c := line[i]; c < ' ' && c != '\t' || c > '~' {
				return false
			}
		}
	}
	return true
}

// headerWriter writes header fields, folded.
type headerWriter struct{ b bytes.Buffer }

// field writes words that stand as they are; lines are broken between them.
func (h *headerWriter) field(name string, words ...string) {
	if len(words) == 0 {
		return
	}
	h.b.WriteString(name)
	h.b.WriteByte(':')
	length := len(name) + 1
	for i, w := range words {
		if i > 0 && length+1+len(w) > lineLength {
			h.b.WriteString("\r\n")
			length = 0
		}
		h.b.WriteByte(' ')
		h.b.WriteString(w)
		length += 1 + len(w)
	}
	h.b.WriteString("\r\n")
}

// text writes unstructured text, encoded where it has to be (RFC 2047).
func (h *headerWriter) text(name, value string) {
	h.field(name, textWords(value, len(name)+2)...)
}

// addresses writes a list of mailboxes.
func (h *headerWriter) addresses(name string, people []incident.Party) {
	var words []string
	for i, p := range people {
		if display := cleanLine(p.Name); strings.TrimSpace(display) == "" {
			words = append(words, p.Address)
		} else {
			words = append(words, phrase(display, len(name)+2)...)
			words = append(words, "<"+p.Address+">")
		}
		if i < len(people)-1 {
			words[len(words)-1] += ","
		}
	}
	h.field(name, words...)
}

// phrase writes a display name (RFC 5322 3.2.5): quoted, or encoded.
func phrase(name string, used int) []string {
	name = strings.Join(strings.Fields(name), " ")
	if !writable(name) || len(name) > wordLength-used {
		return encodeWords(name, used)
	}
	return []string{`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`}
}

// textWords cuts text into what may stand on one line each. The words from the
// first to the last that needs it are encoded; the others, a tag in front among
// them, stay readable everywhere.
func textWords(value string, used int) []string {
	words := strings.Fields(cleanLine(value))
	first, last := -1, -1
	for i, w := range words {
		if !writable(w) || len(w) > wordLength-used {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		return words
	}
	out := append([]string{}, words[:first]...)
	out = append(out, encodeWords(strings.Join(words[first:last+1], " "), used)...)
	return append(out, words[last+1:]...)
}

// writable reports whether text can stand in a header and is not taken for an
// encoded word.
func writable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return !strings.Contains(s, "=?")
}

// encodeWords makes encoded words of text (RFC 2047), cut between characters.
func encodeWords(s string, used int) []string {
	const frame = len("=?utf-8?B??=")
	room := (wordLength - frame - used) / 4 * 3
	var out []string
	for s != "" {
		n := 0
		for n < len(s) {
			_, size := utf8.DecodeRuneInString(s[n:])
			if n+size > room {
				break
			}
			n += size
		}
		out = append(out, "=?utf-8?B?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return out
}

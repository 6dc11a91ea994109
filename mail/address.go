package mail

import (
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// addressList reads a list of mailboxes and groups (RFC 5322 3.4), not yet
// decoded. Structure comes before decoding, so that a comma in an encoded word
// separates nothing (RFC 2047 6.2). It is false if something in it is no
// address; that is left out. An empty group is a list of none.
//
// QUIRK: semicolons between addresses, names without quotes, missing angle
// brackets, blanks inside of an address and a whole list inside one encoded
// word are all read as they are meant.
func addressList(s, declared string) ([]incident.Party, bool) {
	list, ok := readAddresses(s, declared)
	if len(list) == 0 && strings.Contains(s, "=?") {
		if again := decodeWords(s, declared); again != s {
			if found, fine := readAddresses(again, declared); len(found) > 0 {
				return found, fine
			}
		}
	}
	return list, ok
}

// addressReader collects the list as it goes over the text.
type addressReader struct {
	declared string // charset of raw text

	list    []incident.Party
	ok      bool
	words   strings.Builder // display name, or the address itself where no brackets are
	comment strings.Builder
	address string
	angle   bool // an address in angle brackets was seen

	// A quote that is never closed is dropped, and so are all after it: nobody
	// looks for the end of another one, so that the work stays linear.
	plain bool
}

func readAddresses(s, declared string) ([]incident.Party, bool) {
	r := addressReader{ok: true, declared: declared}
	scan := wordScanner{s: s}
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case ',', ';':
			r.end()
			i++
		case '>': // of a bracket that was doubled, or never opened
			i++
		case ':':
			if strings.ContainsAny(r.words.String(), "@") || r.angle {
				r.words.WriteByte(c)
			} else {
				r.reset() // the name of a group
			}
			i++
		case '"':
			text, end, ok := quotedString(s, i, r.plain)
			if !ok {
				r.ok, r.plain = false, true
			}
			if end < len(s) && s[end] == '@' || strings.HasSuffix(r.words.String(), "@") {
				text = s[i:end] // a quoted local part keeps its quotes
			}
			r.words.WriteString(text)
			i = end
		case '(':
			text, end := commentText(s, i)
			if r.comment.Len() > 0 {
				r.comment.WriteByte(' ')
			}
			r.comment.WriteString(text)
			i = end
		case '<':
			text, end := r.angleText(s, i)
			if r.angle && r.address != "" {
				r.ok = false // two addresses and no comma
				r.end()
			}
			r.address, r.angle = cleanAddress(text), true
			i = end
		case '=':
			if word, ok := scan.at(i); ok {
				r.words.WriteString(s[i:word.end])
				i = word.end
				continue
			}
			fallthrough
		default:
			r.words.WriteByte(c)
			i++
		}
	}
	r.end()
	return r.list, r.ok
}

func (r *addressReader) reset() {
	r.words.Reset()
	r.comment.Reset()
	r.address, r.angle = "", false
}

// end adds what was collected.
func (r *addressReader) end() {
	words := strings.TrimSpace(r.words.String())
	comment := strings.TrimSpace(r.comment.String())
	party := incident.Party{Address: r.address}
	switch {
	case !r.angle && !strings.Contains(words, "@") && strings.Contains(comment, "@"): // QUIRK: Name (a@b)
		party.Address, comment = looseAddress(comment)
		party.Name = decodeWords(words, r.declared)
	case r.angle && r.address == "" && strings.Contains(words, "@"): // QUIRK: a@b <>
		party.Address, words = looseAddress(words)
		party.Name = decodeWords(words, r.declared)
	case r.angle:
		party.Name = decodeWords(words, r.declared)
	case words != "":
		party.Address, words = looseAddress(words)
		party.Name = decodeWords(words, r.declared)
	case comment == "":
		return // nothing between two commas: RFC 5322 4.4
	}
	if party.Name == "" && comment != "" {
		party.Name = decodeWords(comment, r.declared)
	}
	party.Name = strings.TrimSpace(party.Name)
	if party.Name == party.Address {
		party.Name = ""
	}
	if party.Address == "" {
		r.ok = false
	} else {
		r.list = append(r.list, party)
	}
	r.reset()
}

// looseAddress finds the address in words without angle brackets; the other
// words are the name.
func looseAddress(words string) (address, name string) {
	at := strings.IndexByte(words, '@')
	if strings.HasPrefix(words, `"`) { // a quoted local part may hold one
		at = strings.LastIndexByte(words, '@')
	}
	if at < 0 {
		if !isDotAtom(words) || strings.Contains(words, "=?") {
			return "", words
		}
		return words, "" // a local mailbox: root
	}
	from, to := at, at
	if from > 0 && words[from-1] == '"' {
		from = max(0, strings.LastIndexByte(words[:from-1], '"'))
	} else {
		for from > 0 && words[from-1] != ' ' && words[from-1] != '\t' {
			from--
		}
	}
	for to < len(words) && words[to] != ' ' && words[to] != '\t' {
		to++
	}
	if to == at+1 || from == at { // blanks around the @
		return cleanAddress(words), ""
	}
	return cleanAddress(words[from:to]), strings.TrimSpace(words[:from] + words[to:])
}

// cleanAddress removes what does not belong to an addr-spec: blanks, comments,
// a route (RFC 5322 4.4), a scheme, the name of a group, quotes that programs
// put around it. Of several words the one with the @ counts. What lacks one
// side of it is no address.
func cleanAddress(s string) string {
	s = cleanLine(guessText(s, ""))
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s, _, _ = strings.Cut(s, "?")
	}
	if at := strings.LastIndexByte(s, '@'); at > 0 && !strings.Contains(s[:at], `"`) {
		s = s[strings.LastIndexByte(s[:at], ':')+1:]
	}
	var b strings.Builder
	plain := false
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case '"':
			_, end, ok := quotedString(s, i, plain)
			plain = plain || !ok
			b.WriteString(s[i:end])
			i = end
		case '(':
			_, i = commentText(s, i)
		case ' ', '\t':
			rest := strings.TrimLeft(s[i:], " \t")
			before := b.String()
			if rest != "" && before != "" && strings.IndexByte(".@(", rest[0]) < 0 && !strings.HasSuffix(before, ".") && !strings.HasSuffix(before, "@") {
				if strings.Contains(before, "@") { // what comes after is no part of it
					i = len(s)
					continue
				}
				b.Reset() // nor are words in front
			}
			i = len(s) - len(rest)
		default:
			b.WriteByte(c)
			i++
		}
	}
	s = b.String()
	if len(s) > 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		s = s[1 : len(s)-1]
	}
	s = strings.Trim(s, "<>")
	if strings.HasPrefix(s, "@") || strings.HasSuffix(s, "@") || !strings.Contains(s, "@") && !isDotAtom(s) {
		return ""
	}
	return s
}

// quotedString reads the quoted string that begins at i (RFC 5322 3.2.4) and
// returns its content and the place behind it. It is false for one that is
// never closed: then only the quote itself is passed over, as it is at once if
// plain is set.
func quotedString(s string, i int, plain bool) (text string, end int, ok bool) {
	if plain {
		return "", i + 1, true
	}
	var b strings.Builder
	for j := i + 1; j < len(s); j++ {
		switch c := s[j]; {
		case c == '\\' && j+1 < len(s):
			j++
			b.WriteByte(s[j])
		case c == '"':
			return b.String(), j + 1, true
		default:
			b.WriteByte(c)
		}
	}
	return "", i + 1, false
}

// commentText reads the comment that begins at i (RFC 5322 3.2.2), comments
// inside of it included. One that is never closed is taken to the end.
func commentText(s string, i int) (text string, end int) {
	depth := 0
	var b strings.Builder
	for j := i; j < len(s); j++ {
		switch c := s[j]; {
		case c == '\\' && j+1 < len(s):
			j++
			b.WriteByte(s[j])
			continue
		case c == '(':
			if depth++; depth == 1 {
				continue
			}
		case c == ')':
			if depth--; depth == 0 {
				return b.String(), j + 1
			}
		}
		b.WriteByte(s[j])
	}
	return b.String(), len(s)
}

// withoutComments replaces comments by blanks.
func withoutComments(s string) string {
	if strings.IndexByte(s, '(') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] == '(' {
			_, i = commentText(s, i)
			b.WriteByte(' ')
			continue
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

// angleText reads what stands in the angle brackets that open at i.
func (r *addressReader) angleText(s string, i int) (text string, end int) {
	for j := i + 1; j < len(s); j++ {
		switch s[j] {
		case '"':
			_, end, ok := quotedString(s, j, r.plain)
			r.plain = r.plain || !ok
			j = end - 1
		case '>':
			return s[i+1 : j], j + 1
		case ',', ';':
			if strings.ContainsAny(s[i+1:j], "@") && s[i+1] != '@' {
				return s[i+1 : j], j // never closed
			}
		}
	}
	return s[i+1:], len(s)
}

// messageIDs reads message ids (RFC 5322 3.6.4), without their brackets.
// QUIRK: other words around them are passed over; where no brackets are, words
// that could be ids count.
func messageIDs(s string) []string {
	var ids []string
	add := func(id string) {
		id = strings.Join(strings.Fields(cleanLine(guessText(id, ""))), "")
		id = id[strings.LastIndexByte(id, '<')+1:] // the innermost, where brackets are doubled
		if id, _, _ = strings.Cut(id, ">"); id != "" {
			ids = append(ids, id)
		}
	}
	if !strings.ContainsRune(s, '<') {
		words := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' })
		for _, w := range words {
			if len(words) == 1 || strings.ContainsRune(w, '@') {
				add(w)
			}
		}
		return ids
	}
	for {
		open := strings.IndexByte(s, '<')
		if open < 0 {
			return ids
		}
		s = s[open+1:]
		end := strings.IndexByte(s, '>')
		if end < 0 {
			id, _, _ := strings.Cut(s, " ")
			add(id)
			return ids
		}
		add(s[:end])
		s = s[end+1:]
	}
}

package whois

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"

	"github.com/airtight-csirt/airtight/lookup"
)

// maxLines is how many lines of an answer are read.
const maxLines = 10_000

// decode makes text of an answer: UTF-8 if it is that, else in the charset.
//
// QUIRK: ISO-2022-JP is seven-bit, and known by its escape sequences only.
func decode(data []byte, charset encoding.Encoding) string {
	switch {
	case bytes.Contains(data, []byte("\x1b$B")), bytes.Contains(data, []byte("\x1b$@")):
		charset = japanese.ISO2022JP
	case utf8.Valid(data):
		return strings.TrimPrefix(string(data), "\uFEFF")
	case charset == nil:
		charset = charmap.Windows1252
	}
	decoded, _ := charset.NewDecoder().Bytes(data)
	return string(decoded)
}

// entry is a value with what it is called.
type entry struct {
	key     string // lower case, words with one space between; "" for a line without a key
	value   string
	section string // the heading above, in the form of a key; may be ""
	block   int    // entries between two empty lines have the same
}

// full returns the key with the section in front.
func (e entry) full() string {
	if e.section == "" {
		return e.key
	}
	return e.section + " " + e.key
}

// answer is what an answer says, line by line.
type answer struct {
	entries  []entry
	comments []string // lines that begin with % or #
	long     bool     // more than maxLines: the rest is not read
}

// lines takes an answer apart.
//
// A line is "key: value", "[key] value" (JPRS, JPNIC) or a value only: then it
// belongs to the key above, or is a heading of the lines that are further
// to the right.
func lines(text string) answer {
	var a answer
	var open entry // the last key, for values below it
	var heading string
	openAt, headingAt, block, empty := -1, -1, 0, true
	alone, begins := false, true // the heading began its block: what is below it needs not be further to the right
	n := 0
	for line := range strings.Lines(text) {
		if n++; n > maxLines {
			a.long = true
			break
		}
		line = strings.TrimRightFunc(strings.ReplaceAll(line, "\t", "        "), unicode.IsSpace)
		trimmed := strings.TrimLeft(line, " \u00a0")
		at := len(line) - len(trimmed)
		if trimmed == "" {
			block++
			openAt, begins = -1, true
			if !empty {
				headingAt, heading = -1, ""
			}
			continue
		}
		if trimmed[0] == '%' || trimmed[0] == '#' || strings.HasPrefix(trimmed, ">>>") {
			a.comments = append(a.comments, trimmed)
			continue
		}
		if heading != "" && (at < headingAt || at == headingAt && !alone) {
			headingAt, heading = -1, ""
		}
		starts := begins
		begins = false
		key, value, ok := split(trimmed)
		switch {
		case !ok && openAt >= 0 && (at > openAt || open.value == ""):
			empty = false
			a.entries = append(a.entries, entry{open.key, value, open.section, block})
			continue
		case !ok && heading != "":
			empty = false
			a.entries = append(a.entries, entry{"", value, heading, block})
			continue
		case !ok:
			heading, headingAt, openAt, empty, alone = normal(trimmed), at, -1, true, false
			a.entries = append(a.entries, entry{"", value, "", block})
			continue
		}
		open = entry{key, value, heading, block}
		openAt, empty = at, false
		a.entries = append(a.entries, open)
		if value == "" {
			heading, headingAt, empty, alone = key, at, true, starts
			open.section = ""
		}
	}
	return a
}

// split takes a line apart. Without a key all of it is the value.
func split(line string) (key, value string, ok bool) {
	if len(line) > 2 && line[1] == '.' && line[2] == ' ' { // "a. [Domain Name]"
		line = strings.TrimLeft(line[2:], " ")
	}
	if line[0] == '[' {
		if key, value, ok = strings.Cut(line[1:], "]"); ok && key != "" && !strings.HasSuffix(value, "]") {
			return normal(key), strings.TrimLeft(value, " :"), true
		}
		return "", line, false
	}
	i := strings.IndexByte(line, ':')
	if i <= 0 || i > 60 || strings.HasPrefix(line[i:], "://") {
		return "", line, false
	}
	if i+1 < len(line) && isDigit(line[i-1]) && isDigit(line[i+1]) { // a time
		return "", line, false
	}
	key = normal(line[:i])
	first, _ := utf8.DecodeRuneInString(key)
	if !unicode.IsLetter(first) || strings.Count(key, " ") > 6 || strings.ContainsAny(key, "@,;") {
		return "", line, false
	}
	return key, strings.TrimSpace(line[i+1:]), true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// normal brings a key into one form: "Registrar-Name..." becomes "registrar name".
func normal(key string) string {
	if len(key) > 100 {
		key = key[:100]
	}
	if i := strings.LastIndex(key, " / "); i >= 0 { // QUIRK: in two languages, English last
		key = key[i+3:]
	}
	key, _, _ = strings.Cut(key, " (dd")
	key = strings.Map(func(r rune) rune {
		switch r {
		case '_', '-', '\u00a0':
			return ' '
		}
		return unicode.ToLower(r)
	}, key)
	return strings.Join(strings.Fields(strings.Trim(key, " .:*")), " ")
}

// field makes a value fit for a Registration. What means nothing becomes "".
func field(s string) string {
	s = lookup.RegistryField(s)
	switch strings.ToLower(s) {
	case "none", "n/a", "-", ".", "not applicable":
		return ""
	}
	return s
}

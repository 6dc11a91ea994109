package lookup

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// edit says that text[from:to] stands for plain[at:at+n].
type edit struct{ at, n, from, to int }

// edits are in order.
type edits []edit

// refang undoes defanged forms: text without any comes back as it is. Every
// byte is looked at a bounded number of times.
func refang(text string) (plain string, made edits) {
	var b strings.Builder
	done := 0 // forms do not overlap: a letter, digit, colon or slash is between them
	for i := 0; i < len(text); i++ {
		if !marks[text[i]] {
			continue
		}
		from, to, means := hidden(text, i)
		if means == "" {
			continue
		}
		if made == nil {
			b.Grow(len(text))
		}
		b.WriteString(text[done:from])
		made = append(made, edit{b.Len(), len(means), from, to})
		b.WriteString(means)
		done, i = to, to-1
	}
	if made == nil {
		return text, nil
	}
	b.WriteString(text[done:])
	return b.String(), made
}

// restore gives a place of the plain text its offsets in the text as written.
func (list edits) restore(f Found) Found {
	if len(list) == 0 {
		return f
	}
	first := sort.Search(len(list), func(i int) bool { return list[i].at+list[i].n > f.Start })
	after := sort.Search(len(list), func(i int) bool { return list[i].at >= f.End })
	if first < after {
		f.Defanged, f.Confidence = true, Certain
	}
	if first < after && list[first].at <= f.Start {
		f.Start = list[first].from
	} else if first > 0 {
		e := list[first-1]
		f.Start += e.to - e.at - e.n
	}
	if after > 0 {
		e := list[after-1]
		f.End = e.to + max(0, f.End-e.at-e.n)
	}
	return f
}

var marks = func() (table [256]bool) {
	for _, c := range `[({])}\` {
		table[c] = true
	}
	return table
}()

// hidden reads the defanged form with the mark text[i]: what stands in
// text[from:to] means something else.
func hidden(text string, i int) (from, to int, means string) {
	switch text[i] {
	case '\\':
		from, to = i, i+2
		if !strings.HasPrefix(text[i:], `\.`) {
			return 0, 0, ""
		}
		means = "."
	case ']', ')', '}':
		from, to = i-1, i+1
		if i == 0 || text[from] != '.' {
			return 0, 0, ""
		}
		means = "."
	default:
		from, to, means = i, i+1, ""
		space := strings.HasPrefix(text[to:], " ")
		if space {
			to++
		}
		for _, form := range formsOf(text[to:]) {
			if n := len(form.written); len(text)-to >= n && strings.EqualFold(text[to:to+n], form.written) {
				to, means = to+n, form.means
				break
			}
		}
		if means == "" {
			return 0, 0, ""
		}
		if closed := strings.TrimPrefix(text[to:min(to+2, len(text))], " "); closed != "" && closed[0] == closing(text[i]) {
			to = len(text) - len(text[to:]) + strings.IndexByte(text[to:], closed[0]) + 1
		} else if means != "." || space || text[to-1] != '.' {
			return 0, 0, ""
		}
		if means == "." || means == "@" {
			if to < len(text) && text[to] == ' ' {
				to++
			}
			if from > 0 && text[from-1] == ' ' {
				from--
			}
		}
	}
	link := means[0] == ':' || means[0] == '/'
	before, _ := utf8.DecodeLastRuneInString(text[:from])
	behind, _ := utf8.DecodeRuneInString(text[to:])
	if !joins(before, link) || !joins(behind, link) {
		return 0, 0, ""
	}
	return from, to, means
}

type form struct{ written, means string }

// forms are what may stand in brackets, by the first character. What another
// begins with comes later.
var forms = map[byte][]form{
	':': {{"://", "://"}, {"::", "::"}, {":", ":"}},
	'/': {{"//", "//"}, {"/", "/"}},
	'.': {{".", "."}},
	'@': {{"@", "@"}},
	'a': {{"at", "@"}, {"arroba", "@"}},
	'd': {{"dot", "."}},
	'p': {{"punkt", "."}, {"punto", "."}, {"point", "."}},
}

func formsOf(text string) []form {
	if text == "" {
		return nil
	}
	switch c := text[0]; {
	case classes[c] == letter:
		return forms[c|0x20]
	case c == ':' || c == '/' || c == '.' || c == '@':
		return forms[c]
	}
	return nil
}

func closing(open byte) byte {
	switch open {
	case '[':
		return ']'
	case '(':
		return ')'
	}
	return '}'
}

// joins reports whether a name or address can go on with r.
func joins(r rune, link bool) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) || link && (r == ':' || r == '/' || r == '[')
}

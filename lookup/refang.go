package lookup

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// edit says that the bytes written of the text, from one on, stand for n of the plain
// text. It is small, since hostile text may have one every few bytes.
type edit struct {
	at, from   int
	n, written uint8
}

// after returns where the edit ends, in the plain text and in the text.
func (e edit) after() (plain, text int) { return e.at + int(e.n), e.from + int(e.written) }

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
		made = append(made, edit{b.Len(), from, uint8(len(means)), uint8(to - from)})
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
	first := sort.Search(len(list), func(i int) bool { plain, _ := list[i].after(); return plain > f.Start })
	after := sort.Search(len(list), func(i int) bool { return list[i].at >= f.End })
	if first < after {
		f.Defanged, f.Confidence = true, Certain
	}
	if first > 0 {
		plain, text := list[first-1].after()
		f.Start += text - plain
	}
	if after > 0 {
		plain, text := list[after-1].after()
		f.End = text + max(0, f.End-plain)
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
		inside := to
		if strings.HasPrefix(text[to:], " ") {
			inside++
		}
		if inside < len(text) && text[inside] == closingOf(text[i]) {
			to = inside + 1
		} else if space || text[to-1] != '.' {
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

// formsOf returns what may stand in brackets and begins as the text does. What
// another begins with comes later.
func formsOf(text string) []form {
	if text == "" {
		return nil
	}
	switch text[0] {
	case ':':
		return colonForms[:]
	case '/':
		return slashForms[:]
	case '.':
		return dotForms[:1]
	case 'd', 'D':
		return dotForms[1:2]
	case 'p', 'P':
		return dotForms[2:]
	case '@':
		return atForms[:1]
	case 'a', 'A':
		return atForms[1:]
	}
	return nil
}

var (
	colonForms = [...]form{{"://", "://"}, {"::", "::"}, {":", ":"}}
	slashForms = [...]form{{"//", "//"}, {"/", "/"}}
	dotForms   = [...]form{{".", "."}, {"dot", "."}, {"punkt", "."}, {"punto", "."}, {"point", "."}}
	atForms    = [...]form{{"@", "@"}, {"at", "@"}, {"arroba", "@"}}
)

func closingOf(open byte) byte {
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

package mail

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// filter changes a value before it is put in: "defang", "wrap=60".
type filter struct {
	name  string
	width int
}

const defaultWidth = 72

// parseFilter reads a filter:
//
//	defang    addresses and links that nobody can follow by mistake ([Defang])
//	quote     "> " before each line ([Quote])
//	wrap      lines of at most 72 characters; wrap=N: of at most N, 20 to 900 ([Wrap])
func parseFilter(s string) (filter, error) {
	name, number, has := strings.Cut(s, "=")
	switch {
	case (name == "defang" || name == "quote") && !has:
		return filter{name: name}, nil
	case name == "wrap" && !has:
		return filter{name, defaultWidth}, nil
	case name == "wrap":
		const narrowest, widest = 20, 900
		if n, err := strconv.Atoi(number); err == nil && n >= narrowest && n <= widest {
			return filter{name, n}, nil
		}
		return filter{}, fmt.Errorf("the filter wrap takes a width of %d to %d, not %q", narrowest, widest, number)
	}
	return filter{}, fmt.Errorf("no filter %q; there are defang, quote, wrap and wrap=N", s)
}

func (f filter) apply(value string) string {
	switch f.name {
	case "defang":
		return Defang(value)
	case "quote":
		return strings.TrimSuffix(Quote(value), "\n") // the template ends the line
	}
	return Wrap(value, f.width)
}

// Defang writes addresses, hosts and links so that no program makes a link of
// them: hxxp, hxxps and fxp for http, https and ftp, [:]// behind any other
// scheme, and [.] and [@] for each dot and @ between two letters or digits. What
// looks so already stays as it is.
func Defang(text string) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/8)
	alone := true // no letter or digit before i
	for i := 0; i < len(text); {
		c := text[i]
		if alone {
			if from, to := scheme(text[i:]); from > 0 {
				b.WriteString(to)
				i += from
				continue
			}
		}
		joined := !alone && i+1 < len(text) && isWordByte(text[i+1])
		alone = !isWordByte(c)
		switch {
		case c == ':' && strings.HasPrefix(text[i:], "://"):
			b.WriteString("[:]")
		case c == '.' && joined:
			b.WriteString("[.]")
		case c == '@' && joined:
			b.WriteString("[@]")
		default:
			b.WriteByte(c)
		}
		i++
	}
	return b.String()
}

// scheme returns the length of a scheme with its slashes at the beginning of s,
// and what is written for it; 0: there is none of those that have a name.
func scheme(s string) (length int, written string) {
	const longest = len("hxxps://")
	length = strings.Index(s[:min(len(s), longest)], "://")
	if length < 0 {
		return 0, ""
	}
	switch name := strings.ToLower(s[:length]); name {
	case "http", "https":
		written = "hxxp" + name[len("http"):]
	case "ftp":
		written = "fxp"
	case "hxxp", "hxxps", "fxp":
		written = name
	default:
		return 0, ""
	}
	return length + len("://"), written + "://"
}

// isWordByte reports whether c is a letter or digit, or belongs to a character
// beyond ASCII.
func isWordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

// Wrap breaks lines that are longer than so many characters at a blank. A word
// that is longer stays whole. Where the line is quoted, so are all that are
// made of it.
func Wrap(text string, width int) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/32)
	for line := range strings.Lines(text) {
		wrapLine(&b, line, width)
	}
	return b.String()
}

func wrapLine(b *strings.Builder, line string, width int) {
	if len(line) <= width {
		b.WriteString(line)
		return
	}
	text := strings.TrimRight(line, " \n")
	prefix := ""
	if strings.HasPrefix(text, ">") {
		prefix = text[:len(text)-len(strings.TrimLeft(text, "> "))]
	}
	b.WriteString(prefix)
	start, blank := len(prefix), -1
	used, usedBlank := len(prefix), 0 // characters up to here, and up to the blank
	for i, c := range text {
		if i < len(prefix) {
			continue
		}
		used++
		if c == ' ' && (used <= width+1 || blank < 0) {
			blank, usedBlank = i, used
		}
		if used > width && blank > start {
			b.WriteString(strings.TrimRight(text[start:blank], " "))
			b.WriteByte('\n')
			b.WriteString(prefix)
			start, used, blank = blank+1, used-usedBlank+len(prefix), -1
		}
	}
	b.WriteString(text[start:])
	if strings.HasSuffix(line, "\n") {
		b.WriteByte('\n')
	}
}

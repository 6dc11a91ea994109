package mail

import (
	"fmt"
	"strings"
)

// piece is a stretch of a template: text, or a variable.
type piece struct {
	raw     string // as it stands in the template
	name    string // of the variable, or what is included in vain; empty: raw is text
	filters []filter
	missing string // why there can be no value
	line    int
}

// The markers that divide a template.
const (
	subjectMark, subjectEnd = "@SUBJECT@", "@ENDSUBJECT@"
	toMark, toEnd           = "@TO@", "@ENDTO@"
	includeMark             = "INCLUDE="
)

// templateParser takes one template apart.
type templateParser struct {
	subject, to, body []piece

	include  func(name string) (text string, ok bool)
	included map[string][]piece // what was read already
	inner    bool               // this one is included
	errs     []error
}

// parseTemplate reads a template. There is always a result.
func parseTemplate(text string, include func(name string) (string, bool)) *templateParser {
	p := &templateParser{include: include, included: map[string][]piece{}}
	p.read(text)
	return p
}

func (p *templateParser) each(use func(piece)) {
	for _, pieces := range [][]piece{p.subject, p.to, p.body} {
		for _, piece := range pieces {
			use(piece)
		}
	}
}

func (p *templateParser) say(line int, name, what string) {
	p.errs = append(p.errs, &TemplateError{line, name, what})
}

// read cuts subject and recipients out of a text, then reads each for itself.
func (p *templateParser) read(text string) {
	text = lines(text)
	line := 1
	if strings.HasPrefix(text, subjectMark) {
		first, rest, _ := strings.Cut(text, "\n")
		subject, behind, ok := strings.Cut(first[len(subjectMark):], subjectEnd)
		switch {
		case !ok:
			p.say(line, "SUBJECT", subjectMark+" without "+subjectEnd+" in the same line")
		case strings.TrimSpace(behind) != "":
			p.say(line, "ENDSUBJECT", "text behind "+subjectEnd+": it must end the first line")
		}
		p.subject = p.scan(subject, line)
		text, line = rest, 2
	}
	if before, rest, ok := strings.Cut(text, toMark); ok {
		line += strings.Count(before, "\n")
		inside, behind, _ := strings.Cut(rest, "\n")
		to, behindEnd, ok := strings.Cut(inside, toEnd)
		if !ok {
			p.say(line, "TO", toMark+" without "+toEnd+" in the same line")
		}
		p.to = p.scan(to, line)
		p.body = p.scan(before, line-strings.Count(before, "\n"))
		if (before == "" || strings.HasSuffix(before, "\n")) && strings.TrimSpace(behindEnd) == "" && len(inside) < len(rest) {
			text = behind // nothing else is on its line
			line++
		} else {
			text = rest[len(inside)-len(behindEnd):]
		}
	}
	if rest := p.scan(text, line); len(p.body) == 0 { // large ones are not copied
		p.body = rest
	} else {
		p.body = append(p.body, rest...)
	}
}

// scan finds the variables in a text.
func (p *templateParser) scan(text string, line int) []piece {
	var out []piece
	from := 0 // what comes from there is in no piece yet
	keep := func(to int) {
		if to > from {
			out = append(out, piece{raw: text[from:to], line: line})
			line += strings.Count(text[from:to], "\n")
		}
	}
	for at := 0; at < len(text); {
		open := strings.IndexByte(text[at:], '@')
		if open < 0 {
			break
		}
		at += open
		n := tokenLength(text[at:])
		if n == 0 {
			at++
			continue
		}
		keep(at)
		out = append(out, p.token(text[at:at+n], line)...)
		at += n
		from = at
	}
	keep(len(text))
	return out
}

// token reads what stands between two @.
func (p *templateParser) token(raw string, line int) []piece {
	inside := raw[1 : len(raw)-1]
	if name, ok := strings.CutPrefix(inside, includeMark); ok {
		return p.includedText(raw, name, line)
	}
	switch raw {
	case subjectMark, subjectEnd:
		p.say(line, inside, raw+" out of place: a template may begin with one "+subjectMark+"..."+subjectEnd)
		return []piece{{raw: raw, line: line}}
	case toMark, toEnd:
		p.say(line, inside, raw+" out of place: a template may have one "+toMark+"..."+toEnd+", outside of its subject")
		return []piece{{raw: raw, line: line}}
	}
	words := strings.Split(inside, "|")
	out := piece{raw: raw, name: words[0], line: line}
	for _, w := range words[1:] {
		f, err := parseFilter(w)
		if err != nil && out.missing == "" {
			out.missing = err.Error()
		}
		out.filters = append(out.filters, f)
	}
	return []piece{out}
}

func (p *templateParser) includedText(raw, name string, line int) []piece {
	vain := func(why string) []piece {
		return []piece{{raw: raw, name: raw[1 : len(raw)-1], missing: why, line: line}}
	}
	if p.inner {
		return vain("an included template cannot include another one")
	}
	if pieces, ok := p.included[name]; ok {
		return pieces
	}
	if p.include == nil {
		return vain(fmt.Sprintf("no template %q to include", name))
	}
	text, ok := p.include(name)
	if !ok {
		return vain(fmt.Sprintf("no template %q to include", name))
	}
	inner := &templateParser{inner: true}
	inner.read(text)
	for _, err := range inner.errs {
		p.say(line, name, fmt.Sprintf("in what is included: %v", err))
	}
	for i := range inner.body {
		inner.body[i].line = line
	}
	p.included[name] = inner.body
	return inner.body
}

// tokenLength returns how long the variable or INCLUDE is that begins with the
// @ at the beginning of s; 0: there is none.
func tokenLength(s string) int {
	const longest = 200
	end := strings.IndexByte(s[1:min(len(s), longest)], '@') + 1
	if end <= 1 {
		return 0
	}
	inside := s[1:end]
	if name, ok := strings.CutPrefix(inside, includeMark); ok {
		if name == "" || strings.ContainsAny(name, "\n") {
			return 0
		}
		return end + 1
	}
	name, filters, _ := strings.Cut(inside, "|")
	if name == "" || name[0] < 'A' || name[0] > 'Z' || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return 0
	}
	if strings.Trim(filters, "abcdefghijklmnopqrstuvwxyz0123456789=|") != "" {
		return 0
	}
	return end + 1
}

// splitPieces divides pieces where their text, not their values, has the
// separator.
func splitPieces(pieces []piece, separator string) [][]piece {
	out := [][]piece{nil}
	for _, p := range pieces {
		if p.name != "" {
			out[len(out)-1] = append(out[len(out)-1], p)
			continue
		}
		for i, text := range strings.Split(p.raw, separator) {
			if i > 0 {
				out = append(out, nil)
			}
			if text != "" {
				out[len(out)-1] = append(out[len(out)-1], piece{raw: text, line: p.line})
			}
		}
	}
	return out
}

// trimPieces takes blanks and the given characters off both ends.
func trimPieces(pieces []piece, cut string) []piece {
	out := append([]piece(nil), pieces...)
	if len(out) > 0 && out[0].name == "" {
		out[0].raw = strings.TrimLeft(out[0].raw, cut)
		if out[0].raw == "" {
			out = out[1:]
		}
	}
	if last := len(out) - 1; last >= 0 && out[last].name == "" {
		out[last].raw = strings.TrimRight(out[last].raw, cut)
		if out[last].raw == "" {
			out = out[:last]
		}
	}
	return out
}

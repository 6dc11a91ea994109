package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Script is a story with what must come of it. See the package comment for its
// form; [Parse] reads it.
type Script struct {
	ID    string // of the acceptance row: "rtir:001-basic-RTIR", "janet:3.6"
	Title string
	Steps []Step

	lines []string // the source
	trace []bool   // which of them are trace
}

// Step is one thing that happens, with the trace that is expected of it.
type Step struct {
	By    string   // who: a word like alice for "handler:alice"; "" where nobody is needed
	Block bool     // the calls are one Do, all or nothing
	Bulk  bool     // the calls are a Bulk, each by itself; a Block too
	Calls []Call   // one, unless Block
	Text  []string // lines of a mail, or of the text of a command
	Trace []string // expected, without "| "

	Line int // in the source, from 1; 0: not from a source
	last int // its last line that is not trace
}

// Call is a word with its arguments: a command, or one of the words "policy", "actor",
// "at", "after", "mail", "import", "sweep", "react", "post", "file", "show", "read", "list", "topics", "explain",
// "expect".
type Call struct {
	Name   string
	Args   []Arg
	Opens  string // name for the ticket that it opens; "": none
	line   int
	column int
}

// Arg is an argument. Key is empty for one without a name. A value that begins
// with "$" stands for a ticket.
type Arg struct {
	Key    string
	Values []string
	column int
}

// SyntaxError is a mistake in a script.
type SyntaxError struct {
	Line, Column int // from 1; columns count characters
	What         string
}

// Error implements error.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.What) }

// maxScript is how many bytes a script may have.
const maxScript = 1 << 20

const indent = "    "

// Parse reads a script. The error joins a [*SyntaxError] for every mistake; what
// could be read is returned with it.
func Parse(source []byte) (*Script, error) {
	if len(source) > maxScript {
		return &Script{}, &SyntaxError{1, 1, fmt.Sprintf("a script has at most %d bytes", maxScript)}
	}
	lines := strings.Split(strings.ReplaceAll(string(source), "\r\n", "\n"), "\n")
	p := &parser{Script: &Script{lines: lines, trace: make([]bool, len(lines))}}
	p.heading()
	for i := range lines {
		p.one(i)
	}
	p.check()
	slices.SortStableFunc(p.errs, func(a, b *SyntaxError) int { return cmp.Compare(a.Line, b.Line) })
	var errs []error
	for _, e := range p.errs {
		errs = append(errs, e)
	}
	return p.Script, errors.Join(errs...)
}

type parser struct {
	*Script
	errs   []*SyntaxError
	margin string // before the first line of a text
	empty  int    // lines since the text's last one
}

func (p *parser) wrong(line, column int, format string, args ...any) {
	p.errs = append(p.errs, &SyntaxError{line, column, fmt.Sprintf(format, args...)})
}

// heading reads the first two lines.
func (p *parser) heading() {
	comment := func(i int) string {
		if i >= len(p.lines) || !strings.HasPrefix(p.lines[i], "# ") {
			return ""
		}
		return strings.TrimSpace(p.lines[i][2:])
	}
	p.ID, p.Title = comment(0), comment(1)
	if space, name, _ := strings.Cut(p.ID, ":"); space == "" || name == "" || strings.ContainsFunc(p.ID, unicode.IsSpace) {
		p.wrong(1, 1, "the first line names a row of the acceptance lists, like \"# rtir:001-basic-RTIR\" or \"# janet:3.6\"")
	}
	if p.Title == "" {
		p.wrong(min(2, len(p.lines)), 1, "the second line is the title, like \"# A report opens when it is linked\"")
	}
}

// one reads a line into the step that it begins or belongs to.
func (p *parser) one(i int) {
	raw := p.lines[i]
	line := strings.TrimLeft(raw, " \t")
	column := utf8.RuneCountInString(raw[:len(raw)-len(line)]) + 1
	var step *Step
	if n := len(p.Steps); n > 0 {
		step = &p.Steps[n-1]
	}
	switch {
	case strings.TrimSpace(line) == "":
		p.empty++
	case line[0] == '#' && column == 1:
	case line[0] == '|':
		p.trace[i] = true
		if step == nil {
			p.wrong(i+1, column, "a trace belongs below a step")
			return
		}
		step.Trace = append(step.Trace, strings.TrimRight(strings.TrimPrefix(line[1:], " "), " \t"))
	case column == 1:
		p.step(i, line)
	case step == nil:
		p.wrong(i+1, column, "an indented line belongs below a step")
	case len(step.Trace) > 0:
		p.wrong(i+1, column, "only a trace (| ...) or a new step can follow a trace")
	case step.Block:
		step.last = i
		tokens := p.tokens(i, line, column)
		if call, ok := p.call(i, tokens); ok {
			step.Calls = append(step.Calls, call)
		}
	default:
		p.text(step, i, raw)
	}
}

// text adds a line of text, without the indentation of the first one. Empty
// lines inside of a text belong to it.
func (p *parser) text(step *Step, i int, raw string) {
	if len(step.Text) == 0 {
		p.margin, p.empty = raw[:len(raw)-len(strings.TrimLeft(raw, " \t"))], 0
	}
	cut, ok := strings.CutPrefix(raw, p.margin)
	if !ok {
		cut = strings.TrimLeft(raw, " \t")
	}
	step.Text = append(append(step.Text, make([]string, p.empty)...), strings.TrimRight(cut, " \t"))
	step.last, p.empty = i, 0
}

// step begins a step.
func (p *parser) step(i int, line string) {
	tokens := p.tokens(i, line, 1)
	if len(tokens) == 0 {
		return
	}
	step := Step{Line: i + 1, last: i}
	first := tokens[0].word()
	_, special := words()[first]
	switch {
	case special:
	case len(tokens) == 1 && strings.HasSuffix(first, ":"):
		step.By, step.Block = strings.TrimSuffix(first, ":"), true
	case len(tokens) == 2 && tokens[1].word() == "bulk:":
		step.By, step.Block, step.Bulk = first, true, true
	case len(tokens) > 1:
		step.By, tokens = first, tokens[1:]
	default:
		p.wrong(i+1, 1, "a step is somebody's command, like \"alice take $report\", or one of %s", list(words()))
		return
	}
	if !special && !isWord(step.By) {
		p.wrong(i+1, 1, "%q is nobody's name: allowed are words like alice", step.By)
	}
	if !step.Block {
		call, ok := p.call(i, tokens)
		if !ok {
			return
		}
		step.Calls = []Call{call}
	}
	p.Steps = append(p.Steps, step)
}

// call takes the words of a call apart.
func (p *parser) call(i int, tokens []token) (Call, bool) {
	if len(tokens) == 0 || tokens[0].word() == "" {
		p.wrong(i+1, 1, "a call begins with a word")
		return Call{}, false
	}
	c := Call{Name: tokens[0].word(), line: i + 1, column: tokens[0].column}
	for tokens = tokens[1:]; len(tokens) > 0; tokens = tokens[1:] {
		if !tokens[0].arrow {
			c.Args = append(c.Args, tokens[0].Arg)
			continue
		}
		if len(tokens) != 2 || !isName(tokens[1].word()) {
			p.wrong(i+1, tokens[0].column, "after -> comes the name of the new ticket, and nothing else")
			return c, true
		}
		c.Opens = tokens[1].word()
		break
	}
	return c, true
}

// token is one argument, or an arrow.
type token struct {
	Arg
	arrow bool
}

// word returns the value of a token that is a single word.
func (t token) word() string {
	if t.arrow || t.Key != "" || len(t.Values) != 1 {
		return ""
	}
	return t.Values[0]
}

// tokens takes a line apart: words, and key=value with several values behind
// commas, each a run of characters without blanks and commas, or quoted as in Go.
func (p *parser) tokens(i int, line string, column int) (tokens []token) {
	rest, seen := line, 0
	at := func() int { // moves on from where it was asked last
		here := len(line) - len(rest)
		column += utf8.RuneCountInString(line[seen:here])
		seen = here
		return column
	}
	for {
		if rest = strings.TrimLeft(rest, " \t"); rest == "" {
			return tokens
		}
		t := token{Arg: Arg{column: at()}}
		if rest == "->" || strings.HasPrefix(rest, "-> ") || strings.HasPrefix(rest, "->\t") {
			t.arrow, rest = true, rest[2:]
			tokens = append(tokens, t)
			continue
		}
		t.Key, rest = key(rest)
		for more := true; more; {
			var value string
			var ok bool
			if value, rest, ok = element(rest); !ok {
				p.wrong(i+1, at(), "a value is a word without blanks and commas, or a text quoted as in Go")
				return tokens
			}
			t.Values = append(t.Values, value)
			rest, more = strings.CutPrefix(rest, ",")
		}
		tokens = append(tokens, t)
	}
}

// key cuts off what stands before "=".
func key(s string) (key, rest string) {
	if quoted, err := strconv.QuotedPrefix(s); err == nil {
		if after, ok := strings.CutPrefix(s[len(quoted):], "="); ok && s[0] != '\'' {
			key, _ = strconv.Unquote(quoted)
			return key, after
		}
		return "", s
	}
	if n := strings.IndexAny(s, "= \t,\"`"); n > 0 && s[n] == '=' {
		return s[:n], s[n+1:]
	}
	return "", s
}

// element cuts off one value.
func element(s string) (value, rest string, ok bool) {
	if s != "" && (s[0] == '"' || s[0] == '`') {
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return "", s, false
		}
		value, _ = strconv.Unquote(quoted)
		rest = s[len(quoted):]
		return value, rest, rest == "" || strings.IndexByte(" \t,", rest[0]) >= 0
	}
	if n := strings.IndexAny(s, " \t,"); n >= 0 {
		return s[:n], s[n:], true
	}
	return s, "", true
}

// isWord reports whether s can stand for a person or kind of thing.
func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.:", r)
	})
}

// isName reports whether s can name a ticket: no number, so that $1 stays one.
func isName(s string) bool {
	return isWord(s) && !unicode.IsDigit([]rune(s)[0]) && !strings.Contains(s, ":")
}

// String returns the step as a script has it, without its trace.
func (s Step) String() string {
	var b strings.Builder
	if s.Block {
		b.WriteString(s.By + map[bool]string{true: " bulk:\n", false: ":\n"}[s.Bulk])
	}
	for _, c := range s.Calls {
		switch {
		case s.Block:
			b.WriteString(indent)
		case s.By != "":
			b.WriteString(s.By + " ")
		}
		b.WriteString(c.String() + "\n")
	}
	for _, line := range s.Text {
		b.WriteString(strings.TrimRight(indent+line, " ") + "\n")
	}
	return b.String()
}

// String returns the call as a script has it.
func (c Call) String() string {
	var b strings.Builder
	b.WriteString(c.Name)
	for _, a := range c.Args {
		b.WriteByte(' ')
		if a.Key != "" {
			b.WriteString(quote(a.Key, "= \t,\"`") + "=")
		}
		for i, v := range a.Values {
			if i > 0 {
				b.WriteByte(',')
			}
			switch {
			case v == "" && (a.Key == "" || len(a.Values) > 1):
				b.WriteString(`""`)
			case a.Key == "":
				b.WriteString(quote(v, "= \t,\"`"))
			default:
				b.WriteString(quote(v, " \t,\"`"))
			}
		}
	}
	if c.Opens != "" {
		b.WriteString(" -> " + c.Opens)
	}
	return b.String()
}

// quote quotes a value where it must be.
func quote(s, special string) string {
	plain := utf8.ValidString(s) && !strings.ContainsAny(s, special) && !strings.HasPrefix(s, "->") &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
	if plain {
		return s
	}
	return strconv.Quote(s)
}

// Policy returns the name in the script's step "policy"; "" without one.
func (s *Script) Policy() string {
	if len(s.Steps) == 0 || !s.Steps[0].is("policy") {
		return ""
	}
	return s.Steps[0].Calls[0].Args[0].Values[0]
}

// String returns the script with the expected trace.
func (s *Script) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n# %s\n\n", s.ID, s.Title)
	for _, step := range s.Steps {
		b.WriteString(step.String())
		for _, line := range step.Trace {
			b.WriteString(traceLine(line))
		}
	}
	return b.String()
}

func traceLine(line string) string { return strings.TrimRight(indent+"| "+line, " ") + "\n" }

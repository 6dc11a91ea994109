package lookup

import (
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Found is one place in a text where an observable stands: Start and End are
// byte offsets, text[Start:End] is what was written there. Observable has the
// canonical value and no role.
type Found struct {
	Observable incident.Observable
	Start, End int
	Defanged   bool // written so that no program makes a link of it
	Confidence Confidence
}

// Confidence says how surely the text means what was found there. The package
// comment has the rule.
type Confidence int

// Confidences in ascending order.
const (
	Doubtful Confidence = iota
	Likely
	Certain
)

// String returns "doubtful", "likely" or "certain".
func (c Confidence) String() string {
	switch c {
	case Doubtful:
		return "doubtful"
	case Likely:
		return "likely"
	case Certain:
		return "certain"
	}
	return "confidence " + strconv.Itoa(int(c))
}

// Extractor finds observables. The zero Extractor knows no public suffixes: it
// finds everything but bare host names, since it cannot tell them from names of
// files and sentences without a space. Its methods may be called by any number
// of goroutines, and so may PublicSuffix.
type Extractor struct {
	// PublicSuffix returns the public suffix of a name, and whether ICANN
	// delegates it; for a name below an unknown top level, its last label and
	// false. PublicSuffix of golang.org/x/net/publicsuffix is made for this. The
	// name has lower case and A-labels.
	PublicSuffix func(name string) (suffix string, icann bool)
}

// Extract returns what the zero [Extractor] finds: see there for what it
// does not.
func Extract(text string) []Found { return Extractor{}.Extract(text) }

// Extract returns all places of a text where an observable stands, in order of
// their Start, by the rule in the package comment. Places do not overlap, except
// that the IP address which is the host of a URL follows that URL and lies in
// it: a program that makes links passes over what begins before the last End.
//
// The same value may stand in several places: [Observables] gives each once.
// Nothing reaches over the end of a line. The time is linear in the length of
// the text, whatever it holds; the result may be several times as large as the
// text.
func (x Extractor) Extract(text string) []Found { return slices.Collect(x.All(text)) }

// chunk is how much text is read at once, apart from lines that are longer.
const chunk = 32 << 10

// All yields what Extract returns, as it is found: a caller that takes only
// so many values stops early. Beside the text it needs memory for one line, or
// 32 KiB.
func (x Extractor) All(text string) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		for start := 0; start < len(text); {
			end := min(start+chunk, len(text))
			if i := strings.IndexByte(text[end:], '\n'); i >= 0 {
				end += i + 1
			} else {
				end = len(text)
			}
			plain, edits := refang(text[start:end])
			s := scanner{text: plain, publicSuffix: x.PublicSuffix, yield: func(f Found) bool {
				f = edits.restore(f)
				f.Start += start
				f.End += start
				return yield(f)
			}}
			if !s.urls(0, len(plain)) {
				return
			}
			start = end
		}
	}
}

// First returns what stands in the first of texts that has anything, and its
// index: so an attachment counts only when the main text, which comes first,
// says nothing. Host names count in the main text only, since files are full of names
// that mean no host. Without any, the index is -1.
func (x Extractor) First(texts ...string) (index int, found []Found) {
	for i, text := range texts {
		found := x.Extract(text)
		if i > 0 {
			found = slices.DeleteFunc(found, func(f Found) bool { return f.Observable.Kind == incident.Host })
		}
		if len(found) > 0 {
			return i, found
		}
	}
	return -1, nil
}

// Observables returns the distinct observables of found in order of first
// sight. Two are the same when their keys are ([incident.Observable.Key]); the
// spelling of the first stays.
func Observables(found []Found) []incident.Observable {
	var distinct []incident.Observable
	seen := make(map[string]bool)
	for _, f := range found {
		if key := f.Observable.Key(); !seen[key] {
			seen[key] = true
			distinct = append(distinct, f.Observable)
		}
	}
	return distinct
}

// scanner finds observables in refanged text. Each of its methods looks for
// some kinds in text[from:to], hands what lies between to the next one, and is
// false when yield was: urls, mails, rows, then names and addresses.
type scanner struct {
	text         string
	publicSuffix func(string) (string, bool)
	yield        func(Found) bool
	limit        int // where the next URL or mail address begins: no network reaches into it
	done         int // the End of what was found last
}

func (s *scanner) found(f Found) bool {
	s.done = max(s.done, f.End)
	return s.yield(f)
}

// rows passes over the rows of characters that names and addresses are made of.
// Most rows are plain words.
func (s *scanner) rows(from, to int) bool {
	s.limit = to
	for start := from; start < to; {
		seen := classes[s.text[start]]
		if seen == 0 {
			start++
			continue
		}
		end, colons, dots := start, 0, 0
		for ; end < to; end++ {
			c := classes[s.text[end]]
			if c == 0 {
				break
			}
			seen |= c
			if c == colon {
				colons++
			} else if c == dot {
				dots++
			}
		}
		switch {
		case colons >= 2:
			if !s.sixes(start, end, seen) {
				return false
			}
		case dots > 0 || end-start >= shortestWord:
			if !s.names(start, end, seen) {
				return false
			}
		}
		start = max(end, s.done) // a network ends behind its row
	}
	return true
}

// class says which part a byte can have in a name or an address.
type class uint8

const (
	digit class = 1 << iota
	letter
	underscore
	hyphen
	dot
	colon
	high // a byte of a character beyond ASCII
)

const (
	alnum = digit | letter
	word  = alnum | underscore
)

var classes = func() (table [256]class) {
	for c := range table {
		switch b := byte(c); {
		case '0' <= b && b <= '9':
			table[c] = digit
		case 'a' <= b|0x20 && b|0x20 <= 'z':
			table[c] = letter
		case b >= 0x80:
			table[c] = high
		}
	}
	table['_'], table['-'], table['.'], table[':'] = underscore, hyphen, dot, colon
	return table
}()

func isDigit(c byte) bool { return classes[c]&digit != 0 }
func isAlnum(c byte) bool { return classes[c]&alnum != 0 }
func isWord(c byte) bool  { return classes[c]&word != 0 }

package lookup

import (
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// shortestWord is the length of the shortest observable without dot or colon.
const shortestWord = len("CVE-1999-0001")

// words finds hashes and CVE ids.
func (s *scanner) words(from, to int) bool {
	if to-from < shortestWord {
		return true
	}
	for start := from; start < to; {
		if !isWord(s.text[start]) {
			start++
			continue
		}
		end := start
		for end < to && isWord(s.text[end]) {
			end++
		}
		f, ok := hashAt(s.text, start, end)
		if end-start == len("CVE") {
			f, ok = cveAt(s.text[:to], start)
		}
		if ok {
			if !s.found(f) {
				return false
			}
			end = f.End
		}
		start = end
	}
	return true
}

func hashAt(text string, start, end int) (Found, bool) {
	confidence := Certain
	switch end - start {
	case 32:
		confidence = Likely // identifiers have that length, too
	case 40, 56, 64, 96, 128:
	default:
		return Found{}, false
	}
	o, err := incident.NewObservable(incident.Hash, text[start:end], "")
	if err != nil || !strings.ContainsAny(o.Value, "abcdef") {
		return Found{}, false
	}
	return Found{Observable: o, Start: start, End: end, Confidence: confidence}, true
}

// cveAt reads the CVE id (CVE ID syntax of 2014: four digits or more) whose
// first three characters are a word.
func cveAt(text string, start int) (Found, bool) {
	const prefix, year = "CVE-", len("CVE-1999-")
	if len(text)-start < shortestWord || !strings.EqualFold(text[start:start+len(prefix)], prefix) || text[start+year-1] != '-' {
		return Found{}, false
	}
	for _, c := range []byte(text[start+len(prefix) : start+year-1]) {
		if !isDigit(c) {
			return Found{}, false
		}
	}
	end := start + year
	for end < len(text) && isDigit(text[end]) {
		end++
	}
	if n := end - start - year; n < 4 || n > 19 || end < len(text) && isWord(text[end]) {
		return Found{}, false
	}
	o, err := incident.NewObservable(incident.CVE, text[start:end], "")
	return Found{Observable: o, Start: start, End: end, Confidence: Certain}, err == nil
}

package storage

import (
	"context"
	"unicode"
	"unicode/utf8"

	"github.com/airtight-csirt/airtight/incident"
)

// Text is what one record says, as the words in it: see [Words].
type Text struct {
	Ticket  incident.ID
	Version uint64 // of the record
	Words   []string
}

// TextKeeper is an optional power of a [Tx]: it keeps the words of texts for a
// [TextSearcher]. Without it nobody searches texts. A text is kept as part of the
// update; one that is put again for the same record takes the place of the earlier.
type TextKeeper interface {
	PutText(ctx context.Context, t Text) error
}

// TextSearcher is an optional power of a [Reader], whose store has a [TextKeeper]
// too. Without it, a program that searches texts says that it cannot.
//
// FindText returns what [Reader.Find] returns, of those tickets that have a text with
// all of words in it, and CountText counts as [Reader.Count] does. Words compare
// bytewise: callers take them from [Words]. Without words there is nothing to find.
type TextSearcher interface {
	FindText(ctx context.Context, words []string, q Query) ([]incident.Ticket, error)
	CountText(ctx context.Context, words []string, q Query) (int, error)
}

// Limits of [Words].
const (
	MaxWords = 2000 // distinct words of a text, those that come first
	MaxWord  = 64   // bytes of a word; longer ones, such as encoded files, are left out
)

// Words returns the distinct words of texts in order of first sight: rows of letters,
// marks and digits of any script, in lower case, within the limits. The time is linear in
// the length of the texts.
func Words(texts ...string) []string {
	var words []string
	seen := map[string]bool{}
	var word []byte
	long := false
	end := func() {
		if len(word) > 0 && !long && !seen[string(word)] {
			seen[string(word)] = true
			words = append(words, string(word))
		}
		word, long = word[:0], false
	}
	for _, text := range texts {
		for _, r := range text {
			if len(words) == MaxWords {
				return words
			}
			if r == utf8.RuneError || !unicode.In(r, unicode.L, unicode.M, unicode.N) {
				end()
				continue
			}
			if long = long || len(word) > MaxWord; !long {
				word = utf8.AppendRune(word, unicode.ToLower(r))
				long = len(word) > MaxWord
			}
		}
		end()
	}
	return words[:min(len(words), MaxWords)]
}

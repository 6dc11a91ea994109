package mail

import "strings"

// longestCharset bounds the name of a charset in an encoded word.
const longestCharset = 60

// wordScanner finds encoded words (RFC 2047 2) in one string, asked about
// rising places. It remembers where the next end mark is, so that its work
// stays linear however many words are begun and never ended.
type wordScanner struct {
	s    string
	stop int // place of the first "?=" behind the last place asked about; len(s) if none
	set  bool
}

// encodedWord is an encoded word as it stands in a header.
type encodedWord struct {
	charset string
	b       bool // B encoding, else Q
	text    string
	end     int // place behind it
}

// at reads the encoded word that begins at i.
func (w *wordScanner) at(i int) (encodedWord, bool) {
	s := w.s
	if !strings.HasPrefix(s[i:], "=?") {
		return encodedWord{}, false
	}
	charset := s[i+2 : min(len(s), i+2+longestCharset)]
	n := strings.IndexByte(charset, '?')
	if n <= 0 || strings.ContainsAny(charset[:n], " \t") {
		return encodedWord{}, false
	}
	charset, _, _ = strings.Cut(charset[:n], "*") // language, RFC 2231 5
	at := i + 2 + n + 1
	if at+1 >= len(s) || s[at+1] != '?' {
		return encodedWord{}, false
	}
	word := encodedWord{charset: charset}
	switch s[at] {
	case 'b', 'B':
		word.b = true
	case 'q', 'Q':
	default:
		return encodedWord{}, false
	}
	at += 2
	if !w.set || w.stop < at {
		w.set, w.stop = true, len(s)
		if n := strings.Index(s[at:], "?="); n >= 0 {
			w.stop = at + n
		}
	}
	if w.stop >= len(s) {
		return encodedWord{}, false
	}
	word.text, word.end = s[at:w.stop], w.stop+2
	return word, true
}

// bytes returns what the word stands for, in its charset.
func (w encodedWord) bytes() []byte {
	if w.b {
		out, _ := decodeBase64([]byte(w.text))
		return out
	}
	out := make([]byte, 0, len(w.text))
	for i := 0; i < len(w.text); i++ {
		switch c := w.text[i]; {
		case c == '_':
			out = append(out, ' ')
		case c == '=' && i+2 < len(w.text) && unhex(w.text[i+1]) >= 0 && unhex(w.text[i+2]) >= 0:
			out = append(out, byte(unhex(w.text[i+1])<<4|unhex(w.text[i+2])))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return out
}

// decodeWords decodes header text: encoded words (RFC 2047), and raw 8-bit
// text, which is guessed: UTF-8 (RFC 6532), or the charset that the mail
// declares for its text. White space between two encoded words goes (RFC 2047
// 6.2). QUIRK: the bytes of adjacent words in one charset are joined before they
// are decoded, since senders split characters over two words (against RFC 2047
// 5); blanks inside a word and words inside quotes or other text are accepted.
// The result is one clean line.
func decodeWords(s, declared string) string {
	if !strings.Contains(s, "=?") {
		return cleanLine(guessText(s, declared))
	}
	var (
		out     strings.Builder
		scan    = wordScanner{s: s}
		plain   = 0 // where text that is not yet written begins
		pending []byte
		charset string
		inWords bool
	)
	flush := func() {
		if inWords {
			text, _ := decodeCharset(charset, pending)
			out.Write(text)
			pending, inWords = nil, false
		}
	}
	for i := 0; i < len(s); {
		n := strings.Index(s[i:], "=?")
		if n < 0 {
			break
		}
		i += n
		word, ok := scan.at(i)
		if !ok {
			i += 2
			continue
		}
		between := s[plain:i]
		if !inWords || strings.Trim(between, " \t\r\n") != "" {
			flush()
			out.WriteString(guessText(between, declared))
		} else if !strings.EqualFold(charset, word.charset) {
			flush()
		}
		pending = append(pending, word.bytes()...)
		charset, inWords = word.charset, true
		i = word.end
		plain = i
	}
	flush()
	out.WriteString(guessText(s[plain:], declared))
	return cleanLine(out.String())
}

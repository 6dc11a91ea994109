package mail

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// decodeCharset converts text to UTF-8. What has no label, or is called ASCII or
// UTF-8, is guessed. It is false for a charset that nobody knows; the text is
// then guessed too.
//
// QUIRK: what is called ISO-8859-1, GB2312 or KS_C_5601-1987 is read as the
// larger set that it is part of (windows-1252, GBK, CP949), because that is
// what programs send under these names.
func decodeCharset(label string, b []byte) ([]byte, bool) {
	switch label = strings.ToLower(strings.Trim(label, " \t\"'")); label {
	case "", "utf-8", "utf8", "us-ascii", "ascii", "unknown-8bit", "x-unknown", "default", "binary":
		return guess(b, ""), true
	case "utf-7", "unicode-1-1-utf-7", "x-utf-7":
		return decodeUTF7(b), true
	}
	e := lookUpCharset(label)
	if e == nil {
		return guess(b, ""), false
	}
	out, err := e.NewDecoder().Bytes(b)
	if err != nil {
		return guess(b, ""), true
	}
	return out, true
}

func lookUpCharset(label string) encoding.Encoding {
	switch label {
	case "hz-gb-2312":
		return simplifiedchinese.HZGB2312
	case "cp932", "ms932", "windows-31j":
		label = "shift_jis"
	case "cp936", "ms936", "x-gbk", "gb_2312-80":
		label = "gbk"
	case "cp949", "ms949", "uhc", "ks_c_5601-1987", "ks_c_5601":
		return korean.EUCKR
	case "cp950":
		label = "big5"
	case "ansi_x3.110-1983": // RFC 1345: mostly ISO 8859-1
		return charmap.Windows1252
	case "iso-2022-kr", "iso-2022-cn", "iso-2022-cn-ext": // no decoder to be had
		return nil
	}
	// UTF-16 without a mark is big-endian in mail (RFC 2781 4.3), little-endian
	// in HTML.
	if !strings.HasPrefix(label, "utf-16") && !strings.HasPrefix(label, "utf-32") {
		if e, err := htmlindex.Get(label); err == nil {
			return e
		}
	}
	if e, err := ianaindex.MIME.Encoding(label); err == nil && e != nil {
		return e
	}
	if number, ok := strings.CutPrefix(label, "cp"); ok {
		for _, name := range []string{"windows-" + number, "ibm" + number} {
			if e, err := ianaindex.MIME.Encoding(name); err == nil && e != nil {
				return e
			}
		}
	}
	return nil
}

// guess converts text whose charset is not known: it is UTF-8 if it can be, then
// what the mail declares elsewhere, then windows-1252. A few broken characters
// do not make other text of UTF-8; a few accidents do not make UTF-8 of other
// text.
func guess(b []byte, declared string) []byte {
	good, bad := 0, 0
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			bad++
		} else {
			good++
		}
		i += size
	}
	if bad == 0 {
		return b
	}
	if good > bad {
		return bytes.ToValidUTF8(b, []byte("\uFFFD"))
	}
	if e := eightBit(declared); e != nil {
		if out, err := e.NewDecoder().Bytes(b); err == nil && !bytes.ContainsRune(out, utf8.RuneError) {
			return out
		}
	}
	out, _ := charmap.Windows1252.NewDecoder().Bytes(b) // has a character for every byte
	return out
}

// guessText is guess for text of a header.
func guessText(s, declared string) string { return string(guess([]byte(s), declared)) }

// eightBit returns a charset in which ASCII stands for itself and raw 8-bit
// text can be, nil for any other.
func eightBit(label string) encoding.Encoding {
	label = strings.ToLower(label)
	for _, prefix := range []string{"utf", "us-ascii", "ascii", "iso-2022", "hz"} {
		if strings.HasPrefix(label, prefix) {
			return nil
		}
	}
	e := lookUpCharset(label)
	if e == nil {
		return nil
	}
	if letter, err := e.NewDecoder().String("A"); err != nil || letter != "A" { // EBCDIC
		return nil
	}
	return e
}

// decodeUTF7 reads UTF-7 (RFC 2152). What is not well formed becomes U+FFFD.
func decodeUTF7(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '+' {
			if b[i] < utf8.RuneSelf {
				out = append(out, b[i])
			} else {
				out = utf8.AppendRune(out, utf8.RuneError)
			}
			continue
		}
		end := i + 1
		for end < len(b) && isBase64(b[end]) {
			end++
		}
		coded := b[i+1 : end]
		if len(coded) == 0 {
			if end < len(b) && b[end] == '-' { // "+-" stands for "+"
				end++
			}
			out = append(out, '+')
			i = end - 1
			continue
		}
		units := make([]byte, base64.RawStdEncoding.DecodedLen(len(coded)))
		n, err := base64.RawStdEncoding.Decode(units, coded)
		words := make([]uint16, 0, n/2)
		for j := 0; j+1 < n; j += 2 {
			words = append(words, uint16(units[j])<<8|uint16(units[j+1]))
		}
		out = append(out, string(utf16.Decode(words))...)
		if err != nil {
			out = utf8.AppendRune(out, utf8.RuneError)
		}
		if end < len(b) && b[end] == '-' {
			end++
		}
		i = end - 1
	}
	return out
}

func isBase64(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/'
}

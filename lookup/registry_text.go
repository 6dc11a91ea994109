package lookup

import (
	"strings"
	"unicode"
)

// Limits of what an adapter takes out of one answer.
const (
	MaxRegistryField = 500      // bytes of a field
	MaxRegistryList  = 100      // entries of a list
	MaxRegistryText  = 32 << 10 // bytes of Registration.Text
)

// RegistryField makes what a server wrote fit for a field: one line, no
// control or format characters, MaxRegistryField bytes at most.
func RegistryField(s string) string {
	if len(s) > 4*MaxRegistryField {
		s = s[:4*MaxRegistryField]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.C, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(s), " ")
	return cut(s, MaxRegistryField)
}

// RegistryText makes what a server wrote fit for Registration.Text: no
// control characters but line ends and tabs, MaxRegistryText bytes at most.
func RegistryText(s string) string {
	if len(s) > 2*MaxRegistryText {
		s = s[:2*MaxRegistryText]
	}
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.Is(unicode.C, r) {
			return -1
		}
		return r
	}, s)
	return cut(s, MaxRegistryText)
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// RegistryAddress reads a mail address as registries write it, with or without
// "mailto:". It is false for what is none: "redacted for privacy", a URL.
func RegistryAddress(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	local, domain, ok := strings.Cut(s, "@")
	bad := func(r rune) bool {
		return r <= ' ' || strings.ContainsRune("<>()[]\\,;:\"/?@", r) || unicode.Is(unicode.C, r)
	}
	ok = ok && local != "" && strings.Contains(strings.Trim(domain, "."), ".") && len(s) <= 254 &&
		!strings.ContainsFunc(local, bad) && !strings.ContainsFunc(domain, bad)
	return s, ok
}

// RegistryHints returns the mail addresses in a line of a remark that speaks of
// abuse: the word stands in it, be it in the address itself.
func RegistryHints(line string) []string {
	if len(line) > 4*MaxRegistryField || !strings.Contains(strings.ToLower(line), "abuse") {
		return nil
	}
	var list []string
	for _, word := range strings.FieldsFunc(line, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("<>()[],;\"'", r) }) {
		word = strings.TrimRight(word, ".:!")
		if i := strings.LastIndexByte(word, ':'); i >= 0 {
			word = word[i+1:]
		}
		if a, ok := RegistryAddress(word); ok {
			list = append(list, a)
		}
	}
	return list
}

package mail

import (
	"bytes"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// cost parses and returns what was allocated on the way. The time allowed is
// far above what is needed: work that grows with the square of these sizes
// would take hours.
func cost(t *testing.T, raw []byte, l Limits) (m *Message, allocated uint64, err error) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	m, err = Parse(raw, l)
	runtime.ReadMemStats(&after)
	assert.Less(t, time.Since(start), time.Minute)
	requireSound(t, m, t.Name())
	return m, after.TotalAlloc - before.TotalAlloc, err
}

func requireLimit(t *testing.T, err error, name string, allowed int) {
	t.Helper()
	var e *LimitError
	require.True(t, errors.As(err, &e), "%v", err)
	assert.Equal(t, name, e.Limit)
	assert.Equal(t, allowed, e.Allowed)
	assert.Greater(t, e.Seen, allowed)
	assert.Contains(t, e.Error(), name)
}

// nested builds multiparts within multiparts, closed or not.
func nested(depth int, closed bool) []byte {
	var b bytes.Buffer
	for i := range depth {
		name := strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("-", i%3) + strconv.Itoa(i)
		b.WriteString("Content-Type: multipart/mixed; boundary=" + name + "\n\n--" + name + "\n")
	}
	b.WriteString("\ninnermost\n")
	if closed {
		for i := depth - 1; i >= 0; i-- {
			name := strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("-", i%3) + strconv.Itoa(i)
			b.WriteString("--" + name + "--\n")
		}
	}
	return b.Bytes()
}

func TestNesting(t *testing.T) {
	for _, closed := range []bool{true, false} {
		raw := nested(10_000, closed)
		m, bytes, err := cost(t, raw, Limits{})
		requireLimit(t, err, "Depth", 30)
		assert.NotEmpty(t, m.Parts, "what lies above the limit is there")
		assert.Equal(t, 30, m.Parts[0].Depth)
		assert.Less(t, bytes, uint64(4*len(raw)+1<<20))

		m, bytes, err = cost(t, raw, Limits{Depth: -1, Parts: -1})
		require.NoError(t, err)
		assert.Equal(t, "innermost\n", m.Text)
		assert.Less(t, bytes, uint64(200*len(raw)))
	}
}

func TestThirtyNeverClosed(t *testing.T) {
	raw := nested(30, false)
	require.Less(t, len(raw), 2000)
	m, bytes, err := cost(t, raw, Limits{})
	require.NoError(t, err)
	assert.Equal(t, "innermost\n", m.Text)
	assert.Less(t, bytes, uint64(1<<20))
}

func TestManyParts(t *testing.T) {
	raw := []byte("Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 10_000) + "--b--\n")
	m, _, err := cost(t, raw, Limits{})
	requireLimit(t, err, "Parts", 1000)
	assert.Len(t, m.Parts, 999)
	m, _, err = cost(t, raw, Limits{Parts: -1})
	require.NoError(t, err)
	assert.Len(t, m.Parts, 10_000)

	// Containers count: they cost memory too.
	raw = []byte("Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nContent-Type: multipart/mixed; boundary=c\n\n--c--\n", 10_000) + "--b--\n")
	_, _, err = cost(t, raw, Limits{})
	requireLimit(t, err, "Parts", 1000)

	// So do files in text.
	raw = []byte("\n" + strings.Repeat("begin 644 a\n#``$\"\n`\nend\n", 10_000))
	_, _, err = cost(t, raw, Limits{})
	requireLimit(t, err, "Parts", 1000)
}

func TestHeaderBytes(t *testing.T) {
	const size = 50 << 20
	for name, raw := range map[string][]byte{
		"many fields":      bytes.Repeat([]byte("a: b\n"), size/5),
		"shortest fields":  bytes.Repeat([]byte("a:\n"), size/3),
		"one field":        append([]byte("a: "), bytes.Repeat([]byte("b"), size)...),
		"one folded field": append([]byte("a: b\n"), bytes.Repeat([]byte(" b\n"), size/3)...),
		"lines of blanks":  append([]byte("a: b\n"), bytes.Repeat([]byte(" \n"), size/2)...),
		"no fields":        append([]byte("a: b\n"), bytes.Repeat([]byte("b\n"), size/2)...),
	} {
		t.Run(name, func(t *testing.T) {
			raw = append(raw, "\nSubject: late\n\nbody\n"...)
			_, _, err := cost(t, raw, Limits{})
			requireLimit(t, err, "Bytes", 25<<20)
			m, allocated, err := cost(t, raw, Limits{Bytes: -1})
			if name == "no fields" || name == "lines of blanks" {
				require.NoError(t, err, "that is a body")
				return
			}
			requireLimit(t, err, "HeaderBytes", 1<<20)
			assert.Less(t, allocated, uint64(256<<20))
			assert.Contains(t, m.Text, "body", "the body is read all the same")
		})
	}
	// All blocks together have a limit as well.
	part := "--b\n" + strings.Repeat("x: y\n", 200_000) + "\nt\n"
	_, allocated, err := cost(t, []byte("Content-Type: multipart/mixed; boundary=b\n\n"+strings.Repeat(part, 20)+"--b--\n"), Limits{})
	requireLimit(t, err, "HeaderBytes", 4<<20)
	assert.Less(t, allocated, uint64(400<<20))

	m, err := Parse([]byte("Subject: abcdef\nTo: a@example.org\n\nbody\n"), Limits{HeaderBytes: 12})
	requireLimit(t, err, "HeaderBytes", 12)
	assert.Equal(t, "abc", m.Subject, "the field that passes the limit is kept up to it")
	assert.Empty(t, m.To)
	assert.Equal(t, "body\n", m.Text)
}

func TestBytesLimit(t *testing.T) {
	m, err := Parse([]byte("Subject: s\n\n0123456789"), Limits{Bytes: 17})
	requireLimit(t, err, "Bytes", 17)
	assert.Equal(t, "01234\n", m.Text)
	_, err = Parse(append([]byte("\n"), make([]byte, 26<<20)...), Limits{Bytes: -1})
	require.NoError(t, err)
}

// TestLinear feeds each reader what would make a careless one start again and
// again.
func TestLinear(t *testing.T) {
	fill := func(unit string) string { return strings.Repeat(unit, (1<<20-1000)/len(unit)) }
	large := func(unit string) string { return strings.Repeat(unit, 5<<20/len(unit)) }
	for name, raw := range map[string]string{
		"encoded words begun":     "Subject: " + fill("=?a?b?") + "\n\n",
		"encoded words":           "Subject: " + fill("=?utf-8?Q?a?= ") + "\n\n",
		"charsets in turn":        "Subject: " + fill("=?utf-8?Q?a?= =?big5?B?YQ==?= ") + "\n\n",
		"no words":                "Subject: " + fill("=?") + "\n\n",
		"comments":                "From: " + fill("(") + "\n\n",
		"comments in addresses":   "From: <" + fill("(a)") + ">\n\n",
		"quotes":                  "From: " + fill(`"\",<`) + "\n\n",
		"quotes in brackets":      "From: <" + fill(`"\",`) + "\n\n",
		"open brackets":           "From: " + fill("<") + "\n\n",
		"addresses":               "From: " + fill("a@b,") + "\n\n",
		"blanks in an address":    "From: <" + fill("a . ") + "@b>\n\n",
		"words in an address":     "From: <" + fill("a ") + "@b>\n\n",
		"groups":                  "From: " + fill("a:;") + "\n\n",
		"ids":                     "References: " + fill("<a@b>") + "\n\n",
		"ids begun":               "References: " + fill("<") + "\n\n",
		"parameters":              "Content-Type: text/plain" + fill(";a=b") + "\n\n",
		"quotes of parameters":    "Content-Type: text/plain" + fill(`;a="\"`) + "\n\n",
		"sections":                "Content-Type: text/plain" + fill(";a*1=b") + "\n\n",
		"lines without an indent": "DKIM-Signature: a;\n" + fill("b=c;\n") + "\n\n",
		"lines that are none":     "Subject: x\n" + fill("none\n") + "To: a@example.org\n\n",
		"date":                    "Date: " + fill("1 ") + "\n\n",
		"tags":                    "Content-Type: text/html\n\n" + large("<a "),
		"tags and quotes":         "Content-Type: text/html\n\n" + large(`<a b="`),
		"comments in HTML":        "Content-Type: text/html\n\n" + large("<!--"),
		"scripts":                 "Content-Type: text/html\n\n" + large("<script>"),
		"ends of scripts":         "Content-Type: text/html\n\n<script>" + large("</"),
		"links":                   "Content-Type: text/html\n\n" + large("<a href=x>y</a>"),
		"entities":                "Content-Type: text/html\n\n" + large("&#38;&"),
		"lists":                   "Content-Type: text/html\n\n" + large("<li><p>"),
		"base64":                  "Content-Transfer-Encoding: base64\n\n" + large("YQ==\n!"),
		"joined base64":           "Content-Transfer-Encoding: base64\n\n" + large("YQ==\n"),
		"quoted-printable":        "Content-Transfer-Encoding: quoted-printable\n\n" + large("=\x01 "),
		"uuencode begun":          "\n" + large("begin 644 a\n"),
		"uuencode":                "\n" + large("begin 644 a\nM\n"),
		"UTF-7":                   "Content-Type: text/plain; charset=utf-7\n\n" + large("+"),
		"boundary lines":          "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" + large("--c\n"),
		"doubled boundaries":      "Content-Type: multipart/mixed; boundary=b\n\n" + large("--b\n"),
	} {
		t.Run(name, func(t *testing.T) {
			m, allocated, err := cost(t, []byte(raw), Limits{})
			if err != nil {
				var e *LimitError
				require.True(t, errors.As(err, &e))
			}
			assert.Less(t, allocated, uint64(100*len(raw)+1<<20))
			Tag{Name: "A CSIRT"}.Find(m.Subject)
		})
	}
	tag := Tag{Name: "A CSIRT"}
	assert.Empty(t, tag.Find(fill("[")))
	assert.Empty(t, tag.Find(fill("[A CSIRT")))
	assert.Empty(t, tag.Find("[A CSIRT"+fill(" ")))
	assert.Empty(t, tag.Find("[A CSIRT #"+fill("1")))
}

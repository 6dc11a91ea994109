package mail

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// realMails calls use with every mail of the corpus up to a size, if the corpus
// is there. What is found by way of them is written down in our own words: they
// themselves stay where they are.
func realMails(use func(raw []byte)) {
	const size = 16 << 10
	dir := os.Getenv("AIRTIGHT_CORPUS")
	if dir == "" {
		return
	}
	for _, folder := range []string{"mail", "bounce", "arf", "pgp"} {
		_ = filepath.WalkDir(filepath.Join(dir, folder), func(path string, d fs.DirEntry, err error) error {
			switch filepath.Ext(path) {
			case ".json", ".tsv", ".xml", ".yml", ".md", ".out":
				return nil
			}
			if raw, err := os.ReadFile(path); err == nil && len(raw) <= size {
				use(raw)
			}
			return nil
		})
	}
}

// realFields calls use with every value of the header fields with that name.
func realFields(name string, use func(value string)) {
	seen := map[string]bool{}
	realMails(func(raw []byte) {
		p := &parser{limits: Limits{}.resolved()}
		for _, f := range p.split(raw).fields {
			if value := unfold(f.value); f.is(name) && !seen[value] {
				seen[value] = true
				use(value)
			}
		}
	})
}

// seeds adds the mails of the corpus and some of our own.
func seeds(f *testing.F) {
	f.Add([]byte(head + "\r\nHello\r\n"))
	f.Add(nested(5, false))
	f.Add(nested(5, true))
	f.Add([]byte("From x\n y\nbad\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoKaGkK"))
	f.Add([]byte("Content-Type: text/html\n\n<a href='x'>y</a><pre>\r<li>&amp;"))
	f.Add([]byte("Content-Type: text/plain; \x00\xff=b\n\n"))
	f.Add([]byte("\nbegin 644 a\n#``$\"\n`\nend\n"))
	f.Add([]byte("Content-Type: text/plain; charset=utf-7\r\rA+2D3cYQ-"))
	f.Add([]byte("Content-Disposition: attachment; filename*1*=%41; filename*0*=utf-8''%C3%A4\n\n"))
	f.Add([]byte("Content-Type: text/plain; format=flowed; delsp=yes\n\na \n> b \n>c \n-- \n"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b; charset=gbk\nSubject: \xb2\xe2\n\n--b x\n--b-- y\n"))
	realMails(func(raw []byte) { f.Add(raw) })
}

func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := string(raw)
		for _, l := range []Limits{{}, {Depth: 2, Parts: 5, HeaderBytes: 100, Bytes: 1000}, {Depth: -1, Parts: -1, HeaderBytes: -1, Bytes: -1}} {
			m, err := Parse(raw, l)
			requireSound(t, m, "fuzz")
			var e *LimitError
			if err != nil && !errors.As(err, &e) {
				t.Fatalf("not a LimitError: %v", err)
			}
			if err != nil && l.Depth < 0 && e.Limit != "Depth" {
				t.Fatalf("a limit without being asked: %v", err)
			}
			size := len(m.Text)
			for _, p := range m.Parts {
				if p.Depth > l.resolved().Depth+1 {
					t.Fatalf("part at depth %d", p.Depth)
				}
				if p.Type != "message/rfc822" { // it holds its leaves once more
					size += len(p.Content)
				}
			}
			if len(m.Parts) > l.resolved().Parts || size > 20*len(raw) {
				t.Fatalf("%d parts and %d bytes out of %d", len(m.Parts), size, len(raw))
			}
			Detect(m, Envelope{}, "desk")
		}
		require.Equal(t, before, string(raw), "raw was changed")
	})
}

func FuzzTag(f *testing.F) {
	f.Add("Re: [A CSIRT #34159] scan", "A CSIRT", uint64(7))
	f.Add("[a\u200bb #1][https://A B  #0002 ]", "a b", uint64(1))
	f.Add("[[[", "[", uint64(0))
	f.Add("[HTTP://a #1]", "HTTP://a", uint64(2))
	f.Add("[a\u00adb #1]", "a\u00adb\xff", uint64(2))
	realFields("Subject", func(value string) { f.Add(decodeWords(value, "")+" [A CSIRT #34159]", "A CSIRT", uint64(34159)) })
	f.Fuzz(func(t *testing.T, subject, name string, n uint64) {
		tag := Tag{Name: name, Former: []string{"Old"}}
		id := incident.ID(n >> 1)
		for _, found := range tag.Find(subject) {
			if found == 0 || found > incident.MaxID {
				t.Fatalf("found %d", found)
			}
		}
		if left := tag.Find(tag.Strip(subject)); len(left) > 0 {
			t.Fatalf("tags left: %v", left)
		}
		put := tag.Put("scan", id)
		if tagName(name) != "" && id != 0 {
			require.Equal(t, []incident.ID{id}, tag.Find(put))
			require.Equal(t, put, tag.Put(put, id))
		}
	})
}

func FuzzHeader(f *testing.F) {
	for _, s := range []string{
		"=?utf-8?Q?a_b?= =?utf-8?B?w6Q=?=", `"a, b" <c@example.org>, d (e) <f@[192.0.2.1]>; g: h@i;`, "<a@b> <c@d>",
		"Sat, 21 Nov 2026 21:00:00 +0100 (CET)", "31 Dec 9999 23:00:00 -0100", `attachment; filename*0*=utf-8''%41; filename*1="b"; a=b`, "text/plain charset=x",
	} {
		f.Add(s)
	}
	for _, name := range []string{"From", "To", "Subject", "Date", "References", "Content-Type"} {
		realFields(name, func(value string) { f.Add(value) })
	}
	f.Fuzz(func(t *testing.T, s string) {
		raw := ""
		for _, name := range []string{"From", "To", "Subject", "Date", "Message-ID", "References", "Content-Type", "Content-Disposition", "Content-ID"} {
			raw += name + ": " + strings.NewReplacer("\r", " ", "\n", " ").Replace(s) + "\r\n"
		}
		m, err := Parse([]byte(raw+"\r\nx\r\n"), Limits{HeaderBytes: -1})
		require.NoError(t, err)
		requireSound(t, m, s)

		// What is clean stays as it is.
		for _, declared := range []string{"", "koi8-r"} {
			if clean := decodeWords(s, declared); !strings.Contains(clean, "=?") {
				require.Equal(t, clean, decodeWords(clean, declared))
			}
		}

		// What was read can be written, and read again.
		l := letter()
		l.Subject = m.Subject
		l.References = m.References
		for _, p := range m.From {
			l.To = append(l.To, incident.Party{Name: p.Name, Address: "a@example.org"})
		}
		out, err := Compose(l)
		require.NoError(t, err)
		again := read(t, string(out))
		require.Equal(t, words(m.Subject), words(again.Subject))
		require.Len(t, again.To, len(l.To))
		for i := range l.To {
			require.Equal(t, words(l.To[i].Name), words(again.To[i].Name))
		}
	})
}

func FuzzThread(f *testing.F) {
	f.Add("[A CSIRT #1] x", []byte{1, 0}, []byte{2}, "a@example.org", false)
	f.Add("[A CSIRT #1][A CSIRT #2]", []byte{1, 2, 2, 1, 0, 3}, []byte{9, 3}, "", true)
	realFields("Subject", func(value string) {
		f.Add(decodeWords(value, "")+" [A CSIRT #3]", []byte{1, 0, 2, 3, 3, 0}, []byte{1, 2}, "a@example.org", false)
	})
	kinds := []incident.Kind{incident.KindReport, incident.KindIncident, incident.KindInvestigation, incident.KindDesk}
	f.Fuzz(func(t *testing.T, subject string, world, replied []byte, sender string, team bool) {
		in := ThreadInput{Tagged: Tag{Name: "A CSIRT"}.Find(subject), Tickets: map[incident.ID]incident.Ticket{}, Sender: sender, Team: team}
		for _, id := range replied {
			in.Replied = append(in.Replied, incident.ID(id))
		}
		for i := 0; i+1 < len(world); i += 2 { // a byte for the kind, a byte for the ticket that it was merged into
			id := incident.ID(i/2 + 1)
			in.Tickets[id] = incident.Ticket{ID: id, Kind: kinds[world[i]%4], MergedInto: incident.ID(world[i+1])}
		}
		lives := func(id incident.ID) {
			ticket, ok := in.Tickets[id]
			require.True(t, ok && ticket.MergedInto == 0 && ticket.Kind != incident.KindDesk, "%+v", ticket)
		}
		v := Thread(in)
		require.NotEmpty(t, v.Why)
		switch v.Action {
		case Append, AppendFlagged:
			lives(v.Ticket)
			require.True(t, team || in.Tickets[v.Ticket].Kind != incident.KindIncident)
		case Hold:
			require.Zero(t, v.Ticket)
			for _, id := range v.Candidates {
				lives(id)
			}
		case OpenReport:
			require.Empty(t, in.Tagged)
			require.Zero(t, v.Ticket)
		default:
			t.Fatalf("action %q", v.Action)
		}
	})
}

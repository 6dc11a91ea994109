package mail

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"a":                      "> a\n",
		"a\n":                    "> a\n",
		"a\r\n\r\nb\r\n":         "> a\n>\n> b\n",
		"> a\n>> b\nc":           ">> a\n>>> b\n> c\n",
		"flowed \nback\t \n":     "> flowed\n> back\n",
		"x\n-- \nBob\n":          "> x\n> -- \n> Bob\n",
		"\n":                     ">\n",
		" indented\n  \nFrom me": ">  indented\n>\n> From me\n",
	} {
		assert.Equal(t, want, Quote(text), "%q", text)
		assert.Empty(t, Unquoted(Quote(text)), "%q: all of it is quoted", text)
	}
}

func TestUnquoted(t *testing.T) {
	const own = "Approved.\n"
	for name, text := range map[string]string{
		"alone":                       own,
		"below":                       "> May we block?\n> -- \n> The desk\n\nApproved.\n",
		"above":                       "Approved.\n\nOn Mon, 1 Jun 2026 at 10:00, The Desk <cert@example.net> wrote:\n> Say \"approved\"\n>\n> or not\n",
		"broken announcement":         "Approved.\nOn Mon, 1 Jun 2026 at 10:00, The Incident Response\nTeam of Example <cert@example.net>\nwrote:\n> Say so\n",
		"not marked":                  "Approved.\n\nAm 01.06.2026 um 10:00 schrieb The Desk:\n\nSay: denied\n",
		"address announces":           "Approved.\n\n2026-06-01 10:00 GMT+02:00 The Desk <cert@example.net>:\n\nSay: denied",
		"address in parentheses":      "Approved.\n\n* The Desk (cert@example.net):\n\nSay: denied",
		"no colon":                    "Approved.\n\nOn Mon, 1 Jun 2026, The Desk wrote\n\nSay: denied",
		"initials":                    "tD> Say: denied\ntD> or not\nApproved.",
		"other marks":                 "| Say: denied\n» or\n&gt; not\n  \u200b> so\nApproved.",
		"signature":                   "Approved.\n-- \nDenied Inc.\n",
		"signature without its blank": "Approved.\n--\nDenied Inc.\n",
		"original":                    "Approved.\n\n-----Original Message-----\nFrom: desk\nSay: denied",
		"original, translated":        "Approved.\n\n-----Nghuzu Prang-----\nSay: denied",
		"original, asterisks":         "Approved.\n\n***** Ursprüngliche Nachricht *****\nSay: denied",
		"header":                      "Approved.\n\n*Von:* The Desk <cert@example.net>\n*Gesendet:* Montag\n*An:* Bob\n\nSay: denied",
		"header, another order":       "Approved.\n\nDate: Mon, 1 Jun 2026\nX-Other: a\nFrom: cert@example.net\n\nSay: denied",
		"header, wide colons":         "Approved.\n\n发件人： desk\n主题： x\nSay: denied",
		"ruler":                       "Approved.\n" + strings.Repeat("_", 20) + "\nSay: denied",
		"box ruler":                   "Approved.\n" + strings.Repeat("─", 20) + "\nSay: denied",
		"forwarded":                   "Approved.\n\nBegin forwarded message:\n\nSay: denied",
		"list footer":                 "Approved.\n\nTo unsubscribe, say: denied\n",
		"interleaved":                 "> Shall we?\n\nApproved.\n\n> And the other?\n",
		"left over":                   "> " + strings.Repeat("word ", 14) + "say\ndenied\n> or not\nApproved.\n",
		"signed inline":               "-----BEGIN PGP SIGNED MESSAGE-----\nApproved.\n- -- \nDenied Inc.\n",
		"signature of it":             "Approved.\n-----BEGIN PGP SIGNATURE-----\ndenied",
		"CRLF":                        "Approved.\r\n> denied\r\n",
		"CR":                          "Approved.\r> denied\r",
	} {
		assert.Equal(t, own, Unquoted(text), name)
	}
	for _, announcement := range []string{
		"On 1 Jun 2026, at 10:00, Bob wrote:", "Bob Example writes:", "Le lun. 1 juin 2026 à 10:00, Bob a écrit :",
		"El lun, 1 jun 2026 a las 10:00, Bob escribió:", "Em seg., 1 de jun. de 2026 às 10:00, Bob escreveu:",
		"Il giorno lun 1 giu 2026 alle ore 10:00 Bob ha scritto:", "Op ma 1 jun 2026 om 10:00 schreef Bob:",
		"Den mån 1 juni 2026 kl 10:00 skrev Bob:", "ma 1. kesäk. 2026 klo 10.00 Bob kirjoitti:", "pon., 1 cze 2026 o 10:00 Bob napisał(a):",
		"po 1. 6. 2026 v 10:00 Bob napsal:", "пн, 1 июн. 2026 г. в 10:00, Bob пишет:", "1 Haz 2026 Pzt, 10:00 tarihinde Bob şunu yazdı:",
		"Bob ezt írta (2026. jún. 1.):", "2026年6月1日 10:00，Bob 写道：", "Στις 1 Ιουν 2026 ο Bob έγραψε:", "Quoting Bob <bob@example.org>:",
	} {
		assert.Equal(t, own, Unquoted("Approved.\n\n"+announcement+"\n\ndenied\n"), announcement)
		assert.Equal(t, own, Unquoted(announcement+"\n\n> denied\n\nApproved.\n"), announcement)
	}
	for _, text := range []string{ // nothing in these is quoted
		"Approved.\nYours, Bob.\n", "a > b, and a - b\n", "From: my side, approved.\n", "As I wrote, approved.\n",
		"---\nApproved.\n", "Yes\n\n\nno\n", "To: do\nCc: nobody\n", "On Monday we wrote to them.\n",
		"> " + strings.Repeat("word ", 14) + "\nApproved.\n\n> or not\n", // an answer right below a long line
	} {
		want := strings.TrimPrefix(text, "> "+strings.Repeat("word ", 14)+"\n")
		want = strings.TrimSuffix(want, "\n\n> or not\n")
		assert.Equal(t, strings.TrimSuffix(want, "\n")+"\n", Unquoted(text), text)
	}
	for _, text := range []string{"", "\n \n", "> a", "-- \nBob", "Bob wrote:\na"} {
		assert.Empty(t, Unquoted(text), "%q", text)
	}
}

// TestUnquotedReplies cuts real answers: what is left is whole lines of the
// text, in order, and none of them is marked as quoted.
func TestUnquotedReplies(t *testing.T) {
	dir := filepath.Join(corpus(t), "mail")
	read, cut := 0, 0
	for _, folder := range []string{"reply-github/*.txt", "reply-talon/standard_replies/*", "zammad-signature/*.txt"} {
		files, err := filepath.Glob(filepath.Join(dir, folder))
		require.NoError(t, err)
		for _, file := range files {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			text := string(raw)
			if strings.HasSuffix(file, ".eml") {
				m, err := Parse(raw, Limits{})
				require.NoError(t, err)
				text = m.Text
			}
			read++
			requireUnquoted(t, text)
			if out := Unquoted(text); out != "" && len(out) < len(text)-2 {
				cut++
			}
		}
	}
	require.NotZero(t, read)
	fmt.Printf("quotes: %d real answers read, %d with both own and quoted text\n", read, cut)
}

func requireUnquoted(t *testing.T, text string) {
	t.Helper()
	out := Unquoted(text)
	rest := strings.Split(lines(text), "\n")
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		require.False(t, isQuoted(bare(line)), "%q in %q", line, text)
		for len(rest) > 0 && rest[0] != line {
			rest = rest[1:]
		}
		require.NotEmpty(t, rest, "%q is no line of %q, or out of order", line, text)
		rest = rest[1:]
	}
	require.Equal(t, utf8.ValidString(text), utf8.ValidString(out) && utf8.ValidString(text))
}

func FuzzUnquoted(f *testing.F) {
	f.Add("Approved.\nOn Mon\nBob wrote:\n> a\n-- \nx")
	f.Add("From: a\nTo: b\n\n- -- \r\n\r>\u200b")
	f.Fuzz(func(t *testing.T, text string) {
		requireUnquoted(t, text)
		require.Empty(t, Unquoted(Quote(text)))
	})
}

func BenchmarkUnquoted(b *testing.B) {
	const mix = "I see.\nOn Mon, 1 Jun 2026, Bob Example\n<bob@example.org> wrote:\n> words\n> words\n\nyes: \n"
	for _, size := range []int{1 << 10, 100 << 10, 10 << 20} {
		text := strings.Repeat(mix, size/len(mix)+1)[:size]
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				Unquoted(text)
			}
		})
	}
}

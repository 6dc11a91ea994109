package mail

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

func facts() TemplateFacts {
	day := time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)
	other := ListedIncident{Incident: "CERT#000008", Others: []string{"X-2", "_i"}, Type: "scan", Created: day, Updated: day.AddDate(0, 0, 1), Addresses: []string{"192.0.2.7", "192.0.2.8"}}
	self := ListedIncident{Incident: "CERT#000007", Type: "compromised"}
	return TemplateFacts{
		Incident:   "CERT#000007",
		Addresses:  []System{{"192.0.2.7", "www.example.org"}, {"2001:db8::7", ""}},
		Logs:       []string{"@HOSTNAME@ $1 \\1 ${x}\r\n", "second\n"},
		Others:     []string{"X-1", "_internal", "Y-2"},
		Previous:   []ListedIncident{other},
		OtherOpen:  []ListedIncident{other},
		AllOpen:    []ListedIncident{self, other},
		Recipients: []incident.Party{{Name: "Bob Example", Address: "bob@example.org"}, {Name: "Müller, Jörg", Address: "joerg@example.org"}},
		UserInfo:   "called on Monday",
		Handler:    "Alice Example",
		XML:        "<airt/>", IODEF: "<IODEF-Document/>",
	}
}

func expand(t *testing.T, text string) Expanded {
	t.Helper()
	out, err := Expand(text, Expansion{Value: facts().Value})
	require.NoError(t, err, text)
	return out
}

func TestTemplateVariables(t *testing.T) {
	f := TemplateFacts{}
	wants := map[string][2]string{ // with facts, without any
		"HOSTNAME":        {"www.example.org", ""},
		"IPADDRESS":       {"192.0.2.7", ""},
		"IPADDRESSLIST":   {"192.0.2.7 - www.example.org\n2001:db8::7", ""},
		"LOGGING":         {"@HOSTNAME@ $1 \\1 ${x}\nsecond", "--"},
		"INCIDENTID":      {"CERT#000007", ""},
		"EXTIDS":          {"X-1,Y-2", ""},
		"PREVIOUS":        {"CERT#000008  scan  2026-11-21", "--"},
		"OTHER_OPEN":      {"CERT#000008  X-2  scan", "--"},
		"ALL_OPEN":        {"CERT#000007  compromised\nCERT#000008  X-2  scan", "--"},
		"OTHER_OPEN_LIST": {"CERT#000008  scan  2026-11-21  2026-11-22  192.0.2.7,192.0.2.8", "--"},
		"ALL_OPEN_LIST": {"CERT#000007  compromised\n" +
			"CERT#000008  scan         2026-11-21  2026-11-22  192.0.2.7,192.0.2.8", "--"},
		"USERNAME":      {"Bob Example, Müller, Jörg", ""},
		"USEREMAIL":     {"bob@example.org,joerg@example.org", ""},
		"USERINFO":      {"called on Monday", ""},
		"YOURNAME":      {"Alice Example", ""},
		"YOURFIRSTNAME": {"Alice", ""},
		"XMLDATA":       {"<airt/>", ""},
		"IODEF":         {"<IODEF-Document/>", ""},
	}
	require.Len(t, TemplateVariables(), len(wants))
	for _, name := range TemplateVariables() {
		require.Contains(t, wants, name)
		assert.Equal(t, wants[name][0], expand(t, "@"+name+"@").Text, name)
		value, ok := f.Value(name)
		assert.True(t, ok, name)
		assert.Equal(t, wants[name][1], value, "%s of nothing", name)
	}
	for _, name := range []string{"", "STATE", "STATUS", "COMMENT", "COMMENTS", "SEVERITY", "OWNER", "hostname", "OTRS"} {
		_, ok := facts().Value(name)
		assert.False(t, ok, "%s is not for outsiders", name)
	}
	f.Handler = "Example, Alice Maria"
	assert.Equal(t, "Alice", firstName(f.Handler))
}

func TestExpand(t *testing.T) {
	include := map[string]string{
		"signature": "@SUBJECT@not me@ENDSUBJECT@\n@TO@eve@example.org@ENDTO@\n-- \n@YOURNAME@\n",
		"twice":     "@INCLUDE=signature@",
		"greeting":  "Dear @USERNAME@",
	}
	e := Expansion{Value: facts().Value, Include: func(name string) (string, bool) { s, ok := include[name]; return s, ok }}
	for text, want := range map[string]Expanded{
		"":      {},
		"plain": {Text: "plain"},
		"@SUBJECT@[@INCIDENTID@] about @IPADDRESS@@ENDSUBJECT@\nHello\r\n@IPADDRESS@\r\n": {Subject: "[CERT#000007] about 192.0.2.7", Text: "Hello\n192.0.2.7\n"},
		"@SUBJECT@only@ENDSUBJECT@":                                         {Subject: "only"},
		"@SUBJECT@  a\t @LOGGING@ @ENDSUBJECT@\nx":                          {Subject: `a @HOSTNAME@ $1 \1 ${x} second`, Text: "x"},
		"@TO@bob@example.org@ENDTO@\nHello":                                 {To: []incident.Party{{Address: "bob@example.org"}}, Text: "Hello"},
		"@SUBJECT@s@ENDSUBJECT@\nHello\n@TO@abuse@@HOSTNAME@@ENDTO@\nBye\n": {Subject: "s", To: []incident.Party{{Address: "abuse@www.example.org"}}, Text: "Hello\nBye\n"},
		"Hello @TO@bob@example.org@ENDTO@there\n":                           {To: []incident.Party{{Address: "bob@example.org"}}, Text: "Hello there\n"},
		"@TO@@USEREMAIL@, Abuse Desk <abuse@@HOSTNAME@>,@ENDTO@":            {To: []incident.Party{{Address: "bob@example.org"}, {Address: "joerg@example.org"}, {Name: "Abuse Desk", Address: "abuse@www.example.org"}}},
		"@TO@\"@USERNAME@\" <x@example.org>@ENDTO@":                         {To: []incident.Party{{Name: "Bob Example, Müller, Jörg", Address: "x@example.org"}}},
		"@LOGGING@":    {Text: "@HOSTNAME@ $1 \\1 ${x}\nsecond"},
		"a@HOSTNAME@b": {Text: "awww.example.orgb"},
		"root@@HOSTNAME@, root@example.org and @ alone":                 {Text: "root@www.example.org, root@example.org and @ alone"},
		"@NOBODY@ and @NOBODY@@HOSTNAME@ @NOBODY|quote@":                {Text: "@NOBODY@ and @NOBODY@www.example.org @NOBODY|quote@", Unknown: []string{"@NOBODY@", "@NOBODY|quote@"}},
		"@hostname@ @HostName@ @HOST NAME@ @@ @1A@ @HOST\nNAME@":        {Text: "@hostname@ @HostName@ @HOST NAME@ @@ @1A@ @HOST\nNAME@"},
		"@IPADDRESS|defang@ @LOGGING|quote@\n@IPADDRESS|wrap=40|quote@": {Text: "192[.]0[.]2[.]7 > @HOSTNAME@ $1 \\1 ${x}\n> second\n> 192.0.2.7"},
		"@IPADDRESS|upper@ @IPADDRESS|wrap=7@":                          {Text: "@IPADDRESS|upper@ @IPADDRESS|wrap=7@", Unknown: []string{"@IPADDRESS|upper@", "@IPADDRESS|wrap=7@"}},
		"@INCLUDE=greeting@,\n@INCLUDE=signature@@INCLUDE=greeting@":    {Text: "Dear Bob Example, Müller, Jörg,\n-- \nAlice Example\nDear Bob Example, Müller, Jörg"},
		"@INCLUDE=none@ @INCLUDE=@":                                     {Text: "@INCLUDE=none@ @INCLUDE=@", Unknown: []string{"@INCLUDE=none@"}},
		"@INCLUDE=twice@":                                               {Text: "@INCLUDE=signature@", Unknown: []string{"@INCLUDE=signature@"}},
		"@SUBJECT@@INCLUDE=greeting@@ENDSUBJECT@\n":                     {Subject: "Dear Bob Example, Müller, Jörg"},
		"@" + strings.Repeat("A", 300) + "@":                            {Text: "@" + strings.Repeat("A", 300) + "@"},
	} {
		got, err := Expand(text, e)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	e.Include, e.Refuse = nil, true
	for _, text := range []string{"a\n@NOBODY@ @NOBODY@", "a\n@INCLUDE=signature@", "a\n@IPADDRESS|upper@"} {
		got, err := Expand(text, e)
		var wrong *TemplateError
		require.ErrorAs(t, err, &wrong, text)
		assert.Equal(t, 2, wrong.Line, text)
		assert.Len(t, got.Unknown, 1)
	}
}

// TestExpandOnce asks for each value once, and for none that is not named.
func TestExpandOnce(t *testing.T) {
	asked := map[string]int{}
	text := "@SUBJECT@@A@@ENDSUBJECT@\n@A@ @B@ @A|quote@ @C@ @INCLUDE=x@"
	include := func(string) (string, bool) { return "@D@ @A@", true }
	_, err := Expand(text, Expansion{Value: func(name string) (string, bool) { asked[name]++; return "@X@", name != "C" }, Include: include})
	require.NoError(t, err)
	assert.Equal(t, map[string]int{"A": 1, "B": 1, "C": 1, "D": 1}, asked)
	assert.Equal(t, []string{"A", "B", "C", "D"}, Used(text, include))
}

func TestExpandInjection(t *testing.T) {
	const evil = "x\r\nBcc: eve@example.org\u2028\x1b\x00\x85, eve@example.org"
	e := Expansion{Value: func(string) (string, bool) { return evil, true }}
	out, err := Expand("@SUBJECT@About @V@@ENDSUBJECT@\n@TO@\"@V@\" <bob@example.org>@ENDTO@\n", e)
	require.NoError(t, err)
	l := letter()
	l.Subject, l.To = out.Subject, out.To
	raw, err := Compose(l)
	require.NoError(t, err)
	m := read(t, string(raw))
	assert.Empty(t, m.Values("Bcc"))
	require.Len(t, m.To, 1)
	assert.Equal(t, "bob@example.org", m.To[0].Address)
	assert.NotContains(t, out.Subject, "\n")
	assert.NotContains(t, out.Subject, "\x1b")
	out, err = Expand("@V@", e)
	require.NoError(t, err)
	assert.Equal(t, incident.Clean(strings.ReplaceAll(evil, "\r\n", "\n")), out.Text)

	for _, value := range []string{"example.org, eve@example.net", "example.org>, <eve@example.net", "example.org\neve@example.net", "a@b", ""} {
		e.Value = func(string) (string, bool) { return value, true }
		for _, text := range []string{"@TO@abuse@@V@@ENDTO@", "@TO@Abuse <abuse@@V@>@ENDTO@"} {
			out, err := Expand(text, e)
			var wrong *TemplateError
			require.ErrorAs(t, err, &wrong, "%q in %s", value, text)
			assert.Empty(t, out.To)
		}
	}
	e.Value = func(string) (string, bool) { return strings.Repeat("a@example.org,", 101), true }
	out, err = Expand("@TO@@V@@ENDTO@", e)
	require.ErrorContains(t, err, "more than 100")
	assert.Len(t, out.To, 100)
}

func TestExpandLimit(t *testing.T) {
	e := Expansion{Value: func(string) (string, bool) { return "12345", true }, Limit: 10}
	out, err := Expand("@V@@V@", e)
	require.NoError(t, err)
	assert.Equal(t, "1234512345", out.Text)
	out, err = Expand("@V@\n@V@", e)
	require.ErrorContains(t, err, "limit")
	assert.Equal(t, "12345\n", out.Text)
}

func TestCheck(t *testing.T) {
	s := Schema{Variables: TemplateVariables(), Include: func(name string) (string, bool) {
		return map[string]string{"good": "@HOSTNAME@", "nested": "\n@INCLUDE=good@", "bad": "a\n@TO@"}[name], name != "none"
	}}
	require.NoError(t, Check("@SUBJECT@@INCIDENTID@@ENDSUBJECT@\n@TO@abuse@@HOSTNAME@@ENDTO@\n@LOGGING|defang|wrap|quote@ @INCLUDE=good@\n", s))
	for text, wants := range map[string][]string{
		"a\n\n@STATE@ @COMMENT@":                                {"line 3: no variable STATE; known are HOSTNAME, ", "line 3: no variable COMMENT"},
		"@HOSTNAME|upper@":                                      {`line 1: no filter "upper"; there are defang, quote`},
		"@HOSTNAME|wrap=x@":                                     {"a width of 20 to 900"},
		"@HOSTNAME|wrap=1000@":                                  {"a width of 20 to 900"},
		"@HOSTNAME|quote=1@":                                    {"no filter"},
		"@HOSTNAME|@":                                           {"no filter"},
		"@INCLUDE=none@":                                        {`line 1: no template "none"`},
		"@INCLUDE=nested@":                                      {"cannot include another"},
		"a\n@INCLUDE=bad@":                                      {"line 2: in what is included: mail: template, line 2: @TO@ without"},
		"@SUBJECT@a\n@ENDSUBJECT@":                              {"line 1: @SUBJECT@ without @ENDSUBJECT@", "line 2: @ENDSUBJECT@ out of place"},
		"@SUBJECT@a@ENDSUBJECT@b\n":                             {"line 1: text behind @ENDSUBJECT@"},
		"\n@SUBJECT@a@ENDSUBJECT@\n":                            {"line 2: @SUBJECT@ out of place", "line 2: @ENDSUBJECT@ out of place"},
		"a\nb @TO@c@x.org\n@ENDTO@":                             {"line 2: @TO@ without @ENDTO@", "line 3: @ENDTO@ out of place"},
		"@TO@a@example.org@ENDTO@\n\n@TO@b@c.org@ENDTO@":        {"line 3: @TO@ out of place", "line 3: @ENDTO@ out of place"},
		"@SUBJECT@a@TO@b@ENDTO@@ENDSUBJECT@":                    {"@TO@ out of place", "@ENDTO@ out of place"},
		"@SUBJECT@s@ENDSUBJECT@\na\n@TO@b@x.org@ENDTO@\n@NONE@": {"line 4: no variable NONE"},
		"\n@TO@b, c@x.org, @NONE@@ENDTO@":                       {"line 2: no variable NONE", "line 2: \"b\" in @TO@ is no mail address"},
	} {
		err := Check(text, s)
		require.Error(t, err, text)
		joined, ok := err.(interface{ Unwrap() []error })
		require.True(t, ok)
		require.Len(t, joined.Unwrap(), len(wants), "%s: %v", text, err)
		for i, want := range wants {
			var wrong *TemplateError
			require.True(t, errors.As(joined.Unwrap()[i], &wrong))
			assert.ErrorContains(t, wrong, want, text)
		}
	}
	require.ErrorContains(t, Check("@INCLUDE=good@", Schema{}), "no template")
	out, err := Expand("@HOSTNAME@", Expansion{})
	require.NoError(t, err)
	assert.Equal(t, []string{"@HOSTNAME@"}, out.Unknown, "nothing is known")
}

func TestPick(t *testing.T) {
	list := []Template{{"a", "fr", "1"}, {"a", "de", "2"}, {"a", "", "3"}, {"a", "pt-BR", "4"}, {"b", "fr", "5"}, {"c", "", "6"}}
	for _, c := range []struct {
		name, languages, want string
	}{
		{"a", "de", "2"}, {"a", "DE-at", "2"}, {"a", "pt-br", "4"}, {"a", "pt", "3"}, {"a", "", "3"}, {"a", "nl fr", "1"},
		{"a", "nl de-CH-1996 fr", "2"}, {"b", "en", "5"}, {"c", "en", "6"}, {"d", "en", ""},
	} {
		got, ok := Pick(list, c.name, strings.Fields(c.languages)...)
		assert.Equal(t, c.want != "", ok)
		assert.Equal(t, c.want, got.Text, c)
	}
}

func TestFilters(t *testing.T) {
	for text, want := range map[string]string{
		"http://www.example.org/a.b?c":           "hxxp://www[.]example[.]org/a[.]b?c",
		"HTTPS://x ftp://y gopher://z xhttp://w": "hxxps://x fxp://y gopher[:]//z xhttp[:]//w",
		"bob@example.org wrote. 192.0.2.7.":      "bob[@]example[.]org wrote. 192[.]0[.]2[.]7.",
		"bücher.example @ . ..":                  "bücher[.]example @ . ..",
		"":                                       "",
	} {
		assert.Equal(t, want, Defang(text))
		assert.Equal(t, want, Defang(want), "what looks so stays")
	}
	for text, want := range map[string]string{
		"aaa bbb ccc":                 "aaa bbb\nccc",
		"aaa bbbbb cc\n\nd  e":        "aaa\nbbbbb cc\n\nd  e",
		"aaaaaaaaaaaa bbb ":           "aaaaaaaaaaaa\nbbb",
		"ääääääää b\n":                "ääääääää\nb\n",
		"> aa bb cc dd\n>> aaa bbb c": "> aa bb\n> cc dd\n>> aaa\n>> bbb c",
		"aaaaaaaa \n":                 "aaaaaaaa\n",
		"aaa   bbbbbbb":               "aaa\nbbbbbbb",
	} {
		assert.Equal(t, want, Wrap(text, 8), "%q", text)
	}
}

// TestTemplateCorpus: every macro of AIRT is a variable or marker of ours, and
// the texts of other systems go through as they are.
func TestTemplateCorpus(t *testing.T) {
	dir := filepath.Join(corpus(t), "template")
	raw, err := os.ReadFile(filepath.Join(dir, "airt-macros.json"))
	require.NoError(t, err)
	var table struct {
		Rows  []struct{ Macro string }
		Traps []string
	}
	require.NoError(t, json.Unmarshal(raw, &table))
	schema := Schema{Variables: TemplateVariables(), Include: func(string) (string, bool) { return "included", true }}
	macros := 0
	for _, row := range table.Rows {
		for _, macro := range regexp.MustCompile(`@[A-Za-z_=]+@`).FindAllString(row.Macro, -1) {
			macros++
			text := macro
			switch macro {
			case subjectMark, toMark:
				text = macro + "a@example.org@END" + macro[1:]
			case subjectEnd, toEnd:
				text = "@" + macro[len("@END"):] + "a@example.org" + macro
			}
			require.NoError(t, Check(text, schema), macro)
			out, err := Expand(text, Expansion{Value: facts().Value, Include: schema.Include})
			require.NoError(t, err, macro)
			require.Empty(t, out.Unknown, macro)
			require.NotEqual(t, text, out.Text, macro)
		}
	}
	require.Len(t, table.Traps, 4, "each trap has its row in TestExpand")
	texts := 0
	for _, pattern := range []string{"mail-abuse/*.template", "mailgen/*.txt"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		for _, file := range files {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, Check(string(raw), schema), file)
			require.Equal(t, string(raw), expand(t, string(raw)).Text, file)
			texts++
		}
	}
	fmt.Printf("templates: %d of %d macros, %d traps; %d texts of other systems unchanged\n", macros, macros, len(table.Traps), texts)
}

func FuzzTemplate(f *testing.F) {
	f.Add("@SUBJECT@@A@@ENDSUBJECT@\n@TO@@A@, x <b@@B@>@ENDTO@\n@A|defang|quote@ @INCLUDE=x@", "v\r\n@A@, a@b.org", "@B|wrap=20@")
	f.Add("@SUBJECT@\n@TO@\n@ENDTO@@@", "http://a.b@c\x00\xff", "@INCLUDE=x@")
	f.Fuzz(func(t *testing.T, text, value, included string) {
		values := func(name string) (string, bool) { return value, name != "C" }
		include := func(name string) (string, bool) { return included, name == "x" }
		_ = Check(text, Schema{Variables: []string{"A", "B"}, Include: include})
		out, _ := Expand(text, Expansion{Value: values, Include: include, Limit: 1 << 20})
		again, _ := Expand(text, Expansion{Value: values, Include: include, Limit: 1 << 20})
		require.Equal(t, out, again)
		require.NotContains(t, out.Subject, "\n")
		require.LessOrEqual(t, len(out.Text), 1<<20)
		l := letter()
		l.Subject, l.To, l.Text = out.Subject, append(out.To, l.To...), out.Text
		raw, err := Compose(l)
		require.NoError(t, err)
		m, err := Parse(raw, Limits{})
		require.NoError(t, err)
		require.Len(t, m.To, len(l.To))
		for _, f := range m.fields {
			require.NotEqual(t, "Bcc", string(f.name))
		}
		unquoted := incident.Clean(strings.ReplaceAll(value, ">", ""))
		require.Equal(t, words(unquoted), words(Wrap(unquoted, 20)), "wrap loses nothing")
		require.Equal(t, Defang(value), Defang(Defang(value)))
	})
}

func BenchmarkExpand(b *testing.B) {
	const text = "@SUBJECT@@INCIDENTID@@ENDSUBJECT@\nDear @USERNAME@,\n@LOGGING@\n"
	for _, size := range []int{1 << 10, 100 << 10, 10 << 20} {
		log := strings.Repeat("Nov 21 10:00:00 www sshd: @HOSTNAME@ $1 from 192.0.2.7\n", size/55+1)[:size]
		for name, c := range map[string][2]string{
			"value":    {text, log},
			"template": {strings.Repeat("line with @IPADDRESS@ and a@example.org\n", size/40), ""},
			"filtered": {"@LOGGING|defang|wrap|quote@", log},
		} {
			f := facts()
			f.Logs = []string{c[1]}
			b.Run(fmt.Sprintf("%s/%dKB", name, size>>10), func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					if _, err := Expand(c[0], Expansion{Value: f.Value, Limit: 64 << 20}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

package mail

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// requireSound checks what holds for every message that Parse returns.
func requireSound(t testing.TB, m *Message, name string) {
	t.Helper()
	require.NotNil(t, m, name)
	line := func(what, s string) {
		if !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\r\n") {
			t.Fatalf("%s: %s is not storable or not one line: %q", name, what, s)
		}
	}
	line("subject", m.Subject)
	line("message id", m.MessageID)
	line("type", m.Type)
	for _, list := range [][]incident.Party{m.From, m.Sender, m.ReplyTo, m.To, m.Cc} {
		for _, p := range list {
			line("name", p.Name)
			line("address", p.Address)
			require.NotEmpty(t, p.Address, name)
		}
	}
	for _, id := range append(append([]string{}, m.InReplyTo...), m.References...) {
		line("id", id)
		require.NotContains(t, id, "<", name)
		require.NotContains(t, id, ">", name)
	}
	if !utf8.ValidString(m.Text) || strings.ContainsAny(m.Text, "\x00\r") {
		t.Fatalf("%s: text is not storable", name)
	}
	for _, p := range m.Parts {
		line("media type", p.Type)
		line("file name", p.Name)
		line("content id", p.ContentID)
		require.NotContains(t, p.Name, "/", name)
		require.NotContains(t, p.Name, `\`, name)
		for k, v := range p.Params {
			line("parameter", k)
			line("parameter", v)
		}
	}
	for _, d := range m.Defects {
		line("defect", d.What)
		require.NotEmpty(t, d.Where, name)
	}
	require.LessOrEqual(t, len(m.Defects), defectsAtMost+1, name)
	for _, f := range m.fields[:min(len(m.fields), 20)] {
		line("field", m.Get(string(f.name)))
	}
	if !m.Date.IsZero() {
		require.Equal(t, "UTC", m.Date.Location().String(), name)
		_, err := m.Date.MarshalJSON()
		require.NoError(t, err, name)
	}
}

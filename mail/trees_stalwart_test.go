package mail

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// parsed is what stalwart's parser expects of a message: its parts in a row,
// the root first, containers holding the places of theirs.
type parsed struct {
	Parts []struct {
		Headers []struct {
			Name  any // a name, or an object with "other"
			Value json.RawMessage
		}
		Body json.RawMessage
	}
}

// values is a header value: what is set says which kind it is.
type values struct {
	Text        *string
	TextList    []string
	Address     struct{ List []mailbox }
	ContentType struct {
		Type       string `json:"c_type"`
		Subtype    string `json:"c_subtype"`
		Attributes []struct{ Name, Value string }
	}
	DateTime *struct {
		Year, Month, Day, Hour, Minute, Second int
		West                                   bool `json:"tz_before_gmt"`
		ZoneHour                               int  `json:"tz_hour"`
		ZoneMinute                             int  `json:"tz_minute"`
	}
}

type mailbox struct{ Name, Address string }

// fieldName brings a name into one form: content_type, x_mailer.
func fieldName(name any) string {
	if other, ok := name.(map[string]any); ok {
		name = other["other"]
	}
	return strings.ReplaceAll(strings.ToLower(fmt.Sprint(name)), "-", "_")
}

// header returns the first value with that name of a part.
func (m parsed) header(t testing.TB, part int, name string) (v values, ok bool) {
	for _, h := range m.Parts[part].Headers {
		if fieldName(h.Name) == name {
			if string(h.Value) != `"Empty"` {
				require.NoError(t, json.Unmarshal(h.Value, &v))
			}
			return v, true
		}
	}
	return v, false
}

func (m parsed) node(t testing.TB, part int, standard string) node {
	n := node{mediaType: standard}
	for _, h := range m.Parts[part].Headers {
		n.fields = append(n.fields, fieldName(h.Name))
	}
	attribute := func(v values, name string) string {
		for _, a := range v.ContentType.Attributes {
			if strings.EqualFold(a.Name, name) {
				return a.Value
			}
		}
		return ""
	}
	kind, ok := m.header(t, part, "content_type")
	if ok && kind.ContentType.Subtype != "" {
		n.mediaType = strings.ToLower(kind.ContentType.Type + "/" + kind.ContentType.Subtype)
	}
	disposition, _ := m.header(t, part, "content_disposition")
	n.disposition = strings.ToLower(disposition.ContentType.Type)
	if n.name = attribute(disposition, "filename"); n.name == "" {
		n.name = attribute(kind, "name")
	}

	var body struct {
		Text, Html           *string
		Binary, InlineBinary []int
		Multipart            []int
		Message              *parsed
	}
	require.NoError(t, json.Unmarshal(m.Parts[part].Body, &body))
	text := ""
	switch {
	case body.Message != nil:
		n.container = true
		n.inner = []node{body.Message.node(t, 0, "text/plain")}
		return n
	case body.Multipart != nil:
		n.container = true
		inner := "text/plain"
		if n.mediaType == "multipart/digest" {
			inner = "message/rfc822"
		}
		for _, p := range body.Multipart {
			n.inner = append(n.inner, m.node(t, p, inner))
		}
		return n
	case body.Text != nil:
		text = *body.Text
	case body.Html != nil:
		text = *body.Html
	default:
		for _, c := range append(body.Binary, body.InlineBinary...) {
			text += string([]byte{byte(c)})
		}
	}
	text = lines(text)
	n.raw, n.body = text, &text
	return n
}

// headSeen is what is compared of the header of the whole.
type headSeen struct{ people, subject, date, ids string }

func (m parsed) head(t testing.TB) headSeen {
	var h headSeen
	for _, name := range []string{"from", "reply_to", "to"} {
		v, _ := m.header(t, 0, name)
		for _, p := range v.Address.List {
			h.people += name + " " + words(p.Name) + " <" + p.Address + ">\n"
		}
	}
	if v, _ := m.header(t, 0, "subject"); v.Text != nil {
		h.subject = words(*v.Text)
	}
	if v, _ := m.header(t, 0, "date"); v.DateTime != nil {
		d := *v.DateTime
		zone := (d.ZoneHour*60 + d.ZoneMinute) * 60
		if d.West {
			zone = -zone
		}
		h.date = time.Date(d.Year, time.Month(d.Month), d.Day, d.Hour, d.Minute, d.Second, 0, time.FixedZone("", zone)).UTC().Format(time.RFC3339)
	}
	for _, name := range []string{"message_id", "in_reply_to", "references"} {
		v, _ := m.header(t, 0, name)
		if v.Text != nil {
			v.TextList = []string{*v.Text}
		}
		h.ids += name + " " + strings.Join(v.TextList, " ") + "\n"
	}
	return h
}

func ourHead(m *Message) headSeen {
	var h headSeen
	for _, list := range []struct {
		name   string
		people []incident.Party
	}{{"from", m.From}, {"reply_to", m.ReplyTo}, {"to", m.To}} {
		for _, p := range list.people {
			h.people += list.name + " " + words(p.Name) + " <" + p.Address + ">\n"
		}
	}
	h.subject = words(m.Subject)
	if !m.Date.IsZero() {
		h.date = m.Date.Format(time.RFC3339)
	}
	h.ids = "message_id " + m.MessageID + "\nin_reply_to " + strings.Join(m.InReplyTo, " ") + "\nreferences " + strings.Join(m.References, " ") + "\n"
	return h
}

// TestExpectedParses compares with what stalwart's parser expects: the tree,
// names of fields, dispositions with file names, bodies in UTF-8, and the header
// of the whole.
func TestExpectedParses(t *testing.T) {
	dir := filepath.Join(corpus(t), "mail")
	y := newTally(t, "trees.txt")
	y.keepOnly("stalwart/")
	files, err := filepath.Glob(filepath.Join(dir, "stalwart", "*", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var want parsed
		require.NoError(t, json.Unmarshal(text, &want), file)
		base := strings.TrimSuffix(file, ".json")
		raw, err := os.ReadFile(base + ".eml")
		require.NoError(t, err)

		us := ourTree(raw, func(p *parser, e *entity) string { return lines(string(p.part(e).Content)) })
		them := want.node(t, 0, "text/plain")
		name, err := filepath.Rel(dir, base)
		require.NoError(t, err)
		y.row(t, "tree", name, us.tree(), them.tree())
		ourNames := func(n node) string {
			var out []string
			for _, f := range n.fields {
				f, _, _ = strings.Cut(f, ":")
				out = append(out, fieldName(strings.TrimSpace(f)))
			}
			return strings.Join(out, " ")
		}
		y.row(t, "fields", name, us.list(ourNames), them.list(func(n node) string { return strings.Join(n.fields, " ") }))
		fileNames := func(n node) string { return strings.TrimSpace(n.disposition + " " + n.name) }
		y.row(t, "names", name, us.list(fileNames), them.list(fileNames))
		y.row(t, "bodies", name, us.bodies(them), them.bodies(them))

		m, err := Parse(raw, Limits{})
		require.NoError(t, err)
		ours, theirs := ourHead(m), want.head(t)
		y.row(t, "people", name, ours.people, theirs.people)
		y.row(t, "subject", name, ours.subject, theirs.subject)
		y.row(t, "date", name, ours.date, theirs.date)
		y.row(t, "ids", name, ours.ids, theirs.ids)
	}
	y.print(t, "stalwart", "tree", "fields", "names", "bodies", "people", "subject", "date", "ids")
}

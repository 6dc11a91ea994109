package mail

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// table reads a table of the corpus.
func table[T any](t testing.TB, name string) []T {
	raw, err := os.ReadFile(filepath.Join(corpus(t), "subject", name))
	require.NoError(t, err)
	var doc struct{ Rows []T }
	require.NoError(t, json.Unmarshal(raw, &doc))
	require.NotEmpty(t, doc.Rows)
	return doc.Rows
}

// latin1 gives back the octets of a header that a table holds as Latin-1.
func latin1(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteByte(byte(r))
	}
	return b.String()
}

// TestMangledSubjects finds our tag, or none, in everything that is done to a
// subject on its way, from the octets of the header on.
func TestMangledSubjects(t *testing.T) {
	type row struct {
		ID, Why string
		Raw     string `json:"raw_latin1"`
		Ticket  any
		Decoded string
	}
	agreed := 0
	rows := table[row](t, "mangles.json")
	for _, r := range rows {
		var want []incident.ID
		switch v := r.Ticket.(type) {
		case float64:
			want = []incident.ID{incident.ID(v)}
		case []any:
			for _, n := range v {
				want = append(want, incident.ID(n.(float64)))
			}
		}
		m, err := Parse([]byte("Subject: "+latin1(r.Raw)+"\r\n\r\n"), Limits{})
		require.NoError(t, err)
		ok := assert.Equal(t, want, Tag{Name: "CERT-NL"}.Find(m.Subject), "%s: %s: %q", r.ID, r.Why, m.Subject)
		if r.Decoded != "" {
			ok = assert.Equal(t, words(r.Decoded), words(m.Subject), r.ID) && ok
		}
		if ok {
			agreed++
		}
	}
	fmt.Printf("subject/mangles: %d of %d agree\n", agreed, len(rows))
}

// TestForeignTags reads the table of another system. One thing differs: what
// stands in brackets without a number is the sender's text, and stays.
func TestForeignTags(t *testing.T) {
	type row struct {
		ID      string
		Own     string `json:"own_tag"`
		Subject string
		Ticket  incident.ID
		Kept    *string
		Has     []string `json:"kept_has"`
		Lacks   []string `json:"kept_lacks"`
	}
	agreed, stays := 0, 0
	rows := table[row](t, "rt-tags.json")
	for _, r := range rows {
		tag := Tag{Name: r.Own}
		kept := tag.Strip(r.Subject)
		ok := assert.Equal(t, []incident.ID{r.Ticket}, tag.Find(r.Subject), r.ID)
		if r.Kept != nil {
			ok = assert.Equal(t, *r.Kept, kept, r.ID) && ok
		}
		for _, s := range r.Has {
			ok = assert.Contains(t, kept, s, r.ID) && ok
		}
		for _, s := range r.Lacks {
			if s == "comment" {
				stays++
				continue
			}
			ok = assert.NotContains(t, kept, s, r.ID) && ok
		}
		if ok {
			agreed++
		}
	}
	fmt.Printf("subject/rt-tags: %d of %d agree; in %d a bracket without a number stays, against RT\n", agreed, len(rows), stays)
}

// TestPrefixes puts every known reply and forward prefix before the tag.
func TestPrefixes(t *testing.T) {
	rows := table[struct{ Reply, Forward []string }](t, "prefixes.json")
	n := 0
	for _, r := range rows {
		for _, p := range append(r.Reply, r.Forward...) {
			for _, colon := range []string{": ", ":", "\uff1a", " : "} {
				n++
				subject := p + colon + "[A CSIRT #34159] scan"
				assert.Equal(t, []incident.ID{34159}, Tag{Name: "A CSIRT"}.Find(subject), subject)
				assert.Equal(t, "[A CSIRT #34159] "+words(p+colon+" scan"), words(Tag{Name: "A CSIRT"}.Put(subject, 34159)))
			}
		}
	}
	fmt.Printf("subject/prefixes: %d subjects with the tag found\n", n)
}

// TestBaseSubjects: subjects without a tag of ours are left as they are.
func TestBaseSubjects(t *testing.T) {
	for _, r := range table[struct{ Subject, Base string }](t, "base-subject.json") {
		tag := Tag{Name: "A CSIRT"}
		assert.Empty(t, tag.Find(r.Subject))
		assert.Equal(t, strings.TrimSpace(r.Subject), tag.Strip(r.Subject))
		assert.True(t, strings.HasSuffix(tag.Put(r.Subject, 5), strings.TrimSpace(r.Base)))
	}
}

// TestRealSubjects decodes the subjects of the corpus.
func TestRealSubjects(t *testing.T) {
	y := newTally(t, "misses.txt")
	for _, r := range table[struct {
		File   string
		Raw    string `json:"raw_latin1"`
		Python string
	}](t, "real.json") {
		m, err := Parse([]byte("Subject: "+latin1(r.Raw)+"\n\n"), Limits{})
		require.NoError(t, err)
		y.row(t, "real", r.File, words(m.Subject), words(r.Python))
		if ids := (Tag{Name: "no such team"}).Find(m.Subject); !assert.Empty(t, ids) {
			break
		}
	}
	y.print(t, "subject/real", "real")
}

package incident_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// The list has every type that has a name, and that Decode knows.
func TestTypes(t *testing.T) {
	source, err := os.ReadFile("encode.go")
	require.NoError(t, err)
	var named []string
	for _, found := range regexp.MustCompile(`\) Type\(\) string +\{ return "(.*)" \}`).FindAllSubmatch(source, -1) {
		named = append(named, string(found[1]))
	}
	slices.Sort(named)
	assert.Equal(t, named, incident.Types())
	for _, name := range incident.Types() {
		ev, err := incident.Decode(incident.Record{Type: name, Data: []byte("{}")})
		require.NoError(t, err)
		_, unknown := ev.(incident.Unknown)
		assert.False(t, unknown, name)
		assert.Equal(t, name, ev.Type())
	}
}

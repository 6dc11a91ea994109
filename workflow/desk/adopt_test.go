package desk_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// Documents are kept in the history of the desk itself, numbered for each kind.
func TestAdopt(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		_, _, err := desk.Adopted(ctx, store, desk.DocumentPolicy, 0)
		require.ErrorIs(t, err, storage.ErrNotFound)
		adopt := func(document, name, content string) desk.Adoption {
			a, err := desk.Adopt(ctx, store, "handler:alice", document, name, []byte(content), desk.Config{})
			require.NoError(t, err)
			return a
		}
		first := adopt(desk.DocumentPolicy, "ours", "one")
		require.EqualValues(t, 1, first.Version)
		require.Equal(t, first, adopt(desk.DocumentPolicy, "ours", "one"), "the same again changes nothing")
		require.EqualValues(t, 2, adopt(desk.DocumentPolicy, "ours", "two").Version)
		require.EqualValues(t, 1, adopt("directory", "ours", "one").Version, "each kind counts by itself")
		require.EqualValues(t, 3, adopt(desk.DocumentPolicy, "ours", "one").Version, "an earlier one again is a new version")
		for version, want := range map[uint32]string{0: "one", 1: "one", 2: "two", 3: "one"} {
			a, content, err := desk.Adopted(ctx, store, desk.DocumentPolicy, version)
			require.NoError(t, err)
			require.Equal(t, want, string(content))
			require.Equal(t, incident.Actor("handler:alice"), a.By)
		}
		_, _, err = desk.Adopted(ctx, store, desk.DocumentPolicy, 4)
		require.ErrorContains(t, err, "allowed are 1 to 3")
		w.verify()

		p := workflow.Default()
		p.Version = 3
		ours := newWorldOn(t, store, func(c *desk.Config) { c.Policy = p })
		inc := ours.incident()
		require.EqualValues(t, 3, ours.history(inc)[0].Policy, "every record carries it")
	})
}

// Of several programs that adopt at once each gets a number of its own, or that of
// the same document.
func TestAdoptAtOnce(t *testing.T) {
	store := sqliteFile(t)
	var versions sync.Map
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			a, err := desk.Adopt(ctx, store, "handler:alice", desk.DocumentPolicy, "ours", []byte{byte('a' + i)}, desk.Config{})
			if err == nil {
				versions.Store(a.Version, i)
			}
		})
	}
	all.Wait()
	n := 0
	versions.Range(func(any, any) bool { n++; return true })
	require.Equal(t, 8, n)
}

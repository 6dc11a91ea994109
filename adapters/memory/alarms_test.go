package memory

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// The heap finds what a look at every ticket finds, whatever was set before.
func TestAlarms(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	a, plain := newAlarms(), map[incident.ID]time.Time{}
	require.Empty(t, a.by(time.Unix(100, 0)))
	for range 5000 {
		id, next := incident.ID(r.IntN(40)), time.Unix(r.Int64N(100), 0)
		if r.IntN(3) == 0 {
			a.set(id, nil)
			delete(plain, id)
		} else {
			a.set(id, &next)
			plain[id] = next
		}
		by := time.Unix(r.Int64N(100), 0)
		var want []incident.ID
		for id, next := range plain {
			if !next.After(by) {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		require.Equal(t, want, a.by(by))
		require.Len(t, a.at, len(plain))
	}
}

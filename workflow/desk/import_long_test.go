package desk_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow/desk"
	"github.com/airtight-csirt/airtight/xirl"
)

// feedFile writes rows of a feed as they are read, from sources in a random order.
type feedFile struct {
	rand          *rand.Rand
	rows, sources int
	row           int
	left          bytes.Buffer
}

func (f *feedFile) Read(p []byte) (int, error) {
	for f.left.Len() == 0 {
		if f.row == 0 {
			f.left.WriteString("timestamp,ip,port,dst_ip,dst_port,protocol,tag\n")
		}
		if f.row == f.rows {
			return 0, io.EOF
		}
		f.row++
		source := f.rand.Intn(f.sources)
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(f.row) * time.Second)
		fmt.Fprintf(&f.left, "%s,10.%d.%d.%d,%d,198.51.100.%d,22,tcp,ssh brute force\n", at.Format("2006-01-02 15:04:05"), source>>16, source>>8&255, source&255, 1024+f.row%60000, f.row%256)
	}
	return f.left.Read(p)
}

// An import is as fast at its end as at its beginning, and does not take more memory.
// 250,000 observations of 20,000 sources with AIRTIGHT_LONG set; otherwise a fiftieth of both.
func TestImportSpeed(t *testing.T) {
	rows, sources := 5_000, 400
	if os.Getenv("AIRTIGHT_LONG") != "" {
		rows, sources = 250_000, 20_000
	}
	store := open(t, "sqlite", sqlstore.SQLiteDSN(filepath.Join(t.TempDir(), "desk.db")), sqlstore.SQLite)
	w := newWorldOn(t, store, func(c *desk.Config) {
		c.Formats = []incident.Format{xirl.CSV{Name: "csv", Feed: "scans"}.Format()}
	})
	var paces []time.Duration // of each thousand
	var heaps []uint64
	runtime.GC() // what other tests have left
	began, last, done := time.Now(), time.Now(), 0
	result, err := w.desk.Import(ctx, desk.Import{Format: "csv", Limits: incident.Limits{Bytes: -1}, Progress: func(p desk.Imported) {
		if p.Observations/1000 == done/1000 {
			return
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		paces, heaps = append(paces, time.Since(last)), append(heaps, m.HeapInuse)
		last, done = time.Now(), p.Observations
	}}, &feedFile{rand: rand.New(rand.NewSource(1)), rows: rows, sources: sources})
	require.NoError(t, err)
	took := time.Since(began)
	require.Equal(t, rows, result.Observations)
	require.Equal(t, rows, result.Kept+result.Beyond)
	require.Equal(t, sources, result.Opened)
	n := len(paces)
	t.Logf("%d observations of %d sources in %v: %.0f rows/s", rows, sources, took.Round(time.Millisecond), float64(rows)/took.Seconds())
	for i := 0; i < n; i += max(n/25, 1) {
		t.Logf("after %dk: %v for a thousand, heap %d MiB", i+1, paces[i].Round(time.Millisecond), heaps[i]>>20)
	}
	t.Logf("last: %v, heap %d MiB", paces[n-1].Round(time.Millisecond), heaps[n-1]>>20)
	median := func(list []time.Duration) time.Duration { return slices.Sorted(slices.Values(list))[len(list)/2] }
	tenth := max(n/10, 3)
	t.Logf("medians: %v in the first tenth, %v in the last: %.2f times", median(paces[:tenth]).Round(time.Millisecond), median(paces[n-tenth:]).Round(time.Millisecond),
		float64(median(paces[n-tenth:]))/float64(median(paces[:tenth])))
	require.Less(t, slices.Max(heaps), uint64(100<<20), "memory does not grow with the input")
}

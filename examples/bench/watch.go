package main

import (
	"bytes"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// looks is how often the process is looked at in each quarter.
const looks = 10

// quarter is a fourth of a soak: medians of what was seen. What the system does
// not tell is 0.
type quarter struct {
	Seconds    float64 `json:"seconds"`
	PerSecond  float64 `json:"perSecond"` // mails
	Heap       float64 `json:"heap"`      // bytes in use after a collection
	Resident   float64 `json:"resident"`  // bytes; has what lies outside of Go's heap, as SQLite's memory does
	Files      float64 `json:"files"`
	Goroutines float64 `json:"goroutines"`
}

// growth is how the last quarter compares with the second.
type growth struct {
	Heap       float64 `json:"heap"`
	Resident   float64 `json:"resident"`
	Files      float64 `json:"files"`
	Goroutines float64 `json:"goroutines"`
}

// watch looks at this process. It is for one goroutine.
type watch struct {
	mails    int
	progress progress
	ends     [5]time.Time // of the quarters; the first is the start
	seen     [4][]quarter
}

func newWatch(mails int, progress progress) *watch {
	w := &watch{mails: mails, progress: progress}
	w.ends[0] = time.Now()
	return w
}

// every is after how many mails to look.
func (w *watch) every() int { return w.mails / (4 * looks) }

// look is called when the n-th mail has been sent.
func (w *watch) look(n int) {
	i := min((n-1)*4/w.mails, 3)
	w.ends[i+1] = time.Now()
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	w.seen[i] = append(w.seen[i], quarter{
		Heap: float64(memory.HeapAlloc), Resident: resident(), Files: openFiles(), Goroutines: float64(runtime.NumGoroutine()),
	})
	if n*10/w.mails != (n-w.every())*10/w.mails {
		w.progress.say("soak: %s of %s mails", size(n), size(w.mails))
	}
}

// resident is the memory of the process that is not swapped out, 0 where
// /proc/self/statm does not tell.
func resident() float64 {
	text, _ := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseFloat(string(fields[1]), 64)
	return pages * float64(os.Getpagesize())
}

// openFiles counts file descriptors, sockets among them.
func openFiles() float64 {
	list, _ := os.ReadDir("/proc/self/fd")
	return float64(len(list))
}

func (w *watch) quarters() []quarter {
	var list []quarter
	for i, seen := range w.seen {
		q := quarter{
			Seconds: w.ends[i+1].Sub(w.ends[i]).Seconds(),
			Heap:    median(seen, func(q quarter) float64 { return q.Heap }), Resident: median(seen, func(q quarter) float64 { return q.Resident }),
			Files: median(seen, func(q quarter) float64 { return q.Files }), Goroutines: median(seen, func(q quarter) float64 { return q.Goroutines }),
		}
		q.PerSecond = float64(w.mails) / 4 / q.Seconds
		list = append(list, q)
	}
	return list
}

func median(seen []quarter, of func(quarter) float64) float64 {
	var values []float64
	for _, q := range seen {
		values = append(values, of(q))
	}
	slices.Sort(values)
	if len(values) == 0 {
		return 0
	}
	return values[len(values)/2]
}

func growthOf(q []quarter) growth {
	ratio := func(of func(quarter) float64) float64 { return of(q[3]) / math.Max(of(q[1]), 1) }
	return growth{
		Heap: ratio(func(q quarter) float64 { return q.Heap }), Resident: ratio(func(q quarter) float64 { return q.Resident }),
		Files: ratio(func(q quarter) float64 { return q.Files }), Goroutines: ratio(func(q quarter) float64 { return q.Goroutines }),
	}
}

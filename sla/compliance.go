package sla

import (
	"slices"
	"time"
)

// Sample is one promise: how long it took, and whether that was in time.
type Sample struct {
	Took time.Duration // see [Agreement.Elapsed]
	Met  bool          // see [Deadline.Met]
}

// Figures sums up samples.
type Figures struct {
	Met         int             `json:"met"`
	Missed      int             `json:"missed"`
	Percentiles []time.Duration `json:"percentileNanoseconds,omitempty"` // in the order asked for; empty without samples
}

// Summarise counts what was met and missed and finds percentiles of the time that
// it took, which see [Percentile]. The samples are left as they are.
func Summarise(samples []Sample, percentiles ...int) Figures {
	var f Figures
	took := make([]time.Duration, len(samples))
	for i, s := range samples {
		took[i] = s.Took
		if s.Met {
			f.Met++
		} else {
			f.Missed++
		}
	}
	if len(took) == 0 {
		return f
	}
	slices.Sort(took)
	for _, p := range percentiles {
		f.Percentiles = append(f.Percentiles, Percentile(took, p))
	}
	return f
}

// Percentile returns a percentile of a sorted list by nearest rank: the smallest
// value that at least p percent of the values do not exceed. It is always one of
// the values; p is brought into 1 to 100; an empty list gives 0.
func Percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	p = min(max(p, 1), 100)
	rank := (p*len(sorted) + 99) / 100
	return sorted[rank-1]
}

package sla

import (
	"fmt"
	"slices"
)

// DefaultPriority is the priority that leaves intervals as they are (JANET 3.10).
const DefaultPriority = 50

// Priority says how the priority of a ticket changes intervals: "higher values
// will set shorter alert times" (JANET 3.10). The zero value is the formula
// interval x 50 / priority: half the time at 100, twice the time at 25.
type Priority struct {
	// Steps, if any, replace the formula: the step with the largest From that
	// the priority reaches counts, and below all of them the interval is as
	// written.
	Steps []PriorityStep `json:"steps,omitempty"`
}

// PriorityStep gives intervals a percentage of their length.
type PriorityStep struct {
	From    int `json:"from"`    // lowest priority of the step, 1 or more
	Percent int `json:"percent"` // 1 to 1000
}

// Apply returns the interval for a priority. Minutes are whole: what is left over
// is dropped, so that nothing is due later than the formula says, but no minutes
// become none. Months do not change. A priority of 0 or less means that nobody
// has given one: the interval stays as it is.
func (p Priority) Apply(i Interval, priority int) Interval {
	i = i.clone()
	if priority <= 0 {
		return i
	}
	num, den := int64(DefaultPriority), int64(priority)
	if len(p.Steps) > 0 {
		num, den = 100, 100
		reached := 0
		for _, s := range p.Steps {
			if priority >= s.From && s.From > reached {
				reached, num = s.From, int64(s.Percent)
			}
		}
	}
	scale := func(n int) int {
		if n <= 0 {
			return n
		}
		return int(min(max(int64(n)*num/den, 1), MaxMinutes))
	}
	i.RealMinutes = scale(i.RealMinutes)
	if i.BusinessMinutes != nil {
		*i.BusinessMinutes = scale(*i.BusinessMinutes)
	}
	return i
}

func (p Priority) clone() Priority { return Priority{slices.Clone(p.Steps)} }

func (p Priority) check() (errs []error) {
	seen := map[int]bool{}
	for i, s := range p.Steps {
		if s.From < 1 || seen[s.From] {
			errs = append(errs, fmt.Errorf("steps[%d]: from %d (allowed: 1 or more, each once)", i, s.From))
		}
		seen[s.From] = true
		if s.Percent < 1 || s.Percent > 1000 {
			errs = append(errs, fmt.Errorf("steps[%d]: percent %d (allowed: 1 to 1000)", i, s.Percent))
		}
	}
	return errs
}

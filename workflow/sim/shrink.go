package sim

import "slices"

// shrink leaves out steps, then commands, then arguments, as long as the rest
// still fails, until nothing more can go.
func shrink(steps []Step, fails func([]Step) bool) []Step {
	for again := true; again; {
		again = false
		try := func(fewer []Step) bool {
			if !fails(fewer) {
				return false
			}
			steps, again = fewer, true
			return true
		}
		for size := max(len(steps)/2, 1); size > 0; size /= 2 {
			for i := 0; i+size <= len(steps); {
				if !try(slices.Concat(steps[:i], steps[i+size:])) {
					i += size
				}
			}
		}
		for i := range steps {
			for c := len(steps[i].Calls) - 1; c >= 0; c-- {
				if calls := steps[i].Calls; len(calls) > 1 && try(with(steps, i, slices.Delete(slices.Clone(calls), c, c+1))) {
					continue
				}
				for a := len(steps[i].Calls[c].Args) - 1; a > 0; a-- { // the first says what it is about
					calls := slices.Clone(steps[i].Calls)
					calls[c].Args = slices.Delete(slices.Clone(calls[c].Args), a, a+1)
					try(with(steps, i, calls))
				}
			}
		}
	}
	return steps
}

// with returns the steps with other calls in one of them.
func with(steps []Step, i int, calls []Call) []Step {
	changed := slices.Clone(steps)
	changed[i].Calls = calls
	if len(calls) == 1 {
		changed[i].Block, changed[i].Bulk = false, false
	}
	return changed
}

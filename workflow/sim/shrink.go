package sim

import "slices"

// shrink leaves out steps, then commands, then arguments and their values, as long
// as the rest still fails, until nothing more can go. The time that a step lets pass may go to
// the step "after" that comes next.
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
		for i := len(steps) - 2; i >= 0; i-- {
			if later := later(steps, i); later != nil {
				try(later)
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
					if try(with(steps, i, calls)) {
						continue
					}
					for v := len(steps[i].Calls[c].Args[a].Values) - 1; v >= 0 && len(steps[i].Calls[c].Args[a].Values) > 1; v-- {
						calls := slices.Clone(steps[i].Calls)
						calls[c].Args = slices.Clone(calls[c].Args)
						calls[c].Args[a].Values = slices.Delete(slices.Clone(calls[c].Args[a].Values), v, v+1)
						try(with(steps, i, calls))
					}
				}
			}
		}
	}
	return steps
}

// later leaves out a step "after" and adds its time to the next one; nil if it is
// none, or none comes.
func later(steps []Step, i int) []Step {
	if i+1 >= len(steps) || !steps[i].is("after") {
		return nil
	}
	next := slices.IndexFunc(steps[i+1:], func(s Step) bool { return s.is("after") })
	if next < 0 {
		return nil
	}
	next += i + 1
	first, err := parseDuration(steps[i].Calls[0].Args[0].Values[0])
	second, failed := parseDuration(steps[next].Calls[0].Args[0].Values[0])
	if err != nil || failed != nil {
		return nil
	}
	changed := with(steps, next, []Call{call("", "after", Arg{Values: []string{(first + second).String()}}).Calls[0]})
	return slices.Delete(changed, i, i+1)
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

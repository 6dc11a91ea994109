package workflow

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

func checkPriority(c Command, priority int) error {
	if priority < 0 || priority > 100 {
		return &ArgumentError{c.Name(), "priority", fmt.Sprint(priority), "a whole number from 0 to 100"}
	}
	return nil
}

// parties returns a cleaned copy of a list of people; an address must be one.
// The copy of an empty list is nil.
func parties(c Command, argument string, list []incident.Party) ([]incident.Party, error) {
	var cleaned []incident.Party
	for _, p := range list {
		o, err := incident.NewObservable(incident.MailAddress, p.Address, incident.RoleUnknown)
		if err != nil {
			return nil, &ArgumentError{c.Name(), argument, p.Address, "mail addresses like bob@example.org"}
		}
		cleaned = append(cleaned, incident.Party{Name: oneLine(p.Name), Address: o.Value})
	}
	return cleaned, nil
}

// observables returns a list in canonical form.
func observables(c Command, list []incident.Observable) ([]incident.Observable, error) {
	var canonical []incident.Observable
	for _, o := range list {
		made, err := incident.NewObservable(o.Kind, o.Value, o.Role)
		if err != nil {
			return nil, &ArgumentError{c.Name(), "observable", o.Value, err.Error()}
		}
		canonical = append(canonical, made)
	}
	return canonical, nil
}

// oneLine makes text fit for a header line and a list: clean, without line ends.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Join(strings.FieldsFunc(incident.Clean(s), func(r rune) bool {
		return r == '\r' || r == '\n' || r == '\t'
	}), " "))
}

func moment(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	m := incident.Moment(*t)
	return &m
}

// cleanFields returns a copy that every store can keep.
func cleanFields(fields map[string][]string) map[string][]string {
	if len(fields) == 0 {
		return nil
	}
	cleaned := make(map[string][]string, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields)) { // two names may be one when they are clean
		cleaned[oneLine(name)] = mapped(fields[name], incident.Clean)
	}
	return cleaned
}

// mapped returns a copy of a list with f applied; nil for an empty list.
func mapped[T any](list []T, f func(T) T) []T {
	var changed []T
	for _, v := range list {
		changed = append(changed, f(v))
	}
	return changed
}

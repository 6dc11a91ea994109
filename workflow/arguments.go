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

// parties returns a cleaned copy of a list of people, each mailbox once; an address
// must be one. The copy of an empty list is nil.
func parties(c Command, argument string, list []incident.Party) ([]incident.Party, error) {
	var cleaned []incident.Party
	have := map[string]bool{}
	for _, p := range list {
		o, err := incident.NewObservable(incident.MailAddress, p.Address, incident.RoleUnknown)
		if err != nil {
			return nil, &ArgumentError{c.Name(), argument, p.Address, "mail addresses like bob@example.org"}
		}
		if mailbox := strings.ToLower(o.Value); !have[mailbox] {
			have[mailbox] = true
			cleaned = append(cleaned, incident.Party{Name: oneLine(p.Name), Address: o.Value})
		}
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

// Limits on what one command may bring.
const (
	maxFiles     = 100
	maxFileBytes = 32 << 20 // of all files together
)

// files returns a copy of attachments with names and types fit for a header.
func files(c Command, list []File) ([]File, error) {
	var cleaned []File
	size := 0
	for i, file := range list {
		name, kind := oneLine(file.Name), oneLine(file.Type)
		if name == "" {
			name = fmt.Sprintf("attachment-%d", i+1)
		}
		if kind == "" {
			kind = "application/octet-stream"
		}
		size += len(file.Content)
		cleaned = append(cleaned, File{Name: name, Type: kind, Content: file.Content})
	}
	if len(list) > maxFiles || size > maxFileBytes {
		return nil, &ArgumentError{c.Name(), "attachments", fmt.Sprintf("%d files of %d bytes", len(list), size), fmt.Sprintf("%d files of %d bytes together at most", maxFiles, maxFileBytes)}
	}
	return cleaned, nil
}

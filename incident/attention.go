package incident

import (
	"slices"
	"time"
)

// Attended says that somebody works on the ticket until a time, which is a notice to
// others and keeps nobody away. Without Until they work on it no more; without By
// nobody does, because the ticket was closed or merged.
type Attended struct {
	By    Actor      `json:"by,omitempty"`
	Until *time.Time `json:"until,omitempty"`
}

// Attention is somebody who works on a ticket until a time.
type Attention struct {
	By    Actor     `json:"by"`
	Until time.Time `json:"until"`
}

// Attending returns who works on the ticket at a time, in the order in which they
// began. The result shares nothing with t.
func (t Ticket) Attending(now time.Time) []Attention {
	var list []Attention
	for _, a := range t.Attention {
		if a.Until.After(now) {
			list = append(list, a)
		}
	}
	return list
}

// apply keeps nothing that has expired, so that the list cannot grow.
func (e Attended) apply(t *Ticket, at time.Time) {
	if e.By == Nobody {
		t.Attention = nil
		return
	}
	list := t.Attending(at)
	i := slices.IndexFunc(list, func(a Attention) bool { return a.By == e.By })
	switch {
	case e.Until == nil && i >= 0:
		list = slices.Delete(list, i, i+1)
	case e.Until != nil && i >= 0:
		list[i].Until = Moment(*e.Until)
	case e.Until != nil:
		list = append(list, Attention{e.By, Moment(*e.Until)})
	}
	if len(list) == 0 {
		list = nil
	}
	t.Attention = list
}

package memory

import (
	"container/heap"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// alarms is a heap, the earliest first, of the tickets that have an
// [incident.Ticket.NextAlarm]: what wakes by a moment is found without a look at
// what wakes later.
type alarms struct {
	list []alarm
	at   map[incident.ID]int // where in list
}

type alarm struct {
	ticket incident.ID
	time   time.Time
}

func newAlarms() alarms { return alarms{at: map[incident.ID]int{}} }

// set makes next the alarm of a ticket; nil: it has none.
func (a *alarms) set(id incident.ID, next *time.Time) {
	i, known := a.at[id]
	switch {
	case known && next == nil:
		heap.Remove(a, i)
	case known:
		a.list[i].time = *next
		heap.Fix(a, i)
	case next != nil:
		heap.Push(a, alarm{id, *next})
	}
}

// by returns, in ascending order, the tickets that wake at t or before.
func (a *alarms) by(t time.Time) (ids []incident.ID) {
	for todo := []int{0}; len(todo) > 0; {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if i < len(a.list) && !a.list[i].time.After(t) {
			ids = append(ids, a.list[i].ticket)
			todo = append(todo, 2*i+1, 2*i+2)
		}
	}
	slices.Sort(ids)
	return ids
}

func (a *alarms) Len() int           { return len(a.list) }
func (a *alarms) Less(i, j int) bool { return a.list[i].time.Before(a.list[j].time) }

func (a *alarms) Swap(i, j int) {
	a.list[i], a.list[j] = a.list[j], a.list[i]
	a.at[a.list[i].ticket], a.at[a.list[j].ticket] = i, j
}

func (a *alarms) Push(x any) {
	added := x.(alarm)
	a.at[added.ticket] = len(a.list)
	a.list = append(a.list, added)
}

func (a *alarms) Pop() any {
	last := len(a.list) - 1
	removed := a.list[last]
	a.list = a.list[:last]
	delete(a.at, removed.ticket)
	return removed
}

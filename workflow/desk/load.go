package desk

import (
	"context"
	"errors"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// Load is how much work waits under a topic (JANET 3.18).
type Load struct {
	Topic     string `json:"topic"`     // empty: whatever has none of the topics
	New       int    `json:"new"`       // reports of [ListNew]
	Incidents int    `json:"incidents"` // of [ListDue]
	Unowned   int    `json:"unowned"`   // of [ListUnowned]
	Overdue   int    `json:"overdue"`   // tickets of any kind that are not inactive and whose due date has come
}

// ErrNoTopics is returned by Load when the policy sorts nothing by topic.
var ErrNoTopics = errors.New("desk: the policy sorts no work by topic: its rule sort-by-topic does, if you add it")

// Load counts the open work of each topic of the policy's rule sort-by-topic, in its
// order, and last what has none of them. It counts what the actor may see.
//
// Errors: [ErrNoTopics], those of the store.
func (s *Session) Load(ctx context.Context) ([]Load, error) {
	field, topics := s.desk.config.Policy.Topics()
	if field == "" {
		return nil, ErrNoTopics
	}
	queries := []storage.Query{
		s.Query(ListNew), s.Query(ListDue), s.Query(ListUnowned),
		// A date that has come this microsecond has come.
		{Phases: notInactive(), Due: storage.DueSet, DueBefore: incident.Moment(s.desk.now()).Add(time.Microsecond)},
	}
	var loads []Load
	err := s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		count := func(load Load, fields ...storage.Field) (Load, error) {
			for i, to := range []*int{&load.New, &load.Incidents, &load.Unowned, &load.Overdue} {
				q := queries[i]
				q.Fields, q.Scope = fields, s.scope
				var err error
				if *to, err = r.Count(ctx, q); err != nil {
					return load, err
				}
			}
			return load, nil
		}
		left, err := count(Load{})
		if err != nil {
			return err
		}
		for _, topic := range topics {
			load, err := count(Load{Topic: topic}, storage.Field{Name: field, Value: topic})
			if err != nil {
				return err
			}
			loads = append(loads, load)
			left.New -= load.New
			left.Incidents -= load.Incidents
			left.Unowned -= load.Unowned
			left.Overdue -= load.Overdue
		}
		loads = append(loads, left)
		return nil
	})
	return loads, err
}

package desk

import (
	"context"
	"iter"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow/export"
)

// Exported is what came of an export.
type Exported struct {
	Text     []byte            // for the machine that it is meant for
	Form     export.Form       // in which it was written
	Networks []export.Network  // that it lists
	Tickets  int               // that they come from
	Omitted  []export.Omission // what the tickets name and it does not list
}

// Export lists networks of the tickets that the actor may see, as text: null routes
// for a router (AIRT paper 2). It is one snapshot, read in pages. Errors: those of
// [export.Export.Check], [export.Find] and [export.Form.Render], and of the store.
func (s *Session) Export(ctx context.Context, e export.Export) (*Exported, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	form, err := export.Find(s.desk.Forms(), e.Template, e.Dialect)
	if err != nil {
		return nil, err
	}
	var list export.List
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		q := exported(e)
		q.Scope = s.scope
		var failed error
		list = e.List(pages(ctx, r, q, &failed))
		return failed
	})
	if err != nil {
		return nil, err
	}
	text, err := form.Render(list)
	if err != nil {
		return nil, err
	}
	return &Exported{text, form, list.Networks, list.Tickets, list.Omitted}, nil
}

// Forms returns the forms in which lists are exported: Config.Forms and those that
// come along, unless one of Config.Forms has their name.
func (d *Desk) Forms() []export.Form {
	own := d.config.Forms
	return slices.Concat(own, slices.DeleteFunc(export.Forms(), func(f export.Form) bool {
		return slices.ContainsFunc(own, func(o export.Form) bool { return o.Name == f.Name })
	}))
}

// exported describes tickets among which are all that an export wants.
func exported(e export.Export) storage.Query {
	q := storage.Query{Kinds: e.Kinds, Statuses: e.Statuses, Phases: e.Phases, States: e.States, Constituencies: e.Constituencies}
	for name, values := range e.Fields {
		if len(values) == 1 {
			q.Fields = append(q.Fields, storage.Field{Name: name, Value: values[0]})
		}
	}
	return q
}

// exportPage is how many tickets are held in memory at a time.
const exportPage = 500

// pages reads the tickets that a query describes. It ends early with *failed set.
func pages(ctx context.Context, r storage.Reader, q storage.Query, failed *error) iter.Seq[incident.Ticket] {
	return func(yield func(incident.Ticket) bool) {
		for q.Limit = exportPage; ; {
			found, err := r.Find(ctx, q)
			if err != nil {
				*failed = err
				return
			}
			for _, t := range found {
				if !yield(t) {
					return
				}
			}
			if len(found) < q.Limit {
				return
			}
			q.After = storage.CursorAt(found[len(found)-1])
		}
	}
}

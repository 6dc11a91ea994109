package desk

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Outbox returns rows of the outbox, reactions too unless q says otherwise, by ticket, version and number, as far as the
// actor may see their tickets; q.Limit counts those.
func (s *Session) Outbox(ctx context.Context, q storage.OutgoingQuery) (rows []storage.Outgoing, err error) {
	most := q.Limit
	if s.scope != nil {
		q.Limit = 0
	}
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		all, err := r.Outgoing(ctx, q)
		if err != nil || s.scope == nil {
			rows = all
			return err
		}
		for _, o := range all {
			_, err := s.ticket(ctx, r, o.Ticket)
			var hidden *workflow.NoTicketError
			switch {
			case errors.As(err, &hidden):
				continue
			case err != nil:
				return err
			}
			if rows = append(rows, o); most > 0 && len(rows) == most {
				break
			}
		}
		return nil
	})
	return rows, err
}

// settle puts the rows into an event that says what becomes of them, and does it.
func (r *run) settle(ctx context.Context, t incident.Ticket, ev incident.Settled, at time.Time) (incident.Settled, error) {
	command, named := workflow.ReleaseMail{}.Name(), len(ev.Mails) > 0
	from := []storage.OutStatus{storage.Parked, storage.Dropped} // of what is not named
	may := append(from, storage.Failed, storage.Uncertain)
	switch ev.As {
	case incident.MailDropped:
		command = workflow.DropMail{}.Name()
		from = []storage.OutStatus{storage.Queued, storage.Parked}
		may = append(from, storage.Failed, storage.Uncertain)
	case incident.MailArrived:
		command = workflow.ConfirmMail{}.Name()
		from = []storage.OutStatus{storage.Uncertain}
		may = from
	}
	refuse := func(why string) (incident.Settled, error) {
		return ev, &workflow.RefusedError{Command: command, Ticket: t.ID, Why: why}
	}
	all, err := r.draft.Outgoing(ctx, storage.OutgoingQuery{Tickets: []incident.ID{t.ID}, Only: storage.OnlyMail})
	if err != nil {
		return ev, err
	}
	var rows []storage.Outgoing
	for _, o := range all {
		if !named {
			if slices.Contains(from, o.Status) {
				rows = append(rows, o)
			}
			continue
		}
		if m := ev.Mails[0]; o.Version != m.Version || m.Number >= 0 && o.Number != m.Number {
			continue
		}
		if !slices.Contains(may, o.Status) {
			if ev.Mails[0].Number < 0 {
				continue // that recipient has it, or waits for nobody
			}
			return refuse("outgoing mail " + o.ID() + " is " + string(o.Status) + ": allowed is " + listed(may))
		}
		rows = append(rows, o)
	}
	if len(rows) == 0 && named {
		return refuse("it has no such mail that is " + listed(may))
	} else if len(rows) == 0 {
		return refuse("it has no mail that is " + listed(from))
	}
	ev.Mails = nil
	for _, o := range rows {
		ev.Mails = append(ev.Mails, incident.Outgoing{Version: o.Version, Number: o.Number})
		if err := r.settleRow(ctx, o, ev.As, at); err != nil {
			return ev, err
		}
	}
	return ev, nil
}

func listed(statuses []storage.OutStatus) string {
	text := ""
	for i, s := range statuses {
		switch {
		case i > 0 && i == len(statuses)-1:
			text += " or "
		case i > 0:
			text += ", "
		}
		text += string(s)
	}
	return text
}

// settleRow does what a person has decided about one row. The limits that would
// park it again count anew.
func (r *run) settleRow(ctx context.Context, o storage.Outgoing, as incident.Settlement, at time.Time) error {
	var reached []limit
	o.LastError = ""
	switch as {
	case incident.MailArrived:
		o.Status = storage.Sent
		return r.draft.PutOutgoing(ctx, o)
	case incident.MailReleased:
		cause, err := recordOf(ctx, r.draft, o.Ticket, o.Version)
		if err != nil {
			return err
		}
		charge := storage.ChargeOutside
		if cause.Type == (incident.Notified{}).Type() {
			charge = storage.ChargeTeam
		}
		if reached, err = r.reached(ctx, o, charge); err != nil {
			return err
		}
		o.Status, o.NextTry, o.Attempts = storage.Queued, at, 0
	default:
		o.Status = storage.Dropped
	}
	o.Charge = storage.NoCharge
	err := r.draft.PutOutgoing(ctx, o)
	for _, l := range reached {
		if err == nil {
			err = r.clear(ctx, l.q)
		}
	}
	return err
}

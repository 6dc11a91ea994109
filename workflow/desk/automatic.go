package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// autoSubmitted says what the mail of a rule is (RFC 3834 5).
func (r *run) autoSubmitted(m incident.Message) string {
	switch {
	case m.Machine:
		return "auto-replied"
	case len(r.rules) > 0:
		return "auto-generated"
	}
	return ""
}

// answerable returns those of the recipients of an automatic answer who may get it:
// somebody reads their mail, and they got none in the present stretch of so much
// time.
func (r *run) answerable(ctx context.Context, t incident.Ticket, to []incident.Party, once time.Duration, at time.Time) ([]incident.Party, error) {
	to = slices.DeleteFunc(to, func(p incident.Party) bool { return mail.Unattended(p.Address) })
	if len(to) == 0 {
		return nil, &workflow.RefusedError{Command: workflow.AutoReply{}.Name(), Ticket: t.ID, Why: "nobody reads what is sent to its requestors"}
	}
	if once <= 0 {
		return to, nil
	}
	var fresh []incident.Party
	for _, p := range to {
		_, taken, err := r.draft.Claimed(ctx, onceKey(p, once, at))
		if err != nil {
			return nil, err
		}
		if !taken {
			fresh = append(fresh, p)
		}
	}
	if len(fresh) == 0 {
		return nil, &workflow.RefusedError{Command: workflow.AutoReply{}.Name(), Ticket: t.ID, Why: fmt.Sprintf("its requestors got an automatic answer within the same %s", workflow.Stretch(once))}
	}
	return fresh, nil
}

// onceKey is claimed by who has got an automatic answer in a stretch of time.
func onceKey(p incident.Party, once time.Duration, at time.Time) storage.Key {
	return storage.Key{Space: claimOnce, Value: fmt.Sprintf("%s\n%s\n%d", strings.ToLower(p.Address), once, at.UnixMicro()/once.Microseconds())}
}

// limit is one of the limits on automatic mail: how many rows there may be, and
// which are counted.
type limit struct {
	most int
	q    storage.OutgoingQuery
	why  string
}

// limits are those that a row would count against.
func (r *run) limits(o storage.Outgoing, charge storage.Charge) []limit {
	limits := r.policy.AutomaticMail.Limits()
	to := storage.OutgoingQuery{Charges: []storage.Charge{charge}, To: o.To}
	list := []limit{{limits.Correspondent, to, "automatic mail to this correspondent"}}
	if charge == storage.ChargeTeam {
		list = []limit{{limits.Member, to, "automatic mail to this member of the team"}}
	}
	list = append(list, limit{limits.Ticket, storage.OutgoingQuery{Charges: charged(), Tickets: []incident.ID{o.Ticket}}, "automatic mail about this ticket"})
	if charge == storage.ChargeOutside {
		list = append(list, limit{limits.Desk, storage.OutgoingQuery{Charges: []storage.Charge{charge}}, "automatic mail of the desk"})
	}
	return slices.DeleteFunc(list, func(l limit) bool { return l.most < 0 })
}

func charged() []storage.Charge { return []storage.Charge{storage.ChargeOutside, storage.ChargeTeam} }

// reached returns the limits beyond which one more row would be. What is counted
// are at most as many rows as a limit allows.
func (r *run) reached(ctx context.Context, o storage.Outgoing, charge storage.Charge) ([]limit, error) {
	var list []limit
	for _, l := range r.limits(o, charge) {
		l.q.Limit = l.most
		rows, err := r.draft.Outgoing(ctx, l.q)
		if err != nil {
			return nil, err
		}
		if len(rows) >= l.most {
			l.why = fmt.Sprintf("the limit of %d on %s is reached: a person must release it", l.most, l.why)
			list = append(list, l)
		}
	}
	return list, nil
}

// clear makes rows count no more.
func (r *run) clear(ctx context.Context, q storage.OutgoingQuery) error {
	if len(q.Charges) == 0 {
		q.Charges = charged()
	}
	q.Limit = 0
	rows, err := r.draft.Outgoing(ctx, q)
	for _, o := range rows {
		if err != nil {
			break
		}
		o.Charge = storage.NoCharge
		err = r.draft.PutOutgoing(ctx, o)
	}
	return err
}

// clearActed clears what was charged for the tickets that a person has just done
// something to.
func (r *run) clearActed(ctx context.Context) error {
	tickets := slices.DeleteFunc(r.acted, func(id incident.ID) bool { return slices.Contains(r.opened, id) })
	if len(tickets) == 0 {
		return nil
	}
	return r.clear(ctx, storage.OutgoingQuery{Tickets: tickets})
}

// clearAnswered clears what was charged for a correspondent and a ticket, if a mail
// answers one that followed from what a person did. Each such mail serves once: a
// responder that hides its nature answers what we write, but writes no more than we
// do.
func (r *run) clearAnswered(ctx context.Context, in *incoming) error {
	if in.machine.Any() {
		return nil
	}
	for _, id := range in.entity.InReplyTo {
		ticket, written, err := r.draft.Claimed(ctx, storage.Key{Space: claimWritten, Value: id})
		if err != nil {
			return err
		}
		if !written {
			continue
		}
		answered := storage.Key{Space: claimAnswered, Value: id}
		_, used, err := r.draft.Claimed(ctx, answered)
		if err == nil && !used {
			_, err = r.draft.Claim(ctx, answered, ticket)
			if err == nil {
				err = r.clear(ctx, storage.OutgoingQuery{Tickets: []incident.ID{ticket}})
			}
			if err == nil && in.sender.Address != "" {
				err = r.clear(ctx, storage.OutgoingQuery{Charges: []storage.Charge{storage.ChargeOutside}, To: in.sender.Address})
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

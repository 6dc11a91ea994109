package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// flagBounce is the flag of a message that is a bounce.
const flagBounce = "bounce"

// readBounce looks whether a mail is a bounce. What the team forwards is none,
// unless a mail system has written it.
func (in *incoming) readBounce() {
	if b, ok := mail.ReadBounce(in.msg, in.env); ok && !in.team {
		in.bounce = &b
	}
}

// isMachine reports whether a machine wrote the mail. A text that sounds like a
// bounce, and is about no mail of ours, may be somebody's report all the same.
func (in *incoming) isMachine() bool { return in.machine.Any() || len(in.deliveries) > 0 }

// via is how a report came.
func (in *incoming) via() string {
	if in.bounce != nil {
		return "bounce"
	}
	return "mail"
}

// bounced says where a bounce belongs, instead of the verdict that was found for it
// as for any other mail: to the ticket of the mail that it is about. That mail is
// known by its Message-ID alone, which a mail system may have had for an envelope
// id too; numbers in subjects are easily guessed and make a candidate only. What it
// says is believed of those whom that mail was sent to.
func (r *run) bounced(ctx context.Context, in *incoming, verdict mail.Verdict) (mail.Verdict, error) {
	in.deliveries = nil
	if in.bounce == nil {
		return verdict, nil
	}
	for _, id := range []string{in.bounce.MessageID, in.bounce.EnvelopeID} {
		holder, found, err := r.draft.Claimed(ctx, storage.Key{Space: claimMessageID, Value: id})
		if err != nil {
			return verdict, err
		}
		if !found || id == "" {
			continue
		}
		rows, err := r.mailed(ctx, holder, id)
		if err != nil {
			return verdict, err
		}
		t, ok, err := r.survivor(ctx, holder)
		if err != nil {
			return verdict, err
		}
		if len(rows) == 0 || !ok { // somebody else's mail
			continue
		}
		if in.deliveries, err = r.deliveries(ctx, *in.bounce, rows); err != nil {
			return verdict, err
		}
		why := []string{fmt.Sprintf("It is about record %d of ticket %s, a mail of ours.", rows[0].Version, holder)}
		if t.ID != holder {
			why = append(why, fmt.Sprintf("Ticket %s was merged into %s.", holder, t.ID))
		}
		action := mail.Append
		if len(in.deliveries) == 0 {
			action = mail.AppendFlagged
			why = append(why, "It names nobody whom that mail was sent to.")
		}
		return mail.Verdict{Action: action, Ticket: t.ID, Reason: mail.ByBounce, Why: why}, nil
	}
	candidates, err := r.hints(ctx, in, verdict)
	return mail.Verdict{
		Action: mail.Hold, Candidates: candidates, Reason: mail.ByBounce,
		Why: append(slices.Clone(verdict.Why), "It is about no mail of ours that is known."),
	}, err
}

// hints are the tickets that an unknown mail may have belonged to: those that the
// bounce itself would go to as a mail, and those whose tags it quotes.
func (r *run) hints(ctx context.Context, in *incoming, verdict mail.Verdict) ([]incident.ID, error) {
	const most = 64 << 10
	tag := r.desk.config.Tag
	ids := slices.Concat([]incident.ID{verdict.Ticket}, verdict.Candidates, tag.Find(in.bounce.Subject), tag.Find(in.msg.Text[:min(len(in.msg.Text), most)]))
	var known []incident.ID
	for _, id := range cut(ids, maxTags) {
		t, ok, err := r.survivor(ctx, id)
		if err != nil {
			return nil, err
		}
		if ok && !slices.Contains(known, t.ID) {
			known = append(known, t.ID)
		}
	}
	return known, nil
}

// survivor follows merges to the ticket that counts today; false for one that does
// not exist, and for the desk itself.
func (r *run) survivor(ctx context.Context, id incident.ID) (incident.Ticket, bool, error) {
	for range 100 { // as many merges are followed
		t, err := r.draft.Ticket(ctx, id)
		if errors.Is(err, storage.ErrNotFound) || id == incident.Desk {
			return t, false, nil
		}
		if err != nil || t.MergedInto == 0 {
			return t, err == nil, err
		}
		id = t.MergedInto
	}
	return incident.Ticket{}, false, nil
}

// mailed returns the rows of the mail with a Message-ID that we sent on a ticket; none
// if that ticket sent no such mail.
func (r *run) mailed(ctx context.Context, id incident.ID, messageID string) ([]storage.Outgoing, error) {
	rows, err := r.draft.Outgoing(ctx, storage.OutgoingQuery{Tickets: []incident.ID{id}, Only: storage.OnlyMail})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var versions []uint64
	for _, row := range rows {
		versions = append(versions, row.Version)
	}
	records, err := r.draft.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{id}, Versions: slices.Compact(versions), Descending: true})
	if err != nil {
		return nil, err
	}
	for _, record := range records {
		ev, err := incident.Decode(record)
		if err != nil {
			continue // its content is gone
		}
		var have string
		switch ev := ev.(type) {
		case incident.Message:
			have = ev.Content.MessageID
		case incident.Notified:
			raw, err := r.desk.body(ctx, r.draft, ev.Blobs[0])
			if err != nil && !errors.Is(err, storage.ErrNotFound) {
				return nil, err
			}
			parsed, _ := mail.Parse(raw, r.desk.config.Limits)
			have = parsed.MessageID
		}
		if have == messageID {
			return slices.DeleteFunc(rows, func(row storage.Outgoing) bool { return row.Version != record.Version }), nil
		}
	}
	return nil, nil
}

// deliveries are what a bounce says of those to whom mail was sent; of several mails
// to one address, of the newest, which comes last.
func (r *run) deliveries(ctx context.Context, b mail.Bounce, rows []storage.Outgoing) ([]workflow.Delivery, error) {
	newest := map[string]storage.Outgoing{}
	for _, row := range rows {
		newest[incident.MailKey(row.To)] = row
	}
	var list []workflow.Delivery
	for _, to := range b.Recipients {
		key := incident.MailKey(to.Address)
		row, ok := newest[key]
		if !ok {
			key = incident.MailKey(to.Final)
			row, ok = newest[key]
		}
		if !ok {
			continue
		}
		delete(newest, key) // believed once
		record, err := r.draft.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{row.Ticket}, Versions: []uint64{row.Version}})
		if err != nil {
			return nil, err
		}
		list = append(list, workflow.Delivery{
			Ticket: row.Ticket, Mail: row.Version, Notice: len(record) > 0 && record[0].Type == (incident.Notified{}).Type(),
			Address: row.To, Action: to.Action, Reason: string(to.Reason), Status: to.Status, Diagnostic: incident.Clean(to.Diagnostic),
		})
	}
	return list, nil
}

// delivered adds to the command that appends a held bounce what it says: a person has
// named the ticket, and it is believed of those to whom that ticket has sent mail.
func (r *run) delivered(ctx context.Context, c workflow.Command) (workflow.Command, error) {
	a, ok := c.(workflow.Append)
	if !ok || a.From == 0 || len(a.Mail.Blobs) == 0 || !slices.Contains(a.Mail.Flags, flagBounce) {
		return c, nil
	}
	raw, err := r.desk.body(ctx, r.draft, a.Mail.Blobs[0])
	if errors.Is(err, storage.ErrNotFound) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	parsed, _ := mail.Parse(raw, r.desk.config.Limits)
	b, ok := mail.ReadBounce(parsed, mail.Envelope{From: a.Mail.Entity.EnvelopeFrom, To: a.Mail.Entity.EnvelopeTo})
	if !ok {
		return c, nil
	}
	rows, err := r.draft.Outgoing(ctx, storage.OutgoingQuery{Tickets: []incident.ID{a.Ticket}, Only: storage.OnlyMail})
	if err != nil {
		return c, err
	}
	a.Mail.Deliveries, err = r.deliveries(ctx, b, rows)
	return a, err
}

package desk

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Spaces of claims.
const (
	claimRaw       = "raw"        // digest of a received mail's bytes
	claimCopy      = "copy"       // Message-ID and fingerprint of a received mail
	claimMessageID = "message-id" // of a message that is stored
	claimReference = "reference"  // an id that a stored message refers to, whether known or not
	claimWritten   = "written"    // Message-ID of a mail that followed from what a person did
	claimAnswered  = "answered"   // the same, once a person's mail has answered it
	claimOnce      = "once"       // who got an automatic answer in a stretch of time
)

// embody gives an event the body that was decided for it: a mail that we send is
// composed and sealed, any other text is kept as it is.
func (r *run) embody(ctx context.Context, t incident.Ticket, decision workflow.Decision, at time.Time) (incident.Event, error) {
	if settled, ok := decision.Event.(incident.Settled); ok {
		return r.settle(ctx, t, settled, at)
	}
	if decision.Text == "" {
		return decision.Event, nil
	}
	var err error
	switch ev := decision.Event.(type) {
	case incident.Message:
		if ev.Sent {
			return r.sent(ctx, t, ev, decision, at)
		}
		ev.Content.Observables, _ = r.desk.observables(one(decision.Text)) // somebody has typed it
		if ev.Blobs, err = r.keep(ctx, decision.Text); err != nil {
			return nil, err
		}
		err = r.keepFiles(ctx, &ev, decision.Files)
		return ev, err
	case incident.Commented:
		ev.Blobs, err = r.keep(ctx, decision.Text)
		return ev, err
	case incident.Reacted:
		ev.Blobs, err = r.keep(ctx, decision.Text)
		return ev, err
	case incident.Notified:
		return r.notified(ctx, t, ev, decision.Text, at)
	}
	return nil, fmt.Errorf("desk: event %s cannot have a text", decision.Event.Type())
}

func (r *run) keep(ctx context.Context, text string) ([]incident.Digest, error) {
	digest, err := r.draft.PutBlob(ctx, []byte(text))
	return []incident.Digest{digest}, err
}

// sent is a mail to correspondents.
func (r *run) sent(ctx context.Context, t incident.Ticket, m incident.Message, decision workflow.Decision, at time.Time) (incident.Event, error) {
	if err := r.fillIn(ctx, t, &m, &decision); err != nil {
		return nil, err
	}
	m, raw, err := r.compose(ctx, t, m, decision, at)
	if err == nil {
		err = r.reachable(ctx, t, m)
	}
	if err != nil {
		return nil, err
	}
	kind := r.policy.Sealing.Replies
	// It begins the ticket, or is sent again and answers nothing.
	if m.Thread == mail.NewReport || m.Thread == workflow.ThreadResend && len(m.Content.InReplyTo) == 0 {
		kind = r.policy.Sealing.Requests
	}
	m.Content.Sealed, m.Blobs, err = r.seal(ctx, t, kind, raw, slices.Concat(m.Content.To, m.Content.Cc)...)
	for _, p := range m.Content.To {
		if err == nil && decision.Pause > 0 {
			_, err = r.draft.Claim(ctx, onceKey(p, decision.Pause, at), t.ID)
		}
	}
	return m, err
}

// fillIn puts the template of a mail that nobody looks at in the place of its text, if
// there is such a one and nothing in it is unknown.
func (r *run) fillIn(ctx context.Context, t incident.Ticket, m *incident.Message, decision *workflow.Decision) error {
	if decision.Template == "" {
		return nil
	}
	all, err := r.desk.templatesOf(ctx, r.draft)
	if err != nil {
		return err
	}
	f := filling{ticket: t, to: m.Content.To, refuse: true}
	if f.incidents, err = r.desk.incidentsOf(ctx, r.draft, t, nil); err != nil {
		return err
	}
	f.languages = r.desk.languagesFor("", f.to, t, f.incidents)
	var known bool
	if f.template, known = all.pick(decision.Template, f.languages...); !known {
		return all.err
	}
	out, wrong, err := r.desk.fill(ctx, r.draft, all, f)
	if err != nil || wrong != nil || strings.TrimSpace(out.Text) == "" {
		return err
	}
	decision.Text = out.Text
	if out.Subject != "" {
		m.Content.Subject = "Auto: " + out.Subject
	}
	return nil
}

// notified is a notice to the team, without a mail where no mailbox is known.
func (r *run) notified(ctx context.Context, t incident.Ticket, n incident.Notified, text string, at time.Time) (incident.Event, error) {
	n, raw, err := r.notice(ctx, t, n, text, at)
	if err != nil || raw == nil {
		return n, err
	}
	n.Content.Sealed, n.Blobs, err = r.seal(ctx, t, r.policy.Sealing.Notices, raw, n.Content.Party)
	return n, err
}

// keepFiles keeps the files of what was no mail.
func (r *run) keepFiles(ctx context.Context, m *incident.Message, files []workflow.File) error {
	for _, file := range files {
		digest, err := r.draft.PutBlob(ctx, file.Content)
		if err != nil {
			return err
		}
		m.Blobs = append(m.Blobs, digest)
		m.Content.Attachments = append(m.Content.Attachments, incident.Attachment{
			Name: file.Name, Type: file.Type, Size: len(file.Content), Blob: digest,
		})
	}
	return nil
}

// notice makes the mail that tells somebody of the team, and none where no mailbox
// of theirs is known.
func (r *run) notice(ctx context.Context, t incident.Ticket, n incident.Notified, text string, at time.Time) (incident.Notified, []byte, error) {
	address, known := r.desk.mailbox(n.To)
	if !known || r.desk.config.From.Address == "" {
		return n, nil, nil
	}
	n.Content.Party = incident.Party{Address: address}
	subject := t.Subject
	if r.desk.config.Tag.Name != "" {
		subject = r.desk.config.Tag.Put(subject, t.ID)
	}
	id := r.messageID(t.ID)
	raw, err := mail.Compose(mail.Letter{
		From: r.desk.config.From, To: []incident.Party{n.Content.Party}, Subject: subject, MessageID: id,
		Date: at, Text: text, Desk: r.desk.name(), AutoSubmitted: "auto-generated",
	})
	if err != nil {
		return n, nil, fmt.Errorf("desk: the notice about ticket %s cannot be written: %w", t.ID, err)
	}
	_, err = r.draft.Claim(ctx, storage.Key{Space: claimMessageID, Value: id}, t.ID) // it may come back
	return n, raw, err
}

// messageID returns a new Message-ID for a mail about a ticket.
func (r *run) messageID(id incident.ID) string { return r.desk.messageID(r.derived("message-id"), id) }

// messageID makes a Message-ID of randomness.
func (d *Desk) messageID(random [32]byte, id incident.ID) string {
	_, domain, _ := strings.Cut(d.config.From.Address, "@")
	return fmt.Sprintf("%s.%s@%s", hex.EncodeToString(random[:12]), id, domain)
}

// compose makes the mail for a message that we send and fills in what only the
// desk knows.
func (r *run) compose(ctx context.Context, t incident.Ticket, m incident.Message, decision workflow.Decision, at time.Time) (incident.Message, []byte, error) {
	config := r.desk.config
	if config.From.Address == "" {
		return m, nil, &workflow.RefusedError{Command: "reply", Ticket: t.ID, Why: "this desk has no mailbox to send from: set Config.From"}
	}
	c := &m.Content
	c.To, c.Cc = mail.Recipients(mail.Addressees{
		To: c.To, Cc: c.Cc, Once: decision.Once, Own: r.desk.own, Squelched: r.policy.Squelches,
	})
	if len(c.To) == 0 {
		return m, nil, &workflow.RefusedError{Command: "reply", Ticket: t.ID, Why: "nobody is left to write to: its requestors are this desk itself, or squelched: edit the requestors"}
	}
	if m.Machine {
		var err error
		if c.To, err = r.answerable(ctx, t, c.To, decision.Pause, at); err != nil {
			return m, nil, err
		}
	}
	c.MessageID = r.messageID(t.ID)
	c.From, c.Date = config.From, &at
	if config.Tag.Name != "" {
		c.Subject = config.Tag.Put(c.Subject, t.ID)
	}
	letter := mail.Letter{
		From: c.From, To: c.To, Cc: c.Cc, ReplyTo: config.ReplyTo, Subject: c.Subject, MessageID: c.MessageID,
		References: c.References, Date: at, Text: decision.Text, Desk: r.desk.name(),
		AutoSubmitted: r.autoSubmitted(m),
	}
	for _, file := range decision.Files {
		letter.Attachments = append(letter.Attachments, incident.Part{Type: file.Type, Name: file.Name, Disposition: "attachment", Content: file.Content})
	}
	if len(c.InReplyTo) > 0 {
		letter.InReplyTo = c.InReplyTo[0]
	}
	raw, err := mail.Compose(letter)
	if err != nil {
		return m, nil, fmt.Errorf("desk: the mail on ticket %s cannot be written: %w", t.ID, err)
	}
	return m, raw, nil
}

// name is what the desk's mail carries so that a loop is recognised.
func (d *Desk) name() string {
	if d.config.Tag.Name != "" {
		return d.config.Tag.Name
	}
	return d.config.From.Address
}

// settleMessage writes what belongs to a message beside its record: claims on
// its ids, and outgoing rows for its recipients, which it counts.
func (r *run) settleMessage(ctx context.Context, t incident.Ticket, ev incident.Event) (rows int, err error) {
	if n, ok := ev.(incident.Notified); ok && len(n.Blobs) > 0 {
		return r.post(ctx, t, outgoing{n.Blobs[0], n.Content.Sealed, r.desk.config.From.Address, storage.ChargeTeam}, n.Content.Party)
	}
	switch ev := ev.(type) {
	case incident.AddressMarked:
		return 0, r.mark(ctx, claimMarked, ev.Content.Address)
	case incident.AddressCleared:
		return 0, r.mark(ctx, claimCleared, ev.Content.Address)
	}
	m, ok := ev.(incident.Message)
	if !ok {
		return 0, nil
	}
	if id := m.Content.MessageID; id != "" {
		if _, err := r.draft.Claim(ctx, storage.Key{Space: claimMessageID, Value: id}, t.ID); err != nil {
			return 0, err
		}
	}
	for _, id := range slices.Concat(m.Content.InReplyTo, m.Content.References) {
		if _, err := r.draft.Claim(ctx, storage.Key{Space: claimReference, Value: id}, t.ID); err != nil {
			return 0, err
		}
	}
	if !m.Sent || len(m.Blobs) == 0 {
		return 0, nil
	}
	if r.person && m.Content.MessageID != "" {
		if _, err := r.draft.Claim(ctx, storage.Key{Space: claimWritten, Value: m.Content.MessageID}, t.ID); err != nil {
			return 0, err
		}
	}
	mail := outgoing{m.Blobs[0], m.Content.Sealed, r.desk.config.From.Address, storage.ChargeOutside}
	if m.Thread == (workflow.AutoReply{}).Name() {
		mail.from = "" // RFC 3834 3.3: what cannot be delivered comes back to nobody
	}
	return r.post(ctx, t, mail, slices.Concat(m.Content.To, m.Content.Cc)...)
}

// outgoing is a mail to be queued: as it was written, and its sealed copies.
type outgoing struct {
	plain  incident.Digest
	copies []incident.SealedCopy
	from   string // in the envelope
	charge storage.Charge
}

// post queues a mail of the newest record of a ticket, a row for each recipient: the
// mail as it was written, or its sealed copy. What no person has caused is charged,
// and parked where a limit is reached. It returns how many rows there are.
func (r *run) post(ctx context.Context, t incident.Ticket, mail outgoing, recipients ...incident.Party) (rows int, err error) {
	for i, to := range recipients {
		o := storage.Outgoing{
			Ticket: t.ID, Version: t.Version, Number: i, Status: storage.Queued,
			From: mail.from, To: to.Address, Blob: goesTo(mail.plain, mail.copies, to.Address), Queued: t.Updated, NextTry: t.Updated,
		}
		if !r.person {
			reached, err := r.reached(ctx, o, mail.charge)
			if err != nil {
				return i, err
			}
			if o.Charge = mail.charge; len(reached) > 0 {
				o.Status, o.Charge, o.LastError = storage.Parked, storage.NoCharge, reached[0].why
			}
		}
		if err := r.draft.PutOutgoing(ctx, o); err != nil {
			return i, err
		}
	}
	return len(recipients), nil
}

package desk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// ReactionInput is what a program of a reaction is given on its standard input, in JSON.
// Run is the same in each attempt, and differs between any two runs. Ticket is as it is
// when the program begins. Texts of mail and notes are not in it, nor what is noted of
// telephone calls.
type ReactionInput struct {
	Run      string          `json:"run"`
	Reaction string          `json:"reaction"`
	Attempt  int             `json:"attempt"` // 1, 2, 3 ...
	Record   incident.Record `json:"record"`  // that woke the reaction
	Ticket   incident.Ticket `json:"ticket"`
}

// awaken queues the reactions that a change wakes, behind so many rows of its record.
//
// What is written down about a reaction wakes none, and neither does the mail that it
// has sent, nor what rules make of them: otherwise two of them could keep each other
// going for ever. Only lists follow whatever changes them, but for the one whose own
// outcome it is.
func (r *run) awaken(ctx context.Context, ch workflow.Change, rows int) error {
	if r.plain {
		return nil
	}
	for _, re := range r.policy.Woken(ch) {
		if r.outcome != "" && (!re.Implied() || re.Name == r.outcome) {
			continue
		}
		err := r.draft.PutOutgoing(ctx, storage.Outgoing{
			Ticket: ch.After.ID, Version: ch.After.Version, Number: rows, Reaction: re.Name,
			Status: storage.Queued, Queued: ch.After.Updated, NextTry: ch.After.Updated,
		})
		if err != nil {
			return err
		}
		rows++
	}
	return nil
}

// attempted is what came of an attempt at a reaction.
type attempted struct {
	failed error   // why it is not done; nil: it is
	never  bool    // no other attempt can do better
	output []byte  // for a reader
	letter *letter // to be sent with the record that it was
	why    string  // of failed, as it may stand in a record for ever
}

// failure is an attempt that failed: why is for ever and names no person, more is
// for a reader.
func failure(why string, more error) attempted {
	if more == nil {
		return attempted{failed: errors.New(why), why: why}
	}
	return attempted{failed: more, why: why, output: []byte(more.Error())}
}

// reactTo makes an attempt at a reaction. What it needs of the ticket is read before
// anything is done outside.
func (d *Desk) reactTo(ctx context.Context, o storage.Outgoing) attempted {
	re, ok := d.config.Policy.Reaction(o.Reaction)
	if !ok {
		a := failure("the policy in force has no such reaction", nil)
		a.never = true
		return a
	}
	switch {
	case re.Mail != nil:
		return d.mailTo(ctx, o, *re.Mail)
	case re.Export != nil:
		return d.exportTo(ctx, *re.Export)
	case re.Program != nil:
		return d.runProgram(ctx, o, *re.Program)
	}
	return failure("it does nothing", nil)
}

// mostWrites bounds how often a list is written that changes all the time: whatever
// changes it last wakes the reaction again.
const mostWrites = 10

// exportTo writes a list, and again for as long as it has changed meanwhile: of two
// couriers at work the one with the older list may come last.
func (d *Desk) exportTo(ctx context.Context, e workflow.ExportReaction) attempted {
	if d.config.Exports == nil {
		return failure("this desk has no place for exported lists", nil)
	}
	all := d.As(incident.System)
	var written []byte
	for tries := 0; ; tries++ {
		out, err := all.Export(ctx, e.List)
		if err != nil {
			return failure("the list could not be made", err)
		}
		if tries > 0 && bytes.Equal(out.Text, written) || tries == mostWrites {
			a := attempted{output: fmt.Appendf(nil, "%s: %d networks of %d tickets\n", e.File, len(out.Networks), out.Tickets)}
			for _, o := range out.Omitted {
				a.output = fmt.Appendf(a.output, "left out: %s: %s\n", o.Network, o.Why)
			}
			return a
		}
		if err := d.config.Exports(ctx, e.File, out.Text); err != nil {
			return failure("the list could not be written", err)
		}
		written = out.Text
	}
}

// runProgram runs a program within its limit of time.
func (d *Desk) runProgram(ctx context.Context, o storage.Outgoing, p workflow.ProgramReaction) attempted {
	if d.config.Programs == nil {
		return failure("this desk runs no programs", nil)
	}
	ctx, cancel := context.WithTimeout(ctx, p.Longest())
	defer cancel()
	input := ReactionInput{Run: o.ID(), Reaction: o.Reaction, Attempt: o.Attempts}
	err := d.store.View(ctx, func(ctx context.Context, r storage.Reader) (err error) {
		if input.Ticket, err = r.Ticket(ctx, o.Ticket); err != nil {
			return err
		}
		input.Record, err = recordOf(ctx, r, o.Ticket, o.Version)
		return err
	})
	if err != nil {
		return failure("the ticket could not be read", err)
	}
	if input.Record.Type == (incident.Commented{}).Type() {
		input.Record.Content = nil
	}
	text, err := json.Marshal(input)
	if err != nil {
		return failure("the ticket could not be read", err)
	}
	environment := []string{
		"AIRTIGHT_REACTION=" + o.Reaction, "AIRTIGHT_RUN=" + o.ID(), "AIRTIGHT_ATTEMPT=" + strconv.Itoa(o.Attempts),
		"AIRTIGHT_TICKET=" + o.Ticket.String(), "AIRTIGHT_VERSION=" + strconv.FormatUint(o.Version, 10),
	}
	output, err := d.config.Programs(ctx, p.Name, slices.Clone(p.Arguments), environment, append(text, '\n'))
	return attempted{failed: err, why: reasonOf(err), output: output}
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func recordOf(ctx context.Context, r storage.Reader, id incident.ID, version uint64) (incident.Record, error) {
	records, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{id}, Versions: []uint64{version}})
	if err == nil && len(records) == 0 {
		err = ErrNoRecord
	}
	if err != nil {
		return incident.Record{}, err
	}
	return records[0], nil
}

// tries returns how often a reaction is tried.
func (d *Desk) tries(name string) int {
	re, _ := d.config.Policy.Reaction(name)
	return re.Tries()
}

// errTaken: another courier has taken the row meanwhile.
var errTaken = errors.New("desk: another courier has the reaction")

// conclude writes down what came of an attempt: the record, the mail that it has made,
// and the row of the outbox, which says the same, in one update. errTaken: the row
// is not the one any more that was attempted. [*UnsealedError]: the mail cannot be signed
// or encrypted as it must be.
func (d *Desk) conclude(ctx context.Context, o storage.Outgoing, a attempted) error {
	seed, err := d.seed()
	if err != nil {
		return err
	}
	var result *Result
	err = update(ctx, d.store, func(ctx context.Context, tx storage.Tx) error {
		if err := unchanged(ctx, tx, o); err != nil {
			return err
		}
		run := d.newRun(incident.System, nil, seed, tx)
		run.outcome = o.Reaction
		cause := incident.Cause{Rule: o.Reaction, Ticket: o.Ticket, Version: o.Version}
		if a.letter != nil {
			if err := run.inform(ctx, o.Ticket, *a.letter, cause); err != nil {
				return err
			}
		}
		outcome := incident.ReactionDone
		switch o.Status {
		case storage.Queued:
			outcome = incident.ReactionFailed
		case storage.Failed:
			outcome = incident.ReactionGivenUp
		}
		done := workflow.Conclude{
			Ticket: o.Ticket, Reaction: o.Reaction, Version: o.Version, Attempt: o.Attempts,
			Outcome: outcome, Why: shortened(a.why), Output: string(a.output),
		}
		if err := run.command(ctx, done, cause); err != nil {
			return err
		}
		if err := run.derive(ctx); err != nil {
			return err
		}
		if err := run.draft.PutOutgoing(ctx, o); err != nil {
			return err
		}
		var err error
		result, err = run.flush(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	d.Announce(ctx, result)
	return nil
}

// unchanged returns errTaken unless the stored row is the one that is held.
func unchanged(ctx context.Context, r storage.Reader, o storage.Outgoing) error {
	rows, err := r.Outgoing(ctx, storage.OutgoingQuery{Tickets: []incident.ID{o.Ticket}, Only: storage.OnlyReactions})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(rows, func(row storage.Outgoing) bool { return row.ID() == o.ID() && row.Revision == o.Revision }) {
		return errTaken
	}
	return nil
}

// shortened makes a reason fit for a record: no program may fill it.
func shortened(why string) string {
	const most = 300
	if runes := []rune(incident.Clean(why)); len(runes) > most {
		return string(runes[:most]) + " ..."
	}
	return why
}

// inform seals a letter, appends it to its ticket and queues it. Its refusal is an
// error, not a note.
func (r *run) inform(ctx context.Context, id incident.ID, l letter, cause incident.Cause) error {
	t, err := r.draft.Ticket(ctx, id)
	if err != nil {
		return err
	}
	inform := workflow.Inform{Ticket: id, Entity: l.entity}
	inform.Entity.Sealed, inform.Blobs, err = r.seal(ctx, t, l.seal, l.raw, l.entity.To...)
	if err != nil {
		return err
	}
	if _, err := r.decide(t, inform, workflow.Facts{}); err != nil {
		return err
	}
	return r.command(ctx, inform, cause)
}

// letter is a mail that is not sealed yet.
type letter struct {
	entity incident.MessageEntity
	raw    []byte
	seal   workflow.Seal
}

// mailTo makes the mail of a reaction.
func (d *Desk) mailTo(ctx context.Context, o storage.Outgoing, m workflow.MailReaction) attempted {
	if d.config.From.Address == "" {
		return failure("this desk has no mailbox to send from", nil)
	}
	var w writing
	err := d.store.View(ctx, func(ctx context.Context, r storage.Reader) (err error) {
		w, err = d.write(ctx, r, o.Ticket, m)
		return err
	})
	_, missing := errors.AsType[*NoTemplateError](w.err)
	switch {
	case err != nil:
		return failure("the ticket could not be read", err)
	case w.ticket.MergedInto != 0:
		a := failure("the ticket was merged into another one", nil)
		a.never = true
		return a
	case missing:
		return failure(fmt.Sprintf("this desk has no template %q", m.Template), nil)
	case w.err != nil:
		return failure(fmt.Sprintf("the template %q could not be filled in", m.Template), w.err)
	case len(w.to) == 0:
		return failure("there is nobody to write to", nil)
	}
	l, err := d.letter(o, w)
	if err != nil {
		return failure("the mail could not be written", err)
	}
	l.seal.Sign = m.Sign
	return attempted{letter: l}
}

// writing is what a mail of a reaction says, and to whom; err is what is wrong with
// its template.
type writing struct {
	ticket  incident.Ticket
	to      []incident.Party
	subject string
	text    string
	err     error
}

// write fills in a template for a ticket. Whatever it names and is not known is an
// error: no mail that nobody looks at goes out half made.
func (d *Desk) write(ctx context.Context, r storage.Reader, id incident.ID, m workflow.MailReaction) (w writing, err error) {
	if w.ticket, err = r.Ticket(ctx, id); err != nil {
		return w, err
	}
	f := filling{ticket: w.ticket, to: d.audience(w.ticket, m.To), refuse: true}
	t, err := d.templatesOf(ctx, r)
	if err != nil {
		return w, err
	}
	if f.incidents, err = d.incidentsOf(ctx, r, w.ticket, nil); err != nil {
		return w, err
	}
	f.languages = d.languagesFor("", f.to, w.ticket, f.incidents)
	var known bool
	if f.template, known = t.pick(m.Template, f.languages...); !known {
		w.err = &NoTemplateError{m.Template, t.allowed()}
		return w, nil
	}
	expanded, wrong, err := d.fill(ctx, r, t, f)
	if w.err = wrong; err != nil {
		return w, err
	}
	w.to, w.subject, w.text = f.to, expanded.Subject, expanded.Text
	if len(expanded.To) > 0 {
		w.to = expanded.To
	}
	w.to, _ = mail.Recipients(mail.Addressees{To: w.to, Own: d.own, Squelched: d.config.Policy.Squelches})
	if w.subject == "" {
		w.subject = w.ticket.Subject
	}
	if d.config.Tag.Name != "" {
		w.subject = d.config.Tag.Put(w.subject, id)
	}
	return w, nil
}

// audience returns the people of a ticket, each mailbox once, and none of ours.
func (d *Desk) audience(t incident.Ticket, groups []workflow.Audience) []incident.Party {
	if len(groups) == 0 {
		groups = []workflow.Audience{workflow.ToContacts}
	}
	var people []incident.Party
	for _, group := range groups {
		for _, p := range map[workflow.Audience][]incident.Party{
			workflow.ToContacts: t.Contacts, workflow.ToRequestors: t.Requestors, workflow.ToCc: t.Cc,
			workflow.ToOperationsCentre: {d.config.Policy.OperationsCentre},
		}[group] {
			known := slices.ContainsFunc(people, func(have incident.Party) bool { return incident.SameAddress(have.Address, p.Address) })
			if p.Address != "" && !known && !d.own(p.Address) {
				people = append(people, p)
			}
		}
	}
	return people
}

// letter writes the mail.
func (d *Desk) letter(o storage.Outgoing, w writing) (*letter, error) {
	seed, err := d.seed()
	if err != nil {
		return nil, err
	}
	at := d.now()
	l := &letter{entity: incident.MessageEntity{
		MessageID: d.messageID(seed, o.Ticket), From: d.config.From, To: w.to, Subject: w.subject, Date: &at,
	}}
	l.raw, err = mail.Compose(mail.Letter{
		From: l.entity.From, To: w.to, Subject: w.subject, MessageID: l.entity.MessageID, Date: at,
		Text: w.text, Desk: d.name(), AutoSubmitted: "auto-generated",
	})
	return l, err
}

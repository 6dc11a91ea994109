package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Receipt says what became of a mail.
type Receipt struct {
	Ticket  incident.ID  `json:"ticket"`
	Version uint64       `json:"version"` // of the record that holds the message
	Again   bool         `json:"again"`   // it was here already: only a note was made
	Held    bool         `json:"held"`    // it waits for a person
	Verdict mail.Verdict `json:"verdict"` // where it belongs, and why
	Machine bool         `json:"machine"` // a machine wrote it
}

// Bounds on what one mail may add to a ticket. What is beyond them stays in the
// raw mail.
const (
	maxReferences  = 100
	maxObservables = 1000
	maxFindings    = 20
	maxParties     = 200
	maxTags        = 20
	maxLine        = 4000 // bytes of a subject or name
)

// largeBody is how many bytes a mail may have that is kept in the store even if
// there is a better place.
const largeBody = 64 << 10

// Receive takes in one mail. When it returns without an error the mail is
// stored, raw bytes and all: as a message of the ticket to which it belongs, or
// as a new report, held when nobody but a person can say where it belongs.
//
// A mail whose bytes were received before, or whose Message-ID and contents
// were, leaves only a note on the earlier ticket. If a rule or hook fails, the
// mail is stored as a held report without asking rules and hooks again: no sender
// is told of our own faults.
//
// Errors: a [*mail.Error] with code 552 when the mail is larger than
// Config.Limits allows; anything else comes from the store or the context and is
// temporary: the same mail may be offered again.
func (d *Desk) Receive(ctx context.Context, env mail.Envelope, raw []byte) (*Receipt, error) {
	in, err := d.read(ctx, env, raw)
	if err != nil {
		return nil, err
	}
	if in.apart {
		if _, err := d.config.Blobs.Put(ctx, raw); err != nil {
			return nil, err
		}
	}
	receipt, err := d.receive(ctx, in, nil)
	if err == nil || !ours(err) {
		return receipt, err
	}
	d.config.Log.Error("mail is held because it could not be handled", "error", err)
	return d.receive(ctx, in, err)
}

// ours reports whether an error is the fault of a rule, a hook or the policy,
// and not of the store.
func ours(err error) bool {
	var veto *VetoError
	var replacement *ReplacementError
	var loop *workflow.LoopError
	var unasked *workflow.UnaskedError
	var argument *workflow.ArgumentError
	var missing *workflow.NoTicketError
	return refusal(err) || errors.As(err, &veto) || errors.As(err, &replacement) || errors.As(err, &loop) || errors.As(err, &unasked) ||
		errors.As(err, &argument) || errors.As(err, &missing)
}

// receive stores a mail in one update. failed is why the first attempt, with
// hooks and rules, did not succeed; nil in that attempt.
func (d *Desk) receive(ctx context.Context, in *incoming, failed error) (*Receipt, error) {
	seed, err := d.seed()
	if err != nil {
		return nil, err
	}
	var receipt *Receipt
	var changes storage.Changes
	var done *run
	err = update(ctx, d.store, func(ctx context.Context, tx storage.Tx) error {
		done = d.newRun(in.actor, nil, seed, tx)
		done.plain, done.mail = failed != nil, in
		var err error
		if receipt, err = done.receive(ctx, in, failed); err != nil {
			return err
		}
		changes, err = done.draft.Flush(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	d.announce(ctx, done.calls, changes.Records)
	return receipt, nil
}

func (r *run) receive(ctx context.Context, in *incoming, failed error) (*Receipt, error) {
	if !in.apart {
		if _, err := r.draft.PutBlob(ctx, in.raw); err != nil {
			return nil, err
		}
	}
	rawKey := storage.Key{Space: claimRaw, Value: in.digest.String()}
	if receipt, err := r.receivedAgain(ctx, in, rawKey); receipt != nil || err != nil {
		return receipt, err
	}
	verdict, err := r.thread(ctx, in)
	if err == nil {
		verdict, err = r.bounced(ctx, in, verdict)
	}
	if err != nil {
		return nil, err
	}
	if verdict, err = r.trusted(ctx, in, verdict); err != nil {
		return nil, err
	}
	if failed != nil {
		candidates := verdict.Candidates
		if verdict.Ticket != 0 {
			candidates = []incident.ID{verdict.Ticket}
		}
		verdict = mail.Verdict{Action: mail.Hold, Candidates: candidates, Reason: heldFailed, Why: append(verdict.Why, failureText(failed))}
	}
	command, err := r.intakeCommand(ctx, in, verdict)
	if err != nil {
		return nil, err
	}
	if err := r.clearAnswered(ctx, in); err != nil {
		return nil, err
	}
	receipt := &Receipt{Ticket: verdict.Ticket, Verdict: verdict, Machine: in.isMachine()}
	if in.report != nil && failed == nil {
		err = r.receiveReport(ctx, in, command, receipt)
	} else {
		err = r.all(ctx, []workflow.Command{command})
	}
	if err != nil {
		return nil, err
	}
	if receipt.Ticket == 0 {
		receipt.Ticket = r.opened[0]
	}
	if len(r.opened) > 0 {
		opened, err := r.draft.Ticket(ctx, receipt.Ticket) // a hook may hold a mail, or not
		if err != nil {
			return nil, err
		}
		receipt.Held = opened.Held != nil
	}
	for _, key := range []storage.Key{rawKey, in.copyKey} {
		if key.Value == "" {
			continue
		}
		if _, err := r.draft.Claim(ctx, key, receipt.Ticket); err != nil {
			return nil, err
		}
	}
	if err := r.claimSignatures(ctx, in, receipt.Ticket); err != nil {
		return nil, err
	}
	receipt.Version, err = r.messageVersion(ctx, receipt.Ticket, in.digest)
	return receipt, err
}

// heldFailed is the reason of a held mail that we could not handle.
const heldFailed = "failed"

// failureText is what a held mail says about our own fault.
func failureText(err error) string {
	return "It could not be handled: " + incident.Clean(err.Error())
}

// messageVersion returns the version of the drafted record that holds a blob.
func (r *run) messageVersion(ctx context.Context, id incident.ID, digest incident.Digest) (uint64, error) {
	for _, record := range r.draft.Drafted(id) {
		if slices.Contains(record.Blobs, digest) {
			return record.Version, nil
		}
	}
	return 0, ctx.Err()
}

// receivedAgain notes that a mail is here already; nil when it is not.
func (r *run) receivedAgain(ctx context.Context, in *incoming, rawKey storage.Key) (*Receipt, error) {
	again := workflow.ReceiveAgain{
		Same: "bytes", MessageID: in.entity.MessageID, EnvelopeFrom: in.entity.EnvelopeFrom, EnvelopeTo: in.entity.EnvelopeTo,
	}
	holder, found, err := r.draft.Claimed(ctx, rawKey)
	if err == nil && !found && in.copyKey.Value != "" {
		again.Same, again.Blobs = "message", []incident.Digest{in.digest}
		if holder, found, err = r.draft.Claimed(ctx, in.copyKey); err == nil && found {
			_, err = r.draft.Claim(ctx, rawKey, holder)
		}
	}
	if err != nil || !found {
		return nil, err
	}
	again.Ticket = holder
	if err := r.all(ctx, []workflow.Command{again}); err != nil {
		return nil, err
	}
	return &Receipt{
		Ticket: holder, Again: true, Machine: in.machine.Any(),
		Verdict: mail.Verdict{Action: mail.Append, Ticket: holder, Reason: "received-again", Why: []string{
			fmt.Sprintf("The same %s was received before, as part of ticket %s.", again.Same, holder),
		}},
	}, nil
}

// thread gathers what mail.Thread must know and asks it.
func (r *run) thread(ctx context.Context, in *incoming) (mail.Verdict, error) {
	input := mail.ThreadInput{
		Tagged: in.tagged, Tickets: map[incident.ID]incident.Ticket{},
		Sender: in.sender.Address, Team: in.team, Machine: in.machine.Any(),
	}
	ids := slices.Clone(in.entity.InReplyTo)
	for _, id := range slices.Backward(in.entity.References) {
		ids = append(ids, id)
	}
	for _, id := range ids {
		for _, space := range []string{claimMessageID, claimReference} {
			if err := r.replied(ctx, &input, space, id); err != nil {
				return mail.Verdict{}, err
			}
		}
	}
	// An answer may arrive before the message that it answers.
	if id := in.entity.MessageID; id != "" {
		if err := r.replied(ctx, &input, claimReference, id); err != nil {
			return mail.Verdict{}, err
		}
	}
	for _, id := range slices.Concat(input.Tagged, input.Replied) {
		for range 100 { // as many merges are followed
			t, err := r.draft.Ticket(ctx, id)
			if errors.Is(err, storage.ErrNotFound) {
				break
			}
			if err != nil {
				return mail.Verdict{}, err
			}
			input.Tickets[id] = t
			if id = t.MergedInto; id == 0 {
				break
			}
		}
	}
	return mail.Thread(input), nil
}

func (r *run) replied(ctx context.Context, input *mail.ThreadInput, space, id string) error {
	holder, found, err := r.draft.Claimed(ctx, storage.Key{Space: space, Value: id})
	if found && !slices.Contains(input.Replied, holder) {
		input.Replied = append(input.Replied, holder)
	}
	return err
}

// intakeCommand turns a verdict into the command that carries it out.
func (r *run) intakeCommand(ctx context.Context, in *incoming, verdict mail.Verdict) (workflow.Command, error) {
	m := workflow.Mail{
		Side: incident.Outside, Machine: in.isMachine(), Thread: verdict.Reason, Trust: in.trust,
		Entity: in.entity, Blobs: []incident.Digest{in.digest}, Deliveries: in.deliveries,
	}
	if in.team {
		m.Side = incident.Inside
	}
	m.Flags = append(flags(in, verdict), in.open.flags()...)
	m.Entity.Why = slices.Concat(verdict.Why, in.entity.Why)
	if why := mail.Unanswerable(in.msg, in.env, in.machine); why != "" && !m.Machine {
		m.Flags = append(m.Flags, workflow.FlagQuiet)
		m.Entity.Why = append(m.Entity.Why, why)
	}
	if id := in.entity.MessageID; id != "" {
		holder, taken, err := r.draft.Claimed(ctx, storage.Key{Space: claimMessageID, Value: id})
		if err != nil {
			return nil, err
		}
		if taken {
			m.Entity.Findings = append(slices.Clone(m.Entity.Findings),
				fmt.Sprintf("its Message-ID is that of another message, on ticket %s", holder))
		}
	}
	if strings.Contains(strings.ToLower(in.msg.Get("RT-Control")), "no-autoopen") {
		m.Flags = append(m.Flags, workflow.FlagNoReopen)
	}
	if verdict.Action == mail.Append || verdict.Action == mail.AppendFlagged {
		t, err := r.draft.Ticket(ctx, verdict.Ticket)
		if err != nil {
			return nil, err
		}
		// Whom the ticket asks is outside of it, of whatever domain (RT SLA: a
		// requestor is, unless he owns the ticket): our own operations centre, say.
		asked := slices.ContainsFunc(t.Requestors, func(p incident.Party) bool { return incident.SameAddress(p.Address, in.sender.Address) })
		if asked && t.Owner != in.actor {
			m.Side = incident.Outside
		}
		m.Answers = m.Side == incident.Inside && !m.Machine && slices.ContainsFunc(slices.Concat(m.Entity.To, m.Entity.Cc), func(p incident.Party) bool {
			return t.Corresponds(p.Address)
		})
		return workflow.Append{Ticket: verdict.Ticket, Mail: m}, nil
	}
	constituency, why := r.desk.constituency(in)
	m.Entity.Why = append(m.Entity.Why, why...)
	open := workflow.Open{
		Kind: incident.KindReport, Subject: in.entity.Subject, Via: in.via(), Constituency: constituency,
		Requestors: r.desk.requestors(in), Mail: &m,
	}
	if verdict.Action == mail.Hold {
		open.Held = &incident.Held{Reason: verdict.Reason, Candidates: verdict.Candidates}
	}
	return open, nil
}

// flags are what a list shows about a message in a word each.
func flags(in *incoming, verdict mail.Verdict) []string {
	machine := in.machine
	var flags []string
	for _, f := range []struct {
		set  bool
		name string
	}{
		{machine.Loop, "loop"}, {machine.Bounce || in.bounce != nil, flagBounce}, {machine.Auto, "auto"}, {machine.Bulk, "bulk"},
		{verdict.Action == mail.AppendFlagged, "stranger"},
	} {
		if f.set {
			flags = append(flags, f.name)
		}
	}
	return flags
}

// constituency says whose mail opens a report, by the recipients; without an
// envelope, by those of the header; and where they do not say, by what it mentions.
func (d *Desk) constituency(in *incoming) (name string, why []string) {
	recipients := in.env.To
	if len(recipients) == 0 {
		for _, p := range slices.Concat(in.msg.To, in.msg.Cc) {
			recipients = append(recipients, p.Address)
		}
	}
	for _, address := range recipients {
		r, _ := d.recipient(address)
		switch {
		case r.Constituency == "" || r.Constituency == name:
		case name == "":
			name = r.Constituency
			why = append(why, fmt.Sprintf("Its constituency is %s, because it was sent to %s.", name, incident.Clean(address)))
		default:
			why = append(why, fmt.Sprintf("It was sent to %s of constituency %s as well.", incident.Clean(address), r.Constituency))
		}
	}
	if name == "" {
		return in.owner, in.ownerWhy
	}
	return name, cut(why, maxFindings)
}

// requestors returns whom a reply to a new report goes to: where the sender
// wants answers (RFC 5322 3.6.2), nobody for a bounce, never the desk itself.
func (d *Desk) requestors(in *incoming) []incident.Party {
	to := cmp.Or(firstParty(in.msg.ReplyTo), in.sender)
	o, err := incident.NewObservable(incident.MailAddress, to.Address, incident.RoleUnknown)
	if err != nil || in.machine.Bounce || in.machine.Loop || d.own(to.Address) {
		return nil
	}
	return []incident.Party{{Name: cutLine(to.Name), Address: o.Value}}
}

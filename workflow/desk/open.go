package desk

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// openWait is how long a mail that comes in waits for its opener and its verifier,
// each, before it is stored without their word.
const openWait = 10 * time.Second

// Bounds on what a record keeps of the protections of a mail. The rest is in the
// raw mail.
const (
	maxLayers  = 20
	maxKeys    = 20 // recipients and signatures of a layer, addresses of a signer
	maxReasons = 50
)

// Spaces of claims on signatures: so that one which is taken over into another
// mail proves nothing there.
const (
	claimSignature = "signature"         // by incident.Signature.Signed
	claimSignedIn  = "signature-of-mail" // the same and the digest of the raw mail
)

// opening is a mail without its protection, and what is known about its writer.
type opening struct {
	mail.Opened
	unopened error // the opener can say nothing now
	results  []mail.MethodResult
	forged   []string
	findings []string
}

// reader returns the mail as somebody reads it; header is that of the raw mail,
// limit what was too much of it.
func (o opening) reader(header *mail.Message, limit error, limits mail.Limits) (*mail.Message, error) {
	if len(o.Layers) == 0 {
		return header, limit
	}
	return mail.Parse(o.Mail, limits)
}

// open takes off the protection of a mail that came in, and asks who vouches for its
// sender. It never fails: what cannot be said now is a finding.
func (d *Desk) open(ctx context.Context, raw []byte, header *mail.Message) opening {
	o := opening{Opened: mail.Opened{Mail: raw}}
	if d.config.Opener != nil {
		waiting, cancel := context.WithTimeout(ctx, openWait)
		opened, err := d.config.Opener.Open(waiting, raw)
		cancel()
		if err == nil {
			o.Opened = opened
		} else {
			o.unopened = err
			o.findings = append(o.findings, cutLine("it could not be opened when it came: "+incident.Clean(err.Error())))
			d.config.Log.Warn("mail is kept unopened", "error", err)
		}
	}
	o.results, o.forged = d.config.OwnServer.Results(header)
	said := slices.ContainsFunc(o.results, func(r mail.MethodResult) bool { return r.Method == "dkim" || r.Method == "dmarc" })
	if d.config.Verifier != nil && !said {
		waiting, cancel := context.WithTimeout(ctx, openWait)
		results, err := d.config.Verifier.Verify(waiting, raw)
		cancel()
		o.results = append(o.results, results...)
		if err != nil {
			o.findings = append(o.findings, cutLine("signatures of domains could not be checked when it came: "+incident.Clean(err.Error())))
		}
	}
	return o
}

// flags are what a list shows about the protection of a message.
func (o opening) flags() (flags []string) {
	if len(o.forged) > 0 {
		flags = append(flags, incident.FlagForged)
	}
	if o.unopened != nil || o.Wanting() {
		flags = append(flags, incident.FlagUnopened)
	}
	return flags
}

// layers are what a record keeps.
func (o opening) layers() []incident.Layer {
	layers := slices.Clone(cut(o.Layers, maxLayers))
	for i := range layers {
		l := &layers[i]
		l.Recipients, l.Why = cut(l.Recipients, maxKeys), reasons(l.Why)
		l.Signatures = slices.Clone(cut(l.Signatures, maxKeys))
		for j := range l.Signatures {
			s := &l.Signatures[j]
			s.Signers, s.Why = cut(s.Signers, maxKeys), cutLine(incident.Clean(s.Why))
		}
	}
	return layers
}

// reasons are sentences as a record keeps them.
func reasons(list []string) (kept []string) {
	for _, s := range cut(list, maxReasons) {
		kept = append(kept, cutLine(incident.Clean(s)))
	}
	return kept
}

// good are the signatures that are fine, each once.
func (o opening) good() (list []string) {
	for _, l := range o.Layers {
		for _, s := range l.Signatures {
			if s.State == incident.SignatureGood && s.Signed != "" && !slices.Contains(list, s.Signed) {
				list = append(list, s.Signed)
			}
		}
	}
	return list
}

// author says who wrote a mail that belongs to a ticket, or to none (the zero
// Ticket), and how sure that is.
func (r *run) author(ctx context.Context, in *incoming, t incident.Ticket) (incident.Trust, []string, error) {
	var used []string
	for _, signed := range in.open.good() {
		_, known, err := r.draft.Claimed(ctx, storage.Key{Space: claimSignature, Value: signed})
		if err == nil && known {
			_, known, err = r.draft.Claimed(ctx, in.signature(signed))
			known = !known
		}
		if err != nil {
			return incident.TrustNone, nil, err
		}
		if known {
			used = append(used, signed)
		}
	}
	address := in.sender.Address
	a := mail.Author(mail.AuthorInput{
		Message: in.header, Results: in.open.results, Forged: in.open.forged, Opened: in.open.Opened, Since: t.Created, Used: used,
		Contact: in.team || t.Corresponds(address) || r.desk.config.Contact != nil && r.desk.config.Contact(address),
	})
	trust := map[mail.Standing]incident.Trust{
		mail.Known: incident.TrustKnown, mail.Authenticated: incident.TrustAuthenticated, mail.Signed: incident.TrustSigned,
	}[a.Standing]
	return trust, reasons(a.Why), nil
}

// signature is the claim on a signature in this very mail.
func (in *incoming) signature(signed string) storage.Key {
	return storage.Key{Space: claimSignedIn, Value: signed + "\n" + in.digest.String()}
}

// claimSignatures lets the signatures of a mail count for no other.
func (r *run) claimSignatures(ctx context.Context, in *incoming, id incident.ID) error {
	for _, signed := range in.open.good() {
		_, known, err := r.draft.Claimed(ctx, storage.Key{Space: claimSignature, Value: signed})
		if err != nil || known {
			return err
		}
		for _, key := range []storage.Key{{Space: claimSignature, Value: signed}, in.signature(signed)} {
			if _, err := r.draft.Claim(ctx, key, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// trusted gives the mail its degree of trust, and holds it where the policy wants
// more.
func (r *run) trusted(ctx context.Context, in *incoming, verdict mail.Verdict) (mail.Verdict, error) {
	var about incident.Ticket
	id := verdict.Ticket
	if len(verdict.Candidates) == 1 {
		id = verdict.Candidates[0]
	}
	if id != 0 {
		var err error
		if about, err = r.draft.Ticket(ctx, id); err != nil {
			return verdict, err
		}
	}
	var err error
	if in.trust, in.entity.Authorship, err = r.author(ctx, in, about); err != nil {
		return verdict, err
	}
	least := r.policy.MailTrust.Append
	appends := verdict.Action == mail.Append || verdict.Action == mail.AppendFlagged
	if !appends || in.trust.Reaches(least) || len(in.deliveries) > 0 { // a bounce proves itself by the Message-ID
		return verdict, nil
	}
	held := mail.Verdict{Action: mail.Hold, Candidates: []incident.ID{verdict.Ticket}, Reason: "untrusted", Why: append(verdict.Why,
		fmt.Sprintf("The policy appends mail that is %s at least; this is %s.", least, cmp.Or(string(in.trust), "from a stranger")))}
	if in.trust == incident.TrustNone {
		held.Reason, held.Why[len(held.Why)-1] = "stranger", "The policy appends no mail of strangers."
	}
	return held, nil
}

// Opened returns a mail of a ticket as it is to be read: one that came in without
// its protection, opened anew with the keys that there are now, and never kept so;
// one that we sent as it was written, before it was signed or encrypted.
//
// Errors: [*workflow.NoTicketError]; ErrNoBody, if the record has no mail; those of
// Config.Opener and of the store.
func (s *Session) Opened(ctx context.Context, id incident.ID, version uint64) (mail.Opened, error) {
	m, raw, err := s.mail(ctx, id, version)
	if err != nil || m.Sent || s.desk.config.Opener == nil {
		return mail.Opened{Mail: raw}, err
	}
	return s.desk.config.Opener.Open(ctx, raw)
}

// mail returns a message that is a mail, and its raw bytes.
func (s *Session) mail(ctx context.Context, id incident.ID, version uint64) (m incident.Message, raw []byte, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		if _, err := s.ticket(ctx, r, id); err != nil {
			return err
		}
		records, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{id}, Versions: []uint64{version}, Types: []string{m.Type()}})
		if err != nil {
			return err
		}
		list := decodeMessages(records)
		if len(list) == 0 || len(list[0].Message.Blobs) == 0 || !list[0].Message.IsMail() {
			return ErrNoBody
		}
		m = list[0].Message
		raw, err = s.desk.body(ctx, r, m.Blobs[0])
		return err
	})
	return m, raw, err
}

// Examine opens a mail that came in once more, with the keys that there are now,
// and records what came of it: protections, who wrote it, what it mentions, and what
// machines report in it, whatever the source: without logs and other texts, as that of
// all mail that came encrypted. It does nothing else: no rule asks again whether the mail
// approves or opens something. If all is as it is known already, nothing is recorded.
//
// Errors: those of [Session.Opened]; of Do, but for those of the policy's commands;
// [*workflow.RightsError], if the command "examine" is not the actor's to give.
func (s *Session) Examine(ctx context.Context, id incident.ID, version uint64) (*Result, error) {
	err := s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		t, err := s.ticket(ctx, r, id)
		if err == nil {
			err = s.who.Check(workflow.Examine{Ticket: id}, t, nil)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	m, raw, err := s.mail(ctx, id, version)
	if err != nil {
		return nil, err
	}
	if m.Sent {
		return nil, fmt.Errorf("%w that came in: record %d of ticket %s is our own", ErrNoBody, version, id)
	}
	header, _ := mail.Parse(raw, s.desk.config.Limits)
	in := s.desk.incoming(mail.Envelope{From: m.Content.EnvelopeFrom, To: m.Content.EnvelopeTo}, raw, header)
	in.open = opening{Opened: mail.Opened{Mail: raw}}
	if s.desk.config.Opener != nil {
		if in.open.Opened, err = s.desk.config.Opener.Open(ctx, raw); err != nil {
			return nil, err
		}
	}
	in.open.results, in.open.forged = s.desk.config.OwnServer.Results(header)
	msg, limit := in.open.reader(header, nil, s.desk.config.Limits)
	in.msg = msg
	var findings []string
	in.report, findings = s.desk.machineReport(in)
	seed, err := s.desk.seed()
	if err != nil {
		return nil, err
	}
	var result *Result
	err = update(ctx, s.desk.store, func(ctx context.Context, tx storage.Tx) error {
		r := s.newRun(seed, tx)
		command, count, err := r.examination(ctx, in, limit, id, version)
		if err == nil && command != nil {
			command.Found.Findings = append(command.Found.Findings, findings...)
			if err = r.all(ctx, []workflow.Command{*command}); err == nil {
				err = r.claimSignatures(ctx, in, id)
			}
			if err == nil && count != nil {
				err = count()
			}
		}
		if err == nil {
			result, err = r.flush(ctx, tx)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.desk.Announce(ctx, result)
	return result, nil
}

// examination is the command that notes what came of opening a message again, nil if
// that is known, and what is to be done behind it.
func (r *run) examination(ctx context.Context, in *incoming, limit error, id incident.ID, version uint64) (c *workflow.Examine, after func() error, err error) {
	t, err := r.draft.Ticket(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	about := t
	history, err := r.draft.History(ctx, storage.HistoryQuery{
		Tickets: []incident.ID{id}, Types: []string{incident.Message{}.Type(), incident.Examined{}.Type()},
	})
	if err != nil {
		return nil, nil, err
	}
	var known workflow.Examine
	var came incident.Trust
	var opened int // of its layers, when it came
	for _, record := range history {
		switch ev, _ := incident.Decode(record); e := ev.(type) {
		case incident.Message:
			if record.Version == version {
				opened = decrypted(e.Content.Layers)
				if came = e.Trust; record.Command == (workflow.Open{}).Name() {
					about = incident.Ticket{} // it is about no ticket that was there before
				}
				known.Trust, known.Found = e.Trust, incident.ExaminedContent{Layers: e.Content.Layers, Observables: e.Content.Observables}
			}
		case incident.Examined:
			if e.Version == version {
				known.Trust, known.Found = e.Trust, e.Content
			}
		}
	}
	entity := r.desk.entity(in, limit)
	c = &workflow.Examine{Ticket: id, Message: version, Found: incident.ExaminedContent{
		Layers: in.open.layers(), Observables: entity.Observables, Findings: entity.Findings,
	}}
	if in.msg.Subject != in.header.Subject {
		c.Found.Subject = entity.Subject
	}
	if c.Trust, c.Found.Authorship, err = r.author(ctx, in, about); err != nil {
		return nil, nil, err
	}
	if in.report != nil && decrypted(in.open.Layers) > opened {
		if after, err = r.reopened(ctx, in, t, c); err != nil {
			return nil, nil, err
		}
	}
	if came != incident.TrustSigned && !c.Trust.Reaches(came) { // a key of the domain may be gone; one of a person is asked anew
		c.Trust = came
		c.Found.Authorship = append(c.Found.Authorship, fmt.Sprintf("When it came it was %s.", came))
	}
	before, err := json.Marshal(finding{known.Trust, known.Found.Layers, known.Found.Observables})
	if err != nil {
		return nil, nil, err
	}
	now, err := json.Marshal(finding{c.Trust, c.Found.Layers, c.Found.Observables})
	if err != nil || bytes.Equal(before, now) {
		return nil, nil, err
	}
	return c, after, nil
}

// reopened adds to a command what machines report in a mail that could not be opened
// before; it stays with the ticket of that mail. after claims it.
func (r *run) reopened(ctx context.Context, in *incoming, t incident.Ticket, c *workflow.Examine) (after func() error, err error) {
	s, why, findings, err := r.sort(ctx, in.report)
	if err != nil {
		return nil, err
	}
	c.Found.Observables = cut(append(c.Found.Observables, in.report.sources()...), maxObservables)
	c.Found.Findings = append(append(c.Found.Findings, why), findings...)
	if len(s.groups) == 0 {
		return nil, nil
	}
	all, observed := s.together(t, in.digest)
	c.Observed = &observed
	return func() error { return s.count(ctx, all, t.ID) }, nil
}

// decrypted counts the protections that were taken off.
func decrypted(layers []incident.Layer) (n int) {
	for _, l := range layers {
		if l.Decryption == incident.Decrypted {
			n++
		}
	}
	return n
}

// finding is what is worth a new record.
type finding struct {
	Trust       incident.Trust
	Layers      []incident.Layer
	Observables []incident.Observable
}

// readable returns a mail that came in as it is to be read. Where it cannot be
// opened now, it is the raw mail.
func (d *Desk) readable(ctx context.Context, m incident.Message, raw []byte) []byte {
	if m.Sent || d.config.Opener == nil {
		return raw
	}
	waiting, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	opened, err := d.config.Opener.Open(waiting, raw)
	if err != nil {
		return raw
	}
	return opened.Mail
}

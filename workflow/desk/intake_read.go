package desk

import (
	"bytes"
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

// incoming is a mail that was read.
type incoming struct {
	raw     []byte
	digest  incident.Digest // of raw
	apart   bool            // raw goes to Config.Blobs
	env     mail.Envelope
	msg     *mail.Message // as it is to be read
	header  *mail.Message // the raw mail
	open    opening
	trust   incident.Trust // in the ticket that it goes to
	machine mail.Machine
	sender  incident.Party
	actor   incident.Actor
	team    bool
	entity  incident.MessageEntity
	tagged  []incident.ID
	report  *machineReport // that it is; nil: it is none
	copyKey storage.Key    // empty Value: the mail has no Message-ID

	bounce     *mail.Bounce        // nil: it is none
	deliveries []workflow.Delivery // what it says of a mail of ours

	owner    string // the constituency of what it mentions
	ownerWhy []string
}

func (d *Desk) read(ctx context.Context, env mail.Envelope, raw []byte) (*incoming, error) {
	header, err := mail.Parse(raw, d.config.Limits)
	var limit *mail.LimitError
	if errors.As(err, &limit) && limit.Limit == "Bytes" {
		return nil, &mail.Error{Code: 552, Enhanced: "5.3.4", Message: fmt.Sprintf("message is larger than %d bytes", limit.Allowed)}
	}
	in := d.incoming(env, raw, header)
	in.open = d.open(ctx, raw, header)
	in.msg, err = in.open.reader(header, err, d.config.Limits)
	in.tagged = cut(d.config.Tag.Find(in.msg.Subject), maxTags)
	var findings []string
	in.report, findings = d.machineReport(in)
	in.entity = d.entity(in, err)
	in.entity.Findings = append(in.entity.Findings, findings...)
	in.entity.Layers = in.open.layers()
	in.owner, in.ownerWhy = d.whose(incident.KindReport, in.entity.Observables)
	if header.MessageID != "" {
		in.copyKey = storage.Key{Space: claimCopy, Value: header.MessageID + "\n" + fingerprint(header, raw)}
	}
	return in, nil
}

// incoming says what a mail is before anything is opened in it.
func (d *Desk) incoming(env mail.Envelope, raw []byte, header *mail.Message) *incoming {
	in := &incoming{
		raw: raw, digest: incident.DigestOf(raw), apart: d.config.Blobs != nil && len(raw) > largeBody,
		env: env, msg: header, header: header, machine: mail.Detect(header, env, d.name()), actor: incident.Correspondent,
	}
	in.sender = cmp.Or(firstParty(header.From), firstParty(header.Sender), incident.Party{Address: incident.Clean(env.From)})
	if actor, ok := d.member(in.sender.Address); ok && !in.machine.Bounce {
		in.actor, in.team = actor, true
	}
	in.readBounce()
	return in
}

func firstParty(list []incident.Party) incident.Party {
	i := slices.IndexFunc(list, func(p incident.Party) bool { return p.Address != "" })
	if i < 0 {
		return incident.Party{}
	}
	return list[i]
}

// fingerprint tells two copies of a mail that came by different ways, and so
// differ in their trace fields only, from two mails with one Message-ID.
func fingerprint(msg *mail.Message, raw []byte) string {
	body := raw
	for _, end := range []string{"\r\n\r\n", "\n\n", "\r\r"} {
		if _, after, ok := bytes.Cut(raw, []byte(end)); ok && len(after) < len(body) {
			body = after
			break
		}
	}
	fields := []byte(msg.Get("From") + "\n" + msg.Get("Date") + "\n" + msg.Subject + "\n")
	return incident.DigestOf(append(fields, body...)).String()
}

// entity returns the erasable part of the message's record.
func (d *Desk) entity(in *incoming, limit error) incident.MessageEntity {
	msg := in.msg
	e := incident.MessageEntity{
		MessageID: msg.MessageID, InReplyTo: cut(msg.InReplyTo, 10), References: ends(msg.References, maxReferences),
		From: in.sender, To: cut(msg.To, maxParties), Cc: cut(msg.Cc, maxParties), Subject: cutLine(msg.Subject),
		EnvelopeFrom: incident.Clean(in.env.From), Why: in.machine.Why,
	}
	for _, to := range in.env.To {
		e.EnvelopeTo = append(e.EnvelopeTo, incident.Clean(to))
	}
	if !msg.Date.IsZero() {
		date := incident.Moment(msg.Date)
		e.Date = &date
	}
	var n int
	if e.Observables, n = d.observables(texts(msg, in.machine.Bounce || in.report != nil)); n > maxObservables {
		e.Findings = append(e.Findings, fmt.Sprintf("only %d of its %d addresses were taken over", maxObservables, n))
	}
	if e.Subject != msg.Subject {
		e.Findings = append(e.Findings, fmt.Sprintf("only %d bytes of its subject were taken over", len(e.Subject)))
	}
	if limit != nil {
		e.Findings = append(e.Findings, limit.Error())
	}
	e.Findings = append(e.Findings, in.open.findings...)
	for _, defect := range cut(msg.Defects, maxFindings) {
		e.Findings = append(e.Findings, defect.Where+": "+defect.What)
	}
	return e
}

func cut[T any](list []T, n int) []T { return list[:min(len(list), n)] }

// cutLine cuts between characters.
func cutLine(s string) string {
	if len(s) <= maxLine {
		return s
	}
	return strings.ToValidUTF8(s[:maxLine], "")
}

// ends keeps the first tenth and the last of a long list: the root of a thread
// and what is nearest.
func ends[T any](list []T, n int) []T {
	if len(list) <= n {
		return list
	}
	return slices.Concat(list[:n/10], list[len(list)-(n-n/10):])
}

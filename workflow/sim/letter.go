package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
)

// mailWord hands in a mail. It has no Date, so that the same step is the same
// mail, as long as it says the same ID.
type mailWord struct {
	From     incident.Party      `json:"from"`
	To       []incident.Party    `json:"to,omitempty"`
	Cc       []incident.Party    `json:"cc,omitempty"`
	Subject  string              `json:"subject,omitempty"`
	Re       []incident.ID       `json:"re,omitempty"` // tickets whose tags go into the subject
	Answers  incident.ID         `json:"answers,omitempty"`
	ID       string              `json:"id,omitempty"`
	Envelope *string             `json:"envelope,omitempty"` // its sender; nil: From
	Header   map[string][]string `json:"header,omitempty"`

	// Bounces makes it a delivery report about the newest mail of a ticket to one of
	// Failed; of which it says Action ("failed" if empty) and Status.
	Bounces incident.ID `json:"bounces,omitempty"`
	Failed  []string    `json:"failed,omitempty"`
	Action  string      `json:"action,omitempty"`
	Status  string      `json:"status,omitempty"`
}

func (w mailWord) play(ctx context.Context, p *player, s Step) (o outcome, err error) {
	p.mails++
	if w.ID == "" {
		w.ID = fmt.Sprintf("mail-%d@example.org", p.mails)
	}
	if len(w.To) == 0 {
		w.To = []incident.Party{p.w.from}
	}
	envelope := mail.Envelope{From: w.From.Address}
	if w.Envelope != nil {
		envelope.From = *w.Envelope
	}
	for _, to := range w.To {
		envelope.To = append(envelope.To, to.Address)
	}
	for i, id := range w.Re {
		switch {
		case i > 0:
			w.Subject += " " + p.w.tag.Format(id)
		case w.Subject == "":
			subject, err := p.subject(ctx, id)
			if err != nil {
				return o, err
			}
			w.Subject = "Re: " + p.w.tag.Put(subject, id)
		default:
			w.Subject = p.w.tag.Put(w.Subject, id)
		}
	}
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", oneLine(name), value)
		}
	}
	line("From", addresses(w.From))
	line("To", addresses(w.To...))
	line("Cc", addresses(w.Cc...))
	line("Subject", encoded(w.Subject))
	line("Message-ID", oneLine("<"+w.ID+">"))
	if w.Answers != 0 {
		id, err := p.lastMessage(ctx, w.Answers)
		if err != nil {
			return outcome{refused: err}, nil
		}
		line("In-Reply-To", "<"+id+">")
	}
	for _, name := range slices.Sorted(maps.Keys(w.Header)) {
		for _, value := range w.Header[name] {
			line(name, encoded(value))
		}
	}
	if w.Bounces != 0 {
		about, err := p.header(ctx, w.Bounces, w.Failed)
		if err != nil {
			return outcome{refused: err}, nil
		}
		w.report(&b, s.Text, about)
	} else {
		b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
		for _, text := range s.Text {
			b.WriteString(text + "\r\n")
		}
	}
	receipt, err := p.w.Receive(ctx, envelope, []byte(b.String()))
	if err == nil {
		p.name(s.Calls[0].Opens, receipt.Ticket)
	}
	return outcome{refused: err}, nil
}

// subject returns that of a ticket; "" for one that does not exist, whose tag is a
// fine subject too.
func (p *player) subject(ctx context.Context, id incident.ID) (subject string, err error) {
	err = p.w.Store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		t, err := r.Ticket(ctx, id)
		if errors.Is(err, storage.ErrNotFound) {
			return nil
		}
		subject = t.Subject
		return err
	})
	return subject, err
}

// lastMessage returns the Message-ID of the newest message of a ticket.
func (p *player) lastMessage(ctx context.Context, id incident.ID) (messageID string, err error) {
	err = p.w.Store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		messages, err := r.History(ctx, storage.HistoryQuery{
			Tickets: []incident.ID{id}, Types: []string{incident.Message{}.Type()}, Descending: true,
		})
		for _, record := range messages {
			if ev, err := incident.Decode(record); err == nil {
				if messageID = ev.(incident.Message).Content.MessageID; messageID != "" {
					return nil
				}
			}
		}
		if err == nil {
			err = fmt.Errorf("the newest message of ticket %s %w", id, errNoName)
		}
		return err
	})
	return messageID, err
}

func addresses(list ...incident.Party) string {
	var all []string
	for _, p := range list {
		if p.Name != "" {
			p.Name = encoded(p.Name)
		}
		all = append(all, oneLine(p.String()))
	}
	return strings.Join(all, ", ")
}

func encoded(s string) string { return mime.QEncoding.Encode("utf-8", oneLine(s)) }

// oneLine keeps a value inside of its header line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
}

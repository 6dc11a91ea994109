package desk

import (
	"context"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// keepWords lets a record be found by what it says: a new subject and new numbers of
// others, the text of a message or comment. Of a mail that came in encrypted only what
// its raw bytes say: nothing of its opened text is kept.
//
// What rules write counts for nothing: it may name tickets that not everybody who sees
// this one may see.
func (r *run) keepWords(ctx context.Context, ch workflow.Change, typed string) error {
	var texts []string
	if m, ok := ch.Event.(incident.Message); ch.Cause.Rule != "" && (!ok || m.Sent) {
		return nil
	}
	if ch.After.Subject != ch.Before.Subject {
		texts = append(texts, ch.After.Subject)
	}
	if !slices.Equal(ch.Before.ExternalIDs, ch.After.ExternalIDs) {
		texts = append(texts, ch.After.ExternalIDs...)
	}
	switch ev := ch.Event.(type) {
	case incident.Commented:
		texts = append(texts, typed)
	case incident.Message:
		switch {
		case ev.Sent && ev.Machine:
		case typed != "":
			texts = append(texts, ev.Content.Subject, typed)
		case len(ev.Blobs) > 0 && ev.IsMail():
			text, err := r.mailText(ctx, ev.Blobs[0])
			if err != nil {
				return err
			}
			texts = append(texts, ev.Content.Subject, text)
		}
	}
	words := storage.Words(texts...)
	if len(words) == 0 {
		return nil
	}
	return r.draft.PutText(ctx, storage.Text{Ticket: ch.After.ID, Version: ch.After.Version, Words: words})
}

// mailText returns the text of a mail as it came.
func (r *run) mailText(ctx context.Context, digest incident.Digest) (string, error) {
	if r.mail != nil && r.mail.digest == digest {
		return r.mail.header.Text, nil
	}
	raw, err := r.desk.body(ctx, r.draft, digest)
	if err != nil {
		return "", err
	}
	msg, _ := mail.Parse(raw, r.desk.config.Limits) // what can be read of it
	return msg.Text, nil
}

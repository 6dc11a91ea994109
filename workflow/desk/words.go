package desk

import (
	"context"
	"errors"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
)

// said are the texts that a record is found by: a subject and numbers of others that it
// sets, what a message or comment says. body returns the text of a digest. Of a mail
// that came in encrypted only what its raw bytes say: nothing of its opened text is
// kept.
//
// What rules write counts for nothing: it may name tickets that not everybody who sees
// this one may see.
func said(record incident.Record, ev incident.Event, body func(digest incident.Digest, isMail bool) (string, error)) (texts []string, err error) {
	var blobs []incident.Digest
	isMail := false
	switch ev := ev.(type) {
	case incident.Opened:
		return append(ev.Content.ExternalIDs, ev.Content.Subject), nil
	case incident.Edited:
		if ev.Content.ExternalIDs != nil {
			texts = append(texts, *ev.Content.ExternalIDs...)
		}
		if ev.Content.Subject != nil {
			texts = append(texts, *ev.Content.Subject)
		}
		return texts, nil
	case incident.Commented:
		blobs = ev.Blobs
	case incident.Message:
		if ev.Sent && (ev.Machine || record.Cause.Rule != "") {
			return nil, nil
		}
		texts, blobs, isMail = []string{ev.Content.Subject}, ev.Blobs, ev.IsMail()
	}
	_, isComment := ev.(incident.Commented)
	if len(blobs) == 0 || isComment && record.Cause.Rule != "" {
		return texts, nil
	}
	text, err := body(blobs[0], isMail)
	return append(texts, text), err
}

// keepWords lets a record be found by what it says.
func (r *run) keepWords(ctx context.Context, record incident.Record, ev incident.Event, typed string) error {
	texts, err := said(record, ev, func(digest incident.Digest, isMail bool) (string, error) {
		switch {
		case typed != "":
			return typed, nil
		case r.mail != nil && r.mail.digest == digest:
			return r.mail.header.Text, nil
		}
		return r.desk.bodyText(ctx, r.draft, digest, isMail)
	})
	words := storage.Words(texts...)
	if err != nil || len(words) == 0 {
		return err
	}
	return r.draft.PutText(ctx, storage.Text{Ticket: record.Ticket, Version: record.Version, Words: words})
}

// bodyText returns the text of a body as it came.
func (d *Desk) bodyText(ctx context.Context, r storage.Reader, digest incident.Digest, isMail bool) (string, error) {
	raw, err := d.body(ctx, r, digest)
	if err != nil || !isMail {
		return string(raw), err
	}
	msg, _ := mail.Parse(raw, d.config.Limits) // what can be read of it
	return msg.Text, nil
}

// wordsPage is how many records one update of KeepWords looks at.
const wordsPage = 200

// KeepWords lets records that are stored be found by what they say, those with a Seq
// behind after: for a store that was written by an earlier version of this library,
// which kept no words. It works on at most 200 records, in one update, and returns the
// Seq to go on after; more is false at the end of the feed. It may be done again, and
// beside everything else.
//
// Errors: [ErrNoTextSearch]; those of the store. A body that is not there is left out.
func (d *Desk) KeepWords(ctx context.Context, after uint64) (next uint64, more bool, err error) {
	err = update(ctx, d.store, func(ctx context.Context, tx storage.Tx) error {
		next, more = after, false
		keeper, ok := tx.(storage.TextKeeper)
		if !ok {
			return ErrNoTextSearch
		}
		records, err := tx.History(ctx, storage.HistoryQuery{After: after, Limit: wordsPage})
		if err != nil {
			return err
		}
		for _, record := range records {
			next, more = record.Seq, true
			ev, err := incident.Decode(record)
			if err != nil {
				continue // desk verify tells
			}
			texts, err := said(record, ev, func(digest incident.Digest, isMail bool) (string, error) {
				text, err := d.bodyText(ctx, tx, digest, isMail)
				if errors.Is(err, storage.ErrNotFound) {
					err = nil
				}
				return text, err
			})
			if words := storage.Words(texts...); err == nil && len(words) > 0 {
				err = keeper.PutText(ctx, storage.Text{Ticket: record.Ticket, Version: record.Version, Words: words})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return next, more, err
}

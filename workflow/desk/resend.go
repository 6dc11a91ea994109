package desk

import (
	"context"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// lastSent returns the newest mail that a person sent on a ticket, if there is one, with
// the text and files that it was made of.
func (r *run) lastSent(ctx context.Context, id incident.ID) ([]workflow.MessageRecord, error) {
	sent, err := newestOf(ctx, r.draft, id, func(m workflow.MessageRecord) bool {
		return m.Message.Sent && !m.Message.Machine && len(m.Message.Blobs) > 0
	})
	if err != nil || len(sent) == 0 {
		return nil, err
	}
	raw, err := r.desk.body(ctx, r.draft, sent[0].Message.Blobs[0])
	if err != nil {
		return nil, err
	}
	parsed, err := mail.Parse(raw, mail.Limits{}) // we wrote it: larger than what we take is no harm
	if err != nil {
		return nil, err
	}
	if len(parsed.Parts) > 0 { // as it was written, which its Text need not be
		sent[0].Text = string(parsed.Parts[0].Content)
	}
	for _, part := range parsed.Parts {
		if parsed.Type == "multipart/mixed" && part.Disposition == "attachment" && part.Depth == 1 { // deeper is inside of a file
			sent[0].Files = append(sent[0].Files, workflow.File{Name: part.Name, Type: part.Type, Content: part.Content})
		}
	}
	return sent, nil
}

// Chasing counts how often the correspondents of a ticket were waited for in vain
// (JANET 3.15). It reads the messages and due dates that passed of its history. Its
// error is that of [Session.Ticket].
func (s *Session) Chasing(ctx context.Context, id incident.ID) (c workflow.Chasing, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		t, err := s.ticket(ctx, r, id)
		if err == nil {
			c, err = chasing(ctx, r, t)
		}
		return err
	})
	return c, err
}

// chasing counts for a ticket that may have been waited for.
func chasing(ctx context.Context, r storage.Reader, t incident.Ticket) (workflow.Chasing, error) {
	if t.Kind == incident.KindIncident || t.LastInside == nil || t.Messages < 2 && t.OverdueNoted == nil {
		return workflow.Chasing{}, nil
	}
	history, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{t.ID}, Types: workflow.ChasingTypes()})
	return workflow.ChasingOf(history), err
}

package desk

import (
	"context"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Files returns the files of a message, ready to go with a command: the
// attachments of a mail, or what came with what was no mail. So an investigation is
// launched with some of what a report has brought (JANET 3.13). [ErrNoBody]: the
// record is no message, or has no body.
func (s *Session) Files(ctx context.Context, id incident.ID, version uint64) (files []workflow.File, err error) {
	err = s.view(ctx, func(ctx context.Context, reader storage.Reader) error {
		if _, err := s.ticket(ctx, reader, id); err != nil {
			return err
		}
		records, err := reader.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{id}, Versions: []uint64{version}})
		if err != nil {
			return err
		}
		if shut, err := s.shut(ctx, reader, records); err != nil {
			return err
		} else if shut {
			return ErrNoBody
		}
		messages := decodeMessages(records)
		if len(messages) == 0 || len(messages[0].Message.Blobs) == 0 {
			return ErrNoBody
		}
		m := messages[0].Message
		if !m.IsMail() {
			for _, a := range m.Content.Attachments {
				content, err := s.desk.body(ctx, reader, a.Blob)
				if err != nil {
					return err
				}
				files = append(files, workflow.File{Name: a.Name, Type: a.Type, Content: content})
			}
			return nil
		}
		raw, err := s.desk.body(ctx, reader, m.Blobs[0])
		if err != nil {
			return err
		}
		parsed, _ := mail.Parse(s.desk.readable(ctx, m, raw), s.desk.config.Limits) // what is wrong with it stands in its record
		inside := -1                                                                // depth of an attached mail, whose own parts are in it
		for _, p := range parsed.Parts {
			if inside >= 0 && p.Depth > inside {
				continue
			}
			inside = -1
			if p.Type == "message/rfc822" {
				inside = p.Depth
			}
			if p.Disposition == "attachment" || p.Name != "" || inside >= 0 {
				files = append(files, workflow.File{Name: p.Name, Type: p.Type, Content: slices.Clone(p.Content)})
			}
		}
		return nil
	})
	return files, err
}

package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Spaces of claims of the desk itself. A claim is never taken away, so an address is
// claimed anew each time that it is marked, and each time that it is cleared: it is
// defective when it was marked once more than it was cleared. Stores keep only a
// digest of it.
const (
	claimMarked  = "address-marked"
	claimCleared = "address-cleared"
)

// marking returns whether an address is defective, and the number of its next claim.
// It asks twice for each time that somebody has cleared the address, and once more.
func marking(ctx context.Context, r storage.Reader, address string) (defective bool, n int, err error) {
	for n = 1; ; n++ {
		for _, space := range []string{claimMarked, claimCleared} {
			_, there, err := r.Claimed(ctx, markKey(space, address, n))
			if err != nil || !there {
				return err == nil && space == claimCleared, n, err
			}
		}
	}
}

func markKey(space, address string, n int) storage.Key {
	return storage.Key{Space: space, Value: incident.MailKey(address) + " " + strconv.Itoa(n)}
}

// mark claims an address for a mark, or for the end of one.
func (r *run) mark(ctx context.Context, space, address string) error {
	_, n, err := marking(ctx, r.draft, address)
	if err == nil {
		_, err = r.draft.Claim(ctx, markKey(space, address, n), incident.Desk)
	}
	return err
}

// ofDesk reports whether a command is about the desk itself.
func ofDesk(c workflow.Command) bool {
	switch c.(type) {
	case workflow.MarkAddress, workflow.ClearAddress:
		return true
	}
	return false
}

// itself returns the ticket of the desk, which begins with its first record.
func (r *run) itself(ctx context.Context) (incident.Ticket, incident.ID, error) {
	t, err := r.draft.Ticket(ctx, incident.Desk)
	if errors.Is(err, storage.ErrNotFound) {
		err = nil
	}
	return t, incident.Desk, err
}

// reachable refuses a mail that would reach nobody, and warns of each recipient whose
// address is defective.
func (r *run) reachable(ctx context.Context, t incident.Ticket, m incident.Message) error {
	recipients := slices.Concat(m.Content.To, m.Content.Cc)
	bad, err := defective(ctx, r.draft, recipients)
	switch {
	case err != nil:
		return err
	case len(bad) > 0 && len(bad) == len(recipients):
		return &workflow.RefusedError{Command: "reply", Ticket: t.ID, Why: "mail to all its recipients comes back: edit their addresses, or clear them first (clear-address)"}
	}
	for _, address := range bad {
		if r.visible(t) {
			r.warnings = append(r.warnings, fmt.Sprintf("mail to %s comes back; on ticket %s it goes there all the same", address, t.ID))
		}
	}
	return nil
}

// defective returns the addresses of some people that are marked.
func defective(ctx context.Context, r storage.Reader, people []incident.Party) (bad []string, err error) {
	for _, p := range people {
		is, _, err := marking(ctx, r, p.Address)
		if err != nil {
			return nil, err
		}
		if is {
			bad = append(bad, p.Address)
		}
	}
	return bad, nil
}

// Defective returns the addresses of a ticket's requestors and copies to which mail
// comes back (JANET 3.13). Its error is that of [Session.Ticket].
func (s *Session) Defective(ctx context.Context, id incident.ID) (bad []string, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		t, err := s.ticket(ctx, r, id)
		if err == nil {
			bad, err = defective(ctx, r, slices.Concat(t.Requestors, t.Cc))
		}
		return err
	})
	return bad, err
}

// DefectiveAddress is an address to which mail comes back. Ticket and Version name the
// record of the bounce that showed it.
type DefectiveAddress struct {
	Address string      `json:"address"`
	Reason  string      `json:"reason,omitempty"` // as in [incident.Bounced]
	Status  string      `json:"status,omitempty"`
	Ticket  incident.ID `json:"ticket"`
	Version uint64      `json:"version"`
	Since   time.Time   `json:"since"`
}

// DefectiveAddresses returns all addresses that are marked and not cleared, the oldest
// mark first, as far as the actor may see the tickets that they came back to. It
// reads every mark that there ever was; of one whose content was erased nothing is
// left to tell.
func (s *Session) DefectiveAddresses(ctx context.Context) (list []DefectiveAddress, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		list = []DefectiveAddress{}
		history, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{incident.Desk}, Types: []string{
			incident.AddressMarked{}.Type(), incident.AddressCleared{}.Type(),
		}})
		if err != nil {
			return err
		}
		marked := map[string]DefectiveAddress{}
		for _, record := range history {
			switch ev, _ := incident.Decode(record); ev := ev.(type) {
			case incident.AddressMarked:
				marked[incident.MailKey(ev.Content.Address)] = DefectiveAddress{
					Address: ev.Content.Address, Reason: ev.Reason, Status: ev.Status, Ticket: ev.Ticket, Version: ev.Version, Since: record.At,
				}
			case incident.AddressCleared:
				delete(marked, incident.MailKey(ev.Content.Address))
			}
		}
		for _, d := range marked {
			_, err := s.ticket(ctx, r, d.Ticket)
			var hidden *workflow.NoTicketError
			if errors.As(err, &hidden) || d.Address == "" {
				continue
			}
			if err != nil {
				return err
			}
			list = append(list, d)
		}
		slices.SortFunc(list, func(a, b DefectiveAddress) int { return a.Since.Compare(b.Since) })
		return nil
	})
	return list, err
}

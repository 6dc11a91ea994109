package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// waiting are the statuses of outgoing mail that a person has to look at.
func waiting() []storage.OutStatus {
	return []storage.OutStatus{storage.Parked, storage.Failed, storage.Uncertain}
}

func outStatuses() []storage.OutStatus {
	return append(waiting(), storage.Queued, storage.Leased, storage.Sending, storage.Sent, storage.Dropped)
}

// outgoing is the subcommand outbox: without words the mail that waits for a person.
func outgoing(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	q := storage.OutgoingQuery{Only: storage.OnlyMail}
	flags.Func("status", "`status` of the mail, repeatable: parked, failed, uncertain, queued, leased, sending, sent, dropped; default: the first three", func(s string) error {
		status := storage.OutStatus(s)
		if !slices.Contains(outStatuses(), status) {
			return fmt.Errorf("there is no status %q: allowed are %v", s, outStatuses())
		}
		q.Statuses = append(q.Statuses, status)
		return nil
	})
	flags.IntVar(&q.Limit, "limit", 100, "`number` of rows at most; 0: all")
	return func(ctx context.Context, words []string) error {
		switch {
		case len(words) == 0:
			if q.Limit < 0 {
				return usage("--limit %d is no number of rows: allowed are 0 and more", q.Limit)
			}
			if len(q.Statuses) == 0 {
				q.Statuses = waiting()
			}
			return c.listOutbox(ctx, q)
		case len(words) > 1 && words[0] == "release":
			return d.settleMail(ctx, words[1:], func(m workflow.ReleaseMail) workflow.Command { return m })
		case len(words) > 1 && words[0] == "drop":
			return d.settleMail(ctx, words[1:], func(m workflow.ReleaseMail) workflow.Command { return workflow.DropMail(m) })
		case len(words) > 1 && words[0] == "confirm":
			return d.settleMail(ctx, words[1:], func(m workflow.ReleaseMail) workflow.Command { return workflow.ConfirmMail(m) })
		}
		return usage("%q is nothing that desk outbox does: allowed are nothing, release ID..., drop ID..., confirm ID...", strings.Join(words, " "))
	}
}

// settleMail says what becomes of mail: of one row, 7.3.0, of all rows of a mail, 7.3,
// or of all that waits on a ticket, 7.
func (d doing) settleMail(ctx context.Context, words []string, command func(workflow.ReleaseMail) workflow.Command) error {
	var commands []workflow.Command
	for _, word := range words {
		at, ok := parseSpot(word)
		if !ok {
			return usage("%q is no outgoing mail: allowed is a row like 7.3.0, all of a mail like 7.3, or a ticket like 7", word)
		}
		commands = append(commands, command(workflow.ReleaseMail{Ticket: at.ticket, Version: at.version, Number: at.number}))
	}
	return d.do(ctx, commands...)
}

// spot is something in the history of a ticket: 7, 7.3 or 7.3.0.
type spot struct {
	ticket  incident.ID
	version uint64 // 0: not said
	number  *int   // nil: not said
}

func parseSpot(word string) (at spot, ok bool) {
	parts := strings.Split(strings.TrimPrefix(word, "#"), ".")
	var err error
	if at.ticket, err = incident.ParseID(parts[0]); err != nil || len(parts) > 3 {
		return at, false
	}
	if len(parts) > 1 {
		if at.version, err = strconv.ParseUint(parts[1], 10, 63); err != nil || at.version == 0 {
			return at, false
		}
	}
	if len(parts) > 2 {
		number, err := strconv.ParseUint(parts[2], 10, 31)
		n := int(number)
		if at.number = &n; err != nil {
			return at, false
		}
	}
	return at, true
}

func (c *call) listOutbox(ctx context.Context, q storage.OutgoingQuery) error {
	w, err := c.open(ctx, setting{})
	if err != nil {
		return err
	}
	defer w.Close()
	rows, err := w.me.Outbox(ctx, q)
	if err != nil {
		return err
	}
	if c.json {
		if rows == nil {
			rows = []storage.Outgoing{}
		}
		return c.printJSON(rows)
	}
	if len(rows) == 0 {
		fmt.Fprintf(c.stdout, "no mail is %s\n", orList(q.Statuses))
		return nil
	}
	table := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "MAIL\tSTATUS\tTO\tQUEUED\tTRIES\tWHY")
	for _, o := range rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", o.ID(), o.Status, printable(o.To),
			o.Queued.In(c.zone).Format("2006-01-02 15:04"), o.Attempts, printable(o.LastError))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if q.Limit > 0 && len(rows) == q.Limit {
		fmt.Fprintf(c.stdout, "these are %d; there may be more: --limit 0 shows all\n", len(rows))
	}
	return nil
}

func orList(statuses []storage.OutStatus) string {
	var words []string
	for _, s := range statuses {
		words = append(words, string(s))
	}
	return strings.Join(words, " or ")
}

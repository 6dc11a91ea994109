package sim

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// report writes what follows the header of a bounce: a delivery report (RFC 3464)
// with a text in front and the header of the mail behind it.
func (w mailWord) report(b *strings.Builder, text []string, about []byte) {
	const boundary = "report"
	part := func(kind string) { fmt.Fprintf(b, "--%s\r\nContent-Type: %s\r\n\r\n", boundary, kind) }
	fmt.Fprintf(b, "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=%q\r\n\r\n", boundary)
	part("text/plain; charset=utf-8")
	for _, line := range text {
		b.WriteString(line + "\r\n")
	}
	part("message/delivery-status")
	b.WriteString("Reporting-MTA: dns; mx.example.com\r\n")
	for _, address := range w.Failed {
		fmt.Fprintf(b, "\r\nFinal-Recipient: rfc822; %s\r\nAction: %s\r\n", oneLine(address), oneLine(cmp.Or(w.Action, "failed")))
		if w.Status != "" {
			fmt.Fprintf(b, "Status: %s\r\n", oneLine(w.Status))
		}
	}
	part("text/rfc822-headers")
	fmt.Fprintf(b, "%s\r\n--%s--\r\n", about, boundary)
}

// header returns that of the newest mail that a ticket has sent, to one of some
// addresses if it has sent any there.
func (p *player) header(ctx context.Context, id incident.ID, to []string) (header []byte, err error) {
	err = p.w.Store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		rows, err := r.Outgoing(ctx, storage.OutgoingQuery{Tickets: []incident.ID{id}, Only: storage.OnlyMail})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return fmt.Errorf("the newest mail of ticket %s %w", id, errNoName)
		}
		newest := rows[len(rows)-1]
		for _, row := range slices.Backward(rows) {
			if slices.ContainsFunc(to, func(address string) bool { return incident.SameAddress(address, row.To) }) {
				newest = row
				break
			}
		}
		raw, err := read(ctx, r, newest.Blob)
		header, _, _ = bytes.Cut(raw, []byte("\r\n\r\n"))
		return err
	})
	return header, err
}

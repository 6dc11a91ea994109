package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/adapters/smtp"
	"github.com/airtight-csirt/airtight/mail"
)

func receive(c *call, flags *flag.FlagSet) action {
	var sender *string
	maybe(flags, "from", "envelope sender, an `address`, or <> for the null sender; default: the header Return-Path, else not known", &sender, word[string])
	var to []string
	collect(flags, "to", "envelope recipient, an `address`, repeatable; default: what the header says, else the desk's mailbox", &to, word[string])
	return func(ctx context.Context, _ []string) error {
		raw, err := c.read("a mail", "desk receive < mail.eml")
		if err != nil {
			return err
		}
		env, err := envelope(raw, sender, to, c.mailboxes())
		if err != nil {
			return err
		}
		w, err := c.open(ctx, setting{create: true})
		if err != nil {
			return err
		}
		defer w.Close()
		receipt, err := w.desk.Receive(ctx, env, raw)
		if err != nil {
			return err
		}
		if c.json {
			return c.printJSON(receipt)
		}
		what := map[mail.Action]string{
			mail.Append: "added to ticket", mail.AppendFlagged: "added to ticket", mail.Hold: "held as report", mail.OpenReport: "new report",
		}[receipt.Verdict.Action]
		if receipt.Again {
			what = "received again: noted on ticket"
		}
		fmt.Fprintf(c.stdout, "%s #%s (%s)\n", what, receipt.Ticket, receipt.Verdict.Reason)
		for _, why := range receipt.Verdict.Why {
			fmt.Fprintf(c.stdout, "  %s\n", printable(why))
		}
		return nil
	}
}

// envelope says what is known about how a mail travelled. The zero Envelope is
// one of which nothing is known, which is not the same as the null sender.
//
// own are the desk's mailboxes: those that the header names stand in for recipients
// that nobody has told, or else the first.
func envelope(raw []byte, sender *string, to, own []string) (mail.Envelope, error) {
	m, _ := mail.Parse(raw, mail.Limits{Bytes: 64 << 10}) // of a large mail, what is wrong with it is said later
	if sender == nil {
		if path := strings.TrimSpace(m.Get("Return-Path")); path != "" {
			sender = &path
		}
	}
	if sender == nil && len(to) > 0 {
		return mail.Envelope{}, usage("--to needs --from: the mail has no Return-Path, and an envelope without sender would be that of a bounce")
	}
	if sender == nil {
		return mail.Envelope{}, nil
	}
	if len(to) == 0 {
		taken := smtp.Only(own...)
		for _, p := range slices.Concat(m.To, m.Cc) {
			if taken(p.Address) {
				to = append(to, p.Address)
			}
		}
	}
	if len(to) == 0 {
		to = own[:1]
	}
	return mail.Envelope{From: strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(*sender), "<"), ">"), To: to}, nil
}

// read returns standard input: a little more than a mail may have, so that what
// is too large is seen to be.
func (c *call) read(what, example string) ([]byte, error) {
	if terminal(c.stdin) {
		return nil, usage("%s is read from standard input: type %s", what, example)
	}
	raw, err := io.ReadAll(io.LimitReader(c.stdin, mailLimit+1))
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	if len(raw) == 0 {
		return nil, errors.New("standard input is empty: " + example + " wants " + what + " there")
	}
	return raw, nil
}

// terminal reports whether a person, or nobody at all (/dev/null), is at the other
// end.
func terminal(file any) bool {
	f, ok := file.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

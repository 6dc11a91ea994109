package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// lookups are the subcommands that find out what is known of something, and the work
// that follows from it.
func lookups() []subcommand {
	return []subcommand{
		{"lookup", "ADDRESS | NETWORK | HOST | MAIL | TEXT | ID", "find the tickets that mention something, and whose it is; a text is words, a number that ticket", 1, -1, lookUp},
		{"extract", "< text", "find addresses, networks, names, URLs, hashes and CVE ids in a text, with their offsets in bytes", 0, 0, extract},
		{"suggest", "ID", "list the incidents that a ticket may belong to, and why; for a report of the queue a star is at those that are open and have its address", 1, 1, suggest},
		{"incident", "ADDRESS|HOST...", "open an incident for each of them: with the contacts of whose it is, as the directory or a registry says; --preview says to whom it would go, and why", 0, -1, incidents},
		{"investigate", "INCIDENT [ADDRESS|HOST...]", "ask whose each of them is, in an investigation of its own, or whom --to names", 1, -1, investigate},
		{"block", "INCIDENT ADDRESS...", "ask for a block of each of them", 1, -1, block},
		{"reindex", "", "let searches by words find what an earlier version of this program has stored; may be done at any time, and again", 0, 0, reindex},
		{"directory", "check [FILE] | diff [FILE] FILE | adopt FILE | import FILE | set SCOPE CONSTITUENCY | remove SCOPE | show", "say whose networks, names and AS numbers are: find what is wrong, compare, change; a file is .yaml or .csv", 1, 3, directories},
	}
}

// answer is what desk lookup prints.
type answer struct {
	*desk.Mentions
	Owner *desk.Owner `json:"owner,omitempty"`
}

func lookUp(c *call, flags *flag.FlagSet) action {
	widen := flags.Bool("widen", false, "look in the networks around an address too, and in the domains above a name")
	ask := flags.Bool("ask", false, "ask the resolver and the registries too, if there are any")
	days := flags.Int("days", desk.LookupDays, "only tickets that were updated within so many `days`; 0: all")
	since := flags.String("since", "", "only tickets that were updated since this `time`")
	for_ := flags.String("for", "", "`number` of a ticket: say how what is found is linked to it or merged with it")
	var kinds []incident.Kind
	flags.Func("kind", "only tickets of this `kind`, repeatable", func(s string) error {
		kind, ok := incident.ParseKind(s)
		if !ok {
			return fmt.Errorf("there is no kind %q: allowed are %v", s, incident.Kinds())
		}
		kinds = append(kinds, kind)
		return nil
	})
	after := afterFlag(flags)
	return func(ctx context.Context, words []string) error {
		w, err := c.open(ctx, setting{})
		if err != nil {
			return err
		}
		defer w.Close()
		text := strings.Join(words, " ")
		if id, err := incident.ParseID(text); err == nil {
			page, err := w.me.List(ctx, storage.Query{IDs: []incident.ID{id}}, nil)
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(page)
			}
			return c.page("ticket "+id.String(), page)
		}
		l := w.desk.ParseLookup(text)
		l.Widen, l.Kinds, l.After = *widen, kinds, *after
		switch {
		case *days < 0:
			return usage("--days %d: allowed are 0 for all, and more", *days)
		case *since != "":
			if l.Since, err = c.parseTime(*since); err != nil {
				return usage("--since: %v", err)
			}
		case *days == 0:
			l.Ever = true
		default:
			l.Since = c.now().AddDate(0, 0, -*days)
		}
		var about incident.Ticket
		if *for_ != "" {
			id, err := parseID(*for_)
			if err == nil {
				about, err = w.me.Ticket(ctx, id)
			}
			if err != nil {
				return err
			}
		}
		var found answer
		if found.Mentions, err = w.me.Mentions(ctx, l); err != nil {
			return err
		}
		if *ask && l.Text == "" && l.Observable.Kind != incident.Hash && l.Observable.Kind != incident.CVE {
			owner, err := w.me.Owner(ctx, l.Observable)
			if err != nil {
				return err
			}
			found.Owner = &owner
		}
		if c.json {
			return c.printJSON(found)
		}
		return c.found(found, about)
	}
}

// found prints what a lookup found.
func (c *call) found(a answer, about incident.Ticket) error {
	if a.Since != nil {
		fmt.Fprintf(c.stdout, "%s, tickets updated since %s\n", printable(a.Asked), a.Since.In(c.zone).Format(time.DateOnly))
	} else {
		fmt.Fprintf(c.stdout, "%s\n", printable(a.Asked))
	}
	if a.Owner != nil {
		c.owner(*a.Owner)
	} else {
		for _, why := range a.Why {
			fmt.Fprintf(c.stdout, "  %s\n", printable(why))
		}
	}
	for _, circle := range a.Circles {
		if circle.Total == 0 {
			fmt.Fprintf(c.stdout, "\n%s: no tickets\n", printable(circle.What))
		}
		for _, list := range circle.Lists {
			if list.Total == 0 {
				continue
			}
			fmt.Fprintln(c.stdout)
			if err := c.page(fmt.Sprintf("%s, %s", printable(circle.What), list.Kind), list.Page); err != nil {
				return err
			}
			for _, row := range list.Rows {
				if about.ID != 0 && row.ID != about.ID {
					c.bring(about, row.Ticket)
				}
			}
		}
	}
	if a.Neighbours.Total > 0 {
		fmt.Fprintln(c.stdout)
		return c.page("open incidents of "+printable(strings.Join(a.Constituencies, ", ")), a.Neighbours)
	}
	return nil
}

// bring says how two tickets come together.
func (c *call) bring(about, other incident.Ticket) {
	switch {
	case about.Kind != incident.KindIncident && other.Kind == incident.KindIncident:
		fmt.Fprintf(c.stdout, "  desk link %s %s\n", about.ID, other.ID)
	case about.Kind == incident.KindIncident && other.Kind != incident.KindIncident:
		fmt.Fprintf(c.stdout, "  desk link %s %s\n", other.ID, about.ID)
	case about.Kind == other.Kind:
		fmt.Fprintf(c.stdout, "  desk merge %s %s\n", max(about.ID, other.ID), min(about.ID, other.ID))
	}
}

// owner prints whose something is (AIRT paper, figure 1).
func (c *call) owner(o desk.Owner) {
	line := func(name, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != "" {
			fmt.Fprintf(c.stdout, "  %-14s %s\n", name, printable(text))
		}
	}
	line("names", "%s", strings.Join(o.Names, ", "))
	for _, a := range o.Addresses {
		line("address", "%s", a)
	}
	for _, origin := range o.Origins {
		line("announced", "%s by AS%d", origin.Prefix, origin.AS)
	}
	line("constituency", "%s", o.Constituency())
	line("network", "%s", o.Registration.Name)
	for _, contact := range o.Contacts {
		line("contact", "%s", strings.Join(strings.Fields(strings.Join([]string{contact.Role, contact.Name, contact.Address, contact.Telephone, contact.Language}, " ")), " "))
	}
	for _, text := range o.Match.Text {
		line("note", "%s", text)
	}
	for _, why := range o.Why {
		line("why", "%s", why)
	}
	for _, missing := range o.Missing {
		line("missing", "%s", missing)
	}
}

func extract(c *call, flags *flag.FlagSet) action {
	html := flags.Bool("html", false, "the text is HTML: offsets are those in its text, which --text prints")
	show := flags.Bool("text", false, "print the text that offsets count in first")
	return func(ctx context.Context, _ []string) error {
		raw, err := c.read("a text", "desk extract < text")
		if err != nil {
			return err
		}
		text := incident.Clean(string(raw))
		if *html {
			text = lookup.HTMLText(text)
		}
		if *show && !c.json {
			fmt.Fprintf(c.stdout, "%s\n\n", printableText(text))
		}
		x := lookup.Extractor{PublicSuffix: publicsuffix.PublicSuffix}
		for f := range x.All(text) {
			if err := ctx.Err(); err != nil {
				return err
			}
			place := desk.Place{Observable: f.Observable, Start: f.Start, End: f.End, Defanged: f.Defanged, Confidence: f.Confidence.String()}
			if c.json {
				err = c.printJSON(place)
			} else {
				note := place.Confidence
				if place.Defanged {
					note += ", defanged"
				}
				_, err = fmt.Fprintf(c.stdout, "%d-%d %s %s (%s)\n", place.Start, place.End, place.Observable.Kind, printable(place.Observable.Value), note)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func reindex(c *call, _ *flag.FlagSet) action {
	return func(ctx context.Context, _ []string) error {
		w, err := c.open(ctx, setting{})
		if err != nil {
			return err
		}
		defer w.Close()
		var last uint64
		for more := true; more; {
			if last, more, err = w.desk.KeepWords(ctx, last); err != nil {
				return err
			}
		}
		if c.json {
			return c.printJSON(map[string]uint64{"records": last})
		}
		_, err = fmt.Fprintf(c.stdout, "%d records can be found by their words\n", last)
		return err
	}
}

func suggest(c *call, _ *flag.FlagSet) action {
	return c.about(func(ctx context.Context, w *workplace, id incident.ID, _ []string) error {
		list, err := w.me.Suggest(ctx, id)
		if err != nil {
			return err
		}
		if c.json {
			return c.printJSON(list)
		}
		if len(list) == 0 {
			fmt.Fprintf(c.stdout, "#%s: no incident suggests itself\n", id)
		}
		for _, s := range list {
			note := fmt.Sprintf("score %d", s.Score)
			if s.Hint {
				note = "closed, a hint"
			}
			fmt.Fprintf(c.stdout, "%s %s, %s, %s: %s\n", number(s), s.Kind, s.Status, note, printable(s.Subject))
			for _, reason := range s.Reasons {
				fmt.Fprintf(c.stdout, "  %s\n", printable(reason))
			}
			switch offer := s.Offer.(type) {
			case workflow.Attach:
				fmt.Fprintf(c.stdout, "  desk append %s %s\n", offer.Ticket, offer.Incident)
			case workflow.Link:
				fmt.Fprintf(c.stdout, "  desk link %s %s\n", offer.Ticket, offer.Parent)
			case workflow.Merge:
				fmt.Fprintf(c.stdout, "  desk merge %s %s\n", offer.Ticket, offer.Into)
			}
		}
		return nil
	})
}

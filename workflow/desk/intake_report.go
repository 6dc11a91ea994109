package desk

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// Bounds on what one mail may bring as a report of machines. What is beyond them stays
// in the raw mail, and its record says so: an import has no such bounds.
const (
	maxMailObservations = 10_000 // that were read or could not be, in all of its parts
	maxMailSources      = 1000
)

// machineReport is what a mail says that is a report of machines.
type machineReport struct {
	format       string
	observations []incident.Observation
}

// machineReport looks for a report of machines in a mail, by the first of
// Config.Formats that recognises one. Why nothing, or not all, could be read is a
// finding: without observations the mail is an ordinary one.
func (d *Desk) machineReport(in *incoming) (report *machineReport, findings []string) {
	if len(d.config.Formats) == 0 || in.machine.Bounce || in.machine.Loop || in.bounce != nil {
		return nil, nil
	}
	header := in.raw
	for _, end := range []string{"\r\n\r\n", "\n\n", "\r\r"} {
		if i := bytes.Index(in.raw, []byte(end)); i >= 0 && i < len(header) {
			header = in.raw[:i]
		}
	}
	parts := append([]incident.Part{{Type: incident.HeaderType, Content: header}}, in.msg.Parts...)
	i := slices.IndexFunc(d.config.Formats, func(f incident.Format) bool { return f.Recognise(parts) })
	if i < 0 {
		return nil, nil
	}
	format := d.config.Formats[i]
	report = &machineReport{format: format.Name}
	looked, unread := 0, 0
	for o, err := range format.Mail(parts, incident.Limits{Incidents: -1}) {
		if looked++; looked > maxMailObservations {
			findings = append(findings, fmt.Sprintf("it has more than %d observations: import the rest", maxMailObservations))
			break
		}
		if err == nil {
			report.observations = append(report.observations, o)
		} else if unread++; unread <= maxFindings {
			findings = append(findings, incident.Clean(fmt.Sprintf("its report could not be read: %v", err)))
		}
	}
	if unread > maxFindings {
		findings = append(findings, fmt.Sprintf("%d more of its observations could not be read", unread-maxFindings))
	}
	if len(report.observations) == 0 {
		return nil, findings
	}
	return report, findings
}

// receiveReport stores a mail that is a report of machines. What belongs to a ticket
// goes there, and what a person must look at first waits with the mail. Otherwise each
// source has a report of its own, and the mail goes to the first of them.
func (r *run) receiveReport(ctx context.Context, in *incoming, command workflow.Command, receipt *Receipt) error {
	s := r.sorting()
	list := make([]identified, len(in.report.observations))
	for i, o := range in.report.observations {
		list[i] = r.desk.identified(o, in.report.format)
	}
	if err := s.lookUp(ctx, list); err != nil {
		return err
	}
	var beyond []string
	for i, o := range list {
		if err := s.add(ctx, o); err != nil {
			return err
		}
		if len(s.groups) > maxMailSources {
			s.groups, s.tally.Observations = s.groups[:maxMailSources], i
			beyond = []string{fmt.Sprintf("it has more than %d sources: import the rest, %d observations", maxMailSources, len(list)-i)}
			break
		}
	}
	findings := slices.Concat(s.reasons, beyond)
	why := []string{fmt.Sprintf("It is a report of machines, in the format %s: %d observations, %d of them known, %d dropped.",
		in.report.format, s.tally.Observations, s.tally.Known, s.tally.Dropped)}
	open, opens := command.(workflow.Open)
	if !opens {
		c := command.(workflow.Append)
		c.Mail.Entity.Why = append(c.Mail.Entity.Why, why...)
		c.Mail.Entity.Findings = append(slices.Clip(c.Mail.Entity.Findings), findings...)
		if err := r.all(ctx, []workflow.Command{c}); err != nil {
			return err
		}
		return r.observeAll(ctx, s, c.Ticket, in)
	}
	m := *open.Mail
	m.Entity.Why = append(m.Entity.Why, why...)
	m.Entity.Findings = append(slices.Clip(m.Entity.Findings), findings...)
	open.Mail = &m
	switch {
	case open.Held != nil:
		if err := r.all(ctx, []workflow.Command{open}); err != nil {
			return err
		}
		return r.observeAll(ctx, s, r.opened[0], in)
	case len(s.groups) == 0 && s.known != 0: // nothing new: it belongs to what is here
		id := s.known
		for range 100 { // as many merges are followed
			t, err := r.draft.Ticket(ctx, id)
			if err != nil {
				return err
			}
			if t.MergedInto == 0 {
				break
			}
			id = t.MergedInto
		}
		m.Flags = append(slices.Clip(m.Flags), workflow.FlagNoReopen)
		m.Entity.Why = append(m.Entity.Why, fmt.Sprintf("All that it reports is known, from ticket %s.", s.known))
		receipt.Ticket = id
		return r.all(ctx, []workflow.Command{workflow.Append{Ticket: id, Mail: m}})
	case len(s.groups) == 0:
		return r.all(ctx, []workflow.Command{open})
	}
	first, err := s.place(ctx, &cover{open: open, blobs: m.Blobs}, incident.Cause{})
	receipt.Ticket = first
	return err
}

// observeAll adds what a mail reports to its ticket, whatever the source.
func (r *run) observeAll(ctx context.Context, s *sorting, id incident.ID, in *incoming) error {
	if len(s.groups) == 0 {
		return nil
	}
	all := &gathered{}
	for _, g := range s.groups {
		all.list, all.ids = append(all.list, g.list...), append(all.ids, g.ids...)
	}
	t, err := r.draft.Ticket(ctx, id)
	if err != nil {
		return err
	}
	feed := s.groups[0].feed
	if t.Observations != nil {
		feed = t.Observations.Feed
	}
	if err := r.observe(ctx, t, workflow.Observed{Feed: feed, Observations: all.list, Blobs: []incident.Digest{in.digest}}, incident.Cause{}); err != nil {
		return err
	}
	if err := r.derive(ctx); err != nil {
		return err
	}
	return s.count(ctx, all, id)
}

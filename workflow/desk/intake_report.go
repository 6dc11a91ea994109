package desk

import (
	"bytes"
	"context"
	"errors"
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
	secret       bool // the mail came encrypted
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
	report = &machineReport{format: format.Name, secret: decrypted(in.open.Layers) > 0}
	looked, unread := 0, 0
	for o, err := range format.Mail(parts, incident.Limits{Incidents: -1}) {
		if looked++; looked > maxMailObservations {
			findings = append(findings, fmt.Sprintf("it has more than %d observations: import the rest", maxMailObservations))
			break
		}
		if err == nil {
			report.observations = append(report.observations, o)
		} else if unread++; unread <= maxFindings {
			findings = append(findings, incident.Clean("its report could not be read: "+report.reason(err)))
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

// reason is why something could not be read. What came encrypted is not quoted.
func (m *machineReport) reason(err error) string {
	wrong, ok := errors.AsType[*incident.FormatError](err)
	switch {
	case !m.secret:
		return err.Error()
	case !ok:
		return m.format
	}
	return (&incident.FormatError{Format: wrong.Format, Line: wrong.Line, Offset: wrong.Offset, Reason: "what is wrong is not said of mail that came encrypted"}).Error()
}

// sources are what the report is about, each once.
func (m *machineReport) sources() (list []incident.Observable) {
	seen := map[incident.Observable]bool{}
	for _, o := range m.observations {
		for _, x := range o.Sources() {
			if !seen[x] {
				list, seen[x] = append(list, x), true
			}
		}
	}
	return list
}

// untold is an observation without its texts: logs, further fields and elements of other
// vocabularies. Of mail that came encrypted the store keeps what it mentions, and no
// text of it, which might go on in clear: to other teams, in mail of templates.
func untold(o incident.Observation) incident.Observation {
	for _, part := range []struct {
		name string
		n    int
	}{{"logs", len(o.Logs)}, {"extra", len(o.Extra)}, {"foreign", len(o.Foreign)}} {
		if part.n > 0 {
			o.Left = append(slices.Clip(o.Left), part.name)
		}
	}
	o.Logs, o.Extra, o.Foreign = nil, nil, nil
	return o
}

// sort puts what a mail reports where it belongs, and says what is to be said of that.
func (r *run) sort(ctx context.Context, report *machineReport) (s *sorting, why string, findings []string, err error) {
	s = r.sorting()
	list := make([]identified, len(report.observations))
	for i, o := range report.observations {
		list[i] = r.desk.identified(o, report.format)
		if report.secret {
			list[i].Observation = untold(list[i].Observation)
		}
	}
	if err := s.lookUp(ctx, list); err != nil {
		return nil, "", nil, err
	}
	var beyond []string
	for i, o := range list {
		if err := s.add(ctx, o); err != nil {
			return nil, "", nil, err
		}
		if len(s.groups) > maxMailSources {
			s.groups, s.tally.Observations = s.groups[:maxMailSources], i
			beyond = []string{fmt.Sprintf("it has more than %d sources: import the rest, %d observations", maxMailSources, len(list)-i)}
			break
		}
	}
	why = fmt.Sprintf("It is a report of machines, in the format %s: %d observations, %d of them known, %d dropped.",
		report.format, s.tally.Observations, s.tally.Known, s.tally.Dropped)
	if report.secret {
		why += " It came encrypted: logs and other texts of them stay in it."
	}
	return s, why, slices.Concat(s.reasons, beyond), nil
}

// receiveReport stores a mail that is a report of machines. What belongs to a ticket
// goes there, and what a person must look at first waits with the mail. Otherwise each
// source has a report of its own, and the mail goes to the first of them.
func (r *run) receiveReport(ctx context.Context, in *incoming, command workflow.Command, receipt *Receipt) error {
	s, why, findings, err := r.sort(ctx, in.report)
	if err != nil {
		return err
	}
	open, opens := command.(workflow.Open)
	if !opens {
		c := command.(workflow.Append)
		c.Mail.Entity.Why = append(c.Mail.Entity.Why, why)
		c.Mail.Entity.Findings = append(slices.Clip(c.Mail.Entity.Findings), findings...)
		if err := r.all(ctx, []workflow.Command{c}); err != nil {
			return err
		}
		return r.observeAll(ctx, s, c.Ticket, in)
	}
	m := *open.Mail
	m.Entity.Why = append(m.Entity.Why, why)
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
	t, err := r.draft.Ticket(ctx, id)
	if err != nil {
		return err
	}
	all, observed := s.together(t, in.digest)
	if err := r.observe(ctx, t, observed, incident.Cause{}); err != nil {
		return err
	}
	if err := r.derive(ctx); err != nil {
		return err
	}
	return s.count(ctx, all, id)
}

// together is all that a mail reports, for one ticket.
func (s *sorting) together(t incident.Ticket, mail incident.Digest) (*gathered, workflow.Observed) {
	all := &gathered{}
	for _, g := range s.groups {
		all.list, all.ids = append(all.list, g.list...), append(all.ids, g.ids...)
	}
	feed := s.groups[0].feed
	if t.Observations != nil {
		feed = t.Observations.Feed
	}
	return all, workflow.Observed{Feed: feed, Observations: all.list, Blobs: []incident.Digest{mail}}
}

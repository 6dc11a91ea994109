package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/airtight-csirt/airtight/adapters/smtp"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
	"github.com/airtight-csirt/airtight/xirl"
)

// fate is the clock and the randomness of a story.
type fate struct {
	mu     sync.Mutex
	now    time.Time
	random *rand.ChaCha8
}

func newFate(seed uint64) *fate {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return &fate{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), random: rand.NewChaCha8(key)}
}

// Now is the time of the story.
func (f *fate) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Read implements io.Reader.
func (f *fate) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.Read(p)
}

func (f *fate) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// cast is who appears in a story, and what they do.
type cast struct {
	reporter, site, stranger incident.Party
	place, trouble, address  string
	alice, bob               incident.Actor
	answers                  int  // of the site, before all is well
	absent                   bool // the site's first answer is that of a machine
	toIncident               bool // the stranger's mail becomes a report of the incident
}

func newCast(random *rand.Rand) cast {
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	town := pick("Borchester", "Felpersham", "Ambridge", "Penny Hassett")
	who := func(name, domain string) incident.Party {
		first, _, _ := strings.Cut(name, " ")
		return incident.Party{Name: name, Address: strings.ToLower(first) + "@" + domain}
	}
	return cast{
		reporter: who(pick("Bob Baxter", "Carol Chen", "Dina Dukakis", "Emil Engel"), "example.org"),
		site:     incident.Party{Name: "NOC " + town, Address: "noc@" + strings.ToLower(strings.ReplaceAll(town, " ", "-")) + ".example.com"},
		stranger: who(pick("Fay Fisher", "Gus Grün", "Hana Haas"), "list.example.org"),
		place:    town,
		trouble:  pick("root compromise", "scan of port 22", "open relay"),
		address:  pick(fmt.Sprintf("192.0.2.%d", 1+random.IntN(250)), fmt.Sprintf("2001:db8::%x", 1+random.IntN(60000))),
		alice:    incident.Actor("handler:" + pick("alice", "anna", "ali")),
		bob:      incident.Actor("handler:" + pick("bob", "berta", "ben")),
		answers:  1 + random.IntN(3), absent: random.IntN(2) == 0, toIncident: random.IntN(2) == 0,
	}
}

// story is the work-flow of an incident from the first report to its end (JANET
// 3.3 to 3.16), played on a desk. Every mail goes through a socket. After an
// error its steps do nothing.
type story struct {
	cast
	ctx     context.Context // of the whole play
	desk    *desk.Desk
	fate    *fate
	random  *rand.Rand
	began   time.Time
	door    *host    // where the desk takes mail
	outside *outside // where everybody else does
	courier *desk.Courier
	stage   *stage
	in      int // mails that came in
	err     error

	report, incident, investigation incident.ID
	found, blocked                  incident.ID   // the report of the sensors about something new, and its incident
	notice                          *mail.Message // to whom blocked belongs, as it was signed
	routes                          string        // of the router, once it is blocked
	took                            time.Duration // from a report that was read to the incident
}

func newStory(ctx context.Context, w *workplace, fate *fate, stage *stage, seed uint64) (*story, error) {
	random := rand.New(rand.NewPCG(seed, 2))
	s := &story{cast: newCast(random), ctx: ctx, desk: w.desk, fate: fate, stage: stage, random: random, began: fate.Now()}
	var err error
	if s.outside, err = newOutside(); err != nil {
		return nil, err
	}
	if s.door, err = newHost(taking(w.desk), smtp.Only(exampleMailbox)); err != nil {
		return nil, err
	}
	s.courier = &desk.Courier{Desk: w.desk, Only: storage.OnlyMail, Sender: smtp.NewSender(s.outside.address, smtp.SenderConfig{}), Now: fate.Now}
	return s, nil
}

// end closes both doors.
func (s *story) end() error {
	if err := s.door.stop(s.ctx); err != nil {
		return err
	}
	return s.outside.stop(s.ctx)
}

func (s *story) play() {
	s.reportArrives()
	s.incidentIsMade()
	s.investigationGoesOut()
	s.sensorsReport()
	s.accessIsCut()
	if s.absent {
		s.machineAnswers()
	}
	for range s.answers {
		s.siteAnswers("We are looking for the computer.")
		s.weReply(s.investigation, "Thank you. Tell us when it is safe.")
	}
	if !s.absent {
		s.machineAnswers()
	}
	s.strayMailArrives()
	s.allIsResolved("The site has secured the computer.")
	s.later(3*24*time.Hour, 5*24*time.Hour)
	s.siteAnswers("Here is what happened, for your records.")
	s.weReply(s.investigation, "Thank you for the report.")
	s.allIsResolved("Nothing else is to be done.")
}

// reportArrives: a mail becomes a report, which somebody takes (JANET 3.3, 3.5).
func (s *story) reportArrives() {
	s.send(s.reporter, mail.Letter{
		Subject: "Trouble with " + s.address,
		Text:    fmt.Sprintf("Hello,\n\n%s does not leave our network alone. Please stop it.\n", s.address),
	})
	s.report = s.newestReport()
	s.later(5*time.Minute, 30*time.Minute)
	s.do(s.alice, workflow.Take{Ticket: s.report})
}

// incidentIsMade: the incident gets the report, and the reporter an answer
// (JANET 3.10 to 3.12).
func (s *story) incidentIsMade() {
	s.later(5*time.Minute, 30*time.Minute)
	opened := s.do(s.alice,
		workflow.Open{
			Kind: incident.KindIncident, Subject: s.place + " " + s.address + " " + s.trouble, Constituency: s.place,
			Fields: map[string][]string{"Classification": {classification(s.trouble)}},
		},
		workflow.Link{Ticket: s.report, Parent: incident.Nth(1)},
	)
	if len(opened) > 0 {
		s.incident = opened[0]
	}
	s.weReply(s.report, "Thank you for your report. We have opened an investigation.")
}

func classification(trouble string) string {
	if strings.HasPrefix(trouble, "scan") {
		return "Scan"
	}
	return "System Compromise"
}

// investigationGoesOut: the site is asked to act, by a date (JANET 3.13).
func (s *story) investigationGoesOut() {
	s.later(5*time.Minute, 20*time.Minute)
	opened := s.do(s.alice, workflow.Open{
		Kind: incident.KindInvestigation, Subject: s.place + " " + s.address + " " + s.trouble,
		Parents: []incident.ID{s.incident}, Requestors: []incident.Party{s.site},
		Text: fmt.Sprintf("Please find the computer responsible for %s, make it safe and let us know.\n", s.address),
	})
	if len(opened) > 0 {
		s.investigation = opened[0]
	}
	due := s.fate.Now().Add(48 * time.Hour)
	s.do(s.alice, workflow.Edit{Ticket: s.investigation, Due: &due})
	s.post()
}

// sensorsReport: a sensor tells of two addresses, one of which we know. The report
// about it joins our incident; the other one becomes an incident by one command (AIRT
// paper 4, figure 5).
func (s *story) sensorsReport() {
	s.later(5*time.Minute, 20*time.Minute)
	const other = "198.51.100.66"
	var list []incident.Observation
	for i, address := range []string{s.address, other} {
		list = append(list, incident.Observation{
			ID: fmt.Sprintf("alarm-%d", i+1), Reporter: incident.Reporter{Name: "Sensors"}, Time: s.fate.Now(), Kind: "scan", Protocol: "tcp", Count: 100,
			Endpoints: []incident.Endpoint{
				{Role: incident.RoleSource, Address: netip.MustParseAddr(address)}, {Role: incident.RoleTarget, Address: netip.MustParseAddr("203.0.113.9"), Ports: "22"},
			},
		})
	}
	var document bytes.Buffer
	if _, err := xirl.XIRL().Encode(&document, slices.Values(list)); err != nil && s.err == nil {
		s.err = err
	}
	s.send(incident.Party{Name: "Sensors", Address: "sensors@example.org"}, mail.Letter{
		Subject: "Alarm", Text: "Two alarms.\n", AutoSubmitted: "auto-generated",
		Attachments: []incident.Part{{Type: "application/xml", Name: "alarms.xml", Content: document.Bytes()}},
	})
	s.later(10*time.Minute, 30*time.Minute)
	for _, e := range s.inQueue(2) {
		switch {
		case len(e.Offered) == 1 && e.Offered[0].Ticked && e.Offered[0].ID == s.incident:
			s.do(s.alice, e.Offered[0].Offer)
		case len(e.Offered) == 0:
			began := time.Now()
			opened := s.do(s.alice, workflow.Accept{Ticket: e.ID, Fields: map[string][]string{"Classification": {"Scan"}}})
			s.took = time.Since(began)
			if len(opened) > 0 {
				s.found, s.blocked = e.ID, opened[0]
			}
		default:
			s.err = fmt.Errorf("report %s is offered %d incidents, not incident %s alone", e.ID, len(e.Offered), s.incident)
		}
	}
	s.inQueue(0)
}

// accessIsCut: the state blockrequest tells by signed mail whom the machine belongs to,
// and gives the router a new configuration, which drops nothing any more in the end.
func (s *story) accessIsCut() {
	s.later(5*time.Minute, 20*time.Minute)
	s.setState("blockrequest")
	s.post()
	s.readNotice()
	s.routes = string(s.stage.routes)
	s.later(time.Hour, 4*time.Hour)
	s.setState("unblocked")
	s.do(s.alice, workflow.Move{Ticket: s.blocked, To: workflow.StatusResolved})
}

// setState gives the incident another state, and lets the desk do what follows.
func (s *story) setState(state incident.State) {
	s.do(s.alice, workflow.Edit{Ticket: s.blocked, State: &state})
	if s.err == nil {
		courier := &desk.Courier{Desk: s.desk, Only: storage.OnlyReactions, Now: s.fate.Now}
		_, s.err = courier.Flush(s.ctx, 100)
	}
}

// readNotice opens the last mail to the contact, which the desk must have signed.
func (s *story) readNotice() {
	if s.err != nil {
		return
	}
	got, err := s.outside.newest(incident.Party{Address: campusContact})
	if err != nil {
		s.err = err
		return
	}
	opened, err := s.stage.reader.Open(s.ctx, got.raw)
	if signature, _ := opened.Signed(); err == nil && (signature.State != incident.SignatureGood || !slices.Contains(signature.Signers, exampleMailbox)) {
		err = fmt.Errorf("the mail to %s is not signed by %s", campusContact, exampleMailbox)
	}
	s.err = err
	s.notice, _ = mail.Parse(opened.Mail, mail.Limits{})
}

// inQueue returns what waits in the queue, of which there must be so many.
func (s *story) inQueue(n int) []desk.Entry {
	if s.err != nil {
		return nil
	}
	page, err := s.desk.As(s.alice).Queue(s.ctx, nil)
	if err == nil && len(page.Entries) != n {
		err = fmt.Errorf("%d reports wait in the queue, not %d", len(page.Entries), n)
	}
	s.err = err
	return page.Entries
}

// siteAnswers: a reply finds its ticket by the tag in its subject, and makes it
// due (JANET 3.15).
func (s *story) siteAnswers(text string) {
	s.later(2*time.Hour, 20*time.Hour)
	s.answer(s.site, s.site.Address, mail.Letter{Text: text})
}

// machineAnswers: an absence notice moves nothing (RFC 3834).
func (s *story) machineAnswers() {
	s.later(time.Minute, 5*time.Minute)
	s.answer(s.site, "", mail.Letter{Text: "I am not in the office.", AutoSubmitted: "auto-replied"})
}

// strayMailArrives: somebody outside has the incident's number. The mail waits
// until a person has said where it belongs.
func (s *story) strayMailArrives() {
	s.later(time.Hour, 5*time.Hour)
	s.send(s.stranger, mail.Letter{
		Subject: fmt.Sprintf("[A CSIRT #%s] %s again", s.incident, s.address),
		Text:    fmt.Sprintf("Somebody gave me this number. We see %s too.\n", s.address),
	})
	stray := s.newestReport()
	s.later(10*time.Minute, 30*time.Minute)
	if s.toIncident {
		s.do(s.bob, workflow.Take{Ticket: stray}, workflow.Deliver{Ticket: stray, To: s.incident})
		s.weReply(stray, "Thank you, we know.")
		return
	}
	s.do(s.bob, workflow.Deliver{Ticket: stray, To: s.investigation})
	s.weReply(s.investigation, "Others still see it. Is the computer safe?")
}

// allIsResolved: closing the incident closes its children (JANET 3.16).
func (s *story) allIsResolved(why string) {
	s.later(time.Hour, 4*time.Hour)
	s.do(s.alice, workflow.Comment{Ticket: s.incident, Text: why}, workflow.Move{Ticket: s.incident, To: workflow.StatusResolved})
}

// weReply answers the requestors, and the mail goes out.
func (s *story) weReply(id incident.ID, text string) {
	s.later(10*time.Minute, 50*time.Minute)
	s.do(s.alice, workflow.Reply{Ticket: id, Text: text})
	s.post()
}

// The machinery of a story.

// later lets a while pass, in whole minutes.
func (s *story) later(least, most time.Duration) {
	s.fate.pass((least + time.Duration(s.random.Int64N(int64(most-least)))).Truncate(time.Minute))
}

func (s *story) do(by incident.Actor, commands ...workflow.Command) []incident.ID {
	if s.err != nil {
		return nil
	}
	result, err := s.desk.As(by).Do(s.ctx, commands...)
	if err != nil {
		s.err = fmt.Errorf("%s: %w", commands[0].Name(), err)
		return nil
	}
	return result.Opened
}

// send has somebody outside write to the desk.
func (s *story) send(from incident.Party, letter mail.Letter) { s.sendAs(from, from.Address, letter) }

// sendAs is send with another envelope sender.
func (s *story) sendAs(from incident.Party, sender string, letter mail.Letter) {
	if s.err != nil {
		return
	}
	s.in++
	_, domain, _ := strings.Cut(from.Address, "@")
	letter.From, letter.To = from, []incident.Party{{Address: exampleMailbox}}
	letter.MessageID, letter.Date = fmt.Sprintf("mail%d@%s", s.in, domain), s.fate.Now()
	raw, err := mail.Compose(letter)
	if err == nil {
		to := smtp.NewSender(s.door.address, smtp.SenderConfig{})
		err = to.Send(s.ctx, mail.Envelope{From: sender, To: []string{exampleMailbox}}, raw)
	}
	s.err = err
}

// answer has somebody reply to the last mail that they really got.
func (s *story) answer(from incident.Party, sender string, letter mail.Letter) {
	if s.err != nil {
		return
	}
	got, err := s.outside.newest(from)
	if err != nil {
		s.err = err
		return
	}
	letter.Subject = "Re: " + got.msg.Subject
	letter.InReplyTo, letter.References = got.msg.MessageID, append(got.msg.References, got.msg.MessageID)
	s.sendAs(from, sender, letter)
}

// post lets the courier go round.
func (s *story) post() {
	if s.err != nil {
		return
	}
	sent, err := s.courier.Flush(s.ctx, 100)
	if err == nil && sent == 0 {
		err = fmt.Errorf("no mail went out")
	}
	s.err = err
}

// newestReport is the report at the end of the list of new ones.
func (s *story) newestReport() incident.ID {
	if s.err != nil {
		return 0
	}
	var after *storage.Cursor
	for {
		page, err := s.desk.As(s.alice).NewUnlinked(s.ctx, after)
		if err == nil && len(page.Rows) == 0 {
			err = fmt.Errorf("there is no new report")
		}
		if err != nil {
			s.err = err
			return 0
		}
		if after = page.Next; after == nil {
			return page.Rows[len(page.Rows)-1].ID
		}
	}
}

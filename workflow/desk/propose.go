package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Proposing says what somebody wants to open from a lookup (JANET 3.13, AIRT paper 4).
type Proposing struct {
	Kind     incident.Kind         // incident, investigation or block
	Incident incident.ID           // that an investigation or block belongs to
	From     incident.ID           // the ticket that an incident is made from; 0: none
	About    []incident.Observable // addresses, networks, names; at most 1,000
	To       []string              // mail addresses to investigate to, in place of the contacts of what it is about

	// Together makes one ticket of all; otherwise each observable has its own, or, of
	// those in To, each mail address.
	Together bool

	Subject string // empty: that of the incident; of an incident, a word and what it is about
	Text    string
	Fields  map[string][]string
}

// Proposal is a ticket that would be opened, with whom it would go to, and why.
type Proposal struct {
	Command workflow.Open `json:"command"`
	Owners  []Owner       `json:"owners,omitempty"` // whose what it is about is
	Why     []string      `json:"why"`              // why these contacts and this constituency
	// Defective are those of its people to whom mail comes back (JANET 3.13).
	Defective []string `json:"defective,omitempty"`

	Problem string `json:"problem,omitempty"` // why it cannot be opened so; empty: nothing is in the way
}

// maxProposed bounds the observables of one Propose, and atOnce those whose owners are
// asked for at a time.
const (
	maxProposed = 1000
	atOnce      = 8
)

// Propose makes commands of what was found in a lookup, filled in, and opens nothing:
// it is the dry run of an action on a list of addresses, and what a form shows. Give the
// commands to Do, Preview or Bulk.
//
// An incident gets the constituency that the directory knows, and the contacts of that
// constituency; where it knows none, the contacts for abuse that a registry names. An
// investigation goes to these contacts. A block has the addresses filled in and is asked
// of whom the policy says.
//
// Errors: one that says what is allowed; [*workflow.NoTicketError] for an Incident that
// the actor may not see; those of [Session.Owner] and of the store.
func (s *Session) Propose(ctx context.Context, p Proposing) ([]Proposal, error) {
	if err := s.proposable(ctx, p); err != nil {
		return nil, err
	}
	about := distinctObservables(p.About)
	owners, err := s.owners(ctx, p, about)
	if err != nil {
		return nil, err
	}
	var list []Proposal
	switch {
	case p.Together:
		list = append(list, s.proposal(p, about, owners, p.To))
	case p.Kind == incident.KindInvestigation && len(p.To) > 0:
		for _, to := range p.To {
			list = append(list, s.proposal(p, about, nil, []string{to}))
		}
	default:
		for i, o := range about {
			var owner []Owner
			if len(owners) > 0 {
				owner = owners[i : i+1]
			}
			list = append(list, s.proposal(p, []incident.Observable{o}, owner, p.To))
		}
	}
	return list, s.view(ctx, func(ctx context.Context, r storage.Reader) (err error) {
		for i := range list {
			c := list[i].Command
			if list[i].Defective, err = defective(ctx, r, slices.Concat(c.Requestors, c.Contacts)); err != nil {
				return err
			}
		}
		return nil
	})
}

// proposable refuses what makes no sense.
func (s *Session) proposable(ctx context.Context, p Proposing) error {
	switch p.Kind {
	case incident.KindIncident, incident.KindInvestigation, incident.KindBlock:
	default:
		return fmt.Errorf("desk: a %s is not made from a lookup: allowed are incident, investigation and block", p.Kind)
	}
	switch {
	case len(p.About) > maxProposed || len(p.To) > maxProposed:
		return fmt.Errorf("desk: %d addresses are too many: allowed are %d", max(len(p.About), len(p.To)), maxProposed)
	case len(p.To) > 0 && p.Kind != incident.KindInvestigation:
		return fmt.Errorf("desk: only an investigation goes to mail addresses, not a %s", p.Kind)
	case len(p.About)+len(p.To) == 0, len(p.About) == 0 && p.Kind != incident.KindInvestigation:
		return errors.New("desk: there is nothing that it would be about: name addresses, networks or host names")
	case p.Kind == incident.KindIncident && p.Incident != 0:
		return errors.New("desk: an incident belongs to no other one")
	}
	for _, id := range []incident.ID{p.Incident, p.From} {
		if id == 0 {
			continue
		}
		if err := s.view(ctx, func(ctx context.Context, r storage.Reader) error {
			_, err := s.ticket(ctx, r, id)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

func distinctObservables(list []incident.Observable) (distinct []incident.Observable) {
	for _, o := range list {
		if !slices.ContainsFunc(distinct, o.Same) {
			distinct = append(distinct, o)
		}
	}
	return distinct
}

// owners finds out whose each of some observables is; none where nobody asks.
func (s *Session) owners(ctx context.Context, p Proposing, about []incident.Observable) ([]Owner, error) {
	if p.Kind == incident.KindBlock || len(p.To) > 0 {
		return nil, nil
	}
	owners, errs := make([]Owner, len(about)), make([]error, len(about))
	places := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, o := range about {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			owners[i], errs[i] = s.Owner(ctx, o)
		})
	}
	all.Wait()
	return owners, errors.Join(errs...)
}

// proposal fills in one command.
func (s *Session) proposal(p Proposing, about []incident.Observable, owners []Owner, to []string) Proposal {
	names := make([]string, 0, len(about))
	for _, o := range about {
		names = append(names, o.Value)
	}
	what := strings.Join(cut(names, 3), ", ")
	if len(names) > 3 {
		what += fmt.Sprintf(" and %d more", len(names)-3)
	}
	made := Proposal{Owners: owners, Command: workflow.Open{
		Kind: p.Kind, From: p.From, Subject: p.Subject, Text: p.Text, Fields: p.Fields, Observables: about,
	}}
	c := &made.Command
	if p.Incident != 0 {
		c.Parents = []incident.ID{p.Incident}
	}
	var parties []incident.Party
	for _, address := range to {
		parties = append(parties, incident.Party{Address: address})
		made.Why = append(made.Why, fmt.Sprintf("It goes to %s, as was asked.", incident.Clean(address)))
	}
	for _, owner := range owners {
		made.Why = append(made.Why, owner.Why...)
		for _, party := range owner.Parties() {
			if !slices.ContainsFunc(parties, func(other incident.Party) bool { return incident.SameAddress(other.Address, party.Address) }) {
				parties = append(parties, party)
				made.Why = append(made.Why, fmt.Sprintf("%s is told, for %s.", party.Address, incident.Clean(owner.Observable.Value)))
			}
		}
		for _, missing := range owner.Missing {
			made.Why = append(made.Why, "Not found out: "+missing+".")
		}
		if name := owner.Constituency(); name != "" && c.Constituency == "" && p.Kind == incident.KindIncident && s.desk.config.Policy.TakesConstituency(p.Kind, name) {
			c.Constituency = name
		}
	}
	switch p.Kind {
	case incident.KindIncident:
		c.Contacts = parties
		if c.Subject == "" && c.From == 0 {
			c.Subject = "Incident at " + what
		}
	case incident.KindInvestigation:
		c.Requestors = parties
		if c.Subject == "" && p.Incident == 0 {
			c.Subject = "Investigation of " + what
		}
		if len(parties) == 0 {
			made.Problem = "nobody is known to write to: name mail addresses"
		}
	default:
		made.Why = append(made.Why, "Whom the policy says is asked for the block.")
	}
	return made
}

package desk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/export"
)

// Config says how a desk works. The zero Config does, for a desk that neither
// sends mail nor recognises subject tags.
type Config struct {
	Policy *workflow.Policy // nil: workflow.Default(). Not to be changed afterwards

	// PolicyVersion returns a policy that was adopted before ([Adopted]), for
	// [Session.Replay]; nil: records of other versions are asked of Policy.
	PolicyVersion func(ctx context.Context, version uint32) (*workflow.Policy, error)

	Tag     mail.Tag       // of subjects: [A CSIRT #34159]. Without a Name that of the policy; without one there, no tag is put or found
	From    incident.Party // the desk's own mailbox; needed to send mail
	ReplyTo incident.Party // where answers to our mail are to go (Reply-To); without Address: to From
	Team    []Member       // whose mail counts as written by us
	Limits  mail.Limits    // for incoming mail; the zero value is mail's default

	// Recipients are the mailboxes that mail is taken for, beside From: they tell
	// whose mail it is, and no mail of ours goes there.
	Recipients []Recipient

	// Blobs keeps received mail of more than 64 KiB, put there before the
	// transaction; see [Desk.HoldsBody]. nil: the store does.
	Blobs storage.Blobs

	// Opener decrypts mail that comes in and checks its signatures; nil: it is kept
	// as it is. It is asked before the transaction, for ten seconds at most, and
	// again when the text of such a mail is needed: the store keeps its raw bytes,
	// its subject and what it mentions, and never its opened text, unless a person opens
	// a ticket from it, which takes the text along. What machines report in it is kept
	// without logs, further fields and elements of other vocabularies: these are read in
	// the mail ([Session.Opened]).
	Opener mail.Opener

	// Sealer signs and encrypts mail that goes out, as Policy.Sealing says; nil:
	// none. It is asked inside of the transaction, so it should have its keys at
	// hand. What it writes is new each time: with it, the same seed in Rand does
	// not give the same records.
	Sealer mail.Sealer

	// OwnServer says how to know what our own mail server has written about the
	// sender of a mail; without an ID nothing is believed. Verifier checks the
	// signatures of domains where that server says nothing about them; nil: nobody
	// does. Contact reports whether an address is one that the team knows, beside
	// its own and those of the ticket that the mail belongs to; nil: none.
	OwnServer mail.OwnServer
	Verifier  mail.Verifier
	Contact   func(address string) bool

	// Directory says which constituency an address, network or name belongs to, and
	// whom to tell; nil: nobody knows. A report that comes by mail gets the constituency
	// of what it mentions, where its recipient has none, and keeps it whatever later
	// versions say: see [AdoptedDirectory]. What a team does otherwise, the functions in
	// lookup.Config do (AIRT paper, local hooks).
	Directory *lookup.Directory

	// PublicSuffix is that of [lookup.Extractor]; nil: no bare host names are found in
	// texts.
	PublicSuffix func(name string) (suffix string, icann bool)

	// Registries are asked whose an address is that the directory does not know, and
	// Resolver which addresses a host name has, by [Session.Owner] and what builds on it,
	// never when mail comes in; nil: nobody is asked.
	Registries *lookup.Registries
	Resolver   lookup.Resolver

	// Forms are the team's own forms of exported lists, before those that come
	// along: see [Desk.Forms].
	Forms []export.Form

	// Templates are what mail is made of, each in several languages, until one of the
	// same name and language is adopted ([Desk.AdoptTemplate]).
	Templates []mail.Template

	// Formats are the data formats that the desk reads and writes, for example
	// xirl.Formats(): the templates' XMLDATA is written in the one called airt, IODEF in
	// iodef, a draft takes data along in any of them, and mail and feeds are read as any
	// of them ([Desk.Import]).
	Formats []incident.Format

	// What reactions of the policy need, beside Templates. Without it they fail, with a
	// record that says so.
	//
	// Exports keeps a list under a name, at once (adapters/exportdir).
	Exports func(ctx context.Context, name string, text []byte) error

	// Programs runs a program by its name, with arguments, environment and standard
	// input, and returns what it has written (adapters/program). The error says in a few
	// words what went wrong; it is kept for ever and names no person.
	//
	// The input is a [ReactionInput] in JSON. The environment says the same in short:
	// AIRTIGHT_REACTION, AIRTIGHT_RUN, AIRTIGHT_ATTEMPT, AIRTIGHT_TICKET,
	// AIRTIGHT_VERSION.
	Programs func(ctx context.Context, name string, arguments, environment []string, input []byte) (output []byte, err error)

	// Hooks run in order, each on what the one before has made of the command or
	// event. Before hooks run inside the transaction and may run again after a
	// conflict, so they must have no effect outside; an error is a veto
	// ([*VetoError]) that leaves nothing behind. They see every command and event,
	// those of rules, mail and sweeps too, and those of a Preview. After hooks run
	// after the commit and cannot fail it; they should be quick, because the
	// sender of a mail waits for them. Who may miss nothing reads the [Feed].
	BeforeCommand []BeforeCommand
	AfterCommand  []AfterCommand
	BeforeEvent   []BeforeEvent
	AfterEvent    []AfterEvent

	Now  func() time.Time // nil: time.Now
	Rand io.Reader        // source of salts and Message-IDs, read by one goroutine at a time; nil: crypto/rand
	Log  *slog.Logger     // nil: silent. No bodies or addresses at level info
}

// Member is a mailbox of the team. An Address that begins with "@" stands for
// all mailboxes of a domain. Actor is who its mail counts as, and who is told of
// something there; empty: "handler:" and the local part. That of [incident.Duty] is
// told of what nobody owns. Name is what correspondents may call somebody in a template;
// empty: as the actor is called.
type Member struct {
	Address string
	Actor   incident.Actor
	Name    string
}

// Recipient is a mailbox of the desk. An Address that begins with "@" stands for
// all mailboxes of a domain. A report opened by mail that was sent there has its
// Constituency; with several such recipients, that of the first in the envelope.
type Recipient struct {
	Address      string
	Constituency string
}

// Desk runs commands on a store. Make one with [New].
type Desk struct {
	store  storage.Store
	config Config
	random sync.Mutex // over config.Rand
}

// New returns a desk on a store. It fails when the policy has mistakes, all of
// which the error lists, or when From or ReplyTo is no mail address.
func New(store storage.Store, config Config) (*Desk, error) {
	if store == nil {
		return nil, errors.New("desk: New needs a store")
	}
	if config.Policy == nil {
		config.Policy = workflow.Default()
	}
	if err := config.Policy.Validate(); err != nil {
		return nil, fmt.Errorf("desk: Config.Policy: %w", err)
	}
	for name, own := range map[string]incident.Party{"From": config.From, "ReplyTo": config.ReplyTo} {
		if own.Address == "" {
			continue
		}
		if _, err := incident.NewObservable(incident.MailAddress, own.Address, incident.RoleUnknown); err != nil {
			return nil, fmt.Errorf("desk: Config.%s: %w", name, err)
		}
	}
	switch {
	case config.Tag.Name == "" && len(config.Policy.Tags) > 0:
		config.Tag = mail.Tag{Name: config.Policy.Tags[0], Former: config.Policy.Tags[1:]}
	case config.Tag.Name != "":
		policy := *config.Policy // its rules have to know our tags from those of others
		policy.Tags = slices.Concat([]string{config.Tag.Name}, config.Tag.Former, policy.Tags)
		config.Policy = &policy
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Rand == nil {
		config.Rand = rand.Reader
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	return &Desk{store: store, config: config}, nil
}

// Policy returns the policy in force. It may not be changed.
func (d *Desk) Policy() *workflow.Policy { return d.config.Policy }

// member returns the actor for a mailbox of the team.
func (d *Desk) member(address string) (incident.Actor, bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return "", false
	}
	for _, m := range d.config.Team {
		if !incident.SameAddress(m.Address, address) && !incident.SameAddress(m.Address, address[at:]) {
			continue
		}
		if m.Actor != "" {
			return m.Actor, true
		}
		return incident.Actor("handler:" + strings.ToLower(address[:at])), true
	}
	return "", false
}

// mailbox returns the mailbox of a member of the team: that of the Member with
// this Actor, or one whose local part the actor is called by.
func (d *Desk) mailbox(actor incident.Actor) (string, bool) {
	for _, m := range d.config.Team {
		at := strings.LastIndexByte(m.Address, '@')
		if at > 0 && (m.Actor == actor || m.Actor == "" && actor == incident.Actor("handler:"+strings.ToLower(m.Address[:at]))) {
			return m.Address, true
		}
	}
	return "", false
}

// recipient returns the first of Config.Recipients that an address fits.
func (d *Desk) recipient(address string) (Recipient, bool) {
	at := max(strings.LastIndexByte(address, '@'), 0)
	i := slices.IndexFunc(d.config.Recipients, func(r Recipient) bool {
		return incident.SameAddress(r.Address, address) || incident.SameAddress(r.Address, address[at:])
	})
	if i < 0 {
		return Recipient{}, false
	}
	return d.config.Recipients[i], true
}

// own reports whether mail to an address would come back to this desk.
func (d *Desk) own(address string) bool {
	if incident.SameAddress(address, d.config.From.Address) || incident.SameAddress(address, d.config.ReplyTo.Address) {
		return true
	}
	_, taken := d.recipient(address)
	_, team := d.member(address) // in a domain all of which the desk takes mail for
	return taken && !team
}

// now returns the time as tickets keep it.
func (d *Desk) now() time.Time { return incident.Moment(d.config.Now()) }

// seed returns fresh randomness for one transaction.
func (d *Desk) seed() (seed [32]byte, err error) {
	d.random.Lock()
	defer d.random.Unlock()
	if _, err = io.ReadFull(d.config.Rand, seed[:]); err != nil {
		err = fmt.Errorf("desk: Config.Rand: %w", err)
	}
	return seed, err
}

package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// options are the flags that every subcommand knows. All processes that work on
// one database should agree on tag, mailbox and team: the environment says them
// once.
type options struct {
	db, as, tag, mailbox, blobs, sla, rules string
	templates                               string
	keys, passphraseFile, mailServer        string
	directory, resolver, rdap               string
	whois                                   []string
	dkim                                    bool
	also                                    []desk.Recipient
	team                                    []string
	groups                                  []string // of --as
	json                                    bool
	dbGiven                                 bool // by flag
}

func defaults(env func(string) string, user string) options {
	o := options{
		db: cmp.Or(env("AIRTIGHT_DB"), "./airtight.db"), as: user, tag: cmp.Or(env("AIRTIGHT_TAG"), "A CSIRT"),
		mailbox: cmp.Or(env("AIRTIGHT_MAILBOX"), exampleMailbox),
		team:    strings.Fields(env("AIRTIGHT_TEAM")), blobs: env("AIRTIGHT_BLOBS"), sla: env("AIRTIGHT_SLA"), rules: env("AIRTIGHT_POLICY"), templates: env("AIRTIGHT_TEMPLATES"),
		keys: env("AIRTIGHT_KEYS"), mailServer: env("AIRTIGHT_MAIL_SERVER"),
		directory: env("AIRTIGHT_DIRECTORY"), resolver: env("AIRTIGHT_RESOLVER"), rdap: env("AIRTIGHT_RDAP"), whois: strings.Fields(env("AIRTIGHT_WHOIS")),
	}
	for _, s := range strings.Fields(env("AIRTIGHT_ALSO")) {
		o.also = append(o.also, recipient(s))
	}
	for s := range strings.SplitSeq(env("AIRTIGHT_GROUPS"), ",") {
		if s = strings.TrimSpace(s); s != "" {
			o.groups = append(o.groups, s)
		}
	}
	return o
}

// recipient reads a mailbox, or one and its constituency: soc@example.net=campus.
func recipient(s string) desk.Recipient {
	address, constituency, _ := strings.Cut(s, "=")
	return desk.Recipient{Address: address, Constituency: constituency}
}

// exampleMailbox is the desk's mailbox until somebody names a real one. Its
// domain is reserved (RFC 2606 3), so that no mail for it can get anywhere.
const exampleMailbox = "csirt@example.net"

func (o *options) register(flags *flag.FlagSet) {
	flags.Func("db", "database: a `file`, or postgres://user@host/name; default ./airtight.db, or AIRTIGHT_DB", func(s string) error {
		o.db, o.dbGiven = s, true
		return nil
	})
	flags.StringVar(&o.as, "as", o.as, "`name` of the handler who works")
	flags.Func("group", "`name` of a group that --as is in, which gives a role of the policy, as duty-team or duty-team:EDUNET; repeatable; without any, the policy's default role; or AIRTIGHT_GROUPS, separated by commas", func(s string) error {
		o.groups = append(o.groups, s)
		return nil
	})
	flags.BoolVar(&o.json, "json", o.json, "print JSON")
	flags.StringVar(&o.tag, "tag", o.tag, "`name` in subject tags, as in [A CSIRT #7]; or AIRTIGHT_TAG")
	flags.StringVar(&o.mailbox, "mailbox", o.mailbox, "the desk's own `address`: mail comes to it and goes out from it; or AIRTIGHT_MAILBOX")
	flags.Func("also", "further `address` or @domain that mail is taken for, with =NAME that of the constituency NAME; repeatable; or AIRTIGHT_ALSO, separated by blanks", func(s string) error {
		o.also = append(o.also, recipient(s))
		return nil
	})
	flags.StringVar(&o.blobs, "blobs", o.blobs, "`directory` for mail of more than 64 KiB; default: the database; or AIRTIGHT_BLOBS")
	flags.StringVar(&o.sla, "sla", o.sla, "`file` with the terms of a service agreement, as desk sla example prints one; default: nothing is promised; or AIRTIGHT_SLA")
	flags.StringVar(&o.rules, "policy", o.rules, "`file` or name of the policy that the desk works by, as desk policy show prints one; default: the one that was adopted last, or janet; or AIRTIGHT_POLICY")
	flags.StringVar(&o.templates, "templates", o.templates, "`directory` of templates for mail, which go before those of the same name that come along: NAME.txt, or NAME.de.txt in another language; what desk template adopts goes before both; or AIRTIGHT_TEMPLATES")
	flags.StringVar(&o.keys, "keys", o.keys, "`directory` with OpenPGP keys that open and seal mail: team/csirt@example.net.asc holds secret ones, contacts/bob@example.org.asc public ones; or AIRTIGHT_KEYS")
	flags.StringVar(&o.passphraseFile, "passphrase", o.passphraseFile, "`file` whose first line unlocks the secret keys; default: AIRTIGHT_PASSPHRASE says it")
	flags.StringVar(&o.directory, "directory", o.directory, "`file` that says whose networks and names are, YAML or CSV; default: the one that was adopted last, if any; or AIRTIGHT_DIRECTORY")
	flags.StringVar(&o.resolver, "resolver", o.resolver, "`address` and port of a resolver to ask for names, like 192.0.2.53:53; default: none is asked; or AIRTIGHT_RESOLVER")
	flags.StringVar(&o.rdap, "rdap", o.rdap, "`URL` of an RDAP server to ask whose a network or domain is, or a bootstrap file (RFC 9224); default: none is asked; or AIRTIGHT_RDAP")
	flags.Func("whois", "`name` of a whois server to ask where RDAP does not say, or name=address:port; the first is asked, the others may be referred to; repeatable; or AIRTIGHT_WHOIS, separated by blanks", func(s string) error {
		o.whois = append(o.whois, s)
		return nil
	})
	flags.StringVar(&o.mailServer, "mail-server", o.mailServer, "`name` that our mail server puts into Authentication-Results, which are believed then; or AIRTIGHT_MAIL_SERVER")
	flags.BoolVar(&o.dkim, "dkim", o.dkim, "check DKIM signatures where our mail server says nothing of them; asks the DNS")
	flags.Func("team", "`address` or @domain whose mail counts as ours, repeatable; or AIRTIGHT_TEAM, separated by blanks", func(s string) error {
		o.team = append(o.team, s)
		return nil
	})
}

// check refuses options that no desk can work with.
func (o *options) check() error {
	o.as = strings.TrimPrefix(o.as, "handler:")
	if o.as == "" || o.as == "nobody" || strings.ContainsAny(o.as, "@ \t\r\n") {
		return usage("--as %q is no name of a handler: allowed is a word like alice, no mail address and not nobody", o.as)
	}
	if _, err := incident.NewObservable(incident.MailAddress, o.mailbox, incident.RoleUnknown); err != nil {
		return usage("--mailbox %q is no mail address: allowed is one like csirt@example.net", o.mailbox)
	}
	for _, r := range o.also {
		if at := strings.LastIndexByte(r.Address, '@'); at < 0 || at == len(r.Address)-1 {
			return usage("--also %q is neither an address nor a domain like @example.net; with a constituency it is soc@example.net=campus", r.Address)
		}
	}
	for _, member := range o.team {
		if at := strings.LastIndexByte(member, '@'); at < 0 || at == len(member)-1 {
			return usage("--team %q is neither an address nor a domain like @example.net", member)
		}
	}
	return nil
}

// again returns the flags that another process needs to work on the same desk,
// as a shell wants them.
func (o *options) again() string {
	standard := defaults(func(string) string { return "" }, o.as)
	var flags []string
	add := func(name, value string) {
		if strings.ContainsFunc(value, func(r rune) bool {
			return !strings.ContainsRune("@./-_:+=%,", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
		}) {
			value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
		}
		flags = append(flags, "--"+name, value)
	}
	db := o.db
	if o.hasPassword() {
		db = standard.db // it is not shown: AIRTIGHT_DB says it
	}
	for _, f := range []struct{ name, value, standard string }{
		{"db", db, standard.db}, {"blobs", o.blobs, standard.blobs}, {"sla", o.sla, standard.sla}, {"policy", o.rules, standard.rules}, {"templates", o.templates, ""},
		{"tag", o.tag, standard.tag}, {"mailbox", o.mailbox, standard.mailbox}, {"keys", o.keys, ""}, {"passphrase", o.passphraseFile, ""},
		{"mail-server", o.mailServer, ""}, {"directory", o.directory, ""}, {"resolver", o.resolver, ""}, {"rdap", o.rdap, ""},
	} {
		if f.value != f.standard {
			add(f.name, f.value)
		}
	}
	for _, r := range o.also {
		add("also", strings.TrimSuffix(r.Address+"="+r.Constituency, "="))
	}
	for _, member := range o.team {
		add("team", member)
	}
	for _, server := range o.whois {
		add("whois", server)
	}
	if o.dkim {
		flags = append(flags, "--dkim")
	}
	return strings.Join(flags, " ")
}

func (o *options) actor() incident.Actor { return incident.Actor("handler:" + o.as) }

// newFlags returns a silent flag set with the common flags in it.
func newFlags(name string, c *call) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	c.register(flags)
	return flags
}

// parseMixed reads flags before, between and behind arguments, up to "--".
func parseMixed(flags *flag.FlagSet, args []string) (words []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		rest := flags.Args()
		if read := len(args) - len(rest); len(rest) == 0 || read > 0 && args[read-1] == "--" {
			return append(words, rest...), nil
		}
		words, args = append(words, rest[0]), rest[1:]
	}
}

// printJSON prints a value on one line. Records keep their bytes in it, so that
// who reads them can check their hashes.
func (c *call) printJSON(v any) error {
	encoder := json.NewEncoder(c.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// Readers of what people type.

func parseID(s string) (incident.ID, error) {
	id, err := incident.ParseID(s)
	if err != nil {
		return 0, usage("%q is no ticket number: allowed are 7 and #7", s)
	}
	if _, later := id.Placeholder(); later {
		return 0, usage("%s stands for a ticket that the same list of commands opens: it has a meaning in desk do only", s)
	}
	return id, nil
}

func parseIDs(list []string) ([]incident.ID, error) {
	var ids []incident.ID
	for _, s := range list {
		id, err := parseID(s)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// parseParty reads bob@example.org or Bob <bob@example.org>.
func parseParty(s string) (incident.Party, error) {
	if strings.Contains(s, "<") {
		a, err := netmail.ParseAddress(s)
		if err != nil {
			return incident.Party{}, fmt.Errorf("%q is no mail address: allowed are bob@example.org and Bob <bob@example.org>", s)
		}
		return incident.Party{Name: a.Name, Address: a.Address}, nil
	}
	return incident.Party{Address: s}, nil
}

// parseTime reads a date with its zone (RFC 3339), or one in our own.
func (c *call) parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, c.zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: allowed are 2026-03-02T15:04Z, 2026-03-02T15:04 (zone %s) and 2026-03-02", s, c.zone)
}

// collect is a flag that may be given several times.
func collect[T any](flags *flag.FlagSet, name, doc string, to *[]T, parse func(string) (T, error)) {
	flags.Func(name, doc, func(s string) error {
		v, err := parse(s)
		*to = append(*to, v)
		return err
	})
}

// maybe is a flag of which it counts whether it was given.
func maybe[T any](flags *flag.FlagSet, name, doc string, to **T, parse func(string) (T, error)) {
	flags.Func(name, doc, func(s string) error {
		v, err := parse(s)
		*to = &v
		return err
	})
}

func word[T ~string](s string) (T, error) { return T(s), nil }

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/airtight-csirt/airtight/adapters/dkim"
	"github.com/airtight-csirt/airtight/adapters/pgp"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// protect gives a desk what it needs to open and seal mail, and to know who wrote
// it.
func (c *call) protect(config *desk.Config) error {
	config.OwnServer = mail.OwnServer{ID: c.mailServer}
	if c.dkim {
		verifier, err := dkim.New(net.DefaultResolver.LookupTXT, dkim.Config{})
		if err != nil {
			return err
		}
		config.Verifier = verifier
	}
	if c.keys == "" {
		return nil
	}
	ring, list, err := c.keyring()
	if err != nil {
		return err
	}
	for _, k := range list {
		if k.State == mail.Unfit {
			fmt.Fprintf(c.stderr, "desk: the key in %s is of no use: %s\n", k.File, printable(k.Why))
		}
	}
	box, err := pgp.New(ring, pgp.Config{MaxBytes: mailLimit, Now: c.now})
	if err != nil {
		return err
	}
	config.Opener, config.Sealer = box, box
	// Whoever has a key here is a contact.
	config.Contact = func(address string) bool {
		for _, k := range list {
			if incident.SameAddress(k.Address, address) {
				return true
			}
		}
		return false
	}
	return nil
}

// key is one key of the folder.
type key struct {
	File        string        `json:"file"`
	Address     string        `json:"address"`
	Team        bool          `json:"team"`
	Fingerprint string        `json:"fingerprint,omitempty"`
	Expires     time.Time     `json:"expires,omitzero"`
	State       mail.KeyState `json:"state"`
	Why         string        `json:"why,omitempty"`
}

// keyring reads the folder of keys: team/ADDRESS.asc holds secret keys, and
// contacts/ADDRESS.asc public ones; more names for one address are ADDRESS.2.asc and
// so on. A key that cannot be used is in the list with its reason.
func (c *call) keyring() (*pgp.Keyring, []key, error) {
	passphrase, err := c.passphrase()
	if err != nil {
		return nil, nil, err
	}
	ring := &pgp.Keyring{}
	var list []key
	found := false
	for _, folder := range []string{"team", "contacts"} {
		files, err := os.ReadDir(filepath.Join(c.keys, folder))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("--keys: %w", err)
		}
		found = true
		for _, file := range files {
			name := filepath.Join(c.keys, folder, file.Name())
			if file.IsDir() || strings.HasPrefix(file.Name(), ".") {
				continue
			}
			material, err := os.ReadFile(name)
			if err != nil {
				return nil, nil, fmt.Errorf("--keys: %w", err)
			}
			address := keyAddress(file.Name())
			add := ring.Add
			if folder == "team" {
				add = func(address string, material []byte) ([]pgp.KeyInfo, error) {
					return ring.AddTeam(address, material, passphrase)
				}
			}
			infos, err := add(address, material)
			if err != nil {
				infos = []pgp.KeyInfo{{State: mail.Unfit, Why: sentence(err)}}
			}
			for _, k := range infos {
				list = append(list, key{name, address, folder == "team", k.Fingerprint, k.Expires, k.State, k.Why})
			}
		}
	}
	if !found {
		return nil, nil, fmt.Errorf("--keys %s has neither a folder team nor contacts: allowed are team/csirt@example.net.asc, with a secret key, and contacts/bob@example.org.asc", c.keys)
	}
	return ring, list, nil
}

// keyAddress reads bob@example.org.asc and bob@example.org.2.asc.
func keyAddress(file string) string {
	name := strings.TrimSuffix(file, filepath.Ext(file))
	if number := filepath.Ext(name); len(number) > 1 && strings.Trim(number[1:], "0123456789") == "" {
		name = strings.TrimSuffix(name, number)
	}
	return name
}

// passphrase returns that of the team's keys: the first line of a file, or what the
// environment says. It goes to the key ring alone.
func (c *call) passphrase() ([]byte, error) {
	if c.passphraseFile == "" {
		return []byte(c.env("AIRTIGHT_PASSPHRASE")), nil
	}
	content, err := os.ReadFile(c.passphraseFile)
	if err != nil {
		return nil, fmt.Errorf("--passphrase: %w", err)
	}
	line, _, _ := bytes.Cut(content, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

func keys(c *call, _ *flag.FlagSet) action {
	return func(context.Context, []string) error {
		if c.keys == "" {
			return usage("there are no keys: name their folder by --keys, or AIRTIGHT_KEYS")
		}
		_, list, err := c.keyring()
		if err != nil {
			return err
		}
		if c.json {
			return c.printJSON(list)
		}
		table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		for _, k := range list {
			whose, expires := "contact", "never expires"
			if k.Team {
				whose = "team"
			}
			if !k.Expires.IsZero() {
				expires = "expires " + k.Expires.Format(time.DateOnly)
			}
			state := string(k.State)
			if k.Why != "" {
				state += ": " + k.Why
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", printable(k.Address), whose, k.Fingerprint, expires, printable(state))
		}
		return table.Flush()
	}
}

// examine opens mail that came in again.
func examine(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	return func(ctx context.Context, words []string) error {
		id, err := parseID(words[0])
		if err != nil {
			return err
		}
		w, err := c.open(ctx, setting{})
		if err != nil {
			return err
		}
		defer w.Close()
		versions, err := w.received(ctx, id, words[1:])
		if err != nil {
			return err
		}
		all := &desk.Result{}
		for _, version := range versions {
			if *d.preview {
				opened, err := w.me.Opened(ctx, id, version)
				if err != nil {
					return err
				}
				fmt.Fprintf(c.stdout, "%s would be opened, nothing is stored:\n", place(id, version))
				c.layers(opened.Layers)
				continue
			}
			result, err := w.me.Examine(ctx, id, version)
			if err != nil {
				return err
			}
			all.Tickets = append(all.Tickets, result.Tickets...)
			all.Records = append(all.Records, result.Records...)
		}
		switch {
		case *d.preview:
			return nil
		case c.json:
			return c.printJSON(all)
		}
		d.result(all)
		return nil
	}
}

// received returns the records of the mails of a ticket that came in: the one that
// is named, or all.
func (w *workplace) received(ctx context.Context, id incident.ID, words []string) (versions []uint64, err error) {
	history, err := w.me.History(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, record := range history.Records {
		ev, err := incident.Decode(record)
		if m, ok := ev.(incident.Message); err == nil && ok && !m.Sent && m.IsMail() {
			if len(words) == 0 || words[0] == fmt.Sprint(record.Version) {
				versions = append(versions, record.Version)
			}
		}
	}
	if len(versions) == 0 && len(words) > 0 {
		return nil, fmt.Errorf("record %q of ticket %s is no mail that came in: desk show %s names those that are", words[0], id, id)
	}
	return versions, nil
}

// authorship prints how sure it is who wrote a mail, and why.
func (c *call) authorship(reasons []string) {
	for _, why := range reasons {
		fmt.Fprintf(c.stdout, "  who: %s\n", printable(why))
	}
}

// layers prints what protected a mail.
func (c *call) layers(list []incident.Layer) {
	for _, l := range list {
		line := fmt.Sprintf("  protection: %s, %s", l.Protocol, l.Where)
		if !l.Whole {
			line += ", not around all of it"
		}
		if l.Encrypted {
			line += ", " + string(l.Decryption)
		}
		if l.Subject {
			line += ", with its subject"
		}
		fmt.Fprintln(c.stdout, printable(line))
		for _, s := range l.Signatures {
			line := fmt.Sprintf("    signature %s, key %s", s.State, s.KeyID)
			if len(s.Signers) > 0 {
				line += " of " + strings.Join(s.Signers, ", ")
			}
			if s.State == incident.SignatureGood && !s.Sender {
				line += ", who is not the sender"
			}
			if !s.Made.IsZero() {
				line += ", made " + teller{c.zone}.when(s.Made)
			}
			if s.Why != "" {
				line += ": " + s.Why
			}
			fmt.Fprintln(c.stdout, printable(line))
		}
		for _, why := range l.Why {
			fmt.Fprintf(c.stdout, "    %s\n", printable(why))
		}
	}
}

// sealed prints who got a mail of ours how.
func (c *call) sealed(list []incident.SealedCopy) {
	for _, s := range list {
		how := "neither signed nor encrypted"
		switch {
		case s.Signed && s.Encrypted:
			how = "signed and encrypted"
		case s.Signed:
			how = "signed"
		case s.Encrypted:
			how = "encrypted"
		}
		fmt.Fprintf(c.stdout, "  %s for %s\n", how, printable(strings.Join(s.To, ", ")))
		for _, why := range s.Why {
			fmt.Fprintf(c.stdout, "    %s\n", printable(why))
		}
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/airtight-csirt/airtight/adapters/pgp"
	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// What the desk of a story works by: the contact of whom a machine belongs to is told by
// signed mail, and the router gets a new configuration (AIRT paper 4, figure 5).
const (
	campusContact = "carol@campus.example.com"

	storyPolicy = `base: janet
name: story
reactions:
  tell-contacts:
    kinds: [incident]
    to: {states: [blockrequest]}
    mail: {template: block, to: [contacts], sign: always}
  null-routes:
    export: {file: nullroutes.conf, list: {template: nullroute, dialect: cisco-ios, states: [blockrequest, blocked]}}
`
	storyDirectory = `default: elsewhere
constituencies: [{name: elsewhere}, {name: Campus, contacts: [{name: Carol Campus, address: ` + campusContact + `}]}]
entries: [{scope: 198.51.100.0/24, constituency: Campus}]
`
)

// stage is where a story is played, beside its desk.
type stage struct {
	routes []byte   // of the router
	reader *pgp.PGP // of those outside, who know the desk's public key
}

// furnish gives a desk what a story needs, with a new key of its own.
func (s *stage) furnish(config *desk.Config) error {
	policy, noPolicy := workflow.ReadPolicy("story", []byte(storyPolicy))
	doc, noDocument := lookup.ParseYAML(strings.NewReader(storyDirectory))
	directory, noDirectory := lookup.NewDirectory(doc, lookup.Config{})
	key, noKey := openpgp.NewEntity("A CSIRT", "", exampleMailbox, &packet.Config{Time: config.Now, Algorithm: packet.PubKeyAlgoEdDSA})
	if err := errors.Join(noPolicy, noDocument, noDirectory, noKey); err != nil {
		return err
	}
	var secret, public bytes.Buffer
	if err := errors.Join(key.SerializePrivate(&secret, nil), key.Serialize(&public)); err != nil {
		return err
	}
	ours, theirs := &pgp.Keyring{}, &pgp.Keyring{}
	_, noSecret := ours.AddTeam(exampleMailbox, secret.Bytes(), nil)
	_, noPublic := theirs.Add(exampleMailbox, public.Bytes())
	sealer, noSealer := pgp.New(ours, pgp.Config{Now: config.Now})
	var noReader error
	s.reader, noReader = pgp.New(theirs, pgp.Config{Now: config.Now})
	config.Policy, config.Directory, config.Sealer = policy, directory, sealer
	config.Exports = func(_ context.Context, _ string, text []byte) error {
		s.routes = text
		return nil
	}
	return errors.Join(noSecret, noPublic, noSealer, noReader)
}

package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/adapters/blobdir"
	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// mailLimit is the size of the largest mail that is taken, in bytes.
const mailLimit = 25 << 20

// workplace is an open database with a desk on it.
type workplace struct {
	db    *sql.DB
	store *sqlstore.Store
	blobs *blobdir.Dir // nil: large mail lies in the database too
	desk  *desk.Desk
	me    *desk.Session
}

// setting is what differs between a working desk and the one of a story.
type setting struct {
	create bool // the database, if it is not there
	now    func() time.Time
	rand   io.Reader
	log    *slog.Logger

	furnish func(*desk.Config) error // changes what the flags say; nil: nothing does
}

// about looks at the ticket that the first word names, with the words behind it.
func (c *call) about(look func(ctx context.Context, w *workplace, id incident.ID, words []string) error) action {
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
		return look(ctx, w, id, words[1:])
	}
}

// open opens the database and a desk on it; Close ends both.
func (c *call) open(ctx context.Context, s setting) (*workplace, error) {
	if s.now == nil {
		s.now = c.now
	}
	if c.rules != "" { // before anything is made
		if _, err := loadPolicy(c.rules); err != nil {
			return nil, fmt.Errorf("--policy: %w", err)
		}
	}
	if _, err := c.agree(workflow.Default()); err != nil {
		return nil, err
	}
	db, dialect, err := c.database(s.create)
	if err != nil {
		return nil, err
	}
	w := &workplace{db: db}
	if w.store, err = sqlstore.New(ctx, db, sqlstore.Config{Dialect: dialect, Log: s.log}); err != nil {
		w.Close()
		return nil, fmt.Errorf("database %s: %w", c.databaseName(), err)
	}
	policy, err := c.policy(ctx, w.store)
	if err != nil {
		w.Close()
		return nil, err
	}
	config := desk.Config{
		Policy: policy,
		PolicyVersion: func(ctx context.Context, version uint32) (*workflow.Policy, error) {
			if version == 0 {
				return workflow.Default(), nil
			}
			return adoptedPolicy(ctx, w.store, version)
		},
		Tag:    mail.Tag{Name: c.tag},
		From:   incident.Party{Name: c.tag, Address: c.mailbox},
		Limits: mail.Limits{Bytes: mailLimit},
		Now:    s.now, Rand: s.rand, Log: s.log,
		Recipients: c.also, Forms: c.forms, Formats: slices.Concat(c.formats, formats()),
	}
	if config.Templates, err = c.givenTemplates(); err != nil {
		w.Close()
		return nil, err
	}
	if err := c.lookups(ctx, w.store, &config); err != nil {
		w.Close()
		return nil, err
	}
	if err := c.protect(&config); err != nil {
		w.Close()
		return nil, err
	}
	if c.blobs != "" {
		if w.blobs, err = blobdir.New(c.blobs, blobdir.Config{}); err != nil {
			w.Close()
			return nil, err
		}
		config.Blobs = w.blobs
	}
	if err := c.means.give(&config); err != nil {
		w.Close()
		return nil, err
	}
	if s.furnish != nil {
		if err := s.furnish(&config); err != nil {
			w.Close()
			return nil, err
		}
	}
	for _, address := range c.team {
		config.Team = append(config.Team, desk.Member{Address: address})
	}
	if w.desk, err = desk.New(w.store, config); err != nil {
		w.Close()
		return nil, err
	}
	if err := c.knownGroups(policy); err != nil {
		w.Close()
		return nil, err
	}
	w.me = w.desk.As(c.actor(), c.groups...)
	return w, nil
}

// knownGroups refuses to work with groups that all give no role: whoever has mistyped
// the only one would see an empty desk.
func (c *call) knownGroups(policy *workflow.Policy) error {
	roles := policy.Rights.Roles
	gives := func(group string) bool { _, ok := policy.Rights.Role(group); return ok }
	if len(c.groups) == 0 || len(roles) == 0 || slices.ContainsFunc(c.groups, gives) {
		return nil
	}
	var names []string
	for _, role := range roles {
		names = append(names, role.Name)
	}
	return usage("--group %s gives no role of the policy %s: allowed are %s, each also for one constituency as in duty-team:EDUNET",
		strings.Join(c.groups, ","), policy.Name, strings.Join(names, ", "))
}

// Close closes the database.
func (w *workplace) Close() error {
	if w.store != nil {
		if err := w.store.Close(); err != nil {
			return err
		}
	}
	return w.db.Close()
}

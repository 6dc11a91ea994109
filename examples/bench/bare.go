package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// This is the loop that Receive is held against: the same driver, the same
// settings of the connection, a copy of the same database with all its indexes
// and without its triggers, one transaction for each mail, one prepared INSERT
// for each row. It knows the rows before it starts, so that it parses, decides,
// hashes and looks up nothing. The words that are kept for searches are left out.

// bareTable is a table that a new report is written to. from selects, for a
// range of tickets, the ticket of each row and then its columns.
type bareTable struct {
	name, columns, from string
}

// bareTables are in an order that foreign keys allow.
func bareTables() []bareTable {
	return []bareTable{
		{"blobs", "digest, content",
			"SELECT r.ticket, b.digest, b.content FROM records r JOIN record_contents c ON c.seq = r.seq JOIN blobs b ON b.digest = c.blobs WHERE r.ticket BETWEEN $1 AND $2"},
		{"records", "seq, ticket, version, at, actor, command, cause_rule, cause_ticket, cause_version, policy, type, data, digest, prev, hash", ""},
		{"record_contents", "seq, content, salt, blobs",
			"SELECT r.ticket, c.seq, c.content, c.salt, c.blobs FROM records r JOIN record_contents c ON c.seq = r.seq WHERE r.ticket BETWEEN $1 AND $2"},
		{"tickets", "id, version, hash, vocabulary, kind, status, phase, state, owner, constituency, priority, linked, held, created, updated, due, wake, subject, document, open", ""},
		{"ticket_observables", "key, ticket", ""},
		{"ticket_names", "key, ticket", ""},
		{"claims", "space, sum, ticket", ""},
	}
}

func (t bareTable) selection() string {
	if t.from != "" {
		return t.from
	}
	ticket := "ticket"
	if t.name == "tickets" {
		ticket = "id"
	}
	return fmt.Sprintf("SELECT %s, %s FROM %s WHERE %[1]s BETWEEN $1 AND $2", ticket, t.columns, t.name)
}

func (t bareTable) insertion() string {
	var marks []string
	for i := range strings.Split(t.columns, ",") {
		marks = append(marks, fmt.Sprintf("$%d", i+1))
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", t.name, t.columns, strings.Join(marks, ", "))
}

// bareMail is what one mail comes to: for each table its rows.
type bareMail struct {
	rows        [][][]any
	seq, ticket int64
}

func (m *bareMail) count() (rows int) {
	for _, list := range m.rows {
		rows += len(list)
	}
	return rows + 1 // that of meta
}

type bare struct {
	source, target *sql.DB // the desk's database, and the copy
	conn           *sql.Conn
	begin          string
	inserts        []*sql.Stmt
	meta           *sql.Stmt
	rows           int // written so far
	mails          int
}

func newBare(ctx context.Context, db *database) (_ *bare, err error) {
	b := &bare{begin: db.begin}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("bare loop: %w", err), b.close())
		}
	}()
	if b.source, err = sql.Open(db.driver, db.dsn); err != nil {
		return nil, err
	}
	if b.target, err = sql.Open(db.driver, db.twin); err != nil {
		return nil, err
	}
	if b.conn, err = b.target.Conn(ctx); err != nil {
		return nil, err
	}
	for _, drop := range db.dropTriggers {
		if _, err := b.conn.ExecContext(ctx, drop); err != nil {
			return nil, err
		}
	}
	for _, t := range bareTables() {
		s, err := b.conn.PrepareContext(ctx, t.insertion())
		if err != nil {
			return nil, err
		}
		b.inserts = append(b.inserts, s)
	}
	b.meta, err = b.conn.PrepareContext(ctx, "UPDATE meta SET last_seq = $1, last_ticket = $2")
	return b, err
}

func (b *bare) close() error {
	var failed error
	if b.conn != nil {
		failed = b.conn.Close()
	}
	for _, db := range []*sql.DB{b.source, b.target} {
		if db != nil {
			failed = errors.Join(failed, db.Close())
		}
	}
	return failed
}

// last is the highest number of a ticket in the desk's database.
func (b *bare) last(ctx context.Context) (id int64, err error) {
	err = b.source.QueryRowContext(ctx, "SELECT last_ticket FROM meta").Scan(&id)
	return id, err
}

// read fetches what the desk has written for the reports in a range of numbers.
func (b *bare) read(ctx context.Context, first, last int64) ([]bareMail, error) {
	mails := make([]bareMail, last-first+1)
	for i := range mails {
		mails[i] = bareMail{rows: make([][][]any, len(bareTables())), ticket: first + int64(i)}
	}
	for n, t := range bareTables() {
		err := each(ctx, b.source, t.selection(), []any{first, last}, func(row []any) error {
			ticket, ok := row[0].(int64)
			if !ok {
				return fmt.Errorf("%s: the ticket is a %T", t.name, row[0])
			}
			m := &mails[ticket-first]
			m.rows[n] = append(m.rows[n], row[1:])
			if t.name == "records" {
				m.seq = row[1].(int64)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("bare loop: %w", err)
		}
	}
	for _, m := range mails {
		for n, t := range bareTables() {
			if len(m.rows[n]) == 0 {
				return nil, fmt.Errorf("bare loop: ticket %s has no row in %s", incident.ID(m.ticket), t.name)
			}
		}
	}
	return mails, nil
}

func each(ctx context.Context, db *sql.DB, text string, args []any, row func([]any) error) error {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// run writes mails, each in a transaction, and returns how long each took.
func (b *bare) run(ctx context.Context, mails []bareMail) ([]time.Duration, error) {
	var took []time.Duration
	for _, m := range mails {
		start := time.Now()
		if err := b.write(ctx, m); err != nil {
			return nil, fmt.Errorf("bare loop: %w", err)
		}
		took = append(took, time.Since(start))
		b.rows += m.count()
		b.mails++
	}
	return took, nil
}

func (b *bare) write(ctx context.Context, m bareMail) error {
	if _, err := b.conn.ExecContext(ctx, b.begin); err != nil {
		return err
	}
	for n, rows := range m.rows {
		for _, row := range rows {
			if _, err := b.inserts[n].ExecContext(ctx, row...); err != nil {
				return err
			}
		}
	}
	if _, err := b.meta.ExecContext(ctx, m.seq, m.ticket); err != nil {
		return err
	}
	_, err := b.conn.ExecContext(ctx, "COMMIT")
	return err
}

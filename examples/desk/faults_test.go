package main

import (
	"context"
	"database/sql"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/smtp"
	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
	"github.com/airtight-csirt/airtight/mail"
)

// shift is a daemon in a process of its own, and mail that is sent to it.
type shift struct {
	*bench
	stop    func() // the daemon
	address string
	taken   []string // subjects
	refused int
}

func newShift(t *testing.T, db string) *shift {
	b := newBench(t)
	b.db = db
	daemon := exec.Command(deskBinary(t), "--db", db, "serve", "--smtp", "127.0.0.1:0")
	out, err := daemon.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, daemon.Start())
	stop := sync.OnceFunc(func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait()
	})
	t.Cleanup(stop)
	return &shift{bench: b, stop: stop, address: waitFor(t, readLines(out), `SMTP on (\S+), for`)}
}

func (s *shift) send(size int) error {
	subject := fmt.Sprintf("mail %d", len(s.taken)+s.refused+1)
	err := smtp.NewSender(s.address, smtp.SenderConfig{}).Send(context.Background(),
		mail.Envelope{From: "bob@example.org", To: []string{"csirt@example.net"}},
		[]byte(letter("bob@example.org", subject, "", strings.Repeat("x", size))))
	if err != nil {
		return err
	}
	s.taken = append(s.taken, subject)
	return nil
}

func (s *shift) takes() {
	s.t.Helper()
	require.NoError(s.t, s.send(1000))
}

// refuses sends a mail that must be answered with 4xx.
func (s *shift) refuses(size int) {
	s.t.Helper()
	var answer *mail.Error
	require.ErrorAs(s.t, s.send(size), &answer)
	require.Equal(s.t, 4, answer.Code/100, "%v", answer)
	require.NotContains(s.t, answer.Message, s.db, "nothing of ours is told to the peer")
	s.refused++
}

// ends checks that what was taken is there, and nothing else.
func (s *shift) ends() {
	s.t.Helper()
	s.takes()
	there := s.subjects()
	for _, subject := range s.taken {
		require.Equal(s.t, 1, there[subject], subject)
	}
	require.Len(s.t, there, len(s.taken), "and nothing else")
	require.Contains(s.t, s.ok("verify"), " 0 faults")
}

func TestSQLiteLockedByAnother(t *testing.T) {
	s := newShift(t, t.TempDir()+"/desk.db")
	s.takes()
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(s.db))
	require.NoError(t, err)
	defer db.Close()
	lock, err := db.Begin() // BEGIN IMMEDIATE
	require.NoError(t, err)
	s.refuses(1000)
	require.Contains(t, s.bench.refused(exitRefused, "take", "1"), "another program has held the lock")
	require.NoError(t, lock.Rollback())
	s.ends()
}

func TestPostgresRestarted(t *testing.T) {
	server := postgrestest.StartServer(t, postgrestest.Config{})
	s := newShift(t, server.DSN())
	s.takes()
	server.Stop()
	s.refuses(1000)
	require.Contains(t, s.bench.refused(exitRefused, "take", "1"), "the database is not available now")
	server.Start()
	s.takes()
	server.Kill()
	s.refuses(1000)
	server.Start()
	s.ends()
}

// Connections that are cut cost a 4xx at most; the next mail is taken.
func TestPostgresConnectionsCut(t *testing.T) {
	s := newShift(t, postgrestest.New(t))
	s.takes()
	db, err := sql.Open("pgx", s.db)
	require.NoError(t, err)
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	cutting := make(chan int)
	go func() {
		cut := 0
		for ctx.Err() == nil {
			var n int
			_ = db.QueryRow("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").Scan(&n)
			cut += n
			time.Sleep(20 * time.Millisecond)
		}
		cutting <- cut
	}()
	for ctx.Err() == nil {
		_ = s.send(1000) // nobody knows whether it was taken: it is sent again, and is there once
	}
	cut := <-cutting
	t.Logf("%d connections cut, %d mails taken", cut, len(s.taken))
	require.NotZero(t, cut)
	require.NotZero(t, len(s.taken))
	s.ends()
}

// Two processes take the same ticket: one wins.
func TestTwoProcessesTakeOneTicket(t *testing.T) {
	for name, db := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return t.TempDir() + "/desk.db" },
		"postgres": func(t *testing.T) string { return postgrestest.New(t) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.db = db(t)
			const rounds = 5
			for round := 1; round <= rounds; round++ {
				b.ok("open", "report", "--subject", "Scan")
				id := fmt.Sprint(round)
				b.ok("release", id)
				var commands []*exec.Cmd
				var said [2]strings.Builder
				for i, who := range []string{"alice", "bob"} {
					c := exec.Command(deskBinary(t), "--db", b.db, "take", id, "--as", who)
					c.Stderr = &said[i]
					require.NoError(t, c.Start())
					commands = append(commands, c)
				}
				lost := 0
				for i, c := range commands {
					if c.Wait() == nil {
						continue
					}
					lost++
					require.Contains(t, said[i].String(), "already taken by handler:"+[]string{"bob", "alice"}[i])
				}
				require.Equal(t, 1, lost, "%s%s", said[0].String(), said[1].String())
			}
			require.Contains(t, b.ok("verify"), fmt.Sprintf("%d tickets, ", rounds))
		})
	}
}

package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// A daemon that takes mail is killed again and again. Whatever it has
// acknowledged is there exactly once, and what is sent again because nobody
// knows is no second ticket.
func TestKilled(t *testing.T) {
	kills := 8
	if os.Getenv("AIRTIGHT_LONG") != "" {
		kills = 200
	}
	t.Run("sqlite", func(t *testing.T) {
		db := filepath.Join(t.TempDir(), "desk.db")
		killed(t, db, kills)
		require.Equal(t, "2", shown(t, "sqlite", sqlstore.SQLiteDSN(db), "PRAGMA synchronous"), "FULL")
		require.Equal(t, "wal", shown(t, "sqlite", sqlstore.SQLiteDSN(db), "PRAGMA journal_mode"))
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := postgrestest.New(t)
		killed(t, dsn, kills)
		require.Equal(t, "on", shown(t, "pgx", dsn, "SHOW synchronous_commit"))
		require.Equal(t, "on", shown(t, "pgx", dsn, "SHOW fsync"))
	})
}

func shown(t *testing.T, driver, dsn, query string) (value string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.QueryRow(query).Scan(&value))
	return value
}

// peer sends mails of its own, one after the other, each until it is
// acknowledged.
type peer struct {
	number       int
	sent         int         // acknowledged
	acknowledged []string    // their subjects
	between      atomic.Bool // after DATA was answered, before what follows was
	attempts     int
}

func (p *peer) subject() string { return fmt.Sprintf("mail %d of peer %d", p.sent+1, p.number) }

// run delivers mail until the connection breaks.
func (p *peer) run(address string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	answers := bufio.NewReader(conn)
	say := func(text, want string) bool {
		if text != "" {
			if _, err := conn.Write([]byte(text)); err != nil {
				return false
			}
		}
		for {
			line, err := answers.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, want) {
				return false
			}
			if line[3] == ' ' {
				return true
			}
		}
	}
	if !say("", "220") || !say("EHLO peer.example.org\r\n", "250") {
		return
	}
	for {
		from := fmt.Sprintf("peer%d@example.org", p.number)
		if !say("MAIL FROM:<"+from+">\r\n", "250") || !say("RCPT TO:<csirt@example.net>\r\n", "250") || !say("DATA\r\n", "354") {
			return
		}
		p.attempts++
		p.between.Store(true)
		text := letter(from, p.subject(), fmt.Sprintf("Message-ID: <%d.%d@example.org>\r\n", p.number, p.sent+1), strings.Repeat("192.0.2.7 scans us.\r\n", 1000))
		taken := say(text+".\r\n", "250")
		p.between.Store(false)
		if !taken {
			return
		}
		p.acknowledged = append(p.acknowledged, p.subject())
		p.sent++
	}
}

// subjects tells how many reports have a subject.
func (b *bench) subjects() map[string]int {
	w := openBench(b)
	defer w.Close()
	found, err := w.me.Find(context.Background(), storage.Query{Kinds: []incident.Kind{incident.KindReport}})
	require.NoError(b.t, err)
	times := map[string]int{}
	for _, t := range found {
		times[t.Subject]++
	}
	return times
}

// killed runs the daemon, and kills it, so often.
func killed(t *testing.T, db string, kills int) {
	program := deskBinary(t)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	peers := make([]*peer, 4)
	for i := range peers {
		peers[i] = &peer{number: i + 1}
	}
	between := 0
	for range kills {
		daemon := exec.Command(program, "--db", db, "serve", "--smtp", "127.0.0.1:0")
		out, err := daemon.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, daemon.Start())
		address := waitFor(t, readLines(out), `SMTP on (\S+), for`)
		var running sync.WaitGroup
		for _, p := range peers {
			running.Go(func() { p.run(address) })
		}
		time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		within := false // every peer may be between two mails just then
		for _, p := range peers {
			within = within || p.between.Load()
		}
		require.NoError(t, daemon.Process.Kill())
		if within {
			between++
		}
		_ = daemon.Wait()
		running.Wait()
	}

	b := newBench(t)
	b.db = db
	sent, attempts := 0, 0
	times := b.subjects()
	for _, p := range peers {
		for _, subject := range p.acknowledged {
			require.Equal(t, 1, times[subject], "%s, seed %d", subject, seed)
			delete(times, subject)
		}
		sent, attempts = sent+p.sent, attempts+p.attempts
		if times[p.subject()] > 0 { // on disk, but nobody was told
			require.Equal(t, 1, times[p.subject()], "seed %d", seed)
			delete(times, p.subject())
		}
	}
	require.Empty(t, times, "nothing else came, seed %d", seed)
	t.Logf("%d kills, %d of them between DATA and 250; %d mails offered, %d acknowledged, each there once; seed %d", kills, between, attempts, sent, seed)
	require.GreaterOrEqual(t, 2*between, kills, "kills between DATA and 250")
	require.Contains(t, b.ok("verify"), " 0 faults")
}

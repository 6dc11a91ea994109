package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/airtight-csirt/airtight/adapters/blobdir"
	"github.com/airtight-csirt/airtight/adapters/smtp"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

const (
	mailPause = 2 * time.Second  // between looks at an empty outbox
	grace     = 10 * time.Second // for mail that is under way when we are told to stop
)

func serve(c *call, flags *flag.FlagSet) action {
	listen := flags.String("smtp", "127.0.0.1:2525", "loopback `address` to take mail on; port 0 is any free one")
	lmtp := flags.String("lmtp", "", "`path` of a unix socket to take mail on by LMTP as well, from a mail server on this machine")
	cert := flags.String("tls-cert", "", "PEM `file` with the certificate for STARTTLS; needs --tls-key")
	key := flags.String("tls-key", "", "PEM `file` with its key")
	relay := flags.String("relay", "", "`host:port` of the mail server that sends our mail; without it, mail stays queued")
	c.means.register(flags)
	return func(ctx context.Context, _ []string) error {
		address, err := loopback(*listen)
		if err != nil {
			return err
		}
		if *relay != "" {
			if _, _, err := net.SplitHostPort(*relay); err != nil {
				return usage("--relay %q is no host:port: allowed is one like mail.example.net:25", *relay)
			}
			if c.mailbox == exampleMailbox {
				return usage("mail that goes out needs a sender that can be answered: name the desk's own address by --mailbox")
			}
		}
		secure, err := certificate(*cert, *key)
		if err != nil {
			return err
		}
		log := slog.New(slog.NewTextHandler(c.stderr, nil))
		w, err := c.open(ctx, setting{create: true, log: log})
		if err != nil {
			return err
		}
		defer w.Close()
		config := smtp.Config{Recipients: smtp.Only(c.mailboxes()...), MaxBytes: mailLimit, TLS: secure, Log: log}
		entrance, err := openDoor(w.desk, config, "tcp", address)
		if err != nil {
			return err
		}
		defer entrance.Close()
		doors := []*door{entrance}
		if *lmtp != "" {
			config.LMTP, config.TLS = true, nil
			side, err := openDoor(w.desk, config, "unix", *lmtp)
			if err != nil {
				return err
			}
			defer side.Close()
			doors = append(doors, side)
		}
		c.greet(entrance.Addr().String(), *lmtp, *relay)

		var running sync.WaitGroup
		if *relay != "" {
			courier := &desk.Courier{Desk: w.desk, Only: storage.OnlyMail, Sender: smtp.NewSender(*relay, smtp.SenderConfig{IdleTimeout: 30 * time.Second}), Grace: grace, Log: log}
			running.Go(func() { _ = courier.Run(ctx, mailPause) })
		}
		if reactions := w.desk.Policy().Reactions; len(reactions) > 0 { // apart, so that a program that hangs delays no mail
			fmt.Fprintf(c.stdout, "desk: does %d reactions of the policy %s\n", len(reactions), w.desk.Policy().Name)
			worker := &desk.Courier{Desk: w.desk, Only: storage.OnlyReactions, Grace: grace, Log: log}
			running.Go(func() { _ = worker.Run(ctx, mailPause) })
		}
		running.Go(func() { w.sweep(ctx, log) })
		ended := make(chan error, len(doors))
		for _, d := range doors {
			go func() { ended <- d.server.Serve(d) }()
		}
		select {
		case err = <-ended: // by itself
			err = fmt.Errorf("mail is not taken any more: %w", err)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
			for _, d := range doors {
				err = errors.Join(err, d.server.Shutdown(last))
			}
			cancel()
			running.Wait()
			fmt.Fprintln(c.stdout, "stopped")
		}
		return err
	}
}

// certificate returns what STARTTLS needs; nil without files.
func certificate(cert, key string) (*tls.Config, error) {
	if cert == "" && key == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("no TLS: %w: name the certificate by --tls-cert and its key by --tls-key, both in PEM form", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}, nil
}

// door is a server and where it listens.
type door struct {
	net.Listener
	server *smtp.Server
}

func openDoor(d *desk.Desk, config smtp.Config, network, address string) (*door, error) {
	server, err := smtp.NewServer(taking(d), config)
	if err != nil {
		return nil, err
	}
	if network == "unix" {
		removeStale(address)
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w: stop the other program, or choose another place by --smtp or --lmtp", err)
	}
	return &door{listener, server}, nil
}

// removeStale removes a socket that nobody listens on: a program that was killed
// leaves it behind.
func removeStale(path string) {
	if info, err := os.Stat(path); err != nil || info.Mode()&fs.ModeSocket == 0 {
		return
	}
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return
	}
	os.Remove(path)
}

// taking is the desk as a receiver of mail.
func taking(d *desk.Desk) mail.Receiver {
	return func(ctx context.Context, env mail.Envelope, raw []byte) error {
		_, err := d.Receive(ctx, env, raw)
		return err
	}
}

// loopback checks an address to listen on: this server asks nobody for a
// password, so that only this machine may reach it. A missing host is
// 127.0.0.1.
func loopback(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", usage("--smtp %q is no address: allowed is one like 127.0.0.1:2525", address)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", usage("--smtp %q is not loopback: allowed are 127.0.0.1, [::1] and localhost; let a mail server in front of it hand mail on", address)
	}
	return net.JoinHostPort(host, port), nil
}

func (c *call) greet(address, lmtp, relay string) {
	run := strings.TrimSpace(c.called + " " + c.again())
	fmt.Fprintf(c.stdout, "desk: database %s, subject tag [%s #1], working as %s\n", c.databaseName(), c.tag, c.actor())
	fmt.Fprintf(c.stdout, "desk: SMTP on %s, for %s\n", address, strings.Join(c.mailboxes(), ", "))
	if lmtp != "" {
		fmt.Fprintf(c.stdout, "desk: LMTP on %s, for the same\n", lmtp)
	}
	if relay == "" {
		fmt.Fprintf(c.stdout, "desk: outgoing mail stays queued: name a mail server by --relay host:port\n")
	} else {
		fmt.Fprintf(c.stdout, "desk: outgoing mail goes to %s\n", relay)
	}
	if c.hasPassword() {
		fmt.Fprintf(c.stdout, "desk: the commands below read the database from AIRTIGHT_DB, because its URL holds a password\n")
	}
	fmt.Fprintf(c.stdout, `
Send a first report from another terminal, or point a mail program at the address above:

  printf 'From: bob@example.org\nSubject: Scan of our network\n\n192.0.2.7 scans us.\n' | %[1]s receive
  %[1]s list
  %[1]s take 1
  %[1]s help

Ctrl-C stops.

`, run)
}

// mailboxes are those that mail is taken for.
func (o *options) mailboxes() []string {
	list := []string{o.mailbox}
	for _, r := range o.also {
		list = append(list, r.Address)
	}
	return list
}

// sweep acts on reminders until ctx ends, and once a day it removes bodies that
// no mail came to name.
func (w *workplace) sweep(ctx context.Context, log *slog.Logger) {
	failed := func(err error) {
		if err != nil && ctx.Err() == nil {
			log.Error("sweep", "error", err)
		}
	}
	for minute := 0; ctx.Err() == nil; minute++ {
		_, err := w.desk.Sweep(ctx, 1000)
		failed(err)
		if w.blobs != nil && minute%(24*60) == 0 {
			_, err := w.blobs.Sweep(ctx, blobdir.Day, w.desk.HoldsBody)
			failed(err)
		}
		sleep(ctx, time.Minute)
	}
}

func sleep(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}

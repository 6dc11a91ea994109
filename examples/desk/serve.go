package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/airtight-csirt/airtight/adapters/smtp"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

const (
	sweepEvery = time.Minute
	mailPause  = 2 * time.Second  // between looks at an empty outbox
	grace      = 10 * time.Second // for mail that is under way when we are told to stop
)

func serve(c *call, flags *flag.FlagSet) action {
	listen := flags.String("smtp", "127.0.0.1:2525", "loopback `address` to take mail on; port 0 is any free one")
	relay := flags.String("relay", "", "`host:port` of the mail server that sends our mail; without it, mail stays queued")
	var also []string
	collect(flags, "also", "further `address` or @domain that mail is taken for, repeatable", &also, word[string])
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
		log := slog.New(slog.NewTextHandler(c.stderr, nil))
		w, err := c.open(ctx, setting{create: true, log: log})
		if err != nil {
			return err
		}
		defer w.Close()
		server, err := smtp.NewServer(taking(w.desk), smtp.Config{
			Recipients: smtp.Only(append(also, c.mailbox)...), MaxBytes: mailLimit, Log: log,
		})
		if err != nil {
			return err
		}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return fmt.Errorf("cannot listen: %w: stop the other program, or choose another address by --smtp", err)
		}
		c.greet(listener.Addr().String(), *relay, also)

		var running sync.WaitGroup
		if *relay != "" {
			courier := &desk.Courier{Store: w.store, Sender: smtp.NewSender(*relay, smtp.SenderConfig{}), Grace: grace, Log: log}
			running.Go(func() { _ = courier.Run(ctx, mailPause) })
		}
		running.Go(func() { sweep(ctx, w.desk, log) })
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(listener) }()
		select {
		case err = <-ended: // by itself
			err = fmt.Errorf("SMTP ended: %w", err)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
			err = server.Shutdown(last)
			cancel()
			running.Wait()
			fmt.Fprintln(c.stdout, "stopped")
		}
		return err
	}
}

// taking is the desk as a receiver of mail.
func taking(d *desk.Desk) mail.Receiver {
	return func(ctx context.Context, env mail.Envelope, raw []byte) error {
		_, err := d.Receive(ctx, env, raw)
		return err
	}
}

// loopback checks an address to listen on: this server knows neither TLS nor
// passwords, so that only this machine may reach it. A missing host is
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

func (c *call) greet(address, relay string, also []string) {
	run := strings.TrimSpace(c.called + " " + c.again())
	fmt.Fprintf(c.stdout, "desk: database %s, subject tag [%s #1], working as %s\n", c.db, c.tag, c.actor())
	fmt.Fprintf(c.stdout, "desk: SMTP on %s, for %s\n", address, strings.Join(append([]string{c.mailbox}, also...), ", "))
	if relay == "" {
		fmt.Fprintf(c.stdout, "desk: outgoing mail stays queued: name a mail server by --relay host:port\n")
	} else {
		fmt.Fprintf(c.stdout, "desk: outgoing mail goes to %s\n", relay)
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

// sweep acts on reminders until ctx ends.
func sweep(ctx context.Context, d *desk.Desk, log *slog.Logger) {
	for ctx.Err() == nil {
		if _, err := d.Sweep(ctx, 1000); err != nil && ctx.Err() == nil {
			log.Error("sweep", "error", err)
		}
		sleep(ctx, sweepEvery)
	}
}

func sleep(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}

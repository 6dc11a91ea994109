package main

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/airtight-csirt/airtight/adapters/smtp"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
)

// host is an SMTP server on a free port of this machine.
type host struct {
	server  *smtp.Server
	address string
	ended   chan error
}

func newHost(receive mail.Receiver, recipients func(string) bool) (*host, error) {
	server, err := smtp.NewServer(receive, smtp.Config{Recipients: recipients})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &host{server, listener.Addr().String(), make(chan error, 1)}
	go func() { h.ended <- server.Serve(listener) }()
	return h, nil
}

func (h *host) stop(ctx context.Context) error {
	if err := h.server.Shutdown(ctx); err != nil {
		return err
	}
	return <-h.ended
}

// outside is the mailbox of the rest of the world.
type outside struct {
	*host
	mu    sync.Mutex
	mails []delivered
}

type delivered struct {
	to  []string
	msg *mail.Message
	raw []byte
}

func newOutside() (*outside, error) {
	o := &outside{}
	var err error
	o.host, err = newHost(o.take, func(string) bool { return true })
	return o, err
}

func (o *outside) take(_ context.Context, env mail.Envelope, raw []byte) error {
	msg, err := mail.Parse(raw, mail.Limits{})
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mails = append(o.mails, delivered{env.To, msg, raw})
	return nil
}

func (o *outside) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.mails)
}

// newest returns the last mail that somebody got.
func (o *outside) newest(p incident.Party) (delivered, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := len(o.mails) - 1; i >= 0; i-- {
		for _, to := range o.mails[i].to {
			if incident.SameAddress(to, p.Address) {
				return o.mails[i], nil
			}
		}
	}
	return delivered{}, fmt.Errorf("%s has got no mail", p.Address)
}

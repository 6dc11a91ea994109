package smtp

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"
)

// Config says what a [Server] takes. Recipients is required; every other field
// may be zero.
//
// At worst the server holds MaxMemory bytes of messages, half as much again for
// moments in which buffers grow, and about 120 KiB for each of MaxConnections
// connections, 64 of them for the beginning of a message; with the defaults
// 162 MiB. The garbage collector takes its share on top (GOGC), and so does what
// the Receiver makes of a message. A connection is one goroutine and ends at the
// latest SessionTimeout and MessageTimeout after it began, beside the time that the
// Receiver takes.
type Config struct {
	// Recipients reports whether mail for an address is taken; any other
	// address is refused with 550 5.7.1. See [Only]. It is called from many
	// goroutines. It is not asked about Postmaster, with Domain or nothing
	// behind it, which RFC 5321 4.5.1 has every server take: the envelope then
	// says postmaster@ and Domain.
	Recipients func(address string) bool

	// LMTP makes it a server for local delivery (RFC 2033), for a mail system on
	// the same machine that keeps the queue, on a unix socket or on loopback
	// but never on port 25. A message is handed to the Receiver once, with all its
	// recipients, and what that says is the answer for each of them.
	LMTP bool

	// TLS has the certificate for STARTTLS (RFC 3207); nil offers none. For TLS
	// from the first byte (RFC 8314 3.3) hand a listener of [tls.NewListener] to
	// Serve. RequireTLS answers 530 5.7.0 to mail in clear text; RFC 3207 4
	// forbids that to a server that the MX records of a domain name.
	TLS        *tls.Config
	RequireTLS bool

	Domain         string // our name in the greeting; default "localhost"
	MaxBytes       int64  // size of the largest message taken, more gets 552 5.3.4; default 25 MiB
	MaxMemory      int64  // of all messages that are arriving or with the Receiver, without the first 64 KiB of each; more gets 452 4.3.1; default 4 times MaxBytes, at least MaxBytes
	MaxRecipients  int    // of one message, more get 452 4.5.3; default 100
	MaxConnections int    // at a time, more get 421 4.3.2; default 100
	MaxPerSource   int    // connections of one address, for IPv6 one /64, more get 421 4.7.0; default half of MaxConnections
	MaxErrors      int    // commands answered 5yz since the last message taken, then 421 4.7.0; default 20

	// A peer that exceeds one of the first three gets 421 4.4.2; between two
	// messages only, when it is SessionTimeout.
	IdleTimeout    time.Duration // for a whole command, and for the next bytes of a message; default 5 minutes
	MessageTimeout time.Duration // for a whole message to arrive; default 10 minutes
	SessionTimeout time.Duration // for a connection; default 1 hour
	WriteTimeout   time.Duration // for a reply to be sent; default 1 minute

	// Log gets a line per message, taken or not, with its size, the number of
	// recipients, the answer and the cause that the Receiver reported. Addresses
	// of mail and hosts appear at debug level only. Default: silent.
	Log *slog.Logger
}

// Only returns a [Config.Recipients] for a list of addresses, like
// csirt@example.org, and whole domains, like @example.org. Case is ignored.
func Only(addresses ...string) func(address string) bool {
	taken := make(map[string]bool, len(addresses))
	for _, a := range addresses {
		taken[strings.ToLower(a)] = true
	}
	return func(address string) bool {
		address = strings.ToLower(address)
		return taken[address] || taken[address[max(0, strings.LastIndexByte(address, '@')):]]
	}
}

// complete checks a Config and fills in the defaults.
func (config Config) complete() (Config, error) {
	switch {
	case config.Recipients == nil:
		return config, errors.New("smtp: Config.Recipients is missing: name the addresses that mail is taken for, like smtp.Only(\"csirt@example.org\")")
	case min(config.MaxBytes, config.MaxMemory) < 0,
		min(config.MaxRecipients, config.MaxConnections, config.MaxPerSource, config.MaxErrors) < 0,
		min(config.IdleTimeout, config.MessageTimeout, config.SessionTimeout, config.WriteTimeout) < 0:
		return config, errors.New("smtp: limits and timeouts in Config must not be negative; zero means the default")
	case strings.ContainsAny(config.Domain, " \t\r\n<>@"):
		return config, fmt.Errorf("smtp: Config.Domain %q is no host name", config.Domain)
	case config.MaxBytes > math.MaxInt32:
		return config, fmt.Errorf("smtp: Config.MaxBytes is %d, messages are held in memory: at most %d", config.MaxBytes, math.MaxInt32)
	case config.RequireTLS && config.TLS == nil:
		return config, errors.New("smtp: Config.RequireTLS needs Config.TLS, for STARTTLS")
	case config.TLS != nil && len(config.TLS.Certificates) == 0 && config.TLS.GetCertificate == nil && config.TLS.GetConfigForClient == nil:
		return config, errors.New("smtp: Config.TLS has no certificate: set Certificates or GetCertificate")
	}
	config.Domain = cmp.Or(config.Domain, "localhost")
	config.MaxBytes = cmp.Or(config.MaxBytes, 25<<20)
	config.MaxMemory = cmp.Or(config.MaxMemory, 4*config.MaxBytes)
	if config.MaxMemory < config.MaxBytes {
		return config, fmt.Errorf("smtp: Config.MaxMemory is %d, one message may have %d: at least that", config.MaxMemory, config.MaxBytes)
	}
	config.MaxRecipients = cmp.Or(config.MaxRecipients, 100) // RFC 5321 4.5.3.1.8: at least 100
	config.MaxConnections = cmp.Or(config.MaxConnections, 100)
	config.MaxPerSource = cmp.Or(config.MaxPerSource, (config.MaxConnections+1)/2)
	config.MaxErrors = cmp.Or(config.MaxErrors, 20)
	config.IdleTimeout = cmp.Or(config.IdleTimeout, 5*time.Minute) // RFC 5321 4.5.3.2.7: at least 5
	config.MessageTimeout = cmp.Or(config.MessageTimeout, 10*time.Minute)
	config.SessionTimeout = cmp.Or(config.SessionTimeout, time.Hour)
	config.WriteTimeout = cmp.Or(config.WriteTimeout, time.Minute)
	config.Log = cmp.Or(config.Log, slog.New(slog.DiscardHandler))
	return config, nil
}

// Package dkim checks DKIM signatures (RFC 6376, RFC 8301, RFC 8463) on
// go-msgauth. [New] makes a [mail.Verifier] of a function that looks TXT records
// up; the package itself asks no DNS. What comes out belongs into
// [mail.AuthorInput].
package dkim

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/airtight-csirt/airtight/mail"
)

// LookupTXT returns the TXT records of a name, each joined to one string: as
// (*net.Resolver).LookupTXT does. No records and no error, or a [net.DNSError]
// that says IsNotFound, means that there is no key; any other error, that nobody
// knows now. It is called from several goroutines.
type LookupTXT func(ctx context.Context, name string) ([]string, error)

// Config is for [New]. It may be zero.
type Config struct {
	MaxSignatures int // of one mail that are checked: 5 if zero. Each costs a look-up
}

// Verifier checks mail. It is safe for concurrent use.
type Verifier struct {
	lookup LookupTXT
	config Config
}

var _ mail.Verifier = (*Verifier)(nil)

// New makes a Verifier. The error says that the look-up is missing or a limit
// negative.
func New(lookup LookupTXT, config Config) (*Verifier, error) {
	if lookup == nil {
		return nil, errors.New("dkim: New needs a function that looks TXT records up, like net.DefaultResolver.LookupTXT")
	}
	if config.MaxSignatures < 0 {
		return nil, fmt.Errorf("dkim: Config.MaxSignatures is %d; allowed are 0 for the standard, or more", config.MaxSignatures)
	}
	config.MaxSignatures = cmp.Or(config.MaxSignatures, 5)
	return &Verifier{lookup: lookup, config: config}, nil
}

// Verify implements [mail.Verifier]. There is a result for each signature, none
// for a mail without one. "pass": it holds, over all of the body. "fail": the
// mail was changed, or only a part of the body is covered (l=). "permerror": the
// signature or the key is of no use, or has expired. "temperror": the key could
// not be looked up now. "neutral": the domain says that it is only testing
// (RFC 6376 3.6.1). "policy": there are more signatures than are checked.
//
// Whether a signature has expired is measured by the clock of the machine. The
// only errors are that of ctx, and that the mail has no header that can be read.
func (v *Verifier) Verify(ctx context.Context, raw []byte) ([]mail.MethodResult, error) {
	if !bytes.Contains(bytes.ToLower(raw[:headerEnd(raw)]), []byte("dkim-signature")) {
		return nil, ctx.Err()
	}
	keys := &keys{testing: map[string]bool{}}
	checked, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{
		LookupTXT:        func(name string) ([]string, error) { return keys.lookup(ctx, v.lookup, name) },
		MaxVerifications: v.config.MaxSignatures,
	})
	if e := ctx.Err(); e != nil {
		return nil, e
	}
	many := errors.Is(err, dkim.ErrTooManySignatures)
	if err != nil && !many {
		return nil, fmt.Errorf("dkim: reading the mail: %w", err)
	}
	var results []mail.MethodResult
	for _, c := range checked {
		r := mail.MethodResult{Method: "dkim", Domain: strings.TrimSuffix(strings.ToLower(c.Domain), ".")}
		for _, name := range c.HeaderKeys {
			r.Covers = append(r.Covers, strings.ToLower(name))
		}
		slices.Sort(r.Covers)
		r.Covers = slices.Compact(r.Covers)
		switch {
		case c.Err == nil && keys.testing[r.Domain]:
			r.Result, r.Why = "neutral", "the domain says that it is only testing"
		case c.Err == nil:
			r.Result = "pass"
		case dkim.IsTempFail(c.Err):
			r.Result, r.Why = "temperror", c.Err.Error()
		case dkim.IsPermFail(c.Err):
			r.Result, r.Why = "permerror", c.Err.Error()
		default:
			r.Result, r.Why = "fail", c.Err.Error()
		}
		results = append(results, r)
	}
	if many {
		results = append(results, mail.MethodResult{Method: "dkim", Result: "policy", Why: fmt.Sprintf("only %d signatures were checked", v.config.MaxSignatures)})
	}
	return results, nil
}

// headerEnd returns where the header ends.
func headerEnd(raw []byte) int {
	end := len(raw)
	for _, blank := range []string{"\r\n\r\n", "\n\n"} {
		if n := bytes.Index(raw, []byte(blank)); n >= 0 {
			end = min(end, n)
		}
	}
	return end
}

// keys looks keys up for one mail.
type keys struct {
	mu      sync.Mutex
	testing map[string]bool // domains with a key that says t=y
}

func (k *keys) lookup(ctx context.Context, lookup LookupTXT, name string) ([]string, error) {
	records, err := lookup(ctx, name)
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, unknown{err}
	}
	_, domain, _ := strings.Cut(name, "._domainkey.")
	for _, record := range records {
		for tag := range strings.SplitSeq(record, ";") {
			name, value, _ := strings.Cut(tag, "=")
			if strings.TrimSpace(name) == "t" && slices.ContainsFunc(strings.Split(value, ":"), func(f string) bool { return strings.TrimSpace(f) == "y" }) {
				k.mu.Lock()
				k.testing[strings.TrimSuffix(strings.ToLower(domain), ".")] = true
				k.mu.Unlock()
			}
		}
	}
	return records, nil
}

// unknown is an error of a look-up that the library takes for a temporary one.
type unknown struct{ error }

// Timeout implements [net.Error].
func (unknown) Timeout() bool { return false }

// Temporary implements [net.Error].
func (unknown) Temporary() bool { return true }

// Unwrap returns the cause.
func (u unknown) Unwrap() error { return u.error }

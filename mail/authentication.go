package mail

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Verifier checks the signatures of domains on a mail, as it was received: DKIM
// (adapters/dkim). A signature that does not hold is a result, and no error; an
// error means that nothing can be said now. A Verifier is safe for concurrent
// use.
type Verifier interface {
	Verify(ctx context.Context, raw []byte) ([]MethodResult, error)
}

// MethodResult is what one method of authentication says (RFC 8601 2.7).
type MethodResult struct {
	Method string   `json:"method"`           // lower case: "dkim", "dmarc", "spf"
	Result string   `json:"result"`           // lower case: "pass", "fail", "none", "neutral", "policy", "temperror", "permerror"
	Domain string   `json:"domain,omitempty"` // lower case: header.d, header.from, smtp.mailfrom
	Covers []string `json:"covers,omitempty"` // fields of the header that were checked too, lower case; none: not known
	Why    string   `json:"why,omitempty"`
}

// OwnServer says how to know what the desk's own mail server wrote.
type OwnServer struct {
	// ID is the name that the server puts first in Authentication-Results
	// (RFC 8601 2.5), as mx.example.org. Empty: no such field is believed.
	ID string

	// Fields is how many such fields it adds to each mail: 1 if zero. Servers
	// with one filter per method add more.
	Fields int

	// Hops is how many Received fields our own servers add, from the one that
	// writes the results on to the desk: 1 if zero.
	Hops int
}

const (
	longestResults = 16 << 10 // bytes of one Authentication-Results
	resultsAtMost  = 50       // of one field
)

// Results reads what our own server says in Authentication-Results (RFC 8601).
// Anybody can write such a field: those count that bear the server's name, are
// the topmost Fields of that name, and stand above the Received fields that are
// not ours. Any other of that name is forged, or as old as that, and counts for
// nothing; there is a sentence for each. Fields of other names are passed over.
//
// This holds if the server adds its fields to every mail, or takes foreign ones
// with its name away (RFC 8601 5): one that does neither lets a forged field
// become the topmost.
func (o OwnServer) Results(m *Message) (results []MethodResult, forged []string) {
	if o.ID == "" {
		return nil, nil
	}
	own, hops := cmp.Or(o.Fields, 1), cmp.Or(o.Hops, 1)
	received := 0
	for _, f := range m.fields {
		switch {
		case f.is("Received"):
			received++
		case f.is("Authentication-Results"):
			value := unfold(f.value)
			id, list, ok := readResults(value)
			switch {
			case !strings.EqualFold(id, o.ID):
			case received > hops:
				forged = append(forged, "Authentication-Results with our name stands below the Received field of another server.")
			case own == 0:
				forged = append(forged, "Authentication-Results with our name, and not the topmost.")
			default:
				own--
				if ok {
					results = append(results, list...)
				}
			}
		}
	}
	return results, forged
}

// readResults reads one field (RFC 8601 2.2). It is false if it is not of that
// form: then it proves nothing.
func readResults(value string) (id string, list []MethodResult, ok bool) {
	if len(value) > longestResults {
		return "", nil, false
	}
	tokens, ok := resultTokens(value)
	for i := 0; ; i++ {
		end := slices.Index(tokens, ";")
		clause := tokens
		if end >= 0 {
			clause = tokens[:end]
		}
		switch {
		case i == 0:
			if len(clause) == 0 {
				return "", nil, false
			}
			id = clause[0]
		case len(clause) == 0 || len(clause) == 1 && strings.EqualFold(clause[0], "none"):
		default:
			r, fine := readResult(clause)
			if !fine || len(list) == resultsAtMost {
				return id, nil, false
			}
			list = append(list, r)
		}
		if end < 0 {
			return id, list, ok
		}
		tokens = tokens[end+1:]
	}
}

// readResult reads `dkim=pass reason="..." header.d=example.org`.
func readResult(clause []string) (MethodResult, bool) {
	var r MethodResult
	properties := map[string]string{}
	for len(clause) > 0 {
		if len(clause) < 3 || clause[1] != "=" {
			return r, false
		}
		name, value := strings.ToLower(clause[0]), clause[2]
		clause = clause[3:]
		if r.Method == "" {
			r.Method, _, _ = strings.Cut(name, "/") // a version may follow
			r.Result = strings.ToLower(value)
			continue
		}
		if _, twice := properties[name]; twice {
			return r, false
		}
		properties[name] = value
	}
	for _, name := range map[string][]string{
		"dkim":  {"header.d", "header.i"},
		"dmarc": {"header.from"},
		"spf":   {"smtp.mailfrom", "smtp.helo"},
	}[r.Method] {
		if r.Domain = domainOf(properties[name]); r.Domain != "" {
			break
		}
	}
	return r, true
}

// resultTokens cuts the field into words, quoted strings, "=" and ";".
// Comments are left out. It is false for one that is never closed.
func resultTokens(s string) (tokens []string, ok bool) {
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			tokens = append(tokens, word.String())
			word.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '(':
			flush()
			depth := 0
			for ; i < len(s); i++ {
				if s[i] == '\\' {
					i++
				} else if s[i] == '(' {
					depth++
				} else if s[i] == ')' {
					if depth--; depth == 0 {
						break
					}
				}
			}
			if depth > 0 {
				return tokens, false
			}
		case '"':
			text, end, closed := quotedString(s, i, false)
			if !closed {
				return tokens, false
			}
			word.WriteString(text)
			i = end - 1
		case ' ', '\t', '\r', '\n':
			flush()
		case ';', '=':
			if c == '=' && word.Len() > 0 && len(tokens) > 0 && tokens[len(tokens)-1] == "=" {
				word.WriteByte(c) // inside of a value, as in header.b=ab==
				continue
			}
			flush()
			tokens = append(tokens, string(c))
		default:
			word.WriteByte(c)
		}
	}
	flush()
	return tokens, true
}

// domainOf returns the domain of an address, or a domain itself.
func domainOf(address string) string {
	return strings.TrimSuffix(strings.ToLower(address[strings.LastIndexByte(address, '@')+1:]), ".")
}

// Standing says how sure it is who wrote a mail. The order is of trust.
type Standing int

// Standings.
const (
	Stranger      Standing = iota // nobody that the team knows, whatever was authenticated
	Known                         // the address of a known contact; anybody can write it
	Authenticated                 // a known contact, and the domain confirms that the mail is from there
	Signed                        // the author's own key signed the whole of it
)

// String returns the name in lower case, as it stands on a record.
func (s Standing) String() string {
	switch s {
	case Stranger:
		return "stranger"
	case Known:
		return "known"
	case Authenticated:
		return "authenticated"
	case Signed:
		return "signed"
	}
	return fmt.Sprintf("Standing(%d)", int(s))
}

// MarshalText implements [encoding.TextMarshaler].
func (s Standing) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Standing) UnmarshalText(text []byte) error {
	for _, known := range []Standing{Stranger, Known, Authenticated, Signed} {
		if string(text) == known.String() {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("mail: %q is no standing; allowed are stranger, known, authenticated, signed", text)
}

// AuthorInput is what must be known to say who wrote a mail.
type AuthorInput struct {
	Message *Message       // of the raw mail, not of the opened one
	Contact bool           // the address in From is one of a contact or of the team
	Results []MethodResult // of [OwnServer.Results] and of a [Verifier]
	Forged  []string       // of OwnServer.Results
	Opened  Opened         // of an [Opener]

	// Since is when the ticket was opened that the mail is said to be about: what
	// was signed before says nothing about it. Zero: the mail is about none.
	Since time.Time

	// Used are signatures, by [incident.Signature.Signed], that came in another
	// mail before: somebody took them over.
	Used []string
}

// otherClock is how far the clock of a signer may be behind ours.
const otherClock = time.Hour

// Authorship says who really wrote a mail, and why that is believed.
type Authorship struct {
	Standing Standing `json:"standing"`
	Address  string   `json:"address,omitempty"` // the author's; empty unless there is exactly one
	Domain   bool     `json:"domain,omitempty"`  // the domain of Address confirms the mail, known or not
	Forged   bool     `json:"forged,omitempty"`  // somebody wrote results in the name of our server
	Why      []string `json:"why"`               // sentences, in the order of thought
}

// Author decides who wrote a mail. It is a pure function.
//
// A mail must have one From field with one address to be more than a
// stranger's: programs disagree which of several they show. A domain confirms a
// mail by dmarc=pass for it, or by a DKIM signature of it, or of a domain above
// it, which covers From and Subject, with no second Subject beside it; SPF is
// about the envelope and counts only as a part of DMARC. A key confirms it if
// it is one that the team keeps for that address (see [incident.Signature]).
//
// What no signature covers is not confirmed by one: with OpenPGP the subject,
// unless it was protected too, and the time of arrival. So that no old signed mail
// is taken for a new one, a signature counts once, in the first mail with it, and
// not for a ticket that was opened after it was made; see Used and Since.
func Author(in AuthorInput) Authorship {
	a := Authorship{Forged: len(in.Forged) > 0, Why: slices.Clone(in.Forged)}
	say := func(format string, args ...any) { a.Why = append(a.Why, fmt.Sprintf(format, args...)) }
	switch fields := in.Message.count("From"); {
	case fields != 1:
		say("There are %d From fields: nobody can say who the author is.", fields)
		return a
	case len(in.Message.From) != 1:
		say("From has %d addresses: nobody can say who the author is.", len(in.Message.From))
		return a
	}
	a.Address = in.Message.From[0].Address
	for _, r := range in.Results {
		if why, ok := confirms(r, domainOf(a.Address), in.Message); ok {
			a.Domain = true
			say("%s", why)
		} else if why != "" {
			say("%s", why)
		}
	}
	for _, l := range in.Opened.Layers {
		for _, s := range l.Signatures {
			switch stale := in.stale(s); {
			case s.State != incident.SignatureGood:
				say("The signature with key %s is %s.", s.KeyID, s.State)
			case !s.Sender:
				say("The signer %s is not the sender.", cmp.Or(strings.Join(s.Signers, ", "), s.Fingerprint))
			case !l.Whole:
				say("%s signed only %s.", a.Address, l.Where)
			case stale != "":
				say("%s", stale)
			case !l.Subject:
				say("The signature with key %s does not cover the subject.", s.KeyID)
			}
		}
	}
	signature, signed := in.Opened.signed(func(s incident.Signature) bool { return in.stale(s) == "" })
	switch {
	case signed:
		a.Standing = Signed
		say("%s signed it with key %s.", a.Address, signature.Fingerprint)
	case !in.Contact:
		say("%s is nobody that is known.", a.Address)
	case a.Domain:
		a.Standing = Authenticated
		say("%s is a known contact, and its domain confirms the mail.", a.Address)
	default:
		a.Standing = Known
		say("%s is a known contact; nothing confirms that the mail is from there.", a.Address)
	}
	return a
}

// stale says why a signature is not about this mail, although it is in it.
func (in AuthorInput) stale(s incident.Signature) string {
	switch {
	case s.Signed != "" && slices.Contains(in.Used, s.Signed):
		return "The signature with key " + s.KeyID + " came in another mail before: it was taken from there."
	case s.Made.Add(otherClock).Before(in.Since):
		return "The signature with key " + s.KeyID + " was made before there was the ticket: it says nothing about it."
	}
	return ""
}

// confirms reports whether a result is about the author's domain and passes.
// Where it passes and yet confirms nothing, the sentence says why.
func confirms(r MethodResult, domain string, m *Message) (string, bool) {
	if r.Result != "pass" || r.Domain == "" || domain == "" {
		return "", false
	}
	switch r.Method {
	case "dmarc":
		if r.Domain == domain {
			return "DMARC passed for " + domain + ".", true
		}
		return "DMARC passed for " + r.Domain + ", which is not the author's domain.", false
	case "dkim":
		if domain != r.Domain && !strings.HasSuffix(domain, "."+r.Domain) {
			return "DKIM passed for " + r.Domain + ", which is not the author's domain.", false
		}
		if m.count("Subject") > 1 {
			return "DKIM passed for " + r.Domain + ", and there are several subjects: one was added later.", false
		}
		if len(r.Covers) > 0 && !(slices.Contains(r.Covers, "from") && slices.Contains(r.Covers, "subject")) {
			return "DKIM passed for " + r.Domain + " without covering From and Subject.", false
		}
		return "DKIM passed for " + r.Domain + ".", true
	}
	return "", false
}

// count returns how many fields of the header have that name.
func (m *Message) count(name string) int {
	n := 0
	for _, f := range m.fields {
		if f.is(name) {
			n++
		}
	}
	return n
}

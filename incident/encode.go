package incident

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Type names, released for ever.
func (Opened) Type() string        { return "opened" }
func (Moved) Type() string         { return "moved" }
func (Owned) Type() string         { return "owned" }
func (Linked) Type() string        { return "linked" }
func (Unlinked) Type() string      { return "unlinked" }
func (Edited) Type() string        { return "edited" }
func (Message) Type() string       { return "message" }
func (Commented) Type() string     { return "commented" }
func (DueSet) Type() string        { return "due" }
func (Warned) Type() string        { return "warned" }
func (Breached) Type() string      { return "breached" }
func (Overdue) Type() string       { return "overdue" }
func (Held) Type() string          { return "held" }
func (Delivered) Type() string     { return "delivered" }
func (Merged) Type() string        { return "merged" }
func (Joined) Type() string        { return "joined" }
func (Unmerged) Type() string      { return "unmerged" }
func (Notified) Type() string      { return "notified" }
func (Attended) Type() string      { return "attended" }
func (Reacted) Type() string       { return "reacted" }
func (Settled) Type() string       { return "settled" }
func (Undelivered) Type() string   { return "undelivered" }
func (Adopted) Type() string       { return "adopted" }
func (Observed) Type() string      { return "observed" }
func (Imported) Type() string      { return "imported" }
func (ReceivedAgain) Type() string { return "received-again" }
func (Examined) Type() string      { return "examined" }
func (Skipped) Type() string       { return "skipped" }
func (Redacted) Type() string      { return "redacted" }
func (Custom) Type() string        { return "custom" }
func (e Unknown) Type() string     { return e.Name }

func (Bounced) Type() string        { return "bounced" }
func (AddressMarked) Type() string  { return "address-marked" }
func (AddressCleared) Type() string { return "address-cleared" }

// Types returns the names of all types of events, as they are stored, in
// alphabetical order.
func Types() []string {
	return []string{
		"address-cleared", "address-marked", "adopted", "attended", "bounced", "breached", "commented", "custom", "delivered", "due", "edited", "examined", "held", "imported", "joined", "linked", "merged",
		"message", "moved", "notified", "observed", "opened", "overdue", "owned", "reacted", "received-again", "redacted", "settled", "skipped", "undelivered", "unlinked", "unmerged", "warned",
	}
}

func (e Opened) content() any        { return e.Content }
func (Moved) content() any           { return nil }
func (Owned) content() any           { return nil }
func (Linked) content() any          { return nil }
func (Unlinked) content() any        { return nil }
func (e Edited) content() any        { return e.Content }
func (e Message) content() any       { return e.Content }
func (DueSet) content() any          { return nil }
func (Warned) content() any          { return nil }
func (Breached) content() any        { return nil }
func (Overdue) content() any         { return nil }
func (Held) content() any            { return nil }
func (Delivered) content() any       { return nil }
func (Merged) content() any          { return nil }
func (e Joined) content() any        { return e.Content }
func (Unmerged) content() any        { return nil }
func (Attended) content() any        { return nil }
func (Reacted) content() any         { return nil }
func (Settled) content() any         { return nil }
func (e Undelivered) content() any   { return e.Content }
func (Adopted) content() any         { return nil }
func (e Observed) content() any      { return e.Content }
func (e Imported) content() any      { return e.Content }
func (e ReceivedAgain) content() any { return e.Content }
func (e Examined) content() any      { return e.Content }
func (Skipped) content() any         { return nil }
func (Redacted) content() any        { return nil }
func (e Unknown) content() any       { return e.Content }

func (e Notified) content() any {
	if e.Content.Party.Address == "" {
		return nil
	}
	return e.Content
}

func (e Commented) content() any {
	if e.Content.Call == nil {
		return nil
	}
	return e.Content
}

func (e Custom) content() any {
	if len(e.Content) == 0 {
		return nil
	}
	return e.Content
}

func (Opened) blobs() []Digest          { return nil }
func (Moved) blobs() []Digest           { return nil }
func (Owned) blobs() []Digest           { return nil }
func (Linked) blobs() []Digest          { return nil }
func (Unlinked) blobs() []Digest        { return nil }
func (Edited) blobs() []Digest          { return nil }
func (e Message) blobs() []Digest       { return e.Blobs }
func (e Commented) blobs() []Digest     { return e.Blobs }
func (DueSet) blobs() []Digest          { return nil }
func (Warned) blobs() []Digest          { return nil }
func (Breached) blobs() []Digest        { return nil }
func (Overdue) blobs() []Digest         { return nil }
func (Held) blobs() []Digest            { return nil }
func (Delivered) blobs() []Digest       { return nil }
func (Merged) blobs() []Digest          { return nil }
func (Joined) blobs() []Digest          { return nil }
func (Unmerged) blobs() []Digest        { return nil }
func (e Notified) blobs() []Digest      { return e.Blobs }
func (Attended) blobs() []Digest        { return nil }
func (e Reacted) blobs() []Digest       { return e.Blobs }
func (Settled) blobs() []Digest         { return nil }
func (Undelivered) blobs() []Digest     { return nil }
func (e Adopted) blobs() []Digest       { return e.Blobs }
func (e Observed) blobs() []Digest      { return e.Blobs }
func (e Imported) blobs() []Digest      { return e.Blobs }
func (e ReceivedAgain) blobs() []Digest { return e.Blobs }
func (Examined) blobs() []Digest        { return nil }
func (Skipped) blobs() []Digest         { return nil }
func (Redacted) blobs() []Digest        { return nil }
func (e Custom) blobs() []Digest        { return e.Blobs }
func (e Unknown) blobs() []Digest       { return e.Blobs }

// NearMiss says why a rule that a record woke did not fire. Why names no person.
type NearMiss struct {
	Rule string `json:"rule"`
	Why  string `json:"why"`
}

// Encode fills Type, Data, Content and Blobs of r from an event. Near misses,
// if there are any, become part of Data. It fails only on JSON that a program
// put into [Custom].
func (r *Record) Encode(ev Event, misses ...NearMiss) error {
	r.Type, r.Blobs = ev.Type(), ev.blobs()
	var err error
	if unknown, ok := ev.(Unknown); ok {
		r.Data, r.Content = unknown.Data, unknown.Content
		return nil
	}
	if r.Data, err = json.Marshal(ev); err != nil {
		return fmt.Errorf("incident: data of event %s: %w", r.Type, err)
	}
	if len(misses) > 0 {
		list, err := json.Marshal(misses)
		if err != nil {
			return fmt.Errorf("incident: near misses of event %s: %w", r.Type, err)
		}
		r.Data = r.Data[:len(r.Data)-1]
		if len(r.Data) > 1 {
			r.Data = append(r.Data, ',')
		}
		r.Data = append(append(append(r.Data, `"misses":`...), list...), '}')
	}
	r.Content = nil
	if c := ev.content(); c != nil {
		if r.Content, err = json.Marshal(c); err != nil {
			return fmt.Errorf("incident: content of event %s: %w", r.Type, err)
		}
	}
	return nil
}

// NearMisses returns the near misses that Encode put into the record.
func (r Record) NearMisses() []NearMiss {
	var data struct {
		Misses []NearMiss `json:"misses"`
	}
	if json.Unmarshal(r.Data, &data) != nil {
		return nil
	}
	return data.Misses
}

// ErrMalformed is returned by [Decode] for a record of a known type whose Data
// or Content is not what that type holds.
var ErrMalformed = errors.New("incident: malformed record")

// Decode returns the event of a record. An unknown type gives an [Unknown] and
// no error. Erased content gives an event with the zero Content.
func Decode(r Record) (Event, error) {
	switch r.Type {
	case "opened":
		return decode(r, func(e *Opened) any { return &e.Content })
	case "moved":
		return decode[Moved](r, nil)
	case "owned":
		return decode[Owned](r, nil)
	case "linked":
		return decode[Linked](r, nil)
	case "unlinked":
		return decode[Unlinked](r, nil)
	case "edited":
		return decode(r, func(e *Edited) any { return &e.Content })
	case "message":
		return decode(r, func(e *Message) any { e.Blobs = r.Blobs; return &e.Content })
	case "commented":
		return decode(r, func(e *Commented) any { e.Blobs = r.Blobs; return &e.Content })
	case "due":
		return decode[DueSet](r, nil)
	case "warned":
		return decode[Warned](r, nil)
	case "breached":
		return decode[Breached](r, nil)
	case "held":
		return decode[Held](r, nil)
	case "delivered":
		return decode[Delivered](r, nil)
	case "overdue":
		return decode[Overdue](r, nil)
	case "merged":
		return decode[Merged](r, nil)
	case "joined":
		return decode(r, func(e *Joined) any { return &e.Content })
	case "unmerged":
		return decode[Unmerged](r, nil)
	case "notified":
		return decode(r, func(e *Notified) any { e.Blobs = r.Blobs; return &e.Content })
	case "attended":
		return decode[Attended](r, nil)
	case "reacted":
		return decode(r, func(e *Reacted) any { e.Blobs = r.Blobs; return nil })
	case "settled":
		return decode[Settled](r, nil)
	case "undelivered":
		return decode(r, func(e *Undelivered) any { return &e.Content })
	case "adopted":
		return decode(r, func(e *Adopted) any { e.Blobs = r.Blobs; return nil })
	case "bounced":
		return decode(r, func(e *Bounced) any { return &e.Content })
	case "address-marked":
		return decode(r, func(e *AddressMarked) any { return &e.Content })
	case "address-cleared":
		return decode(r, func(e *AddressCleared) any { return &e.Content })
	case "observed":
		return decode(r, func(e *Observed) any { e.Blobs = r.Blobs; return &e.Content })
	case "imported":
		return decode(r, func(e *Imported) any { e.Blobs = r.Blobs; return &e.Content })
	case "received-again":
		return decode(r, func(e *ReceivedAgain) any { e.Blobs = r.Blobs; return &e.Content })
	case "examined":
		return decode(r, func(e *Examined) any { return &e.Content })
	case "skipped":
		return decode[Skipped](r, nil)
	case "redacted":
		return decode[Redacted](r, nil)
	case "custom":
		return decode(r, func(e *Custom) any { e.Content, e.Blobs = r.Content, r.Blobs; return nil })
	}
	return Unknown{Name: r.Type, Data: r.Data, Content: r.Content, Blobs: r.Blobs}, nil
}

// decode reads Data into an E and Content into what erasable points at in it.
func decode[E Event](r Record, erasable func(*E) any) (Event, error) {
	var ev E
	if err := json.Unmarshal(r.Data, &ev); err != nil {
		return ev, fmt.Errorf("%w: data of event %s: %w", ErrMalformed, r.Type, err)
	}
	if erasable == nil {
		return ev, nil
	}
	if into := erasable(&ev); into != nil && len(r.Content) > 0 {
		if err := json.Unmarshal(r.Content, into); err != nil {
			return ev, fmt.Errorf("%w: content of event %s: %w", ErrMalformed, r.Type, err)
		}
	}
	return ev, nil
}

package lookup

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// RegistriesConfig says whom [Registries] asks. Every field may be zero.
type RegistriesConfig struct {
	// Registries are asked in order: RDAP first, whois second. The next one is
	// asked when one fails, knows nothing, or names no abuse contact.
	Registries []Registry

	Resolver Resolver // for Host; nil: no names and origins

	// Directory says whose an address is. Registries are not asked about what
	// one of its entries decides, its default aside. Nil knows nothing.
	Directory *Directory

	Timeout    time.Duration // for a question, all servers together, in equal parts; default 30 seconds
	Concurrent int           // questions at a time, more wait; default 8
	Waiting    int           // questions that may wait, more are ErrBusy at once; default 1000
	Keep       time.Duration // how long an answer is remembered; default 24 hours
	KeepNone   time.Duration // how long it is that nobody knows; default 1 hour
	KeepFailed time.Duration // how long it is that nobody answered; default 1 minute
	Memory     int           // bytes of answers remembered, those not used for longest go first; default 32 MiB
	Now        func() time.Time
}

// Registries asks several registries as one, and remembers what they said. Make
// one with [NewRegistries]; any number of goroutines may use it.
//
// However slow or wrong the servers are, a question ends at the Timeout or with
// the caller's context, and what is kept stays within Memory. Questions that are
// asked several times at once are asked once.
type Registries struct {
	config RegistriesConfig
	slots  chan struct{} // held while asking
	places chan struct{} // held while asking or waiting for it

	mu      sync.Mutex
	entries map[Question]*list.Element // of *remembered
	recent  list.List                  // the one used last in front
	bytes   int
}

type remembered struct {
	question Question
	answer   Registration
	err      error
	until    time.Time
	size     int
	done     chan struct{} // closed when answer and err are there
}

// NewRegistries returns what asks the registries of a config. The error names
// fields below zero.
func NewRegistries(config RegistriesConfig) (*Registries, error) {
	for name, v := range map[string]int64{
		"Timeout": int64(config.Timeout), "Concurrent": int64(config.Concurrent), "Waiting": int64(config.Waiting), "Keep": int64(config.Keep),
		"KeepNone": int64(config.KeepNone), "KeepFailed": int64(config.KeepFailed), "Memory": int64(config.Memory),
	} {
		if v < 0 {
			return nil, fmt.Errorf("lookup: RegistriesConfig.%s is below zero: allowed are 0 for the default and more", name)
		}
	}
	config.Timeout = cmp.Or(config.Timeout, 30*time.Second)
	config.Concurrent = cmp.Or(config.Concurrent, 8)
	config.Waiting = cmp.Or(config.Waiting, 1000)
	config.Keep = cmp.Or(config.Keep, 24*time.Hour)
	config.KeepNone = cmp.Or(config.KeepNone, time.Hour)
	config.KeepFailed = cmp.Or(config.KeepFailed, time.Minute)
	config.Memory = cmp.Or(config.Memory, 32<<20)
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Registries{
		config: config, entries: map[Question]*list.Element{},
		slots: make(chan struct{}, config.Concurrent), places: make(chan struct{}, config.Concurrent+config.Waiting),
	}, nil
}

// Ask returns what the first registry says that names an abuse contact; where
// none does, what the first says that knows anything. What was asked for lately
// comes out of the memory.
//
// An error is ErrUnknown when those that answered know nothing, else it joins what
// went wrong at each. It may come with what could be read.
func (r *Registries) Ask(ctx context.Context, q Question) (Registration, error) {
	q = q.canonical()
	if err := q.check(); err != nil {
		return Registration{}, err
	}
	e, mine := r.recall(q)
	if e == nil {
		return Registration{}, fmt.Errorf("%w, %s is not asked for", ErrBusy, q)
	}
	if mine {
		// Others may wait for the answer too, so the caller's end is not its end.
		go r.fetch(context.WithoutCancel(ctx), e)
	}
	select {
	case <-e.done:
		return e.answer.clone(), e.err
	case <-ctx.Done():
		return Registration{}, fmt.Errorf("lookup: asking for %s: %w", q, ctx.Err())
	}
}

// recall returns the entry of a question, and whether the caller has to fetch
// it; nil when there is no place to wait.
func (r *Registries) recall(q Question) (e *remembered, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if element, ok := r.entries[q]; ok {
		e = element.Value.(*remembered)
		if e.until.IsZero() || r.config.Now().Before(e.until) {
			r.recent.MoveToFront(element)
			return e, false
		}
		r.forget(element)
	}
	select {
	case r.places <- struct{}{}:
	default:
		return nil, false
	}
	e = &remembered{question: q, done: make(chan struct{})}
	r.entries[q] = r.recent.PushFront(e)
	return e, true
}

func (r *Registries) forget(element *list.Element) {
	e := element.Value.(*remembered)
	r.recent.Remove(element)
	delete(r.entries, e.question)
	r.bytes -= e.size
}

func (r *Registries) fetch(ctx context.Context, e *remembered) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Timeout)
	defer cancel()
	defer func() { <-r.places }()
	select {
	case r.slots <- struct{}{}:
		e.answer, e.err = r.first(ctx, e.question)
		<-r.slots
	case <-ctx.Done():
		e.err = fmt.Errorf("lookup: asking for %s: waiting for others: %w", e.question, ctx.Err())
	}

	keep := r.config.Keep
	if errors.Is(e.err, ErrUnknown) || errors.Is(e.err, ErrNoServer) {
		keep = r.config.KeepNone
	} else if e.err != nil {
		keep = r.config.KeepFailed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer close(e.done)
	e.until = r.config.Now().Add(keep)
	e.size = e.answer.size()
	r.bytes += e.size
	for oldest := r.recent.Back(); oldest != nil && r.bytes > r.config.Memory; {
		previous := oldest.Prev()
		if !oldest.Value.(*remembered).until.IsZero() { // else it is being asked: it has no size, and somebody waits
			r.forget(oldest)
		}
		oldest = previous
	}
}

// first asks one registry after the other; each leaves those behind it an equal
// part of the time.
func (r *Registries) first(ctx context.Context, q Question) (Registration, error) {
	var best Registration
	var failed []error
	answered, unknown := false, false
	end, _ := ctx.Deadline()
	for i, registry := range r.config.Registries {
		if err := ctx.Err(); err != nil {
			failed = append(failed, err)
			break
		}
		part, cancel := context.WithTimeout(ctx, time.Until(end)/time.Duration(len(r.config.Registries)-i))
		got, err := registry.Ask(part, q)
		cancel()
		switch {
		case errors.Is(err, ErrUnknown):
			unknown = true
			continue
		case errors.Is(err, ErrNoServer):
			continue
		case err != nil:
			failed = append(failed, err)
		}
		if another := q.answeredBy(got); another != nil {
			failed = append(failed, another)
			continue
		}
		if got.Fetched.IsZero() {
			got.Fetched = r.config.Now()
		}
		if len(got.Abuse()) > 0 {
			return got, err
		}
		if err == nil && !answered {
			best, answered = got, true
		} else if !answered && best.Text == "" {
			best = got
		}
	}
	switch {
	case answered:
		return best, nil
	case len(failed) > 0:
		return best, fmt.Errorf("lookup: asking for %s: %w", q, errors.Join(failed...))
	case unknown:
		return best, fmt.Errorf("%w: %s", ErrUnknown, q)
	}
	return best, fmt.Errorf("%w of %s", ErrNoServer, q)
}

// Host finds out what a handler wants to see on an address. It has no error:
// Missing says what is not there.
func (r *Registries) Host(ctx context.Context, a netip.Addr) HostAnswer {
	a = a.Unmap().WithZone("")
	answer := HostAnswer{Address: a}
	miss := func(err error) {
		if err != nil {
			answer.Missing = append(answer.Missing, err)
		}
	}
	if r.config.Resolver != nil {
		dns, cancel := context.WithTimeout(ctx, r.config.Timeout)
		defer cancel()
		var err error
		answer.Names, err = r.config.Resolver.Names(dns, a)
		miss(err)
		if answer.Origins, err = r.config.Resolver.Origins(dns, a); !errors.Is(err, ErrNoServer) {
			miss(err)
		}
	}
	if r.config.Directory != nil {
		var origins []uint32
		for _, o := range answer.Origins {
			origins = append(origins, o.AS)
		}
		answer.Match = r.config.Directory.Match(incident.AddressOf(a, ""), origins...)
		if m := answer.Match; m.Known() {
			answer.Network, _ = m.Entry.Scope.Network()
			answer.NetworkName, answer.Contacts = m.Entry.Label, m.Constituency.Contacts
			return answer
		}
	}
	got, err := r.Ask(ctx, Question{Network: netip.PrefixFrom(a, a.BitLen())})
	miss(err)
	answer.Registration = got
	answer.Network, _ = rangePrefix(got.First, got.Last)
	answer.NetworkName = got.Name
	for _, c := range got.Contacts {
		if !c.Has("abuse") {
			continue
		}
		one := Contact{Role: "abuse", Name: c.Name, Telephone: c.Telephone, Language: c.Language}
		for _, one.Address = range c.Addresses {
			answer.Contacts = append(answer.Contacts, one)
		}
		if len(c.Addresses) == 0 && c.Telephone != "" {
			answer.Contacts = append(answer.Contacts, one)
		}
	}
	return answer
}

// rangePrefix returns the prefix that is exactly a range.
func rangePrefix(first, last netip.Addr) (netip.Prefix, bool) {
	if !first.IsValid() || first.BitLen() != last.BitLen() {
		return netip.Prefix{}, false
	}
	for bits := first.BitLen(); bits >= 0; bits-- {
		p := netip.PrefixFrom(first, bits)
		if p.Masked().Addr() != first {
			break
		}
		if LastOf(p) == last {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// LastOf returns the last address of a network; the zero Addr for an invalid one.
func LastOf(p netip.Prefix) netip.Addr {
	if !p.IsValid() {
		return netip.Addr{}
	}
	bytes := p.Addr().AsSlice()
	for i := p.Bits(); i < len(bytes)*8; i++ {
		bytes[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

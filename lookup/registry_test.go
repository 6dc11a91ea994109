package lookup_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/lookup"
)

// registry is a function that counts how often it is asked.
type registry struct {
	ask   func(context.Context, lookup.Question) (lookup.Registration, error)
	asked atomic.Int32
}

func (r *registry) Ask(ctx context.Context, q lookup.Question) (lookup.Registration, error) {
	r.asked.Add(1)
	return r.ask(ctx, q)
}

// says is a registry with one answer.
func says(server string, err error, abuse ...string) *registry {
	return &registry{ask: func(context.Context, lookup.Question) (lookup.Registration, error) {
		answer := lookup.Registration{Server: server}
		if len(abuse) > 0 {
			answer.Contacts = []lookup.RegistryContact{{Roles: []string{"abuse"}, Addresses: abuse}}
		}
		return answer, err
	}}
}

func registries(t testing.TB, config lookup.RegistriesConfig) *lookup.Registries {
	t.Helper()
	r, err := lookup.NewRegistries(config)
	require.NoError(t, err)
	return r
}

func question(s string) lookup.Question {
	return lookup.Question{Network: netip.MustParsePrefix(s)}
}

// TestOrder asks RDAP first, whois second, then nobody.
func TestOrder(t *testing.T) {
	broken, unknown, none := errors.New("broken"), fmt.Errorf("x: %w", lookup.ErrUnknown), fmt.Errorf("x: %w", lookup.ErrNoServer)
	for name, test := range map[string]struct {
		rdap, whois *registry
		server      string
		err         error
		asksWhois   bool
	}{
		"the first knows":            {says("rdap", nil, "a@example.org"), says("whois", nil, "b@example.org"), "rdap", nil, false},
		"it names nobody":            {says("rdap", nil), says("whois", nil, "b@example.org"), "whois", nil, true},
		"both name nobody":           {says("rdap", nil), says("whois", nil), "rdap", nil, true},
		"it names nobody, broken":    {says("rdap", nil), says("", broken), "rdap", nil, true},
		"broken":                     {says("", broken), says("whois", nil, "b@example.org"), "whois", nil, true},
		"broken, names nobody":       {says("", broken), says("whois", nil), "whois", nil, true},
		"unknown":                    {says("", unknown), says("whois", nil), "whois", nil, true},
		"unknown to both":            {says("", unknown), says("", unknown), "", lookup.ErrUnknown, true},
		"unknown, no server":         {says("", unknown), says("", none), "", lookup.ErrUnknown, true},
		"unknown, broken":            {says("", unknown), says("", broken), "", broken, true},
		"no server":                  {says("", none), says("", none), "", lookup.ErrNoServer, true},
		"cut, but the contact is in": {says("rdap", lookup.ErrTooLong, "a@example.org"), says("whois", nil), "rdap", lookup.ErrTooLong, false},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := registries(t, lookup.RegistriesConfig{Registries: []lookup.Registry{test.rdap, test.whois}}).Ask(t.Context(), question("192.0.2.7/32"))
			require.ErrorIs(t, err, test.err)
			if test.err != nil && !errors.Is(test.err, lookup.ErrUnknown) {
				require.NotErrorIs(t, err, lookup.ErrUnknown)
			}
			require.Equal(t, test.server, answer.Server)
			require.Equal(t, test.asksWhois, test.whois.asked.Load() == 1)
		})
	}
	_, err := registries(t, lookup.RegistriesConfig{}).Ask(t.Context(), question("192.0.2.7/32"))
	require.ErrorIs(t, err, lookup.ErrNoServer)
}

// TestAnotherAnswer refuses answers to something else: their contact is not to be told.
func TestAnotherAnswer(t *testing.T) {
	ask := func(q lookup.Question, first, last, name string) error {
		liar := &registry{ask: func(context.Context, lookup.Question) (lookup.Registration, error) {
			r := lookup.Registration{Server: "liar", Name: name, Contacts: []lookup.RegistryContact{{Roles: []string{"abuse"}, Addresses: []string{"a@example.org"}}}}
			if first != "" {
				r.First, r.Last = netip.MustParseAddr(first), netip.MustParseAddr(last)
			}
			return r, nil
		}}
		answer, err := registries(t, lookup.RegistriesConfig{Registries: []lookup.Registry{liar}}).Ask(t.Context(), q)
		require.Equal(t, err == nil, len(answer.Abuse()) == 1)
		return err
	}
	require.NoError(t, ask(question("192.0.2.7/32"), "192.0.2.0", "192.0.2.255", ""))
	require.NoError(t, ask(question("192.0.2.7/32"), "198.51.100.1", "198.51.100.1", ""), "a range of one")
	require.Error(t, ask(question("192.0.2.7/32"), "198.51.100.0", "198.51.100.255", ""))
	require.Error(t, ask(question("192.0.2.0/23"), "192.0.2.0", "192.0.2.255", ""), "a part of it")
	require.Error(t, ask(question("192.0.2.7/32"), "2001:db8::", "2001:db8::ffff", ""))
	require.NoError(t, ask(lookup.Question{Domain: "www.example.org"}, "", "", "Example.org."))
	require.NoError(t, ask(lookup.Question{Domain: "xn--bcher-kva.example"}, "", "", "bücher.example"))
	require.Error(t, ask(lookup.Question{Domain: "example.org"}, "", "", "example.net"))
	require.Error(t, ask(lookup.Question{Domain: "notexample.org"}, "", "", "example.org"))
}

func TestQuestions(t *testing.T) {
	var got lookup.Question
	r := registries(t, lookup.RegistriesConfig{Registries: []lookup.Registry{&registry{ask: func(_ context.Context, q lookup.Question) (lookup.Registration, error) {
		got = q
		return lookup.Registration{}, nil
	}}}})
	for _, test := range []struct {
		q    lookup.Question
		want string
	}{
		{question("192.0.2.7/24"), "192.0.2.0/24"}, {question("::ffff:192.0.2.7/128"), "192.0.2.7"}, {question("2001:db8::1/128"), "2001:db8::1"},
		{lookup.Question{Domain: "WWW.Example.ORG."}, "www.example.org"}, {lookup.Question{AS: 64500}, "AS64500"},
	} {
		_, err := r.Ask(t.Context(), test.q)
		require.NoError(t, err)
		require.Equal(t, test.want, got.String())
	}
	for _, bad := range []lookup.Question{
		{}, {AS: 1, Domain: "example.org"}, {Domain: "a b"}, {Domain: "example.org\r\nhelp"}, {Domain: "../x"}, {Domain: "bücher.example"},
		{Domain: "a..b"}, {Domain: ".a"}, {Domain: strings.Repeat("a.", 130) + "org"}, {Domain: "-x.example"},
	} {
		_, err := r.Ask(t.Context(), bad)
		require.Error(t, err, bad)
	}
	for _, test := range []struct {
		kind  incident.ObservableKind
		value string
		want  string
	}{{incident.Address, "192.0.2.7", "192.0.2.7"}, {incident.Prefix, "2001:db8::/32", "2001:db8::/32"}, {incident.Host, "www.example.org", "www.example.org"}} {
		o, err := incident.NewObservable(test.kind, test.value, "")
		require.NoError(t, err)
		q, ok := lookup.QuestionOf(o)
		require.True(t, ok)
		require.Equal(t, test.want, q.String())
	}
	_, ok := lookup.QuestionOf(incident.Observable{Kind: incident.CVE, Value: "CVE-2026-1234"})
	require.False(t, ok)
}

func TestDomainsOfAQuestion(t *testing.T) {
	q := lookup.Question{Domain: "www.example.org"}
	require.Equal(t, []string{"www.example.org", "example.org", "org", ""}, slices.Collect(q.Domains()))
	require.Equal(t, []string{""}, slices.Collect(lookup.Question{}.Domains()))
	for name := range q.Domains() {
		require.Equal(t, "www.example.org", name)
		break
	}
}

// TestMemory remembers answers, that there is none, and failures, each for its time.
func TestMemory(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		keep time.Duration
	}{"answer": {nil, 24 * time.Hour}, "unknown": {lookup.ErrUnknown, time.Hour}, "failure": {errors.New("broken"), time.Minute}} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			one := says("x", test.err, "a@example.org")
			r := registries(t, lookup.RegistriesConfig{Registries: []lookup.Registry{one}, Now: func() time.Time { return now }})
			for i, step := range []time.Duration{0, 0, test.keep - 1, 1, 0} {
				now = now.Add(step)
				answer, err := r.Ask(t.Context(), question("192.0.2.7/32"))
				require.ErrorIs(t, err, test.err)
				require.EqualValues(t, 1+i/3, one.asked.Load(), i)
				if !errors.Is(test.err, lookup.ErrUnknown) {
					require.Equal(t, []string{"a@example.org"}, answer.Abuse())
				}
				if len(answer.Contacts) > 0 {
					answer.Contacts[0].Addresses[0] = "changed by the caller"
				}
			}
		})
	}
}

// TestMemoryIsBounded forgets what was not used for longest.
func TestMemoryIsBounded(t *testing.T) {
	long := &registry{ask: func(context.Context, lookup.Question) (lookup.Registration, error) {
		return lookup.Registration{Text: strings.Repeat("x", 10_000)}, nil
	}}
	r := registries(t, lookup.RegistriesConfig{Registries: []lookup.Registry{long}, Memory: 100_000})
	ask := func(i int) {
		_, err := r.Ask(t.Context(), lookup.Question{AS: uint32(i)})
		require.NoError(t, err)
	}
	for i := 1; i <= 9; i++ {
		ask(i)
	}
	ask(1)
	require.EqualValues(t, 9, long.asked.Load(), "all are remembered")
	ask(10)
	ask(1)
	require.EqualValues(t, 10, long.asked.Load(), "used lately")
	ask(2)
	require.EqualValues(t, 11, long.asked.Load(), "not used for longest")
}

// TestSlowRegistry ends with the caller or at the Timeout, asks once for
// all who want to know, and a few things at a time.
func TestSlowRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at, most atomic.Int32
		slow := &registry{ask: func(ctx context.Context, _ lookup.Question) (lookup.Registration, error) {
			most.Store(max(most.Load(), at.Add(1)))
			defer at.Add(-1)
			<-ctx.Done()
			return lookup.Registration{}, ctx.Err()
		}}
		r := registries(t, lookup.RegistriesConfig{Registries: []lookup.Registry{slow}, Concurrent: 2, Waiting: 3, Timeout: 30 * time.Second})
		start := time.Now()
		var all sync.WaitGroup
		var busy atomic.Int32
		for i := range 10 {
			all.Go(func() {
				_, err := r.Ask(t.Context(), lookup.Question{AS: uint32(1 + i)})
				if errors.Is(err, lookup.ErrBusy) {
					busy.Add(1)
				} else {
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
			})
		}
		synctest.Wait()
		for range 10 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := r.Ask(ctx, lookup.Question{AS: 1})
				require.Error(t, err)
				require.LessOrEqual(t, time.Since(start), time.Second)
			})
		}
		all.Wait()
		require.Equal(t, 30*time.Second, time.Since(start))
		require.EqualValues(t, 5, busy.Load())
		require.EqualValues(t, 2, most.Load())
	})
}

// TestSlowFirst leaves the second registry its part of the time, however slow the first is.
func TestSlowFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &registry{ask: func(ctx context.Context, _ lookup.Question) (lookup.Registration, error) {
			<-ctx.Done()
			return lookup.Registration{}, ctx.Err()
		}}
		r := registries(t, lookup.RegistriesConfig{Registries: []lookup.Registry{slow, says("whois", nil, "a@example.org")}})
		start := time.Now()
		answer, err := r.Ask(t.Context(), lookup.Question{AS: 1})
		require.NoError(t, err)
		require.Equal(t, []string{"a@example.org"}, answer.Abuse())
		require.Equal(t, 15*time.Second, time.Since(start), "half of the 30 seconds")
	})
}

// TestTogether lets those who ask at once have the answer that one asked for,
// also when that one has left.
func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := &registry{ask: func(ctx context.Context, _ lookup.Question) (lookup.Registration, error) {
			select {
			case <-time.After(5 * time.Second):
			case <-ctx.Done():
			}
			return lookup.Registration{Server: "x"}, ctx.Err()
		}}
		r := registries(t, lookup.RegistriesConfig{Registries: []lookup.Registry{one}})
		first, leave := context.WithCancel(t.Context())
		go r.Ask(first, lookup.Question{AS: 1})
		synctest.Wait()
		leave()
		answer, err := r.Ask(t.Context(), lookup.Question{AS: 1})
		require.NoError(t, err)
		require.Equal(t, "x", answer.Server)
		require.EqualValues(t, 1, one.asked.Load())
	})
}

func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := lookup.NewPacer(lookup.Pace{})
		require.NoError(t, err)
		good := func(context.Context) error { return nil }
		start := time.Now()
		for range 8 {
			require.NoError(t, p.Do(t.Context(), "a", good))
		}
		require.Equal(t, 3*time.Second, time.Since(start), "five at once, then one a second")
		require.NoError(t, p.Do(t.Context(), "b", good))
		require.Equal(t, 3*time.Second, time.Since(start), "each server by itself")

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, p.Do(ctx, "a", good), context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(start), "it does not wait for what cannot be")

		broken := errors.New("broken")
		bad := func(context.Context) error { return broken }
		require.ErrorIs(t, p.Do(t.Context(), "c", bad), broken)
		require.ErrorIs(t, p.Do(t.Context(), "c", bad), broken)
		require.NoError(t, p.Do(t.Context(), "c", good))
		for range 3 {
			require.ErrorIs(t, p.Do(t.Context(), "c", bad), broken, "a success starts the count anew")
		}
		require.ErrorIs(t, p.Do(t.Context(), "c", good), lookup.ErrResting)
		time.Sleep(time.Minute)
		require.NoError(t, p.Do(t.Context(), "c", good))

		gone, leave := context.WithCancel(t.Context())
		for range 4 {
			require.ErrorIs(t, p.Do(gone, "d", func(context.Context) error { leave(); return broken }), broken)
			gone, leave = context.WithCancel(t.Context())
		}
		require.NoError(t, p.Do(t.Context(), "d", good), "who leaves says nothing on the server")
		leave()

		var at, most atomic.Int32
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				require.NoError(t, p.Do(t.Context(), "e", func(context.Context) error {
					most.Store(max(most.Load(), at.Add(1)))
					time.Sleep(time.Second)
					at.Add(-1)
					return nil
				}))
			})
		}
		all.Wait()
		require.EqualValues(t, 2, most.Load())
	})
	_, err := lookup.NewPacer(lookup.Pace{Every: -1})
	require.ErrorContains(t, err, "below zero")
	_, err = lookup.NewRegistries(lookup.RegistriesConfig{Keep: -1})
	require.ErrorContains(t, err, "Keep is below zero")
}

package storagetest_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/storage/storagetest"
)

func TestMemory(t *testing.T) {
	storagetest.Run(t, func(testing.TB) storage.Store { return memory.New() })
}

// drafted runs every update on a Draft that is flushed at the end, as the Desk
// does.
type drafted struct{ storage.Store }

func (s drafted) Update(ctx context.Context, fn func(context.Context, storage.Tx) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
		draft := storage.NewDraft(tx)
		if err := fn(ctx, draft); err != nil {
			return err
		}
		_, err := draft.Flush(ctx, tx)
		return err
	})
}

// TestDraft runs the suite on drafts, but for what concerns none: a Draft seals
// records without a hash, has no Update to end, and is not what a View reads.
func TestDraft(t *testing.T) {
	for _, check := range storagetest.Checks() {
		if slices.Contains([]string{"AppendRefuses", "RefusalEndsUpdate", "FindEqualsMatch"}, check.Name) {
			continue
		}
		t.Run(check.Name, func(t *testing.T) {
			check.Run(t, func(testing.TB) storage.Store { return drafted{memory.New()} })
		})
	}
}

// A defect is a store that breaks the contract, and the checks that must tell.
type defect struct {
	name   string
	breaks []string
	open   func() storage.Store
}

func defects() []defect {
	return slices.Concat(updateDefects(), readDefects(), queryDefects(), recordDefects(), keyDefects(), bookmarkDefects())
}

// lying is a defect of the store in memory.
func lying(name string, l lies, breaks ...string) defect {
	return defect{name, breaks, func() storage.Store { return crooked{memory.New(), l} }}
}

func TestDefectsAreFound(t *testing.T) {
	checks := map[string]storagetest.Check{}
	for _, check := range storagetest.Checks() {
		checks[check.Name] = check
	}
	for _, defect := range defects() {
		t.Run(strings.ReplaceAll(defect.name, " ", "_"), func(t *testing.T) {
			for _, name := range defect.breaks {
				check, ok := checks[name]
				if !ok {
					t.Fatalf("there is no check %q", name)
				}
				found := watch(t, func(r *recorder) {
					check.Run(r, func(testing.TB) storage.Store { return defect.open() })
				})
				if found.panicked != nil {
					t.Errorf("check %s panics on it: %v", name, found.panicked)
				} else if !found.failed {
					t.Errorf("check %s passes on it", name)
				} else if !strings.Contains(found.log.String(), check.Sentence) {
					t.Errorf("check %s fails without naming its sentence: %s", name, found.log.String())
				}
			}
		})
	}
}

func TestEveryCheckHasADefect(t *testing.T) {
	names := map[string]bool{}
	for _, check := range storagetest.Checks() {
		if names[check.Name] {
			t.Errorf("two checks are named %s", check.Name)
		}
		names[check.Name] = true
		if !strings.HasSuffix(strings.TrimSuffix(check.Sentence, "..."), ".") && !strings.HasSuffix(check.Sentence, "...") {
			t.Errorf("check %s states no sentence: %q", check.Name, check.Sentence)
		}
		if !slices.ContainsFunc(defects(), func(d defect) bool { return slices.Contains(d.breaks, check.Name) }) {
			t.Errorf("no defect shows that check %s can fail", check.Name)
		}
	}
}

// recorder is a testing.TB whose failures stay with it.
type recorder struct {
	testing.TB
	failed   bool
	panicked any
	log      strings.Builder
}

// watch runs fn, in a goroutine that Fatalf can end, and returns what happened.
func watch(t testing.TB, fn func(*recorder)) *recorder {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { r.panicked = recover() }()
		fn(r)
	}()
	<-done
	return r
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failed = true
	fmt.Fprintf(&r.log, format+"\n", args...)
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Logf(format string, args ...any) { fmt.Fprintf(&r.log, format+"\n", args...) }

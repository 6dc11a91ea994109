package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"
)

// block is how many steps the desk does before it is the turn of the bare loop
// and of the other sizes: what the disk does meanwhile then hits all of them.
const block = 25

// progress tells people how far a run is.
type progress struct{ out io.Writer }

func (p progress) say(format string, args ...any) { fmt.Fprintf(p.out, "bench: "+format+"\n", args...) }

// figures sum up how long the steps took. Times are in seconds.
type figures struct {
	Steps     int     `json:"steps"`
	Median    float64 `json:"median"`
	P95       float64 `json:"p95"`
	PerSecond float64 `json:"perSecond"` // steps by the sum of their times
}

func summarize(took []time.Duration) figures {
	if len(took) == 0 {
		return figures{}
	}
	sorted := slices.Sorted(slices.Values(took))
	var sum time.Duration
	for _, d := range sorted {
		sum += d
	}
	return figures{
		Steps: len(sorted), Median: sorted[len(sorted)/2].Seconds(), P95: sorted[len(sorted)*95/100].Seconds(),
		PerSecond: float64(len(sorted)) / sum.Seconds(),
	}
}

// result is one line of the table.
type result struct {
	Store     string `json:"store"`
	Tickets   int    `json:"tickets"`
	Operation string `json:"operation"`
	figures
	Growth   float64  `json:"growth"`             // of the median, against that at the smallest size
	Bare     *figures `json:"bare,omitempty"`     // of the bare loop
	BareRows float64  `json:"bareRows,omitempty"` // rows that it writes for each mail
	Ratio    float64  `json:"ratio,omitempty"`    // of PerSecond to that of the bare loop
}

// report is what a run prints.
type report struct {
	Go      string   `json:"go"`
	CPUs    int      `json:"cpus"`
	Seed    uint64   `json:"seed"`
	LeftOut []string `json:"leftOut,omitempty"` // stores, and why
	Results []result `json:"results"`
}

// measure runs all operations on all stores and sizes.
func (o *options) measure(ctx context.Context, progress progress) (*report, error) {
	r := &report{Go: runtime.Version(), CPUs: runtime.GOMAXPROCS(0), Seed: o.seed}
	for _, store := range o.stores {
		if store == "postgres" && o.postgres == "" {
			r.LeftOut = append(r.LeftOut, "postgres: no server was named by --postgres")
			continue
		}
		results, err := o.measureStore(ctx, store, progress)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", store, err)
		}
		r.Results = append(r.Results, results...)
		runtime.GC() // what was in memory is not to slow down the next store
	}
	return r, nil
}

func (o *options) measureStore(ctx context.Context, store string, progress progress) (results []result, err error) {
	var worlds []*world
	defer func() {
		for _, w := range worlds {
			if failed := w.close(); err == nil {
				err = failed
			}
		}
	}()
	for _, tickets := range o.tickets {
		db, err := o.database(store, tickets)
		if err != nil {
			return nil, err
		}
		w, err := newWorld(ctx, db, tickets, o.seed, progress)
		if err != nil {
			return nil, err
		}
		worlds = append(worlds, w)
	}
	for _, op := range chosen(o.operations) {
		progress.say("%s: %s", store, op.name)
		lines, err := o.measureOperation(ctx, op, worlds)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op.name, err)
		}
		results = append(results, lines...)
	}
	return results, nil
}

func (o *options) database(store string, tickets int) (*database, error) {
	switch store {
	case "sqlite":
		return sqliteDatabase(o.dir, tickets), nil
	case "postgres":
		return postgresDatabase(o.postgres, tickets)
	}
	return nil, nil
}

// measureOperation lets sizes, desk and bare loop take turns.
func (o *options) measureOperation(ctx context.Context, op operation, worlds []*world) ([]result, error) {
	took, bare := make([][]time.Duration, len(worlds)), make([][]time.Duration, len(worlds))
	steps := max(o.steps/op.share, 1)
	if err := op.turn(ctx, worlds, 1, nil, nil); err != nil { // prepares statements
		return nil, err
	}
	for done := 0; done < steps; done += block {
		if err := op.turn(ctx, worlds, min(block, steps-done), took, bare); err != nil {
			return nil, err
		}
	}
	var results []result
	for i, w := range worlds {
		r := result{Store: w.store, Tickets: w.tickets, Operation: op.name, figures: summarize(took[i]), Growth: 1}
		if i > 0 {
			r.Growth = r.Median / results[0].Median
		}
		if len(bare[i]) > 0 {
			f := summarize(bare[i])
			r.Bare, r.Ratio, r.BareRows = &f, r.PerSecond/f.PerSecond, float64(w.bare.rows)/float64(w.bare.mails)
		}
		results = append(results, r)
	}
	return results, nil
}

// turn does n steps in every world, and what the bare loop has to do with them.
// Where took is nil, nothing is counted.
func (op operation) turn(ctx context.Context, worlds []*world, n int, took, bare [][]time.Duration) error {
	for i, w := range worlds {
		steps, err := op.prepare(ctx, w, n)
		if err != nil {
			return err
		}
		var before int64
		if op.bare && w.bare != nil {
			if before, err = w.bare.last(ctx); err != nil {
				return err
			}
		}
		var times []time.Duration
		pprof.Do(ctx, pprof.Labels("store", w.store, "operation", op.name, "who", "desk"), func(ctx context.Context) {
			times, err = timed(ctx, steps)
		})
		if err != nil {
			return err
		}
		if took != nil {
			took[i] = append(took[i], times...)
		}
		if !op.bare || w.bare == nil {
			continue
		}
		mails, err := w.bare.read(ctx, before+1, before+int64(n))
		if err != nil {
			return err
		}
		pprof.Do(ctx, pprof.Labels("store", w.store, "operation", op.name, "who", "bare"), func(ctx context.Context) {
			times, err = w.bare.run(ctx, mails)
		})
		if err != nil {
			return err
		}
		if bare != nil {
			bare[i] = append(bare[i], times...)
		}
	}
	return nil
}

func timed(ctx context.Context, steps []step) ([]time.Duration, error) {
	var took []time.Duration
	for _, s := range steps {
		start := time.Now()
		if err := s(ctx); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

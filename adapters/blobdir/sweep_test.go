package blobdir

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// nothing is referenced.
func nothing(context.Context, incident.Digest) (bool, error) { return false, nil }

// age makes a file older.
func age(t testing.TB, path string, by time.Duration) {
	t.Helper()
	then := time.Now().Add(-by)
	require.NoError(t, os.Chtimes(path, then, then))
}

func sweepAll(t testing.TB, d *Dir) int {
	t.Helper()
	removed, err := d.Sweep(context.Background(), 0, nothing)
	require.NoError(t, err)
	return removed
}

func TestSweep(t *testing.T) {
	d := open(t)
	named, young, old, older := put(t, d, "named"), put(t, d, "young"), put(t, d, "old"), put(t, d, "older")
	age(t, d.path(named), 1000*Day)
	age(t, d.path(young), Day-time.Minute)
	age(t, d.path(old), Day+time.Minute)
	age(t, d.path(older), 3*Day)
	var asked []incident.Digest
	referenced := func(_ context.Context, digest incident.Digest) (bool, error) {
		asked = append(asked, digest)
		return digest == named, nil
	}
	removed, err := d.Sweep(context.Background(), 2*Day, referenced)
	require.NoError(t, err)
	assert.Equal(t, 1, removed)
	assert.ElementsMatch(t, []incident.Digest{named, older}, asked)

	removed, err = d.Sweep(context.Background(), 0, referenced)
	require.NoError(t, err)
	assert.Equal(t, 1, removed)
	for _, gone := range []incident.Digest{old, older} {
		_, err = read(d, gone)
		assert.ErrorIs(t, err, storage.ErrNotFound)
	}
	requireBody(t, d, named, "named")
	requireBody(t, d, young, "young")
}

func TestSweepByTheClockOfConfig(t *testing.T) {
	now := time.Date(2031, 3, 1, 12, 0, 0, 0, time.UTC)
	d, err := New(t.TempDir(), Config{Now: func() time.Time { return now }})
	require.NoError(t, err)
	digest := put(t, d, "x")
	now = now.Add(Day)
	require.Zero(t, sweepAll(t, d))
	put(t, d, "x") // young again
	now = now.Add(Day)
	require.Zero(t, sweepAll(t, d))
	requireBody(t, d, digest, "x")
	now = now.Add(time.Second)
	require.Equal(t, 1, sweepAll(t, d))
}

func TestSweepRefuses(t *testing.T) {
	d := open(t)
	_, err := d.Sweep(context.Background(), time.Hour, nothing)
	require.ErrorContains(t, err, "24h0m0s or more")
	_, err = d.Sweep(context.Background(), 0, nil)
	require.ErrorContains(t, err, "referenced")
}

func TestSweepEndsWithAnError(t *testing.T) {
	d := open(t)
	digest := put(t, d, "x")
	age(t, d.path(digest), 2*Day)
	failure := errors.New("the database is away")
	_, err := d.Sweep(context.Background(), 0, func(context.Context, incident.Digest) (bool, error) { return false, failure })
	require.Equal(t, failure, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = d.Sweep(ctx, 0, nothing)
	require.ErrorIs(t, err, context.Canceled)
	requireBody(t, d, digest, "x")
}

// TestPutBetweenLookAndRemoval is the race that a sweep must not win.
func TestPutBetweenLookAndRemoval(t *testing.T) {
	d := open(t)
	digest := put(t, d, "x")
	age(t, d.path(digest), 2*Day)
	removed, err := d.Sweep(context.Background(), 0, func(context.Context, incident.Digest) (bool, error) {
		put(t, d, "x") // by somebody who will commit it soon
		return false, nil
	})
	require.NoError(t, err)
	assert.Zero(t, removed)
	requireBody(t, d, digest, "x")
}

// TestMovedBody is about what a sweep that was killed leaves behind, and what one
// that is at work shows.
func TestMovedBody(t *testing.T) {
	d := open(t)
	digest := put(t, d, "x")
	age(t, d.path(digest), 2*Day)
	require.NoError(t, os.Rename(d.path(digest), d.doomedPath(digest, "MARK")))
	requireBody(t, d, digest, "x")

	require.Zero(t, sweepAll(t, d))
	assert.FileExists(t, d.path(digest))
	assert.NoFileExists(t, d.doomedPath(digest, "MARK"))
	require.Zero(t, sweepAll(t, d), "it is young again")

	require.NoError(t, os.Rename(d.path(digest), d.doomedPath(digest, "MARK")))
	put(t, d, "x")
	assert.FileExists(t, d.path(digest))
	require.NoError(t, os.Remove(d.doomedPath(digest, "MARK")))
	requireBody(t, d, digest, "x")
}

func TestLeftoversOfWriters(t *testing.T) {
	d := open(t)
	digest := put(t, d, "x")
	fresh, stale := filepath.Join(d.root, temporary, unfinished+"1"), filepath.Join(d.root, temporary, unfinished+"2")
	foreign := filepath.Join(d.root, temporary, "other")
	for _, path := range []string{fresh, stale, foreign} {
		require.NoError(t, os.WriteFile(path, []byte("half a bo"), 0o600))
	}
	age(t, stale, 2*Day)
	age(t, foreign, 2*Day)
	require.Zero(t, sweepAll(t, d))
	assert.FileExists(t, fresh)
	assert.NoFileExists(t, stale)
	assert.FileExists(t, foreign)
	requireBody(t, d, digest, "x")
}

func TestSweepLeavesWhatIsNotOurs(t *testing.T) {
	d := open(t)
	digest := put(t, d, "abc")
	leaf := filepath.Dir(d.path(digest))
	for _, path := range []string{
		filepath.Join(d.root, "README"), filepath.Join(leaf, "notes"), filepath.Join(leaf, digest.String()+".bak"),
		filepath.Join(leaf, incident.DigestOf([]byte("elsewhere")).String()),
	} {
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		age(t, path, 2*Day)
	}
	before := files(t, d)
	require.Zero(t, sweepAll(t, d))
	assert.Equal(t, before, files(t, d))
	empty, err := New(t.TempDir(), Config{})
	require.NoError(t, err)
	require.Zero(t, sweepAll(t, empty))
}

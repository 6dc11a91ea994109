package incident_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// at is a moment of the day on which all tests play.
func at(hour int) time.Time { return time.Date(2026, 3, 1, hour, 0, 0, 123_456_000, time.UTC) }

func ptr[T any](v T) *T { return &v }

// next makes an event the next record of t.
func next(t testing.TB, on incident.Ticket, hour int, ev incident.Event) incident.Record {
	t.Helper()
	r := incident.Record{Ticket: 7, At: at(hour), By: "handler:alice", Command: "test", Salt: incident.Salt{1, 2, byte(hour)}}
	require.NoError(t, r.Encode(ev))
	incident.Seal(on, &r)
	return r
}

// chain makes events the history of ticket 7.
func chain(t testing.TB, events ...incident.Event) []incident.Record {
	t.Helper()
	var on incident.Ticket
	var history []incident.Record
	for i, ev := range events {
		r := next(t, on, i, ev)
		on = incident.Apply(on, r)
		history = append(history, r)
	}
	return history
}

func opened(subject string) incident.Opened {
	ev := incident.Opened{Kind: incident.KindReport, Status: "new", Phase: incident.Initial}
	ev.Content.Subject = subject
	return ev
}

// vector is one record of testdata/records.json.
type vector struct {
	Name         string          `json:"name"`
	Seq          uint64          `json:"seq"`
	Ticket       incident.ID     `json:"ticket"`
	Version      uint64          `json:"version"`
	At           int64           `json:"at"`
	By           incident.Actor  `json:"by"`
	Command      string          `json:"command"`
	Rule         string          `json:"rule"`
	CauseTicket  incident.ID     `json:"causeTicket"`
	CauseVersion uint64          `json:"causeVersion"`
	Policy       uint32          `json:"policy"`
	Type         string          `json:"type"`
	Data         string          `json:"data"`
	Content      string          `json:"content"`
	Blobs        []string        `json:"blobs"`
	Salt         string          `json:"salt"`
	Prev         incident.Digest `json:"prev"`
	Digest       string          `json:"digest"`
	Hash         string          `json:"hash"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/records.json")
	require.NoError(t, err)
	var file struct {
		Records []vector `json:"records"`
	}
	require.NoError(t, json.Unmarshal(b, &file))
	require.NotEmpty(t, file.Records)
	return file.Records
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// TestGoldenHashes compares the package with the vectors, and these with bytes
// put together here, one by one, as the comments of Record say.
func TestGoldenHashes(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			r := incident.Record{
				Seq: v.Seq, Ticket: v.Ticket, At: time.UnixMicro(v.At).UTC(), By: v.By, Command: v.Command,
				Cause:  incident.Cause{Rule: v.Rule, Ticket: v.CauseTicket, Version: v.CauseVersion},
				Policy: v.Policy, Type: v.Type, Data: []byte(v.Data),
			}
			if v.Content != "" {
				r.Content = []byte(v.Content)
			}
			require.NoError(t, r.Salt.UnmarshalText([]byte(v.Salt)))
			var bodies []byte
			for _, b := range v.Blobs {
				r.Blobs = append(r.Blobs, incident.Digest(unhex(t, b)))
				bodies = append(bodies, unhex(t, b)...)
			}
			incident.Seal(incident.Ticket{ID: v.Ticket, Version: v.Version - 1, Hash: v.Prev}, &r)
			assert.Equal(t, v.Digest, r.Digest.String())
			assert.Equal(t, v.Hash, r.Hash.String())

			length := func(n int) []byte { return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }
			var hashed []byte
			field := func(b []byte) { hashed = append(append(hashed, length(len(b))...), b...) }
			number := func(n uint64) {
				field([]byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
			}
			field(unhex(t, v.Salt))
			field([]byte(v.Content))
			field(bodies)
			digest := sha256.Sum256(hashed)
			assert.Equal(t, v.Digest, hex.EncodeToString(digest[:]))

			hashed = nil
			field([]byte("airtight-record-1"))
			field(v.Prev[:])
			number(uint64(v.Ticket))
			number(v.Version)
			number(uint64(v.At))
			field([]byte(v.By))
			field([]byte(v.Command))
			field([]byte(v.Rule))
			number(uint64(v.CauseTicket))
			number(v.CauseVersion)
			number(uint64(v.Policy))
			field([]byte(v.Type))
			field([]byte(v.Data))
			field(digest[:])
			hash := sha256.Sum256(hashed)
			assert.Equal(t, v.Hash, hex.EncodeToString(hash[:]))
		})
	}
}

// Every field that the chain covers changes the hash; Seq alone does not.
func TestHashCoversEveryField(t *testing.T) {
	history := chain(t, opened("scan"), incident.Owned{To: "handler:alice"})
	t1 := incident.Fold(history[:1])
	for name, change := range map[string]func(*incident.Record){
		"Ticket":        func(r *incident.Record) { r.Ticket++ },
		"Version":       func(r *incident.Record) { r.Version++ },
		"At":            func(r *incident.Record) { r.At = r.At.Add(time.Microsecond) },
		"By":            func(r *incident.Record) { r.By += "x" },
		"Command":       func(r *incident.Record) { r.Command += "x" },
		"Cause.Rule":    func(r *incident.Record) { r.Cause.Rule = "x" },
		"Cause.Ticket":  func(r *incident.Record) { r.Cause.Ticket = 1 },
		"Cause.Version": func(r *incident.Record) { r.Cause.Version = 1 },
		"Policy":        func(r *incident.Record) { r.Policy = 1 },
		"Type":          func(r *incident.Record) { r.Type = "moved" },
		"Data":          func(r *incident.Record) { r.Data = []byte(`{"to":"handler:eve"}`) },
		"Digest":        func(r *incident.Record) { r.Digest[0]++ },
		"Prev":          func(r *incident.Record) { r.Prev[0]++ },
		"Hash":          func(r *incident.Record) { r.Hash[0]++ },
		// What moves between two fields changes the hash too: each has its length.
		"By and Command": func(r *incident.Record) { r.By, r.Command = r.By+"t", r.Command[1:] },
	} {
		r := history[1]
		change(&r)
		_, err := incident.Extend(t1, r)
		var chainError *incident.ChainError
		require.ErrorAs(t, err, &chainError, name)
		_, err = incident.Verify([]incident.Record{history[0], r})
		require.ErrorAs(t, err, &chainError, name)
	}
	r := history[1]
	r.Seq = 12345
	_, err := incident.Extend(t1, r)
	require.NoError(t, err)
}

func TestExtendRefuses(t *testing.T) {
	history := chain(t, opened("scan"), incident.Owned{To: "handler:alice"})
	on := incident.Fold(history)
	for _, test := range []struct {
		name, want string
		change     func(*incident.Record)
	}{
		{"another ticket", "does not belong to ticket 7", func(r *incident.Record) { r.Ticket = 8; incident.Seal(on, r) }},
		{"the version before", "version 3 must follow version 2", func(r *incident.Record) { r.Version = 2 }},
		{"a version left out", "version 3 must follow version 2", func(r *incident.Record) { r.Version = 4 }},
		{"another Prev", "does not continue the chain", func(r *incident.Record) {
			other := on
			other.Hash[0]++
			incident.Seal(other, r)
		}},
		{"another Hash", "its Hash does not fit", func(r *incident.Record) { r.Hash[31]++ }},
		{"a finer time", "finer than microseconds", func(r *incident.Record) { r.At = r.At.Add(1); incident.Seal(on, r) }},
		{"an earlier time", "dated before", func(r *incident.Record) { r.At = at(0); incident.Seal(on, r) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := next(t, on, 2, incident.Owned{To: "handler:bob"})
			_, err := incident.Extend(on, r)
			require.NoError(t, err)
			test.change(&r)
			got, err := incident.Extend(on, r)
			var chainError *incident.ChainError
			require.ErrorAs(t, err, &chainError)
			assert.Contains(t, chainError.What, test.want)
			assert.Contains(t, err.Error(), "record ")
			assert.Equal(t, r.Version, chainError.Version)
			assert.Equal(t, on, got, "the ticket comes back as it was")
		})
	}
	placeholder := next(t, incident.Ticket{}, 1, opened("scan"))
	placeholder.Ticket = incident.Nth(1)
	incident.Seal(incident.Ticket{}, &placeholder)
	_, err := incident.Extend(incident.Ticket{}, placeholder)
	require.ErrorContains(t, err, "record 1 of ticket $1: a placeholder is no ticket number")

	same := next(t, on, 1, incident.Owned{To: "handler:bob"})
	_, err = incident.Extend(on, same)
	require.NoError(t, err, "two records may have the same time")
}

func TestExtendLeavesNewerTicketsAlone(t *testing.T) {
	history := chain(t, opened("scan"), incident.Owned{To: "handler:alice"})
	on := incident.Fold(history[:1])
	assert.Equal(t, incident.Vocabulary, on.Vocabulary)
	on.Vocabulary++
	got, err := incident.Extend(on, history[1])
	require.ErrorIs(t, err, incident.ErrNewerVocabulary)
	assert.Equal(t, on, got)
	assert.Equal(t, on.Vocabulary, incident.Apply(on, history[1]).Vocabulary, "a fold never lowers it")
}

func TestVerify(t *testing.T) {
	history := chain(t, opened("scan"), incident.Owned{To: "handler:alice"}, incident.Moved{From: "new", To: "open", Phase: incident.Active})
	verified, err := incident.Verify(history)
	require.NoError(t, err)
	assert.Equal(t, incident.Fold(history), verified)
	assert.EqualValues(t, 3, verified.Version)
	assert.Equal(t, history[2].Hash, verified.Hash)

	empty, err := incident.Verify(nil)
	require.NoError(t, err)
	assert.Zero(t, empty.Version)

	var chainError *incident.ChainError
	for name, broken := range map[string][]incident.Record{
		"the first is missing": history[1:],
		"one is missing":       {history[0], history[2]},
		"one comes twice":      {history[0], history[0]},
		"the order is another": {history[0], history[2], history[1]},
	} {
		_, err = incident.Verify(broken)
		require.ErrorAs(t, err, &chainError, name)
	}
}

// redact replaces the content of one record and announces it at the end.
func redact(t *testing.T, history []incident.Record, version uint64, content string) []incident.Record {
	t.Helper()
	r := &history[version-1]
	from := r.Digest
	r.Content, r.Blobs, r.Salt = []byte(content), nil, incident.Salt{}
	if content == "" {
		r.Content = nil
	}
	announced := incident.Redacted{Version: version, From: from, To: r.ContentDigest(), Why: "asked for by the person"}
	return append(history, next(t, incident.Fold(history), len(history), announced))
}

func TestRedaction(t *testing.T) {
	full := func() []incident.Record {
		ev := opened("scan by Bob")
		ev.Content.Requestors = []incident.Party{{Name: "Bob", Address: "bob@example.org"}}
		message := incident.Message{Side: incident.Outside, Blobs: []incident.Digest{incident.DigestOf([]byte("I am Bob"))}}
		message.Content.From = incident.Party{Name: "Bob", Address: "bob@example.org"}
		return chain(t, ev, message, incident.Owned{To: "handler:alice"})
	}

	t.Run("announced", func(t *testing.T) {
		history := redact(t, full(), 1, `{"subject":"scan"}`)
		history = redact(t, history, 2, "")
		folded, err := incident.Verify(history)
		require.NoError(t, err)
		assert.Equal(t, "scan", folded.Subject)
		assert.Empty(t, folded.Requestors)
		assert.Equal(t, 1, folded.Messages, "what is not personal stays")
		assert.Equal(t, incident.Actor("handler:alice"), folded.Owner)
		b, err := json.Marshal([]any{history, folded})
		require.NoError(t, err)
		assert.NotContains(t, string(b), "Bob")
		assert.NotContains(t, string(b), "bob@")
	})
	t.Run("twice", func(t *testing.T) {
		history := redact(t, full(), 1, `{"subject":"scan by B."}`)
		first := full()[0].Digest
		history[0].Content = []byte(`{"subject":"scan"}`)
		again := incident.Redacted{Version: 1, From: first, To: history[0].ContentDigest()}
		history = append(history, next(t, incident.Fold(history), 5, again))
		folded, err := incident.Verify(history)
		require.NoError(t, err)
		assert.Equal(t, "scan", folded.Subject)
	})
	t.Run("something else than announced", func(t *testing.T) {
		history := redact(t, full(), 1, `{"subject":"scan"}`)
		history[0].Content = []byte(`{"subject":"something else"}`)
		requireBroken(t, history, 1)
	})
	t.Run("announced, but never done", func(t *testing.T) {
		history := redact(t, full(), 2, "")
		history[1] = full()[1]
		requireBroken(t, history, 2)
	})
	t.Run("announced from another digest", func(t *testing.T) {
		history := full()
		history[0].Content = nil
		announced := incident.Redacted{Version: 1, From: incident.Digest{1}, To: history[0].ContentDigest()}
		requireBroken(t, append(history, next(t, incident.Fold(history), 4, announced)), 1)
	})
	t.Run("not announced", func(t *testing.T) {
		for name, change := range map[string]func(*incident.Record){
			"content":       func(r *incident.Record) { r.Content = []byte(`{}`) },
			"content gone":  func(r *incident.Record) { r.Content = nil },
			"salt":          func(r *incident.Record) { r.Salt[0]++ },
			"body gone":     func(r *incident.Record) { r.Blobs = nil },
			"body replaced": func(r *incident.Record) { r.Blobs = []incident.Digest{{}} },
		} {
			t.Run(name, func(t *testing.T) {
				history := full()
				change(&history[1])
				requireBroken(t, history, 2)
			})
		}
	})
	t.Run("data cannot be redacted", func(t *testing.T) {
		history := full()
		history[2].Data = []byte(`{"to":"handler:eve"}`)
		history = append(history, next(t, incident.Fold(history), 4, incident.Redacted{Version: 3, From: history[2].Digest, To: history[2].Digest}))
		requireBroken(t, history, 3)
	})
}

func requireBroken(t *testing.T, history []incident.Record, version uint64) {
	t.Helper()
	_, err := incident.Verify(history)
	var chainError *incident.ChainError
	require.ErrorAs(t, err, &chainError)
	assert.Equal(t, version, chainError.Version)
	assert.EqualValues(t, 7, chainError.Ticket)
}

func TestDigestText(t *testing.T) {
	d := incident.DigestOf([]byte("x"))
	b, err := json.Marshal(struct {
		D incident.Digest
		S incident.Salt
	}{d, incident.Salt{1, 255}})
	require.NoError(t, err)
	assert.Equal(t, `{"D":"`+d.String()+`","S":"01ff0000000000000000000000000000"}`, string(b))
	var back struct {
		D incident.Digest
		S incident.Salt
	}
	require.NoError(t, json.Unmarshal(b, &back))
	assert.Equal(t, d, back.D)
	assert.Equal(t, incident.Salt{1, 255}, back.S)
	for _, bad := range []string{"", "00", d.String() + "00", "zz" + d.String()[2:]} {
		require.Error(t, new(incident.Digest).UnmarshalText([]byte(bad)), bad)
		require.Error(t, new(incident.Salt).UnmarshalText([]byte(bad)), bad)
	}
}

func TestRecordJSON(t *testing.T) {
	for _, r := range chain(t, opened("é"), incident.Owned{To: "handler:zoë"}) {
		b, err := json.Marshal(r)
		require.NoError(t, err)
		var back incident.Record
		require.NoError(t, json.Unmarshal(b, &back))
		assert.Equal(t, r, back)
	}
}

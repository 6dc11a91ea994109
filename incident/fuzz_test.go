package incident_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// realTexts calls use with the beginning of every file in folders of the
// corpus, if that is there.
func realTexts(use func(text string), folders ...string) {
	const size = 1 << 10
	dir := os.Getenv("AIRTIGHT_CORPUS")
	if dir == "" {
		return
	}
	for _, folder := range folders {
		_ = filepath.WalkDir(filepath.Join(dir, folder), func(path string, d fs.DirEntry, err error) error {
			if raw, err := os.ReadFile(path); err == nil {
				use(string(raw[:min(len(raw), size)]))
			}
			return nil
		})
	}
}

// FuzzRecord reads records as JSON, in which programs hand them on: what an
// event holds comes through Encode, Seal and JSON, the fold sees no difference,
// and nobody can change a byte.
func FuzzRecord(f *testing.F) {
	add := func(r incident.Record) {
		text, err := json.Marshal(r)
		require.NoError(f, err)
		f.Add(text)
	}
	for _, test := range folds() {
		add(next(f, before(), 12, test.event))
	}
	for _, v := range vectors(f) {
		add(incident.Record{Ticket: v.Ticket, Version: 5, Type: v.Type, Data: []byte(v.Data), Content: []byte(v.Content)})
	}
	realTexts(func(text string) {
		ev := incident.Message{Side: incident.Outside, Blobs: []incident.Digest{incident.DigestOf([]byte(text))}}
		ev.Content.Subject = incident.Clean(text)
		add(next(f, before(), 12, ev))
	}, "bounce", "header", "subject")
	f.Add([]byte(`{"ticket":7,"at":"2026-03-01T12:00:00+01:00","type":"custom","data":{"name":"x"},"content":{ "a" : "<" }}`))

	f.Fuzz(func(t *testing.T, text []byte) {
		var read incident.Record
		if json.Unmarshal(text, &read) != nil {
			return
		}
		ev, err := incident.Decode(read)
		if err != nil {
			if !errors.Is(err, incident.ErrMalformed) {
				t.Fatalf("neither an event nor malformed: %v", err)
			}
			return
		}
		if ev.Type() != read.Type {
			t.Fatalf("type %q decodes to %T", read.Type, ev)
		}

		on := before()
		made := incident.Record{Ticket: on.ID, At: at(12), By: read.By, Command: read.Command, Cause: read.Cause, Policy: read.Policy, Salt: read.Salt}
		require.NoError(t, made.Encode(ev))
		incident.Seal(on, &made)
		if _, ok := ev.(incident.Unknown); ok {
			require.Equal(t, read.Data, made.Data, "kept as it is")
			return
		}
		text, err = json.Marshal(made)
		require.NoError(t, err)
		var back incident.Record
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, made.ContentDigest(), back.ContentDigest())
		now, err := incident.Extend(on, back)
		require.NoError(t, err)

		read.Ticket, read.At, read.Version, read.Hash = made.Ticket, made.At, made.Version, made.Hash
		if direct := incident.Apply(on, read); !reflect.DeepEqual(direct, now) {
			t.Fatalf("as read:    %+v\nas written: %+v", direct, now)
		}
		again := made
		decoded, err := incident.Decode(back)
		require.NoError(t, err)
		require.NoError(t, again.Encode(decoded))
		require.Equal(t, string(made.Data), string(again.Data))
		require.Equal(t, string(made.Content), string(again.Content))

		var broken *incident.ChainError
		back.Data = append(back.Data, ' ')
		_, err = incident.Extend(on, back)
		require.ErrorAs(t, err, &broken)
	})
}

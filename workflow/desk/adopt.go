package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// DocumentPolicy is the kind of document that a policy is.
const DocumentPolicy = "policy"

// Adoption is a document that a desk has adopted.
type Adoption struct {
	incident.Adopted
	At time.Time
	By incident.Actor
}

// Adopt makes a document one of the desk's: its bytes and number are kept in the
// history of the desk itself (ticket 0), so that what was in force when can be
// found out for ever. document is its kind ([DocumentPolicy]), name what it is
// called. When the newest of its kind has the same name and bytes, that one is
// returned and nothing is written. Put the version into [workflow.Policy.Version]
// before New, so that every record carries it.
//
// Errors: those of the store, [*VetoError]. A lost race is tried again.
func Adopt(ctx context.Context, store storage.Store, by incident.Actor, document, name string, content []byte, config Config) (Adoption, error) {
	d, err := New(store, config)
	if err != nil {
		return Adoption{}, err
	}
	seed, err := d.seed()
	if err != nil {
		return Adoption{}, err
	}
	var adopted Adoption
	var result *Result
	err = update(ctx, store, func(ctx context.Context, tx storage.Tx) error {
		result = nil
		list, err := adoptions(ctx, tx, document)
		if err != nil {
			return err
		}
		adopted = Adoption{Adopted: incident.Adopted{Document: document, Name: name, Version: uint32(len(list) + 1)}}
		if n := len(list); n > 0 && list[n-1].Name == name && list[n-1].Blobs[0] == incident.DigestOf(content) {
			adopted = list[n-1]
			return nil
		}
		r := d.newRun(by, nil, seed, tx)
		self, err := r.draft.Ticket(ctx, incident.Desk)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		digest, err := r.draft.PutBlob(ctx, content)
		if err != nil {
			return err
		}
		adopted.Blobs = []incident.Digest{digest}
		r.label = "adopt"
		change, err := r.event(ctx, self, incident.Desk, nil, workflow.Decision{Event: adopted.Adopted}, incident.Cause{})
		if err != nil {
			return err
		}
		adopted.At, adopted.By = change.At, by
		result, err = r.flush(ctx, tx)
		return err
	})
	if err == nil && result != nil {
		d.Announce(ctx, result)
	}
	return adopted, err
}

// Adopted returns a document that was adopted, with its bytes: that of a version,
// or the newest for version 0. storage.ErrNotFound: there is none.
func Adopted(ctx context.Context, store storage.Store, document string, version uint32) (adopted Adoption, content []byte, err error) {
	err = store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		list, err := adoptions(ctx, r, document)
		if err != nil {
			return err
		}
		if version == 0 {
			version = uint32(len(list))
		}
		if version == 0 || int(version) > len(list) {
			return fmt.Errorf("desk: no version %d of the document %q was adopted: allowed are 1 to %d: %w", version, document, len(list), storage.ErrNotFound)
		}
		adopted = list[version-1]
		content, err = readBlob(ctx, r.OpenBlob, adopted.Blobs[0])
		return err
	})
	return adopted, content, err
}

// adoptions returns the documents of a kind, oldest first.
func adoptions(ctx context.Context, r storage.Reader, document string) ([]Adoption, error) {
	history, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{incident.Desk}, Types: []string{incident.Adopted{}.Type()}})
	var list []Adoption
	for _, record := range history {
		ev, err := incident.Decode(record)
		if a, ok := ev.(incident.Adopted); ok && err == nil && a.Document == document && len(a.Blobs) > 0 {
			list = append(list, Adoption{a, record.At, record.By})
		}
	}
	return list, err
}

package desk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Kinds of documents; see [DocumentTemplate] too.
const (
	DocumentPolicy    = "policy"
	DocumentDirectory = "directory" // a [lookup.Document] in YAML
)

// Adoption is a document that a desk has adopted.
type Adoption struct {
	incident.Adopted
	At time.Time
	By incident.Actor
}

// holds reports whether the bytes of the document are these.
func (a Adoption) holds(content []byte) bool { return a.Blobs[0] == incident.DigestOf(content) }

// Adopt makes a document one of the desk's: its bytes and number are kept in the
// history of the desk itself (ticket 0), so that what was in force when can be
// found out for ever. document is its kind ([DocumentPolicy], [DocumentDirectory]), name what it is
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
		adopted, result, err = d.adopt(ctx, tx, by, seed, document, name, content, nil)
		return err
	})
	if err == nil && result != nil {
		d.Announce(ctx, result)
	}
	return adopted, err
}

// adopt is Adopt within an update; check is asked whether what is in force allows it.
// Without a result nothing was to be written.
func (d *Desk) adopt(ctx context.Context, tx storage.Tx, by incident.Actor, seed [32]byte, document, name string, content []byte, check func(documents) error) (Adoption, *Result, error) {
	all, err := documentsOf(ctx, tx)
	if err != nil {
		return Adoption{}, nil, err
	}
	if check != nil {
		if err := check(all); err != nil {
			return Adoption{}, nil, err
		}
	}
	newest, known := all[document]
	if known && newest.Name == name && newest.holds(content) {
		return newest, nil, nil
	}
	r := d.newRun(by, nil, seed, tx)
	self, err := r.draft.Ticket(ctx, incident.Desk)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return Adoption{}, nil, err
	}
	adopted := Adoption{incident.Adopted{Document: document, Name: name, Version: newest.Version + 1}, r.env(self).Now, by}
	adopted.Blobs = make([]incident.Digest, 2)
	if adopted.Blobs[0], err = r.draft.PutBlob(ctx, content); err != nil {
		return Adoption{}, nil, err
	}
	all[document] = adopted
	list, err := all.encode()
	if err != nil {
		return Adoption{}, nil, err
	}
	if adopted.Blobs[1], err = r.draft.PutBlob(ctx, list); err != nil {
		return Adoption{}, nil, err
	}
	r.label = "adopt"
	if _, err := r.event(ctx, self, incident.Desk, nil, workflow.Decision{Event: adopted.Adopted}, incident.Cause{}); err != nil {
		return Adoption{}, nil, err
	}
	result, err := r.flush(ctx, tx)
	adopted.Blobs = adopted.Blobs[:1]
	return adopted, result, err
}

// Adopted returns a document that was adopted, with its bytes: that of a version,
// or the newest for version 0, which is found at once however many there were.
// storage.ErrNotFound: there is none.
func Adopted(ctx context.Context, store storage.Store, document string, version uint32) (adopted Adoption, content []byte, err error) {
	err = store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		all, err := documentsOf(ctx, r)
		if err != nil {
			return err
		}
		newest := all[document]
		switch {
		case version > newest.Version || newest.Version == 0:
			return fmt.Errorf("desk: no version %d of the document %q was adopted: allowed are 1 to %d: %w", version, document, newest.Version, storage.ErrNotFound)
		case version == 0 || version == newest.Version:
			adopted = newest
		default:
			list, err := adoptions(ctx, r, document)
			if err != nil {
				return err
			}
			adopted = list[version-1]
		}
		content, err = readBlob(ctx, r.OpenBlob, adopted.Blobs[0])
		return err
	})
	return adopted, content, err
}

// AdoptedDirectory returns a directory that was adopted, with its version in it, so
// that every answer names it: that of a version, or the newest for version 0.
// storage.ErrNotFound: there is none. Other errors are those of [lookup.ParseYAML] and
// the store.
func AdoptedDirectory(ctx context.Context, store storage.Store, version uint32) (lookup.Document, error) {
	adopted, content, err := Adopted(ctx, store, DocumentDirectory, version)
	if err != nil {
		return lookup.Document{}, err
	}
	doc, err := lookup.ParseYAML(bytes.NewReader(content))
	if err != nil {
		return lookup.Document{}, fmt.Errorf("desk: version %d of the directory: %w", adopted.Version, err)
	}
	doc.Version = adopted.Version
	return doc, nil
}

// AdoptDirectory makes a document the desk's directory, as [Adopt] does, once it is
// sure that [lookup.NewDirectory] takes it; a Version in it does not count.
func AdoptDirectory(ctx context.Context, store storage.Store, by incident.Actor, name string, doc lookup.Document, config Config) (Adoption, error) {
	if _, err := lookup.NewDirectory(doc, lookup.Config{}); err != nil {
		return Adoption{}, err
	}
	doc.Version = 0
	content, err := doc.YAML()
	if err != nil {
		return Adoption{}, err
	}
	return Adopt(ctx, store, by, DocumentDirectory, name, content, config)
}

// Adoptions returns all versions of a document that were adopted, oldest first. It
// reads every adoption of the desk.
func Adoptions(ctx context.Context, store storage.Store, document string) (list []Adoption, err error) {
	err = store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		list, err = adoptions(ctx, r, document)
		return err
	})
	return list, err
}

func adoptions(ctx context.Context, r storage.Reader, document string) (list []Adoption, err error) {
	err = eachAdoption(ctx, r, storage.HistoryQuery{}, func(a Adoption) {
		if a.Document == document {
			a.Blobs = a.Blobs[:1]
			list = append(list, a)
		}
	})
	return list, err
}

func eachAdoption(ctx context.Context, r storage.Reader, q storage.HistoryQuery, use func(Adoption)) error {
	q.Tickets, q.Types = []incident.ID{incident.Desk}, []string{incident.Adopted{}.Type()}
	history, err := r.History(ctx, q)
	for _, record := range history {
		ev, err := incident.Decode(record)
		if a, ok := ev.(incident.Adopted); ok && err == nil && len(a.Blobs) > 0 {
			use(Adoption{a, record.At, record.By})
		}
	}
	return err
}

// documents are the newest versions of all documents of a desk, by document. Each
// adoption keeps them as they are then, so that what is in force is found in its newest
// record, however long the history is.
type documents map[string]Adoption

// listedDocument is how a list keeps one of them.
type listedDocument struct {
	incident.Adopted
	At     time.Time       `json:"at"`
	By     incident.Actor  `json:"by"`
	Digest incident.Digest `json:"digest"`
}

func (d documents) encode() ([]byte, error) {
	list := []listedDocument{}
	for _, name := range slices.Sorted(maps.Keys(d)) {
		a := d[name]
		list = append(list, listedDocument{a.Adopted, a.At, a.By, a.Blobs[0]})
	}
	return json.Marshal(list)
}

func documentsOf(ctx context.Context, r storage.Reader) (documents, error) {
	var newest Adoption
	err := eachAdoption(ctx, r, storage.HistoryQuery{Descending: true, Limit: 1}, func(a Adoption) { newest = a })
	if err != nil {
		return nil, err
	}
	all := documents{}
	if len(newest.Blobs) < 2 { // none, or adopted when there were no lists
		err := eachAdoption(ctx, r, storage.HistoryQuery{}, func(a Adoption) { all[a.Document] = a })
		return all, err
	}
	text, err := readBlob(ctx, r.OpenBlob, newest.Blobs[1])
	if err != nil {
		return nil, err
	}
	var list []listedDocument
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("desk: the list of documents of the desk cannot be read: %w", err)
	}
	for _, l := range list {
		l.Blobs = []incident.Digest{l.Digest}
		all[l.Document] = Adoption{l.Adopted, l.At, l.By}
	}
	return all, nil
}

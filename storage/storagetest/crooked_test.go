package storagetest_test

import (
	"context"
	"io"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// lies say what a crooked store does in place of the true one. Nil: the truth.
type lies struct {
	view   func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Reader) error) error
	update func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Tx) error) error

	ticket   func(next storage.Reader, ctx context.Context, id incident.ID) (incident.Ticket, error)
	find     func(next storage.Reader, ctx context.Context, q storage.Query) ([]incident.Ticket, error)
	count    func(next storage.Reader, ctx context.Context, q storage.Query) (int, error)
	history  func(next storage.Reader, ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error)
	claimed  func(next storage.Reader, ctx context.Context, key storage.Key) (incident.ID, bool, error)
	outgoing func(next storage.Reader, ctx context.Context, q storage.OutgoingQuery) ([]storage.Outgoing, error)
	openBlob func(next storage.Reader, ctx context.Context, digest incident.Digest) (io.ReadCloser, error)
	bookmark func(next storage.Reader, ctx context.Context, name string) (storage.Bookmark, error)
	all      func(next storage.Reader, ctx context.Context) ([]storage.Bookmark, error)

	nextID      func(next storage.Tx, ctx context.Context) (incident.ID, error)
	append      func(next storage.Tx, ctx context.Context, records []incident.Record) error
	claim       func(next storage.Tx, ctx context.Context, key storage.Key, id incident.ID) (incident.ID, error)
	putOutgoing func(next storage.Tx, ctx context.Context, o storage.Outgoing) error
	putBlob     func(next storage.Tx, ctx context.Context, content []byte) (incident.Digest, error)
	putBookmark func(next storage.Tx, ctx context.Context, b storage.Bookmark) error
	remove      func(next storage.Tx, ctx context.Context, b storage.Bookmark) error

	findText func(next storage.TextSearcher, ctx context.Context, words []string, q storage.Query) ([]incident.Ticket, error)
	putText  func(next storage.TextKeeper, ctx context.Context, t storage.Text) error

	claimedOf func(ctx context.Context, next storage.Reader, keys []storage.Key) (map[storage.Key]incident.ID, error)
	claimAll  func(ctx context.Context, next storage.Tx, claims []storage.Claim) (bool, error)
}

// crooked is a store that lies.
type crooked struct {
	storage.Store
	lies lies
}

func (s crooked) View(ctx context.Context, fn func(context.Context, storage.Reader) error) error {
	lied := func(ctx context.Context, r storage.Reader) error { return fn(ctx, crookedReader{r, s.lies}) }
	if s.lies.view != nil {
		return s.lies.view(s.Store, ctx, fn)
	}
	return s.Store.View(ctx, lied)
}

func (s crooked) Update(ctx context.Context, fn func(context.Context, storage.Tx) error) error {
	lied := func(ctx context.Context, tx storage.Tx) error {
		return fn(ctx, crookedTx{crookedReader{tx, s.lies}, tx})
	}
	if s.lies.update != nil {
		return s.lies.update(s.Store, ctx, lied)
	}
	return s.Store.Update(ctx, lied)
}

type crookedReader struct {
	next storage.Reader
	lies lies
}

func (r crookedReader) Ticket(ctx context.Context, id incident.ID) (incident.Ticket, error) {
	if r.lies.ticket != nil {
		return r.lies.ticket(r.next, ctx, id)
	}
	return r.next.Ticket(ctx, id)
}

func (r crookedReader) Find(ctx context.Context, q storage.Query) ([]incident.Ticket, error) {
	if r.lies.find != nil {
		return r.lies.find(r.next, ctx, q)
	}
	return r.next.Find(ctx, q)
}

func (r crookedReader) Count(ctx context.Context, q storage.Query) (int, error) {
	if r.lies.count != nil {
		return r.lies.count(r.next, ctx, q)
	}
	return r.next.Count(ctx, q)
}

func (r crookedReader) History(ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
	if r.lies.history != nil {
		return r.lies.history(r.next, ctx, q)
	}
	return r.next.History(ctx, q)
}

func (r crookedReader) Claimed(ctx context.Context, key storage.Key) (incident.ID, bool, error) {
	if r.lies.claimed != nil {
		return r.lies.claimed(r.next, ctx, key)
	}
	return r.next.Claimed(ctx, key)
}

func (r crookedReader) Outgoing(ctx context.Context, q storage.OutgoingQuery) ([]storage.Outgoing, error) {
	if r.lies.outgoing != nil {
		return r.lies.outgoing(r.next, ctx, q)
	}
	return r.next.Outgoing(ctx, q)
}

func (r crookedReader) OpenBlob(ctx context.Context, digest incident.Digest) (io.ReadCloser, error) {
	if r.lies.openBlob != nil {
		return r.lies.openBlob(r.next, ctx, digest)
	}
	return r.next.OpenBlob(ctx, digest)
}

func (r crookedReader) Bookmark(ctx context.Context, name string) (storage.Bookmark, error) {
	if r.lies.bookmark != nil {
		return r.lies.bookmark(r.next, ctx, name)
	}
	return r.next.Bookmark(ctx, name)
}

func (r crookedReader) Bookmarks(ctx context.Context) ([]storage.Bookmark, error) {
	if r.lies.all != nil {
		return r.lies.all(r.next, ctx)
	}
	return r.next.Bookmarks(ctx)
}

func (r crookedReader) FindText(ctx context.Context, words []string, q storage.Query) ([]incident.Ticket, error) {
	if r.lies.findText != nil {
		return r.lies.findText(r.next.(storage.TextSearcher), ctx, words, q)
	}
	return r.next.(storage.TextSearcher).FindText(ctx, words, q)
}

func (r crookedReader) CountText(ctx context.Context, words []string, q storage.Query) (int, error) {
	return r.next.(storage.TextSearcher).CountText(ctx, words, q)
}

type crookedTx struct {
	crookedReader
	next storage.Tx
}

func (tx crookedTx) NextID(ctx context.Context) (incident.ID, error) {
	if tx.lies.nextID != nil {
		return tx.lies.nextID(tx.next, ctx)
	}
	return tx.next.NextID(ctx)
}

func (tx crookedTx) Append(ctx context.Context, records ...incident.Record) error {
	if tx.lies.append != nil {
		return tx.lies.append(tx.next, ctx, records)
	}
	return tx.next.Append(ctx, records...)
}

func (tx crookedTx) Claim(ctx context.Context, key storage.Key, id incident.ID) (incident.ID, error) {
	if tx.lies.claim != nil {
		return tx.lies.claim(tx.next, ctx, key, id)
	}
	return tx.next.Claim(ctx, key, id)
}

func (tx crookedTx) PutOutgoing(ctx context.Context, o storage.Outgoing) error {
	if tx.lies.putOutgoing != nil {
		return tx.lies.putOutgoing(tx.next, ctx, o)
	}
	return tx.next.PutOutgoing(ctx, o)
}

func (tx crookedTx) PutBlob(ctx context.Context, content []byte) (incident.Digest, error) {
	if tx.lies.putBlob != nil {
		return tx.lies.putBlob(tx.next, ctx, content)
	}
	return tx.next.PutBlob(ctx, content)
}

func (tx crookedTx) PutBookmark(ctx context.Context, b storage.Bookmark) error {
	if tx.lies.putBookmark != nil {
		return tx.lies.putBookmark(tx.next, ctx, b)
	}
	return tx.next.PutBookmark(ctx, b)
}

func (tx crookedTx) RemoveBookmark(ctx context.Context, b storage.Bookmark) error {
	if tx.lies.remove != nil {
		return tx.lies.remove(tx.next, ctx, b)
	}
	return tx.next.RemoveBookmark(ctx, b)
}

func (tx crookedTx) PutText(ctx context.Context, t storage.Text) error {
	if tx.lies.putText != nil {
		return tx.lies.putText(tx.next.(storage.TextKeeper), ctx, t)
	}
	return tx.next.(storage.TextKeeper).PutText(ctx, t)
}

func claimedOf(ctx context.Context, r storage.Reader, keys []storage.Key) (map[storage.Key]incident.ID, error) {
	held := map[storage.Key]incident.ID{}
	for _, key := range keys {
		id, ok, err := r.Claimed(ctx, key)
		if err != nil {
			return nil, err
		}
		if ok {
			held[key] = id
		}
	}
	return held, nil
}

func (r crookedReader) ClaimedOf(ctx context.Context, keys []storage.Key) (map[storage.Key]incident.ID, error) {
	if r.lies.claimedOf != nil {
		return r.lies.claimedOf(ctx, r.next, keys)
	}
	return claimedOf(ctx, r, keys)
}

func claimAll(ctx context.Context, tx storage.Tx, claims []storage.Claim) (bool, error) {
	free := true
	for _, claim := range claims {
		_, taken, err := tx.Claimed(ctx, claim.Key)
		if err == nil {
			_, err = tx.Claim(ctx, claim.Key, claim.Ticket)
		}
		if err != nil {
			return false, err
		}
		free = free && !taken
	}
	return free, nil
}

func (tx crookedTx) ClaimAll(ctx context.Context, claims []storage.Claim) (bool, error) {
	if tx.lies.claimAll != nil {
		return tx.lies.claimAll(ctx, tx.next, claims)
	}
	return claimAll(ctx, tx, claims)
}

// each is a Reader every method of which reads in a View of its own: it sees
// what is committed at that moment, and nothing else.
type each struct{ storage.Store }

func read[T any](s storage.Store, ctx context.Context, get func(storage.Reader) (T, error)) (T, error) {
	var got T
	err := s.View(ctx, func(_ context.Context, r storage.Reader) (err error) {
		got, err = get(r)
		return err
	})
	return got, err
}

func (e each) Ticket(ctx context.Context, id incident.ID) (incident.Ticket, error) {
	return read(e.Store, ctx, func(r storage.Reader) (incident.Ticket, error) { return r.Ticket(ctx, id) })
}

func (e each) Find(ctx context.Context, q storage.Query) ([]incident.Ticket, error) {
	return read(e.Store, ctx, func(r storage.Reader) ([]incident.Ticket, error) { return r.Find(ctx, q) })
}

func (e each) Count(ctx context.Context, q storage.Query) (int, error) {
	return read(e.Store, ctx, func(r storage.Reader) (int, error) { return r.Count(ctx, q) })
}

func (e each) History(ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
	return read(e.Store, ctx, func(r storage.Reader) ([]incident.Record, error) { return r.History(ctx, q) })
}

func (e each) Claimed(ctx context.Context, key storage.Key) (id incident.ID, ok bool, err error) {
	_, err = read(e.Store, ctx, func(r storage.Reader) (_ struct{}, err error) {
		id, ok, err = r.Claimed(ctx, key)
		return struct{}{}, err
	})
	return id, ok, err
}

func (e each) Outgoing(ctx context.Context, q storage.OutgoingQuery) ([]storage.Outgoing, error) {
	return read(e.Store, ctx, func(r storage.Reader) ([]storage.Outgoing, error) { return r.Outgoing(ctx, q) })
}

func (e each) OpenBlob(ctx context.Context, digest incident.Digest) (io.ReadCloser, error) {
	return read(e.Store, ctx, func(r storage.Reader) (io.ReadCloser, error) { return r.OpenBlob(ctx, digest) })
}

func (e each) Bookmark(ctx context.Context, name string) (storage.Bookmark, error) {
	return read(e.Store, ctx, func(r storage.Reader) (storage.Bookmark, error) { return r.Bookmark(ctx, name) })
}

func (e each) Bookmarks(ctx context.Context) ([]storage.Bookmark, error) {
	return read(e.Store, ctx, func(r storage.Reader) ([]storage.Bookmark, error) { return r.Bookmarks(ctx) })
}

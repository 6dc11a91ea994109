package storagetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/storage"
)

func bookmarkChecks() []Check {
	return []Check{
		{"BookmarkRevision", "PutBookmark writes a bookmark if its Revision is that of the stored one (0: there is none), and ErrConflict otherwise. The stored Revision is one more.", bookmarkRevision},
		{"BookmarkRemoved", "RemoveBookmark removes a bookmark that is there if its Revision is that of the stored one, and ErrConflict otherwise.", bookmarkRemoved},
		{"BookmarkRow", "Bookmark returns the bookmark with a name; where there is none, one that has the Name and nothing else.", bookmarkRow},
		{"BookmarkOrder", "Bookmarks returns all bookmarks, in ascending order of Name, bytewise.", bookmarkOrder},
	}
}

// mark puts a bookmark in an update of its own.
func (c *trial) mark(b storage.Bookmark) error {
	return c.store.Update(c.ctx, func(ctx context.Context, tx storage.Tx) error { return tx.PutBookmark(ctx, b) })
}

// unmark removes one.
func (c *trial) unmark(b storage.Bookmark) error {
	return c.store.Update(c.ctx, func(ctx context.Context, tx storage.Tx) error { return tx.RemoveBookmark(ctx, b) })
}

// marked reads a bookmark in a View of its own.
func (c *trial) marked(name string) (b storage.Bookmark) {
	c.Helper()
	c.must(c.store.View(c.ctx, func(ctx context.Context, r storage.Reader) (err error) {
		b, err = r.Bookmark(ctx, name)
		return err
	}))
	return b
}

func bookmarkRevision(c *trial) {
	b := storage.Bookmark{Name: "mirror", Revision: 1}
	if err := c.mark(b); !errors.Is(err, storage.ErrConflict) {
		c.broken("a bookmark with Revision 1 was put where there is none: error %v", err)
	}
	if b := c.marked("mirror"); b.Revision != 0 {
		c.broken("after a conflict there is the bookmark %s", text(b))
	}
	for revision := range uint64(3) {
		b.Revision, b.Seq = revision, 10*revision
		c.must(c.mark(b))
		now := c.marked("mirror")
		if now.Revision != revision+1 || now.Seq != b.Seq {
			c.broken("after a bookmark with Revision %d was put, stored is %s", revision, text(now))
		}
		for _, wrong := range []uint64{0, revision, revision + 2} {
			bad := b
			bad.Revision, bad.Seq = wrong, 99
			if err := c.mark(bad); !errors.Is(err, storage.ErrConflict) {
				c.broken("a bookmark with Revision %d was put over one with %d: error %v", wrong, revision+1, err)
			}
		}
		if after := c.marked("mirror"); after != now {
			c.broken("after conflicts the bookmark is %s; it was %s", text(after), text(now))
		}
	}
	c.update(func(ctx context.Context, tx storage.Tx) {
		b.Revision = 3
		c.must(tx.PutBookmark(ctx, b))
		b.Revision = 4
		c.must(tx.PutBookmark(ctx, b))
		c.must(tx.PutBookmark(ctx, storage.Bookmark{Name: "other"}))
	})
	if b, other := c.marked("mirror"), c.marked("other"); b.Revision != 5 || other.Revision != 1 {
		c.broken("after two writes of one bookmark and one of another in one update, stored are %s and %s", text(b), text(other))
	}
}

func bookmarkRemoved(c *trial) {
	if err := c.unmark(storage.Bookmark{Name: "mirror"}); !errors.Is(err, storage.ErrConflict) {
		c.broken("a bookmark that is not there was removed: error %v", err)
	}
	c.must(c.mark(storage.Bookmark{Name: "mirror", Seq: 5}))
	c.must(c.mark(storage.Bookmark{Name: "other", Seq: 5}))
	for _, wrong := range []uint64{0, 2} {
		if err := c.unmark(storage.Bookmark{Name: "mirror", Revision: wrong}); !errors.Is(err, storage.ErrConflict) {
			c.broken("a bookmark with Revision 1 was removed as one with %d: error %v", wrong, err)
		}
	}
	if b := c.marked("mirror"); b.Revision != 1 || b.Seq != 5 {
		c.broken("after conflicts the bookmark is %s", text(b))
	}
	c.must(c.unmark(storage.Bookmark{Name: "mirror", Revision: 1}))
	if b, other := c.marked("mirror"), c.marked("other"); b.Revision != 0 || b.Seq != 0 || other.Revision != 1 {
		c.broken("after one bookmark was removed, stored are %s and %s", text(b), text(other))
	}
	c.update(func(ctx context.Context, tx storage.Tx) { // and all of it in one update
		c.must(tx.PutBookmark(ctx, storage.Bookmark{Name: "mirror"}))
		c.must(tx.RemoveBookmark(ctx, storage.Bookmark{Name: "mirror", Revision: 1}))
		c.must(tx.PutBookmark(ctx, storage.Bookmark{Name: "mirror", Seq: 7}))
		c.must(tx.RemoveBookmark(ctx, storage.Bookmark{Name: "other", Revision: 1}))
	})
	if b, other := c.marked("mirror"), c.marked("other"); b.Revision != 1 || b.Seq != 7 || other.Revision != 0 {
		c.broken("after a bookmark was put, removed and put, and another removed, stored are %s and %s", text(b), text(other))
	}
}

func bookmarkRow(c *trial) {
	zone := time.FixedZone("elsewhere", 3600)
	for i, name := range append(oddities(), "mirror", strings.Repeat("x", 1000)) {
		if len(name) > 1000 {
			continue // no name
		}
		if none := c.marked(name); none != (storage.Bookmark{Name: name}) {
			c.broken("nobody put the bookmark %.40q; Bookmark gives %s", name, text(none))
		}
		b := storage.Bookmark{Name: name, Seq: 1<<40 + uint64(i), Moved: hour(i).In(zone), Lease: hour(i + 1)}
		c.must(c.mark(b))
		b.Revision, b.Moved = 1, hour(i)
		if got := c.marked(name); got != b {
			c.broken("the bookmark\n%s\ncame back as\n%s", text(b), text(got))
		}
		b.Lease = time.Time{}
		c.must(c.mark(b))
		if got := c.marked(name); !got.Lease.IsZero() {
			c.broken("a bookmark without Lease came back as %s", text(got))
		}
	}
}

func bookmarkOrder(c *trial) {
	names := []string{"b", "B", "a", "10", "9", "ä", "a b", ""}
	for _, name := range names {
		c.must(c.mark(storage.Bookmark{Name: name}))
	}
	slices.Sort(names)
	c.view(func(ctx context.Context, r storage.Reader) {
		list, err := r.Bookmarks(ctx)
		c.must(err)
		var got []string
		for _, b := range list {
			got = append(got, b.Name)
		}
		if !slices.Equal(got, names) {
			c.broken("Bookmarks gives %q; want %q", got, names)
		}
	})
}

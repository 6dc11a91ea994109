package storagetest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/storage"
)

// marking is a store that changes bookmarks when they are put.
func marking(change func(*storage.Bookmark)) lies {
	return lies{putBookmark: func(next storage.Tx, ctx context.Context, b storage.Bookmark) error {
		change(&b)
		return next.PutBookmark(ctx, b)
	}}
}

// listing is a store whose lists of bookmarks come back changed.
func listing(change func([]storage.Bookmark) []storage.Bookmark) lies {
	return lies{all: func(next storage.Reader, ctx context.Context) ([]storage.Bookmark, error) {
		list, err := next.Bookmarks(ctx)
		return change(list), err
	}}
}

func bookmarkDefects() []defect {
	return []defect{
		lying("the newest bookmark wins", lies{putBookmark: func(next storage.Tx, ctx context.Context, b storage.Bookmark) error {
			now, err := next.Bookmark(ctx, b.Name)
			if err != nil {
				return err
			}
			b.Revision = now.Revision
			return next.PutBookmark(ctx, b)
		}}, "BookmarkRevision"),
		lying("a lost bookmark is some error", lies{putBookmark: func(next storage.Tx, ctx context.Context, b storage.Bookmark) error {
			if next.PutBookmark(ctx, b) != nil {
				return errors.New("no row was updated")
			}
			return nil
		}}, "BookmarkRevision"),
		lying("a bookmark is removed whatever its Revision", lies{remove: func(next storage.Tx, ctx context.Context, b storage.Bookmark) error {
			now, err := next.Bookmark(ctx, b.Name)
			if err != nil {
				return err
			}
			return next.RemoveBookmark(ctx, now)
		}}, "BookmarkRemoved"),
		lying("to remove a bookmark that is not there is no error", lies{remove: func(next storage.Tx, ctx context.Context, b storage.Bookmark) error {
			if now, err := next.Bookmark(ctx, b.Name); err != nil || now.Revision == 0 {
				return err
			}
			return next.RemoveBookmark(ctx, b)
		}}, "BookmarkRemoved"),
		lying("a bookmark stays when it is removed", lies{remove: func(next storage.Tx, ctx context.Context, b storage.Bookmark) error {
			now, err := next.Bookmark(ctx, b.Name)
			if err != nil || now.Revision != b.Revision || b.Revision == 0 {
				return errors.Join(err, storage.ErrConflict)
			}
			return nil
		}}, "BookmarkRemoved", "OwnWrites"),
		lying("a bookmark that is not there is an error", lies{bookmark: func(next storage.Reader, ctx context.Context, name string) (storage.Bookmark, error) {
			b, err := next.Bookmark(ctx, name)
			if err == nil && b.Revision == 0 {
				err = storage.ErrNotFound
			}
			return b, err
		}}, "BookmarkRow"),
		lying("a bookmark that is not there has no name", lies{bookmark: func(next storage.Reader, ctx context.Context, name string) (storage.Bookmark, error) {
			b, err := next.Bookmark(ctx, name)
			if b.Revision == 0 {
				b.Name = ""
			}
			return b, err
		}}, "BookmarkRow"),
		lying("bookmarks have no lease", marking(func(b *storage.Bookmark) { b.Lease = time.Time{} }), "BookmarkRow"),
		lying("bookmarks have seconds", marking(func(b *storage.Bookmark) { b.Moved = b.Moved.Truncate(time.Second) }), "BookmarkRow"),
		lying("bookmarks have a small number", marking(func(b *storage.Bookmark) { b.Seq = uint64(uint32(b.Seq)) }), "BookmarkRow"),
		lying("bookmarks have no case", marking(func(b *storage.Bookmark) { b.Name = strings.ToLower(b.Name) }), "BookmarkOrder"),
		lying("bookmarks sort without case", listing(func(list []storage.Bookmark) []storage.Bookmark {
			slices.SortStableFunc(list, func(a, b storage.Bookmark) int {
				return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
			})
			return list
		}), "BookmarkOrder"),
		lying("the last bookmark is missing", listing(func(list []storage.Bookmark) []storage.Bookmark { return list[:max(0, len(list)-1)] }), "BookmarkOrder", "OwnWrites"),
		lying("bookmarks are left behind", leaking(func(ctx context.Context, tx storage.Tx, c storage.Changes) error {
			for _, b := range c.Bookmarks {
				b.Revision--
				if err := tx.PutBookmark(ctx, b); err != nil {
					return err
				}
			}
			return nil
		}), "ErrorLeavesNothing", "PanicLeavesNothing", "CancelLeavesNothing"),
	}
}

package storage

import (
	"slices"
	"strings"
	"time"
)

// Bookmark is how far a reader of the feed has come: a program that takes the
// records of all tickets in the order of their Seq, stops, and goes on later.
type Bookmark struct {
	Name     string    `json:"name"` // of the reader
	Revision uint64    `json:"revision"`
	Seq      uint64    `json:"seq"`   // of the last record that it has done with; 0: of none
	Moved    time.Time `json:"moved"` // when it came there
	Lease    time.Time `json:"lease"` // a process works on what follows until then; zero: none does
}

// CompareBookmarks orders bookmarks: by name, bytewise.
func CompareBookmarks(a, b Bookmark) int { return strings.Compare(a.Name, b.Name) }

// bookmarkChange is one call of PutBookmark or RemoveBookmark.
type bookmarkChange struct {
	Bookmark
	remove bool
}

// merged returns bookmarks as they are after changes: those of a base, but where
// later has one of the same name. One with Revision 0 is none.
func merged(base []Bookmark, later map[string]Bookmark) []Bookmark {
	list := slices.DeleteFunc(base, func(b Bookmark) bool { _, changed := later[b.Name]; return changed })
	for _, b := range later {
		if b.Revision > 0 {
			list = append(list, b)
		}
	}
	slices.SortFunc(list, CompareBookmarks)
	return list
}

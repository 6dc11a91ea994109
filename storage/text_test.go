package storage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/airtight-csirt/airtight/storage"
)

func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		"":                             nil,
		"Scan, SCAN and scan.":         {"scan", "and"},
		"www.Example.org 192.0.2.7":    {"www", "example", "org", "192", "0", "2", "7"},
		"Bücher\x00\xff ÄÖ 日本":         {"bücher", "äö", "日本"},
		strings.Repeat("x", 64) + " y": {strings.Repeat("x", 64), "y"},
		strings.Repeat("x", 65) + " y": {"y"},
		"\"quoted\" AND 'that' --":     {"quoted", "and", "that"},
	} {
		if got := storage.Words(text); !slices.Equal(got, want) {
			t.Errorf("%.40q gives %q; want %q", text, got, want)
		}
	}
	if got := storage.Words("one", "two one"); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("several texts give %q", got)
	}
	var many strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&many, "w%d ", i)
	}
	if got := storage.Words(many.String()); len(got) != storage.MaxWords || got[1] != "w1" {
		t.Errorf("3000 words give %d", len(got))
	}
}

package mail

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/airtight-csirt/airtight/incident"
)

func TestTagFind(t *testing.T) {
	tag := Tag{Name: "A CSIRT", Former: []string{"Old CERT"}}
	for subject, want := range map[string][]incident.ID{
		"[A CSIRT #34159]":                            {34159},
		"Re: [a csirt #34159] scan":                   {34159},
		"x [A  \t CSIRT   #7 ] y":                     {7},
		"[A\u00a0CSIRT #7]":                           {7},
		"[A CS\u200bIRT #7\ufeff]":                    {7},
		"[http://A CSIRT #7] [HTTPS://a csirt #8]":    {7, 8},
		"[old cert #5] [A CSIRT #5]":                  {5},
		"[A CSIRT #5][A CSIRT #6][A CSIRT #5]":        {5, 6},
		"[[[A CSIRT #5]]]":                            {5},
		"[A CSIRT [A CSIRT #5]":                       {5},
		"[A CSIRT #0005]":                             {5},
		"[A CSIRT #" + strings.Repeat("0", 99) + "5]": {5},
		"[A CSIRT #9223372036854775807]":              {incident.MaxID},
		"[A CSIRT #9223372036854775808]":              nil,
		"[A CSIRT #99999999999999999999999]":          nil,
		"[A CSIRT #0]":                                nil,
		"[A CSIRT #]":                                 nil,
		"[A CSIRT #-5]":                               nil,
		"[A CSIRT #5x]":                               nil,
		"[A CSIRT #5":                                 nil,
		"[A CSIRT#5]":                                 nil,
		"[ACSIRT #5]":                                 nil,
		"[A CSIRT 5]":                                 nil,
		"[X A CSIRT #5]":                              nil,
		"[A CSIRT X #5]":                              nil,
		"A CSIRT #5":                                  nil,
		"(A CSIRT #5)":                                nil,
		"[ftp://A CSIRT #5]":                          nil,
		"":                                            nil,
	} {
		assert.Equal(t, want, tag.Find(subject), subject)
	}
	assert.Empty(t, Tag{}.Find("[ #5] [#5]"), "no name, no tag")
	assert.Equal(t, []incident.ID{5}, Tag{Name: "Équipe ß"}.Find("[équipe ẞ #5]"))
	assert.Equal(t, []incident.ID{5, 6}, Tag{Name: "http://a"}.Find("[HTTP://a #5] [https://http://a #6]"))
}

func TestTagPut(t *testing.T) {
	tag := Tag{Name: "A CSIRT", Former: []string{"Old"}}
	for subject, want := range map[string]string{
		"scan":                               "[A CSIRT #7] scan",
		"":                                   "[A CSIRT #7]",
		"[A CSIRT #7] scan":                  "[A CSIRT #7] scan",
		"Re: [A CSIRT #6] scan [a csirt #7]": "[A CSIRT #7] Re: scan",
		"[Old #7] scan [other #9]":           "[A CSIRT #7] scan [other #9]",
		"[A [A CSIRT #5]CSIRT #6] x":         "[A CSIRT #7] (A CSIRT #6] x",
		"a[A CSIRT #5]b":                     "[A CSIRT #7] a b",
	} {
		put := tag.Put(subject, 7)
		assert.Equal(t, want, put)
		assert.Equal(t, put, tag.Put(put, 7), "twice is once")
		assert.Equal(t, []incident.ID{7}, tag.Find(put))
	}
	assert.Equal(t, "[A B #1]", Tag{Name: " [A]\r\n B "}.Format(1), "the name is one line without brackets")
	assert.Equal(t, "[AB #1]", Tag{Name: "A\u00adB"}.Format(1), "nor characters that Find passes over")
}

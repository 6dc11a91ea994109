package xirl

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// copyFilter passes XIRL through, as AIRT's default filter passes XML.
type copyFilter struct{}

func (copyFilter) Filter(raw io.Reader, document io.Writer) error {
	_, err := io.Copy(document, raw)
	return err
}

type filterFunc func(io.Reader, io.Writer) error

func (f filterFunc) Filter(raw io.Reader, document io.Writer) error { return f(raw, document) }

func TestFilter(t *testing.T) {
	whole := `<xirl xmlns="urn:airtight:xirl:1" version="1.0"><incident id="1"/><incident id="2"/></xirl>`
	list := decodeAll(t, FromFilter("own", copyFilter{}), []byte(whole))
	require.Len(t, list, 2)
	assert.Equal(t, "2", list[1].ID)

	// A refusal comes through with its reason, after what came before it.
	refuses := FromFilter("own", filterFunc(func(_ io.Reader, w io.Writer) error {
		_, err := io.WriteString(w, strings.TrimSuffix(whole, `<incident id="2"/></xirl>`))
		require.NoError(t, err)
		return errors.New("not from here")
	}))
	var ids []string
	var last error
	for o, err := range refuses.Decode(strings.NewReader(""), incident.Limits{}) {
		if last = err; err == nil {
			ids = append(ids, o.ID)
		}
	}
	assert.Equal(t, []string{"1"}, ids)
	assert.EqualError(t, last, "own: line 1, byte 0: the filter refuses it: not from here")

	// Who stops reading stops the filter.
	var failed error
	endless := FromFilter("own", filterFunc(func(_ io.Reader, w io.Writer) error {
		_, failed = io.WriteString(w, `<xirl xmlns="urn:airtight:xirl:1" version="1.0">`)
		for failed == nil {
			_, failed = io.WriteString(w, `<incident/>`)
		}
		return failed
	}))
	n := 0
	for _, err := range endless.Decode(strings.NewReader(""), incident.Limits{}) {
		require.NoError(t, err)
		if n++; n == 1000 {
			break
		}
	}
	assert.ErrorIs(t, failed, io.ErrClosedPipe)

	// What a filter writes is under limits.
	for _, err := range endless.Decode(strings.NewReader(""), incident.Limits{Incidents: 10}) {
		last = err
	}
	assert.ErrorContains(t, last, "more than 10 incidents")
}

package main

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
)

const want = "port of 192.0.2.7 is shut, block 2 is open\na port cannot be shut twice: still 1 block\n"

func TestJoin(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		var out strings.Builder
		require.NoError(t, example(context.Background(), &out, nil))
		require.Equal(t, want, out.String())
	})
	t.Run("postgres", func(t *testing.T) {
		var out strings.Builder
		require.NoError(t, example(context.Background(), &out, []string{postgrestest.New(t)}))
		require.Equal(t, want, out.String())
	})
	t.Run("not understood", func(t *testing.T) {
		require.ErrorContains(t, example(context.Background(), new(strings.Builder), []string{"mysql://"}), "allowed is one PostgreSQL URL")
	})
}

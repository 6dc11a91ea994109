//go:build unix

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What no format of the library reads is turned into XIRL by a program, after AIRT's
// contract.
func TestImportFilter(t *testing.T) {
	b := newBench(t)
	flows := "Date first seen          Duration Proto      Src IP Addr:Port          Dst IP Addr:Port   Packets    Bytes Flows\n" +
		"2026-03-01 08:00:00.120     0.000 TCP         192.0.2.7:1024  ->    198.51.100.1:22           1       60     1\n" +
		"2026-03-01 08:00:01.220     0.000 UDP         192.0.2.8:1025  ->    198.51.100.1:53           1       60     1\n" +
		"Summary: total flows: 2, total bytes: 120\n"
	filter := filepath.Join("testdata", "filters", "nfdump")
	require.Equal(t, "-, nfdump: 2 observations, 2 kept, 2 new reports\n", b.fed(flows, "import", "--filter", filter, "--feed", "netflow"))
	require.Contains(t, b.ok("queue"), "192.0.2.8: flow (netflow)")

	_, refused, code := b.try(strings.NewReader("nonsense\n"), "import", "--filter", filter)
	require.Equal(t, exitRefused, code)
	require.Contains(t, refused, "the filter refuses it: line 1 is no flow: allowed are lines of nfdump -o line")
	require.Contains(t, b.refused(exitRefused, "import", "--filter", "testdata/filters/nowhere"), "there is no program nowhere")
	require.Contains(t, b.refused(exitUsage, "import", "--filter", filter, "--format", "xirl"), "it goes with none of --format")
	require.Contains(t, b.ok("queue"), "queue: 2 of 2 reports")
}

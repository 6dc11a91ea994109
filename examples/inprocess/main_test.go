package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const want = `report 1: It has no tag of ours and answers no message that is known.
record 1.3: owned by handler:alice, rule ""
record 2.1: opened by handler:alice, rule ""
record 1.4: linked by handler:alice, rule ""
record 1.5: moved by handler:alice, rule "open-linked-report"
record 2.2: edited by handler:alice, rule "copy-observables"
record 1.6: message by handler:alice, rule ""
record 1.7: due by handler:alice, rule "due-after-reply"
record 2.3: due by handler:alice, rule "incident-due"
mail to bob@example.org: [A CSIRT #1] Scan: Thank you. We are on it.
incident 2 is open, owned by handler:alice, overdue false
`

func TestRun(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(context.Background(), &out))
	require.Equal(t, want, out.String())
}

func TestBuiltProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "inprocess")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // also for the race detector: it is built once
	built, err := build.CombinedOutput()
	require.NoError(t, err, string(built))
	out, err := exec.Command(program).Output()
	require.NoError(t, err)
	require.Equal(t, want, string(out))
}

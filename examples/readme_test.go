// Package examples_test runs what the README shows.
package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// blocks returns the fenced blocks of the README in one language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	var found []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(readme), -1) {
		found = append(found, m[1])
	}
	return found
}

// commands returns the lines of a shell block without their comments.
func commands(block string) []string {
	var lines []string
	for line := range strings.Lines(block) {
		line, _, _ = strings.Cut(line, "#")
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

func run(t *testing.T, dir, command string) string {
	t.Helper()
	words := strings.Fields(command)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s\n%s", command, stderr.String())
	return string(out)
}

// The program of the README does what the README says, in a module of its own
// that uses this checkout the way the README says.
func TestREADMEProgram(t *testing.T) {
	programs, outputs, shells := blocks(t, "go"), blocks(t, "text"), blocks(t, "sh")
	require.Len(t, programs, 1)
	require.Len(t, outputs, 1)
	require.Len(t, shells, 2)
	checkout, err := filepath.Abs("..")
	require.NoError(t, err)

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(programs[0]), 0o600))
	var out string
	for _, command := range commands(shells[1]) {
		out = run(t, dir, strings.ReplaceAll(command, "=../airtight", "="+checkout))
	}
	require.Equal(t, outputs[0], out)

	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	for _, heavy := range []string{"sqlite", "go-smtp", "testify"} {
		require.NotContains(t, string(mod), heavy, "an embedder of the core must not pull it")
	}
}

// The two commands of the first screen are the ones that exist and are checked.
func TestREADMECommands(t *testing.T) {
	first := commands(blocks(t, "sh")[0])
	require.Equal(t, []string{"go run ./examples/desk", "go test ./..."}, first)
	ci, err := os.ReadFile("../.ci/run")
	require.NoError(t, err)
	require.Contains(t, string(ci), first[1])
	require.Contains(t, run(t, "..", first[0]+" demo"), "A CSIRT #")
	help := run(t, "..", first[0]+" help")
	for _, command := range []string{"receive", "list", "show", "take", "verify", "demo"} {
		require.Contains(t, help, command)
	}
}

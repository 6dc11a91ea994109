//go:build unix

package program_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/program"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/xirl"
)

const (
	opening = `<xirl xmlns="urn:airtight:xirl:1" version="1.0">`
	filters = `echo '` + opening + `'; `
)

// firewall turns lines of a log like "1772352000 192.0.2.7 22" into XIRL.
const firewall = filters + `awk 'NF != 3 { print "line " NR " has " NF " words; allowed are 3" > "/dev/stderr"; bad = 1; exit 1 }
	{ printf "<incident><source><ip>%s</ip></source></incident>\n", $2 }
	END { exit bad }' && echo '</xirl>'`

// filtered runs a filter over an input.
func filtered(t *testing.T, dir *program.Dir, name string, raw io.Reader) (list []incident.Observation, refused error) {
	t.Helper()
	for o, err := range xirl.FromFilter(name, dir.Filter(name)).Decode(raw, incident.Limits{Bytes: -1, Incidents: -1}) {
		if err != nil {
			refused = err
			continue
		}
		list = append(list, o)
	}
	return list, refused
}

func TestFilter(t *testing.T) {
	p := newPrograms(t, map[string]string{
		"firewall": firewall,
		"deaf":     "exec <&-; " + filters + `echo '<incident id="7"/></xirl>'`,
		"silent":   "exit 1",
		"broken":   "echo no luck >&2; exit 3",
		"echo":     "cat",
	})
	list, err := filtered(t, p.dir, "firewall", strings.NewReader("1772352000 192.0.2.7 22\n1772352001 192.0.2.8 23\n"))
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "192.0.2.8", list[1].Endpoints[0].Address.String())

	list, err = filtered(t, p.dir, "firewall", strings.NewReader("1772352000 192.0.2.7 22\nnonsense\n"))
	require.Len(t, list, 1)
	require.ErrorContains(t, err, "the filter refuses it: line 2 has 1 words; allowed are 3")

	list, err = filtered(t, p.dir, "deaf", strings.NewReader(strings.Repeat("x", 10<<20)))
	require.NoError(t, err, "a program need not read its input")
	require.Len(t, list, 1)

	_, err = filtered(t, p.dir, "silent", strings.NewReader(""))
	require.ErrorContains(t, err, "silent ended with exit status 1")
	_, err = filtered(t, p.dir, "broken", strings.NewReader(""))
	require.ErrorContains(t, err, "broken ended with exit status 3")
	_, err = filtered(t, p.dir, "nowhere", strings.NewReader(""))
	require.ErrorContains(t, err, "there is no program nowhere")

	// An input that breaks off is no short one.
	_, err = filtered(t, p.dir, "firewall", io.MultiReader(strings.NewReader("1772352000 192.0.2.7 22\n"), iotest.ErrReader(errors.New("the line broke"))))
	require.ErrorContains(t, err, "the line broke")
}

// Both directions are full at once, and memory does not grow.
func TestFilterStreams(t *testing.T) {
	p := newPrograms(t, map[string]string{"echo": "cat"})
	const n = 20_000
	read, write := io.Pipe()
	go func() {
		_, _ = io.WriteString(write, opening)
		for i := range n {
			_, _ = fmt.Fprintf(write, "<incident id=\"%d\"/>\n", i)
		}
		_, _ = io.WriteString(write, "</xirl>")
		write.Close()
	}()
	list, err := filtered(t, p.dir, "echo", read)
	require.NoError(t, err)
	require.Len(t, list, n)
}

// Nobody waits for ever for a program that hangs, nor for children that it leaves.
func TestFilterHangs(t *testing.T) {
	p := newPrograms(t, map[string]string{
		"hangs":  "echo $$ > pid; " + filters + "exec sleep 600",
		"spins":  "echo $$ > pid; " + filters + "while :; do echo '<incident/>'; done",
		"leaves": "sleep 600 & echo $! > pid; " + filters + "echo '</xirl>'",
		"hides":  "setsid sleep 600 & echo $! > pid; " + filters + "echo '</xirl>'",
	})
	gone := func() {
		require.Eventually(t, func() bool {
			pid, err := os.ReadFile(filepath.Join(p.path, "pid"))
			return err == nil && !alive(t, string(pid))
		}, 10*time.Second, 10*time.Millisecond)
	}
	dir, err := program.New(p.path, program.Config{FilterTime: 300 * time.Millisecond})
	require.NoError(t, err)
	for _, name := range []string{"hangs", "spins"} {
		_, err = filtered(t, dir, name, strings.NewReader("x"))
		require.ErrorContains(t, err, name+" took too long", name)
		gone()
	}
	for _, err := range xirl.FromFilter("spins", p.dir.Filter("spins")).Decode(strings.NewReader("x"), incident.Limits{}) {
		require.NoError(t, err)
		break // nobody reads on
	}
	gone()

	start := time.Now()
	_, err = filtered(t, p.dir, "leaves", strings.NewReader("x"))
	require.NoError(t, err)
	gone()
	if _, missing := exec.LookPath("setsid"); missing == nil {
		_, err = filtered(t, p.dir, "hides", strings.NewReader("x")) // cannot be killed, and is not waited for
		require.NoError(t, err)
		pid, err := os.ReadFile(filepath.Join(p.path, "pid"))
		require.NoError(t, err)
		n, err := strconv.Atoi(strings.TrimSpace(string(pid)))
		require.NoError(t, err)
		_ = syscall.Kill(n, syscall.SIGKILL)
	}
	require.Less(t, time.Since(start), 20*time.Second)
}

// What was written before the end comes, however late it is read.
func TestFilterIsReadSlowly(t *testing.T) {
	p := newPrograms(t, map[string]string{"all": "head -c 60000 /dev/zero"})
	slow := writerFunc(func(p []byte) (int, error) { time.Sleep(700 * time.Millisecond); return len(p), nil })
	n := 0
	require.NoError(t, p.dir.Filter("all").Filter(strings.NewReader(""), writerFunc(func(p []byte) (int, error) { n += len(p); return slow(p) })))
	require.Equal(t, 60_000, n)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// The reason of a refusal is bounded, and text.
func TestFilterReason(t *testing.T) {
	p := newPrograms(t, map[string]string{"talks": `printf '\n\377 no\n' >&2; yes | head -c 1000000 >&2; exit 1`})
	err := p.dir.Filter("talks").Filter(strings.NewReader(""), &bytes.Buffer{})
	require.EqualError(t, err, "\uFFFD no")
}

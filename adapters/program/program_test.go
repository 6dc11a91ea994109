//go:build unix

package program_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/program"
)

// programs is a directory of shell scripts.
type programs struct {
	t    *testing.T
	path string
	dir  *program.Dir
}

func newPrograms(t *testing.T, scripts map[string]string) *programs {
	t.Helper()
	p := &programs{t: t, path: t.TempDir()}
	require.NoError(t, os.Chmod(p.path, 0o755))
	for name, text := range scripts {
		p.write(name, "#!/bin/sh\n"+text+"\n", 0o755)
	}
	var err error
	p.dir, err = program.New(p.path, program.Config{})
	require.NoError(t, err)
	return p
}

func (p *programs) write(name, text string, mode os.FileMode) {
	p.t.Helper()
	require.NoError(p.t, os.WriteFile(filepath.Join(p.path, name), []byte(text), mode))
	require.NoError(p.t, os.Chmod(filepath.Join(p.path, name), mode))
}

// run runs a program, which must end soon whatever it does.
func (p *programs) run(limit time.Duration, name string, input []byte) (string, error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	start := time.Now()
	output, err := p.dir.Run(ctx, name, nil, nil, input)
	require.Less(p.t, time.Since(start), limit+10*time.Second)
	return string(output), err
}

func TestRun(t *testing.T) {
	t.Setenv("AIRTIGHT_SECRET", "of the desk")
	p := newPrograms(t, map[string]string{
		"tell": `for a; do echo "<$a>"; done; cat; echo to stderr >&2; echo more; pwd; env | sort`,
	})
	output, err := p.dir.Run(context.Background(), "tell",
		[]string{"", "two words", "$(reboot); `reboot` * \"'", "--flag"}, []string{"AIRTIGHT_TICKET=7"}, []byte("{\"ticket\":7}\n"))
	require.NoError(t, err)
	real, err := filepath.EvalSymlinks(p.path)
	require.NoError(t, err)
	want := "<>\n<two words>\n<$(reboot); `reboot` * \"'>\n<--flag>\n{\"ticket\":7}\nto stderr\nmore\n" + real + "\nAIRTIGHT_TICKET=7\nPATH=/usr/local/bin:/usr/bin:/bin\nPWD="
	require.Equal(t, want, string(output)[:min(len(want), len(output))])
	require.NotContains(t, string(output), "SECRET")
}

func TestFailures(t *testing.T) {
	p := newPrograms(t, map[string]string{
		"fails":  "echo why >&2; exit 3",
		"killed": "kill -SEGV $$",
		"gone":   "rm -f nothing; exec /nowhere/program",
	})
	p.write("plain", "#!/bin/sh\n", 0o644)
	p.write("open", "#!/bin/sh\n", 0o757)
	p.write("garbage", "\x00\x01\x02", 0o755)
	p.write("orphan", "#!/nowhere/interpreter\n", 0o755)
	require.NoError(t, os.Mkdir(filepath.Join(p.path, "folder"), 0o755))
	require.NoError(t, os.Symlink("/bin/sh", filepath.Join(p.path, "link")))
	for name, want := range map[string]string{
		"fails":   "program: fails ended with exit status 3",
		"killed":  "program: killed was ended by a signal: segmentation fault",
		"gone":    "program: gone ended with exit status 127",
		"missing": "program: there is no program missing",
		"plain":   "program: plain may not be executed (chmod +x)",
		"open":    "program: everybody may write to open: take that away (chmod o-w)",
		"garbage": "program: garbage cannot be started: exec format error",
		"orphan":  "program: orphan cannot be started: no such file or directory",
		"folder":  "program: folder is no file of the directory: allowed are files, and no links",
		"link":    "program: link is no file of the directory: allowed are files, and no links",
	} {
		output, err := p.run(10*time.Second, name, nil)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), p.path, "where the programs lie is nobody's business")
		if name == "fails" {
			require.Equal(t, "why\n", output)
		}
	}
	for _, name := range []string{"", ".", "..", ".hidden", "/bin/sh", "../sh", `a\b`, "a\x00", "a\nb", strings.Repeat("x", 300)} {
		_, err := p.run(time.Second, name, nil)
		require.ErrorContains(t, err, "is no name of a program", "%q", name)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := p.dir.Run(ctx, "fails", nil, nil, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// alive reports whether a process is there and no zombie.
func alive(t *testing.T, pid string) bool {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(pid))
	require.NoError(t, err, pid)
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n))
	if err != nil {
		return syscall.Kill(n, 0) == nil && !os.IsNotExist(err)
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return state[0] != 'Z' && state[0] != 'X'
}

func TestHangs(t *testing.T) {
	p := newPrograms(t, map[string]string{
		"hangs":    "echo begun; exec sleep 600",
		"stubborn": "trap '' TERM INT HUP; echo begun; while :; do sleep 600; done",
		"family":   "sleep 600 & sleep 600 & echo begun; wait",
		"spins":    "echo begun; while :; do :; done",
	})
	for _, name := range []string{"hangs", "stubborn", "family", "spins"} {
		output, err := p.run(300*time.Millisecond, name, nil)
		require.ErrorContains(t, err, name+" took too long and was killed after ", name)
		require.Equal(t, "begun\n", output, name)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(200*time.Millisecond, cancel)
	_, err := p.dir.Run(ctx, "hangs", nil, nil, nil)
	require.EqualError(t, err, "program: hangs was killed because the desk stops")
}

// A child that keeps the pipe open neither holds up the desk nor lives on.
func TestChildrenLeftBehind(t *testing.T) {
	p := newPrograms(t, map[string]string{
		"leaves": "sleep 600 & echo $!",
		"hides":  "setsid sleep 600 & echo $!",
	})
	start := time.Now()
	output, err := p.run(time.Minute, "leaves", nil)
	require.NoError(t, err, "the program itself ended well")
	require.Less(t, time.Since(start), 20*time.Second)
	require.Eventually(t, func() bool { return !alive(t, output) }, 10*time.Second, 10*time.Millisecond)

	if _, err := exec.LookPath("setsid"); err != nil {
		return
	}
	output, err = p.run(time.Minute, "hides", nil) // cannot be killed, and is not waited for
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(output))
	require.NoError(t, err)
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

func TestFlood(t *testing.T) {
	p := newPrograms(t, map[string]string{
		"flood":   "echo begins; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo ends >&2; exit 1",
		"forever": "exec yes",
	})
	output, err := p.run(time.Minute, "flood", nil)
	require.EqualError(t, err, "program: flood ended with exit status 1")
	require.Less(t, len(output), 17<<10)
	require.True(t, strings.HasPrefix(output, "begins\nxxx"))
	require.True(t, strings.HasSuffix(output, "xxx\nends\n"))
	require.Contains(t, output, fmt.Sprintf("\n[%d bytes are left out]\n", 100000000+len("begins\n\nends\n")-16<<10))

	output, err = p.run(300*time.Millisecond, "forever", nil)
	require.ErrorContains(t, err, "took too long")
	require.Less(t, len(output), 17<<10)
}

func TestInput(t *testing.T) {
	p := newPrograms(t, map[string]string{
		"closes": "exec <&-; echo closed",
		"reads":  "head -c 1 >/dev/null; echo enough",
		"counts": "wc -c",
	})
	large := bytes.Repeat([]byte("x"), 10<<20)
	for name, want := range map[string]string{"closes": "closed", "reads": "enough", "counts": "10485760"} {
		output, err := p.run(time.Minute, name, large)
		require.NoError(t, err, name)
		require.Equal(t, want, strings.TrimSpace(output), name)
	}
}

func TestOutputAsItIs(t *testing.T) {
	p := newPrograms(t, map[string]string{"odd": `printf 'a\000b\377\376c\033[31m'`})
	output, err := p.run(time.Minute, "odd", nil)
	require.NoError(t, err)
	require.Equal(t, "a\x00b\xff\xfec\x1b[31m", output)
	few, err := program.New(p.path, program.Config{Output: 4})
	require.NoError(t, err)
	kept, err := few.Run(context.Background(), "odd", nil, nil, nil)
	require.NoError(t, err)
	require.Equal(t, "a\x00\n[7 bytes are left out]\n1m", string(kept))
}

func TestNew(t *testing.T) {
	dir := t.TempDir()
	_, err := program.New(filepath.Join(dir, "nowhere"), program.Config{})
	require.ErrorContains(t, err, "make the directory first")
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = program.New(file, program.Config{})
	require.ErrorContains(t, err, "is no directory")
	require.NoError(t, os.Chmod(dir, 0o777))
	_, err = program.New(dir, program.Config{})
	require.ErrorContains(t, err, "everybody may write to "+dir)
}

// Package program runs programs for a desk: the files of one directory, by their
// names. [Dir.Run] is for desk.Config.Programs, [Dir.Filter] for xirl.FromFilter.
//
// There is no shell in between: arguments reach a program as they are. It gets the
// environment that it is given and a short PATH, nothing of the environment of the
// desk. Whoever may write to the directory may do what the desk may: New refuses a
// directory that everybody may write to, and Run such a file.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Config adjusts a [Dir]. Every field may be zero.
type Config struct {
	Path   string // the PATH of the programs; empty: /usr/local/bin:/usr/bin:/bin
	Output int    // bytes of output that are kept; 0: 16 KiB

	FilterTime time.Duration // how long a [Filter] may run, with the time in which nobody reads on; 0: an hour
}

// Dir runs the programs of a directory. Make one with [New]. It is safe for
// concurrent use.
type Dir struct {
	path   string
	config Config
}

const (
	standardPath   = "/usr/local/bin:/usr/bin:/bin"
	standardOutput = 16 << 10

	// pipesAfter is how long output is waited for when the program itself has ended: a
	// child of its may hold the pipe.
	pipesAfter = 500 * time.Millisecond
)

// New returns the programs of a directory, which must exist, and to which not
// everybody may write.
func New(path string, config Config) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("program: %w", err)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("program: %w: make the directory first", err)
	case !info.IsDir():
		return nil, fmt.Errorf("program: %s is no directory", path)
	case info.Mode().Perm()&0o002 != 0:
		return nil, fmt.Errorf("program: everybody may write to %s: take that away (chmod o-w)", path)
	}
	if config.Path == "" {
		config.Path = standardPath
	}
	if config.Output <= 0 {
		config.Output = standardOutput
	}
	if config.FilterTime <= 0 {
		config.FilterTime = standardFilterTime
	}
	return &Dir{path, config}, nil
}

// Run runs the program of a name, in the directory, with arguments, an environment
// (KEY=value) and standard input, and waits for it. What it writes to standard
// output and error comes back in the order in which it came: of more than
// Config.Output bytes the beginning and the end, with a line in between that says how
// many are left out. They are what the program wrote, in any encoding.
//
// When ctx ends, and when the program has ended, all of its process group is killed:
// children that it left behind, too, unless they made a group of their own. Those
// cannot be killed, but nobody waits for their output either.
//
// The error says in a few words, without any output, what went wrong: there is no such
// program, it cannot be started, its exit status, or that it took too long. A program
// that does not read its input is no error.
func (d *Dir) Run(ctx context.Context, name string, arguments, environment []string, input []byte) (output []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := d.find(name)
	if err != nil {
		return nil, err
	}
	kept := &ends{most: d.config.Output}
	cmd := d.command(ctx, path, arguments, environment)
	cmd.Stdin = bytes.NewReader(input)
	cmd.Stdout, cmd.Stderr = kept, kept // one pipe, so that the order stays
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, d.unstarted(name, err)
	}
	err = cmd.Wait()
	killGroup(cmd)
	return kept.bytes(), d.judge(ctx, name, err, time.Since(start))
}

// command prepares a program that is killed with its group when ctx ends.
func (d *Dir) command(ctx context.Context, path string, arguments, environment []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, arguments...)
	cmd.Dir = d.path
	cmd.Env = slices.Concat([]string{"PATH=" + d.config.Path}, environment)
	cmd.WaitDelay = pipesAfter
	inGroup(cmd)
	return cmd
}

func (d *Dir) unstarted(name string, err error) error {
	return fmt.Errorf("program: %s cannot be started: %w", name, cause(err))
}

// find returns the file of a program.
func (d *Dir) find(name string) (string, error) {
	if name == "" || len(name) > 200 || name[0] == '.' || strings.ContainsAny(name, `/\:`) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", fmt.Errorf("program: %.100q is no name of a program: allowed are names without folders that do not begin with a dot", name)
	}
	path := filepath.Join(d.path, name)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("program: there is no program %s", name)
	case err != nil:
		return "", fmt.Errorf("program: %s cannot be looked at: %w", name, cause(err))
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("program: %s is no file of the directory: allowed are files, and no links", name)
	case info.Mode().Perm()&0o111 == 0 && permissions:
		return "", fmt.Errorf("program: %s may not be executed (chmod +x)", name)
	case info.Mode().Perm()&0o002 != 0 && permissions:
		return "", fmt.Errorf("program: everybody may write to %s: take that away (chmod o-w)", name)
	}
	return path, nil
}

// cause is an error of the system without the path in it.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// judge says what came of a program that has run.
func (d *Dir) judge(ctx context.Context, name string, err error, took time.Duration) error {
	var ended *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it ended well, and a child holds its output
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("program: %s took too long and was killed after %s", name, took.Round(100*time.Millisecond))
	case ctx.Err() != nil:
		return fmt.Errorf("program: %s was killed because the desk stops", name)
	case errors.As(err, &ended) && ended.Exited():
		return fmt.Errorf("program: %s ended with exit status %d", name, ended.ExitCode())
	case errors.As(err, &ended):
		return fmt.Errorf("program: %s was ended by a %s", name, ended.ProcessState)
	}
	return fmt.Errorf("program: %s: %w", name, cause(err))
}

// ends keeps the beginning and the end of what is written to it. One goroutine at a
// time uses it: that of the pipe, then whoever has waited for it.
type ends struct {
	most  int
	first []byte // at most half of most
	last  []byte // what came behind, cut down to the other half now and then
	left  int    // bytes between the two
}

// Write implements io.Writer.
func (e *ends) Write(p []byte) (int, error) {
	n := len(p)
	half := e.most / 2
	take := min(half-len(e.first), len(p))
	e.first = append(e.first, p[:take]...)
	e.last = append(e.last, p[take:]...)
	if len(e.last) > e.most {
		e.cut(half)
	}
	return n, nil
}

func (e *ends) cut(to int) {
	if over := len(e.last) - to; over > 0 {
		e.left += over
		e.last = append(e.last[:0], e.last[over:]...)
	}
}

func (e *ends) bytes() []byte {
	e.cut(e.most - len(e.first))
	if e.left == 0 {
		return slices.Concat(e.first, e.last)
	}
	return slices.Concat(e.first, fmt.Appendf(nil, "\n[%d bytes are left out]\n", e.left), e.last)
}

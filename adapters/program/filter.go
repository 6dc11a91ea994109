package program

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Filter is a program that reads what machines report, after AIRT's contract: it gets
// the raw input on its standard input, writes an XIRL document to standard output and
// ends with status 0; or it refuses the input with status 1 and the reason on standard
// error. It is for xirl.FromFilter.
type Filter struct {
	dir       *Dir
	name      string
	arguments []string
}

// Filter returns the program of a name as a filter. Whether it is there is found when
// it runs.
func (d *Dir) Filter(name string, arguments ...string) *Filter { return &Filter{d, name, arguments} }

const (
	standardFilterTime = time.Hour
	reasonBytes        = 1 << 10 // of standard error
	chunkBytes         = 32 << 10
)

// Filter implements xirl.Filter. Neither input nor document is held in memory: the
// program waits while nobody reads on. raw and document are used by the goroutine that
// called, and not after Filter has returned. All of the program's process group is
// killed then.
//
// The error is the reason of a refusal, of which 1 KiB is kept; otherwise it says in a
// few words what went wrong, as that of [Dir.Run]: the program took longer than
// Config.FilterTime, too. An error of raw or document is returned as it is. That the
// program does not read all of its input is none.
func (f *Filter) Filter(raw io.Reader, document io.Writer) error {
	path, err := f.dir.find(f.name)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), f.dir.config.FilterTime)
	defer stop()
	cmd := f.dir.command(ctx, path, f.arguments, nil)
	reason := &ends{most: reasonBytes}
	cmd.Stderr = reason
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, written, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdout.Close()
	cmd.Stdout = written
	start := time.Now()
	err = cmd.Start()
	written.Close()
	if err != nil {
		return f.dir.unstarted(f.name, err)
	}
	exited := make(chan struct{})
	go func() {
		err = cmd.Wait()
		killGroup(cmd)
		_ = stdout.SetReadDeadline(time.Now().Add(pipesAfter))
		close(exited)
	}()
	pumped := pump(raw, stdin, &output{stdout, exited}, document)
	if pumped != nil {
		stop()
	}
	<-exited
	if pumped != nil {
		return pumped
	}
	var ended *exec.ExitError
	if why := firstLine(reason.bytes()); errors.As(err, &ended) && ended.ExitCode() == 1 && why != "" {
		return errors.New(why)
	}
	return f.dir.judge(ctx, f.name, err, time.Since(start))
}

// output is what a program has written to standard output. Once it has exited, the rest
// is there soon, though a child of it may hold the pipe.
type output struct {
	*os.File
	exited <-chan struct{}
}

// Read implements io.Reader.
func (o *output) Read(p []byte) (int, error) {
	select {
	case <-o.exited:
		_ = o.SetReadDeadline(time.Now().Add(pipesAfter))
	default:
	}
	return o.File.Read(p)
}

// pump carries raw to a program, and what the program writes to document, until it
// writes no more. It reads raw and writes document itself: who gave them may not be
// ready for another goroutine.
func pump(raw io.Reader, stdin io.WriteCloser, stdout io.Reader, document io.Writer) error {
	in, deaf, out := make(chan []byte), make(chan struct{}), make(chan []byte)
	over := make(chan struct{})
	defer close(over)
	go func() {
		defer close(deaf)
		defer stdin.Close()
		for chunk := range in {
			if _, err := stdin.Write(chunk); err != nil {
				return
			}
		}
	}()
	go func() {
		defer close(out)
		for {
			chunk := make([]byte, chunkBytes)
			n, err := stdout.Read(chunk)
			if n > 0 {
				select {
				case out <- chunk[:n]:
				case <-over:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	reading, unread := true, []byte(nil)
	defer func() {
		if reading {
			close(in)
		}
	}()
	for {
		if reading && len(unread) == 0 {
			chunk := make([]byte, chunkBytes)
			n, err := raw.Read(chunk)
			if err != nil && err != io.EOF {
				return err
			}
			unread = chunk[:n]
			switch {
			case n > 0:
			case err == nil:
				continue
			default:
				reading = false
				close(in)
			}
		}
		give := in
		if len(unread) == 0 {
			give = nil
		}
		select {
		case give <- unread:
			unread = nil
		case <-deaf:
			deaf = nil
			if reading {
				reading, unread = false, nil
				close(in)
			}
		case chunk, more := <-out:
			if !more {
				return nil
			}
			if _, err := document.Write(chunk); err != nil {
				return err
			}
		}
	}
}

// firstLine is that of an output which says something.
func firstLine(output []byte) string {
	for line := range strings.Lines(string(output)) {
		if line = strings.ToValidUTF8(strings.TrimSpace(line), "\uFFFD"); line != "" {
			return line
		}
	}
	return ""
}

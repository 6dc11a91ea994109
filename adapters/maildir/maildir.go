// Package maildir keeps mail in folders, one file each: for tests, and for desks
// whose mail is carried by hand. [New] makes a [Maildir], which is a
// [mail.Sender]; [Maildir.Receive] hands what lies in one to a [mail.Receiver].
//
// The folder is one that mail programs read: a file is written in tmp, brought
// to disk, and moved to new under a name that no other process gives. Any number
// of processes may deliver to a folder at once, and none of them locks anything.
// The envelope stands on top of a file as Delivered-To and Return-Path fields, as
// delivery agents write it; below that are the bytes that were sent.
package maildir

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/airtight-csirt/airtight/mail"
)

// Config is for [New]. Every field may be zero.
type Config struct {
	Host     string           // in file names: the machine's name if empty
	MaxBytes int64            // of a mail that Receive reads: 25 MiB if zero
	Now      func() time.Time // time.Now if nil
}

// Maildir is a folder of mail. It is safe for concurrent use, by several
// processes too.
type Maildir struct {
	dir    string
	host   string
	config Config
	count  atomic.Uint64
}

var _ mail.Sender = (*Maildir)(nil)

// leftover is how old a file in tmp is before nobody can still be writing it.
const leftover = 36 * time.Hour

// New opens a folder, and makes it with its tmp, new and cur if they are not
// there. The error is that of the file system, or says that MaxBytes is negative.
func New(dir string, config Config) (*Maildir, error) {
	if config.MaxBytes < 0 {
		return nil, fmt.Errorf("maildir: Config.MaxBytes is %d: allowed are 0 for the default and more", config.MaxBytes)
	}
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("maildir: %w", err)
		}
	}
	if err := syncDir(dir); err != nil { // else new itself may not outlive a loss of power
		return nil, fmt.Errorf("maildir: %w", err)
	}
	if config.Host == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("maildir: Config.Host is empty, and the machine's name is not known: %w", err)
		}
		config.Host = host
	}
	config.MaxBytes = cmp.Or(config.MaxBytes, 25<<20)
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Maildir{dir: dir, host: safe(config.Host), config: config}, nil
}

// safe makes a host fit for a file name.
func safe(host string) string {
	return strings.NewReplacer("/", `\057`, ":", `\072`).Replace(host)
}

// name makes a name for a file that nobody else makes: the time, the process and
// a count in it, and a random number against clocks and process numbers that
// come again.
func (m *Maildir) name() (string, error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", err
	}
	now := m.config.Now()
	return fmt.Sprintf("%d.M%06dP%dQ%dR%s.%s", now.Unix(), now.Nanosecond()/1000, os.Getpid(), m.count.Add(1), hex.EncodeToString(random[:]), m.host), nil
}

// Send implements [mail.Sender]: one file for all recipients. A nil error means
// that it is on disk. The error is a [*mail.Error]: permanent if an address
// cannot be written, Undecided if the file is there and may not outlive a loss
// of power, temporary for anything else that the file system says. If ctx ended
// before anything was written, the error is that of ctx.
func (m *Maildir) Send(ctx context.Context, env mail.Envelope, raw []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	top, err := head(env)
	if err != nil {
		return &mail.Error{Code: 553, Enhanced: "5.1.3", Message: "an address cannot be written to a file", Err: err}
	}
	temporary := func(err error) error {
		return &mail.Error{Code: 451, Enhanced: "4.3.0", Message: "the folder cannot be written", Err: err}
	}
	name, err := m.name()
	if err != nil {
		return temporary(err)
	}
	tmp, target := filepath.Join(m.dir, "tmp", name), filepath.Join(m.dir, "new", name)
	if err := write(tmp, top, raw); err != nil {
		_ = os.Remove(tmp)
		return temporary(err)
	}
	if err := os.Rename(tmp, target); err != nil {
		_ = os.Remove(tmp)
		return temporary(err)
	}
	if err := syncDir(filepath.Join(m.dir, "new")); err != nil {
		return &mail.Error{Code: 451, Enhanced: "4.3.0", Message: "the folder cannot be brought to disk", Undecided: true, Err: err}
	}
	return nil
}

// write makes a file that was not there, and brings it to disk.
func write(path string, contents ...[]byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	for _, c := range contents {
		if _, err := f.Write(c); err != nil {
			_ = f.Close()
			return err
		}
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

const (
	returnPath  = "Return-Path: <"
	deliveredTo = "Delivered-To: "
)

// head writes the envelope. Return-Path comes last and once, so that the first
// line of a mail is never taken for one of the envelope.
func head(env mail.Envelope) ([]byte, error) {
	if len(env.To) == 0 {
		return nil, errors.New("maildir: no recipient")
	}
	var b bytes.Buffer
	for i, a := range append([]string{env.From}, env.To...) {
		if strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || r == '<' || r == '>' || r == 0x7f }) || i > 0 && a == "" {
			return nil, fmt.Errorf("maildir: %q is no address: allowed are printable characters without blanks and angle brackets", a)
		}
		if i > 0 {
			b.WriteString(deliveredTo + a + "\r\n")
		}
	}
	b.WriteString(returnPath + env.From + ">\r\n")
	return b.Bytes(), nil
}

// split takes the envelope off. Without one on top the envelope is empty.
// QUIRK: other delivery agents write Return-Path first.
func split(file []byte) (env mail.Envelope, raw []byte) {
	raw = recipients(file, &env)
	from, rest, ok := field(raw, returnPath)
	if !ok || !strings.HasSuffix(from, ">") {
		return mail.Envelope{}, file
	}
	env.From = strings.TrimSuffix(from, ">")
	if len(env.To) > 0 {
		return env, rest
	}
	return env, recipients(rest, &env)
}

// recipients takes Delivered-To fields off.
func recipients(file []byte, env *mail.Envelope) []byte {
	for {
		to, rest, ok := field(file, deliveredTo)
		if !ok {
			return file
		}
		env.To, file = append(env.To, to), rest
	}
}

// field takes one line with a beginning off.
func field(file []byte, beginning string) (value string, rest []byte, ok bool) {
	line, rest, _ := bytes.Cut(file, []byte("\n"))
	value, ok = strings.CutPrefix(strings.TrimRight(string(line), "\r"), beginning)
	return value, rest, ok
}

// Pass is what one [Maildir.Receive] did.
type Pass struct {
	Taken   int // handed over and kept; now in cur, marked as seen
	Refused int // refused for good; now in cur, flagged, for a person
	Left    int // still in new: the next pass tries again
}

// Receive hands all mail in new to a receiver, in the order of the names, which
// is that of delivery, and moves what it has dealt with to cur. Nothing is ever
// deleted but files that were left half-written in tmp for 36 hours.
//
// What a receiver refuses with a permanent [*mail.Error], and what is over
// MaxBytes, is flagged. A crash between taking and moving, or a second process
// that receives from the same folder, makes that a mail is handed over twice: a
// receiver must know what it has. The error joins those of the mails that were
// left or refused, and of the file system; a pass goes on after each of them but
// the end of ctx.
func (m *Maildir) Receive(ctx context.Context, receive mail.Receiver) (Pass, error) {
	var p Pass
	var errs []error
	if err := m.sweep(); err != nil {
		errs = append(errs, err)
	}
	entries, err := os.ReadDir(filepath.Join(m.dir, "new"))
	if err != nil {
		return p, errors.Join(append(errs, fmt.Errorf("maildir: %w", err))...)
	}
	for i, entry := range entries {
		if err := ctx.Err(); err != nil {
			p.Left += len(entries) - i
			return p, errors.Join(append(errs, err)...)
		}
		if entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		mark, err := m.hand(ctx, entry.Name(), receive)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process has it
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("maildir: %s: %w", entry.Name(), err))
		}
		if mark == "" {
			p.Left++
			continue
		}
		to := filepath.Join(m.dir, "cur", strings.TrimSuffix(entry.Name(), ":2,")+":2,"+mark)
		if err := os.Rename(filepath.Join(m.dir, "new", entry.Name()), to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("maildir: %w", err))
			p.Left++
			continue
		}
		if mark == "S" {
			p.Taken++
		} else {
			p.Refused++
		}
	}
	return p, errors.Join(errs...)
}

// hand gives one mail to the receiver. The mark is for its name in cur; without
// one it stays.
func (m *Maildir) hand(ctx context.Context, name string, receive mail.Receiver) (mark string, err error) {
	f, err := os.Open(filepath.Join(m.dir, "new", name))
	if err != nil {
		return "", err
	}
	file, err := io.ReadAll(io.LimitReader(f, m.config.MaxBytes+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	if int64(len(file)) > m.config.MaxBytes {
		return "F", fmt.Errorf("over the limit MaxBytes of %d bytes", m.config.MaxBytes)
	}
	env, raw := split(file)
	err = receive(ctx, env, raw)
	var answer *mail.Error
	switch {
	case err == nil:
		return "S", nil
	case errors.As(err, &answer) && !answer.Temporary() && !answer.Undecided:
		return "F", err
	case errors.Is(err, fs.ErrNotExist): // the receiver's, and not about our file
		return "", errors.New(err.Error())
	}
	return "", err
}

// sweep removes what a process that died left half-written.
func (m *Maildir) sweep() error {
	entries, err := os.ReadDir(filepath.Join(m.dir, "tmp"))
	if err != nil {
		return fmt.Errorf("maildir: %w", err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || m.config.Now().Sub(info.ModTime()) < leftover {
			continue
		}
		if err := os.Remove(filepath.Join(m.dir, "tmp", entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("maildir: %w", err)
		}
	}
	return nil
}

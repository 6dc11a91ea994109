package postgrestest

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Config is what [StartServer] can be told.
type Config struct {
	Settings []string // like "max_connections=20"
	Data     string   // an empty folder for the data without the log (pg_wal); "": one of the server's own
}

// Server is a PostgreSQL server of a test's own. It is not safe for concurrent
// use, but for DSN.
type Server struct {
	t        testing.TB // nil: the server of all tests
	bin      string     // folder of the binaries
	folder   string     // all that is the server's own
	data     string
	settings []string
	process  *exec.Cmd
	ended    chan struct{} // closed when process has
}

// StartServer starts a server, which ends with the test. It skips the test, or
// fails it, under the same conditions as [New]; AIRTIGHT_POSTGRES does not help
// here.
func StartServer(t testing.TB, config Config) *Server {
	t.Helper()
	s, err := newServer(config, "")
	if err != nil {
		missing(t, err)
	}
	s.t = t
	t.Cleanup(s.end)
	s.Start()
	return s
}

// keeper waits until its input ends, which it does when the test binary has
// ended, by whatever cause. Then it ends the server and removes the folder.
const keeper = `cat >/dev/null
pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
for i in $(seq 100); do [ -e "$1/postmaster.pid" ] && sleep 0.05; done
rm -rf "$0"`

// newServer makes the folder of a server, which does not run yet, inside another.
func newServer(config Config, parent string) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(parent, "airtight-pg")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, folder: folder, data: config.Data, settings: config.Settings}
	arguments := []string{"-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"}
	if s.data == "" {
		s.data = filepath.Join(folder, "data")
	} else {
		arguments = append(arguments, "--waldir", filepath.Join(folder, "wal"))
	}
	if err := s.keep(); err != nil {
		return nil, err
	}
	if config.Data != "" {
		if err := own(config.Data); err != nil {
			return nil, err
		}
	}
	if out, err := s.command("initdb", append(arguments, "-D", s.data)...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return s, nil
}

// keep starts the keeper and gives the folder to the user of the server.
func (s *Server) keep() error {
	if err := own(s.folder); err != nil {
		return err
	}
	cmd := exec.Command("sh", "-c", keeper, s.folder, s.data)
	cmd.Dir = "/"
	input, err := cmd.StdinPipe() // never closed: the system does it
	if err != nil {
		return err
	}
	kept = append(kept, input)
	return errors.Join(drop(cmd), cmd.Start())
}

var kept []io.Closer // else the collector would close them

// binaries returns the folder of the newest server on this machine.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		path, err = filepath.EvalSymlinks(path)
		return filepath.Dir(path), err
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Debian's place
	if err != nil || len(found) == 0 {
		return "", errors.New("no initdb in PATH, nor in /usr/lib/postgresql/*/bin")
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
}

func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// command is one of PostgreSQL's programs, run as its user.
func (s *Server) command(name string, arguments ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), arguments...)
	cmd.Dir = s.folder
	if err := drop(cmd); err != nil {
		cmd.Err = err
	}
	return cmd
}

// DSN returns the data source name of the server's database postgres; before
// Start, too.
func (s *Server) DSN() string { return DSN(s) }

// DSN returns the data source name of several servers, of which the driver takes
// the first that can be written.
func DSN(servers ...*Server) string {
	var hosts, ports []string
	for _, s := range servers {
		hosts, ports = append(hosts, s.folder), append(ports, "5432")
	}
	q := url.Values{"host": {strings.Join(hosts, ",")}, "port": {strings.Join(ports, ",")}, "user": {"postgres"}, "connect_timeout": {"2"}}
	if len(servers) > 1 {
		q.Set("target_session_attrs", "read-write")
	}
	return "postgres:///postgres?" + q.Encode()
}

// Start starts the server again after Stop or Kill, and waits until it can be
// used.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatalf("postgrestest: %v", err)
	}
}

func (s *Server) start() error {
	arguments := []string{"-D", s.data, "-k", s.folder, "-c", "listen_addresses="}
	for _, setting := range s.settings {
		arguments = append(arguments, "-c", setting)
	}
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	s.process = s.command("postgres", arguments...)
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		return err
	}
	process, ended := s.process, make(chan struct{})
	s.ended = ended
	go func() {
		_ = process.Wait()
		close(ended)
	}()

	db, err := sql.Open(Driver, s.DSN())
	if err != nil {
		return err
	}
	defer db.Close()
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if err = db.Ping(); err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("the server has ended: %w\n%s", err, s.Log())
		default:
		}
		if time.Now().After(until) {
			return fmt.Errorf("the server does not answer: %w\n%s", err, s.Log())
		}
	}
}

// Log returns what the server has told so far.
func (s *Server) Log() string {
	text, err := os.ReadFile(filepath.Join(s.folder, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Stop shuts the server down at once, as an administrator would: running
// transactions are rolled back.
func (s *Server) Stop() {
	s.t.Helper()
	if err := s.process.Process.Signal(os.Interrupt); err != nil {
		s.t.Fatalf("postgrestest: %v", err)
	}
	<-s.ended
}

// Kill ends every process of the server by SIGKILL. What it had not told the
// operating system to keep is lost.
func (s *Server) Kill() {
	freeze(s.process.Process) // or it would go on to start others
	children := childrenOf(s.process.Process.Pid)
	_ = s.process.Process.Kill()
	<-s.ended
	for _, pid := range children {
		kill(pid)
	}
	_ = os.Remove(filepath.Join(s.data, "postmaster.pid")) // another process may get the number
}

// childrenOf returns the processes that a process has started, where the system
// tells.
func childrenOf(pid int) (children []int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, field := range strings.Fields(string(text)) {
		if n, err := strconv.Atoi(field); err == nil {
			children = append(children, n)
		}
	}
	return children
}

func (s *Server) end() {
	if s.process == nil {
		return
	}
	select {
	case <-s.ended:
	default:
		s.Kill()
	}
	_ = os.RemoveAll(s.folder)
}

// Standby starts a second server that follows this one. From then on this one
// acknowledges no commit that the standby does not have on its disk.
func (s *Server) Standby() *Server {
	s.t.Helper()
	folder, err := os.MkdirTemp("", "airtight-pg")
	if err != nil {
		s.t.Fatalf("postgrestest: %v", err)
	}
	standby := &Server{t: s.t, bin: s.bin, folder: folder, data: filepath.Join(folder, "data"), settings: s.settings}
	s.t.Cleanup(standby.end)
	if err := standby.keep(); err != nil {
		s.t.Fatalf("postgrestest: %v", err)
	}
	// -R writes standby.signal and primary_conninfo.
	if out, err := s.command("pg_basebackup", "-D", standby.data, "-R", "-c", "fast", "--no-sync", "-X", "stream",
		"-d", "host="+s.folder+" user=postgres application_name=standby").CombinedOutput(); err != nil {
		s.t.Fatalf("postgrestest: pg_basebackup: %v: %s", err, out)
	}
	standby.Start()
	execute(s.t, s.DSN(), "ALTER SYSTEM SET synchronous_standby_names = 'standby'")
	execute(s.t, s.DSN(), "SELECT pg_reload_conf()")
	s.wait("SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
	return standby
}

// Promote makes a standby a server of its own, which waits for no other one.
func (s *Server) Promote() {
	s.t.Helper()
	execute(s.t, s.DSN(), "SELECT pg_promote()")
	s.wait("SELECT NOT pg_is_in_recovery()")
	execute(s.t, s.DSN(), "ALTER SYSTEM SET synchronous_standby_names = ''")
	execute(s.t, s.DSN(), "SELECT pg_reload_conf()")
}

// wait asks until the answer is true.
func (s *Server) wait(question string) {
	s.t.Helper()
	db, err := sql.Open(Driver, s.DSN())
	if err != nil {
		s.t.Fatalf("postgrestest: %v", err)
	}
	defer db.Close()
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		var yes bool
		if err = db.QueryRow(question).Scan(&yes); err == nil && yes {
			return
		}
	}
	s.t.Fatalf("postgrestest: %s: not so after 30 s (%v)\n%s", question, err, s.Log())
}

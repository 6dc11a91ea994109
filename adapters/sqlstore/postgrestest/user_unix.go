//go:build unix

package postgrestest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// servant is the user as whom servers run: another one than root.
func servant() (uid, gid int, err error) {
	if os.Getuid() != 0 {
		return os.Getuid(), os.Getgid(), nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, errUID := strconv.Atoi(u.Uid)
			gid, errGID := strconv.Atoi(u.Gid)
			if errUID == nil && errGID == nil {
				return uid, gid, nil
			}
		}
	}
	return 0, 0, fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

// drop makes a program run as the servant.
func drop(cmd *exec.Cmd) error {
	uid, gid, err := servant()
	if err == nil && uid != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	return err
}

// own gives a folder to the servant.
func own(folder string) error {
	uid, gid, err := servant()
	if err != nil {
		return err
	}
	return os.Chown(folder, uid, gid)
}

// freeze stops a process, to be killed later.
func freeze(p *os.Process) { _ = p.Signal(syscall.SIGSTOP) }

// kill ends a process and waits until it has gone: a server does not start
// beside one that was left over.
func kill(pid int) {
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(time.Millisecond) {
		if syscall.Kill(pid, syscall.SIGKILL) != nil || zombie(pid) {
			return
		}
	}
}

// zombie reports whether a process has gone but for its number, where the system
// tells.
func zombie(pid int) bool {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(state, "Z")
}

//go:build unix

package program

import (
	"os/exec"
	"syscall"
)

// permissions: the modes of files say who may do what.
const permissions = true

// inGroup gives a program a process group of its own, which is killed when its
// context ends.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// killGroup kills what the program has left behind. Its number is not given to
// another group while one of its children lives.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

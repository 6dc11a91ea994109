//go:build !unix

package program

import "os/exec"

// permissions: modes of files say nothing here.
const permissions = false

// inGroup does nothing: when the context ends, the program itself is killed, and
// not its children.
func inGroup(*exec.Cmd) {}

func killGroup(*exec.Cmd) {}

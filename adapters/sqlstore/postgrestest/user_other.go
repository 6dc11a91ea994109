//go:build !unix

package postgrestest

import (
	"errors"
	"os"
	"os/exec"
)

var errSystem = errors.New("servers are started on Unix only")

func drop(*exec.Cmd) error { return errSystem }

func own(string) error { return errSystem }

func freeze(*os.Process) {}

func kill(int) {}

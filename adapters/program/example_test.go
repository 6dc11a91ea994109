//go:build unix

package program_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/airtight-csirt/airtight/adapters/program"
)

func Example() {
	path, err := os.MkdirTemp("", "programs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(path)
	script := "#!/bin/sh\necho \"pushed to $1 for ticket $AIRTIGHT_TICKET\"\n"
	if err := os.WriteFile(filepath.Join(path, "push"), []byte(script), 0o755); err != nil {
		fmt.Println(err)
		return
	}
	programs, err := program.New(path, program.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	output, err := programs.Run(context.Background(), "push", []string{"north"}, []string{"AIRTIGHT_TICKET=7"}, nil)
	fmt.Print(string(output))
	fmt.Println(err)
	_, err = programs.Run(context.Background(), "../push", nil, nil, nil)
	fmt.Println(err)
	// Output:
	// pushed to north for ticket 7
	// <nil>
	// program: "../push" is no name of a program: allowed are names without folders that do not begin with a dot
}

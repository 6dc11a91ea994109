package blobdir_test

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/airtight-csirt/airtight/adapters/blobdir"
	"github.com/airtight-csirt/airtight/incident"
)

func Example() {
	temporary, err := os.MkdirTemp("", "blobs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(temporary)

	bodies, err := blobdir.New(temporary, blobdir.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	digest, err := bodies.Put(ctx, []byte("Subject: scans\r\n\r\nfrom 192.0.2.17\r\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(digest)

	body, err := bodies.Open(ctx, digest)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	fmt.Printf("%d bytes, %v\n", len(content), err)
	// Output:
	// 74e9a6c484614aec6506a839eeae69d38157b3a08009cd1a5c633abee9b90b9a
	// 35 bytes, <nil>
}

func ExampleDir_Sweep() {
	temporary, err := os.MkdirTemp("", "blobs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(temporary)
	bodies, err := blobdir.New(temporary, blobdir.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if _, err := bodies.Put(ctx, []byte("a body that no record came to name")); err != nil {
		fmt.Println(err)
		return
	}
	referenced := func(context.Context, incident.Digest) (bool, error) {
		return false, nil // a program asks its store here
	}
	removed, err := bodies.Sweep(ctx, blobdir.Day, referenced)
	fmt.Println(removed, "removed: it is less than a day old", err)
	// Output: 0 removed: it is less than a day old <nil>
}

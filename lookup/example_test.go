package lookup_test

import (
	"fmt"

	"github.com/airtight-csirt/airtight/lookup"
)

func ExampleExtract() {
	text := "Scans from 192.0.2.17 and 2001:DB8::17, network 198.51.100/25. Answers to bob@Example.org, please."
	for _, f := range lookup.Extract(text) {
		fmt.Printf("%s %s, written %q\n", f.Observable.Kind, f.Observable.Value, text[f.Start:f.End])
	}
	// Output:
	// address 192.0.2.17, written "192.0.2.17"
	// address 2001:db8::17, written "2001:DB8::17"
	// prefix 198.51.100.0/25, written "198.51.100/25"
	// mail bob@example.org, written "bob@Example.org"
}

func ExampleObservables() {
	found := lookup.Extract("192.0.2.17 tried port 22, then 192.0.2.17 tried port 23")
	fmt.Println(len(found), len(lookup.Observables(found)))
	// Output: 2 1
}

func ExampleAll() {
	for f := range lookup.All("192.0.2.1 192.0.2.2 192.0.2.3") {
		fmt.Println(f.Observable.Value)
		break
	}
	// Output: 192.0.2.1
}

package lookup_test

import (
	"fmt"

	"golang.org/x/net/publicsuffix"

	"github.com/airtight-csirt/airtight/lookup"
)

func ExampleExtractor_Extract() {
	x := lookup.Extractor{PublicSuffix: publicsuffix.PublicSuffix}
	text := "Scans from 192.0.2.17 and 2001:DB8::17, network 198.51.100/25; see readme.txt. Malware at hxxp://evil[.]example[.]com/x from www.example.net. Answers to bob@Example.org, please."
	for _, f := range x.Extract(text) {
		fmt.Printf("%s %s, written %q, %s\n", f.Observable.Kind, f.Observable.Value, text[f.Start:f.End], f.Confidence)
	}
	// Output:
	// address 192.0.2.17, written "192.0.2.17", likely
	// address 2001:db8::17, written "2001:DB8::17", certain
	// prefix 198.51.100.0/25, written "198.51.100/25", certain
	// url http://evil.example.com/x, written "hxxp://evil[.]example[.]com/x", certain
	// host www.example.net, written "www.example.net", likely
	// mail bob@example.org, written "bob@Example.org", certain
}

// Without a list of public suffixes there are no bare host names.
func ExampleExtract() {
	for _, f := range lookup.Extract("192.0.2.17 asked www.example.net for http://www.example.net/") {
		fmt.Println(f.Observable.Kind, f.Observable.Value)
	}
	// Output:
	// address 192.0.2.17
	// url http://www.example.net/
}

func ExampleObservables() {
	found := lookup.Extract("192.0.2.17 tried port 22, then 192.0.2.17 tried port 23")
	fmt.Println(len(found), len(lookup.Observables(found)))
	// Output: 2 1
}

func ExampleExtractor_All() {
	for f := range (lookup.Extractor{}).All("192.0.2.1 192.0.2.2 192.0.2.3") {
		fmt.Println(f.Observable.Value)
		break
	}
	// Output: 192.0.2.1
}

func ExampleHTMLText() {
	text := lookup.HTMLText(`<p>Log in at <a href="http://192.0.2.17/">www.example.org</a>`)
	x := lookup.Extractor{PublicSuffix: publicsuffix.PublicSuffix}
	for _, f := range x.Extract(text) {
		fmt.Println(f.Observable.Kind, f.Observable.Value)
	}
	// Output:
	// host www.example.org
	// url http://192.0.2.17/
	// address 192.0.2.17
}

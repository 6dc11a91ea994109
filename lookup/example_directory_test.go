package lookup_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/lookup"
)

const directory = `
default: elsewhere
constituencies:
  - name: elsewhere
  - name: physics
    language: nl
    contacts:
      - {role: abuse, address: abuse@physics.example.org, telephone: "+31 20 555 0100"}
entries:
  - {scope: 192.0.2.0/24, constituency: physics}
  - {scope: 192.0.2.128/25, except: true}
`

func ExampleDirectory_Match() {
	doc, err := lookup.ParseYAML(strings.NewReader(directory))
	if err != nil {
		log.Fatal(err)
	}
	d, err := lookup.NewDirectory(doc, lookup.Config{})
	if err != nil {
		log.Fatal(err)
	}
	for _, address := range []string{"192.0.2.17", "192.0.2.200"} {
		o, err := incident.NewObservable(incident.Address, address, incident.RoleSource)
		if err != nil {
			log.Fatal(err)
		}
		m := d.Match(o)
		fmt.Println(address, "is of", m.Constituency.Name)
		for _, c := range m.Constituency.Contacts {
			fmt.Println(" tell", c.Role, c.Address, "in", c.Language)
		}
		fmt.Println(" " + strings.Join(m.Why, "\n "))
	}
	// Output:
	// 192.0.2.17 is of physics
	//  tell abuse abuse@physics.example.org in nl
	//  It belongs to physics, because network 192.0.2.0/24 does (set by hand).
	// 192.0.2.200 is of elsewhere
	//  It belongs to elsewhere by default: network 192.0.2.128/25 is excepted (set by hand).
	//  network 192.0.2.0/24 belongs to physics (set by hand).
	//  There is no contact of elsewhere.
}

func ExampleDiff() {
	doc, err := lookup.ParseYAML(strings.NewReader(directory))
	if err != nil {
		log.Fatal(err)
	}
	imported, err := lookup.ParseCSV(strings.NewReader("scope,constituency\n198.51.100.0/24,physics\n"))
	if err != nil {
		log.Fatal(err)
	}
	next, conflicts := doc.Import("registry", imported)
	if _, err := lookup.NewDirectory(next, lookup.Config{}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(conflicts), "conflicts")
	for _, change := range lookup.Diff(doc, next) {
		fmt.Println(change)
	}
	// Output:
	// 0 conflicts
	// + network 198.51.100.0/24 from registry: physics
}

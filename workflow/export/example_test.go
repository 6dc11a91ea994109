package export_test

import (
	"fmt"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow/export"
)

func Example() {
	e := export.Export{
		Template: "nullroute", Dialect: "frr", Aggregate: true,
		Statuses: []incident.Status{"open", "closed"}, States: []incident.State{"blocked"},
	}
	form, err := export.Find(export.Forms(), e.Template, e.Dialect)
	if err != nil {
		fmt.Println(err)
		return
	}
	tickets := []incident.Ticket{{
		ID: 1, Version: 1, Kind: incident.KindIncident, Status: "open", State: "blocked",
		Observables: []incident.Observable{
			{Kind: incident.Address, Value: "192.0.2.6", Role: incident.RoleSource},
			{Kind: incident.Address, Value: "192.0.2.7", Role: incident.RoleSource},
			{Kind: incident.Address, Value: "198.51.100.1", Role: incident.RoleTarget},
		},
	}}
	text, err := form.Render(e.List(slices.Values(tickets)))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(text))
	// Output:
	// ! Null routes made by Airtight: 1
	// ip route 192.0.2.6/31 blackhole
}

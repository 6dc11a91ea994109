package xirl_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/xirl"
)

func ExampleDecode() {
	document := `<x:xirl xmlns:x="urn:airtight:xirl:1" version="1.0">
  <x:reporter><x:name>Example CERT</x:name></x:reporter>
  <x:incident id="EX#000042">
    <x:time>2006-05-09T10:00:00+02:00</x:time>
    <x:source><x:ip>192.0.2.4</x:ip><x:port>1027</x:port></x:source>
    <x:target><x:ip>198.51.100.7</x:ip><x:port>137</x:port></x:target>
    <x:protocol>udp</x:protocol>
    <x:log>one line</x:log>
  </x:incident>
</x:xirl>`
	for o, err := range xirl.Decode(strings.NewReader(document), incident.Limits{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(o.ID, o.Time.Format(time.RFC3339), o.Protocol)
		for _, e := range o.Endpoints {
			fmt.Println(e.Role, e.Address, e.Ports)
		}
	}
	// Output:
	// EX#000042 2006-05-09T10:00:00+02:00 udp
	// source 192.0.2.4 1027
	// target 198.51.100.7 137
}

func ExampleEncoder() {
	e := xirl.NewEncoder(os.Stdout)
	err := e.Encode(incident.Observation{
		ID: "EX#000042", Reporter: incident.Reporter{Name: "Example CERT"},
		Endpoints: []incident.Endpoint{{Role: incident.RoleSource, Address: netip.MustParseAddr("192.0.2.4")}},
		Logs:      []incident.Log{{Data: []byte("a\x00b")}},
	})
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// <?xml version="1.0" encoding="UTF-8"?>
	// <xirl xmlns="urn:airtight:xirl:1" version="1.0">
	//   <reporter>
	//     <name>Example CERT</name>
	//   </reporter>
	//   <incident id="EX#000042">
	//     <source>
	//       <ip>192.0.2.4</ip>
	//     </source>
	//     <log encoding="base64">YQBi</log>
	//   </incident>
	// </xirl>
}

// A feed that nobody knows: say where its columns go.
func ExampleCSV() {
	feed := xirl.CSV{Name: "sensor", Feed: "sensor ssh", Kind: "login-attack", Columns: map[string]string{"who": "source.ip", "when": "time", "tries": "count"}}
	file := "who,when,tries,user\n192.0.2.4,2026-01-02 03:04:05,12,root\nnobody,2026-01-02 03:04:06,1,root\n"
	for o, err := range feed.Format().Decode(strings.NewReader(file), incident.Limits{}) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(o.Endpoints[0].Address, o.Kind, o.Count, o.Time.Format(time.RFC3339), o.Zone, o.Extra)
	}
	// Output:
	// 192.0.2.4 login-attack 12 2026-01-02T03:04:05Z UTC [{user root }]
	// sensor: line 3, byte 92: column who: "nobody" is no IP address and no network
}

// What a format cannot hold is listed.
func ExampleFormats() {
	list := []incident.Observation{{ID: "1", Kind: "spam", Scheme: "arf", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	for _, f := range xirl.Formats() {
		if f.Encode == nil {
			continue
		}
		lost, err := f.Encode(&strings.Builder{}, slices.Values(list))
		fmt.Println(f.Name, lost, err)
	}
	// Output:
	// xirl [] <nil>
	// airt [{scheme 1}] <nil>
	// iodef [{scheme 1}] <nil>
	// xarf [] xarf: the reporter needs a name of 200 bytes at most, a mail address and a domain (org, contact, domain)
}

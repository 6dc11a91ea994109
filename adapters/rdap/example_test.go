package rdap_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"

	"github.com/airtight-csirt/airtight/adapters/rdap"
	"github.com/airtight-csirt/airtight/lookup"
)

// A client learns from the bootstrap files of IANA whom to ask. Here one server answers on loopback.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"objectClassName":"ip network","name":"EXAMPLE-NET","startAddress":"192.0.2.0","endAddress":"192.0.2.255",
			"entities":[{"roles":["abuse"],"vcardArray":["vcard",[["email",{},"text","abuse@example.org"]]]}]}`)
	}))
	defer server.Close()

	var bootstrap rdap.Bootstrap
	file := fmt.Sprintf(`{"version":"1.0","services":[[["192.0.2.0/24"],[%q]]]}`, server.URL)
	if err := bootstrap.Read(strings.NewReader(file)); err != nil {
		panic(err)
	}
	client, err := rdap.New(rdap.Config{Bootstrap: bootstrap})
	if err != nil {
		panic(err)
	}
	answer, err := client.Ask(context.Background(), lookup.Question{Network: netip.MustParsePrefix("192.0.2.7/32")})
	fmt.Println(answer.Name, answer.Abuse(), err)
	// Output: EXAMPLE-NET [abuse@example.org] <nil>
}

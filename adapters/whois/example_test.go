package whois_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/airtight-csirt/airtight/adapters/whois"
	"github.com/airtight-csirt/airtight/lookup"
)

// A client asks the servers that it was told of. Here one answers on loopback.
func Example() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		bufio.NewReader(conn).ReadString('\n')
		io.WriteString(conn, "% Abuse contact for '192.0.2.0 - 192.0.2.255' is 'abuse@example.org'\n\ninetnum: 192.0.2.0 - 192.0.2.255\nnetname: EXAMPLE-NET\n")
	}()

	client, err := whois.New(whois.Config{Servers: []whois.Server{
		{Name: "whois.example.net", Address: listener.Addr().String(), Networks: true},
	}})
	if err != nil {
		panic(err)
	}
	answer, err := client.Ask(context.Background(), lookup.Question{Network: netip.MustParsePrefix("192.0.2.7/32")})
	fmt.Println(answer.Name, answer.Abuse(), err)
	// Output: EXAMPLE-NET [abuse@example.org] <nil>
}

func ExampleParse() {
	answer, err := whois.Parse([]byte("Domain Name: EXAMPLE.ORG\nRegistrar: Example Registrar\nRegistrar Abuse Contact Email: abuse@example.net\n"), nil)
	fmt.Println(answer.Name, answer.Registrar, answer.Abuse(), err)
	// Output: example.org Example Registrar [abuse@example.net] <nil>
}

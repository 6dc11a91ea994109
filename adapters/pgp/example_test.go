package pgp_test

import (
	"context"
	"fmt"

	"github.com/ProtonMail/gopenpgp/v2/crypto"

	"github.com/airtight-csirt/airtight/adapters/pgp"
	"github.com/airtight-csirt/airtight/mail"
)

// secretKey makes a key as a program would read one from a file.
func secretKey(address string) []byte {
	key, err := crypto.GenerateKey("Example", address, "x25519", 0)
	if err != nil {
		panic(err)
	}
	text, err := key.Armor()
	if err != nil {
		panic(err)
	}
	return []byte(text)
}

func Example() {
	ring := &pgp.Keyring{}
	for _, address := range []string{"team@example.org", "alice@example.net"} {
		infos, err := ring.AddTeam(address, secretKey(address), nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(address, infos[0].State)
	}
	p, err := pgp.New(ring, pgp.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}

	raw := []byte("From: team@example.org\r\nTo: alice@example.net\r\nSubject: [example #7] a host of yours\r\n\r\nPlease look at 192.0.2.7.\r\n")
	request := mail.SealRequest{Sign: mail.Always, Encrypt: mail.Always, From: "team@example.org", To: []string{"alice@example.net"}}
	sealed, err := p.Seal(context.Background(), raw, request)
	if err != nil {
		fmt.Println(err)
		return
	}
	opened, err := p.Open(context.Background(), sealed.Mail)
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := mail.Parse(opened.Mail, mail.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	signature, ok := opened.Signed()
	fmt.Print(m.Text)
	fmt.Println(ok, signature.State, signature.Signers)

	request.To = append(request.To, "bob@example.net")
	_, err = p.Seal(context.Background(), raw, request)
	fmt.Println(err)
	// Output:
	// team@example.org usable
	// alice@example.net usable
	// Please look at 192.0.2.7.
	// true good [team@example.org]
	// mail: cannot encrypt, and it is demanded: bob@example.net: missing
}

package pgp

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
)

func corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("AIRTIGHT_CORPUS")
	if dir == "" {
		t.Skip("AIRTIGHT_CORPUS is not set: no real mail is opened")
	}
	return dir
}

// opinion is what GnuPG says about one protected thing in a mail.
type opinion struct {
	How         string   `json:"how"`
	EncryptedTo []string `json:"encrypted_to"`
	NoData      bool     `json:"nodata"`
	Signature   []struct {
		State string `json:"state"`
		Key   string `json:"key"`
	} `json:"signature"`
}

// differences are the files where we and GnuPG say different things, with the
// reason.
func differences() map[string]string {
	const (
		sha1 = "it is made with SHA-1: that is said first, whether the key is known or not"
		old  = "it is of version 3, and made with SHA-1, which GnuPG 2.2 still takes"
	)
	return map[string]string{
		"pgp/mimekit/openpgp/_Announce__GnuPG_2.1.20_released.eml": sha1,
		"pgp/ripe/multipartAlternativePgpSigned.mail":              sha1,
		"pgp/rt/1-signed-MIME-plain.txt":                           old,
		"pgp/rt/2-signed-MIME-plain-with-attachment.txt":           old,
		"pgp/rt/4-signed-inline-plain.txt":                         old,
		"pgp/rt/5-signed-inline-with-attachment.txt":               old + "; the signature of the attachment is checked too",
		"pgp/rt/6-signed-inline-with-binary.txt":                   old,
	}
}

// verdict is one line on what is protected in a mail. Of what is encrypted it
// says to whom, since secret keys are not in the corpus.
func verdict(layers []incident.Layer) string {
	var list []string
	for _, l := range layers {
		if l.Encrypted {
			list = append(list, strings.TrimSpace("encrypted "+strings.Join(l.Recipients, " ")))
			continue
		}
		for _, s := range l.Signatures {
			list = append(list, strings.TrimSpace("signed "+s.KeyID+" "+string(s.State)))
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func (o opinion) verdict() string {
	switch {
	case strings.Contains(o.How, "encrypted"):
		return strings.TrimSpace("encrypted " + strings.Join(o.EncryptedTo, " "))
	case strings.Contains(o.How, "pgp/mime signed"), strings.Contains(o.How, "inline signed") && !o.NoData:
		state := map[string]incident.SignatureState{"GOODSIG": incident.SignatureGood, "ERRSIG": incident.SignatureKeyUnknown, "BADSIG": incident.SignatureBad, "EXPKEYSIG": incident.SignatureKeyExpired, "REVKEYSIG": incident.SignatureKeyRevoked}
		return "signed " + o.Signature[0].Key + " " + string(state[o.Signature[0].State])
	}
	return "" // S/MIME, and keys that are carried
}

// TestCorpus compares verdicts on real mail with those of GnuPG, by name.
func TestCorpus(t *testing.T) {
	dir := corpus(t)
	raw, err := os.ReadFile(filepath.Join(dir, "pgp", "oracle-gpg.json"))
	require.NoError(t, err)
	var oracle struct {
		Files map[string][]opinion `json:"files"`
	}
	require.NoError(t, json.Unmarshal(raw, &oracle))
	p, err := New(corpusRing(t, dir), Config{})
	require.NoError(t, err)

	same, other, known := 0, 0, differences()
	counts := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(oracle.Files)) {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		var want []string
		for _, o := range oracle.Files[name] {
			if v := o.verdict(); v != "" {
				want = append(want, v)
			}
		}
		slices.Sort(want)
		opened := open(t, p, raw)
		got := verdict(opened.Layers)
		for _, l := range opened.Layers {
			counts[string(l.Decryption)]++
			for _, s := range l.Signatures {
				counts[string(s.State)]++
			}
		}
		if got == strings.Join(want, ", ") {
			same++
			fmt.Printf("%s: %s\n", strings.TrimPrefix(name, "pgp/"), states(opened))
			require.NotContains(t, known, name, "the reason is not needed any more")
			continue
		}
		other++
		fmt.Printf("%s: %s DIFFERS: %s; GnuPG: %s\n", strings.TrimPrefix(name, "pgp/"), states(opened), got, strings.Join(want, ", "))
		if known[name] == "" {
			t.Errorf("%s: we say %q and GnuPG %q", name, got, strings.Join(want, ", "))
		}
	}
	delete(counts, "")
	fmt.Printf("corpus: %d mails as GnuPG says, %d differ for a reason; %v\n", same, other, counts)
	require.Greater(t, same, 40)
}

// corpusRing holds every key of the corpus, and prints what is wrong with some.
func corpusRing(t *testing.T, dir string) *Keyring {
	ring := &Keyring{}
	files, states := 0, map[mail.KeyState]int{}
	require.NoError(t, filepath.WalkDir(filepath.Join(dir, "pgp"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "-keys") && !strings.HasSuffix(path, ".key") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		infos, err := ring.Add("key@example.org", content)
		if err != nil {
			return nil // X.509, and files about keys
		}
		files++
		for _, info := range infos {
			states[info.State]++
			if info.State != mail.Usable {
				fmt.Printf("%s: %s, %s %s\n", strings.TrimPrefix(path, dir+"/pgp/"), info.KeyID, info.State, info.Why)
			}
		}
		return nil
	}))
	fmt.Printf("keys: %d files with keys: %v\n", files, states)
	return ring
}

// TestCorpusMail opens every mail that is not about OpenPGP: nothing is found
// that is not there, nothing is lost.
func TestCorpusMail(t *testing.T) {
	dir := corpus(t)
	p, err := New(&Keyring{}, Config{})
	require.NoError(t, err)
	n, found := 0, 0
	for _, folder := range []string{"mail", "bounce", "arf", "thread", "pgp"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(dir, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			raw, err := os.ReadFile(path)
			if err != nil || len(raw) > 1<<20 {
				return err
			}
			opened := open(t, p, raw)
			n++
			if len(opened.Layers) > 0 {
				found++
				if folder != "pgp" {
					fmt.Printf("%s: %s\n", strings.TrimPrefix(path, dir+"/"), states(opened))
				}
			} else {
				require.Equal(t, string(raw), string(opened.Mail), path)
			}
			return nil
		}))
	}
	fmt.Printf("corpus: %d files opened, OpenPGP in %d\n", n, found)
}

package incident_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/airtight-csirt/airtight"

// layer says what one package of the module may import beside the standard
// library, and why no more.
type layer struct {
	own     []string // our packages, imported directly
	outside []string // beginnings of import paths of others, reached at all
	pure    bool     // see impure
	why     string
}

// layers is the import table. A package that is not in it has no place yet:
// give it one here first. Rows may be ahead of their packages.
func layers() map[string]layer {
	parse := []string{"github.com/emersion/go-message", "golang.org/x/text"}
	yaml := []string{"go.yaml.in/yaml/v3"} // without dependencies
	find := slices.Concat(yaml, []string{"golang.org/x/net/idna", "golang.org/x/net/html", "golang.org/x/text", "github.com/gaissmai/bart"})
	shell := slices.Concat(parse, find)
	all := []string{"incident", "sla", "workflow", "workflow/export", "storage", "mail", "lookup"}
	adapter := func(seam, why string, outside ...string) layer {
		return layer{own: []string{"incident", seam}, outside: outside, why: why}
	}
	return map[string]layer{
		"incident": {pure: true,
			why: "the words are what everybody shares: whoever imports them gets nothing else"},
		"sla": {pure: true,
			why: "calendars and agreements say when something is due, whatever a ticket is"},
		"storage": {own: []string{"incident"},
			why: "the seam is a contract and its pure logic; whoever implements it needs no mail and no policy"},
		"storage/storagetest": {own: []string{"incident", "storage"},
			why: "outside adapters run the suite: it may bring nothing into their builds"},
		"mail": {own: []string{"incident"}, outside: parse,
			why: "mail is parsed and threaded without knowing where tickets lie"},
		"lookup": {own: []string{"incident"}, outside: find,
			why: "extraction and matching are pure; registries come in by an interface, the list of public suffixes (which reaches net/http) as a function"},
		"lookup/registrytest": {own: []string{"incident", "lookup"}, outside: find,
			why: "outside adapters run the check: it may bring nothing into their builds"},
		"xirl": {own: []string{"incident"}, pure: true,
			why: "a format turns bytes into observations; MIME comes to it as incident.Part, taken apart already"},
		"workflow/export": {own: []string{"incident"}, pure: true,
			why: "tickets become a text for a router: whoever has them calls it, and puts the text where it belongs"},
		"workflow": {own: []string{"incident", "sla", "workflow/export"}, outside: yaml, pure: true,
			why: "what happens next is a function of values: the shell gathers them and acts; a policy is a document, which YAML lets people comment"},
		"workflow/desk": {own: all, outside: shell,
			why: "the shell knows the seams, and neither a format nor an adapter: programs hand these in"},
		"workflow/sim": {own: append(all, "workflow/desk"), outside: shell,
			why: "a simulation drives a desk on any store"},

		"adapters/memory":                adapter("storage", "an adapter implements one seam"),
		"adapters/sqlstore":              adapter("storage", "an adapter implements one seam; the program chooses the SQL driver"),
		"adapters/sqlstore/postgrestest": {why: "it starts servers for tests and knows nothing of what is kept there"},
		"adapters/blobdir":               adapter("storage", "an adapter implements one seam"),
		"adapters/exportdir":             {why: "it writes files and knows nothing of what is in them: the program hands it to the desk as a function"},
		"adapters/program":               {why: "it runs files of a directory: the program hands it to the desk as a function"},
		"adapters/webhook":               adapter("storage", "it reads the feed and needs no desk"),
		"adapters/smtp":                  adapter("mail", "an adapter implements one seam", append(parse, "github.com/emersion/go-smtp", "github.com/emersion/go-sasl")...),
		"adapters/maildir":               adapter("mail", "an adapter implements one seam", parse...),
		"adapters/pgp":                   adapter("mail", "an adapter implements one seam", append(parse, "github.com/ProtonMail/gopenpgp/v2", "github.com/ProtonMail/go-crypto", "github.com/ProtonMail/go-mime", "github.com/cloudflare/circl", "github.com/pkg/errors", "golang.org/x/crypto", "golang.org/x/sys")...),
		"adapters/dkim":                  adapter("mail", "an adapter implements one seam", append(parse, "github.com/emersion/go-msgauth", "golang.org/x/crypto")...),
		"adapters/dns":                   adapter("lookup", "an adapter implements one seam", append(find, "github.com/miekg/dns", "golang.org/x/net", "golang.org/x/sys")...),
		"adapters/rdap":                  adapter("lookup", "an adapter implements one seam", find...),
		"adapters/whois":                 adapter("lookup", "an adapter implements one seam", find...),
		"adapters/httpapi": {own: append(all, "workflow/desk"), outside: shell,
			why: "it is a face of the desk, and no storage or mail of its own"},
	}
}

// impure is what pure packages may not reach, by whatever way, with the reason.
func impure() map[string]string {
	return map[string]string{
		"context": "a function of values has nothing to wait for",
		"net":     "no I/O; addresses are net/netip",
	}
}

// impureDirect is what pure packages may not import themselves; the standard
// library reaches some of it on its own.
func impureDirect() map[string]string {
	return map[string]string{
		"os":           "no I/O but a Reader, Writer or FS handed in",
		"os/exec":      "no I/O",
		"net/http":     "no I/O",
		"database/sql": "no I/O",
		"log":          "the shell logs",
		"log/slog":     "the shell logs",
		"math/rand":    "randomness is handed in as a seed",
		"math/rand/v2": "randomness is handed in as a seed",
		"crypto/rand":  "randomness is handed in as a seed",
		"sync":         "no goroutine, so nothing to lock",
		"sync/atomic":  "no goroutine, so nothing to lock",
		"unsafe":       "nothing here is worth it",
	}
}

// drivers are SQL drivers: a program chooses one, a library does not.
func drivers() []string {
	return []string{"modernc.org/sqlite", "github.com/mattn/go-sqlite3", "github.com/ncruces/go-sqlite3", "github.com/jackc/pgx", "github.com/lib/pq"}
}

// imported is a package of ours with what it imports, by paths as written.
type imported struct {
	path     string   // inside the module
	direct   []string // in files that are no tests
	tests    []string // in test files
	reached  []string // directly or not, without tests
	clocks   []string // places that read a clock or start a goroutine
	standard func(string) bool
}

func within(importPath string, beginnings []string) bool {
	return slices.ContainsFunc(beginnings, func(b string) bool {
		return importPath == b || strings.HasPrefix(importPath, b+"/")
	})
}

// violations returns a sentence for each rule that the package breaks.
func (p imported) violations() []string {
	var list []string
	say := func(format string, args ...any) {
		list = append(list, p.path+" "+fmt.Sprintf(format, args...))
	}
	if slices.Contains(p.direct, "testing") && !strings.HasSuffix(p.path, "test") {
		say("imports testing outside of tests: it would add its flags to every program")
	}
	if slices.ContainsFunc(p.direct, testify) {
		say("imports testify outside of tests: it would reach every program")
	}
	if p.path == "storage/storagetest" && slices.ContainsFunc(p.tests, testify) {
		say("imports testify in its tests: the suite and its own tests use the standard library only")
	}
	if within(p.path, []string{"examples"}) {
		return list
	}
	for _, i := range p.reached {
		if within(i, drivers()) {
			say("reaches the SQL driver %s: only examples and tests choose one", i)
		}
	}

	layer, ok := layers()[p.path]
	if !ok {
		say("is not in the import table: say in layers() what it may import, and why")
		return list
	}
	for _, i := range p.direct {
		if own, ok := strings.CutPrefix(i, module+"/"); ok && !slices.Contains(layer.own, own) {
			say("imports %s; allowed are %v: %s", own, layer.own, layer.why)
		}
		if why, banned := impureDirect()[i]; banned && layer.pure {
			say("imports %s: %s", i, why)
		}
		if i == "C" {
			say("imports C: the module builds with CGO_ENABLED=0")
		}
	}
	for _, i := range p.reached {
		if !p.standard(i) && i != module && !strings.HasPrefix(i, module+"/") && !within(i, layer.outside) {
			say("reaches %s; allowed from outside are %v: %s", i, layer.outside, layer.why)
		}
		if why, banned := impure()[i]; banned && layer.pure {
			say("reaches %s: %s", i, why)
		}
	}
	if layer.pure {
		for _, where := range p.clocks {
			say("is pure, but %s", where)
		}
	}
	return list
}

func testify(i string) bool { return strings.HasPrefix(i, "github.com/stretchr/testify") }

// TestImports checks the import table of the house on every package.
func TestImports(t *testing.T) {
	packages := ourPackages(t)
	require.GreaterOrEqual(t, len(packages), 5)
	for _, p := range packages {
		for _, sentence := range p.violations() {
			t.Error(sentence)
		}
	}
}

// TestImportsFinds breaks each rule of the table once.
func TestImportsFinds(t *testing.T) {
	own := func(names ...string) (paths []string) {
		for _, name := range names {
			paths = append(paths, module+"/"+name)
		}
		return paths
	}
	standard := func(i string) bool { return !strings.Contains(strings.Split(i, "/")[0], ".") }
	for _, test := range []struct {
		name string
		p    imported
		want string // "": nothing is wrong
	}{
		{"as it should be", imported{path: "storage", direct: append(own("incident"), "context", "net/netip"), tests: own("adapters/memory"), reached: []string{"context", "net"}}, ""},
		{"words import a seam", imported{path: "incident", direct: own("storage")}, "imports storage"},
		{"words reach the context", imported{path: "incident", reached: []string{"context"}}, "nothing to wait for"},
		{"policy reaches the net", imported{path: "workflow", reached: []string{"net"}}, "addresses are net/netip"},
		{"policy imports a seam", imported{path: "workflow", direct: own("incident", "mail")}, "imports mail"},
		{"policy rolls dice", imported{path: "workflow", direct: []string{"math/rand/v2"}}, "handed in as a seed"},
		{"policy reads a clock", imported{path: "workflow", clocks: []string{"x.go:1 uses time.Now"}}, "uses time.Now"},
		{"the shell reads a clock", imported{path: "workflow/desk", clocks: []string{"x.go:1 uses time.Now"}}, ""},
		{"the shell imports an adapter", imported{path: "workflow/desk", direct: own("adapters/memory")}, "imports adapters/memory"},
		{"the shell imports a format", imported{path: "workflow/desk", direct: own("xirl")}, "imports xirl"},
		{"an adapter imports two seams", imported{path: "adapters/smtp", direct: own("mail", "storage")}, "imports storage"},
		{"an adapter imports another", imported{path: "adapters/sqlstore", direct: own("adapters/memory")}, "imports adapters/memory"},
		{"storage reaches outside", imported{path: "storage", reached: []string{"golang.org/x/text/language"}}, "reaches golang.org/x/text/language"},
		{"mail may", imported{path: "mail", reached: []string{"golang.org/x/text/language"}}, ""},
		{"but not what begins like it", imported{path: "mail", reached: []string{"golang.org/x/textual"}}, "reaches golang.org/x/textual"},
		{"a driver in an adapter", imported{path: "adapters/sqlstore", reached: []string{"modernc.org/sqlite/lib"}}, "reaches the SQL driver"},
		{"a driver in its tests", imported{path: "adapters/sqlstore", tests: []string{"modernc.org/sqlite"}}, ""},
		{"a driver in an example", imported{path: "examples/desk", direct: []string{"modernc.org/sqlite"}, reached: []string{"modernc.org/sqlite"}}, ""},
		{"testing in a program", imported{path: "examples/desk", direct: []string{"testing"}}, "imports testing"},
		{"testing in the suite", imported{path: "storage/storagetest", direct: []string{"testing"}}, ""},
		{"testify in the suite", imported{path: "storage/storagetest", tests: []string{"github.com/stretchr/testify/assert"}}, "imports testify in its tests"},
		{"testify in a package", imported{path: "mail", direct: []string{"github.com/stretchr/testify/assert"}}, "imports testify outside of tests"},
		{"testify in tests", imported{path: "mail", tests: []string{"github.com/stretchr/testify/assert"}}, ""},
		{"a package without a place", imported{path: "util"}, "is not in the import table"},
		{"C", imported{path: "storage", direct: []string{"C"}}, "CGO_ENABLED=0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.p.standard = standard
			got := strings.Join(test.p.violations(), "\n")
			if test.want == "" {
				assert.Empty(t, got)
			} else {
				assert.Contains(t, got, test.want)
			}
		})
	}
	for name, layer := range layers() {
		assert.NotEmpty(t, layer.why, "%s needs a reason", name)
	}
}

// ourPackages reads the imports of all files of the module, whatever their
// build tags, and asks the go command what they reach. Reading each file also
// keeps the test cache honest.
func ourPackages(t *testing.T) []imported {
	t.Helper()
	reached, standard := reachedPackages(t)
	packages := map[string]*imported{}
	root := ".."
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); file != root && (strings.HasPrefix(name, ".") || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(file) != ".go" {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		p := packages[dir]
		if p == nil {
			p = &imported{path: dir, reached: reached[path.Join(module, dir)], standard: standard}
			packages[dir] = p
		}
		return p.read(file)
	}))
	var list []imported
	for _, p := range packages {
		list = append(list, *p)
	}
	return list
}

// read adds the imports of one file.
func (p *imported) read(file string) error {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	into := &p.direct
	isTest := strings.HasSuffix(file, "_test.go")
	if isTest {
		into = &p.tests
	}
	for _, spec := range parsed.Imports {
		i, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		*into = append(*into, i)
	}
	if isTest {
		return nil
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			p.clocks = append(p.clocks, set.Position(n.Pos()).String()+" starts a goroutine")
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clockFuncs(), n.Sel.Name) {
				p.clocks = append(p.clocks, set.Position(n.Pos()).String()+" uses time."+n.Sel.Name)
			}
		}
		return true
	})
	return nil
}

func clockFuncs() []string {
	return []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
}

// reachedPackages returns what each package of ours depends on, and which
// packages are of the standard library.
func reachedPackages(t *testing.T) (reached map[string][]string, standard func(string) bool) {
	t.Helper()
	command := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Standard,Deps", "./...")
	command.Dir = ".."
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(t, err, stderr.String())
	reached, std := map[string][]string{}, map[string]bool{"C": true}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Standard   bool
			Deps       []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		std[p.ImportPath] = p.Standard
		if p.ImportPath == module || strings.HasPrefix(p.ImportPath, module+"/") {
			reached[p.ImportPath] = p.Deps
		}
	}
	return reached, func(i string) bool { return std[i] }
}

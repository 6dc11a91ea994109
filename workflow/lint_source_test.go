package workflow

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// source is the code of this package: what each function calls and which values of
// struct types it makes.
type source map[string]*ast.FuncDecl // by name; methods as Type.name

func readSource(t *testing.T) source {
	t.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	s := source{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				s[receiver(f)+f.Name.Name] = f
			}
		}
	}
	return s
}

func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	shape := f.Recv.List[0].Type
	if star, ok := shape.(*ast.StarExpr); ok {
		shape = star.X
	}
	if generic, ok := shape.(*ast.IndexExpr); ok {
		shape = generic.X
	}
	return shape.(*ast.Ident).Name + "."
}

// makes returns the names of the struct values that a function makes, itself or by
// what it calls: incident.X for an event, X for a command of this package.
func (s source) makes(name string, seen map[string]bool) map[string]bool {
	made := map[string]bool{}
	f := s[name]
	if f == nil || seen[name] {
		return made
	}
	seen[name] = true
	call := func(name string) { maps.Copy(made, s.makes(name, seen)) }
	if f.Type.Results != nil {
		for _, result := range f.Type.Results.List {
			// An event that is built up under the name e; others are looked up.
			if shape, ok := result.Type.(*ast.SelectorExpr); ok && len(result.Names) > 0 && result.Names[0].Name == "e" {
				made["incident."+shape.Sel.Name] = true
			}
		}
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			switch shape := n.Type.(type) {
			case *ast.Ident:
				made[shape.Name] = true
			case *ast.SelectorExpr:
				made["incident."+shape.Sel.Name] = true
			}
		case *ast.ValueSpec:
			if shape, ok := n.Type.(*ast.SelectorExpr); ok {
				made["incident."+shape.Sel.Name] = true
			}
		case *ast.CallExpr:
			switch called := n.Fun.(type) {
			case *ast.Ident:
				call(called.Name)
			case *ast.SelectorExpr:
				if called.Sel.Name == "Name" || called.Sel.Name == "Type" {
					return false // what is made is only asked for its name
				}
				if literal, ok := called.X.(*ast.CompositeLit); ok && called.Sel.Name == "decide" {
					call(literal.Type.(*ast.Ident).Name + ".decide")
					break
				}
				if of, ok := called.X.(*ast.Ident); ok && of.Name == "incident" {
					made["incident."+called.Sel.Name] = true // a conversion
				}
				for name := range s {
					if strings.HasSuffix(name, "."+called.Sel.Name) && called.Sel.Name != "decide" {
						call(name)
					}
				}
			}
		}
		return true
	})
	return made
}

// eventsOf returns the types of events that each command makes.
func (s source) eventsOf(c Command) []string {
	types := map[string]bool{}
	for name := range s.makes(reflect.TypeOf(c).Name()+".decide", map[string]bool{}) {
		for _, e := range allEvents() {
			if name == "incident."+reflect.TypeOf(e).Name() {
				types[e.Type()] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(types))
}

// TestCauses reads from the source which events each command causes.
func TestCauses(t *testing.T) {
	s := readSource(t)
	for _, c := range all() {
		want := slices.Sorted(slices.Values(causes()[c.Name()]))
		if got := s.eventsOf(c); !slices.Equal(want, got) {
			t.Errorf("%q: {\"%s\"},", c.Name(), strings.Join(got, `", "`))
		}
	}
	require.Len(t, causes(), len(all()))
}

// TestReactions reads from the source which commands each rule gives, and so which
// events it causes.
func TestReactions(t *testing.T) {
	s := readSource(t)
	for _, r := range Rules() {
		then := runtime.FuncForPC(reflect.ValueOf(r.Then).Pointer()).Name()
		made := s.makes(then[strings.LastIndexByte(then, '.')+1:], map[string]bool{})
		require.NotEmpty(t, made, then)
		may, causing := map[string]bool{}, map[string]bool{}
		for _, c := range all() {
			if made[reflect.TypeOf(c).Name()] {
				for _, event := range causes()[c.Name()] {
					may[event] = true
				}
			}
		}
		known, listed := reactions()[r.Name]
		require.True(t, listed, r.Name)
		if r.Name == "offer-block-notice" {
			clear(may) // offers are not given
		}
		// No rule looks at the notes about what was skipped, at due dates, or at the
		// end of being held but for that of a delivery, which only a person gives.
		for _, event := range []string{"skipped", "due", "delivered"} {
			delete(may, event)
		}
		for _, signal := range known.causes {
			if signal.event == "due" {
				continue
			}
			require.True(t, may[signal.event], "%s gives no command that causes %v", r.Name, signal)
			causing[signal.event] = true
		}
		require.Equal(t, slices.Sorted(maps.Keys(may)), slices.Sorted(maps.Keys(causing)), r.Name)
		for _, signal := range known.on {
			require.Contains(t, r.On, signal.event, r.Name)
		}
	}
}

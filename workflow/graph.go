package workflow

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/airtight-csirt/airtight/incident"
)

// GraphFormats returns the formats of [Graph].
func GraphFormats() []string { return []string{"dot", "mermaid", "svg"} }

// Graph draws the lifecycles of a policy: statuses by phase, transitions with the
// actions that make them, which statuses may be the first. The formats are dot
// (Graphviz), mermaid (a state diagram) and svg, which needs no other program and
// shows the actions and the cascade in words. The error says which formats there
// are.
func Graph(p *Policy, format string) (string, error) {
	switch format {
	case "dot":
		return p.dot(), nil
	case "mermaid":
		return p.mermaid(), nil
	case "svg":
		return p.svg(), nil
	}
	return "", fmt.Errorf("workflow: there is no graph in the format %q: allowed are %s", format, strings.Join(GraphFormats(), ", "))
}

// colours of a phase: of a box, and of its edge and the arrows that lead to it.
func colours(phase incident.Phase) (fill, line string) {
	switch phase {
	case incident.Initial:
		return "#dbeafe", "#1d4ed8"
	case incident.Active:
		return "#fef3c7", "#b45309"
	case incident.Inactive:
		return "#e5e7eb", "#4b5563"
	}
	return "#ffffff", "#dc2626"
}

// by names the actions that lead from one status to another.
func (l Lifecycle) by(from, to incident.Status) string {
	var names []string
	for _, a := range l.ActionsFrom(from) {
		if a.To == to {
			names = append(names, a.Name)
		}
	}
	return strings.Join(names, ", ")
}

func (p *Policy) dot() string {
	quote := func(parts ...any) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(at(parts...)) + `"`
	}
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n\trankdir=LR\n\tnode [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"]\n\tedge [fontname=\"sans-serif\", fontsize=10]\n", quote(p.Name))
	for _, kind := range incident.Kinds() {
		l := p.Lifecycles[kind]
		fmt.Fprintf(&b, "\tsubgraph %s {\n\t\tlabel=%s\n", quote("cluster "+kind), quote(kind))
		for _, s := range l.Statuses {
			fill, line := colours(s.Phase)
			more := ""
			if s.First {
				more = ", penwidth=2"
			}
			fmt.Fprintf(&b, "\t\t%s [label=%s, fillcolor=%q, color=%q%s]\n", quote(kind, s.Name), quote(s.Name), fill, line, more)
		}
		for _, s := range l.Statuses {
			for _, to := range s.MoveTo {
				fmt.Fprintf(&b, "\t\t%s -> %s [label=%s]\n", quote(kind, s.Name), quote(kind, to), quote(l.by(s.Name, to)))
			}
		}
		b.WriteString("\t}\n")
	}
	return b.String() + "}\n"
}

func (p *Policy) mermaid() string {
	// What has a meaning to mermaid is written as a number.
	text := func(s string) string {
		var b strings.Builder
		for _, c := range s {
			if unicode.IsLetter(c) || unicode.IsDigit(c) || strings.ContainsRune(" -,", c) {
				b.WriteRune(c)
			} else {
				fmt.Fprintf(&b, "#%d;", c)
			}
		}
		return b.String()
	}
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n\tdirection LR\n")
	for _, phase := range []incident.Phase{incident.Initial, incident.Active, incident.Inactive} {
		fill, line := colours(phase)
		fmt.Fprintf(&b, "\tclassDef %s fill:%s,stroke:%s,color:#111827\n", phase, fill, line)
	}
	for _, kind := range incident.Kinds() {
		l := p.Lifecycles[kind]
		id := func(name incident.Status) string {
			return fmt.Sprintf("%s_%d", kind, slices.IndexFunc(l.Statuses, func(s StatusDef) bool { return s.Name == name }))
		}
		fmt.Fprintf(&b, "\tstate %s {\n", kind)
		for _, s := range l.Statuses {
			fmt.Fprintf(&b, "\t\tstate \"%s\" as %s\n", text(string(s.Name)), id(s.Name))
			if s.First {
				fmt.Fprintf(&b, "\t\t[*] --> %s\n", id(s.Name))
			}
		}
		for _, s := range l.Statuses {
			for _, to := range s.MoveTo {
				label := ""
				if by := l.by(s.Name, to); by != "" {
					label = " : " + text(by)
				}
				fmt.Fprintf(&b, "\t\t%s --> %s%s\n", id(s.Name), id(to), label)
			}
		}
		b.WriteString("\t}\n")
		for _, s := range l.Statuses {
			fmt.Fprintf(&b, "\tclass %s %s\n", id(s.Name), s.Phase)
		}
	}
	return b.String()
}

package workflow_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// crowded is a policy whose reports have many statuses, with names that mean
// something to each format.
func crowded(t *testing.T) *workflow.Policy {
	p := preset(t, "airt")
	p.Name = `<a> & "b"`
	l := p.Lifecycles[incident.KindReport]
	l.Statuses, l.Actions = nil, []workflow.Action{{Name: `x"; y: <z>`, To: "in progress", Form: workflow.FormNone}}
	names := statuses{"triage", `<b>"waiting" & \ #1;</b>`, "in progress", "with the police", "事件", "closed\x00\x1b", incident.Status(strings.Repeat("long ", 30))}
	for i, name := range names {
		s := workflow.StatusDef{Name: name, Phase: []incident.Phase{incident.Initial, incident.Active, incident.Inactive, "odd"}[i%4], First: i%3 == 0}
		for j, to := range names {
			if (7*i+3*j)%4 != 0 {
				s.MoveTo = append(s.MoveTo, to)
			}
		}
		l.Statuses = append(l.Statuses, s)
	}
	p.Lifecycles[incident.KindReport] = l
	return p
}

func graph(t *testing.T, p *workflow.Policy, format string) string {
	t.Helper()
	text, err := workflow.Graph(p, format)
	require.NoError(t, err)
	return text
}

func TestGraphFormats(t *testing.T) {
	_, err := workflow.Graph(workflow.Default(), "png")
	require.EqualError(t, err, `workflow: there is no graph in the format "png": allowed are dot, mermaid, svg`)
	for _, format := range workflow.GraphFormats() {
		require.Equal(t, graph(t, workflow.Default(), format), graph(t, workflow.Default(), format), "the same every time")
		require.NotEmpty(t, graph(t, &workflow.Policy{}, format))
	}
}

// TestGraphShowsEveryTransition counts what each format draws.
func TestGraphShowsEveryTransition(t *testing.T) {
	for _, p := range []*workflow.Policy{workflow.Default(), preset(t, "rtir"), preset(t, "airt"), crowded(t)} {
		boxes, arrows, starts := 0, 0, 0
		for _, l := range p.Lifecycles {
			for _, s := range l.Statuses {
				boxes++
				if s.First {
					starts++
				}
				for _, to := range s.MoveTo {
					if to != s.Name {
						arrows++
					}
				}
			}
		}
		dot := graph(t, p, "dot")
		require.Equal(t, boxes, strings.Count(dot, "fillcolor="))
		mermaid := graph(t, p, "mermaid")
		require.Equal(t, boxes, strings.Count(mermaid, "\t\tstate "))
		require.Equal(t, starts, strings.Count(mermaid, "[*]"))
		svg := graph(t, p, "svg")
		require.Equal(t, boxes, strings.Count(svg, "<g><title>"))
		require.Equal(t, arrows+starts, strings.Count(svg, "marker-end="))
		require.Equal(t, starts+2, strings.Count(svg, "<circle"), "two in the legend")
	}
	require.Contains(t, graph(t, workflow.Default(), "dot"), `"report/new" -> "report/open" [label="Open It"]`)
	require.Contains(t, graph(t, workflow.Default(), "mermaid"), "report_1 --> report_3 : Reject, Quick Reject")
	require.Contains(t, graph(t, workflow.Default(), "svg"), "Actions: Open It: new → open (reply)")
}

func TestGraphEscapes(t *testing.T) {
	p := crowded(t)
	require.Contains(t, graph(t, p, "dot"), `digraph "<a> & \"b\""`)
	require.Contains(t, graph(t, p, "dot"), `[label="<b>\"waiting\" & \\ #1;</b>"`)
	mermaid := graph(t, p, "mermaid")
	require.Contains(t, mermaid, `"#60;b#62;#34;waiting#34; #38; #92; #35;1#59;#60;#47;b#62;"`)
	require.NotContains(t, mermaid, "<z>")
	svg := graph(t, p, "svg")
	require.NotContains(t, svg, "<b>")
	require.NotContains(t, svg, "\x00")
	decoder := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
	}
}

// rectangle is a box of the drawing.
type rectangle struct{ x, y, w, h float64 }

func (r rectangle) meets(o rectangle) bool {
	return r.x < o.x+o.w && o.x < r.x+r.w && r.y < o.y+o.h && o.y < r.y+r.h
}

// TestDrawing measures the SVG: no box lies on another, text fits into its box, no
// line runs through a box, and no two lines lie on each other.
func TestDrawing(t *testing.T) {
	number := func(s string) float64 {
		f, err := strconv.ParseFloat(s, 64)
		require.NoError(t, err)
		return f
	}
	group := regexp.MustCompile(`(?s)<g transform="translate.*?\n</g>`)
	box := regexp.MustCompile(`<g><title>.*?<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"`)
	label := regexp.MustCompile(`text-anchor="middle">([^<]*)<`)
	path := regexp.MustCompile(`<path d="M([^"]*)" fill="none"`)
	for _, p := range []*workflow.Policy{workflow.Default(), preset(t, "airt"), crowded(t)} {
		drawings := group.FindAllString(graph(t, p, "svg"), -1)
		require.Len(t, drawings, 4)
		for _, drawing := range drawings {
			var boxes []rectangle
			for _, m := range box.FindAllStringSubmatch(drawing, -1) {
				b := rectangle{number(m[1]), number(m[2]), number(m[3]), number(m[4])}
				for _, other := range boxes {
					require.False(t, b.meets(other), "%v on %v", b, other)
				}
				boxes = append(boxes, b)
			}
			for i, m := range label.FindAllStringSubmatch(drawing, -1) {
				require.Less(t, float64(len([]rune(m[1])))*7, boxes[i].w+20*float64(strings.Count(m[1], "&")), m[1])
			}
			type segment struct{ x1, y1, x2, y2 float64 }
			var drawn [][]segment
			for _, m := range path.FindAllStringSubmatch(drawing, -1) {
				var line []segment
				var at []float64
				for _, step := range regexp.MustCompile(`[LQH ]+`).Split(m[1], -1) {
					at = append(at, number(step))
				}
				if strings.Contains(m[1], "H") {
					at = append(at, at[1])
				}
				for i := 0; i+3 < len(at); i += 2 {
					line = append(line, segment{at[i], at[i+1], at[i+2], at[i+3]})
				}
				for _, s := range line {
					for _, b := range boxes {
						inside := rectangle{min(s.x1, s.x2), min(s.y1, s.y2), math.Abs(s.x1 - s.x2), math.Abs(s.y1 - s.y2)}
						require.False(t, inside.meets(rectangle{b.x + 0.5, b.y + 0.5, b.w - 1, b.h - 1}), "%v runs through %v", s, b)
					}
					for _, other := range drawn {
						for _, o := range other {
							flat := s.y1 == s.y2 && o.y1 == o.y2 && s.y1 == o.y1 && min(s.x1, s.x2) < max(o.x1, o.x2) && min(o.x1, o.x2) < max(s.x1, s.x2)
							steep := s.x1 == s.x2 && o.x1 == o.x2 && s.x1 == o.x1 && min(s.y1, s.y2) < max(o.y1, o.y2) && min(o.y1, o.y2) < max(s.y1, s.y2)
							require.False(t, flat || steep, "%v lies on %v", s, o)
						}
					}
				}
				drawn = append(drawn, line)
			}
			require.NotEmpty(t, drawn)
		}
	}
}

// ExampleGraph prints the lifecycle of investigations for mermaid.
func ExampleGraph() {
	text, err := workflow.Graph(workflow.Default(), "mermaid")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, investigations, _ := strings.Cut(text, "\tstate investigation {\n")
	investigations, _, _ = strings.Cut(investigations, "\t}")
	fmt.Print(strings.ReplaceAll(investigations, "\t", ""))
	// Output:
	// state "open" as investigation_0
	// [*] --> investigation_0
	// state "resolved" as investigation_1
	// [*] --> investigation_1
	// investigation_0 --> investigation_1 : Resolve, Quick Resolve
	// investigation_1 --> investigation_0 : Re-open
}

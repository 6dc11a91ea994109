package workflow

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/airtight-csirt/airtight/incident"
)

// svg draws every lifecycle, one below the other, with its actions in words.
func (p *Policy) svg() string {
	const margin, smallest = 24.0, 760.0
	pictures := map[incident.Kind]picture{}
	width := smallest
	for _, kind := range incident.Kinds() {
		pictures[kind] = layout(p.Lifecycles[kind])
		width = max(width, pictures[kind].w+2*margin)
	}
	var b strings.Builder
	y := margin + 20
	text := func(x, y, size float64, style, s string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" font-size="%.0f"%s>%s</text>`+"\n", x, y, size, style, escape(s))
	}
	paragraph := func(s string) {
		for _, ln := range wrap(s, width-2*margin, fontSize-2) {
			text(margin, y, fontSize-2, ` fill="#4b5563"`, ln)
			y += 17
		}
	}
	text(margin, y, 20, ` font-weight="bold"`, "Policy "+p.Name)
	y += 20
	paragraph(p.Doc)
	y += 10
	legend(&b, text, margin, y)
	y += 44
	for _, kind := range incident.Kinds() {
		text(margin, y, 16, ` font-weight="bold"`, strings.ToUpper(string(kind[:1]))+string(kind[1:]))
		y += 10
		fmt.Fprintf(&b, `<g transform="translate(%.1f %.1f)">`+"\n", margin-14, y)
		pictures[kind].draw(&b, p.Lifecycles[kind].OnCreate)
		b.WriteString("</g>\n")
		y += pictures[kind].h + 14
		for _, line := range p.inWords(kind) {
			paragraph(line)
		}
		y += 26
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" font-family="Helvetica, Arial, sans-serif" fill="#111827">`+"\n", width, y, width, y) +
		"<title>" + escape("Policy "+p.Name) + "</title>\n" + markers() + `<rect width="100%" height="100%" fill="#ffffff"/>` + "\n" + b.String() + "</svg>\n"
}

// escape makes text safe inside of SVG, which allows no control characters.
func escape(s string) string {
	return html.EscapeString(strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == 0xFFFE || c == 0xFFFF {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "\uFFFD")))
}

func phases() []incident.Phase {
	return []incident.Phase{incident.Initial, incident.Active, incident.Inactive, ""}
}

func markers() string {
	var b strings.Builder
	b.WriteString("<defs>\n")
	for _, phase := range phases() {
		_, line := colours(phase)
		fmt.Fprintf(&b, `<marker id="arrow-%s" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L10 5L0 10z" fill="%s"/></marker>`+"\n", phase, line)
	}
	return b.String() + "</defs>\n"
}

func drawn(phase incident.Phase) incident.Phase {
	if slices.Contains(phases(), phase) {
		return phase
	}
	return ""
}

func legend(b *strings.Builder, text func(x, y, size float64, style, s string), x, y float64) {
	item := func(s string) {
		text(x+24, y+4, fontSize-2, "", s)
		x += 24 + textWidth(s, fontSize-2) + 24
	}
	for _, phase := range phases()[:3] {
		fill, line := colours(phase)
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="18" height="14" rx="3" fill="%s" stroke="%s"/>`+"\n", x, y-7, fill, line)
		item(string(phase))
	}
	dot(b, x+9, y, true)
	item("begins here")
	dot(b, x+9, y, false)
	item("may begin here")
}

func dot(b *strings.Builder, x, y float64, filled bool) {
	fill := "#ffffff"
	if filled {
		fill = "#111827"
	}
	fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s" stroke="#111827"/>`+"\n", x, y, fill)
}

// draw draws lines, then boxes over them.
func (p picture) draw(b *strings.Builder, onCreate incident.Status) {
	arrow := func(to *box, path string) {
		_, stroke := colours(to.Phase)
		fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="1.4" marker-end="url(#arrow-%s)"/>`+"\n", path, stroke, drawn(to.Phase))
	}
	for _, ln := range p.lines {
		arrow(ln.to, corners(ln.points))
	}
	for _, s := range p.boxes {
		if s.First {
			y := s.y + s.h/float64(len(s.left)+2)
			dot(b, s.x-22, y, s.Name == onCreate)
			arrow(s, fmt.Sprintf("M%.1f %.1fH%.1f", s.x-18, y, s.x))
		}
		fill, stroke := colours(s.Phase)
		fmt.Fprintf(b, `<g><title>%s</title><rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="8" fill="%s" stroke="%s" stroke-width="1.4"/>`,
			escape(string(s.Name)), s.x, s.y, s.w, s.h, fill, stroke)
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" font-size="%d" text-anchor="middle">%s</text></g>`+"\n",
			s.x+s.w/2, s.y+s.h/2+5, fontSize, escape(label(string(s.Name))))
	}
}

// corners joins corners by lines, and rounds the corners.
func corners(points [][2]float64) string {
	var b strings.Builder
	for i, at := range points {
		if i == 0 {
			fmt.Fprintf(&b, "M%.1f %.1f", at[0], at[1])
			continue
		}
		if i == len(points)-1 {
			fmt.Fprintf(&b, "L%.1f %.1f", at[0], at[1])
			break
		}
		before, after := toward(at, points[i-1]), toward(at, points[i+1])
		fmt.Fprintf(&b, "L%.1f %.1fQ%.1f %.1f %.1f %.1f", before[0], before[1], at[0], at[1], after[0], after[1])
	}
	return b.String()
}

// toward returns the point at which the rounding of a corner begins.
func toward(corner, other [2]float64) [2]float64 {
	dx, dy := other[0]-corner[0], other[1]-corner[1]
	length := math.Hypot(dx, dy)
	if length == 0 {
		return corner
	}
	r := min(rounding, length/2) / length
	return [2]float64{corner[0] + dx*r, corner[1] + dy*r}
}

// inWords tells the actions of a kind, and what the end of an incident does.
func (p *Policy) inWords(kind incident.Kind) []string {
	var actions, lines []string
	for _, a := range p.Lifecycles[kind].Actions {
		from := string(a.From)
		if from == "" {
			from = "any"
		}
		form := ""
		if a.Form != FormNone {
			form = fmt.Sprintf(" (%s)", a.Form)
		}
		actions = append(actions, fmt.Sprintf("%s: %s → %s%s", a.Name, from, a.To, form))
	}
	if len(actions) > 0 {
		lines = append(lines, "Actions: "+strings.Join(actions, " · "))
	}
	if kind != incident.KindIncident {
		return lines
	}
	for _, s := range p.Lifecycles[kind].Statuses {
		var ends []string
		for _, child := range incident.Kinds() {
			if to, ok := p.Cascade[s.Name][child]; ok {
				ends = append(ends, fmt.Sprintf("%s → %s", child, to))
			}
		}
		if len(ends) > 0 {
			lines = append(lines, fmt.Sprintf("When it becomes %s: %s", s.Name, strings.Join(ends, " · ")))
		}
	}
	return lines
}

// wrap breaks text into lines of a width.
func wrap(text string, width, size float64) []string {
	var lines []string
	now := ""
	for _, word := range strings.Fields(text) {
		word = label(word)
		if now != "" && textWidth(now+" "+word, size) > width {
			lines, now = append(lines, now), ""
		}
		now = strings.TrimSpace(now + " " + word)
	}
	if now != "" {
		lines = append(lines, now)
	}
	return lines
}

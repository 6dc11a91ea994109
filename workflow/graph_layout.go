package workflow

import (
	"cmp"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/airtight-csirt/airtight/incident"
)

// Measures of a drawing, in pixels.
const (
	fontSize  = 14
	laneWidth = 13 // between parallel lines
	portStep  = 20 // between lines that end at the same side of a box
	grid      = 10 // see spread
	stub      = 34 // free before a box: arrowheads, dots of first statuses
	rowGap    = 26
	rounding  = 6
)

// box is a status in the drawing.
type box struct {
	StatusDef
	layer      int
	x, y, w, h float64
	left       []*end // lines that end there, from top to bottom
	right      []*end
}

// end is where a line meets a box.
type end struct {
	line *line
	far  float64 // where the line comes from: orders the ends of a side
	y    float64
}

// line is a transition: it leaves one box sideways, and enters another one
// sideways. Lines between neighbouring layers turn in the gap between them; others
// go above all boxes, back ones below them.
type line struct {
	from, to    *box
	out, in     *end
	outGap      int // the gap of its first turn
	inGap       int
	outX, inX   float64
	over, under bool
	track       float64
	points      [][2]float64
}

// picture is a lifecycle with all places known.
type picture struct {
	boxes []*box
	lines []*line
	w, h  float64
}

func textWidth(text string, size float64) float64 {
	units := 0.0
	for _, c := range text {
		if units += 0.56; c >= 0x1100 {
			units += 0.5
		}
	}
	return units * size
}

// label shortens a name that no box could hold.
func label(name string) string {
	const most = 32
	if utf8.RuneCountInString(name) <= most {
		return name
	}
	return string([]rune(name)[:most-1]) + "…"
}

// layout puts the statuses of a lifecycle into layers: each behind those that lead
// to it and stand before it in the list.
func layout(l Lifecycle) picture {
	var p picture
	byName := map[incident.Status]*box{}
	for _, s := range l.Statuses {
		b := &box{StatusDef: s, w: textWidth(label(string(s.Name)), fontSize) + 28}
		p.boxes = append(p.boxes, b)
		byName[s.Name] = b
	}
	for i, b := range p.boxes {
		for _, name := range b.MoveTo {
			if j := slices.Index(p.boxes, byName[name]); j > i {
				p.boxes[j].layer = max(p.boxes[j].layer, b.layer+1)
			}
		}
	}
	for _, b := range p.boxes {
		for _, name := range b.MoveTo {
			if to := byName[name]; to != nil && to != b {
				p.lines = append(p.lines, connect(b, to))
			}
		}
	}
	layers := p.rows()
	p.ports()
	p.columns(layers)
	return p
}

func connect(from, to *box) *line {
	ln := &line{from: from, to: to}
	ln.out, ln.in = &end{line: ln}, &end{line: ln}
	switch {
	case to.layer > from.layer:
		from.right, to.left = append(from.right, ln.out), append(to.left, ln.in)
		ln.outGap, ln.inGap = from.layer+1, to.layer
		ln.over = ln.outGap != ln.inGap
	case to.layer < from.layer:
		from.left, to.right = append(from.left, ln.out), append(to.right, ln.in)
		ln.outGap, ln.inGap = from.layer, to.layer+1
		ln.under = ln.outGap != ln.inGap
	default:
		from.right, to.right = append(from.right, ln.out), append(to.right, ln.in)
		ln.outGap, ln.inGap = from.layer+1, from.layer+1
	}
	return ln
}

// rows sets heights and vertical places, each layer in the middle of the highest,
// and returns the layers. Tracks above and below all boxes make room for lines that
// pass some.
func (p *picture) rows() [][]*box {
	var layers [][]*box
	var heights []float64
	for _, b := range p.boxes {
		for len(layers) <= b.layer {
			layers, heights = append(layers, nil), append(heights, -rowGap)
		}
		dots := 0
		if b.First {
			dots = 1
		}
		b.h = max(36, portStep*float64(max(len(b.left)+dots, len(b.right)))+10)
		layers[b.layer] = append(layers[b.layer], b)
		heights[b.layer] += b.h + rowGap
	}
	if len(layers) == 0 {
		return nil
	}
	top, highest := 8.0, slices.Max(heights)
	for _, ln := range p.lines {
		if ln.over {
			ln.track = top
			top += laneWidth
		}
	}
	for i, layer := range layers {
		y := top + 8 + (highest-heights[i])/2
		for _, b := range layer {
			b.y = y
			y += b.h + rowGap
		}
	}
	p.h = top + 8 + highest + 8
	for _, ln := range p.lines {
		if ln.under {
			p.h += laneWidth
			ln.track = p.h - 8
		}
	}
	p.h += 8
	return layers
}

// ports spreads the ends of lines along the sides of boxes, in the order in which
// the lines come from afar.
func (p *picture) ports() {
	middle := func(b *box) float64 { return b.y + b.h/2 }
	for _, ln := range p.lines {
		ln.out.far, ln.in.far = middle(ln.to), middle(ln.from)
		if ln.over || ln.under {
			ln.out.far, ln.in.far = ln.track, ln.track
		}
	}
	for _, b := range p.boxes {
		dots := 0
		if b.First {
			dots = 1
		}
		spread(b, b.left, dots, grid/2)
		spread(b, b.right, 0, 0)
	}
}

// spread puts the ends of the two sides on two grids, so that no line that leaves a
// box lies on one that enters another.
func spread(b *box, side []*end, dots int, shift float64) {
	slices.SortStableFunc(side, func(a, c *end) int { return cmp.Compare(a.far, c.far) })
	n := len(side) + dots
	for i, e := range side {
		// The dot of a first status has the highest place.
		e.y = b.y + b.h*float64(i+dots+1)/float64(n+1)
		e.y = math.Round((e.y-shift)/grid)*grid + shift
	}
}

// columns sets horizontal places: in each gap a lane for every line that turns in
// it.
func (p *picture) columns(layers [][]*box) {
	gaps := make([][]*line, len(layers)+1)
	for _, ln := range p.lines {
		gaps[ln.outGap] = append(gaps[ln.outGap], ln)
		if ln.inGap != ln.outGap {
			gaps[ln.inGap] = append(gaps[ln.inGap], ln)
		}
	}
	x := 0.0
	for i, gap := range gaps {
		x += 14
		for _, ln := range gap {
			x += laneWidth
			if ln.outGap == i {
				ln.outX = x
			}
			if ln.inGap == i {
				ln.inX = x
			}
		}
		if i == len(layers) {
			break
		}
		x += stub
		widest := 0.0
		for _, b := range layers[i] {
			widest = max(widest, b.w)
		}
		for _, b := range layers[i] {
			b.x, b.w = x, widest
		}
		x += widest
		if i+1 < len(gaps) && slices.ContainsFunc(gaps[i+1], func(ln *line) bool { return ln.to.layer == i }) {
			x += stub / 2 // arrowheads on the right side
		}
	}
	p.w = x + 14
	for _, ln := range p.lines {
		ln.route()
	}
}

// route lists the corners of a line.
func (ln *line) route() {
	out, in := ln.from.x+ln.from.w, ln.to.x
	if ln.to.layer <= ln.from.layer {
		in = ln.to.x + ln.to.w
	}
	if ln.to.layer < ln.from.layer {
		out = ln.from.x
	}
	if ln.outGap == ln.inGap && ln.from.layer != ln.to.layer && math.Abs(ln.out.y-ln.in.y) <= grid/2 {
		ln.points = [][2]float64{{out, ln.out.y}, {in, ln.in.y}} // a hardly slanting line
		return
	}
	ln.points = [][2]float64{{out, ln.out.y}, {ln.outX, ln.out.y}}
	if ln.over || ln.under {
		ln.points = append(ln.points, [2]float64{ln.outX, ln.track}, [2]float64{ln.inX, ln.track})
	}
	ln.points = append(ln.points, [2]float64{ln.inX, ln.in.y}, [2]float64{in, ln.in.y})
}

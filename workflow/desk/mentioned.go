package desk

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/mail"
)

// extractor finds observables as Config.PublicSuffix allows.
func (d *Desk) extractor() lookup.Extractor {
	return lookup.Extractor{PublicSuffix: d.config.PublicSuffix}
}

// observables returns the distinct observables that the first of texts mentions in
// which there are any, at most maxObservables, and how many there were: the main text
// comes first, so that files count only when it says nothing (RTIR). The desk's own
// mailboxes do not count, nor host names that may as well be names of files; in files
// no host names count. Each has the role that the directory's hook gives it.
func (d *Desk) observables(texts iter.Seq[string]) (list []incident.Observable, count int) {
	first := true
	for text := range texts {
		seen := map[string]bool{}
		for f := range d.extractor().All(text) {
			o := f.Observable
			if o.Kind == incident.Host && (!first || f.Confidence == lookup.Doubtful) ||
				o.Kind == incident.MailAddress && d.own(o.Value) || seen[o.Key()] {
				continue
			}
			seen[o.Key()] = true
			if len(list) < maxObservables {
				if d.config.Directory != nil {
					o.Role = d.config.Directory.Role(o)
				}
				list = append(list, o)
			}
		}
		if len(seen) > 0 {
			return list, len(seen)
		}
		first = false
	}
	return nil, 0
}

// one is a text by itself.
func one(text string) iter.Seq[string] { return slices.Values([]string{text}) }

// texts are what a mail says, the main text first: where HTML is all there is to read,
// with the targets of its links. Then its files that are texts, in order; but those of a
// bounce hold our own mail, and those of a report of machines are read as what they are.
func texts(msg *mail.Message, mainOnly bool) iter.Seq[string] {
	return func(yield func(string) bool) {
		main, files := []string{msg.Text}, []incident.Part(nil)
		plain := false
		var bodies []incident.Part
		attached := -1 // depth of the attached mail that we are in
		for _, p := range msg.Parts {
			if p.Depth <= attached {
				attached = -1
			}
			switch text := p.Type == "text/plain" || p.Type == "text/html"; {
			case attached < 0 && (p.Type == "message/rfc822" || p.Type == "message/global"):
				attached = p.Depth // its own leaves follow
			case attached < 0 && text && p.Disposition != "attachment" && (p.Name == "" || p.Disposition == "inline"):
				plain = plain || p.Type == "text/plain" && len(p.Content) > 0
				bodies = append(bodies, p)
			case p.Type != "message/rfc822" && p.Type != "message/global":
				files = append(files, p)
			}
		}
		if !plain {
			main = nil
			for _, p := range bodies {
				main = append(main, partText(p))
			}
		}
		if !yield(strings.Join(main, "\n")) || mainOnly {
			return
		}
		for _, p := range files {
			if text := partText(p); text != "" && !yield(text) {
				return
			}
		}
	}
}

// partText returns what there is to read of a part; nothing of what is no text.
func partText(p incident.Part) string {
	switch {
	case p.Type == "text/html":
		return lookup.HTMLText(incident.Clean(string(p.Content)))
	case strings.HasPrefix(p.Type, "text/"), p.Type == "message/feedback-report",
		slices.Contains([]string{"application/json", "application/xml", "application/yaml"}, p.Type),
		p.Type == "application/octet-stream" && utf8.Valid(p.Content):
		return incident.Clean(string(p.Content))
	}
	return ""
}

// whose says which constituency a new report belongs to by what it mentions:
// addresses and networks first, then names, then mail addresses, each in the order of
// the text; the first that an entry of the directory decides. The default of the
// directory decides nothing here: it would keep a report about others away from the
// incidents of everybody.
func (d *Desk) whose(kind incident.Kind, mentioned []incident.Observable) (name string, why []string) {
	if d.config.Directory == nil || len(mentioned) == 0 {
		return "", nil
	}
	ordered := slices.Clone(mentioned)
	slices.SortStableFunc(ordered, func(a, b incident.Observable) int { return rank(a) - rank(b) })
	others := map[string]bool{}
	var version uint32
	for _, o := range ordered {
		m := d.config.Directory.Match(o)
		version = m.Version
		switch owner := m.Constituency.Name; {
		case !m.Known() || owner == name || others[owner]:
		case !d.config.Policy.TakesConstituency(kind, owner):
			others[owner] = true
			why = append(why, fmt.Sprintf("It mentions %s of %s, which is no constituency of the policy.", incident.Clean(o.Value), owner))
		case name == "":
			name = owner
			sentence := fmt.Sprintf("Its constituency is %s, because it mentions %s.", owner, incident.Clean(o.Value))
			why = slices.Concat(why, []string{sentence}, cut(m.Why, maxFindings), []string{fmt.Sprintf("So says version %d of the directory.", m.Version)})
		default:
			others[owner] = true
			why = append(why, fmt.Sprintf("It mentions %s of constituency %s as well.", incident.Clean(o.Value), owner))
		}
	}
	if name == "" {
		why = append(why, fmt.Sprintf("It has no constituency by what it mentions: nothing of it decides in version %d of the directory.", version))
	}
	return name, cut(why, maxReasons)
}

// matched returns those of a message's reasons that are about its constituency: they
// stand behind those for its ticket.
func matched(why []string) []string {
	i := slices.IndexFunc(why, func(s string) bool {
		return strings.HasPrefix(s, "Its constituency is ") || strings.HasPrefix(s, "It has no constituency ") || strings.HasPrefix(s, "It mentions ") ||
			strings.HasPrefix(s, "It was sent to ")
	})
	if i < 0 {
		return nil
	}
	return why[i:]
}

// rank orders observables by how surely they say whom something is about.
func rank(o incident.Observable) int {
	switch o.Kind {
	case incident.Address, incident.Prefix:
		return 0
	case incident.Host, incident.URL:
		return 1
	}
	return 2
}

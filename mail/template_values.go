package mail

import (
	"fmt"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// TemplateFacts is what AIRT's variables are made of. There is no place in it
// for a state, a comment or anything else that stays within the team.
type TemplateFacts struct {
	Incident  string   // its number as outsiders see it
	Addresses []System // of the incident, the first one first
	Logs      []string // the first message, then the logs of the observations
	Others    []string // numbers that others know it by; what begins with _ is never shown

	Previous  []ListedIncident // other incidents of the first address
	OtherOpen []ListedIncident // open ones of the constituencies involved, without this one
	AllOpen   []ListedIncident // with it

	Recipients []incident.Party
	UserInfo   string // what the handler noted on the recipient, for recipients to see
	Handler    string // full name of who writes

	XML, IODEF string // the incident in these formats
}

// System is an address that takes part in an incident, with its host name if
// that is known.
type System struct{ Address, Host string }

// ListedIncident is a line of a list of incidents.
type ListedIncident struct {
	Incident         string
	Others           []string // as in [TemplateFacts]
	Type             string
	Created, Updated time.Time
	Addresses        []string
}

// TemplateVariables returns the names of AIRT's variables, which are those that
// [TemplateFacts.Value] knows, in the order of its manual.
func TemplateVariables() []string {
	return []string{
		"HOSTNAME", "IPADDRESS", "IPADDRESSLIST", "LOGGING", "INCIDENTID", "EXTIDS", "PREVIOUS",
		"OTHER_OPEN", "ALL_OPEN", "OTHER_OPEN_LIST", "ALL_OPEN_LIST",
		"USERNAME", "USEREMAIL", "USERINFO", "YOURNAME", "YOURFIRSTNAME", "XMLDATA", "IODEF",
	}
}

// Value returns the value of one of the [TemplateVariables]; false: it is none.
// Of an incident without an address, HOSTNAME and IPADDRESS are empty. LOGGING
// and the lists are "--" where there is nothing, as in AIRT.
func (f TemplateFacts) Value(name string) (string, bool) {
	var first System
	if len(f.Addresses) > 0 {
		first = f.Addresses[0]
	}
	switch name {
	case "HOSTNAME":
		return first.Host, true
	case "IPADDRESS":
		return first.Address, true
	case "IPADDRESSLIST":
		return join(f.Addresses, "\n", func(s System) string {
			if s.Host == "" {
				return s.Address
			}
			return s.Address + " - " + s.Host
		}), true
	case "LOGGING":
		return orNone(join(f.Logs, "\n", func(s string) string { return strings.TrimRight(s, "\r\n") })), true
	case "INCIDENTID":
		return f.Incident, true
	case "EXTIDS":
		return shown(f.Others), true
	case "PREVIOUS":
		return orNone(join(f.Previous, "\n", func(l ListedIncident) string {
			return columns(l.Incident, l.Type, day(l.Created))
		})), true
	case "OTHER_OPEN":
		return shortList(f.OtherOpen), true
	case "ALL_OPEN":
		return shortList(f.AllOpen), true
	case "OTHER_OPEN_LIST":
		return longList(f.OtherOpen), true
	case "ALL_OPEN_LIST":
		return longList(f.AllOpen), true
	case "USERNAME":
		return join(f.Recipients, ", ", func(p incident.Party) string { return p.Name }), true
	case "USEREMAIL":
		return join(f.Recipients, ",", func(p incident.Party) string { return p.Address }), true
	case "USERINFO":
		return f.UserInfo, true
	case "YOURNAME":
		return f.Handler, true
	case "YOURFIRSTNAME":
		return firstName(f.Handler), true
	case "XMLDATA":
		return f.XML, true
	case "IODEF":
		return f.IODEF, true
	}
	return "", false
}

// join joins what is not empty.
func join[T any](list []T, separator string, text func(T) string) string {
	var b strings.Builder
	for _, v := range list {
		if s := text(v); s != "" {
			if b.Len() > 0 {
				b.WriteString(separator)
			}
			b.WriteString(s)
		}
	}
	return b.String()
}

// orNone returns what AIRT writes where there is nothing.
func orNone(s string) string {
	if s == "" {
		return "--"
	}
	return s
}

// shown joins the numbers that outsiders may see.
func shown(ids []string) string {
	return join(ids, ",", func(id string) string {
		if strings.HasPrefix(id, "_") {
			return ""
		}
		return id
	})
}

func shortList(list []ListedIncident) string {
	return orNone(join(list, "\n", func(l ListedIncident) string {
		return columns(l.Incident, shown(l.Others), l.Type)
	}))
}

// longList writes a table; its columns are as wide as what is in them.
func longList(list []ListedIncident) string {
	id, kind := 0, 0
	for _, l := range list {
		id, kind = max(id, len([]rune(l.Incident))), max(kind, len([]rune(l.Type)))
	}
	return orNone(join(list, "\n", func(l ListedIncident) string {
		line := fmt.Sprintf("%-*s  %-*s  %-10s  %-10s  %s", id, l.Incident, kind, l.Type, day(l.Created), day(l.Updated), strings.Join(l.Addresses, ","))
		return strings.TrimRight(line, " ")
	}))
}

func columns(cells ...string) string {
	return join(cells, "  ", func(s string) string { return s })
}

func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02")
}

// firstName returns the first name out of "Alice Example" or "Example, Alice".
func firstName(name string) string {
	if _, behind, ok := strings.Cut(name, ","); ok && strings.TrimSpace(behind) != "" {
		name = behind
	}
	first, _, _ := strings.Cut(strings.TrimSpace(name), " ")
	return first
}

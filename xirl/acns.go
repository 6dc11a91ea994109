package xirl

import (
	"bytes"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// ACNS returns the Automated Copyright Notice System's XML, in, as a document
// and inside of a text. The notice stands for one observation; the complaint's
// own status and severity are left out.
func ACNS() incident.Format {
	document := rootIs("Infringement")
	inside := func(p incident.Part) bool {
		return strings.HasPrefix(p.Type, "text/plain") && bytes.Contains(p.Content, []byte("<Infringement ")) && bytes.Contains(p.Content, []byte("</Infringement>"))
	}
	decode := func(r io.Reader, limits incident.Limits) iter.Seq2[incident.Observation, error] {
		return func(yield func(incident.Observation, error) bool) {
			x := newXMLReader("acns", r, limits)
			n, err := x.begin()
			if err == nil && n.local != "Infringement" {
				err = x.g.fail("the root element is %s; allowed is Infringement", n.local)
			}
			if err == nil {
				err = x.fill(n)
			}
			if err == nil {
				err = x.finish()
			}
			if err != nil {
				yield(incident.Observation{}, err)
				return
			}
			emit(x.g, readACNS(n), yield)
		}
	}
	return incident.Format{
		Name:      "acns",
		Recognise: func(parts []incident.Part) bool { return anyPart(parts, document) || anyPart(parts, inside) },
		Decode:    decode,
		DecodeMail: func(parts []incident.Part, limits incident.Limits) iter.Seq2[incident.Observation, error] {
			return func(yield func(incident.Observation, error) bool) {
				// The signed text often repeats the attachment.
				list := slices.DeleteFunc(slices.Clone(leaves(parts)), func(p incident.Part) bool { return !document(p) })
				if len(list) == 0 {
					list = slices.DeleteFunc(slices.Clone(leaves(parts)), func(p incident.Part) bool { return !inside(p) })
				}
				for _, p := range list {
					doc := p.Content
					if !document(p) {
						from := bytes.Index(doc, []byte("<Infringement "))
						to := bytes.Index(doc[from:], []byte("</Infringement>"))
						if to < 0 {
							continue
						}
						doc = doc[from : from+to+len("</Infringement>")]
					}
					for o, err := range decode(bytes.NewReader(doc), limits) {
						if !yield(o, err) {
							return
						}
					}
				}
			}
		},
	}
}

func readACNS(n *node) incident.Observation {
	o := incident.Observation{ID: n.first("Case", "ID").value(), Kind: "copyright", Scheme: "acns",
		Reporter: incident.Reporter{Name: n.first("Complainant", "Entity").value(), Mail: n.first("Complainant", "Email").value()}}
	source := incident.Endpoint{Role: incident.RoleSource}
	for _, k := range n.kids {
		switch k.local {
		case "":
		case "Case", "Complainant":
			for _, c := range k.kids {
				switch c.local {
				case "", "ID", "Entity", "Email":
				case "Ref_URL":
					addExtra(&o, "Case.Ref_URL", c.value())
				default:
					o.Left = append(o.Left, k.local+"."+c.local)
				}
			}
		case "Service_Provider", "Verification":
			o.Left = append(o.Left, k.local)
		case "Source":
			for _, c := range k.kids {
				v := c.value()
				switch c.local {
				case "", "Deja_Vu":
				case "TimeStamp":
					t, assumed, err := moment(v, nil)
					if err != nil {
						addExtra(&o, c.local, v)
					}
					o.Time, o.Zone = t, assumed
				case "IP_Address":
					place(&source, v)
				case "Port":
					source.Ports = v
				case "DNS_Name":
					source.Host = v
				case "Type":
					o.Service = strings.ToLower(v)
				case "SubType":
					addExtra(&o, "Source.SubType", strings.TrimSpace(c.attr("BaseType")+" "+c.attr("Protocol")))
				case "UserName":
					if v != "" {
						addExtra(&o, "Source.UserName", v)
					}
				default:
					addExtra(&o, "Source."+c.local, v)
				}
			}
		default:
			k.walk(k.local+".", func(path string, leaf *node) { addExtra(&o, path, leaf.value()) })
		}
	}
	o.Endpoints = []incident.Endpoint{source}
	return o
}

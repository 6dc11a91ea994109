package xirl

import (
	"archive/zip"
	"bytes"
	"io"
	"iter"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Shadowserver returns the Shadowserver Foundation's reports, in: CSV by its
// header, whatever the order of columns, alone or in a zip, as a file or in a
// mail. Where the name of the file is known, its kind of report ("scan_dns")
// is part of Feed and is the Kind. Times are in UTC and say so in Zone.
func Shadowserver() incident.Format {
	return incident.Format{
		Name: "shadowserver",
		Recognise: func(parts []incident.Part) bool {
			return anyPart(parts, func(p incident.Part) bool { return isShadowCSV(p) || isShadowZip(p) })
		},
		Decode: func(r io.Reader, limits incident.Limits) iter.Seq2[incident.Observation, error] {
			return func(yield func(incident.Observation, error) bool) {
				g := newGuard("shadowserver", r, limits)
				if magic, _ := g.r.Peek(4); string(magic) != "PK\x03\x04" {
					shadowMap("").read(g, yield)
					return
				}
				var packed bytes.Buffer
				if _, err := io.Copy(&packed, g); err != nil {
					yield(incident.Observation{}, g.wrap(err))
					return
				}
				readZip(packed.Bytes(), limits, yield)
			}
		},
		DecodeMail: func(parts []incident.Part, limits incident.Limits) iter.Seq2[incident.Observation, error] {
			return func(yield func(incident.Observation, error) bool) {
				for _, p := range leaves(parts) {
					going := true
					switch {
					case isShadowCSV(p):
						going = shadowMap(reportType(p.Name)).read(newGuard("shadowserver", bytes.NewReader(p.Content), limits), yield)
					case isShadowZip(p):
						going = readZip(p.Content, limits, yield)
					}
					if !going {
						return
					}
				}
			}
		},
	}
}

func isShadowCSV(p incident.Part) bool {
	line, _, _ := bytes.Cut(bytes.TrimPrefix(head(p), []byte("\xef\xbb\xbf")), []byte("\n"))
	cells, err := splitCells(bytes.TrimSpace(line), ',')
	if err != nil || !slices.Contains(cells, "timestamp") {
		return false
	}
	return slices.Contains(cells, "ip") || slices.Contains(cells, "src_ip") || slices.Contains(cells, "http_referer_ip")
}

func isShadowZip(p incident.Part) bool {
	return bytes.HasPrefix(p.Content, []byte("PK\x03\x04")) && reportType(p.Name) != ""
}

// reportType finds the kind of report in YYYY-MM-DD-<type>-<org>.csv[.zip].
func reportType(name string) string {
	m := regexp.MustCompile(`^\d{4}-\d\d-\d\d-([A-Za-z0-9_]+)[-.].*csv(\.zip)?$`).FindStringSubmatch(path.Base(name))
	if m == nil {
		return ""
	}
	return m[1]
}

func shadowMap(report string) CSV {
	columns := map[string]string{"ip": "source.ip", "src_ip": "source.ip", "http_referer_ip": "source.ip", "timestamp": "time", "protocol": "protocol", "count": "count",
		"port": "source.port", "src_port": "source.port", "hostname": "source.host", "src_hostname": "source.host", "asn": "source.asn", "src_asn": "source.asn",
		"dst_ip": "target.ip", "dst_port": "target.port", "dst_hostname": "target.host", "dst_asn": "target.asn"}
	if report == "" {
		columns["tag"], columns["infection"] = "kind", "kind"
	}
	return CSV{Name: "shadowserver", Feed: strings.TrimSpace("shadowserver " + report), Kind: report, Comma: ',', Columns: columns}
}

// zipFiles is how many files of one zip are read.
const zipFiles = 100

// readZip reads every CSV of a zip, as it is unpacked: what it unpacks to
// counts against Limits.Bytes, over all files.
func readZip(packed []byte, limits incident.Limits, yield func(incident.Observation, error) bool) bool {
	limits = limits.WithDefaults()
	g := newGuard("shadowserver", bytes.NewReader(nil), limits)
	z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return yield(incident.Observation{}, g.errorf(err, "the zip cannot be read: %v", err))
	}
	if len(z.File) > zipFiles {
		return yield(incident.Observation{}, g.errorf(nil, "the zip has more than %d files", zipFiles))
	}
	found := false
	for _, f := range z.File {
		if !strings.HasSuffix(strings.ToLower(f.Name), ".csv") {
			continue
		}
		found = true
		if limits.Bytes <= 0 {
			return yield(incident.Observation{}, g.errorf(nil, "the files of the zip are longer than the limit together"))
		}
		r, err := f.Open()
		if err != nil {
			if !yield(incident.Observation{}, g.errorf(err, "%s in the zip cannot be read: %v", path.Base(f.Name), err)) {
				return false
			}
			continue
		}
		inside := newGuard("shadowserver", r, limits)
		going := shadowMap(reportType(f.Name)).read(inside, yield)
		r.Close() // what was read is checked by then
		if limits.Bytes -= inside.offset; !going {
			return false
		}
	}
	if !found {
		return yield(incident.Observation{}, g.errorf(nil, "the zip holds no .csv"))
	}
	return true
}

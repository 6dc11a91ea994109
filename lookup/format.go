package lookup

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/airtight-csirt/airtight/incident"
)

// longestDocument is the size above which documents are refused: room for a
// million networks.
const longestDocument = 64 << 20

// ParseYAML reads one YAML document in the form of [Document]; fields that there
// are not are an error. It does not check what [NewDirectory] does. Documents of
// more than 64 MiB are refused.
func ParseYAML(r io.Reader) (Document, error) {
	var doc Document
	data, err := readDocument(r)
	if err != nil {
		return Document{}, err
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&doc); err != nil {
		return Document{}, fmt.Errorf("lookup: directory: %w", err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Document{}, errors.New("lookup: directory: there is more than one YAML document")
	}
	return doc, nil
}

// YAML writes the document as [ParseYAML] reads it. Equal documents give equal
// bytes.
func (doc Document) YAML() ([]byte, error) { return yaml.Marshal(doc) }

func readDocument(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, longestDocument+1))
	if err != nil {
		return nil, fmt.Errorf("lookup: directory: %w", err)
	}
	if len(data) > longestDocument {
		return nil, fmt.Errorf("lookup: directory: it has more than the %d bytes that are allowed", longestDocument)
	}
	return bytes.TrimPrefix(data, []byte("\ufeff")), nil
}

// columns are what a CSV file may have; constituency it must have.
var columns = []string{"constituency", "scope", "except", "label", "title", "code", "role", "name", "address", "telephone", "language", "key", "service", "template", "order"}

// ParseCSV reads a table with commas or semicolons whose first line names its
// columns, among them constituency:
//
//   - scope, except (yes or no) and label make an entry, in every row that has a scope
//   - title and code are of the constituency
//   - role, name, address, telephone, language, key, service, template and order
//     make a contact, in every row that has address or telephone; language and
//     service are those of the constituency in every row that has not
//
// A constituency exists as soon as a row names it. Rows that give it, or one of
// its contacts, other words than an earlier row are an error, as are other
// columns. There is no default in it and no source: see [Document.Import].
// Files of more than 64 MiB are refused.
func ParseCSV(r io.Reader) (Document, error) {
	data, err := readDocument(r)
	if err != nil {
		return Document{}, err
	}
	c := csv.NewReader(bufio.NewReader(bytes.NewReader(data)))
	c.ReuseRecord = true
	if head, _, _ := bytes.Cut(data, []byte("\n")); bytes.Count(head, []byte(";")) > bytes.Count(head, []byte(",")) {
		c.Comma = ';'
	}
	record, err := c.Read()
	if err != nil {
		return Document{}, fmt.Errorf("lookup: directory: no first line that names columns: %w", err)
	}
	head := slices.Clone(record)
	for i, name := range head {
		head[i] = strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(columns, head[i]) || slices.Contains(head[:i], head[i]) {
			return Document{}, fmt.Errorf("lookup: directory: column %q is unknown or there twice: allowed are %s", incident.Clean(name), strings.Join(columns, ", "))
		}
	}
	if !slices.Contains(head, "constituency") {
		return Document{}, errors.New("lookup: directory: there is no column constituency")
	}
	t := table{at: make(map[string]int), contacts: make(map[contactKey]Contact)}
	for {
		record, err := c.Read()
		if errors.Is(err, io.EOF) {
			return t.doc, nil
		}
		if err != nil {
			return Document{}, fmt.Errorf("lookup: directory: %w", err)
		}
		get := func(column string) string {
			if i := slices.Index(head, column); i >= 0 {
				return strings.TrimSpace(strings.Clone(record[i]))
			}
			return ""
		}
		if err := t.row(get); err != nil {
			line, _ := c.FieldPos(0)
			return Document{}, fmt.Errorf("lookup: directory: line %d: %w", line, err)
		}
	}
}

// table gathers the rows of a CSV file.
type table struct {
	doc      Document
	at       map[string]int // of constituencies, by name
	contacts map[contactKey]Contact
}

// contactKey is what a contact is told by from others: one address may have several roles.
type contactKey struct{ constituency, address, telephone, role string }

func (t *table) row(get func(column string) string) error {
	e := Entry{Constituency: get("constituency"), Label: get("label")}
	switch yes := get("except"); strings.ToLower(yes) {
	case "yes", "true", "1":
		e.Except = true
	case "", "no", "false", "0":
	default:
		return fmt.Errorf("except is %q: allowed are yes and no", incident.Clean(yes))
	}
	if scope := get("scope"); scope != "" {
		if err := e.Scope.UnmarshalText([]byte(scope)); err != nil {
			return err
		}
		t.doc.Entries = append(t.doc.Entries, e)
	}
	if e.Except && e.Constituency == "" {
		return nil
	}
	if e.Constituency == "" {
		return errors.New("there is no constituency, nor is the row an exception")
	}
	i, ok := t.at[e.Constituency]
	if !ok {
		i = len(t.doc.Constituencies)
		t.at[e.Constituency] = i
		t.doc.Constituencies = append(t.doc.Constituencies, Constituency{Name: e.Constituency})
	}
	c := &t.doc.Constituencies[i]
	err := errors.Join(settle(&c.Title, "title", get("title")), settle(&c.Code, "code", get("code")))
	p := Contact{Role: get("role"), Name: get("name"), Address: get("address"), Telephone: get("telephone"), Language: get("language"),
		Key: get("key"), Service: get("service"), Template: get("template")}
	if order := get("order"); order != "" {
		n, e := strconv.Atoi(order)
		if e != nil {
			return fmt.Errorf("order is %q: allowed are whole numbers", incident.Clean(order))
		}
		p.Order = n
	}
	if p.Address == "" && p.Telephone == "" {
		return errors.Join(err, settle(&c.Language, "language", p.Language), settle(&c.Service, "service", p.Service))
	}
	key := contactKey{c.Name, p.Address, p.Telephone, p.Role}
	switch earlier, twice := t.contacts[key]; {
	case !twice:
		t.contacts[key] = p
		c.Contacts = append(c.Contacts, p)
	case earlier != p:
		return errors.Join(err, fmt.Errorf("contact %s of %s differs from an earlier row", incident.Clean(p.Address+p.Telephone), c.Name))
	}
	return err
}

// settle sets a field that rows give again and again.
func settle(field *string, name, value string) error {
	if value == "" || value == *field {
		return nil
	}
	if *field != "" {
		return fmt.Errorf("%s is %q here and %q in an earlier row", name, incident.Clean(value), incident.Clean(*field))
	}
	*field = value
	return nil
}

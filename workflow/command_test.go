package workflow_test

import (
	"io/fs"
	"math/rand"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// everyCommand returns each command, on ticket 7, some in several shapes.
func everyCommand() []workflow.Command {
	return []workflow.Command{
		workflow.Open{Kind: incident.KindReport}, workflow.Open{Kind: incident.KindReport, From: 3, Parents: []incident.ID{3}},
		workflow.Take{Ticket: 7}, workflow.Steal{Ticket: 7}, workflow.Release{Ticket: 7}, workflow.Assign{Ticket: 7, To: "handler:bob"},
		workflow.Move{Ticket: 7, To: "open"}, workflow.Move{Ticket: 7, To: "resolved"}, workflow.Reopen{Ticket: 7},
		workflow.Resolve{Ticket: 7}, workflow.Resolve{Ticket: 7, Reply: "x"}, workflow.Resolve{Ticket: 7, Reply: "x", Children: []incident.ID{3}},
		workflow.Abandon{Ticket: 7}, workflow.Abandon{Ticket: 7, Reply: "x"}, workflow.Reject{Ticket: 7}, workflow.Reject{Ticket: 7, Text: "x", Steal: true},
		workflow.Link{Ticket: 7, Parent: 3}, workflow.Unlink{Ticket: 7, Parent: 3}, workflow.Merge{Ticket: 7, Into: 3}, workflow.Unmerge{Ticket: 7},
		workflow.Attend{Ticket: 7}, workflow.Attend{Ticket: 7, End: true}, workflow.Edit{Ticket: 7, Based: 3}, workflow.Reply{Ticket: 7, Text: "x", Based: 3},
		workflow.Comment{Ticket: 7, Text: "x"}, workflow.Edit{Ticket: 7}, workflow.Reply{Ticket: 7, Text: "x"},
		workflow.ReplyAll{Ticket: 7, Text: "x"}, workflow.ReplyAll{Ticket: 7, Text: "x", Children: []incident.ID{3}}, workflow.Deliver{Ticket: 7, To: 3},
		workflow.Accept{Ticket: 7}, workflow.Attach{Ticket: 7, Incident: 3}, workflow.Group{Ticket: 7, With: []incident.ID{3}}, workflow.Observe{Ticket: 7},
		workflow.ReleaseMail{Ticket: 7}, workflow.DropMail{Ticket: 7, Version: 3}, workflow.ConfirmMail{Ticket: 7}, workflow.AutoReply{Ticket: 7, Text: "x"},
		workflow.Resend{Ticket: 7, To: []incident.Party{{Address: "bob@example.org"}}},
		workflow.Append{Ticket: 7}, workflow.ReceiveAgain{Ticket: 7}, workflow.Examine{Ticket: 7, Message: 2}, workflow.Close{Ticket: 7, Under: 3, To: "resolved"},
		workflow.SetDue{Ticket: 7}, workflow.Restart{Ticket: 7}, workflow.Notify{Ticket: 7, To: incident.Duty}, workflow.Wake{Ticket: 7},
		workflow.MarkAddress{Address: "bob@example.org", Ticket: 7, Version: 3}, workflow.ClearAddress{Address: "bob@example.org"},
	}
}

// filler makes random values that JSON gives back as they were.
type filler struct{ *rand.Rand }

func (f filler) fill(v reflect.Value) {
	switch value := v.Interface().(type) {
	case incident.ID:
		id := incident.ID(f.Int63())
		if f.Intn(3) == 0 {
			id = incident.Nth(1 + f.Intn(9))
		}
		v.Set(reflect.ValueOf(id))
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.UnixMicro(f.Int63n(4e15)).UTC()))
		return
	case incident.Observation:
		v.Set(reflect.ValueOf(incident.Observation{
			ID: "7", Time: time.UnixMicro(f.Int63n(4e15)).UTC(), Endpoints: []incident.Endpoint{{Role: incident.RoleSource, Address: netip.MustParseAddr("192.0.2.7"), ASN: 64496}},
		}))
		return
	case incident.Digest:
		f.Read(value[:])
		v.Set(reflect.ValueOf(value))
		return
	}
	switch v.Kind() {
	case reflect.String:
		runes := []rune("aZ9 \"\\\n\t<&>é\u2028😀\x00")
		text := make([]rune, f.Intn(8))
		for i := range text {
			text[i] = runes[f.Intn(len(runes))]
		}
		v.SetString(string(text))
	case reflect.Uint64:
		v.SetUint(f.Uint64() >> 1)
	case reflect.Int:
		v.SetInt(f.Int63n(100))
	case reflect.Bool:
		v.SetBool(f.Intn(2) == 0)
	case reflect.Pointer:
		if f.Intn(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			if v.Type().Elem().Kind() == reflect.Slice {
				v.Elem().Set(reflect.MakeSlice(v.Type().Elem(), 0, 0))
			}
			f.fill(v.Elem())
		}
	case reflect.Slice:
		if n := f.Intn(4); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				f.fill(v.Index(i))
			}
		}
	case reflect.Map:
		if n := f.Intn(4); n > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n {
				key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				f.fill(key)
				f.fill(value)
				v.SetMapIndex(key, value)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	}
}

func TestCommandsAsJSON(t *testing.T) {
	const seed = 1
	f := filler{rand.New(rand.NewSource(seed))}
	for _, zero := range everyCommand() {
		for range 200 {
			value := reflect.New(reflect.TypeOf(zero)).Elem()
			f.fill(value)
			c := value.Interface().(workflow.Command)
			text, err := workflow.MarshalCommand(c)
			require.NoError(t, err)
			parsed, err := workflow.ParseCommand(text)
			require.NoError(t, err, "seed %d: %s", seed, text)
			require.Equal(t, c, parsed, "seed %d: %s", seed, text)
		}
	}
}

func TestEmptiedListsAsJSON(t *testing.T) {
	c := workflow.Edit{Ticket: 7, Requestors: new([]incident.Party), Cc: new([]incident.Party), Contacts: new([]incident.Party), ExternalIDs: new([]string)}
	text, err := workflow.MarshalCommand(c)
	require.NoError(t, err)
	require.Equal(t, `{"command":"edit","ticket":7,"requestors":[],"cc":[],"contacts":[],"externalIDs":[]}`, string(text))
	require.Nil(t, *c.Cc, "the caller's command stays as it was")
}

// No incident, and none given, are two things.
func TestNoParentsAsJSON(t *testing.T) {
	for text, c := range map[string]workflow.Open{
		`{"command":"open","kind":"report","parents":[],"from":7}`: {Kind: incident.KindReport, Parents: []incident.ID{}, From: 7},
		`{"command":"open","kind":"report","from":7}`:              {Kind: incident.KindReport, From: 7},
	} {
		written, err := workflow.MarshalCommand(c)
		require.NoError(t, err)
		require.Equal(t, text, string(written))
		parsed, err := workflow.ParseCommand(written)
		require.NoError(t, err)
		require.Equal(t, c, parsed)
	}
}

func TestListsOfCommands(t *testing.T) {
	people := map[string]bool{}
	for _, c := range everyCommand() {
		target := incident.ID(7)
		if slices.Contains([]string{"open", "mark-address", "clear-address"}, c.Name()) {
			target = incident.Desk
		}
		require.Equal(t, target, c.Target(), c.Name())
		if !workflow.ByDesk(c) {
			people[c.Name()] = true
		}
	}
	require.Len(t, workflow.Commands(), len(people))
	require.True(t, workflow.ByDesk(workflow.Open{Mail: &workflow.Mail{}}))
	require.True(t, workflow.ByDesk(workflow.Open{Held: &incident.Held{}}))
}

func TestBadCommands(t *testing.T) {
	const names = "open, take, steal, release, assign, attend, move, reopen, resolve, abandon, reject, link, unlink, merge, unmerge, comment, edit, reply, reply-all, resend, deliver, accept, attach, group, release-mail, drop-mail, confirm-mail, clear-address"
	for text, want := range map[string]string{
		`{"command":"tkae","ticket":7}`: `workflow: a command: command "tkae" is not possible: allowed is ` + names,
		`{}`:                            `workflow: a command: command "" is not possible: allowed is ` + names,
		`null`:                          `command "" is not possible`,
		`{"command":7}`:                 `command "" is not possible`,
		`{"command":"take","tickt":7}`:  `workflow: take: argument "tickt" is not possible: allowed is ticket`,
		`{"command":"take","Ticket":7}`: `argument "Ticket" is not possible`,
		`{"command":"move","ticket":7,"on":true}`:              `workflow: move: argument "on" is not possible: allowed is ticket, to`,
		`{"command":"take","ticket":"x"}`:                      `allowed is the number of a ticket, or "$1"`,
		`{"command":"take","ticket":-1}`:                       `ticket "-1" is not possible`,
		`{"command":"move","to":7}`:                            `workflow: move: to "7" is not possible: allowed is a text`,
		`{"command":"edit","ticket":7,"due":"x"}`:              `a time like "2026-03-02T09:00:00Z"`,
		`{"command":"reject","ticket":7,"steal":"yes"}`:        `steal "\"yes\"" is not possible: allowed is true or false`,
		`{"command":"open","kind":"report","attachments":[1]}`: `allowed is a list like [{"name":"log.txt","type":"text/plain","content":"aGVsbG8K"}] with the content in base64`,
		`{"command":"open","attachments":[{"content":"%"}]}`:   `with the content in base64`,
		`{"command":"open","priority":"high"}`:                 `allowed is a whole number`,
		`{"command":"edit","ticket":7,"based":-1}`:             `allowed is a whole number that is not negative`,
		`{"command":"attend","ticket":7,"minutes":"long"}`:     `allowed is a whole number`,
		`{"command":"attend","ticket":7,"for":"1h"}`:           `argument "for" is not possible: allowed is ticket, minutes, end`,
		`{"command":"open","parents":["x"]}`:                   `allowed is a list of numbers of tickets like [7,8]`,
		`{"command":"reply-all","kinds":"report"}`:             `allowed is a list like ["report","investigation"]`,
		`{"command":"edit","clear":"due"}`:                     `allowed is a list of texts like ["X-1"]`,
		`{"command":"comment","call":"out"}`:                   `call "\"out\"" is not possible: allowed is an object like {"direction":"out","person":"Bob"`,
		`{"command":"comment","call":{"name":"Bob"}}`:          `call "{\"name\":\"Bob\"}" is not possible: allowed is an object like {"direction":"out","person":"Bob"`,
		`{"command":"edit","addCc":[{"adress":"x"}]}`:          `allowed is a list like [{"name":"Bob","address":"bob@example.org"}]`,
		`{"command":"edit","fields":[]}`:                       `allowed is an object like {"field":["value"]}`,
		`{"command":"edit","removeObservables":7}`:             `allowed is a list like [{"kind":"address"`,
		`{"command":"append","mail":7}`:                        `mail "7" is not possible: allowed is an object`,
		`[]`:                                                   `allowed is a JSON object like {"command":"take","ticket":7}`,
		`{"command":"take"`:                                    `allowed is a JSON object like`,
		`{"command":"take"} {}`:                                `allowed is a JSON object like`,
		``:                                                     `allowed is a JSON object like`,
	} {
		c, err := workflow.ParseCommand([]byte(text))
		require.ErrorContains(t, err, want, text)
		require.Nil(t, c)
	}
	var unknown *workflow.ArgumentError
	_, err := workflow.ParseCommand([]byte(`{"command":"tkae"}`))
	require.ErrorAs(t, err, &unknown)
}

// realTexts calls use with the beginning of every file in folders of the
// corpus, if that is there.
func realTexts(use func(text string), folders ...string) {
	const size = 1 << 10
	dir := os.Getenv("AIRTIGHT_CORPUS")
	if dir == "" {
		return
	}
	for _, folder := range folders {
		_ = filepath.WalkDir(filepath.Join(dir, folder), func(path string, d fs.DirEntry, err error) error {
			if raw, err := os.ReadFile(path); err == nil {
				use(string(raw[:min(len(raw), size)]))
			}
			return nil
		})
	}
}

// FuzzCommand reads commands: bad ones give an error that says what is allowed,
// and no command; good ones come through JSON unchanged and can be bound.
func FuzzCommand(f *testing.F) {
	add := func(c workflow.Command) {
		text, err := workflow.MarshalCommand(c)
		require.NoError(f, err)
		f.Add(text)
	}
	random := filler{rand.New(rand.NewSource(1))}
	for _, c := range everyCommand() {
		add(c)
		value := reflect.New(reflect.TypeOf(c)).Elem()
		random.fill(value)
		add(value.Interface().(workflow.Command))
	}
	realTexts(func(text string) {
		add(workflow.Reply{Ticket: 7, Text: text, Cc: []incident.Party{{Address: text[:min(len(text), 30)]}}})
		f.Add([]byte(text))
	}, "bounce", "header", "ioc")
	f.Add([]byte(`{"command":"link","ticket":"$1","parent":"#3"}`))
	f.Add([]byte(`{"command":"edit","ticket":7,"requestors":[],"fields":{"a":null},"due":"2026-03-02T09:00:00+01:00"}`))

	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := workflow.ParseCommand(text)
		if err != nil {
			var wrong *workflow.ArgumentError
			require.ErrorAs(t, err, &wrong)
			require.NotEmpty(t, wrong.Allowed)
			require.Nil(t, c)
			return
		}
		first, err := workflow.MarshalCommand(c)
		require.NoError(t, err)
		again, err := workflow.ParseCommand(first)
		require.NoError(t, err, "%s", first)
		second, err := workflow.MarshalCommand(again)
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))

		bound, err := workflow.Bind(c, []incident.ID{41, 42})
		if err != nil {
			return
		}
		require.Equal(t, c.Name(), bound.Name())
		_, placeholder := bound.Target().Placeholder()
		require.False(t, placeholder)
		twice, err := workflow.Bind(bound, nil)
		require.NoError(t, err)
		require.Equal(t, bound, twice)
	})
}

func TestBind(t *testing.T) {
	opened := []incident.ID{41, 42}
	link := workflow.Link{Ticket: incident.Nth(2), Parent: incident.Nth(1)}
	bound, err := workflow.Bind(link, opened)
	require.NoError(t, err)
	require.Equal(t, workflow.Link{Ticket: 42, Parent: 41}, bound)

	open := workflow.Open{Kind: incident.KindReport, Parents: []incident.ID{3, incident.Nth(1)}}
	bound, err = workflow.Bind(open, opened)
	require.NoError(t, err)
	require.Equal(t, []incident.ID{3, 41}, bound.(workflow.Open).Parents)
	require.Equal(t, incident.Nth(1), open.Parents[1], "the caller's command stays as it was")

	for _, c := range []struct{ given, want workflow.Command }{
		{workflow.Open{Kind: incident.KindIncident, From: incident.Nth(2)}, workflow.Open{Kind: incident.KindIncident, From: 42}},
		{workflow.Merge{Ticket: incident.Nth(1), Into: incident.Nth(2)}, workflow.Merge{Ticket: 41, Into: 42}},
		{workflow.Resolve{Ticket: 7, Children: []incident.ID{incident.Nth(1)}}, workflow.Resolve{Ticket: 7, Children: []incident.ID{41}}},
		{workflow.Abandon{Ticket: incident.Nth(1), Children: []incident.ID{5}}, workflow.Abandon{Ticket: 41, Children: []incident.ID{5}}},
		{workflow.ReplyAll{Ticket: 7, Children: []incident.ID{8, incident.Nth(2)}}, workflow.ReplyAll{Ticket: 7, Children: []incident.ID{8, 42}}},
		{workflow.Deliver{Ticket: 7, To: incident.Nth(1)}, workflow.Deliver{Ticket: 7, To: 41}},
		{workflow.Open{Parents: []incident.ID{}}, workflow.Open{Parents: []incident.ID{}}},
	} {
		bound, err := workflow.Bind(c.given, opened)
		require.NoError(t, err)
		require.Equal(t, c.want, bound)
	}
	_, err = workflow.Bind(workflow.ReplyAll{Ticket: 7, Children: []incident.ID{incident.Nth(3)}}, opened)
	require.ErrorContains(t, err, `"$3" is not possible`)

	same, err := workflow.Bind(workflow.Take{Ticket: 7}, nil)
	require.NoError(t, err)
	require.Equal(t, workflow.Take{Ticket: 7}, same)

	_, err = workflow.Bind(workflow.Take{Ticket: incident.Nth(3)}, opened)
	require.EqualError(t, err, `workflow: take: ticket "$3" is not possible: allowed is a number, or $1 to $2 for the tickets that earlier commands of the list open`)
	_, err = workflow.Bind(workflow.Take{Ticket: incident.Nth(1)}, nil)
	require.ErrorContains(t, err, "no earlier command of the list opens a ticket")
	_, err = workflow.Bind(workflow.Take{Ticket: incident.MaxID + 1}, opened)
	require.ErrorContains(t, err, `ticket "$0" is not possible`)
	_, err = workflow.Bind(&workflow.Take{Ticket: 7}, nil)
	require.ErrorContains(t, err, "*workflow.Take")
	_, err = workflow.Bind(nil, nil)
	require.ErrorContains(t, err, "a value like workflow.Take{Ticket: 7}, no pointer")
}

package incident_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

func TestIDText(t *testing.T) {
	for _, test := range []struct {
		id   incident.ID
		json string
	}{
		{incident.Desk, `0`}, {7, `7`}, {incident.MaxID, `9223372036854775807`}, {incident.Nth(1), `"$1"`}, {incident.Nth(12), `"$12"`},
	} {
		b, err := json.Marshal(test.id)
		require.NoError(t, err)
		assert.Equal(t, test.json, string(b))
		var back incident.ID
		require.NoError(t, json.Unmarshal(b, &back))
		assert.Equal(t, test.id, back)
		parsed, err := incident.ParseID(test.id.String())
		require.NoError(t, err)
		assert.Equal(t, test.id, parsed)
	}
	for text, want := range map[string]incident.ID{`"7"`: 7, `"#7"`: 7, `"$2"`: incident.Nth(2)} {
		var id incident.ID
		require.NoError(t, json.Unmarshal([]byte(text), &id), text)
		assert.Equal(t, want, id)
	}
	for _, bad := range []string{`-1`, `1.5`, `1e3`, `9223372036854775808`, `"$0"`, `"$-1"`, `"x"`, `""`, `"$"`, `"##7"`, `true`, `[]`, `"$99999999999"`, `"7 "`} {
		var id incident.ID
		err := json.Unmarshal([]byte(bad), &id)
		require.ErrorContains(t, err, "is no ticket number: allowed are", bad)
	}
	n, ok := incident.Nth(3).Placeholder()
	assert.True(t, ok)
	assert.Equal(t, 3, n)
	_, ok = incident.MaxID.Placeholder()
	assert.False(t, ok)
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{"7", "#7", "$1", "", "-1", "9223372036854775808", "$1048577"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := incident.ParseID(s)
		if err != nil {
			return
		}
		if again, err := incident.ParseID(id.String()); err != nil || again != id {
			t.Errorf("%q is %s, and that is %s, %v", s, id, again, err)
		}
	})
}

// fill sets everything in v, and everything that it refers to.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Array:
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(at(1)))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(1)
	case reflect.Uint64, reflect.Uint32, reflect.Uint8:
		v.SetUint(1)
	}
}

// shares lists what two equal values have in one piece of memory.
func shares(path string, a, b reflect.Value) []string {
	var found []string
	switch a.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if a.UnsafePointer() == b.UnsafePointer() {
			return []string{path}
		}
	}
	switch a.Kind() {
	case reflect.Pointer:
		if a.Type() != reflect.TypeFor[*time.Time]() {
			found = shares(path, a.Elem(), b.Elem())
		}
	case reflect.Slice:
		for i := range a.Len() {
			found = append(found, shares(path+"[]", a.Index(i), b.Index(i))...)
		}
	case reflect.Map:
		for _, key := range a.MapKeys() {
			found = append(found, shares(path+"[]", a.MapIndex(key), b.MapIndex(key))...)
		}
	case reflect.Struct:
		if a.Type() == reflect.TypeFor[time.Time]() {
			return nil
		}
		for i := range a.NumField() {
			found = append(found, shares(path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))...)
		}
	}
	return found
}

// TestClone fills every field by reflection, so that a new one is not forgotten.
func TestClone(t *testing.T) {
	var full incident.Ticket
	fill(reflect.ValueOf(&full).Elem())
	for i := range reflect.ValueOf(full).NumField() {
		require.False(t, reflect.ValueOf(full).Field(i).IsZero(), reflect.TypeOf(full).Field(i).Name)
	}
	clone := full.Clone()
	assert.Equal(t, full, clone)
	assert.Empty(t, shares("Ticket", reflect.ValueOf(full), reflect.ValueOf(clone)))
	assert.Equal(t, incident.Ticket{}, incident.Ticket{}.Clone())

	b, err := json.Marshal(full)
	require.NoError(t, err)
	var back incident.Ticket
	require.NoError(t, json.Unmarshal(b, &back))
	assert.Equal(t, full, back)
}

func TestOverdue(t *testing.T) {
	for _, test := range []struct {
		phase incident.Phase
		due   *time.Time
		want  bool
	}{
		{incident.Initial, ptr(at(3)), true}, {incident.Active, ptr(at(2)), true}, {incident.Active, ptr(at(4)), false},
		{incident.Inactive, ptr(at(2)), false}, {incident.Active, nil, false},
	} {
		assert.Equal(t, test.want, incident.Ticket{Phase: test.phase, Due: test.due}.Overdue(at(3)), "%+v", test)
	}
	assert.True(t, incident.Ticket{Phase: incident.Initial}.Open())
	assert.False(t, incident.Ticket{Phase: incident.Inactive}.Open())
}

func TestCorresponds(t *testing.T) {
	ticket := before()
	for address, want := range map[string]bool{
		"BOB@example.org": true, "cc@Example.org": true, "noc@example.org": true, "eve@example.org": false, "": false,
	} {
		assert.Equal(t, want, ticket.Corresponds(address), address)
	}
}

func TestMoment(t *testing.T) {
	odd := time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.FixedZone("west", -3600))
	assert.Equal(t, time.Date(1970, 1, 1, 0, 59, 59, 999_999_000, time.UTC), incident.Moment(odd))
	assert.True(t, incident.Moment(time.Time{}).IsZero())
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "plain é \U0001f600\r\n": "plain é \U0001f600\r\n", "a\x00b": "a\u2400b", "\xff\xfea": "\ufffda",
		"caf\xe9\x00": "caf\ufffd\u2400", "\ufffd": "\ufffd", "\xed\xa0\x80": "\ufffd",
	} {
		assert.Equal(t, want, incident.Clean(text), "%q", text)
		assert.Equal(t, want, incident.Clean(want), "%q is clean", want)
	}
}

func TestPartyText(t *testing.T) {
	assert.Equal(t, "Bob <bob@example.org>", incident.Party{Name: "Bob", Address: "bob@example.org"}.String())
	assert.Equal(t, "bob@example.org", incident.Party{Address: "bob@example.org"}.String())
	assert.True(t, incident.SameAddress("Bob@Example.org", "bob@example.ORG"))
	assert.False(t, incident.SameAddress("bob@example.org", "bob@example.net"))
}

func TestKinds(t *testing.T) {
	assert.Equal(t, []incident.Kind{incident.KindReport, incident.KindIncident, incident.KindInvestigation, incident.KindBlock}, incident.Kinds())
}

func TestParseKind(t *testing.T) {
	for text, want := range map[string]incident.Kind{
		"report": incident.KindReport, "Incident Reports": incident.KindReport, "IR": incident.KindReport,
		"INC": incident.KindIncident, " investigations ": incident.KindInvestigation,
		"Countermeasure": incident.KindBlock, "block": incident.KindBlock,
	} {
		kind, ok := incident.ParseKind(text)
		assert.True(t, ok, text)
		assert.Equal(t, want, kind, text)
	}
	for _, text := range []string{"", "desk", "ticket"} {
		_, ok := incident.ParseKind(text)
		assert.False(t, ok, text)
	}
}

func TestTrust(t *testing.T) {
	order := incident.Trusts()
	for i, have := range order {
		for j, least := range order {
			assert.Equal(t, i >= j, have.Reaches(least), "%q reaches %q", have, least)
		}
		assert.False(t, have.Reaches("unheard of"))
	}
	assert.True(t, incident.Trust("unheard of").Reaches(incident.TrustNone))
	assert.False(t, incident.Trust("unheard of").Reaches(incident.TrustKnown))
}

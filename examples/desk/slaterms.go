package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	_ "time/tzdata" // for systems without a time zone database

	"github.com/airtight-csirt/airtight/sla"
	"github.com/airtight-csirt/airtight/workflow"
)

// maxTerms is the size of the largest file of terms that is read, in bytes.
const maxTerms = 1 << 20

// agree puts the agreement that --sla names into a policy.
func (o *options) agree(p *workflow.Policy) (*workflow.Policy, error) {
	if o.sla == "" {
		return p, nil
	}
	wrong := func(err error) error { return fmt.Errorf("--sla %s: %w", o.sla, err) }
	file, err := os.Open(o.sla)
	if err != nil {
		return nil, fmt.Errorf("--sla: %w: allowed is a file as desk sla example prints one", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxTerms+1))
	if err != nil {
		return nil, wrong(err)
	}
	if len(data) > maxTerms {
		return nil, wrong(fmt.Errorf("it is too long: allowed are %d bytes", maxTerms))
	}
	terms, err := parseTerms(data)
	if err != nil {
		return nil, wrong(err)
	}
	if p.Agreement, err = sla.NewAgreement(terms); err != nil {
		return nil, wrong(err)
	}
	if err := p.Validate(); err != nil {
		return nil, wrong(err)
	}
	return p, nil
}

// parseTerms reads terms, and nothing that is not one.
func parseTerms(data []byte) (terms sla.Terms, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return terms, fmt.Errorf("it is no JSON: %w: allowed is a file as desk sla example prints one", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return terms, errors.New("there is more behind the end of the terms: allowed is one JSON object")
	}
	if _, ok := tree.(map[string]any); !ok {
		return terms, errors.New("it holds no JSON object: allowed is a file as desk sla example prints one")
	}
	if err := errors.Join(strange("", tree, reflect.TypeFor[sla.Terms]())...); err != nil {
		return terms, err
	}
	if err := json.Unmarshal(data, &terms); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return terms, fmt.Errorf("%s cannot be a %s: allowed is %s", wrong.Field, wrong.Value, jsonForm(wrong.Type))
		}
		return terms, err
	}
	return terms, nil
}

// strange lists the members of a JSON tree that a Go type does not have, each
// with those that it has.
func strange(path string, tree any, shape reflect.Type) (errs []error) {
	for shape.Kind() == reflect.Pointer {
		shape = shape.Elem()
	}
	switch node := tree.(type) {
	case []any:
		if shape.Kind() == reflect.Slice {
			for i, element := range node {
				errs = append(errs, strange(fmt.Sprintf("%s[%d]", path, i), element, shape.Elem())...)
			}
		}
	case map[string]any:
		members := map[string]reflect.Type{}
		if shape.Kind() == reflect.Struct {
			for i := range shape.NumField() {
				if name, _, _ := strings.Cut(shape.Field(i).Tag.Get("json"), ","); name != "-" {
					members[name] = shape.Field(i).Type
				}
			}
		}
		for _, name := range sortedKeys(node) {
			member, ok := members[name]
			if shape.Kind() == reflect.Map {
				member, ok = shape.Elem(), true
			}
			if !ok && shape.Kind() == reflect.Struct {
				errs = append(errs, fmt.Errorf("%q is not known: allowed are %s", strings.TrimPrefix(path+"."+name, "."), strings.Join(sortedKeys(members), ", ")))
				continue
			}
			if ok {
				errs = append(errs, strange(path+"."+name, node[name], member)...)
			}
		}
	}
	return errs
}

func jsonForm(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}

// exampleTerms are those of a team with office hours in London, an emergency
// level for whom it names, and reporting duties whose intervals are placeholders:
// what applies to you is for you to find out.
func exampleTerms() sla.Terms {
	const office, always = "office hours", "always"
	duty := func(name string, within sla.Interval) sla.Clock {
		return sla.Clock{Name: name, Within: within, From: []sla.Moment{"aware"}, Until: []sla.Moment{sla.Moment(name + " sent")}, Fixed: true, Warn: sla.Real(4 * 60)}
	}
	standard := []sla.Clock{
		{Name: sla.Response, Within: sla.Business(60), Warn: sla.Business(15)},
		{Name: sla.KeepInLoop, Within: sla.Business(5 * 8 * 60), Warn: sla.Business(8 * 60)},
		{Name: sla.Resolve, Within: sla.Business(20 * 8 * 60), Warn: sla.Business(2 * 8 * 60)},
	}
	return sla.Terms{
		Calendars: []sla.Hours{
			{
				Name: office, Zone: "Europe/London", Week: sla.Weekdays("09:00-17:00"),
				Holidays: []sla.Holiday{{Date: "01-01", Name: "New Year's Day"}, {Date: "12-25", Name: "Christmas Day"}, {Date: "12-26", Name: "Boxing Day"}},
				Days:     []sla.Day{{Date: "12-24", Hours: []string{"09:00-12:00"}, Name: "Christmas Eve"}},
			},
			{Name: always, Zone: "UTC", Week: sla.EveryDay("00:00-24:00")},
		},
		Levels: []sla.Level{
			{Name: "standard", Calendar: office, Clocks: standard},
			{Name: "emergency", Calendar: always, Clocks: []sla.Clock{
				{Name: sla.Response, Within: sla.Real(30), Warn: sla.Real(10)},
				{Name: "next update", Within: sla.Real(4 * 60), From: []sla.Moment{sla.Inside}, Warn: sla.Real(30)},
				{Name: sla.Resolve, Within: sla.Real(3 * 24 * 60), Warn: sla.Real(6 * 60)},
			}},
			{Name: "reporting duty", Calendar: office, Clocks: slices.Concat(standard, []sla.Clock{
				duty("early warning", sla.Real(24*60)), duty("notification", sla.Real(72*60)), duty("final report", sla.Months(1)),
			})},
		},
		Moments: []sla.Moment{"aware", "early warning sent", "notification sent", "final report sent"},
		Choose:  []sla.Choice{{Constituency: "hospital", Level: "emergency"}},
		Default: "standard",
	}
}

package rdap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// Limits of an answer. Real ones have a depth of about 15 and some 2,000 values.
const (
	maxDepth  = 64
	maxValues = 20_000
)

// tree reads JSON into maps, slices and scalars, as far as it goes: with an
// error comes what stood before it. The first of two equal keys wins.
func tree(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	left := maxValues
	value, err := branch(d, 0, &left)
	if err == nil && d.More() {
		err = errors.New("something follows the answer")
	}
	return value, err
}

func branch(d *json.Decoder, depth int, left *int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	if *left--; *left < 0 {
		return nil, fmt.Errorf("more than %d values", maxValues)
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth == maxDepth {
		return nil, fmt.Errorf("more than %d levels", maxDepth)
	}
	object, list := map[string]any{}, []any{}
	for err == nil && d.More() {
		if delim == '[' {
			var v any
			v, err = branch(d, depth+1, left)
			list = append(list, v)
			continue
		}
		var key json.Token
		if key, err = d.Token(); err != nil {
			break
		}
		var v any
		v, err = branch(d, depth+1, left)
		name, _ := key.(string)
		if _, ok := object[name]; !ok {
			object[name] = v
		}
	}
	if err == nil {
		_, err = d.Token()
	}
	if delim == '[' {
		return list, err
	}
	return object, err
}

// text makes UTF-8 of an answer. JSON is UTF-8 (RFC 8259 8.1).
//
// QUIRK: some servers send UTF-16 with a mark, or windows-1252.
func text(data []byte) []byte {
	decoded := data
	switch {
	case bytes.HasPrefix(data, []byte{0xFE, 0xFF}), bytes.HasPrefix(data, []byte{0xFF, 0xFE}):
		decoded, _ = unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM).NewDecoder().Bytes(data)
	case bytes.HasPrefix(data, []byte{0xEF, 0xBB, 0xBF}):
		decoded = data[3:]
	case !utf8.Valid(data):
		decoded, _ = charmap.Windows1252.NewDecoder().Bytes(data)
	}
	return decoded
}

// object, array, str and strs read a value that may be of any type.
func object(v any) map[string]any { m, _ := v.(map[string]any); return m }
func array(v any) []any           { l, _ := v.([]any); return l }

func str(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func strs(v any) []string {
	var list []string
	for _, e := range array(v) {
		if s := str(e); s != "" {
			list = append(list, s)
		}
	}
	if s := str(v); s != "" {
		list = append(list, s)
	}
	return list
}

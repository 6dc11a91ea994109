package incident

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// ID is the number of a ticket, the one that stands in a subject tag
// ([A CSIRT #34159]). Stores give out 1, 2, 3 ...; [Desk] (0) is the desk
// itself and never a parent. Ids stay below 2^63, so that every SQL database
// can hold them.
type ID uint64

// Desk is the ID whose history holds what belongs to no ticket.
const Desk ID = 0

// MaxID is the largest ID that a store gives out.
const MaxID ID = 1<<63 - 1

// Nth stands for a ticket that does not exist yet: the n-th ticket (from 1)
// that the same list of commands opens. In JSON it is the string "$n". It is
// replaced before a command is decided and never reaches a store.
func Nth(n int) ID { return MaxID + 1 + ID(n) }

// Placeholder returns n when the ID was made by [Nth].
func (id ID) Placeholder() (n int, ok bool) {
	if id <= MaxID {
		return 0, false
	}
	return int(id - MaxID - 1), true
}

// String returns the number, or "$n" for a placeholder.
func (id ID) String() string {
	if n, ok := id.Placeholder(); ok {
		return "$" + strconv.Itoa(n)
	}
	return strconv.FormatUint(uint64(id), 10)
}

// MarshalJSON writes a number, or "$n" for a placeholder.
func (id ID) MarshalJSON() ([]byte, error) {
	if _, ok := id.Placeholder(); ok {
		return []byte(`"` + id.String() + `"`), nil
	}
	return []byte(id.String()), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (id *ID) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		parsed, err := ParseID(s)
		if err != nil {
			return err
		}
		*id = parsed
		return nil
	}
	n, err := strconv.ParseUint(string(b), 10, 63)
	if err != nil {
		return fmt.Errorf("incident: %s is no ticket number: allowed are whole numbers below 2^63 and \"$1\", \"$2\" ... for tickets opened by the same list of commands", b)
	}
	*id = ID(n)
	return nil
}

// ParseID reads a ticket number as people write it: 7, #7 or $1 (see [Nth]).
func ParseID(s string) (ID, error) {
	digits, placeholder := strings.CutPrefix(s, "$")
	if !placeholder {
		digits = strings.TrimPrefix(s, "#")
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || placeholder && (n == 0 || n > 1<<20) {
		return 0, fmt.Errorf("incident: %q is no ticket number: allowed are 7, #7 or $1", s)
	}
	if placeholder {
		return Nth(int(n)), nil
	}
	return ID(n), nil
}

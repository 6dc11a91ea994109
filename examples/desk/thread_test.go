package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// threadCase is a list of mails and which of them have one root, by their places
// from 1 on.
type threadCase struct {
	name   string
	mails  [][]byte
	groups [][]int
}

// bySubject are groups that RFC 5256 joins by nothing but the base subject
// (REFERENCES, step 5). A desk does not: two teams may report two things with one
// subject.
func bySubject() map[string]bool {
	return map[string]bool{"thread3 [1 2]": true, "thread4 [1 2]": true, "jwz [31 32]": true, "jwz [40 43]": true}
}

// TestCorpusThreads: same root, same ticket.
func TestCorpusThreads(t *testing.T) {
	folder := filepath.Join(corpus(t), "thread")
	cases := []threadCase{jwz(t, folder)}
	for _, name := range []string{"thread3", "thread4", "thread5", "thread7"} {
		cases = append(cases, imaptest(t, filepath.Join(folder, "imaptest"), name))
	}
	explained := bySubject()
	for _, c := range cases {
		w := openBench(newBench(t))
		on := make([]incident.ID, len(c.mails)+1)
		for i, raw := range c.mails {
			receipt, err := w.receive(raw)
			require.NoError(t, err)
			on[i+1] = receipt.Ticket
		}
		agreed, subject := 0, 0
		roots := map[incident.ID]string{}
		for _, group := range c.groups {
			key := fmt.Sprintf("%s %v", c.name, group)
			var ids []incident.ID
			for _, n := range group {
				ids = append(ids, on[n])
			}
			slices.Sort(ids)
			ids = slices.Compact(ids)
			for _, id := range ids {
				require.Empty(t, roots[id], "%s shares ticket %s with another root", key, id)
				roots[id] = key
			}
			switch {
			case len(ids) == 1:
				agreed++
			case explained[key]:
				subject++
				delete(explained, key)
			default:
				t.Errorf("%s: one root, tickets %v", key, ids)
			}
		}
		fmt.Printf("thread: %-8s %2d mails, %2d of %2d roots are one ticket each, %d joined by subject alone\n",
			c.name, len(c.mails), agreed, len(c.groups), subject)
	}
	require.Empty(t, explained, "explained, but no miss")
}

// TestCorpusLists counts what becomes of a real mailing list.
func TestCorpusLists(t *testing.T) {
	folder := filepath.Join(corpus(t), "thread")
	for _, name := range []string{"notmuch-default", "notmuch-ghost"} {
		w := openBench(newBench(t))
		perTicket := map[incident.ID]int{}
		n := 0
		require.NoError(t, filepath.WalkDir(filepath.Join(folder, name), func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			receipt, err := w.receive(raw)
			require.NoError(t, err, path)
			perTicket[receipt.Ticket]++
			n++
			return nil
		}))
		sizes := slices.Sorted(maps.Values(perTicket))
		slices.Reverse(sizes)
		fmt.Printf("thread: %s: %d mails became %d tickets, of sizes %v\n", name, n, len(perTicket), sizes)
	}
}

// imaptest reads a case of Dovecot's imaptest: the mails of an mbox and the first
// answer to THREAD REFERENCES.
func imaptest(t *testing.T, folder, name string) threadCase {
	answers, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	answer := regexp.MustCompile(`(?im)^\* thread (.*)$`).FindSubmatch(answers)
	require.NotNil(t, answer)
	box, err := os.ReadFile(filepath.Join(folder, name+".mbox"))
	require.NoError(t, err)
	c := threadCase{name: name, groups: threads(string(answer[1]))}
	for _, part := range regexp.MustCompile(`(?m)^From .*\r?\n`).Split(string(box), -1)[1:] {
		c.mails = append(c.mails, []byte(part))
	}
	most := 0
	for _, group := range c.groups {
		most = max(most, slices.Max(group))
	}
	c.mails = c.mails[:most] // those behind are for later steps of the case
	return c
}

// threads reads the answer to THREAD (RFC 5256 4): one group for each outermost
// pair of parentheses.
func threads(s string) [][]int {
	var groups [][]int
	depth := 0
	for _, token := range regexp.MustCompile(`[()]|\d+`).FindAllString(s, -1) {
		switch token {
		case "(":
			if depth++; depth == 1 {
				groups = append(groups, nil)
			}
		case ")":
			depth--
		default:
			n, _ := strconv.Atoi(token)
			groups[len(groups)-1] = append(groups[len(groups)-1], n)
		}
	}
	for _, group := range groups {
		slices.Sort(group)
	}
	return groups
}

// jwz reads Zawinski's test tree. Mails that are not in the tree, those of pure
// loops, are received and not compared.
func jwz(t *testing.T, folder string) threadCase {
	text, err := os.ReadFile(filepath.Join(folder, "jwz.json"))
	require.NoError(t, err)
	var file struct {
		Rows []struct {
			ID       string `json:"id"`
			Messages []struct {
				N          int      `json:"n"`
				Subject    string   `json:"subject"`
				MessageID  string   `json:"message_id"`
				Date       string   `json:"date"`
				References []string `json:"references"`
			} `json:"messages"`
			Tree string `json:"expected_tree"`
		} `json:"rows"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	c := threadCase{name: "jwz"}
	for _, row := range file.Rows {
		if row.ID != "references" {
			continue
		}
		group := map[string]int{} // subject: no subject stands below two roots
		groups := -1
		for line := range strings.Lines(row.Tree) {
			line = strings.TrimRight(line, "\n")
			if !strings.HasPrefix(line, " ") {
				groups++
			}
			group[strings.TrimSpace(line)] = groups
		}
		c.groups = make([][]int, groups+1)
		for _, m := range row.Messages {
			var raw bytes.Buffer
			fmt.Fprintf(&raw, "From: list@example.org\r\nSubject: %s\r\nMessage-ID: %s\r\nDate: %s\r\n", m.Subject, m.MessageID, m.Date)
			if len(m.References) > 0 {
				fmt.Fprintf(&raw, "References: %s\r\n", strings.Join(m.References, "\r\n "))
			}
			raw.WriteString("\r\ntext\r\n")
			c.mails = append(c.mails, raw.Bytes())
			require.Len(t, c.mails, m.N)
			if at, ok := group[m.Subject]; ok {
				c.groups[at] = append(c.groups[at], m.N)
			}
		}
	}
	require.NotEmpty(t, c.groups)
	return c
}

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

// before is the ticket that each event of TestFold meets.
func before() incident.Ticket {
	return incident.Ticket{
		ID: 7, Kind: incident.KindReport, Version: 4, Vocabulary: incident.Vocabulary, Status: "new", Phase: incident.Initial,
		State: "inspection requested", Owner: "handler:alice", Priority: 1, Constituency: "campus", Subject: "scan",
		Requestors: []incident.Party{{Address: "bob@example.org"}}, Cc: []incident.Party{{Address: "cc@example.org"}},
		Contacts: []incident.Party{{Address: "noc@example.org"}}, ExternalIDs: []string{"A-1"}, Parents: []incident.ID{3, 9},
		Observables: []incident.Observable{
			{Kind: incident.Address, Value: "192.0.2.7", Role: incident.RoleSource}, {Kind: incident.Host, Value: "example.org"},
		},
		Fields:  map[string][]string{"class": {"scan"}, "note": {"x"}},
		Created: at(0), Updated: at(1), Due: ptr(at(9)), Wake: ptr(at(8)),
		Messages: 1, OldestUnanswered: ptr(at(1)), LastOutside: ptr(at(1)),
		Held: &incident.Held{Reason: "two tags"}, MergedFrom: []incident.ID{5},
		Attention: []incident.Attention{{By: "handler:bob", Until: at(11)}, {By: "handler:carol", Until: at(14)}},
	}
}

// fold is an event and what it changes on before(), at 12 o'clock.
type fold struct {
	name  string
	event incident.Event
	want  func(t *incident.Ticket)
}

func folds() []fold {
	nothing := func(*incident.Ticket) {}
	noon, nine := at(12), at(9)

	edited := incident.Edited{
		Priority: ptr(5), Constituency: ptr("library"), State: ptr(incident.State("")), Started: ptr(at(2)), Wake: ptr(at(10)),
		Fields: map[string][]string{"class": nil, "severity": {"high", "low"}},
	}
	edited.Content = incident.EditedContent{
		Subject: ptr(""), Requestors: &[]incident.Party{{Address: "eve@example.org"}}, Cc: &[]incident.Party{},
		Contacts: &[]incident.Party{{Name: "N"}}, ExternalIDs: &[]string{"B-2"},
		Observables: []incident.Observable{
			{Kind: incident.Address, Value: "192.0.2.7", Role: incident.RoleTarget}, {Kind: incident.CVE, Value: "CVE-2014-0160"},
		},
		RemovedObservables: []incident.Observable{{Kind: incident.Host, Value: "example.org", Role: incident.RoleTarget}},
		Fields:             map[string][]string{"note": {"y"}},
	}
	cleared := incident.Edited{Clear: []string{"wake", "started", "no such date"}}
	full := incident.Opened{
		Kind: incident.KindBlock, Status: "active", Phase: incident.Active, State: "blocked", Owner: "handler:bob", Priority: 9,
		Constituency: "c", Parents: []incident.ID{9, 2, 9}, Via: "telephone", From: 4, Fields: map[string][]string{"a": {"1"}},
		Content: incident.OpenedContent{
			Subject: "s", Requestors: []incident.Party{{Address: "r@example.org"}}, Cc: []incident.Party{{Address: "c@example.org"}},
			Contacts: []incident.Party{{Address: "n@example.org"}}, ExternalIDs: []string{"X"},
			Observables: []incident.Observable{{Kind: incident.Host, Value: "h"}, {Kind: incident.Host, Value: "h", Role: incident.RoleSource}},
			Fields:      map[string][]string{"b": {"2"}},
		},
	}
	outside := incident.Message{Side: incident.Outside, Thread: "tag", Flags: []string{"stranger"}, Trust: incident.TrustKnown, Blobs: []incident.Digest{{1}}}
	outside.Content = incident.MessageEntity{
		MessageID: "1@example.org", InReplyTo: []string{"0@example.org"}, References: []string{"0@example.org"},
		From: incident.Party{Address: "bob@example.org"}, To: []incident.Party{{Address: "csirt@example.org"}}, Cc: []incident.Party{{Address: "x@example.org"}},
		Subject: "Re: scan", Date: ptr(at(3)), EnvelopeFrom: "bob@example.org", EnvelopeTo: []string{"csirt@example.org"},
		Observables: []incident.Observable{{Kind: incident.Host, Value: "new.example.org"}, {Kind: incident.Address, Value: "192.0.2.7"}},
		Findings:    []string{"no Date"}, Why: []string{"tag"},
		Attachments: []incident.Attachment{{Name: "fax.pdf", Type: "application/pdf", Size: 3, Blob: incident.Digest{2}}},
		Layers: []incident.Layer{{Protocol: "openpgp", Form: "mime", Where: "message", Whole: true, Encrypted: true, Decryption: incident.Decrypted, Recipients: []string{"A"},
			Signatures: []incident.Signature{{State: incident.SignatureGood, KeyID: "B", Fingerprint: "C", Signers: []string{"bob@example.org"}, Made: at(2), Signed: "D", Sender: true}}}},
		Authorship: []string{"bob@example.org signed it."},
		Sealed:     []incident.SealedCopy{{To: []string{"bob@example.org"}, Signed: true, Why: []string{"bob@example.org: missing"}, Blob: incident.Digest{3}}},
	}
	examined := incident.Examined{Version: 4, Trust: incident.TrustSigned, Content: incident.ExaminedContent{
		Subject: "s", Layers: outside.Content.Layers, Authorship: []string{"bob@example.org signed it."}, Findings: []string{"cut short"},
		Observables: []incident.Observable{{Kind: incident.Host, Value: "new.example.org"}},
	}}

	joined := incident.Joined{From: 12, Parents: []incident.ID{4, 9}, Children: []incident.ID{20}, Unanswered: ptr(at(0)), LastOutside: ptr(at(2)), LastInside: ptr(at(3))}
	joined.Content = incident.JoinedContent{
		Requestors: []incident.Party{{Address: "r@example.org"}}, Cc: []incident.Party{{Address: "c@example.org"}}, Contacts: []incident.Party{{Address: "n@example.org"}},
		ExternalIDs: []string{"X"}, Observables: []incident.Observable{{Kind: incident.Host, Value: "h"}},
	}
	byClock := incident.DueSet{Due: &nine, Clock: "response", Basis: &incident.Basis{
		Level: "gold", Why: "it was set", Start: "unanswered", From: ptr(at(3)), Calendar: "office", Zone: "Europe/Berlin",
		Agreed: "60 business minutes", Within: "30 business minutes", Priority: 100, OutOfHours: "10 minutes", PausedSeconds: 5,
		Clocks: []incident.Clock{{Name: "response", Level: "gold", From: at(3), Due: nine, Warn: ptr(at(8))}, {Name: "resolve", Level: "gold", From: at(0), Due: at(20)}},
	}}
	return []fold{
		{"opened", full, func(t *incident.Ticket) {
			t.Kind, t.Status, t.Phase, t.State, t.Owner, t.Priority = incident.KindBlock, "active", incident.Active, "blocked", "handler:bob", 9
			t.Constituency, t.Via, t.Subject, t.Parents, t.From = "c", "telephone", "s", []incident.ID{2, 9}, 4
			t.Requestors, t.Cc, t.Contacts = full.Content.Requestors, full.Content.Cc, full.Content.Contacts
			t.ExternalIDs, t.Fields = []string{"X"}, map[string][]string{"a": {"1"}, "b": {"2"}}
			t.Observables = []incident.Observable{{Kind: incident.Host, Value: "h", Role: incident.RoleSource}}
			t.Started = &noon // it never was in its initial phase
		}},
		{"moved to active", incident.Moved{From: "new", To: "open", Phase: incident.Active}, func(t *incident.Ticket) {
			t.Status, t.Phase, t.Started = "open", incident.Active, &noon
		}},
		{"moved to inactive", incident.Moved{From: "new", To: "rejected", Phase: incident.Inactive}, func(t *incident.Ticket) {
			t.Status, t.Phase, t.Started, t.Resolved = "rejected", incident.Inactive, &noon, &noon
		}},
		{"moved within initial", incident.Moved{From: "new", To: "waiting", Phase: incident.Initial}, func(t *incident.Ticket) { t.Status = "waiting" }},
		{"owned", incident.Owned{From: "handler:alice", To: "handler:bob"}, func(t *incident.Ticket) { t.Owner = "handler:bob" }},
		{"released", incident.Owned{From: "handler:alice"}, func(t *incident.Ticket) { t.Owner = incident.Nobody }},
		{"linked", incident.Linked{Parent: 5}, func(t *incident.Ticket) { t.Parents = []incident.ID{3, 5, 9} }},
		{"linked again", incident.Linked{Parent: 9}, nothing},
		{"unlinked", incident.Unlinked{Parent: 3}, func(t *incident.Ticket) { t.Parents = []incident.ID{9} }},
		{"unlinked from no parent", incident.Unlinked{Parent: 4}, nothing},
		{"edited", edited, func(t *incident.Ticket) {
			t.Priority, t.Constituency, t.State, t.Started, t.Wake = 5, "library", "", ptr(at(2)), ptr(at(10))
			t.Subject, t.Requestors, t.Cc = "", []incident.Party{{Address: "eve@example.org"}}, []incident.Party{}
			t.Contacts, t.ExternalIDs = []incident.Party{{Name: "N"}}, []string{"B-2"}
			t.Observables = []incident.Observable{
				{Kind: incident.Address, Value: "192.0.2.7", Role: incident.RoleTarget}, {Kind: incident.CVE, Value: "CVE-2014-0160"},
			}
			t.Fields = map[string][]string{"note": {"y"}, "severity": {"high", "low"}}
		}},
		{"edited nothing", incident.Edited{}, nothing},
		{"cleared", cleared, func(t *incident.Ticket) { t.Wake = nil }},
		{"observed", incident.Observed{
			Feed: "f k", Added: 1, Count: 2, First: ptr(at(1)), Last: ptr(at(2)), Full: true, Beyond: true, Blobs: []incident.Digest{{1}},
			Content: incident.ObservedContent{Observations: []incident.Observation{{ID: "7", Kind: "scan"}}, Kept: []string{"a", "b"}},
		}, func(t *incident.Ticket) {
			t.Observations = &incident.Observations{Feed: "f k", Count: 2, First: ptr(at(1)), Last: ptr(at(2)), Beyond: true, Bound: "b"}
		}},
		{"imported", incident.Imported{
			Import: "i", Format: "csv", Feed: "f", Part: 2, Tally: incident.Tally{Observations: 1, Kept: 1}, Done: true, Again: true,
			Content: incident.ImportedContent{Name: "a.csv", Reasons: []string{"no"}}, Blobs: []incident.Digest{{2}},
		}, func(t *incident.Ticket) { t.Kind = incident.KindDesk }},
		{"settled", incident.Settled{As: incident.MailReleased, Mails: []incident.Outgoing{{Version: 3, Number: 1}}}, nothing},
		{"message from outside", outside, func(t *incident.Ticket) {
			t.Messages, t.LastOutside = 2, &noon // the oldest unanswered stays, and so does a known role
			t.Observables = append(t.Observables, incident.Observable{Kind: incident.Host, Value: "new.example.org"})
		}},
		{"message from outside, earlier", incident.Message{Side: incident.Outside, When: ptr(at(0))}, func(t *incident.Ticket) {
			t.Messages, t.OldestUnanswered = 2, ptr(at(0))
		}},
		{"message from inside", incident.Message{Side: incident.Inside}, func(t *incident.Ticket) { t.Messages, t.LastInside = 2, &noon }},
		{"answer", incident.Message{Side: incident.Inside, Sent: true, Answers: true}, func(t *incident.Ticket) {
			t.Messages, t.LastInside, t.OldestUnanswered = 2, &noon, nil
		}},
		{"machine", incident.Message{Side: incident.Outside, Machine: true}, func(t *incident.Ticket) { t.Messages = 2 }},
		{"commented", incident.Commented{Blobs: []incident.Digest{{9}}}, nothing},
		{"due", incident.DueSet{Due: &nine, Child: 8, Clock: "response"}, func(t *incident.Ticket) { t.Due = &nine }},
		{"due unset", incident.DueSet{}, func(t *incident.Ticket) { t.Due = nil }},
		{"due by a clock", byClock, func(t *incident.Ticket) { t.Due, t.Clocks, t.DueByClock = &nine, byClock.Basis.Clocks, true }},
		{"due by a clock no more", incident.DueSet{Due: &nine, Basis: &incident.Basis{Why: "no level"}}, func(t *incident.Ticket) { t.Due = &nine }},
		{"warned", incident.Warned{Clock: "response", Level: "gold", From: at(3), Due: at(9)}, func(t *incident.Ticket) {
			t.Alarms = []incident.Alarm{{Clock: "response", From: at(3), Due: at(9)}}
		}},
		{"breached", incident.Breached{Clock: "response", Level: "gold", From: at(3), Due: at(9)}, func(t *incident.Ticket) {
			t.Alarms = []incident.Alarm{{Clock: "response", From: at(3), Due: at(9), Breach: true}}
		}},
		{"held", incident.Held{Reason: "unknown tag", Candidates: []incident.ID{1, 2}}, func(t *incident.Ticket) {
			t.Held = &incident.Held{Reason: "unknown tag", Candidates: []incident.ID{1, 2}}
		}},
		{"delivered", incident.Delivered{Outcome: incident.Attached, To: 3}, func(t *incident.Ticket) { t.Held = nil }},
		{"merged into", incident.Merged{Into: 11}, func(t *incident.Ticket) { t.MergedInto = 11 }},
		{"merged from", incident.Merged{From: 12}, func(t *incident.Ticket) { t.MergedFrom = []incident.ID{5, 12} }},
		{"merged from it again", incident.Merged{From: 5}, nothing},
		{"merged, was open", incident.Merged{Into: 11, Status: "open"}, func(t *incident.Ticket) { t.MergedInto = 11 }},
		{"joined", joined, func(t *incident.Ticket) {
			t.MergedFrom, t.Parents = []incident.ID{5, 12}, []incident.ID{3, 4, 9}
			t.Requestors = append(t.Requestors, incident.Party{Address: "r@example.org"})
			t.Cc = append(t.Cc, incident.Party{Address: "c@example.org"})
			t.Contacts = append(t.Contacts, incident.Party{Address: "n@example.org"})
			t.ExternalIDs = append(t.ExternalIDs, "X")
			t.Observables = append(t.Observables, incident.Observable{Kind: incident.Host, Value: "h"})
			t.OldestUnanswered, t.LastOutside, t.LastInside = ptr(at(0)), ptr(at(2)), ptr(at(3))
		}},
		{"joined nothing new", incident.Joined{From: 5, Parents: []incident.ID{3}, Unanswered: ptr(at(2)), LastOutside: ptr(at(0))}, nothing},
		{"unmerged from", incident.Unmerged{From: 5, Unanswered: &nine}, func(t *incident.Ticket) { t.MergedFrom, t.OldestUnanswered = nil, &nine }},
		{"unmerged from another", incident.Unmerged{From: 6}, func(t *incident.Ticket) { t.OldestUnanswered = nil }},
		{"unmerged", incident.Unmerged{Into: 3}, nothing},
		{"pinned", incident.DueSet{Due: &nine, Pinned: true}, func(t *incident.Ticket) { t.Due, t.Pinned = &nine, true }},
		{"overdue", incident.Overdue{Due: nine}, func(t *incident.Ticket) { t.OverdueNoted = &nine }},
		{"reacted", incident.Reacted{Reaction: "push-routes", Version: 4, Attempt: 2, Outcome: incident.ReactionGivenUp, Why: "exit status 3", Blobs: []incident.Digest{{8}}}, nothing},
		{"undelivered", incident.Undelivered{Version: 4, Number: 1, Notice: true, Attempt: 2, Outcome: incident.MailFailed, Code: 550, Enhanced: "5.1.1",
			Content: incident.UndeliveredContent{To: "bob@example.org", Why: "550 5.1.1 bob@example.org: nobody"}}, nothing},
		{"notified", incident.Notified{To: "handler:bob", About: "an answer", Content: incident.NotifiedContent{Party: incident.Party{Address: "bob@example.net"}},
			Blobs: []incident.Digest{{3}}}, nothing},
		{"attended", incident.Attended{By: "handler:alice", Until: ptr(at(13))}, func(t *incident.Ticket) { // bob's time is over
			t.Attention = []incident.Attention{{By: "handler:carol", Until: at(14)}, {By: "handler:alice", Until: at(13)}}
		}},
		{"attended longer", incident.Attended{By: "handler:carol", Until: ptr(at(15))}, func(t *incident.Ticket) {
			t.Attention = []incident.Attention{{By: "handler:carol", Until: at(15)}}
		}},
		{"attended no more", incident.Attended{By: "handler:carol"}, func(t *incident.Ticket) { t.Attention = nil }},
		{"attended no more, by somebody who did not", incident.Attended{By: "handler:dave"}, func(t *incident.Ticket) {
			t.Attention = []incident.Attention{{By: "handler:carol", Until: at(14)}}
		}},
		{"attended by nobody any more", incident.Attended{}, func(t *incident.Ticket) { t.Attention = nil }},
		{"adopted", incident.Adopted{Document: "policy", Name: "ours", Version: 2, Blobs: []incident.Digest{{3}}}, func(t *incident.Ticket) { t.Kind = incident.KindDesk }},
		{"bounced", incident.Bounced{Ticket: 5, Mail: 3, Notice: true, Action: "failed", Reason: "mailbox", Status: "5.1.1",
			Content: incident.BouncedContent{Address: "bob@example.org", Diagnostic: "no such user"}}, nothing},
		{"address marked", incident.AddressMarked{Ticket: 5, Version: 4, Reason: "mailbox", Status: "5.1.1",
			Content: incident.AddressContent{Address: "bob@example.org"}}, func(t *incident.Ticket) { t.Kind = incident.KindDesk }},
		{"address cleared", incident.AddressCleared{Content: incident.AddressContent{Address: "bob@example.org"}},
			func(t *incident.Ticket) { t.Kind = incident.KindDesk }},
		{"call", incident.Commented{Content: incident.CommentedContent{Call: &incident.Call{Direction: incident.CallOut, Person: "Bob", Number: "+44 1", Left: "ring back"}},
			Blobs: []incident.Digest{{9}}}, nothing},
		{"received again", incident.ReceivedAgain{Same: "message", Content: incident.ReceivedAgainContent{
			MessageID: "1@example.org", EnvelopeFrom: "b@example.org", EnvelopeTo: []string{"c@example.org"}}, Blobs: []incident.Digest{{3}}}, nothing},
		{"examined", examined, func(t *incident.Ticket) {
			t.Observables = append(t.Observables, incident.Observable{Kind: incident.Host, Value: "new.example.org"})
		}},
		{"skipped", incident.Skipped{Rule: "close children", Command: "move", Why: "not allowed"}, nothing},
		{"redacted", incident.Redacted{Version: 1, From: incident.Digest{1}, To: incident.Digest{2}, Why: "asked for"}, nothing},
		{"custom", incident.Custom{Name: "ours", Data: []byte(`{"a":[1]}`), Content: []byte(`{"b":"c"}`), Blobs: []incident.Digest{{4}}}, nothing},
		{"unknown", incident.Unknown{Name: "of-tomorrow", Data: []byte("{ \"a\" :1.50}"), Content: []byte(" [ ]"), Blobs: []incident.Digest{{5}}}, nothing},
	}
}

// TestFold encodes each event, decodes it to the same, and folds it.
func TestFold(t *testing.T) {
	seen := map[string]bool{}
	for _, test := range folds() {
		seen[test.event.Type()] = true
		t.Run(test.name, func(t *testing.T) {
			r := incident.Record{Ticket: 7, Version: 5, At: at(12), Hash: incident.Digest{5}}
			require.NoError(t, r.Encode(test.event))
			assert.Equal(t, test.event.Type(), r.Type)
			back, err := incident.Decode(r)
			require.NoError(t, err)
			assert.Equal(t, test.event, back)

			want := before()
			want.Version, want.Hash, want.Updated = 5, r.Hash, at(12)
			test.want(&want)
			assert.Equal(t, want, incident.Apply(before(), r))
		})
	}
	for _, name := range typeNames() {
		assert.True(t, seen[name], "no case for event %s", name)
	}
}

// typeNames are the types released so far: they only grow.
func typeNames() []string {
	return []string{"opened", "moved", "owned", "linked", "unlinked", "edited", "message", "commented", "due", "held",
		"delivered", "merged", "received-again", "skipped", "redacted", "custom", "warned", "breached",
		"overdue", "joined", "unmerged", "notified", "adopted", "examined", "attended", "reacted", "bounced", "address-marked", "address-cleared", "undelivered"}
}

func TestTypeNames(t *testing.T) {
	for _, name := range typeNames() {
		ev, err := incident.Decode(incident.Record{Type: name, Data: []byte(`{}`)})
		require.NoError(t, err)
		assert.Equal(t, name, ev.Type(), "decoding %s gives a %T", name, ev)
		_, unknown := ev.(incident.Unknown)
		assert.False(t, unknown, name)
	}
}

// Names and addresses are not in Data, which is kept for ever.
func TestContentIsErasable(t *testing.T) {
	for _, test := range folds() {
		var r incident.Record
		require.NoError(t, r.Encode(test.event))
		assert.NotContains(t, string(r.Data), "@", test.name)
		if test.event.Type() == "unknown" {
			continue
		}
		r.Content, r.Blobs = nil, nil
		_, err := incident.Decode(r)
		require.NoError(t, err, "%s: erased content gives the zero content", test.name)
	}
}

func TestFirstRecordGivesTheNumber(t *testing.T) {
	r := incident.Record{Ticket: 7, Version: 1, At: at(3)}
	require.NoError(t, r.Encode(opened("scan")))
	ticket := incident.Apply(incident.Ticket{}, r)
	assert.EqualValues(t, 7, ticket.ID)
	assert.Equal(t, at(3), ticket.Created)
	assert.Equal(t, at(3), ticket.Updated)
	assert.Nil(t, ticket.Started, "it is in its initial phase")
}

func TestStartedOnceResolvedEachTime(t *testing.T) {
	move := func(to incident.Status, phase incident.Phase) incident.Event {
		return incident.Moved{To: to, Phase: phase}
	}
	ticket := incident.Fold(chain(t, opened("scan"),
		move("open", incident.Active), move("resolved", incident.Inactive), move("open", incident.Active), move("resolved", incident.Inactive)))
	assert.Equal(t, at(1), *ticket.Started)
	assert.Equal(t, at(4), *ticket.Resolved)
	again := incident.Fold(chain(t, opened("scan"), move("resolved", incident.Inactive), move("open", incident.Active)))
	assert.Equal(t, at(1), *again.Resolved, "kept when it is opened again")
}

func TestLaterMessagesDoNotMoveDatesBack(t *testing.T) {
	outside := func(when *time.Time) incident.Event { return incident.Message{Side: incident.Outside, When: when} }
	ticket := incident.Fold(chain(t, opened("scan"), outside(nil), outside(ptr(at(0)))))
	assert.Equal(t, at(1), *ticket.LastOutside)
	assert.Equal(t, at(0), *ticket.OldestUnanswered)
	assert.Equal(t, 2, ticket.Messages)
}

// Whatever zone and precision an event was written with, tickets hold UTC and
// microseconds.
func TestFoldKeepsMoments(t *testing.T) {
	odd := time.Date(2026, 3, 1, 10, 0, 0, 123_456_789, time.FixedZone("CET", 3600))
	ticket := incident.Fold(chain(t, opened("scan"),
		incident.DueSet{Due: &odd}, incident.Edited{Started: &odd, Wake: &odd}, incident.Message{Side: incident.Outside, When: &odd}))
	for _, date := range []*time.Time{ticket.Due, ticket.Started, ticket.Wake, ticket.LastOutside, ticket.OldestUnanswered} {
		assert.Equal(t, incident.Moment(odd), *date)
		assert.Equal(t, time.UTC, date.Location())
	}
	local := next(t, ticket, 5, incident.Owned{})
	local.At = local.At.In(odd.Location())
	ticket, err := incident.Extend(ticket, local)
	require.NoError(t, err)
	assert.Equal(t, at(5), ticket.Updated)
}

// Apply changes no memory that the ticket before refers to.
func TestApplyWritesToNothing(t *testing.T) {
	for _, test := range folds() {
		old := before()
		// Room behind each list: an append in place would be seen by others.
		old.Parents = append(make([]incident.ID, 0, 9), old.Parents...)
		old.MergedFrom = append(make([]incident.ID, 0, 9), old.MergedFrom...)
		old.Observables = append(make([]incident.Observable, 0, 9), old.Observables...)
		r := incident.Record{Ticket: 7, Version: 5, At: at(12)}
		require.NoError(t, r.Encode(test.event))
		now := incident.Apply(old, r)
		assert.Equal(t, before(), old, test.name)
		assert.Zero(t, old.Parents[:9][len(old.Parents)], test.name)
		assert.Zero(t, old.MergedFrom[:9][len(old.MergedFrom)], test.name)
		assert.Zero(t, old.Observables[:9][len(old.Observables)], test.name)
		_ = now
	}
}

func TestUnknownSurvives(t *testing.T) {
	r := incident.Record{Type: "of-tomorrow", Data: []byte("{ \"a\" : 1.50 }"), Content: []byte("\tnull"), Blobs: []incident.Digest{{1}, {2}}}
	ev, err := incident.Decode(r)
	require.NoError(t, err)
	require.IsType(t, incident.Unknown{}, ev)
	var back incident.Record
	require.NoError(t, back.Encode(ev))
	assert.Equal(t, r, back)
}

func TestNearMisses(t *testing.T) {
	misses := []incident.NearMiss{{Rule: "reopen", Why: "not closed"}, {Rule: "due", Why: "no \"clock\""}}
	for _, test := range folds() {
		if _, unknown := test.event.(incident.Unknown); unknown {
			continue
		}
		var plain, r incident.Record
		require.NoError(t, plain.Encode(test.event))
		require.NoError(t, r.Encode(test.event, misses...))
		assert.True(t, json.Valid(r.Data), "%s: %s", test.name, r.Data)
		assert.Equal(t, misses, r.NearMisses(), test.name)
		assert.Empty(t, plain.NearMisses(), test.name)
		assert.Equal(t, plain.Content, r.Content)
		back, err := incident.Decode(r)
		require.NoError(t, err)
		assert.Equal(t, test.event, back, "near misses change nothing of the event")
	}
	assert.Nil(t, incident.Record{Data: []byte("not JSON")}.NearMisses())
}

func TestDecodeRefuses(t *testing.T) {
	for _, name := range typeNames() {
		for _, data := range []string{"", "not JSON", `"text"`, `[1]`, `{} {}`} {
			_, err := incident.Decode(incident.Record{Type: name, Data: []byte(data)})
			require.ErrorIs(t, err, incident.ErrMalformed, "%s %q", name, data)
			assert.Contains(t, err.Error(), name)
		}
	}
	for _, name := range []string{"opened", "edited", "message", "received-again", "examined"} {
		_, err := incident.Decode(incident.Record{Type: name, Data: []byte(`{}`), Content: []byte(`[`)})
		require.ErrorIs(t, err, incident.ErrMalformed, name)
	}
	require.Error(t, new(incident.Record).Encode(incident.Custom{Data: []byte("not JSON")}))
}

// The JSON of a record has the bytes that its digest is of, whatever JSON a
// program put into its event.
func TestCustomContent(t *testing.T) {
	var r incident.Record
	require.Error(t, r.Encode(incident.Custom{Content: []byte("not JSON")}))
	require.NoError(t, r.Encode(incident.Custom{Content: []byte(`{ "a": "<" }`)}))
	text, err := json.Marshal(r)
	require.NoError(t, err)
	var back incident.Record
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, string(r.Content), string(back.Content))
	require.NoError(t, r.Encode(incident.Custom{}))
	require.Nil(t, r.Content)
}

// A record that does not decode moves the ticket's version and date only.
func TestApplyIsTotal(t *testing.T) {
	for _, name := range append(typeNames(), "of-tomorrow", "") {
		r := incident.Record{Ticket: 7, Version: 5, At: at(12), Hash: incident.Digest{5}, Type: name, Data: []byte(`{"parent":"x"`)}
		want := before()
		want.Version, want.Hash, want.Updated = 5, r.Hash, at(12)
		assert.Equal(t, want, incident.Apply(before(), r), name)
	}
}

func fuzzSeeds(f *testing.F) {
	f.Helper()
	for _, test := range folds() {
		var r incident.Record
		if err := r.Encode(test.event); err != nil {
			f.Fatal(err)
		}
		f.Add(r.Type, []byte(r.Data), []byte(r.Content))
		f.Add(r.Type, []byte(`null`), []byte(`null`))
		f.Add(r.Type, []byte(`{"observables":[{}],"parents":[18446744073709551615]}`), []byte(`{"fields":{"":null}}`))
	}
}

// FuzzApply folds whatever a database may hold: without a panic, without
// touching the ticket before, and twice to the same.
func FuzzApply(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, name string, data, content []byte) {
		r := incident.Record{Ticket: 7, Version: 5, At: at(12), Type: name, Data: data, Content: content}
		old := before()
		now := incident.Apply(old, r)
		if !reflect.DeepEqual(old, before()) {
			t.Error("Apply wrote to the ticket before")
		}
		if now.ID != 7 || now.Version != 5 || !now.Updated.Equal(at(12)) {
			t.Errorf("Apply gives version %d of ticket %s", now.Version, now.ID)
		}
		if !reflect.DeepEqual(now, incident.Apply(old, r)) {
			t.Error("Apply gives something else the second time")
		}
		if !reflect.DeepEqual(now, now.Clone()) {
			t.Error("Clone gives another ticket")
		}
		for _, o := range now.Observables { // methods hold on to hostile values
			o.Key()
			o.Network()
			o.Domain()
		}
	})
}

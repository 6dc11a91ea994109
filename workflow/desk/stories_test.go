package desk_test

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

func janetStory(w *world) {
	t := w.t
	report := w.receive("bob@example.org", "Scan", "Message-ID: <1@example.org>\r\n").Ticket
	w.status(workflow.StatusNew, report)
	require.Equal(t, incident.Nobody, w.ticket(report).Owner)

	opened := w.do(workflow.Take{Ticket: report},
		workflow.Open{Kind: incident.KindIncident, Subject: "Borchester root compromise", Fields: classified},
		workflow.Link{Ticket: report, Parent: incident.Nth(1)},
		workflow.Open{Kind: incident.KindInvestigation, Subject: "Compromise", Parents: []incident.ID{incident.Nth(1)},
			Requestors: []incident.Party{{Address: "noc@example.com"}}, Text: "Please find the computer."},
	).Opened
	inc, inv := opened[0], opened[1]
	w.status(workflow.StatusOpen, report)

	w.do(workflow.Move{Ticket: inc, To: "resolved"})
	w.status(workflow.StatusResolved, report, inv)

	answer := w.receive("noc@example.com", fmt.Sprintf("Re: [A CSIRT #%s] Compromise", inv), "Message-ID: <2@example.com>\r\n")
	require.Equal(t, inv, answer.Ticket)
	w.status(workflow.StatusOpen, inv, inc)
	first := w.at()
	w.due(first, inv, inc)

	w.receive("noc@example.com", fmt.Sprintf("Re: [A CSIRT #%s] Compromise", inv), "Message-ID: <3@example.com>\r\n")
	w.due(first, inc) // chasing does not move it

	w.do(workflow.Reply{Ticket: inv, Text: "Thank you."})
	w.due(nil, inv, inc)
}

func closeByMap(w *world) {
	for to, want := range map[incident.Status]struct{ report, investigation, block incident.Status }{
		"resolved":  {"resolved", "resolved", "removed"},
		"abandoned": {"rejected", "resolved", "removed"},
	} {
		inc := w.incident()
		done := w.child(incident.KindReport, inc)
		w.do(workflow.Move{Ticket: done, To: "resolved"})
		report, inv := w.child(incident.KindReport, inc), w.child(incident.KindInvestigation, inc)
		pending, active := w.child(incident.KindBlock, inc), w.child(incident.KindBlock, inc)
		w.do(workflow.Move{Ticket: active, To: "active"})
		version := w.ticket(done).Version

		w.do(workflow.Move{Ticket: inc, To: to})
		w.status(to, inc)
		w.status(want.report, report)
		w.status(want.investigation, inv)
		w.status(want.block, pending, active)
		w.status("resolved", done)
		require.Equal(w.t, version, w.ticket(done).Version, "a closed child is left alone")
		_, moved := w.last(report, "moved")
		require.Equal(w.t, "close", moved.Command)
		require.Equal(w.t, "close-children", moved.Cause.Rule)
		require.Equal(w.t, inc, moved.Cause.Ticket)
	}
}

func sharedReport(w *world) {
	one, two := w.incident(), w.incident()
	report := w.child(incident.KindReport, one, two)
	own := w.child(incident.KindInvestigation, one)
	w.do(workflow.Move{Ticket: one, To: "abandoned"})
	w.status("open", report, two)
	w.status("resolved", own)
	skipped, record := w.last(report, "skipped")
	require.Equal(w.t, incident.Skipped{Rule: "close-children", Command: "close", Why: fmt.Sprintf("incident %s, which is open, holds it too", two)}, skipped)
	require.Equal(w.t, one, record.Cause.Ticket)
	w.do(workflow.Move{Ticket: two, To: "resolved"})
	w.status("resolved", report)
}

func incidentDue(w *world) {
	inc := w.incident()
	first, second := w.child(incident.KindReport, inc), w.child(incident.KindInvestigation, inc)
	early, late := hours(w, 1), hours(w, 2)
	w.do(workflow.Edit{Ticket: second, Due: late})
	w.due(late, inc)
	set, record := w.last(inc, "due")
	require.Equal(w.t, incident.DueSet{Due: late, Child: second}, set)
	require.Equal(w.t, incident.Cause{Rule: "incident-due", Ticket: second, Version: w.ticket(second).Version}, record.Cause)

	w.do(workflow.Edit{Ticket: first, Due: early}, workflow.Comment{Ticket: first, Text: "Rang."})
	w.due(early, inc)
	_, record = w.last(inc, "due")
	require.Equal(w.t, w.ticket(first).Version-1, record.Cause.Version, "the cause is the due date, not the comment after it")

	w.do(workflow.Edit{Ticket: first, Clear: []string{"due"}})
	w.due(late, inc)
	w.do(workflow.Edit{Ticket: first, Due: early})
	w.do(workflow.Move{Ticket: first, To: "resolved"}) // closing the nearest
	w.due(late, inc)
	w.do(workflow.Unlink{Ticket: second, Parent: inc}) // the last one leaves
	w.due(nil, inc)
	require.Empty(w.t, w.ticket(second).Parents)
	w.do(workflow.Link{Ticket: second, Parent: inc})
	w.due(late, inc)
	w.do(workflow.Move{Ticket: inc, To: "resolved"})
	w.due(nil, inc)
	w.due(late, second) // kept, but it counts no more
	require.ErrorContains(w.t, w.refused(workflow.Edit{Ticket: inc, Due: early}), "edit that of a report, investigation or block")
}

func reopenByReply(w *world) {
	resolved, abandoned := w.incident(), w.incident()
	report := w.child(incident.KindReport, resolved, abandoned)
	w.do(workflow.Move{Ticket: resolved, To: "resolved"}, workflow.Move{Ticket: abandoned, To: "abandoned"})
	w.status("rejected", report)
	w.answer(report)
	w.status("open", report, resolved, abandoned)
	w.due(w.at(), report, resolved, abandoned)
	moved, record := w.last(resolved, "moved")
	require.Equal(w.t, incident.Moved{From: "resolved", To: "open", Phase: incident.Active}, moved)
	require.Equal(w.t, "reopen-parents", record.Cause.Rule)
	require.Equal(w.t, incident.Correspondent, record.By)

	for kind, to := range map[incident.Kind]struct{ closed, open incident.Status }{
		incident.KindReport:        {"resolved", "open"},
		incident.KindInvestigation: {"resolved", "open"},
		incident.KindBlock:         {"removed", "active"},
	} {
		inc := w.incident()
		child := w.child(kind, inc)
		w.do(workflow.Move{Ticket: inc, To: "resolved"})
		w.status(to.closed, child)
		w.answer(child)
		w.status(to.open, child)
		w.status("open", inc)
	}
}

func machineMail(w *world) {
	inc := w.incident()
	inv := w.child(incident.KindInvestigation, inc)
	w.do(workflow.Move{Ticket: inc, To: "resolved"})
	for _, sign := range []string{
		"Auto-Submitted: auto-replied\r\n", "Precedence: bulk\r\n", "X-Airtight-Desk: A CSIRT\r\n", "Return-Path: <>\r\n",
	} {
		before := w.ticket(inv)
		receipt := w.receive("bob@example.org", tagged(inv), sign)
		require.Equal(w.t, inv, receipt.Ticket)
		require.True(w.t, receipt.Machine)
		w.status("resolved", inv, inc)
		w.due(nil, inv, inc)
		require.Nil(w.t, w.ticket(inv).OldestUnanswered)
		require.Equal(w.t, before.Version+1, w.ticket(inv).Version, "one record: the message")
		message, record := w.last(inv, "message")
		require.True(w.t, message.(incident.Message).Machine)
		require.NotEmpty(w.t, message.(incident.Message).Flags)
		require.Equal(w.t, []incident.NearMiss{
			{Rule: "reopen-on-reply", Why: "a machine wrote the message"}, {Rule: "due-on-reply", Why: "a machine wrote the message"},
		}, record.NearMisses())
	}
}

func oldestUnanswered(w *world) {
	inc := w.incident()
	inv := w.child(incident.KindInvestigation, inc)
	w.answer(inv)
	first := w.at()
	w.answer(inv)
	w.due(first, inv, inc)
	w.do(workflow.Edit{Ticket: inv, Due: hours(w, 9)})
	w.answer(inv)
	w.due(first, inv, inc)
	w.do(workflow.Reply{Ticket: inv, Text: "Thank you."})
	w.due(nil, inv, inc)
	set, record := w.last(inv, "due")
	require.Equal(w.t, incident.DueSet{Clock: workflow.ClockAnswered}, set)
	require.Equal(w.t, "due-after-reply", record.Cause.Rule)
	require.Nil(w.t, w.ticket(inv).OldestUnanswered)
	w.answer(inv)
	w.due(w.at(), inv, inc)
}

func teamAnswers(w *world) {
	inv := w.child(incident.KindInvestigation, w.incident())
	w.answer(inv)
	w.due(w.at(), inv)
	waiting := w.at()
	// To the desk alone it is a note, and answers nobody.
	receipt := w.receive("carol@example.net", tagged(inv), "")
	require.Equal(w.t, inv, receipt.Ticket)
	w.due(waiting, inv)
	w.receive("carol@example.net", tagged(inv), "Cc: Bob <BOB@example.org>\r\nAuto-Submitted: auto-replied\r\n")
	w.due(waiting, inv) // out of office is no answer
	w.receive("carol@example.net", tagged(inv), "Cc: Bob <BOB@example.org>\r\n")
	w.due(nil, inv)
	message, record := w.last(inv, "message")
	require.Equal(w.t, incident.Inside, message.(incident.Message).Side)
	require.True(w.t, message.(incident.Message).Answers)
	require.Equal(w.t, incident.Actor("handler:carol"), record.By)
}

func heldToChild(w *world) {
	inc := w.incident()
	inv := w.child(incident.KindInvestigation, inc)
	w.do(workflow.Move{Ticket: inc, To: "resolved"})
	receipt := w.receive("bob@example.org", fmt.Sprintf("Re: [A CSIRT #%s] and [A CSIRT #%s]", inv, inc), "Message-ID: <held@example.org>\r\n")
	held, received := receipt.Ticket, w.at()
	require.True(w.t, receipt.Held)
	require.ElementsMatch(w.t, []incident.ID{inv, inc}, w.ticket(held).Held.Candidates)
	require.Nil(w.t, w.ticket(held).Due)

	w.do(workflow.Deliver{Ticket: held, To: inv})
	require.Equal(w.t, "opened message held delivered merged moved", w.types(held))
	require.Equal(w.t, inv, w.ticket(held).MergedInto)
	require.Nil(w.t, w.ticket(held).Held)
	w.status("resolved", held)
	require.Equal(w.t, []incident.ID{held}, w.ticket(inv).MergedFrom)
	message, record := w.last(inv, "message")
	require.Equal(w.t, received, message.(incident.Message).When, "it was received then, not when it was delivered")
	require.Equal(w.t, "append-delivered", record.Cause.Rule)
	w.status("open", inv, inc)
	w.due(received, inv, inc)
	body, err := w.alice.Body(ctx, inv, record.Version)
	require.NoError(w.t, err)
	require.Contains(w.t, string(body), "<held@example.org>")

	// Later mail for the held number, and answers to the held message, follow.
	require.Equal(w.t, inv, w.receive("bob@example.org", tagged(held), "").Ticket)
	require.Equal(w.t, inv, w.receive("bob@example.org", "Re: Scan", "In-Reply-To: <held@example.org>\r\n").Ticket)
	require.ErrorContains(w.t, w.refused(workflow.Comment{Ticket: held, Text: "x"}), fmt.Sprintf("merged into ticket %s: work on that one", inv))
}

func reminder(w *world) {
	inc := w.incident()
	report, early, closed := w.child(incident.KindReport, inc), w.child(incident.KindReport, inc), w.child(incident.KindReport)
	wake := hours(w, 5)
	w.do(workflow.Edit{Ticket: report, Wake: wake}, workflow.Edit{Ticket: closed, Wake: wake}, workflow.Move{Ticket: closed, To: "rejected"},
		workflow.Edit{Ticket: early, Wake: wake, Due: hours(w, 1)})
	sweep := func(want int) {
		done, err := w.desk.Sweep(ctx, 10)
		require.NoError(w.t, err)
		require.Equal(w.t, want, done)
		w.verify()
	}
	sweep(0)
	w.now = *wake
	sweep(4) // and the incident, whose due date has passed
	sweep(0)
	w.due(wake, report)
	w.due(nil, closed)
	w.due(w.ticket(early).Due, inc)
	require.NotEqual(w.t, wake, w.ticket(early).Due, "it was due before")
	set, record := w.last(report, "due")
	require.Equal(w.t, incident.DueSet{Due: wake, Clock: workflow.ClockReminder}, set)
	require.Equal(w.t, incident.System, record.By)
	require.Nil(w.t, w.ticket(report).Wake)
}

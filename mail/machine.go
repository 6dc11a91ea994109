package mail

import (
	"fmt"
	"slices"
	"strings"
)

// LoopHeader is the field that every letter of a desk carries, with the desk's
// name: what comes back with our own name in it has gone round in a loop.
const LoopHeader = "X-Airtight-Desk"

// Machine says whether a machine wrote a mail. Such mail is kept like any
// other, but nobody answers it, and it moves no dates.
type Machine struct {
	Auto   bool // sent automatically: a responder, a notice, a receipt (RFC 3834)
	Bounce bool // a report on the delivery of some mail (RFC 3464), or from a mail system
	Bulk   bool // sent to many at once
	Loop   bool // a letter of this very desk

	// Quiet: the sender wants no automatic answer. That is no sign of a
	// machine, people's mail carries it too, and does not count in Any.
	Quiet bool

	Why []string // a sentence for each sign
}

// Any reports whether a machine wrote it.
func (m Machine) Any() bool { return m.Auto || m.Bounce || m.Bulk || m.Loop }

// Detect looks for the signs of machine mail. desk is the name that the desk's
// own letters carry in [LoopHeader]; an Envelope without sender and recipients
// is one that is not known and says nothing.
//
// Signs are: Auto-Submitted with anything but "no" (RFC 3834 5), a delivery or
// disposition report (RFC 3464, RFC 8098), the null sender (RFC 5321 4.5.5), an
// author that is missing or called mailer-daemon or postmaster, any of several
// Precedence fields beginning with bulk, junk, list or auto_reply,
// X-FC-Machinegenerated, X-Autoreply, X-Autorespond. No signs are List-Id and
// List-Unsubscribe, because people write to lists, and X-Auto-Response-Suppress,
// which only asks for no automatic answer (see Quiet).
func Detect(msg *Message, env Envelope, desk string) Machine {
	var m Machine
	sign := func(flag *bool, format string, args ...any) {
		*flag = true
		m.Why = append(m.Why, fmt.Sprintf(format, args...))
	}

	for _, v := range msg.Values(LoopHeader) {
		if desk != "" && strings.EqualFold(strings.TrimSpace(v), desk) {
			sign(&m.Loop, "%s names this desk.", LoopHeader)
			break
		}
	}

	replied := false
	for _, v := range msg.Values("Auto-Submitted") {
		v, _, _ = strings.Cut(v, ";")
		v, _, _ = strings.Cut(v, "(")
		if v = strings.ToLower(strings.TrimSpace(v)); v != "no" {
			replied = replied || v == "auto-replied"
			sign(&m.Auto, "Auto-Submitted is %q (RFC 3834 5).", v)
		}
	}
	for _, name := range []string{"X-FC-Machinegenerated", "X-Autoreply", "X-Autorespond"} {
		for _, v := range msg.Values(name) {
			if v = strings.ToLower(strings.TrimSpace(v)); v != "no" && v != "false" && v != "" {
				sign(&m.Auto, "%s is %q.", name, v)
			}
		}
	}
	for _, v := range msg.Values("Precedence") { // any of several counts
		v = strings.ToLower(strings.TrimSpace(v))
		switch {
		case strings.HasPrefix(v, "bulk"), strings.HasPrefix(v, "junk"), strings.HasPrefix(v, "list"):
			sign(&m.Bulk, "Precedence is %q.", v)
		case strings.HasPrefix(v, "auto_reply"), strings.HasPrefix(v, "auto-reply"):
			sign(&m.Auto, "Precedence is %q.", v)
		}
	}
	for _, v := range msg.Values("X-Auto-Response-Suppress") {
		if v = strings.ToLower(strings.TrimSpace(v)); v != "none" && v != "" {
			m.Quiet = true
		}
	}

	for _, part := range msg.Parts {
		if part.Depth > 1 { // deeper ones are quoted mail
			continue
		}
		switch part.Type {
		case "message/delivery-status", "message/global-delivery-status":
			sign(&m.Bounce, "It holds a delivery report (RFC 3464).")
		case "message/disposition-notification", "message/global-disposition-notification":
			sign(&m.Auto, "It holds a receipt (RFC 8098).")
		}
	}

	if fromNull(msg, env) {
		// A responder that follows RFC 3834 3.3 uses the null sender as well.
		flag := &m.Bounce
		if replied {
			flag = &m.Auto
		}
		sign(flag, "It came from the null sender (RFC 5321 4.5.5).")
	}
	switch {
	case len(msg.From) == 0:
		sign(&m.Bounce, "It has no author.")
	default:
		local, _, _ := strings.Cut(msg.From[0].Address, "@")
		if strings.EqualFold(local, "mailer-daemon") || strings.EqualFold(local, "postmaster") {
			sign(&m.Bounce, "Its author is %s.", strings.ToLower(local))
		}
	}
	return m
}

// fromNull reports whether a mail came from the null sender.
func fromNull(m *Message, env Envelope) bool {
	return env.From == "" && len(env.To) > 0 ||
		slices.ContainsFunc(m.Values("Return-Path"), func(v string) bool { return strings.ReplaceAll(v, " ", "") == "<>" })
}

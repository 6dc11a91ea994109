package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
)

const mailbox = "csirt@example.net"

// letter is a mail as it arrives.
type letter struct {
	from string
	raw  []byte
}

func (l letter) envelope() mail.Envelope {
	return mail.Envelope{From: l.from, To: []string{mailbox}}
}

// letters writes mail like that of providers and automata which report abuse: 4
// to 8 kB, half a dozen addresses in it. The same seed gives the same mail.
type letters struct {
	random *rand.Rand
	who    string // sets the ids of one writer apart from those of another
	serial int
}

func newLetters(seed uint64, who string) *letters {
	return &letters{random: rand.New(rand.NewPCG(seed, 0)), who: who}
}

// report is a mail about something new.
func (l *letters) report() letter {
	return l.write("", l.sender(), l.subject(), "")
}

// attached is a report with a file of so many bytes, as they are in the mail.
func (l *letters) attached(bytes int) letter {
	file := make([]byte, bytes*57/78) // 57 bytes make a line of 76, and its end
	for i := range file {
		file[i] = byte(l.random.Uint32())
	}
	text := base64.StdEncoding.EncodeToString(file)
	var b strings.Builder
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	b.WriteString(text + "\r\n")
	return l.write("", l.sender(), l.subject(), b.String())
}

// answer is a mail that says in its subject which ticket it belongs to.
func (l *letters) answer(tag mail.Tag, id incident.ID, from string) letter {
	return l.write("Re: "+tag.Format(id)+" ", from, l.subject(), "")
}

func (l *letters) sender() string {
	return fmt.Sprintf("abuse%d@provider%d.example.org", l.random.IntN(20), l.random.IntN(5000))
}

func (l *letters) subject() string {
	return fmt.Sprintf("%s from %s", l.one("Port scan", "SSH brute force", "Spam", "Phishing site", "Botnet traffic"), l.attacker())
}

func (l *letters) attacker() string {
	return fmt.Sprintf("%s.%d", l.one("192.0.2", "198.51.100", "203.0.113"), 1+l.random.IntN(254))
}

func (l *letters) one(list ...string) string { return list[l.random.IntN(len(list))] }

func (l *letters) write(re, from, subject, file string) letter {
	l.serial++
	id := fmt.Sprintf("%s.%d.%x", l.who, l.serial, l.random.Uint64())
	date := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC).Add(time.Duration(l.serial) * time.Second).Format(time.RFC1123Z)
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	for hop := range 3 {
		line("Received: from mx%d.example.org (mx%d.example.org [2001:db8::%x])\r\n\tby mx%d.example.net with ESMTPS id %s%d; %s",
			hop, hop, l.random.IntN(1<<16), hop, id, hop, date)
	}
	line("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=mail; bh=%x;\r\n\th=From:To:Subject:Date; b=%x%x",
		l.random.Uint64(), l.random.Uint64(), l.random.Uint64())
	line("From: Abuse desk <%s>", from)
	line("To: <%s>", mailbox)
	line("Subject: %s%s", re, subject)
	line("Date: %s", date)
	line("Message-ID: <%s@example.org>", id)
	line("MIME-Version: 1.0")
	if file != "" {
		line("Content-Type: multipart/mixed; boundary=\"=_part\"\r\n\r\n--=_part")
	}
	line("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
	l.body(line)
	if file != "" {
		line("--=_part\r\nContent-Type: application/octet-stream; name=\"traffic.pcap\"\r\nContent-Transfer-Encoding: base64\r\n")
		b.WriteString(file)
		line("--=_part--")
	}
	return letter{from, []byte(b.String())}
}

// feed is a file of a feed that says what some of 20,000 sources have done.
func (l *letters) feed(rows int) string {
	var b strings.Builder
	b.WriteString("timestamp,ip,port,dst_ip,dst_port,protocol,tag\n")
	for range rows {
		l.serial++
		at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC).Add(time.Duration(l.serial) * time.Second)
		source := l.random.IntN(20_000)
		fmt.Fprintf(&b, "%s,10.0.%d.%d,%d,198.51.100.%d,22,tcp,ssh brute force\n",
			at.Format(time.DateTime), source>>8, source&255, 1024+l.serial%60000, l.random.IntN(256))
	}
	return b.String()
}

func (l *letters) body(line func(string, ...any)) {
	attacker := l.attacker()
	victim := fmt.Sprintf("2001:db8:%x:%x::%x", l.random.IntN(1<<16), l.random.IntN(1<<16), 1+l.random.IntN(1<<16))
	host := fmt.Sprintf("www%d.customer%d.example.com", l.random.IntN(10), l.random.IntN(20000))
	line("Dear colleagues,\r\n")
	line("a host in your network, %s, has attacked %s (%s).", attacker, host, victim)
	line("Please look into it and tell us what you have done. What we saw:\r\n")
	at := time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC).Add(time.Duration(l.serial) * time.Second)
	for i := range 20 + l.random.IntN(24) {
		at = at.Add(time.Duration(l.random.IntN(3000)) * time.Millisecond)
		line("%s %s sshd[%d]: Failed password for invalid user %s from %s port %d ssh2",
			at.Format(time.RFC3339), host, 1000+i, l.one("root", "admin", "test", "oracle"), attacker, 1024+l.random.IntN(60000))
	}
	line("\r\nThe page it came from: hxxp://%s/login.php?id=%d", host, l.random.IntN(1000))
	line("It answers to: collector%d@example.com\r\n", l.random.IntN(1000))
	line("-- \r\nAbuse desk, example.org")
}

package mail

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Quote returns the text as one begins an answer to it: "> " before each line,
// one more ">" before what was quoted already (RFC 3676 4.5). Blanks at the end
// of a line go, since in a flowed text they would join it to the next one; the
// mark of a signature, "-- ", keeps its blank. Lines end in "\n", the last one
// too. Nothing quoted is nothing.
func Quote(text string) string {
	if text == "" {
		return ""
	}
	text = strings.TrimSuffix(lines(text), "\n")
	var b strings.Builder
	b.Grow(len(text) + 2*strings.Count(text, "\n") + 3)
	for line := range strings.SplitSeq(text, "\n") {
		if line != "-- " {
			line = strings.TrimRight(line, " \t")
		}
		b.WriteByte('>')
		if line != "" && line[0] != '>' {
			b.WriteByte(' ')
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return b.String()
}

// Unquoted returns what the sender of a text wrote in it: no quoted lines, no
// line that announces them ("On Monday Bob wrote:", in some twenty languages),
// nothing from the mark of a signature ("-- "), the footer of a mailing list, a
// ruler, or a forwarded or original message on. It is made to look for a
// consent in, so in doubt a line is taken for a quoted one, and an announcement
// that no marked quotation follows takes all that comes after it along. Without
// such marks a quotation cannot be told from an answer.
//
// Lines end in "\n"; empty lines at both ends are gone. Work grows with the
// length of the text.
func Unquoted(text string) string {
	var u unquoter
	u.all = strings.Split(lines(text), "\n")
	for u.at < len(u.all) && u.step(u.all[u.at]) {
		u.at++
	}
	kept := u.kept
	for len(kept) > 0 && bare(kept[0]) == "" {
		kept = kept[1:]
	}
	for len(kept) > 0 && bare(kept[len(kept)-1]) == "" {
		kept = kept[:len(kept)-1]
	}
	if len(kept) == 0 {
		return ""
	}
	return strings.Join(kept, "\n") + "\n"
}

const (
	announceLines = 4   // an announcement may be broken over so many
	announceBytes = 400 // longer lines announce nothing
	rulerLength   = 20  // so many equal signs part a footer from a text
)

// unquoter goes through a text line by line.
type unquoter struct {
	all  []string
	at   int
	kept []string
	own  int // lines at the end of kept that follow each other in the text
}

// step takes or leaves one line and reports whether to go on.
func (u *unquoter) step(line string) bool {
	s := bare(line)
	if strings.HasPrefix(s, "- -") { // dash-escaped by PGP (RFC 9580 7.1)
		s = s[2:]
	}
	switch {
	case s == "":
	case isQuoted(s), u.isLeftOver(line):
		u.own = 0
		return true
	case strings.HasPrefix(s, "-----BEGIN PGP SIGNED MESSAGE"):
		u.own = 0
		return true
	case isEnd(s), u.isHeader():
		return false
	case announces(s):
		u.dropOpening(s)
		u.own = 0
		return u.quotationFollows()
	}
	u.kept = append(u.kept, line)
	u.own++
	return true
}

// isLeftOver reports whether a line is the end of the quoted line before it,
// broken off by a program on the way: short, alone between two quoted lines,
// and the one before is long.
func (u *unquoter) isLeftOver(line string) bool {
	const long = 60
	if u.at == 0 || u.at+1 >= len(u.all) || len(line) >= long {
		return false
	}
	before := bare(u.all[u.at-1])
	return len(before) >= long && isQuoted(before) && isQuoted(bare(u.all[u.at+1]))
}

// dropOpening takes back the lines before in which the announcement that ends
// here began.
func (u *unquoter) dropOpening(last string) {
	if opens(last) {
		return
	}
	for back := 1; back < announceLines && back <= u.own; back++ {
		line := bare(u.kept[len(u.kept)-back])
		if line == "" || len(line) > announceBytes {
			return
		}
		if opens(line) {
			u.kept = u.kept[:len(u.kept)-back]
			return
		}
	}
}

// quotationFollows reports whether the next line that is not empty is marked
// as quoted.
func (u *unquoter) quotationFollows() bool {
	for u.at+1 < len(u.all) {
		s := bare(u.all[u.at+1])
		if s != "" {
			return isQuoted(s)
		}
		u.at++
	}
	return false
}

// isHeader reports whether the header of another message begins here, as
// programs write it above the mail that they forward or answer.
func (u *unquoter) isHeader() bool {
	const window = 5
	from, others := false, 0
	for i := u.at; i < len(u.all) && i < u.at+window; i++ {
		label, ok := labelOf(bare(u.all[i]))
		switch {
		case ok && isOneOf(label, fromLabels):
			from = true
		case ok && isOneOf(label, otherLabels):
			others++
		case i == u.at:
			return false
		}
	}
	return from && others > 0
}

// labelOf returns what stands before the colon of a line that may be a header
// field, in lower case.
func labelOf(s string) (name string, ok bool) {
	const longest = 60
	if at := strings.IndexAny(s[:min(len(s), longest)], ":："); at >= 0 {
		return strings.ToLower(strings.Trim(s[:at], "*_ \t\u00a0")), true
	}
	return "", false
}

// bare returns a line without white space and characters without width around
// it.
func bare(line string) string {
	return strings.TrimFunc(line, func(c rune) bool { return unicode.IsSpace(c) || widthless(c) })
}

// isQuoted reports whether a line carries a mark of quotation, ">" also behind
// somebody's initials ("jd> ").
func isQuoted(s string) bool {
	const initials = 5
	first, _ := utf8.DecodeRuneInString(s)
	if strings.ContainsRune(">＞»›|¦│┃", first) {
		return true
	}
	word := strings.TrimLeftFunc(s, unicode.IsLetter)
	return strings.HasPrefix(word, ">") && len(s)-len(word) <= initials || strings.HasPrefix(s, "&gt;")
}

// isEnd reports whether nothing from this line on is the sender's own text.
func isEnd(s string) bool {
	if s == "--" || s == "—" {
		return true
	}
	if strings.HasPrefix(s, "---") && strings.HasSuffix(s, "---") && strings.Trim(s, "- ") != "" {
		return true // "----- Original Message -----", in any language
	}
	first, size := utf8.DecodeRuneInString(s)
	if len(s) >= rulerLength*size && strings.ContainsRune("-_=*~#─━═", first) && strings.Trim(s, string(first)) == "" {
		return true
	}
	return begins(strings.TrimLeft(s, "-_=*~#[( \t"), endings)
}

// announces reports whether a line ends an announcement of a quotation.
func announces(s string) bool {
	const ornament = "*_ \t\u00a0"
	if len(s) > announceBytes {
		return false
	}
	s = strings.TrimRight(s, ornament)
	before := strings.TrimRight(strings.TrimRight(s, ":："), ornament)
	colon := len(before) < len(s)
	if !colon && !opens(s) {
		return false
	}
	if colon && strings.Contains(before, "@") && (strings.HasSuffix(before, ">") || strings.HasSuffix(before, ")")) {
		return true // "2026-11-21 10:00 Bob <bob@example.org>:"
	}
	before = strings.ToLower(before)
	for verb := range strings.SplitSeq(verbs, "|") {
		if colon && strings.Contains(before, verb) || strings.HasSuffix(before, verb) {
			return true
		}
	}
	return false
}

// opens reports whether an announcement may begin with this line.
func opens(s string) bool {
	s = strings.TrimLeft(s, "*_ \t\u00a0")
	return s != "" && (s[0] >= '0' && s[0] <= '9' || begins(s, openings))
}

// begins reports whether a line begins with one of the words, without case.
func begins(s, words string) bool {
	const longest = 60
	if len(s) > longest {
		s = s[:longest]
	}
	if s = strings.ToLower(s); s == "" {
		return false
	}
	for w := range strings.SplitSeq(words, "|") {
		if w[0] == s[0] && strings.HasPrefix(s, w) {
			return true
		}
	}
	return false
}

// isOneOf reports whether s is one of the words.
func isOneOf(s, words string) bool {
	for w := range strings.SplitSeq(words, "|") {
		if s == w {
			return true
		}
	}
	return false
}

// What programs write around quotations, in lower case.
const (
	// Who wrote, in an announcement.
	verbs = "wrote|writes|said|schrieb|geschrieben|schreibt|écrit|escribió|escribio|escribe|escreveu|escrito|" +
		"ha scritto|scrive|scritto|schreef|geschreven|skrev|skriver|kirjoitti|napisał|napisal|pisze|napsal|píše|napísal|" +
		"написал|написала|пишет|писал|написав|пише|yazdı|yazmış|írta|a scris|napisao|je pisao|έγραψε|" +
		"menulis|đã viết|כתב|كتب|写道|寫道|さんは書きました|のメール|作成|작성|kirjutas|rašė|rakstīja"

	// The first words of an announcement.
	openings = "on |am |le |el |em |il |op |den |dnia |w dniu |dne |dňa |no dia |ha |in |at |pada |v |" +
		"в |пн|вт|ср|чт|пт|сб|вс|mon|tue|wed|thu|fri|sat|sun|mo |di |mi |do |fr |sa |so |στις |på |vào |în |pe |u |" +
		"from |quoting |zitat von |em:|بتاريخ|في|ב-|בתאריך"

	// Beginnings of what is followed by mail of others, or by a footer.
	endings = "begin forwarded message|forwarded message|original message|original-nachricht|original appointment|" +
		"ursprüngliche nachricht|originalnachricht|weitergeleitete nachricht|anfang der weitergeleiteten|" +
		"message d'origine|message d’origine|message original|message transféré|message transmis|début du message|" +
		"mensaje original|mensaje reenviado|inicio del mensaje|mensagem original|mensagem encaminhada|início da mensagem|" +
		"messaggio originale|messaggio inoltrato|inizio messaggio|oorspronkelijk bericht|oorspronkelijke bericht|" +
		"doorgestuurd bericht|begin doorgestuurd|ursprungligt meddelande|originalmeddelande|vidarebefordrat|" +
		"oprindelig meddelelse|original meddelelse|opprinnelig melding|videresendt|alkuperäinen viesti|" +
		"välitetty viesti|wiadomość oryginalna|oryginalna wiadomość|wiadomość przekazana|původní zpráva|přeposlaná|" +
		"исходное сообщение|пересылаемое сообщение|eredeti üzenet|orijinal ileti|iletilen|原始邮件|原始郵件|转发|元のメッセージ|転送|" +
		"to unsubscribe|unsubscribe:|unsubscribe from|you received this message because|you are receiving this|" +
		"this list is |mailing list info|to post to this |um sich von |pour vous désabonner|pour se désabonner|" +
		"-----begin pgp signature|begin pgp signature|start of the forwarded"

	// Names of the fields in the header of a message.
	fromLabels  = "from|von|de|van|da|från|fra|od|от|від|lähettäjä|kimden|feladó|από|expéditeur|差出人|发件人|寄件者|보낸 사람|送信者|מאת|من|reply-to"
	otherLabels = "sent|date|to|cc|subject|gesendet|datum|an|betreff|envoyé|à|objet|enviado|fecha|para|asunto|assunto|data|" +
		"inviato|a|oggetto|verzonden|aan|onderwerp|skickat|till|ämne|sendt|til|emne|lähetetty|vastaanottaja|aihe|wysłano|do|temat|" +
		"odesláno|komu|předmět|отправлено|дата|кому|тема|gönderme tarihi|kime|konu|elküldve|címzett|tárgy|στάλθηκε|προς|θέμα|" +
		"送信日時|宛先|件名|发送时间|收件人|主题|寄件日期|收件者|主旨|보낸 날짜|받는 사람|제목|kopie|kopia|copia|importance|received|message-id"
)

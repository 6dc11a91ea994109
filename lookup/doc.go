// Package lookup finds observables in text, and says whose they are. Start
// with an [Extractor] that knows the public suffixes; [Extract] does without
// them; [ReadHop] reads who handed in a mail. A [Directory] says which
// constituency an observable belongs to, whom to tell, and why; [Registries] asks
// others about what it does not know.
//
// # The rule of extraction
//
// Tools disagree on what is an observable in a text. This is what counts here.
// In all of it a letter or digit is one of ASCII where nothing else is said,
// and a word is a row of letters, digits and underscores.
//
// The kinds are tried in this order; what one has taken, no later one reads.
//
// A URL is a scheme, "://", and a host, with whatever follows. The scheme is
// the whole row of letters before it, one of http, https, ftp, ftps, sftp,
// tftp, ssh, telnet, smb, ldap, ldaps, irc, ircs, ws, wss, tcp, udp. The host
// is an IP address, one of IPv6 in brackets, or a name of one label or more,
// with user and port if there are any, 512 bytes in all. The URL ends before
// white space, a control character, < > " ` { } | \ ^ and the punctuation of
// other scripts, and before a round or square bracket that closes and was not
// opened in it; the characters . , ; : ! ? ' * behind it are not part of it.
// With all that follows it has at most 8000 bytes (RFC 9110 4.1). Its value has scheme and host in lower case,
// an international name as A-labels; the rest stays as it is written. Its host
// stands for it in the index ([incident.Observable.Domain]) and is not found
// again; an address as host is found too, inside the URL. Labels of a URL may
// have underscores. Without scheme there is a host name, and no URL.
//
// A mail address has a local part of letters, digits and _ . + - (at most 64),
// and a domain of at least two labels, whatever they are, the last of which
// begins with a letter; or a domain of other scripts that is a host name. The
// domain is not found again, nor is an IP address in it.
//
// An IPv6 address (RFC 4291 2.2) does not touch a letter, a digit, an
// underscore or a colon, nor follow a dot; a dot after it ends a sentence or
// it is none: a::z, Foo::Bar are none.
//
// A host name has two labels or more of 1 to 63 letters, digits and inner
// hyphens, 253 characters in all, below a public suffix that ICANN delegates
// (or the suffix of a private registry): example.bla is none, nor is co.uk.
// Dots and hyphens around it are not part of it. Labels of other scripts are
// read by UTS 46 as for a look-up; the value has A-labels. Characters of
// scripts that write without spaces (Han, kana, Thai, Lao, Khmer, Myanmar)
// beside an ASCII letter end the name. A row with an empty label falls into
// the rows around; a row with a label that is no good has no name at all. A
// row that touches an underscore or an @ has none.
//
// Without [Extractor.PublicSuffix] no host name is found, and nothing is known
// to lie below a public suffix: mail addresses and URLs with a name are Likely.
//
// An IPv4 address has four octets without leading zeros (010.0.0.1 is read
// differently by different readers). It does not follow a digit or dot, and no
// digit follows it, with or without a dot between: versions such as 1.2.3.4.5
// are none.
//
// A network is an address, a slash and a length. One of IPv4 may be short of
// its last octet: 192.0.2/26. A slash and a number that belong to a path
// (192.0.2.1/8/a) leave the address. The address of all zeros, a network that
// begins with it and one of length 0 say nothing about anybody: they are not
// found.
//
// A hash is a word of 32, 40, 56, 64, 96 or 128 hexadecimal digits (MD5,
// SHA-1, SHA-2), not all of them decimal.
//
// A CVE id is the word CVE in any case, four digits and four to nineteen
// digits, with hyphens between; no letter or digit follows.
//
// # Defanged forms
//
// People write what is dangerous so that no program makes a link of it.
// Between two letters or digits (of any script; beside a hidden colon or
// slash, colons and slashes too), these stand for what they hide, and the
// place is marked:
//
//   - . : :: / // :// @ in round, square or curly brackets; with a dot one of
//     the brackets may be missing
//   - the words dot, punkt, punto, point and at, arroba in such brackets
//   - one space at most on each side of a dot or @ in brackets, and inside of
//     them
//   - \. for a dot
//   - a scheme with two of x, X, * and t for its tt: hxxp, hXXps, h**p; and
//     fxp
//
// Bare words ("example dot com"), spaces alone ("example . com"), commas, HTML
// entities and encodings (base64, percent, decimal addresses) are not undone.
//
// # Confidence
//
// [Certain] is what has no other reading: defanged forms, mail addresses and
// URLs below a public suffix or with an address, networks, IPv6, CVE ids,
// hashes of more than 32 digits. [Doubtful] are an address that a letter
// precedes (v1.2.3.4), a host name of two labels that may as well be the name
// of a file (invoice.zip, setup.py) or the seam of two sentences (over.In).
// The rest is [Likely].
package lookup

package mail

import "strings"

// reasonOf classes what a mail system answered: by words, which say more than
// the numbers of most systems do, then by its status (RFC 3463).
func reasonOf(status, diagnostic string) BounceReason {
	if strings.HasSuffix(status, ".1.7") || strings.HasSuffix(status, ".1.8") { // of the sender
		return Refused
	}
	text := strings.ToLower(diagnostic)
	for _, r := range reasonWords() {
		if has(text, r.phrases) {
			return r.reason
		}
	}
	if reason := reasonOfStatus(status); reason != UnknownReason {
		return reason
	}
	return reasonOfStatus(statusIn(text))
}

// reasonOfStatus classes a status.
func reasonOfStatus(status string) BounceReason {
	_, detail, _ := strings.Cut(status, ".")
	switch detail {
	case "1.0", "1.1", "1.3", "1.6", "2.1":
		return BadMailbox
	case "1.2", "1.10":
		return BadHost
	case "2.2":
		return MailboxFull
	case "2.3", "3.4":
		return TooBig
	case "1.7", "1.8":
		return Refused
	}
	switch subject, _, _ := strings.Cut(detail, "."); subject {
	case "3", "4", "5":
		return SystemTrouble
	case "6", "7":
		return Refused
	}
	return UnknownReason
}

type reasonPhrases struct {
	reason  BounceReason
	phrases string
}

// reasonWords is asked in order: the first that fits counts. What is said of
// the sender comes first, because it looks like what is said of a recipient.
func reasonWords() []reasonPhrases {
	return []reasonPhrases{
		{Refused, "sender address|domain of sender|sender domain|sender was rejected|sender rejected|sender verify failed|unroutable sender|domain is invalid|daily relay quota|bad sender|" +
			"from address"},
		{SystemTrouble, "host not reachable|lookup failure|no route to host|connection refused|requests to connect|mailer error|frequency limited"},
		{BadHost, "not accepting network messages|no mx found|couldn't find a mail exchanger|no smtp service|nullmx|null mx|no mx record|does not accept mail|host unknown|unknown host|host not found|name service error|nxdomain"},
		{BadMailbox, "user unknown|unknown user|unknown_user|no such user|no such address|no such recipient|no such mailbox|unknown recipient|recipient unknown|invalid recipient|" +
			"recipient not found|user not exist|user does not exist|user doesn't exist|user not found|not listed|not a registered|not a valid user|address couldn't be found|address not found|no mailbox here|mailbox not found|address unknown|" +
			"not our customer|unknown local|recipient name is not recognized|invalid final delivery userid|user doesn't have a|user does not have a|account does not exist|" +
			"mailbox does not exist|address does not exist|account that you tried to reach|unknown or illegal|not a valid mailbox|recipnotfound|has moved|" +
			"no matches to nameserver query|account is disabled|account has been disabled|mailbox is inactive|is inactive|mailbox is frozen|account closed"},
		{MailboxFull, "mailbox full|mailbox is full|folder is full|over quota|overquota|overdisk|over its quota|quota|disk space|space limit|exceeded storage|insufficient system storage|mailbox size|" +
			"storage allocation|out of storage|inbox is full|too much mail|mailbox exceeded|exceeds allowed size|exceeded the local limit|is full"},
		{TooBig, "too large|too big|exceeds the size|size limit|message size|maximum size|exceeds maximum|exceeded the maximum|exceeds size|length exceeds|line limit exceeded|" +
			"exceeds limit|size exceed|larger than"},
		{Refused, "spam|virus|malware|blacklist|blocklist|block list|blocked|black list| spf|dkim|dmarc|dnsbl|reputation|policy|message content|content rejected|content filter|offensive content|not authorized|unauthenticated|" +
			"authenticat|not permitted|reverse dns|rdns|ptr record| ptr|rejected for|access restrict|banned|prohibited|refused by|not allowed|complaints|unverifyable|mismatches client ip|" +
			"protocol violation|permission to post|投稿する権限|not verified|refused to talk to me|client host rejected|message rejected|mail rejected|starttls|requires tls|encryption|impersonation|abuse|invalid ip for sending"},
		{BadHost, "domain not found|domain name not found|host not found|no such domain|domain does not exist|relay|rcpthosts|name server: host|unrouteable mail domain|" +
			"couldn't find any host|domain isn't in my list"},
		{BadMailbox, "unrouteable|address rejected|no valid recipients|rejected recipient|recipient rejected|mailbox unavailable|does not exist|doesn't exist|may not exist|no longer|invalid address|" +
			"disabled|account suspended|account has been suspended|user suspended|inactive|frozen|check if address is correct|not recognized|destination mailbox address|user is unknown"},
		{Refused, "denied"},
		{SystemTrouble, "timed out|timeout|time out|too many hops|hop count|connection refused|retry time|too long|couldn't make|couldn't create|unable to connect|temporarily|temporary|" +
			"loop|too many|expired|not accessible|unavailable|out of disk|giving up|failing for a long time|requests to connect|socket error|attempts|could not load|" +
			"write error|transaction failed|not implemented|not accepting connections|malformed address|could not deliver for|cannot send message for|undelivered after"},
		{Refused, "rejected|refused"},
	}
}

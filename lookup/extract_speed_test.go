package lookup

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAllNeedsLittleMemory reads the beginning of a long text.
func TestAllNeedsLittleMemory(t *testing.T) {
	text := strings.Repeat("www[.]example[.]org\n", 1<<19)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range all(text) {
		break
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "of %d bytes", len(text))
}

// hostile are patterns that make scanners go back over what they have read.
func hostile() []string {
	var han strings.Builder // a label that would take long to encode
	for r := '\u4e00'; r < '\u9fa5'; r++ {
		han.WriteRune(r)
	}
	return []string{
		han.String() + ".de ",
		"1.", ":", "a@", "1.1.1.1.", "1:", "::", "a.", "..", "@", "a@a.", "1.1.1.1/", "1.2.3/24.", "a@a.aa ", "f:f.",
		"::1/", "a-", "a@a-.", "1.1.1.1 ", "é@", "a", "1", "a:", "1:1.", "f", "f-", "a.aa.", "http://", "http://-:", "http://a(", "://",
		"[.]", "[", "a[.]", "a[dot]a", "(at)", ".]", "\\.a", "CVE-", "CVE-1999-", "CVE-1999-00001 ", "hxxp", "é.", "中a.", "é.de ", "_.", "a_.aa ",
		"a.com ", "[a.b", "https://a.b/ ", "00:11:22:33:44:55 ",
	}
}

func TestLinearTime(t *testing.T) {
	clock := func(text string) time.Duration {
		start := time.Now()
		for range all(text) {
		}
		return time.Since(start)
	}
	const size = 1 << 20
	for _, pattern := range hostile() {
		// A quadratic scanner would need many minutes.
		took := clock(strings.Repeat(pattern, size/len(pattern)))
		require.Less(t, took, time.Minute, "pattern %.20q", pattern)
	}
}

// logLines is ordinary log text with an observable every 200 bytes or less.
func logLines(size int) string {
	lines := []string{
		`192.0.2.17 - bob [10/Oct/2026:13:55:36 +0000] "GET /index.html HTTP/1.0" 200 2326 "-" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"`,
		`Oct 10 13:55:36 mx1 postfix/smtpd[2301]: NOQUEUE: reject: RCPT from unknown[198.51.100.9]: 554 5.7.1 Service unavailable; from=<eve@example.com> to=<bob@example.org> proto=ESMTP helo=<localhost>`,
		`2026-10-10T13:55:36.123456Z fw kernel: IN=eth0 OUT= MAC=00:16:3e:aa:bb:cc:00:16:3e:11:22:33:08:00 SRC=2001:db8::17 LEN=60 TOS=0x00 PREC=0x00 TTL=51 ID=4660 DF PROTO=TCP SPT=51234 DPT=22 WINDOW=29200 SYN`,
		`Oct 10 13:55:37 ns1 named[77]: client 203.0.113.5#53311: query: www.example.net IN A + (192.0.2.53), answered from the cache after a delay of some milliseconds without further notice`,
		`1760104537.221 TCP_MISS/200 18321 GET http://www.example.com/download/setup.exe?id=17 - HIER_DIRECT - application/octet-stream user=- agent="curl 8.5" bytes_in=441 bytes_out=18321 tls=no`,
	}
	text := strings.Join(lines, "\n") + "\n"
	return strings.Repeat(text, size/len(text)+1)[:size]
}

// BenchmarkExtract measures what the package promises: MB/s that do not fall with
// the size. For hostile text it reports the rate as a part of that of log text,
// both measured in turn, so that they have the same machine.
func BenchmarkExtract(b *testing.B) {
	read := func(text string) (n int) {
		for range all(text) {
			n++
		}
		return n
	}
	run := func(name, text string) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n = read(text)
			}
			if n > 0 {
				b.ReportMetric(float64(len(text))/float64(n), "bytes/observable")
			}
		})
	}
	run("log/10KB", logLines(10<<10))
	run("log/1MB", logLines(1<<20))
	run("log/50MB", logLines(50<<20))
	prose := "Dear colleagues, we have seen scans from one of your hosts; please find the details below and let us know. Thank you.\n"
	run("prose/1MB", strings.Repeat(prose, 1<<20/len(prose)))
	ordinary := logLines(1 << 20)
	for _, pattern := range hostile() {
		text := strings.Repeat(pattern, 1<<20/len(pattern))
		b.Run(fmt.Sprintf("hostile/%.20q", pattern), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			var here, there time.Duration
			for b.Loop() {
				start := time.Now()
				read(text)
				here += time.Since(start)
				b.StopTimer()
				start = time.Now()
				read(ordinary)
				there += time.Since(start)
				b.StartTimer()
			}
			b.ReportMetric(there.Seconds()/float64(len(ordinary))/here.Seconds()*float64(len(text)), "of-log")
		})
	}
}

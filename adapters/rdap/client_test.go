package rdap_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/rdap"
	"github.com/airtight-csirt/airtight/lookup"
)

const network = `{"objectClassName":"ip network","handle":"NET-1","name":"EXAMPLE","startAddress":"192.0.2.0","endAddress":"192.0.2.255",
"entities":[{"roles":["registrant"],"vcardArray":["vcard",[["fn",{},"text","Example Org"]]],"entities":[
{"roles":["Abuse"],"vcardArray":["vcard",[["email",{},"text","abuse@example.org"],["tel",{"type":["voice"]},"uri","tel:+1-555-0100"]]]}]}]}`

// head is the beginning of an answer.
const head = `{"objectClassName":"ip network","startAddress":"192.0.2.0","endAddress":"192.0.2.255",`

func serve(t testing.TB, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

func client(t testing.TB, config rdap.Config) *rdap.Client {
	t.Helper()
	c, err := rdap.New(config)
	require.NoError(t, err)
	return c
}

func address(s string) lookup.Question {
	a := netip.MustParseAddr(s)
	return lookup.Question{Network: netip.PrefixFrom(a, a.BitLen())}
}

func TestAsk(t *testing.T) {
	var asked []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		require.Contains(t, r.Header.Get("Accept"), "application/rdap+json")
		io.WriteString(w, network)
	})
	c := client(t, rdap.Config{Server: s.URL + "/registry/"})
	answer, err := c.Ask(t.Context(), address("192.0.2.7"))
	require.NoError(t, err)
	require.Equal(t, []string{"abuse@example.org"}, answer.Abuse())
	require.Equal(t, "Example Org", answer.Organisation)
	require.Equal(t, "192.0.2.0 192.0.2.255 EXAMPLE NET-1", fmt.Sprint(answer.First, answer.Last, " ", answer.Name, " ", answer.Handle))
	require.Equal(t, "+1-555-0100", answer.Contacts[1].Telephone)
	require.Equal(t, strings.TrimPrefix(s.URL, "http://"), answer.Server)
	for _, q := range []lookup.Question{{Network: netip.MustParsePrefix("2001:db8::/32")}, {AS: 64500}, {Domain: "www.example.org"}} {
		_, err = c.Ask(t.Context(), q)
		require.NoError(t, err)
	}
	require.Equal(t, []string{"/registry/ip/192.0.2.7", "/registry/ip/2001:db8::/32", "/registry/autnum/64500", "/registry/domain/www.example.org"}, asked)
}

func TestBootstrap(t *testing.T) {
	named := func(name string) string {
		return serve(t, says(fmt.Sprintf(`{"handle":%q}`, name))).URL
	}
	var b rdap.Bootstrap
	require.NoError(t, b.Read(strings.NewReader(fmt.Sprintf(`{"version":"1.0","services":[
		[["192.0.0.0/8","2001:db8::/32"],[%q]], [["192.0.2.0/24"],["ftp://example.org/",%q]],
		[["64500-64510","64520"],[%q]], [["org"],[%q]], [["co.org"],[%q]]]}`, named("eight"), named("longer"), named("as"), named("org"), named("co.org")))))
	c := client(t, rdap.Config{Bootstrap: b, Server: named("rest")})
	for want, q := range map[string]lookup.Question{
		"longer": address("192.0.2.7"), "eight": {Network: netip.MustParsePrefix("192.0.0.0/16")}, "rest": {Network: netip.MustParsePrefix("192.0.0.0/7")},
		"as": {AS: 64510}, "org": {Domain: "example.org"}, "co.org": {Domain: "www.co.org"},
	} {
		answer, err := c.Ask(t.Context(), q)
		require.NoError(t, err)
		require.Equal(t, want, answer.Handle, q)
	}
	for _, q := range []lookup.Question{{AS: 64520}, address("2001:db8::1"), {AS: 64511}, {Domain: "notorg"}} {
		_, err := client(t, rdap.Config{Bootstrap: b}).Ask(t.Context(), q)
		if q.AS == 64511 || q.Domain != "" {
			require.ErrorIs(t, err, lookup.ErrNoServer)
		} else {
			require.NoError(t, err)
		}
	}
	require.NoError(t, b.Read(strings.NewReader(`{"version":"1.0","services":[[["192.0.2.0/24","org"],["http://127.0.0.1:1/"]]]}`)))
	for _, q := range []lookup.Question{address("192.0.2.7"), {Domain: "example.org"}} {
		_, err := client(t, rdap.Config{Bootstrap: b}).Ask(t.Context(), q)
		require.NoError(t, err, "entries read first win")
	}
	for file, want := range map[string]string{
		``: "no such file", `[]`: "no such file", `{"version":"2.0"}`: "version", strings.Repeat(" ", 8<<20+1): "more than",
		`{"version":"1.0","services":[[["org"]]]}`:                                           "1 lists",
		`{"version":"1.0","services":[[["org"],["gopher://x"]]]}`:                            "gopher://x",
		`{"version":"1.0","services":[[["org"],[]]]}`:                                        "no URL",
		`{"version":"1.0","services":[[["192.0.2.0/99","5-4","a b"],["http://x.example"]]]}`: "192.0.2.0/99",
	} {
		var b rdap.Bootstrap
		require.ErrorContains(t, b.Read(strings.NewReader(file)), want)
	}
	var https rdap.Bootstrap
	require.NoError(t, https.Read(strings.NewReader(fmt.Sprintf(`{"version":"1.0","services":[[["org"],[%q,"https://127.0.0.1:1/"]]]}`, named("clear")))))
	_, err := client(t, rdap.Config{Bootstrap: https}).Ask(t.Context(), lookup.Question{Domain: "example.org"})
	require.ErrorContains(t, err, "127.0.0.1:1", "https is preferred")
}

func TestRedirects(t *testing.T) {
	target := serve(t, says(network))
	to := func(where string) *httptest.Server {
		return serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, where, http.StatusSeeOther) })
	}
	answer, err := client(t, rdap.Config{Server: to(target.URL + "/ip/x").URL, Others: []string{target.URL}}).Ask(t.Context(), address("192.0.2.7"))
	require.NoError(t, err)
	require.Equal(t, []string{"abuse@example.org"}, answer.Abuse())
	local := strings.Replace(target.URL, "127.0.0.1", "localhost", 1)
	answer, err = client(t, rdap.Config{Server: to(strings.Replace(local, "localhost", "LocalHost", 1) + "/ip/x").URL, Others: []string{local}}).Ask(t.Context(), address("192.0.2.7"))
	require.NoError(t, err, "a configured host in other letters")
	require.Equal(t, []string{"abuse@example.org"}, answer.Abuse())
	for _, where := range []string{target.URL, "http://user:secret@" + strings.TrimPrefix(target.URL, "http://"), "file:///etc/passwd", "gopher://127.0.0.1/", "http://localhost:1/"} {
		_, err = client(t, rdap.Config{Server: to(where).URL}).Ask(t.Context(), address("192.0.2.7"))
		require.ErrorContains(t, err, "not allowed", where)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err = client(t, rdap.Config{Server: to("http://user:secret@" + strings.TrimPrefix(target.URL, "http://")).URL, Others: []string{target.URL}}).Ask(t.Context(), address("192.0.2.7"))
	require.ErrorContains(t, err, "not allowed", "a password for a configured server")
	_, err = client(t, rdap.Config{Server: to("?again").URL}).Ask(t.Context(), address("192.0.2.7"))
	require.ErrorContains(t, err, "in a circle")
	var n atomic.Int32
	ever := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, fmt.Sprintf("/%d", n.Add(1)), http.StatusFound)
	})
	_, err = client(t, rdap.Config{Server: ever.URL}).Ask(t.Context(), address("192.0.2.7"))
	require.ErrorContains(t, err, "more than 4 times")
	require.EqualValues(t, 5, n.Load())
	_, err = client(t, rdap.Config{Server: serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) }).URL}).Ask(t.Context(), address("192.0.2.7"))
	require.ErrorContains(t, err, "nowhere")

	// From https only to https.
	clear := serve(t, says(network))
	secure := httptest.NewTLSServer(http.RedirectHandler(clear.URL, http.StatusFound))
	t.Cleanup(secure.Close)
	_, err = client(t, rdap.Config{Server: secure.URL, Others: []string{clear.URL}, Transport: secure.Client().Transport}).Ask(t.Context(), address("192.0.2.7"))
	require.ErrorContains(t, err, "not allowed")
}

// TestBadServers asks servers that are down, slow, endless or lie: all end in
// time, and memory stays bounded.
func TestBadServers(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed.Close()
	endless := func(w io.Writer, text string) {
		for block := []byte(strings.Repeat(text, 1000)); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	fmt.Fprint(z, head+`"x":"`, strings.Repeat("x", 8<<20))
	require.NoError(t, z.Close())
	require.Less(t, bomb.Len(), 64<<10)
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for name, test := range map[string]struct {
		handle http.HandlerFunc
		want   error
		read   bool
	}{
		"down":  {nil, nil, false},
		"hangs": {func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, context.DeadlineExceeded, false},
		"stops in the middle": {func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, head)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, context.DeadlineExceeded, true},
		"breaks off": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "9999")
			io.WriteString(w, head)
		}, io.ErrUnexpectedEOF, true},
		"endless list": {func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, head+`"x":[`)
			endless(w, "[],")
		}, lookup.ErrTooLong, true},
		"endless string": {func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, head+`"x":"`)
			endless(w, "x")
		}, lookup.ErrTooLong, true},
		"endless depth": {func(w http.ResponseWriter, r *http.Request) { endless(w, `{"a":`) }, lookup.ErrTooLong, false},
		"packed bomb": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb.Bytes())
		}, lookup.ErrTooLong, true},
		"endless headers": {func(w http.ResponseWriter, r *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			endless(conn, "X-A: b\r\n")
		}, nil, false},
		"no JSON":      {says("<html>"), nil, false},
		"empty":        {says(""), nil, false},
		"a list":       {says("[]"), nil, false},
		"error inside": {says(`{"errorCode":500,"title":"broken"}`), nil, false},
		"404 inside":   {says(`{"errorCode":404,"title":"none"}`), lookup.ErrUnknown, false},
		"404":          {status(404), lookup.ErrUnknown, false},
		"400":          {status(400), nil, false},
		"429":          {status(429), nil, false},
		"500":          {status(500), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := "http://" + closed.Addr().String()
			if test.handle != nil {
				server = serve(t, test.handle).URL
			}
			c := client(t, rdap.Config{Server: server, Timeout: 500 * time.Millisecond, MaxBytes: 256 << 10})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			answer, err := c.Ask(t.Context(), address("192.0.2.7"))
			runtime.ReadMemStats(&after)
			require.Error(t, err)
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
			} else {
				require.NotErrorIs(t, err, lookup.ErrUnknown)
			}
			require.Equal(t, test.read, answer.First.IsValid())
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(40*256<<10), "as documented")
		})
	}
}

func TestCharsets(t *testing.T) {
	utf16 := []byte{0xFF, 0xFE}
	for _, r := range `{"name":"Bücher"}` {
		utf16 = append(utf16, byte(r), byte(r>>8))
	}
	for name, text := range map[string]string{
		"utf-8": `{"name":"Bücher"}`, "marked": "\xEF\xBB\xBF" + `{"name":"Bücher"}`, "latin": "{\"name\":\"B\xfccher\"}", "utf-16": string(utf16), "escaped": `{"name":"B\u00fcch\u0000er\u202e"}`,
	} {
		answer, err := client(t, rdap.Config{Server: serve(t, says(text)).URL}).Ask(t.Context(), address("192.0.2.7"))
		require.NoError(t, err, name)
		require.Equal(t, "Bücher", answer.Name, name)
	}
}

func TestPace(t *testing.T) {
	var asked atomic.Int32
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { asked.Add(1); w.WriteHeader(http.StatusTooManyRequests) })
	c := client(t, rdap.Config{Server: s.URL})
	for range 3 {
		_, err := c.Ask(t.Context(), address("192.0.2.7"))
		require.ErrorContains(t, err, "429")
	}
	_, err := c.Ask(t.Context(), address("192.0.2.7"))
	require.ErrorIs(t, err, lookup.ErrResting)
	require.EqualValues(t, 3, asked.Load())
}

func TestNew(t *testing.T) {
	for want, config := range map[string]rdap.Config{
		"no server to ask": {Others: []string{"https://rdap.example.net"}},
		"below zero":       {Server: "https://rdap.example.net", MaxRedirects: -1},
		"ftp://x":          {Server: "ftp://x"},
		"is no server":     {Server: "https://rdap.example.net", Others: []string{"rdap.example.org"}},
		"Pace":             {Server: "https://rdap.example.net", Pace: lookup.Pace{Burst: -1}},
	} {
		_, err := rdap.New(config)
		require.ErrorContains(t, err, want)
	}
}

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding"
	"go/ast"
	"io"
	"math"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/kelseyhightower/envconfig"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// clearEnvironment takes our variables out of a test's environment.
func clearEnvironment(t *testing.T) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, prefix) {
			t.Setenv(name, "") // so that it is there again after the test
			os.Unsetenv(name)
		}
	}
}

// eachVariable runs a test for every variable, those to come included.
func eachVariable(t *testing.T, run func(t *testing.T, field reflect.StructField, name string)) {
	for field := range reflect.TypeFor[Config]().Fields() {
		name := variableName(field)
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			run(t, field, name)
		})
	}
}

// value is what a field becomes in the environment as it is.
func value(field reflect.StructField) (any, error) {
	into := reflect.New(field.Type).Elem()
	err := loadField(field, into)
	return into.Interface(), err
}

// samples has a value for every type that is not the default of a variable. A
// new type may need one more.
var samples = []string{
	off, "on", "true", "required", "7", "7s", "7MiB", "64KiB", "1.3", "75", "json", "warn", "drop", "backend", "chat.example",
	"127.0.0.1:7", "https://app.example/prefix", "wss://chat.example", "https://origin.example", "10.76.0.0/16", "config_test.go",
}

// sample is a value for a field and what becomes of it.
func sample(t *testing.T, field reflect.StructField, name string) (text string, want any) {
	t.Helper()
	def, err := value(field)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range samples {
		t.Setenv(name, text)
		if got, err := value(field); err == nil && !reflect.DeepEqual(got, def) {
			return text, got
		}
	}
	t.Fatalf("samples has no value for a %s other than its default: add one", field.Type)
	return "", nil
}

func TestVariableIsEffective(t *testing.T) {
	eachVariable(t, func(t *testing.T, field reflect.StructField, name string) {
		text, want := sample(t, field, name)
		t.Setenv(name, text)
		c, err := loadConfig()
		if err != nil && !strings.Contains(err.Error(), name) {
			t.Fatalf("%s=%s: %v", name, text, err)
		} else if err != nil {
			return // it needs another one beside it, and the error names both
		}
		if got := reflect.ValueOf(c).Elem().FieldByIndex(field.Index).Interface(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s=%s: Config.%s = %+v, want %+v", name, text, field.Name, got, want)
		}
	})
}

// A field that no code reads is a variable without effect.
func TestVariableIsRead(t *testing.T) {
	read := map[string]bool{}
	for _, f := range productFiles(t) {
		if !inRoom("cmd")(f.path) {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				read[sel.Sel.Name] = true
			}
			return true
		})
	}
	eachVariable(t, func(t *testing.T, field reflect.StructField, _ string) {
		if !read[field.Name] {
			t.Errorf("no code reads Config.%s", field.Name)
		}
	})
}

func TestVariableThatIsEmptyIsUnset(t *testing.T) {
	eachVariable(t, func(t *testing.T, field reflect.StructField, name string) {
		want, err := value(field)
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv(name, "")
		if got, err := value(field); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s empty: %+v, %v; unset: %+v", name, got, err, want)
		}
	})
}

// The error says the name, the value, what is allowed, and gives an example or
// all there is to choose from.
func TestVariableThatIsWrongIsExplained(t *testing.T) {
	const wrong = "wrong: <\x01>"
	eachVariable(t, func(t *testing.T, field reflect.StructField, name string) {
		t.Setenv(name, wrong)
		_, err := loadConfig()
		if err == nil {
			t.Fatalf("%s=%q was taken", name, wrong)
		}
		for _, want := range []string{"\n  " + name + `="wrong: <\x01>": `, "allowed"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the error does not say %q: %v", want, err)
			}
		}
		if !strings.Contains(err.Error(), ", for example ") && !strings.Contains(err.Error(), "allowed values: ") {
			t.Errorf("the error has no example: %v", err)
		}
	})
}

// envconfig makes the names by rules of its own, and has ways to read a name
// without prefix: an envconfig tag "path" reads $PATH.
func TestVariableIsTheOneThatEnvconfigReads(t *testing.T) {
	var keys bytes.Buffer
	if err := envconfig.Usagef(strings.TrimSuffix(prefix, "_"), &Config{}, &keys, "{{range .}}{{usage_key .}} {{end}}"); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Fields(keys.String()), variableNames(); !reflect.DeepEqual(got, want) {
		t.Errorf("envconfig reads\n%s\nour names are\n%s", got, want)
	}
	eachVariable(t, func(t *testing.T, field reflect.StructField, name string) {
		text, _ := sample(t, field, name)
		os.Unsetenv(name)
		want, err := value(field)
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv(strings.TrimPrefix(name, prefix), text)
		if got, err := value(field); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s=%s was read: %+v, %v", strings.TrimPrefix(name, prefix), text, got, err)
		}
		if tag, ok := field.Tag.Lookup("envconfig"); ok {
			t.Errorf("Config.%s has the tag envconfig:%q", field.Name, tag)
		}
	})
}

// Kubernetes sets names that end in _PORT or are about a _SERVICE.
func TestVariableIsNoneOfKubernetes(t *testing.T) {
	eachVariable(t, func(t *testing.T, _ reflect.StructField, name string) {
		if strings.HasSuffix(name, "_PORT") || strings.Contains(name, "_SERVICE_") {
			t.Errorf("Kubernetes may set %s", name)
		}
	})
}

// Services are how Kubernetes names them, upper case and with underscores.
func TestInjected(t *testing.T) {
	for _, tt := range []struct {
		name    string
		service string
		want    bool
	}{
		{"WS76_SERVICE_HOST", "WS76", true},
		{"WS76_SERVICE_PORT", "WS76", true},
		{"WS76_SERVICE_PORT_HTTP_ADMIN", "WS76", true},
		{"WS76_PORT", "WS76", true},
		{"WS76_PORT_8076_TCP", "WS76", true},
		{"WS76_PORT_8076_TCP_PORT", "WS76", true},
		{"WS76_PORT_8076_SCTP_ADDR", "WS76", true},
		{"WS76_PORT_8076_UDP_PROTO", "WS76", true},
		{"WS76_ADMIN_PORT", "WS76_ADMIN", true},
		{"WS76_SERVICE_PORT", "WS76_SERVICE", true},
		{"WS76_SERVICE_SERVICE_PORT", "WS76_SERVICE", true},
		{"WS76_PORT_PORT_80_TCP_PORT", "WS76_PORT", true},

		{"WS76_ADMIN_PORT", "WS76", false},
		{"WS76_SERVICE_PORT", "OTHER", false},
		{"WS76_PORT_8076_ICMP", "WS76", false},
		{"WS76_PORT_HTTP_TCP", "WS76", false},
		{"WS76_SERVICE_HOSTS", "WS76", false},
		{"WS76_PORTS", "WS76", false},
		{"WS76_ADMIN", "WS76", false},
	} {
		if got := injected(tt.name, []string{"A=b", tt.service + "_SERVICE_HOST=10.0.0.1"}); got != tt.want {
			t.Errorf("with a Service %s: injected(%s) = %t, want %t", tt.service, tt.name, got, tt.want)
		}
		if injected(tt.name, []string{tt.service + "_SERVICE_HOST="}) {
			t.Errorf("without a Service: injected(%s)", tt.name)
		}
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"WS76_LISTN":         "WS76_LISTEN",
		"WS76_BACKENDHOST":   "WS76_BACKEND_HOST",
		"WS76_MAX_MESAGE":    "WS76_MAX_MESSAGE",
		"WS76_LOGFORMAT":     "WS76_LOG_FORMAT",
		"WS76_KEY_3_TIMEOUT": "WS76_KEY3_TIMEOUT",
	} {
		if got := nearest(name, variableNames()); got != want {
			t.Errorf("nearest(%s) = %s, want %s", name, got, want)
		}
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}} {
		if got := edits(tt.a, tt.b); got != tt.want {
			t.Errorf("edits(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// configured is the options of a gateway with one variable set, or none.
func configured(t *testing.T, name, text string) translate.Options {
	t.Helper()
	clearEnvironment(t)
	if name != "" {
		t.Setenv(name, text)
	}
	c, cr, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return c.options(cr, nil)
}

// What each variable makes of the gateway's options, first of all without any.
func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		got        func(o translate.Options) any
		want       any
	}{
		{"", "", func(o translate.Options) any { return o.Backend.Address }, "127.0.0.1:8080"},
		{"", "", func(o translate.Options) any { return o.Backend.TLS == nil }, true},
		{"", "", func(o translate.Options) any { return o.PathPrefix }, ""},
		{"", "", func(o translate.Options) any { return o.PreserveHost }, true},
		{"", "", func(o translate.Options) any { return o.PublicURL == nil }, true},
		{"", "", func(o translate.Options) any { return len(o.TrustedProxies) }, 6},
		{"", "", func(o translate.Options) any { return o.Dialects }, []legacy.Dialect{75, 76, 7, 8, 13}},
		{"", "", func(o translate.Options) any { return o.Origins == nil }, true},
		{"", "", func(o translate.Options) any { return o.Binary }, translate.BinaryClose},
		{"", "", func(o translate.Options) any { return o.Limits.Message }, int64(64 << 20)},
		{"", "", func(o translate.Options) any { return o.Limits.Connections }, 0},
		{"", "", func(o translate.Options) any { return o.Timeouts }, translate.Timeouts{
			Head: 10 * time.Second, Dial: 10 * time.Second, Key3: 5 * time.Second, Write: 30 * time.Second, Close: 5 * time.Second, Ping: 25 * time.Second,
		}},

		{"WS76_BACKEND", "https://app.example/a/b/", func(o translate.Options) any { return o.Backend.Address }, "app.example:443"},
		{"WS76_BACKEND", "https://app.example/a/b/", func(o translate.Options) any { return o.Backend.TLS.ServerName }, "app.example"},
		{"WS76_BACKEND", "https://app.example/a/b/", func(o translate.Options) any { return o.PathPrefix }, "/a/b"},
		{"WS76_BACKEND_HOST", "backend", func(o translate.Options) any { return o.PreserveHost }, false},
		{"WS76_PUBLIC_URL", "wss://chat.example:444", func(o translate.Options) any { return o.PublicURL.String() }, "wss://chat.example:444"},
		{"WS76_TRUSTED_PROXIES", "192.0.2.7", func(o translate.Options) any { return o.TrustedProxies }, []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32")}},
		{"WS76_DIALECTS", "75", func(o translate.Options) any { return o.Dialects }, []legacy.Dialect{legacy.Hixie75}},
		{"WS76_ORIGINS", "https://a.example", func(o translate.Options) any { return o.Origins }, []string{"https://a.example"}},
		{"WS76_BINARY", "base64", func(o translate.Options) any { return o.Binary }, translate.BinaryBase64},
		{"WS76_MAX_MESSAGE", "1KiB", func(o translate.Options) any { return o.Limits.Message }, int64(1024)},
		{"WS76_MAX_MESSAGE", "off", func(o translate.Options) any { return o.Limits.Message }, int64(0)},
		{"", "", func(o translate.Options) any { return o.Limits.Skip }, int64(1 << 20)},
		{"", "", func(o translate.Options) any { return o.Limits.Head }, 16 << 10},
		{"WS76_MAX_SKIP", "7KiB", func(o translate.Options) any { return o.Limits.Skip }, int64(7 << 10)},
		{"WS76_MAX_SKIP", "off", func(o translate.Options) any { return o.Limits.Skip }, int64(math.MaxInt64)},
		{"WS76_MAX_HEAD", "32KiB", func(o translate.Options) any { return o.Limits.Head }, 32 << 10},
		{"WS76_MAX_CONNECTIONS_PER_CLIENT", "7", func(o translate.Options) any { return o.Limits.ConnectionsPerClient }, 7},
		{"WS76_MAX_HANDSHAKES", "7", func(o translate.Options) any { return o.Limits.HandshakesPerSecond }, 7},
		{"WS76_MAX_CONNECTIONS", "7", func(o translate.Options) any { return o.Limits.Connections }, 7},
		{"WS76_HEAD_TIMEOUT", "7s", func(o translate.Options) any { return o.Timeouts.Head }, 7 * time.Second},
		{"WS76_DIAL_TIMEOUT", "7s", func(o translate.Options) any { return o.Timeouts.Dial }, 7 * time.Second},
		{"WS76_KEY3_TIMEOUT", "7s", func(o translate.Options) any { return o.Timeouts.Key3 }, 7 * time.Second},
		{"WS76_WRITE_TIMEOUT", "7s", func(o translate.Options) any { return o.Timeouts.Write }, 7 * time.Second},
		{"WS76_CLOSE_TIMEOUT", "7s", func(o translate.Options) any { return o.Timeouts.Close }, 7 * time.Second},
		{"WS76_IDLE_TIMEOUT", "7s", func(o translate.Options) any { return o.Timeouts.Idle }, 7 * time.Second},
		{"WS76_PING_INTERVAL", "7s", func(o translate.Options) any { return o.Timeouts.Ping }, 7 * time.Second},
		{"WS76_PING_INTERVAL", "off", func(o translate.Options) any { return o.Timeouts.Ping }, time.Duration(0)},
	} {
		t.Run(tt.name+"="+tt.text, func(t *testing.T) {
			if got := tt.got(configured(t, tt.name, tt.text)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// The values of each type; wrong is a part of the error.
func TestUnmarshalText(t *testing.T) {
	public, err := url.Parse("wss://chat.example:444")
	if err != nil {
		t.Fatal(err)
	}
	prefixes := func(s ...string) (n Networks) {
		for _, p := range s {
			n = append(n, netip.MustParsePrefix(p))
		}
		return n
	}
	for _, tt := range []struct {
		text  string
		want  any // its type says which is meant
		wrong string
	}{
		{"/etc/ws76/tls.pem", PEM("/etc/ws76/tls.pem"), ""},
		{"-----BEGIN CERTIFICATE-----\nMA==\n", PEM("-----BEGIN CERTIFICATE-----\nMA==\n"), ""},
		{"a\nb", PEM(""), "not a path"},
		{"1.0", TLSVersion(tls.VersionTLS10), ""},
		{"1.3", TLSVersion(tls.VersionTLS13), ""},
		{"1", TLSVersion(0), "not one of the allowed values"},
		{"app.internal", ServerName("app.internal"), ""},
		{"*.internal", ServerName(""), "not a name"},
		{"app:443/", ServerName(""), "not a name"},
		{":8076", Address(":8076"), ""},
		{":0", Address(":0"), ""},
		{"[::1]:65535", Address("[::1]:65535"), ""},
		{"host.example:80", Address("host.example:80"), ""},
		{"off", Address(""), ""},
		{"8076", Address(""), "not an address"},
		{"localhost", Address(""), "not an address"},
		{"localhost:", Address(""), "not an address"},
		{":http", Address(""), "not an address"},
		{":65536", Address(""), "not an address"},
		{":-1", Address(""), "not an address"},
		{"::1:80", Address(""), "not an address"},

		{"http://127.0.0.1:8080", BackendURL{Address: "127.0.0.1:8080"}, ""},
		{"http://app", BackendURL{Address: "app:80"}, ""},
		{"ws://app/", BackendURL{Address: "app:80"}, ""},
		{"https://app", BackendURL{Secure: true, Address: "app:443"}, ""},
		{"wss://app:8443/a%2Fb/", BackendURL{Secure: true, Address: "app:8443", Prefix: "/a%2Fb"}, ""},
		{"http://[::1]", BackendURL{Address: "[::1]:80"}, ""},
		{"app:8080", BackendURL{}, "not a URL with a host"},
		{"/app", BackendURL{}, "not a URL with a host"},
		{"http://:8080", BackendURL{}, "not a URL with a host"},
		{"http://a b", BackendURL{}, "not a URL with a host"},
		{"tcp://app", BackendURL{}, "not a scheme"},
		{"http://app?", BackendURL{}, "no query or fragment"},
		{"http://app?a=b", BackendURL{}, "no query or fragment"},
		{"http://app#a", BackendURL{}, "no query or fragment"},
		{"http://me:secret@app", BackendURL{}, "no user"},

		{"preserve", HostPolicy("preserve"), ""},
		{"backend", HostPolicy("backend"), ""},
		{"Backend", HostPolicy(""), "not one of the allowed values: preserve, backend"},

		{"wss://chat.example:444", PublicURL{public}, ""},
		{"https://chat.example", PublicURL{}, "not a public address"},
		{"chat.example", PublicURL{}, "not a public address"},
		{"wss://", PublicURL{}, "not a public address"},
		{"wss://chat.example/", PublicURL{}, "not a public address"},
		{"wss://chat.example?a", PublicURL{}, "not a public address"},
		{"wss://me@chat.example", PublicURL{}, "not a public address"},

		{"10.0.0.0/8, ::1", prefixes("10.0.0.0/8", "::1/128"), ""},
		{"192.0.2.1", prefixes("192.0.2.1/32"), ""},
		{"off", Networks{}, ""},
		{"10.0.0.0/33", Networks{}, `"10.0.0.0/33" is not a network`},
		{"10.0.0.0/8,", Networks{}, `"" is not a network`},
		{"10.0.0.0/8,off", Networks{}, `"off" is not a network`},
		{"proxy", Networks{}, `"proxy" is not a network`},

		{"75,76", Dialects{legacy.Hixie75, legacy.Hixie76}, ""},
		{"13, 8,7", Dialects{legacy.RFC6455, legacy.Hybi08, legacy.Hybi07}, ""},
		{"74", Dialects{}, `"74" is not a dialect`},
		{"0", Dialects{}, `"0" is not a dialect`},
		{"http", Dialects{}, `"http" is not a dialect`},

		{"https://a.example, *.b.example,null", Origins{"https://a.example", "*.b.example", "null"}, ""},
		{"a.example", Origins{}, `"a.example" is not an origin`},
		{"*", Origins{}, `"*" is not an origin`},
		{"*.", Origins{}, `"*." is not an origin`},

		{"close", Binary(translate.BinaryClose), ""},
		{"base64", Binary(translate.BinaryBase64), ""},
		{"text", Binary(translate.BinaryText), ""},
		{"drop", Binary(translate.BinaryDrop), ""},
		{"off", Binary(""), "not one of the allowed values: close, base64, text, drop"},

		{"1B", Size(1), ""},
		{"2KiB", Size(2 << 10), ""},
		{"64MiB", Size(64 << 20), ""},
		{"3GiB", Size(3 << 30), ""},
		{"8589934591GiB", Size(8589934591 << 30), ""},
		{"off", Size(0), ""},
		{"0", Size(0), ""},
		{"8589934592GiB", Size(0), "not a size"},
		{"64", Size(0), "not a size"},
		{"64MB", Size(0), "not a size"},
		{"64 MiB", Size(0), "not a size"},
		{"1.5MiB", Size(0), "not a size"},
		{"-1B", Size(0), "not a size"},
		{"0B", Size(0), "not a size"},
		{"B", Size(0), "not a size"},

		{"1000", Count(1000), ""},
		{"0", Count(0), ""},
		{"off", Count(0), ""},
		{"-1", Count(0), "not a count"},
		{"1e3", Count(0), "not a count"},
		{"99999999999999999999", Count(0), "not a count"},

		{"500ms", Timeout(500 * time.Millisecond), ""},
		{"1m30s", Timeout(90 * time.Second), ""},
		{"0s", Timeout(0), "not a timeout"},
		{"-1s", Timeout(0), "not a timeout"},
		{"10", Timeout(0), "not a timeout"},
		{"off", Timeout(0), "not a timeout"},

		{"1s", Period(time.Second), ""},
		{"10m", Period(10 * time.Minute), ""},
		{"off", Period(0), ""},
		{"0", Period(0), ""},
		{"999ms", Period(0), "not a period"},
		{"-1s", Period(0), "not a period"},
		{"25", Period(0), "not a period"},

		{"trace", LogLevel("trace"), ""},
		{"off", LogLevel("off"), ""},
		{"inof", LogLevel(""), "not one of the allowed values: trace, debug, info, warn, error, off"},
		{"INFO", LogLevel(""), "not one of the allowed values"},

		{"json", LogFormat("json"), ""},
		{"text", LogFormat("text"), ""},
		{"logfmt", LogFormat(""), "not one of the allowed values: text, json"},

		{"required", Requirement("required"), ""},
		{"off", Requirement("off"), ""},
		{"optional", Requirement(""), "not one of the allowed values: required, off"},

		{"*", Domains{"*"}, ""},
		{"a.example,*.b.example", Domains{"a.example", "*.b.example"}, ""},
		{"off", Domains{}, ""},
		{"http://a.example", Domains{}, `"http://a.example" is not a domain`},
		{`a"b`, Domains{}, "is not a domain"},
		{"a.example,", Domains{}, `"" is not a domain`},
	} {
		into := reflect.New(reflect.TypeOf(tt.want))
		err := into.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(tt.text))
		switch {
		case tt.wrong == "" && err != nil:
			t.Errorf("%T %q: %v", tt.want, tt.text, err)
		case tt.wrong == "" && !reflect.DeepEqual(into.Elem().Interface(), tt.want):
			t.Errorf("%T %q = %+v, want %+v", tt.want, tt.text, into.Elem(), tt.want)
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("%T %q: error %v, want %q", tt.want, tt.text, err, tt.wrong)
		}
	}
}

func TestHelpNamesEverything(t *testing.T) {
	var out bytes.Buffer
	if err := help(context.Background(), nil, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, v := range verbs() {
		if !strings.Contains(out.String(), "\n  "+v.name+" ") || !strings.Contains(out.String(), " "+v.help+"\n") {
			t.Errorf("help does not explain the verb %s", v.name)
		}
	}
	eachVariable(t, func(t *testing.T, field reflect.StructField, name string) {
		for _, want := range []string{"\n| `" + name + "` | ", field.Tag.Get("default"), " | " + field.Tag.Get("desc") + " |\n"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("help does not say %q", want)
			}
		}
		if field.Tag.Get("desc") == "" || strings.ContainsAny(field.Tag.Get("desc"), "|\n") {
			t.Errorf("desc:%q is no cell of a table", field.Tag.Get("desc"))
		}
	})
}

func TestReadmeHasTheTable(t *testing.T) {
	const first, last = "<!-- configuration -->\n", "<!-- /configuration -->"
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begun := strings.Cut(string(readme), first)
	got, _, ended := strings.Cut(rest, last)
	if !begun || !ended || got != configTable() {
		t.Errorf("README.md is to have this:\n%s%s%s", first, configTable(), last)
	}
}

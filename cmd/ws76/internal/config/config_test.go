package config

import (
	"encoding"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
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
	if p := readField(field, into); p != nil {
		return nil, p
	}
	return into.Interface(), nil
}

// samples has a value for every type that is not the default of a variable. A
// new type may need one more.
var samples = []string{
	off, "on", "true", "base64", "required", "7", "7s", "7MiB", "64KiB", "1.3", "75", "json", "warn", "drop", "backend", "chat.example",
	"127.0.0.1:7", "https://app.example/prefix", "wss://chat.example", "https://origin.example", "10.76.0.0/16", "config_test.go", "/selftest",
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
		c, problems := Read()
		err := problems.OrNil()
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
		_, problems := Read()
		err := problems.OrNil()
		if err == nil {
			t.Fatalf("%s=%q was taken", name, wrong)
		}
		shown := `wrong: <\x01>`
		if mayBeFile(field) {
			shown = "***(10 bytes)" // it may be a key
		}
		for _, want := range []string{"\n  " + name + `="` + shown + `": `, "allowed"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the error does not say %q: %v", want, err)
			}
		}
		if !strings.Contains(err.Error(), ", for example ") && !strings.Contains(err.Error(), "allowed values: ") {
			t.Errorf("the error has no example: %v", err)
		}
	})
}

// envconfig has ways to read a name without prefix: a tag envconfig:"path" reads $PATH.
func TestVariableIsReadWithItsPrefixOnly(t *testing.T) {
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

// The names are those that envconfig would make with split_words.
func TestVariableNames(t *testing.T) {
	for field, want := range map[string]string{
		"Listen": "WS76_LISTEN", "TLSListen": "WS76_TLS_LISTEN", "BackendCA": "WS76_BACKEND_CA", "PublicURL": "WS76_PUBLIC_URL",
		"MaxConnectionsPerClient": "WS76_MAX_CONNECTIONS_PER_CLIENT", "Key3Timeout": "WS76_KEY3_TIMEOUT",
	} {
		if got := variableName(reflect.StructField{Name: field}); got != want {
			t.Errorf("%s is %s, want %s", field, got, want)
		}
	}
}

// A variable with a list of values takes each of them, as it is spelt, and nothing else.
func TestOneOf(t *testing.T) {
	lists := 0
	eachVariable(t, func(t *testing.T, field reflect.StructField, name string) {
		list, ok := field.Tag.Lookup("oneof")
		if !ok {
			return
		}
		lists++
		for _, v := range strings.Split(list, ", ") {
			t.Setenv(name, v)
			if got, err := value(field); err != nil || reflect.ValueOf(got).String() != v {
				t.Errorf("%s=%s: %v, %v", name, v, got, err)
			}
			for _, wrong := range []string{v + "s", strings.ToUpper(v) + "S", v[1:], v + "," + v} {
				t.Setenv(name, wrong)
				if _, err := value(field); err == nil || !strings.Contains(err.Error(), "not one of the allowed values: "+list) {
					t.Errorf("%s=%s: error %v", name, wrong, err)
				}
			}
		}
	})
	if lists < 6 {
		t.Errorf("only %d variables have a list of values", lists)
	}
}

// Kubernetes sets names that end in _PORT or are about a _SERVICE.
func TestVariableIsNoneOfKubernetes(t *testing.T) {
	eachVariable(t, func(t *testing.T, _ reflect.StructField, name string) {
		if strings.HasSuffix(name, "_PORT") || strings.Contains(name, "_SERVICE_") || strings.Contains(name, "_ENV_") {
			t.Errorf("Kubernetes or Docker may set %s", name)
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

// docker run --link sets variables named after the container.
func TestInjectedByDocker(t *testing.T) {
	for _, tt := range []struct {
		name, marker string
		want         bool
	}{
		{"WS76_NAME", "WS76_NAME=/app/ws76", true},
		{"WS76_PORT", "WS76_NAME=/app/ws76", true},
		{"WS76_PORT_8076_TCP_ADDR", "WS76_NAME=/app/ws76", true},
		{"WS76_ENV_GOLANG_VERSION", "WS76_NAME=/app/ws76", true},
		{"WS76_CHAT_ENV_PATH", "WS76_CHAT_NAME=/app/ws76-chat", true},
		{"WS76_PORT", "WS76_NAME=chat", false},
		{"WS76_PORT", "OTHER_NAME=/app/other", false},
		{"WS76_ENV_", "WS76_NAME=/app/ws76", false},
		{"WS76_LISTN", "WS76_NAME=/app/ws76", false},
	} {
		if got := injected(tt.name, []string{tt.marker}); got != tt.want {
			t.Errorf("with %s: injected(%s) = %t, want %t", tt.marker, tt.name, got, tt.want)
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
		if got := Nearest(name, Names()); got != want {
			t.Errorf("Nearest(%s) = %s, want %s", name, got, want)
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
		want  any // its type is the one under test
		wrong string
	}{
		{"/etc/ws76/tls.pem", PEM("/etc/ws76/tls.pem"), ""},
		{"-----BEGIN CERTIFICATE-----\nMA==\n", PEM("-----BEGIN CERTIFICATE-----\nMA==\n"), ""},
		{"a\nb", PEM(""), "neither PEM text"},
		{"0123456789abcdef", Secret("0123456789abcdef"), ""},
		{"0123456789abcde", Secret(""), "too short"},
		{"0123456789 abcdef", Secret(""), "not printable"},
		{"app.internal", ServerName("app.internal"), ""},
		{"*.internal", ServerName(""), "not a name"},
		{"app:443/", ServerName(""), "not a name"},
		{":8076", Address(":8076"), ""},
		{"unix:/run/ws76.sock", Address(""), "not an address"},
		{":8076", ClientAddress(":8076"), ""},
		{"off", ClientAddress(""), ""},
		{"unix:/run/ws76.sock", ClientAddress("unix:/run/ws76.sock"), ""},
		{"unix:run/ws76.sock", ClientAddress(""), "not the absolute path"},
		{"unix:/run/", ClientAddress(""), "not the absolute path"},
		{"unix:/" + strings.Repeat("a", 103), ClientAddress(""), "at most 103 bytes"},
		{"8076", ClientAddress(""), "not an address"},
		{"unix:/run/app.sock", BackendURL{Address: "unix:/run/app.sock"}, ""},
		{"preserve", Host("preserve"), ""},
		{"device.example:81", Host("device.example:81"), ""},
		{"[::1]:81", Host("[::1]:81"), ""},
		{"a/b", Host(""), "not a host"},
		{"a:", Host(""), "not a host"},
		{"a:99999", Host(""), "not a host"},
		{"u@a", Host(""), "not a host"},
		{"76", BackendDialect(legacy.Hixie76), ""},
		{"8", BackendDialect(0), "not a version"},
		{"http://a.example:81", Origin("http://a.example:81"), ""},
		{"null", Origin("null"), ""},
		{"http://a.example/", Origin(""), "not an origin"},
		{"a.example", Origin(""), "not an origin"},
		{"ping", Text("ping"), ""},
		{"off", Text(""), ""},
		{"a\nb", Text(""), "not a short text"},
		{strings.Repeat("a", 126), Text(""), "not a short text"},
		{"unix:app.sock", BackendURL{}, "not the absolute path"},
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
		{"HTTPS://A.example:443", Origins{"https://A.example"}, ""},
		{"https://xn--bcher-kva.example,*.xn--bcher-kva.example", Origins{"https://xn--bcher-kva.example", "*.xn--bcher-kva.example"}, ""},
		{"https://b\u00fccher.example", Origins{}, "is not an origin as browsers send it: a host in other letters is in punycode"},
		{"https://b%C3%BCcher.example", Origins{}, "in punycode"},
		{"*.b\u00fccher.example", Origins{}, "in punycode"},
		{"*.example.com:8443", Origins{}, "is not an origin"},
		{"*.example.com/", Origins{}, "is not an origin"},
		{"*.exam ple.com", Origins{}, "is not an origin"},
		{"https://a.example:70000", Origins{}, "is not an origin"},
		{"https://a.example:0443", Origins{}, "is not an origin"},
		{"https://a .example", Origins{}, "is not an origin"},

		{"http://b\u00fccher.example", BackendURL{}, "in punycode"},
		{"wss://b\u00fccher.example", PublicURL{}, "not a public address"},
		{"b\u00fccher.example", Domains{}, "is not a domain"},

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

func TestReadmeHasTheTable(t *testing.T) {
	const first, last = "<!-- configuration -->\n", "<!-- /configuration -->"
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begun := strings.Cut(string(readme), first)
	got, _, ended := strings.Cut(rest, last)
	if !begun || !ended || got != Table() {
		t.Errorf("cmd/ws76/README.md is to have this:\n%s%s%s", first, Table(), last)
	}
}

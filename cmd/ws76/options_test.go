package main

import (
	"go/ast"
	"math"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// prefix begins the name of every variable.
const prefix = "WS76_"

// clearEnvironment takes our variables out of a test's environment.
func clearEnvironment(t *testing.T) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, prefix) {
			t.Setenv(name, "") // so that it is there again after the test
			os.Unsetenv(name)
		}
	}
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
	for field := range reflect.TypeFor[config.Config]().Fields() {
		if !read[field.Name] {
			t.Errorf("no code reads Config.%s", field.Name)
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
	return options(c, cr, nil)
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
		{"", "", func(o translate.Options) any { return o.Binary }, translate.BinaryText},
		{"", "", func(o translate.Options) any { return o.Limits.Message }, int64(64 << 20)},
		{"", "", func(o translate.Options) any { return o.Limits.Connections }, 0},
		{"", "", func(o translate.Options) any { return o.Timeouts }, translate.Timeouts{
			Head: 10 * time.Second, Dial: 10 * time.Second, Key3: 5 * time.Second, Write: 30 * time.Second, Close: 5 * time.Second, Ping: 25 * time.Second, KeepAlive: 620 * time.Second,
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
		{"WS76_KEEPALIVE_TIMEOUT", "7s", func(o translate.Options) any { return o.Timeouts.KeepAlive }, 7 * time.Second},
		{"WS76_PING_INTERVAL", "off", func(o translate.Options) any { return o.Timeouts.Ping }, time.Duration(0)},
	} {
		t.Run(tt.name+"="+tt.text, func(t *testing.T) {
			if got := tt.got(configured(t, tt.name, tt.text)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestHelpNamesEverything(t *testing.T) {
	text := strings.Join(strings.Fields(helpOf(t, "help")), " ")
	for _, v := range verbs() {
		if !strings.Contains(text, " "+v.Name+" "+v.Summary+" ") {
			t.Errorf("help does not explain the verb %s", v.Name)
		}
	}
	for i, field := range slices.Collect(reflect.TypeFor[config.Config]().Fields()) {
		for _, want := range []string{config.Names()[i] + " " + field.Tag.Get("desc"), field.Tag.Get("default")} {
			if !strings.Contains(text, strings.Join(strings.Fields(want), " ")) {
				t.Errorf("help does not say %q", want)
			}
		}
		if field.Tag.Get("desc") == "" || strings.ContainsAny(field.Tag.Get("desc"), "|\n") {
			t.Errorf("desc:%q is no cell of a table", field.Tag.Get("desc"))
		}
	}
}

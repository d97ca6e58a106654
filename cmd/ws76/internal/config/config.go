// Package config reads the settings of ws76 from environment variables. It reports every
// error at once, each with what is allowed instead, and never shows what may be a secret.
package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/kelseyhightower/envconfig"

	"github.com/ws76/ws76/translate"
)

// current is the variable in which envconfig finds the value that is being read.
const current = prefix + "CURRENT_VALUE"

// prefix begins the name of every variable. PEM and secrets may also be given as the path
// of a file with fileSuffix appended to the name, as Docker's secrets are.
const (
	prefix     = "WS76_"
	fileSuffix = "_FILE"
)

// Config holds the settings: the field MaxMessage is read from WS76_MAX_MESSAGE.
//
// The tags are read by this package: desc explains the variable, oneof lists all its
// values, allowed and example say in an error what else it may be.
type Config struct {
	Listen                  ClientAddress          `default:":8076" allowed:"host:port or :port with a port from 0 to 65535, or unix:/path" example:":8076" desc:"the port for clients, host:port or unix:/path; off, if WS76_TLS_LISTEN is set"`
	Backend                 BackendURL             `default:"http://127.0.0.1:8080" allowed:"http, https, ws or wss, a host, an optional port and path, or unix:/path" example:"http://127.0.0.1:8080" desc:"the app: http, https, ws or wss, host, optional port and path prefix; or unix:/path of its socket"`
	Admin                   Address                `default:"127.0.0.1:9076" allowed:"host:port or :port with a port from 0 to 65535" example:"127.0.0.1:9076" desc:"the port for operators: health, metrics and what / lists, host:port; off"`
	AdminToken              Secret                 `allowed:"16 characters or more, printable and without spaces" example:"the output of openssl rand -hex 16" desc:"the password for all of that port but /healthz, /readyz and /metrics, from anywhere; default: only this machine may ask, without a password"`
	Pprof                   string                 `default:"off" oneof:"on, off" desc:"on: profiles of the process under /debug/pprof/ of that port; off"`
	Inspect                 string                 `default:"off" oneof:"on, off" desc:"on: the page /inspect of that port shows both sides of every WebSocket connection, live, with all that they say; off"`
	InspectMemory           MemorySize             `default:"16MiB" allowed:"1MiB to 1GiB" example:"16MiB" desc:"the most memory for what that page shows, from 1MiB to 1GiB; the oldest goes first"`
	TLSListen               Address                `default:"off" allowed:"host:port or :port with a port from 0 to 65535" example:":8443" desc:"a port for clients with TLS, beside or instead of WS76_LISTEN, host:port; off"`
	TLSCert                 PEM                    `allowed:"the path of a PEM file that can be read, or its text" example:"/etc/ws76/tls.pem" desc:"the certificate of that port and its intermediates, a PEM file; reloaded when it changes"`
	TLSKey                  PEM                    `allowed:"the path of a PEM file that can be read, or its text" example:"/etc/ws76/tls.key" desc:"the private key of the certificate, a PEM file; reloaded when it changes"`
	TLSMinVersion           string                 `default:"1.2" oneof:"1.0, 1.1, 1.2, 1.3" desc:"the oldest TLS version that clients may use: 1.0, 1.1, 1.2 or 1.3; below 1.2 the ciphers that clients of 2010 need are enabled too"`
	BackendHost             Host                   `default:"preserve" allowed:"preserve, backend, or host[:port]" example:"backend" desc:"the Host field sent to the backend: preserve keeps the client's, backend sends that of WS76_BACKEND, host[:port] is sent as it is"`
	BackendDialect          BackendDialect         `default:"13" allowed:"13, 76 or 75" example:"76" desc:"the version of WebSocket that the backend speaks: 13, 76 or 75"`
	BackendOrigin           Origin                 `allowed:"http://host, https://host:port or null" example:"http://device.example" desc:"the Origin sent to a backend of -76 or -75; default: the client's"`
	BackendLax              string                 `default:"off" oneof:"on, off" desc:"on: a backend of -76 or -75 may send its challenge response in the wrong byte order, leave out the Location, or have another status line than -75, which the log then says; off"`
	BackendCA               PEM                    `allowed:"the path of a PEM file that can be read, or its text" example:"/etc/ws76/ca.pem" desc:"the authority that signed the backend's certificate, a PEM file; default: the system's authorities"`
	BackendCert             PEM                    `allowed:"the path of a PEM file that can be read, or its text" example:"/etc/ws76/client.pem" desc:"the client certificate sent to the backend, a PEM file; reloaded when it changes"`
	BackendKey              PEM                    `allowed:"the path of a PEM file that can be read, or its text" example:"/etc/ws76/client.key" desc:"the private key of the client certificate, a PEM file; reloaded when it changes"`
	BackendServerName       ServerName             `allowed:"a host name or an address, without a port" example:"app.internal" desc:"the name in the backend's certificate; default: the host of WS76_BACKEND"`
	PublicURL               PublicURL              `allowed:"ws://host or wss://host, with a port or without" example:"wss://chat.example.com" desc:"ws://host or wss://host[:port] that clients connect to, which -75 and -76 compare; default: X-Forwarded-Proto and -Host, else Host"`
	TrustedProxies          Networks               `default:"127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7" allowed:"addresses and networks separated by commas" example:"10.0.0.0/8,::1; off" desc:"networks whose X-Forwarded-* fields and PROXY headers are trusted; off"`
	ProxyProtocol           string                 `default:"off" oneof:"required, off" desc:"required: every connection begins with a PROXY header, v1 or v2, from a trusted proxy; off"`
	FlashPolicy             Domains                `default:"off" allowed:"names and patterns separated by commas" example:"*.example.com or *; off" desc:"domains whose Flash may connect, such as * or *.example.com: answers a Flash policy request on WS76_LISTEN; off"`
	Dialects                Dialects               `default:"75,76,7,8,13" allowed:"75, 76, 7, 8 and 13, separated by commas" example:"75,76" desc:"the versions of WebSocket that clients may use"`
	Origins                 Origins                `default:"off" allowed:"http://host, https://host:port, null or *.suffix, separated by commas" example:"https://app.example.com,*.example.org; off" desc:"allowed origins, exact or *.suffix of the host; off: any"`
	Binary                  translate.BinaryPolicy `default:"text" oneof:"text, close, base64, drop" desc:"a binary message towards a side of -75 or -76: text (if it is UTF-8, else close), close (1003), base64, drop"`
	BinaryUp                string                 `default:"off" oneof:"off, base64" desc:"base64: a message of a client of -75 or -76 is base64, and reaches the backend as a binary one, else the connection is closed with 1007; off"`
	Selftest                LocalPath              `default:"off" allowed:"a path of letters, digits and . _ ~ - between slashes" example:"/websocket-test; off" desc:"a path for a page that tests the WebSockets of the device that opens it; ws76 answers there and below in the place of the app; off"`
	MaxMessage              Size                   `default:"64MiB" allowed:"a whole number with B, KiB, MiB or GiB" example:"64MiB; off" desc:"the largest message from or to a client of -75 or -76, else the connection is closed with 1009; off or 0"`
	MaxSkip                 Size                   `default:"1MiB" allowed:"a whole number with B, KiB, MiB or GiB" example:"1MiB; off" desc:"the largest frame of a reserved type of -75 and -76, which is skipped, else the connection is closed; off or 0"`
	MaxHead                 HeadSize               `default:"16KiB" allowed:"8KiB to 1MiB" example:"16KiB" desc:"the largest request head, from 8KiB to 1MiB, else 431"`
	MaxConnections          Count                  `default:"off" allowed:"a whole number" example:"1000; off" desc:"open WebSocket connections, else 503; off or 0"`
	MaxConnectionsPerClient Count                  `default:"off" allowed:"a whole number" example:"100; off" desc:"open WebSocket connections of one client address, else 429; off or 0"`
	MaxHandshakes           Count                  `default:"off" allowed:"a whole number" example:"500; off" desc:"opening handshakes per second, else 503; off or 0"`
	HeadTimeout             Timeout                `default:"10s" allowed:"a duration above 0 with its unit" example:"500ms, 10s or 2m" desc:"to receive a request head"`
	DialTimeout             Timeout                `default:"10s" allowed:"a duration above 0 with its unit" example:"500ms, 10s or 2m" desc:"for the backend to answer the opening handshake"`
	Key3Timeout             Timeout                `default:"5s" allowed:"a duration above 0 with its unit" example:"500ms, 10s or 2m" desc:"to receive key3 after the 101"`
	WriteTimeout            Timeout                `default:"30s" allowed:"a duration above 0 with its unit" example:"500ms, 10s or 2m" desc:"for a side to take what is written to it, responses of plain HTTP included"`
	CloseTimeout            Timeout                `default:"5s" allowed:"a duration above 0 with its unit" example:"500ms, 10s or 2m" desc:"for the closing handshake on both sides"`
	IdleTimeout             Period                 `default:"off" allowed:"a duration of at least 1s with its unit" example:"25s or 10m; off" desc:"closes connections that carried no message for this long (checked coarsely: up to twice as long); off"`
	PingInterval            Period                 `default:"25s" allowed:"a duration of at least 1s with its unit" example:"25s or 10m; off" desc:"between two Pings to the side of RFC 6455 where the other is of -75 or -76; off"`
	KeepaliveText           Text                   `default:"off" allowed:"text without control characters, at most 125 bytes" example:"ping; off" desc:"a message sent to a client of -75 or -76 that has been sent nothing for WS76_PING_INTERVAL; the page must ignore it; off"`
	KeepaliveTimeout        Timeout                `default:"620s" allowed:"a duration above 0 with its unit" example:"500ms, 10s or 2m" desc:"how long a client's connection of plain HTTP is kept between two requests; longer than that of a balancer in front, or it meets connections that close"`
	DrainDelay              Period                 `default:"off" allowed:"a duration of at least 1s with its unit" example:"25s or 10m; off" desc:"after SIGTERM, how long new connections are still accepted while /readyz says 503, so that balancers notice; part of WS76_DRAIN_TIMEOUT; off"`
	DrainTimeout            Timeout                `default:"20s" allowed:"a duration above 0 with its unit" example:"500ms, 10s or 2m" desc:"from SIGTERM until all connections are closed"`
	LogLevel                string                 `default:"info" oneof:"trace, debug, info, warn, error, off" desc:"trace, debug, info, warn, error or off"`
	LogFormat               string                 `default:"text" oneof:"text, json" desc:"text or json"`
}

// Read reads the environment and validates it, but does not look at the files that it
// names.
func Read() (*Config, Errors) {
	var c Config
	problems := unknownVariables(os.Environ())
	fields := reflect.ValueOf(&c).Elem()
	for i := range fields.NumField() {
		problems = append(problems, readField(fields.Type().Field(i), fields.Field(i))...)
	}
	problems.Add(c.contradictions())
	return &c, problems
}

// readField reads one variable. A variable that is set but empty counts as unset.
// White space around a value, which env files and shells leave there, is removed.
func readField(field reflect.StructField, into reflect.Value) Errors {
	name, value := lookup(field)
	if value != "" && name != variableName(field) && strings.TrimSpace(os.Getenv(variableName(field))) != "" {
		return Errors{Invalid(name, value, "%s is set too; allowed: one of them", variableName(field))}
	}
	if name != variableName(field) && field.Type == reflect.TypeFor[Secret]() {
		text, err := os.ReadFile(value)
		if err != nil {
			return Errors{Invalid(name, value, "%w; allowed: the path of a file that can be read, for example /run/secrets/token", withoutPath(err))}
		}
		value = strings.TrimSpace(string(text))
	}
	err := process(field, value, into)
	if choices := field.Tag.Get("oneof"); err == nil && choices != "" && !slices.Contains(strings.Split(choices, ", "), into.String()) {
		err = fmt.Errorf("not one of the allowed values: %s", choices)
	} else if err != nil {
		err = fmt.Errorf("%w; allowed: %s, for example %s", err, field.Tag.Get("allowed"), field.Tag.Get("example"))
	}
	if err == nil {
		return nil
	}
	return Errors{Invalid(name, value, "%w", err)}
}

// lookup returns the variable that is set for a field, NAME or NAME_FILE, and its value.
func lookup(field reflect.StructField) (name, value string) {
	name = variableName(field)
	if path := strings.TrimSpace(os.Getenv(name + fileSuffix)); path != "" && mayBeFile(field) {
		return name + fileSuffix, path
	}
	return name, strings.TrimSpace(os.Getenv(name))
}

// process calls envconfig for one field, because it would stop at the first error. The
// envconfig tag tells it the name of a variable that exists for the moment only, so
// that there is one rule for names, ours, and the environment is left as it was.
func process(field reflect.StructField, value string, into reflect.Value) error {
	if value == "" {
		value = field.Tag.Get("default")
	}
	field.Tag = reflect.StructTag(`envconfig:"` + current + `"`)
	if value != "" {
		os.Setenv(current, value)
		defer os.Unsetenv(current)
	}
	one := reflect.New(reflect.StructOf([]reflect.StructField{field}))
	err := envconfig.Process("", one.Interface())
	if parse := new(envconfig.ParseError); errors.As(err, &parse) {
		return parse.Err
	}
	into.Set(one.Elem().Field(0))
	return err
}

package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/kelseyhightower/envconfig"
)

// prefix begins the name of every variable; one that is PEM may have the suffix
// too, as Docker and others name the paths of secrets.
const (
	prefix     = "WS76_"
	fileSuffix = "_FILE"
)

// Config is the environment of ws76: a field MaxMessage is WS76_MAX_MESSAGE.
// The envconfig tag is not used: it would read the name without prefix too.
type Config struct {
	Listen                  Address     `split_words:"true" default:":8076" desc:"the one port for clients, host:port; off, if there is WS76_TLS_LISTEN"`
	Backend                 BackendURL  `split_words:"true" default:"http://127.0.0.1:8080" desc:"the app: http, https, ws or wss, host, optional port and path prefix"`
	Admin                   Address     `split_words:"true" default:"127.0.0.1:9076" desc:"/healthz, /readyz, /metrics and /census, host:port; off"`
	TLSListen               Address     `split_words:"true" default:"off" desc:"a port for clients with TLS, beside or instead of WS76_LISTEN, host:port; off"`
	TLSCert                 PEM         `split_words:"true" desc:"its certificate and what signed it, a PEM file; read anew when it changes"`
	TLSKey                  PEM         `split_words:"true" desc:"the private key of the certificate, a PEM file; read anew when it changes"`
	TLSMinVersion           TLSVersion  `split_words:"true" default:"1.2" desc:"the oldest TLS of clients: 1.0, 1.1, 1.2 or 1.3; below 1.2 the ciphers that clients of 2010 need are on too"`
	BackendHost             HostPolicy  `split_words:"true" default:"preserve" desc:"Host towards the backend: preserve the client's, or that of the backend"`
	BackendCA               PEM         `split_words:"true" desc:"who signs the backend's certificate, a PEM file; default: the system's CAs"`
	BackendCert             PEM         `split_words:"true" desc:"the certificate shown to the backend, a PEM file; read anew when it changes"`
	BackendKey              PEM         `split_words:"true" desc:"the private key of that certificate, a PEM file; read anew when it changes"`
	BackendServerName       ServerName  `split_words:"true" desc:"the name in the backend's certificate; default: the host of WS76_BACKEND"`
	PublicURL               PublicURL   `split_words:"true" desc:"ws://host or wss://host[:port] that clients connect to, which -75 and -76 compare; default: X-Forwarded-Proto and -Host, else Host"`
	TrustedProxies          Networks    `split_words:"true" default:"127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7" desc:"networks whose X-Forwarded-For and PROXY headers count; off"`
	ProxyProtocol           Requirement `split_words:"true" default:"off" desc:"required: every connection begins with a PROXY header, v1 or v2, from a trusted proxy; off"`
	FlashPolicy             Domains     `split_words:"true" default:"off" desc:"domains whose Flash may connect, such as * or *.example.com: answers a policy request on the one port; off"`
	Dialects                Dialects    `split_words:"true" default:"75,76,7,8,13" desc:"what may come in"`
	Origins                 Origins     `split_words:"true" default:"off" desc:"allowed origins, exact or *.suffix of the host; off: any"`
	Binary                  Binary      `split_words:"true" default:"close" desc:"a binary message towards a legacy client: close (1003), base64, text (if it is UTF-8), drop; what the client sends stays text with each"`
	MaxMessage              Size        `split_words:"true" default:"64MiB" desc:"the largest message from or to a client of -75 or -76, else the connection is closed with 1009; off"`
	MaxSkip                 Size        `split_words:"true" default:"1MiB" desc:"the largest frame of a reserved type of -75 and -76, which is skipped, else the connection is closed; off"`
	MaxHead                 HeadSize    `split_words:"true" default:"16KiB" desc:"the largest request head, from 8KiB to 1MiB, else 431"`
	MaxConnections          Count       `split_words:"true" default:"off" desc:"WebSocket connections at once, else 503; off"`
	MaxConnectionsPerClient Count       `split_words:"true" default:"off" desc:"WebSocket connections at once of one client address, else 429; off"`
	MaxHandshakes           Count       `split_words:"true" default:"off" desc:"opening handshakes per second, else 503; off"`
	HeadTimeout             Timeout     `split_words:"true" default:"10s" desc:"for a request head to come in"`
	DialTimeout             Timeout     `split_words:"true" default:"10s" desc:"for the backend to answer the opening handshake"`
	Key3Timeout             Timeout     `split_words:"true" default:"5s" desc:"for key3 to follow the 101"`
	WriteTimeout            Timeout     `split_words:"true" default:"30s" desc:"for a side to take what is written to it, answers of plain HTTP included"`
	CloseTimeout            Timeout     `split_words:"true" default:"5s" desc:"for the closing handshake on both sides"`
	IdleTimeout             Period      `split_words:"true" default:"off" desc:"connections without a message for so long, at most for twice as long, are closed; off"`
	PingInterval            Period      `split_words:"true" default:"25s" desc:"between two Pings to the backend of a client of -75 or -76; off"`
	DrainDelay              Period      `split_words:"true" default:"off" desc:"after SIGTERM, how long new connections are still accepted while /readyz says 503, for balancers to notice; a part of WS76_DRAIN_TIMEOUT; off"`
	DrainTimeout            Timeout     `split_words:"true" default:"20s" desc:"from SIGTERM until all connections are closed"`
	LogLevel                LogLevel    `split_words:"true" default:"info" desc:"trace, debug, info, warn, error or off"`
	LogFormat               LogFormat   `split_words:"true" default:"text" desc:"text or json"`
}

// loadConfig reads the environment, but not the files that it names. The error
// names everything that is wrong with it.
func loadConfig() (*Config, error) {
	c, problems := loadFields()
	return c, environmentError(problems)
}

// load is loadConfig, and reads the files.
func load() (*Config, credentials, error) {
	c, problems := loadFields()
	cr, more := c.credentials()
	more = append(more, c.contradictions()...)
	for _, err := range more {
		if !slices.ContainsFunc(problems, func(known error) bool { return follows(err, known) }) {
			problems = append(problems, err)
		}
	}
	return c, cr, environmentError(problems)
}

// follows reports whether a line is about a variable that has a line already:
// what it says may be true only because that one could not be read.
func follows(err, known error) bool {
	return slices.Contains(variablesIn(err), variablesIn(known)[0])
}

var variable = regexp.MustCompile(prefix + `\w*`)

// variablesIn are the variables that a line names, its own first; one that is in a
// file goes by the same name.
func variablesIn(err error) []string {
	names := variable.FindAllString(err.Error(), -1)
	for i, name := range names {
		names[i] = strings.TrimSuffix(name, fileSuffix)
	}
	return names
}

func environmentError(problems []error) error {
	if len(problems) == 0 {
		return nil
	}
	return usagef("the environment has %s:\n%w", plural(len(problems), "error"), errors.Join(problems...))
}

func loadFields() (*Config, []error) {
	var c Config
	problems := unknownVariables(os.Environ())
	fields := reflect.ValueOf(&c).Elem()
	for i := range fields.NumField() {
		if err := loadField(fields.Type().Field(i), fields.Field(i)); err != nil {
			problems = append(problems, err)
		}
	}
	return &c, problems
}

// loadField has envconfig read one field at a time, since it would stop at the
// first error. A variable that is set but empty counts as unset.
func loadField(field reflect.StructField, into reflect.Value) error {
	name := variableName(field)
	value, set := os.LookupEnv(name)
	if set && value == "" {
		os.Unsetenv(name)
	}
	if path := os.Getenv(name + fileSuffix); path != "" && field.Type == reflect.TypeFor[PEM]() {
		if value != "" {
			return fmt.Errorf("  %s%s=%q: %s is set too; allowed: one of them, for example %s=%s", name, fileSuffix, path, name, name, path)
		}
		value = path
		defer os.Unsetenv(name)
		os.Setenv(name, path)
	}
	one := reflect.New(reflect.StructOf([]reflect.StructField{field}))
	if err := envconfig.Process(strings.TrimSuffix(prefix, "_"), one.Interface()); err != nil {
		var parse *envconfig.ParseError
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return wrong(name, value, err)
	}
	into.Set(one.Elem().Field(0))
	return nil
}

// wrong is the line about a variable whose value cannot be.
func wrong(name, value string, err error) error {
	return fmt.Errorf("  %s=%q: %w", name, mask(value), err)
}

var userinfo = regexp.MustCompile(`://.*@`)

// mask takes out of a value what a log must not show.
func mask(value string) string {
	if PEM(value).inline() {
		return "-----BEGIN ***"
	}
	return userinfo.ReplaceAllString(value, "://***@")
}

// wordEnds are where a word of a field's name ends: listen|Timeout, TLS|Listen.
var wordEnds = []*regexp.Regexp{regexp.MustCompile(`([a-z0-9])([A-Z])`), regexp.MustCompile(`([A-Z]+)([A-Z][a-z])`)}

func variableName(field reflect.StructField) string {
	name := field.Name
	for _, end := range wordEnds {
		name = end.ReplaceAllString(name, "${1}_${2}")
	}
	return prefix + strings.ToUpper(name)
}

func variableNames() []string {
	var names []string
	for field := range reflect.TypeFor[Config]().Fields() {
		names = append(names, variableName(field))
	}
	return names
}

// ofKubernetes is what Kubernetes puts behind the name of a Service. None of
// our own variables ends in _PORT.
var ofKubernetes = regexp.MustCompile(`^_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$`)

// injected reports whether Kubernetes set the variable, for a Service whose
// name begins with ws76: then it set a _SERVICE_HOST too.
func injected(name string, environ []string) bool {
	return slices.ContainsFunc(environ, func(entry string) bool {
		host, value, _ := strings.Cut(entry, "=")
		service, ok := strings.CutSuffix(host, "_SERVICE_HOST")
		rest, of := strings.CutPrefix(name, service)
		return ok && of && value != "" && ofKubernetes.MatchString(rest)
	})
}

// forOthers are names that programs which start ws76 use for themselves.
var forOthers = []string{"WS76_BIN"}

// ofPEM reports whether name is that of a PEM variable with the suffix.
func ofPEM(name string) bool {
	for field := range reflect.TypeFor[Config]().Fields() {
		if field.Type == reflect.TypeFor[PEM]() && name == variableName(field)+fileSuffix {
			return true
		}
	}
	return false
}

// unknownVariables finds names that nobody would read: a setting that is
// misspelt must not be passed over.
func unknownVariables(environ []string) (problems []error) {
	known := variableNames()
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) || slices.Contains(known, name) || ofPEM(name) || slices.Contains(forOthers, name) || injected(name, environ) {
			continue
		}
		problems = append(problems, fmt.Errorf("  %s: there is no such variable; did you mean %s?", name, nearest(name, known)))
	}
	return problems
}

// nearest is the name that takes the fewest edits.
func nearest(name string, names []string) string {
	return slices.MinFunc(names, func(a, b string) int { return edits(name, a) - edits(name, b) })
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(diagonal+cost, row[j]+1, row[j+1]+1)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// configTable is the variables as a Markdown table, for help and the README.
func configTable() string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for field := range reflect.TypeFor[Config]().Fields() {
		def := field.Tag.Get("default")
		if def != "" {
			def = "`" + def + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", variableName(field), def, field.Tag.Get("desc"))
	}
	return b.String()
}

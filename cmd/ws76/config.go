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

// prefix begins the name of every variable.
const prefix = "WS76_"

// Config is the environment of ws76: a field MaxMessage is WS76_MAX_MESSAGE.
// The envconfig tag is not used: it would read the name without prefix too.
type Config struct {
	Listen         Address     `split_words:"true" default:":8076" desc:"the one port for clients, host:port"`
	Backend        BackendURL  `split_words:"true" default:"http://127.0.0.1:8080" desc:"the app: http, https, ws or wss, host, optional port and path prefix"`
	Admin          Address     `split_words:"true" default:"127.0.0.1:9076" desc:"/healthz and /readyz, host:port; off"`
	BackendHost    HostPolicy  `split_words:"true" default:"preserve" desc:"Host towards the backend: preserve the client's, or that of the backend"`
	PublicURL      PublicURL   `split_words:"true" desc:"ws://host or wss://host[:port] that clients connect to, which -75 and -76 compare; default: X-Forwarded-Proto and -Host, else Host"`
	TrustedProxies Networks    `split_words:"true" default:"127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7" desc:"networks whose X-Forwarded-For and PROXY headers count; off"`
	ProxyProtocol  Requirement `split_words:"true" default:"off" desc:"required: every connection begins with a PROXY header, v1 or v2, from a trusted proxy; off"`
	FlashPolicy    Domains     `split_words:"true" default:"off" desc:"domains whose Flash may connect, such as * or *.example.com: answers a policy request on the one port; off"`
	Dialects       Dialects    `split_words:"true" default:"75,76,7,8,13" desc:"what may come in"`
	Origins        Origins     `split_words:"true" default:"off" desc:"allowed origins, exact or *.suffix of the host; off: any"`
	Binary         Binary      `split_words:"true" default:"close" desc:"a binary message towards a legacy client: close (1003), base64, text (if it is UTF-8), drop"`
	MaxMessage     Size        `split_words:"true" default:"64MiB" desc:"the largest message; off"`
	MaxConnections Count       `split_words:"true" default:"off" desc:"connections at once; off"`
	HeadTimeout    Timeout     `split_words:"true" default:"10s" desc:"for a request head to come in"`
	DialTimeout    Timeout     `split_words:"true" default:"10s" desc:"for the backend to answer the opening handshake"`
	Key3Timeout    Timeout     `split_words:"true" default:"5s" desc:"for key3 to follow the 101"`
	WriteTimeout   Timeout     `split_words:"true" default:"30s" desc:"for a side to take what is written to it"`
	CloseTimeout   Timeout     `split_words:"true" default:"5s" desc:"for the closing handshake on both sides"`
	IdleTimeout    Period      `split_words:"true" default:"off" desc:"connections without a message for so long are closed; off"`
	PingInterval   Period      `split_words:"true" default:"25s" desc:"between two Pings to the backend; off"`
	DrainTimeout   Timeout     `split_words:"true" default:"20s" desc:"from SIGTERM until all connections are closed"`
	LogLevel       LogLevel    `split_words:"true" default:"info" desc:"trace, debug, info, warn, error or off"`
	LogFormat      LogFormat   `split_words:"true" default:"text" desc:"text or json"`
}

// loadConfig reads the environment. The error names everything that is wrong
// with it.
func loadConfig() (*Config, error) {
	var c Config
	problems := unknownVariables(os.Environ())
	fields := reflect.ValueOf(&c).Elem()
	for i := range fields.NumField() {
		if err := loadField(fields.Type().Field(i), fields.Field(i)); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return nil, usagef("the environment has %s:\n%w", plural(len(problems), "error"), errors.Join(problems...))
	}
	return &c, nil
}

// loadField has envconfig read one field at a time, since it would stop at the
// first error. A variable that is set but empty counts as unset.
func loadField(field reflect.StructField, into reflect.Value) error {
	name := variableName(field)
	value, set := os.LookupEnv(name)
	if set && value == "" {
		os.Unsetenv(name)
	}
	one := reflect.New(reflect.StructOf([]reflect.StructField{field}))
	if err := envconfig.Process(strings.TrimSuffix(prefix, "_"), one.Interface()); err != nil {
		var parse *envconfig.ParseError
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return fmt.Errorf("  %s=%q: %w", name, value, err)
	}
	into.Set(one.Elem().Field(0))
	return nil
}

var wordEnd = regexp.MustCompile(`([a-z0-9])([A-Z])`)

func variableName(field reflect.StructField) string {
	return prefix + strings.ToUpper(wordEnd.ReplaceAllString(field.Name, "${1}_${2}"))
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

// unknownVariables finds names that nobody would read: a setting that is
// misspelt must not be passed over.
func unknownVariables(environ []string) (problems []error) {
	known := variableNames()
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) || slices.Contains(known, name) || slices.Contains(forOthers, name) || injected(name, environ) {
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

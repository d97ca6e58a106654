package logging

import (
	"fmt"
	"io"
	"log"
	"net/netip"
	"strconv"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// takeOver has the log package write to logger: net/http uses it where it cannot be given
// one.
func takeOver(logger hclog.Logger) {
	log.SetFlags(0)
	log.SetOutput(logger.StandardWriter(nil))
}

// StandardLogger is where net/http logs. Its lines are warnings.
func (l sampledLogger) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return log.New(netHTTP{l}, "", 0)
}

// StandardWriter is that of StandardLogger.
func (l sampledLogger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer { return netHTTP{l} }

// A netHTTP takes the lines of net/http. They quote what peers have sent, and each of some
// comes whenever a peer wants.
type netHTTP struct{ logger sampledLogger }

func (w netHTTP) Write(line []byte) (int, error) {
	text := hideQuoted(strings.TrimSpace(string(line)))
	// What is alike up to the first thing that differs is of one kind.
	what, _, _ := strings.Cut(text, "***(")
	if i := strings.IndexAny(what, "0123456789["); i >= 0 {
		what = what[:i]
	}
	args := []any{"error", text}
	client := addressIn(text)
	if client != "" {
		args = append([]any{"client", client}, args...)
	}
	w.logger.sampled(kind{logger: w.logger.Name(), message: what}, hostOf(client), "net/http", args)
	return len(line), nil
}

// addressIn returns the address and port that a line names, empty if it names none.
func addressIn(line string) string {
	for _, word := range strings.Fields(line) {
		word = strings.TrimSuffix(word, ":")
		if _, err := netip.ParseAddrPort(word); err == nil {
			return word
		}
	}
	return ""
}

// A hiddenError is an error of net/http without what it quotes of what a peer has sent.
type hiddenError struct{ error }

func (e hiddenError) Error() string { return hideQuoted(e.error.Error()) }

// hideQuoted hides what a line quotes. It may be a secret: a cookie in a malformed field,
// the rest of somebody's response in the place of a status line.
func hideQuoted(line string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(line, `"`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		quoted, err := strconv.QuotedPrefix(`"` + rest)
		if err != nil { // it is not known where it ends
			b.WriteString(stars(rest))
			return b.String()
		}
		text, _ := strconv.Unquote(quoted)
		b.WriteString(stars(text))
		line = rest[len(quoted)-1:]
	}
}

func stars(s string) string { return fmt.Sprintf("***(%d bytes)", len(s)) }

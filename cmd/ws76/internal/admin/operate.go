package admin

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

// writeConfig lists every setting.
func writeConfig(w http.ResponseWriter, _ *http.Request) {
	for _, s := range config.Settings() {
		comment := ""
		if s.Default {
			comment = "  # default"
		}
		fmt.Fprintf(w, "%s=%s%s\n", s.Name, s.Value, comment)
	}
}

// levels are those that the log can have without a restart. Trace is not one, because it
// shows what clients and backend say to each other.
var levels = []string{"error", "warn", "info", "debug"}

// A logLevel shows and changes the level of a log.
type logLevel struct{ logger hclog.Logger }

func (l logLevel) get(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, l.logger.GetLevel())
}

func (l logLevel) put(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64))
	level := strings.TrimSpace(string(text))
	if err != nil || !slices.Contains(levels, level) {
		http.Error(w, fmt.Sprintf("the body is not a level; allowed: %s; trace only by WS76_LOG_LEVEL and a restart", strings.Join(levels, ", ")), http.StatusBadRequest)
		return
	}
	before := l.logger.GetLevel()
	l.logger.SetLevel(min(before, hclog.Warn)) // or the line would be missing
	l.logger.Warn("log level changed", "from", before.String(), "to", level, "peer", r.RemoteAddr)
	l.logger.SetLevel(hclog.LevelFromString(level))
	fmt.Fprintln(w, level)
}

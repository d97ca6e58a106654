package main

import (
	"io"
	"log"

	"github.com/hashicorp/go-hclog"
)

// newLogger is the log of the process. What net/http says where it can be given
// no logger goes there too.
func newLogger(c *Config, w io.Writer) hclog.Logger {
	logger := hclog.New(&hclog.LoggerOptions{
		Name: "ws76", Level: c.LogLevel.Level(), Output: w, JSONFormat: c.LogFormat == "json",
	})
	log.SetFlags(0)
	log.SetOutput(logger.Named("http").StandardWriter(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}))
	return logger
}

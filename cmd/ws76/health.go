package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

// health asks the admin port of the gateway with the same environment.
func health(ctx context.Context, args []string, stdout, _ io.Writer) error {
	flags := newFlags("health")
	ready := flags.Bool("ready", false, "ask whether a new client would be served")
	if err := parseOnlyFlags(flags, args); err != nil {
		return err
	}
	path := "/healthz"
	if *ready {
		path = "/readyz"
	}
	c, problems := config.Read()
	if problems != nil {
		return problems
	}
	if c.Admin == "" {
		return usagef("WS76_ADMIN is off, so there is no port to ask; set it to an address such as 127.0.0.1:9076")
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(string(c.Admin))+path, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{}} // no proxy from the environment
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("no gateway answers at WS76_ADMIN=%s: %w", c.Admin, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return fmt.Errorf("the gateway at WS76_ADMIN=%s says %s: %s", c.Admin, resp.Status, bytes.TrimSpace(why))
	}
	fmt.Fprintln(stdout, "ok")
	return nil
}

// reachable returns the address to connect to for an address to listen on.
func reachable(address string) string {
	host, port, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

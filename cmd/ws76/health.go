package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// health asks the admin port of the gateway that has the same environment.
func health(ctx context.Context, args []string, stdout, _ io.Writer) error {
	if err := noArguments("health", args); err != nil {
		return err
	}
	c, err := loadConfig()
	if err != nil {
		return err
	}
	if c.Admin == "" {
		return usagef("WS76_ADMIN is off, so there is no port to ask; set it to an address such as 127.0.0.1:9076")
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(string(c.Admin))+"/healthz", nil)
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
		return fmt.Errorf("the gateway at WS76_ADMIN=%s says %s", c.Admin, resp.Status)
	}
	fmt.Fprintln(stdout, "ok")
	return nil
}

// reachable is an address to connect to for one to listen on.
func reachable(address string) string {
	host, port, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

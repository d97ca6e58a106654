// Package backend has what the backends of the bench share: a port, connections that end
// with a reset, and the messages that "!down" asks for.
package backend

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"time"

	"bench/wire"
)

// Listen parses the flags, among them -listen and -life, and calls serve for each
// connection, in a goroutine of its own.
func Listen(address string, serve func(net.Conn)) {
	listen := flag.String("listen", address, "address, loopback")
	life := flag.Duration("life", 2*time.Hour, "stop by itself after this")
	flag.Parse()
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	time.AfterFunc(*life, func() { log.Fatal("life is over") })
	for {
		c, err := ln.Accept()
		if err != nil {
			log.Print(err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		go serve(c)
	}
}

// Serve is Listen for a backend. Each connection is closed with a reset when serve returns:
// no TIME_WAIT at the gateway, which would run out of ports.
func Serve(address string, serve func(net.Conn)) {
	Listen(address, func(c net.Conn) {
		c.(*net.TCPConn).SetLinger(0)
		defer c.Close()
		serve(c)
	})
}

// Down obeys "!down SIZE MILLIS": it sends messages of that size for so long, then "!end\n".
// frame makes a message of a payload.
func Down(c net.Conn, command string, frame func(payload []byte) []byte) error {
	var size, ms int
	fmt.Sscanf(command, "!down %d %d", &size, &ms)
	if size < 1 || size > 64<<20 || ms > 60000 {
		return errors.New("bad command")
	}
	f := frame(wire.Fill(size, "ascii"))
	b := f
	for len(b)+len(f) <= 64<<10 {
		b = append(b, f...)
	}
	for t := time.Now().Add(time.Duration(ms) * time.Millisecond); time.Now().Before(t); {
		if _, err := c.Write(b); err != nil {
			return err
		}
	}
	_, err := c.Write(frame([]byte("!end\n")))
	return err
}

// hixieecho is a lean -76 backend: what wsecho is for RFC 6455. It echoes text, and obeys
// "!down SIZE MILLIS\n" (push messages, then "!end\n") and "!up\n" ... "!end\n"
// (count, then reply "BYTES FRAMES\n").
package main

import (
	"bytes"
	"fmt"
	"net"
	"strings"

	"bench/backend"
	"bench/wire"
)

func main() { backend.Serve("127.0.0.1:9003", serve) }

// handshake answers with the challenge response, and returns how much of buf behind it
// is there already.
func handshake(c net.Conn, buf []byte) (rest []byte, ok bool) {
	n := 0
	for {
		m, err := c.Read(buf[n:])
		n += m
		if i := bytes.Index(buf[:n], []byte("\r\n\r\n")); i >= 0 && n >= i+12 {
			end := i + 4
			fields := map[string]string{}
			lines := strings.Split(string(buf[:i]), "\r\n")
			for _, l := range lines[1:] {
				k, v, _ := strings.Cut(l, ": ")
				fields[strings.ToLower(k)] = v
			}
			target := strings.Fields(lines[0])[1]
			answer := wire.Challenge(wire.KeyNumber(fields["sec-websocket-key1"]), wire.KeyNumber(fields["sec-websocket-key2"]), buf[end:end+8])
			_, err = fmt.Fprintf(c, "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Origin: %s\r\nSec-WebSocket-Location: ws://%s%s\r\n\r\n%s",
				fields["origin"], fields["host"], target, answer[:])
			return buf[end+8 : n], err == nil
		}
		if err != nil || n == len(buf) {
			return nil, false
		}
	}
}

func serve(c net.Conn) {
	buf := make([]byte, 4096)
	rest, ok := handshake(c, buf)
	if !ok {
		return
	}
	w := copy(buf, rest)
	var out []byte
	inside, counting := false, false
	var counted, frames int64
	for {
		r := 0
	parse:
		for r < w {
			if inside {
				p, whole := buf[r:w], false
				if i := bytes.IndexByte(p, 0xff); i >= 0 {
					p, whole, inside = p[:i+1], true, false
				}
				r += len(p)
				if !counting {
					out = append(out, p...)
					continue
				}
				if counted += int64(len(p)); whole {
					counted--
					frames++
				}
				continue
			}
			switch b := buf[r:w]; {
			case len(b) < 2:
				break parse
			case b[0] == 0xff:
				c.Write(append(out, 0xff, 0))
				return
			case b[1] == '!':
				i := bytes.IndexByte(b, 0xff)
				if i < 0 {
					break parse
				}
				r += i + 1
				switch cmd := string(b[1:i]); {
				case strings.HasPrefix(cmd, "!up"):
					counting, counted, frames = true, 0, 0
				case strings.HasPrefix(cmd, "!end"):
					out = wire.AppendFrame(out, "hixie", false, fmt.Appendf(nil, "%d %d\n", counted, frames))
					counting = false
				case strings.HasPrefix(cmd, "!down"):
					if backend.Down(c, cmd, frame) != nil {
						return
					}
				}
			default:
				inside = true
				if r++; !counting {
					out = append(out, 0)
				}
			}
		}
		w = copy(buf, buf[r:w])
		if len(out) > 0 {
			if _, err := c.Write(out); err != nil {
				return
			}
			out = out[:0]
		}
		if w == 0 && r == len(buf) && len(buf) < 256<<10 {
			buf = make([]byte, 4*len(buf))
		}
		n, err := c.Read(buf[w:])
		if err != nil {
			return
		}
		w += n
	}
}

func frame(payload []byte) []byte { return wire.AppendFrame(nil, "hixie", false, payload) }

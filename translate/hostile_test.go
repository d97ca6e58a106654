package translate_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// A head has a size and a time, and what is beyond is not read.
func TestHeadLimits(t *testing.T) {
	t.Parallel()
	t.Run("large", func(t *testing.T) {
		r := newRig(t)
		c := r.dial()
		c.say(with(head76, "X-Large: "+strings.Repeat("x", 14<<10)+"\r\n") + key3)
		r.backend.next().accept()
		c.get(answer76 + digest)
	})
	for _, head := range []string{
		with(head76, "X-Large: "+strings.Repeat("x", 17<<10)+"\r\n"),
		"GET /" + strings.Repeat("x", 20<<10),
	} {
		t.Run(fmt.Sprintf("%.20q", head), func(t *testing.T) {
			r := newRig(t)
			c := r.dial()
			c.say(head)
			answer, _ := io.ReadAll(c.br) // the rest of the head may be answered with RST
			if !strings.HasPrefix(string(answer), "HTTP/1.1 431 ") {
				t.Errorf("got %.200q, want 431", answer)
			}
			r.backend.untouched()
		})
	}
	for _, part := range []string{"", "GET", head76[:len(head76)-2]} {
		t.Run(fmt.Sprintf("slow-%d", len(part)), func(t *testing.T) {
			r := newRig(t, func(o *translate.Options) { o.Timeouts.Head = 50 * time.Millisecond })
			c := r.dial()
			c.say(part)
			if _, err := io.ReadAll(c.br); err != nil && !isReset(err) {
				t.Error(err)
			}
			r.backend.untouched()
		})
	}
}

// A backend has limits too.
func TestBackendHeadLimits(t *testing.T) {
	for _, test := range []struct {
		id, begin, again string
		status           int
		reason           translate.Reason
	}{
		{"large", "HTTP/1.1 101 Switching Protocols\r\n", "X-Many: x\r\n", 502, "backend-bad-answer"},
		{"interim", "", "HTTP/1.1 100 Continue\r\n\r\n", 504, "backend-timeout"},
	} {
		t.Run(test.id, func(t *testing.T) {
			r := newRig(t, func(o *translate.Options) { o.Timeouts.Dial = 300 * time.Millisecond })
			c := r.dial()
			c.say(head75)
			b := r.backend.next()
			go func() {
				io.WriteString(b, test.begin)
				for block := strings.Repeat(test.again, 1000); ; {
					if _, err := io.WriteString(b, block); err != nil {
						return
					}
				}
			}()
			used := heap()
			checkRefusal(t, c, test.status, test.reason)
			if now := heap(); now > used+4<<20 {
				t.Errorf("the heap in use went from %d to %d KiB", used>>10, now>>10)
			}
		})
	}
}

// A length that never ends says nothing and takes no memory; the connection is
// good when it ends after all.
func TestEndlessLength(t *testing.T) {
	r := newRig(t)
	c, b := r.open(legacy.Hixie76)
	used := heap()
	zeros := strings.Repeat("\x80", 1<<20)
	for range 16 {
		c.say(zeros)
	}
	c.say("\x00\x00still here\xff")
	b.get(text("still here"))
	if now := heap(); now > used+4<<20 {
		t.Errorf("the heap in use went from %d to %d KiB", used>>10, now>>10)
	}
	if n := r.gw.Stats().Skipped; n > 1 {
		t.Errorf("%d frames skipped", n)
	}
}

// A frame of a reserved type may be as long as the limit, not longer.
func TestSkipLimit(t *testing.T) {
	r := newRig(t)
	c, b := r.open(legacy.Hixie75)
	most := noise(1 << 20)
	c.say("\x7f" + most + "\xff\x80\xc0\x80\x00" + most + "\x00still here\xff")
	b.get(text("still here"))
	c.say("\x80\xc0\x80\x01")
	b.get(bye(1002))
}

// The limit is the one that is configured.
func TestSkipLimitIsConfigured(t *testing.T) {
	r := newRig(t, func(o *translate.Options) { o.Limits.Skip = 8 })
	c, b := r.open(legacy.Hixie75)
	c.say("\x80\x0812345678\x00still here\xff")
	b.get(text("still here"))
	c.say("\x80\x09")
	b.get(bye(1002))
}

// The smallest frames there are come through by the million, at the cost of
// their bytes.
func TestMillionsOfEmptyMessages(t *testing.T) {
	messages := 10_000_000
	if underRace() {
		messages /= 20
	}
	row := messages / 100
	for _, test := range []struct {
		way            string
		sent, received string // a message; of the mask, nothing is compared
		size           int
	}{
		{"up", "\x00\xff", "\x81\x80", 6},
		{"down", "\x81\x00", "\x00\xff", 2},
	} {
		t.Run(test.way, func(t *testing.T) {
			r := newRig(t)
			c, b := r.open(legacy.Hixie76)
			from, to := io.Writer(c), io.Reader(b.br)
			if test.way == "down" {
				from, to = b, c.br
			}
			used := heap()
			block := []byte(strings.Repeat(test.sent, row))
			go func() {
				for range messages / row {
					from.Write(block)
				}
			}()
			buf := make([]byte, row*test.size)
			for range messages / row {
				if _, err := io.ReadFull(to, buf); err != nil {
					t.Fatal(err)
				}
				for at := 0; at < len(buf); at += test.size {
					if !bytes.HasPrefix(buf[at:], []byte(test.received)) {
						t.Fatalf("got %x", buf[at:at+test.size])
					}
				}
			}
			if now := heap(); now > used+4<<20 {
				t.Errorf("the heap in use went from %d to %d KiB", used>>10, now>>10)
			}
			traffic := func() translate.Traffic { return r.gw.Stats().Traffic[legacy.Hixie76] }
			eventually(t, func() bool { return traffic().MessagesUp+traffic().MessagesDown == int64(messages) }, func() any { return traffic() })
		})
	}
}

// Heads of thousands of clients that never complete them hold no backend and
// nothing else when they are gone.
func TestBackendIsAskedForNothing(t *testing.T) {
	r := newRig(t)
	for i := range 200 {
		c := r.dial()
		c.say(head76[:i%len(head76)])
		if i%2 == 0 {
			reset(c.TCPConn)
		} else {
			c.Close()
		}
	}
	r.open(legacy.Hixie76)
	r.backend.untouched()
}

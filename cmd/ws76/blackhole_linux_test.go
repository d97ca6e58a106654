package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ws76/ws76/legacy"
)

// A cable joins this machine and a network namespace, another machine as far
// as TCP can tell.
type cable struct {
	t           *testing.T
	namespace   string
	near, far   string // interfaces
	here, there string // addresses
}

var cables atomic.Int32

// mac is that of the far interface.
const mac = "02:00:00:00:00:76"

func layCable(t *testing.T) *cable {
	t.Helper()
	require(t, "ip")
	if os.Geteuid() != 0 {
		missing(t, "a network namespace needs root")
	}
	n := int(cables.Add(1)) + os.Getpid()<<2
	network := fmt.Sprintf("198.18.%d.", n>>6&0xff) // reserved for tests of networks (RFC 2544)
	c := &cable{
		t: t, namespace: fmt.Sprintf("ws76-%d", n), near: fmt.Sprintf("w76n%d", n), far: fmt.Sprintf("w76f%d", n),
		here: fmt.Sprint(network, n&0x3f<<2+1), there: fmt.Sprint(network, n&0x3f<<2+2),
	}
	t.Cleanup(func() {
		exec.Command("ip", "link", "del", c.near).Run()
		exec.Command("ip", "netns", "del", c.namespace).Run()
	})
	if out, err := exec.Command("ip", "netns", "add", c.namespace).CombinedOutput(); err != nil {
		missing(t, "no network namespace: %v, %s", err, out)
	}
	c.ip("link add", c.near, "type veth peer name", c.far, "address", mac, "netns", c.namespace)
	c.ip("addr add", c.here+"/30 dev", c.near)
	c.ip("link set", c.near, "up")
	// Or this machine would find out that nobody is there.
	c.ip("neigh replace", c.there, "lladdr", mac, "dev", c.near, "nud permanent")
	c.ip("-n", c.namespace, "addr add", c.there+"/30 dev", c.far)
	c.ip("-n", c.namespace, "link set", c.far, "up")
	return c
}

// ip runs the program; its arguments may be several in one.
func (c *cable) ip(args ...string) {
	c.t.Helper()
	cmd := exec.Command("ip", strings.Fields(strings.Join(args, " "))...)
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v: %s", cmd, err, out)
	}
}

// A backend that nothing comes from any more, with no word from the network, is
// as one that does not answer; when it is back, so is everything.
func TestBackendBlackHoled(t *testing.T) {
	t.Parallel()
	var both sync.WaitGroup
	defer both.Wait()
	for _, tt := range []struct {
		name      string
		cut, mend func(c *cable)
	}{
		{"cable pulled",
			func(c *cable) { c.ip("-n", c.namespace, "link set", c.far, "down") },
			func(c *cable) { c.ip("-n", c.namespace, "link set", c.far, "up") }},
		{"no way back",
			func(c *cable) { c.ip("-n", c.namespace, "route add blackhole", c.here) },
			func(c *cable) { c.ip("-n", c.namespace, "route del blackhole", c.here) }},
	} {
		test := func(t *testing.T) {
			c := layCable(t)
			b := startBackendAt(t, c.there+":8080", "ip", "netns", "exec", c.namespace)
			g, admin := adminGateway(t, "WS76_BACKEND=http://"+b.address, "WS76_DIAL_TIMEOUT=1s", "WS76_PING_INTERVAL=1s", "WS76_CLOSE_TIMEOUT=200ms")
			awaitReady(t, admin, http.StatusOK)
			speakers := speakEach(t, g)
			tt.cut(c)
			for _, s := range speakers {
				if err := s.say("is anybody there?"); err != nil {
					t.Error(err)
				}
				if !s.dialect.Legacy() {
					s.CloseWrite()
				}
				s.endsBare(t)
			}
			g.closedAs(admin,
				// It never took the message, nor answered the Ping.
				ending{legacy.Hixie75, "backend", "backend-slow"}, ending{legacy.Hixie76, "backend", "backend-slow"},
				ending{legacy.Hybi08, "backend", "backend-slow"}, ending{legacy.RFC6455, "backend", "backend-slow"})
			g.refusesEach(admin, http.StatusGatewayTimeout, "backend-timeout")
			g.refusesPlain(admin, http.StatusGatewayTimeout, "backend-timeout")
			awaitReady(t, admin, http.StatusServiceUnavailable)

			tt.mend(c)
			awaitReady(t, admin, http.StatusOK)
			speakEach(t, g)
			g.terminate()
		}
		both.Go(func() { t.Run(tt.name, test) }) // not Parallel: both mostly wait, and fill one slot
	}
}

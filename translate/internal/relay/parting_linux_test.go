package relay

import (
	"io"
	"testing"
	"time"

	"github.com/ws76/ws76/translate/internal/sockets"
	"github.com/ws76/ws76/translate/wiretest"
)

// At the gateway's own end what has been received is carried, even where the machine is so
// busy that the time to wait for it is up before it was read.
func TestLastCallIsOverWhenNothingIsThere(t *testing.T) {
	near, far := wiretest.TCP(t)
	other, _ := wiretest.TCP(t)
	p := new(Pair)
	p.Join(&Config{Write: writeTimeout, Close: closeTimeout}, inLines(), Leg{Conn: near}, Leg{Conn: other})
	f := &p.flows[Client]
	io.WriteString(far, "sent before the end\n")
	f.src.base.Raw().Read(func(fd uintptr) bool { return sockets.ReceivedNow(fd) > 0 }) // it has come
	for _, want := range []struct {
		state string
		over  bool
	}{{"bytes that nobody has read", false}, {"nothing", true}} {
		f.parting = &parting{left: maxParting, until: time.Now()}
		f.timedOut()
		if got := f.partingIsOver(); got != want.over {
			t.Errorf("with %s on the socket the last call is over: %v, want %v", want.state, got, want.over)
		}
		io.ReadFull(near, make([]byte, f.src.received()))
	}
}

package translate

import (
	"crypto/tls"
	"errors"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TLS waited five seconds more than any limit for its last record to be taken.
func TestEndOfTLS(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	server.Close()
	for _, tt := range []struct {
		name  string
		stall func(p *peer, near *wire) // so that the peer takes no more
		want  time.Duration
	}{
		{"a write failed", func(p *peer, _ *wire) {
			if err := p.write(make([]byte, 2*wireSize), false); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("write: %v, want a timeout", err)
			}
		}, 7 * time.Second},
		{"nothing was to be written", func(p *peer, near *wire) {
			near.out.data = make([]byte, wireSize)
			p.hurry(time.Now().Add(3 * time.Second))
		}, 3 * time.Second},
		{"the limit is over", func(p *peer, near *wire) {
			near.out.data = make([]byte, wireSize)
			p.hurry(time.Now())
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := newWire()
				secure := tls.Server(near, &tls.Config{Certificates: server.TLS.Certificates})
				go tls.Client(far, &tls.Config{InsecureSkipVerify: true}).Handshake()
				if err := secure.Handshake(); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				var p peer
				p.init(secure, 7*time.Second)
				began := time.Now()
				tt.stall(&p, near)
				p.goodbye(nil, true)
				p.close()
				if got := time.Since(began); got != tt.want {
					t.Errorf("it took %v, want %v", got, tt.want)
				}
				if !far.ended() {
					t.Error("it is not closed")
				}
			})
		})
	}
}

// Package metrics shows Prometheus what the gateway has counted.
package metrics

import (
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ws76/ws76/cmd/ws76/internal/certs"
	"github.com/ws76/ws76/cmd/ws76/internal/check"
	"github.com/ws76/ws76/cmd/ws76/internal/listen"
	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// A metric is one family that /metrics shows, and a row of the README's table.
type metric struct {
	name   string
	kind   prometheus.ValueType // 0 is a histogram
	help   string
	labels []string
}

const histogram prometheus.ValueType = 0

var (
	buildInfo           = metric{"ws76_build_info", prometheus.GaugeValue, "Always 1; the labels say what runs.", []string{"version", "goversion"}}
	connectionsOpen     = metric{"ws76_connections_open", prometheus.GaugeValue, "WebSocket connections open now.", []string{"dialect"}}
	connectionsOpened   = metric{"ws76_connections_opened_total", prometheus.CounterValue, "WebSocket connections whose opening handshake was completed.", []string{"dialect"}}
	connectionsClosed   = metric{"ws76_connections_closed_total", prometheus.CounterValue, "WebSocket connections that ended, by who ended them and why.", []string{"dialect", "by", "reason"}}
	handshakesRefused   = metric{"ws76_handshakes_refused_total", prometheus.CounterValue, "Opening handshakes that became no connection; dialect is http where it could not be told.", []string{"dialect", "reason"}}
	handshakesDamaged   = metric{"ws76_handshakes_damaged_total", prometheus.CounterValue, "Opening handshakes that a proxy on the way damaged.", []string{"fault"}}
	handshakesDoubted   = metric{"ws76_handshakes_possibly_damaged_total", prometheus.CounterValue, "Opening handshakes that a proxy on the way may have damaged, or whose client just left.", []string{"fault"}}
	handshakeSeconds    = metric{"ws76_handshake_seconds", histogram, "From the request head to the last byte of the 101.", []string{"dialect"}}
	lifetimeSeconds     = metric{"ws76_connection_lifetime_seconds", histogram, "From the opening handshake to the end, of connections that have ended.", []string{"dialect"}}
	key3WaitSeconds     = metric{"ws76_key3_wait_seconds", histogram, "From the head of the 101 to key3 of -76; 0 if it was there before.", nil}
	messagesCarried     = metric{"ws76_messages_total", prometheus.CounterValue, "Messages carried, up to the backend or down from it. Of a tunnel (7, 8, 13) they are those that the headers of its frames show.", []string{"dialect", "direction"}}
	bytesCarried        = metric{"ws76_bytes_total", prometheus.CounterValue, "Payload bytes carried; of tunnelled dialects all bytes.", []string{"dialect", "direction"}}
	framesSkipped       = metric{"ws76_frames_skipped_total", prometheus.CounterValue, "Frames of reserved types of -75 and -76 skipped, counted when their connection closes.", nil}
	messagesRepaired    = metric{"ws76_messages_repaired_total", prometheus.CounterValue, "Messages of legacy clients that were not UTF-8 and got U+FFFD, counted when their connection closes.", nil}
	messagesDropped     = metric{"ws76_messages_dropped_total", prometheus.CounterValue, "Binary messages dropped by WS76_BINARY=drop, counted when their connection closes.", nil}
	httpRequests        = metric{"ws76_http_requests_total", prometheus.CounterValue, "Plain HTTP requests sent to the backend, each once.", nil}
	httpRequestsRefused = metric{"ws76_http_requests_refused_total", prometheus.CounterValue, "Plain HTTP requests that got no response of the backend. One that had been sent (backend-bad-answer, backend-slow, and perhaps bad-body and client-left) is in ws76_http_requests_total too.", []string{"reason"}}
	dialectLastSeen     = metric{"ws76_dialect_last_seen_timestamp_seconds", prometheus.GaugeValue, "When the latest opening handshake of a dialect came, refused ones too.", []string{"dialect"}}
	drainingNow         = metric{"ws76_draining", prometheus.GaugeValue, "1 once SIGTERM has come.", nil}
	certificateNotAfter = metric{"ws76_tls_certificate_not_after_timestamp_seconds", prometheus.GaugeValue, "When the certificate in use expires; role is server or client.", []string{"role"}}
	certificateReloads  = metric{"ws76_tls_reloads_total", prometheus.CounterValue, "Reloads of changed certificates; after a failed one the previous certificate stays in use.", []string{"role", "result"}}
	proxyHeadersRefused = metric{"ws76_proxy_headers_refused_total", prometheus.CounterValue, "Connections refused because no PROXY header came, or one from a peer that is not trusted.", nil}
	logLinesLost        = metric{"ws76_log_lines_lost_total", prometheus.CounterValue, "Lines of the log that were dropped because nobody read stderr in time.", nil}
	backendUp           = metric{"ws76_backend_up", prometheus.GaugeValue, "1 if the backend accepts connections, as the latest one showed; without any for a second, one is made.", nil}
	limitConnections    = metric{"ws76_limit_connections", prometheus.GaugeValue, "WS76_MAX_CONNECTIONS; 0 is off.", nil}
	limitPerClient      = metric{"ws76_limit_connections_per_client", prometheus.GaugeValue, "WS76_MAX_CONNECTIONS_PER_CLIENT; 0 is off.", nil}
	limitHandshakes     = metric{"ws76_limit_handshakes_per_second", prometheus.GaugeValue, "WS76_MAX_HANDSHAKES; 0 is off.", nil}
	tlsFailed           = metric{"ws76_tls_handshakes_failed_total", prometheus.CounterValue, "TLS handshakes of clients that failed.", nil}
)

// metrics are all of them.
var metrics = []*metric{
	&buildInfo, &connectionsOpen, &connectionsOpened, &connectionsClosed, &handshakesRefused, &handshakesDamaged, &handshakesDoubted,
	&handshakeSeconds, &lifetimeSeconds, &key3WaitSeconds, &messagesCarried, &bytesCarried, &framesSkipped, &messagesRepaired,
	&messagesDropped, &httpRequests, &httpRequestsRefused, &dialectLastSeen, &drainingNow, &certificateNotAfter, &certificateReloads, &tlsFailed,
	&proxyHeadersRefused, &logLinesLost, &backendUp,
	&limitConnections, &limitPerClient, &limitHandshakes,
}

func (m *metric) desc() *prometheus.Desc { return prometheus.NewDesc(m.name, m.help, m.labels, nil) }

// Sources are what the metrics are read from.
type Sources struct {
	Gateway      *translate.Gateway
	Credentials  certs.Credentials
	Ports        *listen.Ports
	Version      string
	LogLinesLost func() int64
	Draining     func() bool
	Backend      *check.Monitor
	Limits       translate.Limits
}

// Handler serves the metrics of a gateway, of Go and of the process.
func Handler(s Sources) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &collector{s})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// A collector turns what a gateway has counted into metrics when it is asked.
type collector struct{ Sources }

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range metrics {
		ch <- m.desc()
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	send := func(m metric, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(m.desc(), m.kind, value, labels...)
	}
	s := c.Gateway.Stats()
	send(buildInfo, 1, c.Version, runtime.Version())
	for _, d := range legacy.Dialects() { // those without clients too: a rate needs a 0 to begin with
		send(connectionsOpen, float64(s.Open[d]), d.String())
		send(connectionsOpened, float64(s.Opened[d]), d.String())
		t := s.Traffic[d]
		send(messagesCarried, float64(t.MessagesUp), d.String(), "up")
		send(messagesCarried, float64(t.MessagesDown), d.String(), "down")
		send(bytesCarried, float64(t.BytesUp), d.String(), "up")
		send(bytesCarried, float64(t.BytesDown), d.String(), "down")
		ch <- constHistogram(handshakeSeconds, translate.Buckets, s.Handshake[d], d.String())
		ch <- constHistogram(lifetimeSeconds, translate.Lifetimes, s.Lifetime[d], d.String())
	}
	for kind, n := range s.Closed {
		send(connectionsClosed, float64(n), kind.Dialect.String(), string(kind.By), string(kind.Reason))
	}
	for kind, n := range s.Refused {
		send(handshakesRefused, float64(n), kind.Dialect.String(), string(kind.Reason))
	}
	for fault, n := range s.Doubts {
		send(handshakesDoubted, float64(n), string(fault))
	}
	for fault, n := range s.Faults {
		send(handshakesDamaged, float64(n), string(fault))
	}
	ch <- constHistogram(key3WaitSeconds, translate.Buckets, s.Key3Wait)
	send(framesSkipped, float64(s.Skipped))
	send(messagesRepaired, float64(s.Repaired))
	send(messagesDropped, float64(s.Dropped))
	send(httpRequests, float64(s.Requests))
	for reason, n := range s.RequestsRefused {
		send(httpRequestsRefused, float64(n), string(reason))
	}
	for d, at := range s.LastSeen {
		send(dialectLastSeen, float64(at.UnixMilli())/1000, d.String())
	}
	send(proxyHeadersRefused, float64(c.Ports.ProxyHeadersRefused.Load()))
	send(logLinesLost, float64(c.LogLinesLost()))
	if c.Ports.TLS != nil {
		send(tlsFailed, float64(c.Ports.TLSFailed.Load()))
	}
	send(drainingNow, bool01(c.Draining()))
	send(backendUp, bool01(c.Backend.Err() == nil))
	send(limitConnections, float64(c.Limits.Connections))
	send(limitPerClient, float64(c.Limits.ConnectionsPerClient))
	send(limitHandshakes, float64(c.Limits.HandshakesPerSecond))
	for role, pair := range map[string]*certs.Certificate{"server": c.Credentials.Server, "client": c.Credentials.Client} {
		if pair != nil {
			ok, failed := pair.Reloads()
			send(certificateNotAfter, float64(pair.NotAfter().Unix()), role)
			send(certificateReloads, float64(ok), role, "ok")
			send(certificateReloads, float64(failed), role, "failed")
		}
	}
}

func bool01(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func constHistogram(m metric, bounds [len(translate.Buckets)]float64, h translate.Histogram, labels ...string) prometheus.Metric {
	upTo := make(map[float64]uint64, len(bounds))
	var n uint64
	for i, bound := range bounds {
		n += uint64(h.Counts[i])
		upTo[bound] = n
	}
	n += uint64(h.Counts[len(bounds)])
	return prometheus.MustNewConstHistogram(m.desc(), n, h.Sum, upTo, labels...)
}

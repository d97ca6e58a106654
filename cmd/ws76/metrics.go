package main

import (
	"net/http"
	"runtime"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

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
	handshakesRefused   = metric{"ws76_handshakes_refused_total", prometheus.CounterValue, "Opening handshakes that became no connection, and plain requests (dialect http) that were not proxied.", []string{"dialect", "reason"}}
	handshakesDamaged   = metric{"ws76_handshakes_damaged_total", prometheus.CounterValue, "Opening handshakes that a proxy on the way damaged.", []string{"fault"}}
	handshakeSeconds    = metric{"ws76_handshake_seconds", histogram, "From the request head to the last byte of the 101.", []string{"dialect"}}
	key3WaitSeconds     = metric{"ws76_key3_wait_seconds", histogram, "From the head of the 101 to key3 of -76; 0 if it was there before.", nil}
	messagesCarried     = metric{"ws76_messages_total", prometheus.CounterValue, "Messages carried, up to the backend or down from it. Tunnelled dialects (7, 8, 13) have none: their frames are not parsed.", []string{"dialect", "direction"}}
	bytesCarried        = metric{"ws76_bytes_total", prometheus.CounterValue, "Payload bytes carried; of tunnelled dialects all bytes.", []string{"dialect", "direction"}}
	framesSkipped       = metric{"ws76_frames_skipped_total", prometheus.CounterValue, "Frames of reserved types of -75 and -76 skipped, counted when their connection closes.", nil}
	messagesRepaired    = metric{"ws76_messages_repaired_total", prometheus.CounterValue, "Messages of legacy clients that were not UTF-8 and got U+FFFD, counted when their connection closes.", nil}
	messagesDropped     = metric{"ws76_messages_dropped_total", prometheus.CounterValue, "Binary messages dropped by WS76_BINARY=drop, counted when their connection closes.", nil}
	httpRequests        = metric{"ws76_http_requests_total", prometheus.CounterValue, "Plain HTTP requests proxied.", nil}
	dialectLastSeen     = metric{"ws76_dialect_last_seen_timestamp_seconds", prometheus.GaugeValue, "When the latest opening handshake of a dialect came, refused ones too.", []string{"dialect"}}
	drainingNow         = metric{"ws76_draining", prometheus.GaugeValue, "1 once SIGTERM has come.", nil}
	certificateNotAfter = metric{"ws76_tls_certificate_not_after_timestamp_seconds", prometheus.GaugeValue, "When the certificate in use expires; role is server or client.", []string{"role"}}
	certificateReloads  = metric{"ws76_tls_reloads_total", prometheus.CounterValue, "Changed certificates read anew; failed ones left the certificate before in use.", []string{"role", "result"}}
	proxyHeadersRefused = metric{"ws76_proxy_headers_refused_total", prometheus.CounterValue, "Connections refused because no PROXY header came, or one from a peer that is not trusted.", nil}
	tlsFailed           = metric{"ws76_tls_handshakes_failed_total", prometheus.CounterValue, "TLS handshakes of clients that failed.", nil}
)

// metrics are all of them.
var metrics = []*metric{
	&buildInfo, &connectionsOpen, &connectionsOpened, &connectionsClosed, &handshakesRefused, &handshakesDamaged,
	&handshakeSeconds, &key3WaitSeconds, &messagesCarried, &bytesCarried, &framesSkipped, &messagesRepaired,
	&messagesDropped, &httpRequests, &dialectLastSeen, &drainingNow, &certificateNotAfter, &certificateReloads, &tlsFailed,
	&proxyHeadersRefused,
}

func (m *metric) desc() *prometheus.Desc { return prometheus.NewDesc(m.name, m.help, m.labels, nil) }

// metricsHandler serves the metrics of a gateway, of Go and of the process.
func metricsHandler(c *collector) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), c)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// A collector turns what a gateway has counted into metrics when it is asked.
type collector struct {
	gateway  *translate.Gateway
	cr       credentials
	refused  *atomic.Int64 // connections, for want of a PROXY header
	draining *atomic.Bool
}

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
	s := c.gateway.Stats()
	send(buildInfo, 1, versionText(), runtime.Version())
	for _, d := range legacy.Dialects() { // those without clients too: a rate needs a 0 to begin with
		send(connectionsOpen, float64(s.Open[d]), d.String())
		send(connectionsOpened, float64(s.Opened[d]), d.String())
		t := s.Traffic[d]
		send(messagesCarried, float64(t.MessagesUp), d.String(), "up")
		send(messagesCarried, float64(t.MessagesDown), d.String(), "down")
		send(bytesCarried, float64(t.BytesUp), d.String(), "up")
		send(bytesCarried, float64(t.BytesDown), d.String(), "down")
		ch <- constHistogram(handshakeSeconds, s.Handshake[d], d.String())
	}
	for kind, n := range s.Closed {
		send(connectionsClosed, float64(n), kind.Dialect.String(), string(kind.By), string(kind.Reason))
	}
	for kind, n := range s.Refused {
		send(handshakesRefused, float64(n), kind.Dialect.String(), string(kind.Reason))
	}
	for fault, n := range s.Faults {
		send(handshakesDamaged, float64(n), string(fault))
	}
	ch <- constHistogram(key3WaitSeconds, s.Key3Wait)
	send(framesSkipped, float64(s.Skipped))
	send(messagesRepaired, float64(s.Repaired))
	send(messagesDropped, float64(s.Dropped))
	send(httpRequests, float64(s.Requests))
	for d, at := range s.LastSeen {
		send(dialectLastSeen, float64(at.UnixMilli())/1000, d.String())
	}
	send(proxyHeadersRefused, float64(c.refused.Load()))
	if c.cr.served != nil {
		send(tlsFailed, float64(c.cr.served.refused.Load()))
	}
	draining := 0.0
	if c.draining.Load() {
		draining = 1
	}
	send(drainingNow, draining)
	for role, pair := range map[string]*certificate{"server": c.cr.served, "client": c.cr.client} {
		if pair != nil {
			send(certificateNotAfter, float64(pair.notAfter().Unix()), role)
			send(certificateReloads, float64(pair.reloaded.Load()), role, "ok")
			send(certificateReloads, float64(pair.failed.Load()), role, "failed")
		}
	}
}

func constHistogram(m metric, h translate.Histogram, labels ...string) prometheus.Metric {
	upTo := make(map[float64]uint64, len(translate.Buckets))
	var n uint64
	for i, bound := range translate.Buckets {
		n += uint64(h.Counts[i])
		upTo[bound] = n
	}
	n += uint64(h.Counts[len(translate.Buckets)])
	return prometheus.MustNewConstHistogram(m.desc(), n, h.Sum, upTo, labels...)
}

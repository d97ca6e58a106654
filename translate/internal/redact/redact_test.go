package redact

import "testing"

// A head in the log has what was received, but no secret.
func TestHead(t *testing.T) {
	for head, want := range map[string]string{
		"GET /chat HTTP/1.1\r\nHost: a\r\n\r\n":                                                                               "GET /chat HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /chat?token=SECRET HTTP/1.1\r\n\r\n":                                                                             "GET /chat?***(12 bytes) HTTP/1.1\r\n\r\n",
		"GET /chat?a=b?SECRET c HTTP/1.1\r\n\r\n":                                                                             "GET /chat?***(12 bytes) HTTP/1.1\r\n\r\n",
		"GET http://me:SECRET@a/chat HTTP/1.1\n\n":                                                                            "GET http://***(9 bytes)@a/chat HTTP/1.1\n\n",
		"GET / HTTP/1.1\nuser-AGENT:  x \nCookie:\t SECRET\nHost : a\n\n":                                                     "GET / HTTP/1.1\nuser-AGENT:  x \nCookie:\t ***(6 bytes)\nHost : a\n\n",
		"GET / HTTP/1.1\r\nAuthorization: Basic SECRET\r\n SECRET\r\n\tSECRET\r\n":                                            "GET / HTTP/1.1\r\nAuthorization: ***(12 bytes)\r\n***(7 bytes)\r\n***(7 bytes)\r\n",
		"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: SECRET\r\nSECRET\r\n\r\n":                                                  "GET / HTTP/1.1\r\nSec-WebSocket-Protocol: ***(6 bytes)\r\n***(6 bytes)\r\n\r\n",
		"GET / HTTP/1.1\r\nX-Forwarded-For: 1\r\nSec-WebSocket-Key1: 1 1\r\nX:\r\n\r\n":                                       "GET / HTTP/1.1\r\nX-Forwarded-For: 1\r\nSec-WebSocket-Key1: 1 1\r\nX:\r\n\r\n",
		"GET / HTTP/1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Uri: /?SECRET\r\nX-Forwarded-Access-Token: SECRET\r\n\r\n": "GET / HTTP/1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Uri: ***(8 bytes)\r\nX-Forwarded-Access-Token: ***(6 bytes)\r\n\r\n",
	} {
		if got := Head(head); got != want {
			t.Errorf("%q\nis %q\nwant %q", head, got, want)
		}
	}
}

func TestDetail(t *testing.T) {
	for detail, want := range map[string]string{
		"/chat?token=SECRET#frag":           "/chat?***(17 bytes)",
		"http://me:SECRET@a,b/chat":         "http://***(9 bytes)@a,b/chat",
		"Host: me:SECRET@a":                 "Host: ***(9 bytes)@a",
		"Origin: http://a, http://b?SECRET": "Origin: http://a, http://b?***(6 bytes)",
		"a b":                               "a b",
		"":                                  "",
	} {
		if got := Detail(detail); got != want {
			t.Errorf("%q: %q, want %q", detail, got, want)
		}
	}
}

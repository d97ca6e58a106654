// Package proxies knows other people's reverse proxies: how to recognise them by what
// they write into requests and responses, what each does to an opening handshake, and
// which lines of configuration fix it. The log, ws76 probe and the docs share this one
// list.
package proxies

module github.com/ws76/ws76/docker/e2e

go 1.26.0

// The tests build the command in its own module. A package that one imports
// would be of this tree, too.
replace github.com/ws76/ws76 => ../..

require (
	github.com/chromedp/cdproto v0.159.2
	github.com/chromedp/chromedp v0.23.0
	github.com/gorilla/websocket v1.5.3
	github.com/ws76/ws76 v0.0.0-00010101000000-000000000000
)

require github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect

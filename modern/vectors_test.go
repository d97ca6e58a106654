package modern_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/ws76/ws76/modern"
)

// A received is a vector of hybi_receive.
type received struct {
	ID, Source string
	Role       string // of the receiver
	Versions   []string
	Chunks     []string `json:"chunks_hex"`
	Events     []event
	EndState   string `json:"end_state"`
	Lenient    bool
	MaxMessage int64 `json:"max_message"`
}

// An event is what a peer has sent: a whole message, a control frame, or what
// fails the connection.
type event struct {
	Ev     string
	Text   string
	Hex    string
	Code   uint16 // of a Close frame, 0 without; of a failure
	Reason string
}

// loadFrames reads the vectors. What it does not know, and a corpus that
// vanishes, fails.
func loadFrames(t testing.TB) []received {
	t.Helper()
	f, err := os.Open("testdata/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var file struct {
		Schema  int
		Receive []received `json:"hybi_receive"`
	}
	dec := json.NewDecoder(f)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if file.Schema != 1 || len(file.Receive) < 39 {
		t.Fatalf("schema %d, %d vectors, want at least 39 of schema 1", file.Schema, len(file.Receive))
	}
	for _, v := range file.Receive {
		v.check(t)
	}
	return file.Receive
}

func (v received) check(t testing.TB) {
	t.Helper()
	known := func(word string, words ...string) {
		t.Helper()
		if !slices.Contains(words, word) {
			t.Fatalf("%s: %q is not one of %q", v.ID, word, words)
		}
	}
	known(v.Role, "server", "client")
	known(v.EndState, "open", "closed", "failed")
	for _, version := range v.Versions {
		known(version, "7", "8", "13")
	}
	for _, e := range v.Events {
		known(e.Ev, "text", "binary", "ping", "pong", "close", "fail")
	}
}

func (v received) bytes(t testing.TB) (whole []byte, chunks [][]byte) {
	t.Helper()
	for _, c := range v.Chunks {
		chunks = append(chunks, unhex(t, c))
	}
	return bytes.Join(chunks, nil), chunks
}

// scanner is a new one for each run of the vector.
func (v received) scanner() *modern.Scanner {
	return &modern.Scanner{Server: v.Role == "server", Lenient: v.Lenient, MaxMessage: v.MaxMessage}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// cuts are the ways to cut data that every table is run with: whole, byte by
// byte, and in two at every position.
func cuts(data []byte) [][][]byte {
	each := make([][]byte, 0, len(data))
	for i := range data {
		each = append(each, data[i:i+1])
	}
	all := [][][]byte{{data}, each}
	for i := 1; i < len(data); i++ {
		all = append(all, [][]byte{data[:i], data[i:]})
	}
	return all
}

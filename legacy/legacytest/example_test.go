package legacytest_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/legacy/legacytest"
)

// The vectors of the challenge, for a server of one's own.
func ExampleVectors() {
	var file struct {
		Valid []struct {
			Key1, Key2 string
			Key3       string `json:"key3_hex"`
			Response   string `json:"response_hex"`
		}
	}
	text, err := fs.ReadFile(legacytest.Vectors(), "challenge.json")
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range file.Valid {
		key3, _ := hex.DecodeString(v.Key3)
		key1, _ := legacy.ParseKey(v.Key1)
		key2, _ := legacy.ParseKey(v.Key2)
		if got := fmt.Sprintf("%x", legacy.ChallengeResponse(key1, key2, [8]byte(key3))); got != v.Response {
			fmt.Printf("%q, %q: got %s, want %s\n", v.Key1, v.Key2, got, v.Response)
		}
	}
	fmt.Println("the first:", file.Valid[0].Response)
	// Output:
	// the first: 386a4b5327793a472a436f2c5778612d
}

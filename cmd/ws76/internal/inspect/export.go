package inspect

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ws76/ws76/legacy"
	"github.com/ws76/ws76/translate"
)

// A summary is a connection without its rows, as the list of the page has it.
type summary struct {
	ID        int64     `json:"connection"`
	State     string    `json:"state"` // open, ended or refused
	Dialect   string    `json:"dialect"`
	Backend   string    `json:"backend_dialect"`
	Client    string    `json:"client"`
	Path      string    `json:"path"`
	UserAgent string    `json:"user_agent"`
	Began     time.Time `json:"began"`
	Ended     time.Time `json:"ended,omitzero"`
	Up        carried   `json:"up"`   // from the client
	Down      carried   `json:"down"` // from the backend
	By        string    `json:"by,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Status    int       `json:"status,omitempty"` // of a refusal
	Lost      int64     `json:"rows_lost"`        // for lack of memory
}

func (c *conn) summary() summary {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.exchange
	s := summary{
		ID: c.id, State: "open", Dialect: x.Dialect.String(), Backend: x.Backend.String(), Client: x.Client, Path: x.Path, UserAgent: x.UserAgent, Began: x.Began, Ended: c.until,
		Up: c.carried[0], Down: c.carried[1], By: c.by, Reason: string(c.reason), Status: x.Status, Lost: c.lost,
	}
	if c.over {
		s.State = "ended"
	}
	if x.Reason != "" {
		s.State = "refused"
	}
	return s
}

// A card is the opening handshake.
type card struct {
	Request   string           `json:"request"`   // from the client, as received
	Forwarded string           `json:"forwarded"` // to the backend, as sent
	Answer    string           `json:"answer"`    // of the backend, as received
	Response  string           `json:"response"`  // to the client, as sent
	Seconds   float64          `json:"seconds"`
	Challenge *sum             `json:"challenge,omitempty"`
	Refusal   *refusal         `json:"refusal,omitempty"`
	Damage    translate.Damage `json:"damage,omitzero"`
}

// A sum is how the challenge response of -76 comes about.
type sum struct {
	Key1     share   `json:"key1"`
	Key2     share   `json:"key2"`
	Key3     octets  `json:"key3"`
	Input    octets  `json:"input"` // the 16 bytes
	MD5      octets  `json:"md5"`
	Key3Wait float64 `json:"key3_seconds"` // after the head of the 101; 0 if it was there before
}

// A share is what a key adds.
type share struct {
	Value  string `json:"value"`
	Digits uint32 `json:"digits"`
	Spaces uint32 `json:"spaces"`
	Part   uint32 `json:"part"`
}

type refusal struct {
	Reason  string `json:"reason"`
	Meaning string `json:"meaning"`
	Status  int    `json:"status,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

func (c *conn) card() card {
	c.mu.Lock()
	d := c.damage
	c.mu.Unlock()
	x := c.exchange
	response, answer := x.Response, []byte(nil)
	if x.Key3 != nil && len(response) > 16 {
		response, answer = response[:len(response)-16], response[len(response)-16:]
	}
	k := card{Request: string(x.Request), Forwarded: string(x.Forwarded), Answer: string(x.Answer), Response: strings.ToValidUTF8(string(response), "\uFFFD"), Seconds: x.Took.Seconds(), Damage: d}
	if x.Key3 != nil {
		k.Challenge = challenge(x, answer)
	}
	if x.Reason != "" {
		k.Refusal = &refusal{string(x.Reason), x.Reason.Description(), x.Status, x.Detail}
	}
	return k
}

func challenge(x *translate.Exchange, answer []byte) *sum {
	s := &sum{Key1: shareOf(x.Request, "Sec-WebSocket-Key1"), Key2: shareOf(x.Request, "Sec-WebSocket-Key2"), Key3: x.Key3[:], MD5: answer, Key3Wait: x.Key3Wait.Seconds()}
	for _, k := range []share{s.Key1, s.Key2} {
		s.Input = append(s.Input, byte(k.Part>>24), byte(k.Part>>16), byte(k.Part>>8), byte(k.Part))
	}
	s.Input = append(s.Input, x.Key3[:]...)
	return s
}

func shareOf(head []byte, name string) share {
	for line := range bytes.Lines(head) {
		n, v, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), ":")
		if strings.EqualFold(n, name) {
			v = strings.TrimPrefix(v, " ")
			k, _ := legacy.ParseKey(v)
			return share{v, k.Number, k.Spaces, k.Part}
		}
	}
	return share{}
}

const mask = "***"

var (
	// A field may go on in further lines that begin with white space.
	secretFields = regexp.MustCompile(`(?im)^((?:Proxy[-_]Authorization|Authorization|X[-_]Forwarded[-_]Access[-_]Token|Cookie2?|Set[-_]Cookie2?|Sec[-_]WebSocket[-_]Protocol|WebSocket[-_]Protocol)[ \t]*:)[^\n]*?(?:\r?\n[ \t][^\n]*?)*(\r?)$`)
	keys         = regexp.MustCompile(`(?i)^Sec-WebSocket-Key[12][ \t]*:`) // any character may be in them
	query        = regexp.MustCompile(`\?[^ \r\n]*`)
)

// masked is the card without what lets others in: fields that hold credentials, and queries.
func (k card) masked() card {
	for _, head := range []*string{&k.Request, &k.Forwarded, &k.Answer, &k.Response} {
		*head = maskHead(*head)
	}
	if k.Refusal != nil {
		r := *k.Refusal
		r.Detail = query.ReplaceAllString(r.Detail, "?"+mask)
		k.Refusal = &r
	}
	return k
}

func maskHead(head string) string {
	var b strings.Builder
	for line := range strings.Lines(secretFields.ReplaceAllString(head, "$1 "+mask+"$2")) {
		if !keys.MatchString(line) {
			line = query.ReplaceAllString(line, "?"+mask)
		}
		b.WriteString(line)
	}
	return b.String()
}

// after is copies of the rows that are new or changed since a number, the newest of them if
// there are more than most, and how many are left out.
func (c *conn) after(seq int64, most, bytes int) (rows []row, leftOut int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	const settled = 256 // rows without a change, before which there is none
	for n, quiet := len(c.rows)-1, 0; n >= 0 && quiet < settled; n-- {
		switch r := c.rows[n]; {
		case r.changed <= seq:
			quiet++
		case len(rows) == most:
			leftOut++
		default:
			rows = append(rows, r.copy(bytes))
		}
	}
	slices.Reverse(rows)
	return rows, leftOut
}

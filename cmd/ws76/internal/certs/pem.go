package certs

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

// read returns the text. The errors do not hold the value.
func read(p config.PEM) ([]byte, error) {
	if p.Inline() {
		return normalise([]byte(p)), nil
	}
	f, err := os.OpenFile(string(p), os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO without a writer would block
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return nil, withoutPath(err)
	}
	text := new(bytes.Buffer)
	_, err = text.ReadFrom(f)
	return normalise(text.Bytes()), withoutPath(err)
}

// withoutPath removes the path from an error, because it may be a key.
func withoutPath(err error) error {
	if path := new(fs.PathError); errors.As(err, &path) {
		return path.Err
	}
	return err
}

// normalise removes what editors and concatenation leave before a line, and what would
// have encoding/pem skip the block: byte order marks and white space.
func normalise(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(bytes.ReplaceAll(text, []byte("\ufeff"), nil)) {
		out = append(append(out, bytes.TrimSpace(line)...), '\n')
	}
	return out
}

// stat returns the state of the file, nil if there is none.
func stat(p config.PEM) os.FileInfo {
	if p.Inline() {
		return nil
	}
	info, err := os.Stat(string(p))
	if err != nil {
		return nil
	}
	return info
}

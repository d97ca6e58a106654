package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

// helpOf is what ws76 prints with these arguments, which must succeed.
func helpOf(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), args, &stdout, &stderr); status != exitOK || stderr.Len() > 0 {
		t.Fatalf("ws76 %q: status %d, %s", args, status, stderr.String())
	}
	return stdout.String()
}

// Help fits a terminal of 80 columns; a word that is longer stays whole.
func TestHelpFits(t *testing.T) {
	texts := []string{helpOf(t, "help")}
	for _, v := range verbs() {
		texts = append(texts, helpOf(t, "help", v.Name))
	}
	for _, text := range texts {
		for line := range strings.Lines(text) {
			if line = strings.TrimSuffix(line, "\n"); utf8.RuneCountInString(line) > 80 && len(strings.Fields(line)) > 1 {
				t.Errorf("%d columns: %s", utf8.RuneCountInString(line), line)
			}
		}
	}
}

// help VERB and VERB -h are the same for every verb.
func TestEveryVerbHelps(t *testing.T) {
	for _, v := range verbs() {
		text := helpOf(t, "help", v.Name)
		if flagged := helpOf(t, v.Name, "-h"); flagged != text {
			t.Errorf("%s -h prints\n%s\nand help %s\n%s", v.Name, flagged, v.Name, text)
		}
		if !strings.HasPrefix(text, "Usage: ws76 "+v.Name) {
			t.Errorf("help %s begins with %.40q", v.Name, text)
		}
	}
}

func TestReadmeHasTheCommands(t *testing.T) {
	const first, last = "<!-- commands -->\n", "<!-- /commands -->"
	_, rest, begun := strings.Cut(readDoc(t, "cmd/ws76/README.md"), first)
	got, _, ended := strings.Cut(rest, last)
	want := strings.TrimSuffix(helpOf(t, "help", "-markdown"), config.Table())
	if !begun || !ended || got != want {
		t.Errorf("cmd/ws76/README.md is to have this (ws76 help -markdown):\n%s%s%s", first, want, last)
	}
}

// The man page has every verb and variable, and troff reads it without an error.
func TestManPage(t *testing.T) {
	page := helpOf(t, "help", "-man")
	for _, v := range verbs() {
		if !strings.Contains(page, "\n.SS ws76 "+v.Name) {
			t.Errorf("no section for %s", v.Name)
		}
	}
	for _, name := range config.Names() {
		if !strings.Contains(page, "\n.B "+name+"\n") {
			t.Errorf("nothing about %s", name)
		}
	}
	require(t, "groff")
	groff := exec.Command("groff", "-man", "-Tutf8", "-z")
	groff.Stdin = strings.NewReader(page)
	if out, err := groff.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("groff: %v: %s", err, out)
	}
}

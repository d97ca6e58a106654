package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// command begins a line of a page that is a command, with its variables.
var command = regexp.MustCompile(`^([A-Z0-9_]+=\S+ )*(go|docker|ws76|curl|kubectl|systemctl|cp|echo|cd|\.ci/\w+|\./\S+|bin/\S+|[A-Z0-9_]+=\S+ go) `)

// notRun marks a block of commands that CI does not run, and says why.
const notRun = "not run by CI: "

// yours is in commands that need no mark: the host or the app of the reader.
var yours = regexp.MustCompile(`example\.com|192\.0\.2\.|host\.docker\.internal|127\.0\.0\.1:8080`)

// Every command of a page is run by CI, or the page says that it is not. CI runs it if a
// script of .ci, a test or a script of a test has it, word for word.
func TestDocsCommandsRun(t *testing.T) {
	ran := ciText(t)
	commands := 0
	for _, page := range markdownPages(t) {
		for _, block := range indented(readDoc(t, page)) {
			marked := strings.Contains(block, notRun)
			for line := range strings.Lines(strings.ReplaceAll(block, "\\\n", " ")) {
				line = strings.Join(strings.Fields(strings.SplitN(line, " #", 2)[0]), " ")
				if synopsis := strings.ContainsAny(line, "["); synopsis || !command.MatchString(line+" ") {
					continue
				}
				commands++
				if !marked && !yours.MatchString(line) && !strings.Contains(ran, strings.TrimPrefix(line, "docker ")) {
					t.Errorf("%s: CI does not run %q; have a test run it, or write %q behind it and why", page, line, "# "+notRun)
				}
			}
		}
	}
	if commands < 20 {
		t.Errorf("only %d commands found", commands)
	}
}

// ciText is all that CI runs, with single spaces.
func ciText(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, name := range tracked(t) {
		if !strings.HasPrefix(name, ".ci/") && !strings.HasSuffix(name, "_test.go") && filepath.Ext(name) != ".txt" {
			continue
		}
		if text, err := os.ReadFile(filepath.Join(root, name)); err == nil {
			all.WriteString(strings.Join(strings.Fields(string(text)), " ") + "\n")
		}
	}
	return all.String()
}

// indented are the blocks of a page that are indented by four spaces, without them.
func indented(page string) (blocks []string) {
	for _, block := range regexp.MustCompile(`(?m)(^    .*\n)+`).FindAllString(codeBlock.ReplaceAllString(page, ""), -1) {
		blocks = append(blocks, regexp.MustCompile(`(?m)^    `).ReplaceAllString(block, ""))
	}
	return blocks
}

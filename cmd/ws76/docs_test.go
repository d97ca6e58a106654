package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading      = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	codeBlock    = regexp.MustCompile("(?ms)^```.*?^```$")
)

// Every link of a page leads to a file of the repository, and to a heading there if it
// has an anchor. Links to other sites are not followed.
func TestDocsLinks(t *testing.T) {
	links := 0
	for _, page := range markdownPages(t) {
		text := readDoc(t, page)
		for _, match := range markdownLink.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			links++
			to := page
			if target != "" {
				to = path.Join(path.Dir(page), target)
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s links to %s, which is not there", page, match[1])
			} else if anchor != "" && !slices.Contains(anchors(readDoc(t, to)), anchor) {
				t.Errorf("%s links to %s, whose anchor is not there", page, match[1])
			}
		}
	}
	if links < 20 {
		t.Errorf("only %d links found", links)
	}
}

// The README is read by people who have five minutes.
func TestReadmeIsShort(t *testing.T) {
	text := readDoc(t, "README.md")
	if n := strings.Count(text, "\n"); n > 200 {
		t.Errorf("README.md has %d lines, more than 200", n)
	}
	if n := len(strings.Fields(text)); n > 920 {
		t.Errorf("README.md has %d words, more than 920", n)
	}
}

func markdownPages(t *testing.T) (pages []string) {
	t.Helper()
	for _, name := range tracked(t) {
		if path.Ext(name) == ".md" {
			if _, err := os.Stat(filepath.Join(root, name)); err == nil {
				pages = append(pages, name)
			}
		}
	}
	return pages
}

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// anchors are the names that GitHub gives the headings of a page.
func anchors(text string) (names []string) {
	for _, match := range heading.FindAllStringSubmatch(text, -1) {
		name := strings.ToLower(match[1])
		name = regexp.MustCompile(`[^\pL\pN _-]`).ReplaceAllString(name, "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// coined are phrases that readers had to read twice, with what to write in their place.
var coined = map[*regexp.Regexp]string{
	regexp.MustCompile(`\b(is|are) for who\b`):                       "say what it does, and the caller's duty",
	regexp.MustCompile(`\bwho (reads|holds|waits|closes|is about) `): "name the caller",
	regexp.MustCompile(`\bthat (is|are) none\b`):                     "invalid, malformed, or name what it is not",
	regexp.MustCompile(`\bis none of\b`):                             "is not",
	regexp.MustCompile(`\bread anew\b`):                              "reloaded",
	regexp.MustCompile(`\bis told of\b`):                             "hears, learns, is called with",
	regexp.MustCompile(`\bwhat has come\b`):                          "what has arrived, what a side has sent",
	regexp.MustCompile(`\bhas come of it\b`):                         "say what happened",
}

// No page, comment, error or script has a coined phrase. This file names them.
func TestPlainEnglish(t *testing.T) {
	files := 0
	for _, name := range tracked(t) {
		if name == "cmd/ws76/docs_test.go" || !slices.Contains([]string{".go", ".md", ".txt"}, path.Ext(name)) {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			continue // deleted, and not committed yet
		}
		files++
		for n, line := range strings.Split(readDoc(t, name), "\n") {
			for phrase, better := range coined {
				if found := phrase.FindString(line); found != "" {
					t.Errorf("%s:%d: %q: %s", name, n+1, found, better)
				}
			}
		}
	}
	if files < 100 {
		t.Errorf("only %d files found", files)
	}
}

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ws76/ws76/translate/proxies"
)

// comment is one in a configuration: no value here has a # in it.
var comment = regexp.MustCompile(`(?m)#.*$`)

// joined is text with one space between words, so that lines may be broken
// elsewhere.
func joined(text string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("{", " { ", "}", " } ").Replace(text)), " ")
}

// What the log and the probe tell to paste stands in the configurations that
// TestProxies runs. What broke: nginx's recipe had a variable that nothing set.
func TestRecipesAreRun(t *testing.T) {
	lines := 0
	for _, proxy := range proxies.Names() {
		files, err := filepath.Glob(filepath.Join(root, "docker", "proxies", proxy+"*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		var configured string
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			configured += joined(comment.ReplaceAllString(string(text), "")) + " "
		}
		recipe := proxies.RecipeFor(proxy)
		for _, text := range []string{recipe.Pass, recipe.Version, recipe.Host, recipe.Declared, recipe.Strict} {
			if !strings.Contains(text, "\n") {
				continue // in words
			}
			for line := range strings.Lines(text) {
				if line = joined(line); strings.HasSuffix(line, ":") {
					continue
				}
				lines++
				if !strings.Contains(configured, line) {
					t.Errorf("%s: %q is in no configuration", proxy, line)
				}
			}
		}
	}
	if lines < 20 {
		t.Errorf("only %d lines found", lines)
	}
}

// A variable of a recipe is nginx's own, or set in it.
func TestRecipesSetTheirVariables(t *testing.T) {
	own := regexp.MustCompile(`^\$(http_\w+|scheme|remote_addr)$`)
	recipe := proxies.RecipeFor("nginx")
	for _, text := range []string{recipe.Pass, recipe.Host, recipe.Strict} {
		for _, name := range regexp.MustCompile(`\$\w+`).FindAllString(text, -1) {
			if !own.MatchString(name) && !regexp.MustCompile(`map \S+ \`+name+` `).MatchString(text) {
				t.Errorf("%s is set by nobody in\n%s", name, text)
			}
		}
	}
}

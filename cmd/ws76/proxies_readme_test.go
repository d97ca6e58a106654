package main

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// expected is what becomes of a case behind a proxy of this kind.
func (k *proxyKind) expected(name string) outcome { return cmp.Or(k.except[name], works) }

// row is what the README says of a kind of proxy, its name left out.
func (k *proxyKind) row() string {
	var b strings.Builder
	for _, c := range proxyCases {
		cell := string(k.expected(c.name))
		if cell == string(works) {
			cell = "yes"
		}
		if c.name == "refused" && k.keeps {
			cell += ", kept"
		}
		fmt.Fprintf(&b, " %s |", cell)
	}
	return b.String()
}

// proxiesTable is what TestProxies runs, a row for each folder of docker/proxies.
func proxiesTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| proxy |")
	for _, c := range proxyCases {
		fmt.Fprintf(&b, " %s |", c.column)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(proxyCases)) + "\n")
	rows := map[string]string{} // by folder
	for _, k := range proxyKinds {
		folder, row := path.Dir(k.config), k.row()
		if before, ok := rows[folder]; !ok {
			fmt.Fprintf(&b, "| [%s](proxies/%s) |%s\n", k.name, folder, row)
		} else if row != before {
			t.Errorf("%s has another row than its folder: %s", k.name, row)
		}
		rows[folder] = row
	}
	folders, err := os.ReadDir(filepath.Join(root, "docker", "proxies"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if rows[f.Name()] == "" {
			t.Errorf("no test runs docker/proxies/%s", f.Name())
		}
	}
	return b.String()
}

func TestReadmeHasTheProxies(t *testing.T) {
	const first, last = "<!-- proxies -->\n", "<!-- /proxies -->"
	readme, err := os.ReadFile(filepath.Join(root, "docker", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begun := strings.Cut(string(readme), first)
	got, _, ended := strings.Cut(rest, last)
	if want := proxiesTable(t); !begun || !ended || got != want {
		t.Errorf("docker/README.md is to have this:\n%s%s%s", first, want, last)
	}
}

// A misspelt exception would be none.
func TestProxyExceptionsAreCases(t *testing.T) {
	for _, k := range proxyKinds {
		for name := range k.except {
			if !slices.ContainsFunc(proxyCases, func(c proxyCase) bool { return c.name == name }) {
				t.Errorf("%s: there is no case %q", k.name, name)
			}
		}
	}
}

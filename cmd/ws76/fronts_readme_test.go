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

// expected is what becomes of a case behind a front of this kind.
func (k *frontKind) expected(name string) outcome { return cmp.Or(k.except[name], works) }

// row is what the README says of a kind of front, its name left out.
func (k *frontKind) row() string {
	var b strings.Builder
	for _, c := range frontCases {
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

// frontsTable is what TestFronts runs, a row for each folder of docker/fronts.
func frontsTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| front |")
	for _, c := range frontCases {
		fmt.Fprintf(&b, " %s |", c.column)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(frontCases)) + "\n")
	rows := map[string]string{} // by folder
	for _, k := range frontKinds {
		folder, row := path.Dir(k.config), k.row()
		if before, ok := rows[folder]; !ok {
			fmt.Fprintf(&b, "| [%s](docker/fronts/%s) |%s\n", k.name, folder, row)
		} else if row != before {
			t.Errorf("%s has another row than its folder: %s", k.name, row)
		}
		rows[folder] = row
	}
	folders, err := os.ReadDir(filepath.Join(root, "docker", "fronts"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if rows[f.Name()] == "" {
			t.Errorf("no test runs docker/fronts/%s", f.Name())
		}
	}
	return b.String()
}

func TestReadmeHasTheFronts(t *testing.T) {
	const first, last = "<!-- fronts -->\n", "<!-- /fronts -->"
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begun := strings.Cut(string(readme), first)
	got, _, ended := strings.Cut(rest, last)
	if want := frontsTable(t); !begun || !ended || got != want {
		t.Errorf("README.md is to have this:\n%s%s%s", first, want, last)
	}
}

// A misspelt exception would be none.
func TestFrontExceptionsAreCases(t *testing.T) {
	for _, k := range frontKinds {
		for name := range k.except {
			if !slices.ContainsFunc(frontCases, func(c frontCase) bool { return c.name == name }) {
				t.Errorf("%s: there is no case %q", k.name, name)
			}
		}
	}
}

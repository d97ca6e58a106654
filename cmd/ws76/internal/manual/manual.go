// Package manual prints what ws76 says of itself, from one source: help for a terminal
// of 80 columns, Markdown for the documentation, and a man page.
package manual

import (
	"flag"
	"fmt"
	"strings"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

// width is that of a terminal.
const width = 80

// A Verb is one word after ws76.
type Verb struct {
	Name     string
	Args     string // behind the flags, for example URL
	Summary  string // one line
	About    string // paragraphs; a line that begins with a space stays as it is
	Examples []string
	Flags    *flag.FlagSet // nil if there are none
}

// Usage is the first line of the verb's help.
func (v Verb) Usage() string {
	words := []string{"ws76", v.Name}
	if hasFlags(v.Flags) {
		words = append(words, "[flags]")
	}
	return strings.Join(append(words, strings.Fields(v.Args)...), " ")
}

// Text is the help of one verb.
func (v Verb) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n\n%s\n", v.Usage(), wrap(sentence(v.Summary), 0))
	if v.About != "" {
		fmt.Fprintf(&b, "\n%s\n", paragraphs(v.About))
	}
	if hasFlags(v.Flags) {
		b.WriteString("\nFlags:\n")
		eachFlag(v.Flags, func(name, meaning string) {
			fmt.Fprintf(&b, "  %s\n%s\n", name, wrap(meaning, 6))
		})
	}
	examples(&b, v.Examples)
	return b.String()
}

// Overview is the help of the command: all verbs and all variables.
func Overview(about string, verbs []Verb, usage []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nUsage: ws76 [verb] [flags]\n\n", wrap(about, 0))
	for _, v := range verbs {
		fmt.Fprintf(&b, "  %-8s %s\n", v.Name, strings.TrimSpace(wrap(v.Summary, 11)))
	}
	b.WriteString("\nws76 help VERB and ws76 VERB -h say more.\n")
	examples(&b, usage)
	b.WriteString("\nSettings are environment variables; one that is set but empty counts as unset.\n")
	for _, g := range config.Groups() {
		fmt.Fprintf(&b, "\n%s:\n", g.Title)
		for _, v := range g.Variables {
			fmt.Fprintf(&b, "  %s\n%s\n", v.Name, wrap(meaning(v), 6))
		}
	}
	return b.String()
}

// meaning returns what a variable does, and its default.
func meaning(v config.Variable) string {
	if v.Default == "" {
		return v.Meaning
	}
	return v.Meaning + " (default " + v.Default + ")"
}

func examples(b *strings.Builder, lines []string) {
	if len(lines) == 0 {
		return
	}
	b.WriteString("\nExamples:\n")
	for _, line := range lines {
		fmt.Fprintf(b, "  %s\n", line)
	}
}

func hasFlags(flags *flag.FlagSet) (any bool) {
	if flags != nil {
		flags.VisitAll(func(*flag.Flag) { any = true })
	}
	return any
}

// eachFlag gives the name of each flag, with its value, and what it does, with its
// default.
func eachFlag(flags *flag.FlagSet, do func(name, meaning string)) {
	flags.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		name := "-" + f.Name
		if value != "" {
			name += " " + value
		}
		if d := f.DefValue; d != "" && d != "false" && !strings.Contains(usage, "(default") {
			usage += " (default " + d + ")"
		}
		do(name, usage)
	})
}

// sentence is text with a capital and a full stop.
func sentence(text string) string {
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// paragraphs wraps each paragraph of text.
func paragraphs(text string) string {
	var out []string
	for p := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if !strings.HasPrefix(p, " ") {
			p = wrap(strings.ReplaceAll(p, "\n", " "), 0)
		}
		out = append(out, p)
	}
	return strings.Join(out, "\n\n")
}

// wrap breaks text into lines of at most width, each behind so many spaces. A word that
// is longer stays whole.
func wrap(text string, indent int) string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && indent+len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	margin := strings.Repeat(" ", indent)
	return margin + strings.Join(append(lines, line), "\n"+margin)
}

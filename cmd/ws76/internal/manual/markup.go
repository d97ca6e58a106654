package manual

import (
	"fmt"
	"strings"

	"github.com/ws76/ws76/cmd/ws76/internal/config"
)

// Markdown is the verbs for the documentation.
func Markdown(verbs []Verb) string {
	var b strings.Builder
	for _, v := range verbs {
		fmt.Fprintf(&b, "### ws76 %s\n\n    %s\n\n%s\n\n", v.Name, v.Usage(), sentence(v.Summary))
		if v.About != "" {
			fmt.Fprintf(&b, "%s\n\n", markdownParagraphs(v.About))
		}
		if hasFlags(v.Flags) {
			b.WriteString("| flag | meaning |\n|---|---|\n")
			eachFlag(v.Flags, func(name, meaning string) { fmt.Fprintf(&b, "| `%s` | %s |\n", name, meaning) })
			b.WriteByte('\n')
		}
		for _, line := range v.Examples {
			fmt.Fprintf(&b, "    %s\n", line)
		}
		if len(v.Examples) > 0 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// markdownParagraphs has the lines that stay as they are in blocks.
func markdownParagraphs(text string) string {
	var out []string
	for p := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(p, " ") {
			p = "    " + strings.ReplaceAll(p, "\n", "\n    ")
		}
		out = append(out, p)
	}
	return strings.Join(out, "\n\n")
}

// Man is the man page ws76(1).
func Man(about string, verbs []Verb, usage []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH WS76 1\n.SH NAME\nws76 \\- %s\n.SH SYNOPSIS\n.B ws76\n[verb] [flags]\n.SH DESCRIPTION\n%s\n.SH VERBS\n",
		roff("gateway from WebSocket of 2009-2011 to RFC 6455"), roff(about))
	for _, v := range verbs {
		fmt.Fprintf(&b, ".SS %s\n%s\n", roff(v.Usage()), roff(sentence(v.Summary)))
		manParagraphs(&b, v.About)
		if v.Flags != nil {
			eachFlag(v.Flags, func(name, meaning string) {
				fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(name), roff(meaning))
			})
		}
	}
	b.WriteString(".SH ENVIRONMENT\n")
	for _, g := range config.Groups() {
		fmt.Fprintf(&b, ".SS %s\n", roff(g.Title))
		for _, v := range g.Variables {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(v.Name), strings.ReplaceAll(roff(meaning(v)), ",", `,\:`)) // a long list may break
		}
	}
	b.WriteString(".SH EXIT STATUS\n.TP\n.B 0\nsuccess\n.TP\n.B 1\nit ran and failed\n.TP\n.B 2\nan argument or a variable is wrong; nothing was started\n.TP\n.B 3\na connection of ws76 connect was open and did not end in the way of its dialect\n.SH EXAMPLES\n")
	for _, line := range usage {
		fmt.Fprintf(&b, ".PP\n.nf\n%s\n.fi\n", roff(line))
	}
	return b.String()
}

func manParagraphs(b *strings.Builder, text string) {
	if text == "" {
		return
	}
	for p := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(p, " ") {
			fmt.Fprintf(b, ".PP\n.nf\n%s\n.fi\n", roff(p))
		} else {
			fmt.Fprintf(b, ".PP\n%s\n", roff(p))
		}
	}
}

// roff escapes what troff would read as a command.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

package config

import (
	"fmt"
	"slices"
	"strings"
)

// A Problem is something wrong with a variable.
type Problem struct {
	vars     []string // that it names, its own first; NAME_FILE goes by NAME
	name     string   // as it is set, perhaps with _FILE
	value    string   // masked
	misnamed bool     // it is the name that is wrong
	err      error
}

// Invalid is the problem of a variable that has a value which cannot be used. The
// message says why, and what is allowed.
func Invalid(name, value, format string, args ...any) Problem {
	return Problem{
		vars: []string{strings.TrimSuffix(name, fileSuffix)}, name: name,
		value: Mask(name, value), err: fmt.Errorf(format, args...),
	}
}

// About adds variables that the problem depends on.
func (p Problem) About(names ...string) Problem {
	p.vars = append(p.vars, names...)
	return p
}

// impliedBy reports whether p names the variable that known is about, and so may only
// be its consequence.
func (p Problem) impliedBy(known Problem) bool { return slices.Contains(p.vars, known.vars[0]) }

// Variable is the name of the variable.
func (p Problem) Variable() string { return p.name }

// Value is the value without secrets.
func (p Problem) Value() string { return p.value }

// Unwrap returns what is wrong.
func (p Problem) Unwrap() error { return p.err }

func (p Problem) Error() string {
	if p.misnamed {
		return fmt.Sprintf("  %s: %v", p.name, p.err)
	}
	return fmt.Sprintf("  %s=%q: %v", p.name, p.value, p.err)
}

// Errors are all problems of an environment.
type Errors []Problem

func (e Errors) Error() string {
	lines := []string{"the environment has " + plural(len(e), "error") + ":"}
	for _, p := range e {
		lines = append(lines, p.Error())
	}
	return strings.Join(lines, "\n")
}

// Add adds those that are not implied by others.
func (e *Errors) Add(more Errors) {
	for _, p := range more {
		if !slices.ContainsFunc(*e, func(known Problem) bool { return p.impliedBy(known) }) {
			*e = append(*e, p)
		}
	}
}

// OrNil is nil if there are none.
func (e Errors) OrNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// plural is n things.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

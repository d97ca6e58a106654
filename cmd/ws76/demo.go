package main

import (
	"context"
	"io"

	"github.com/ws76/ws76/cmd/ws76/internal/demo"
)

// runDemo shows every byte of a conversation.
func runDemo(ctx context.Context, args []string, stdout, _ io.Writer) error {
	flags := newFlags("demo")
	once := flags.Bool("once", false, "end after the conversation")
	if err := parseOnlyFlags(flags, args); err != nil {
		return err
	}
	return demo.Run(ctx, *once, stdout)
}

//go:build !unix

package host

import "github.com/hashicorp/go-hclog"

// WarnOfDescriptors has no limit to look at here.
func WarnOfDescriptors(int, hclog.Logger) {}

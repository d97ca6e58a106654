//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// ownGroup puts a program that is not started yet into a process group of its
// own, with everything that it will start itself.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// endGroup ends that group, at once or as the programs wish.
func endGroup(cmd *exec.Cmd, atOnce bool) {
	signal := syscall.SIGTERM
	if atOnce {
		signal = syscall.SIGKILL
	}
	syscall.Kill(-cmd.Process.Pid, signal)
}

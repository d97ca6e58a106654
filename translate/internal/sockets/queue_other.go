//go:build !linux

package sockets

// QueueNow is 0: it is not known here.
func QueueNow(uintptr) int { return 0 }

// ReceivedNow is 0: it is not known here.
func ReceivedNow(uintptr) int { return 0 }

const stateClosed = 7

func state(uintptr) byte { return 0 }

func answers(uintptr) bool { return false }

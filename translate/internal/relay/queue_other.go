//go:build !linux

package relay

func queueNow(uintptr) int { return 0 }

func receivedNow(uintptr) int { return 0 }

const stateClosed = 7

func state(uintptr) byte { return 0 }

func answers(uintptr) bool { return false }

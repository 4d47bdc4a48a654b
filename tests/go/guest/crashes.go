package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

type node struct {
	_    [0x40]byte
	next *node
}

//go:noinline
func follow(n *node) *node { return n.next }

//go:noinline
func divide(a, b int) int { return a / b }

//go:noinline
func recurse(n int) int { return recurse(n+1) + n }

func recovered(action func()) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	action()
	return "nothing"
}

func init() {
	topics["panic"] = func([]string) { panic("a guest's panic") }
	topics["nil"] = func([]string) { follow(nil) }
	topics["address"] = func([]string) {
		debug.SetPanicOnFault(false)
		*(*int)(unsafe.Pointer(uintptr(0x123456789000))) = 1
	}
	topics["overflow"] = func([]string) { debug.SetMaxStack(1 << 20); recurse(0) }
	topics["deadlock"] = func([]string) { select {} }
	topics["exit"] = func(arguments []string) {
		var status int
		fmt.Sscan(arguments[0], &status)
		os.Exit(status)
	}
	topics["abort"] = func([]string) { debug.SetTraceback("crash"); panic("with a core") }
	topics["kill-self"] = func(arguments []string) {
		var signal int
		fmt.Sscan(arguments[0], &signal)
		must(syscall.Kill(os.Getpid(), syscall.Signal(signal)))
		time.Sleep(10 * time.Second)
	}
	topics["recover"] = recovers
}

func recovers([]string) {
	for round := 0; round < 200; round++ {
		text := recovered(func() { follow(nil) })
		check(strings.Contains(text, "nil pointer dereference"), "%q", text)
		text = recovered(func() { divide(1, round-round) })
		check(strings.Contains(text, "integer divide by zero"), "%q", text)
	}
	debug.SetPanicOnFault(true)
	text := recovered(func() { *(*int)(unsafe.Pointer(uintptr(0x123456789000))) = 1 })
	check(strings.Contains(text, "invalid memory address"), "%q", text)
	fault := recovered(func() {
		defer func() {
			err := recover().(runtime.Error)
			address, ok := err.(interface{ Addr() uintptr })
			check(ok, "the error has no address")
			equal(address.Addr(), 0x123456789000)
			panic("address seen")
		}()
		*(*int)(unsafe.Pointer(uintptr(0x123456789000))) = 1
	})
	equal(fault, "address seen")
	// A page without permission, and one beyond the end of its file.
	page, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	must(err)
	text = recovered(func() { page[5] = 1 })
	check(strings.Contains(text, "invalid memory address"), "%q", text)
	must(syscall.Munmap(page))
	file, err := os.CreateTemp("", "sudrun-go-")
	must(err)
	defer os.Remove(file.Name())
	must(file.Truncate(8192))
	mapped, err := syscall.Mmap(int(file.Fd()), 0, 8192, syscall.PROT_READ, syscall.MAP_SHARED)
	must(err)
	must(file.Truncate(10))
	text = recovered(func() { fmt.Fprint(os.Stderr, mapped[4097:4098]) })
	check(strings.Contains(text, "fault") || strings.Contains(text, "invalid memory"), "%q", text)
	for i := 0; i < 50; i++ { // in several threads at once
		done := make(chan string)
		for k := 0; k < 8; k++ {
			go func() { done <- recovered(func() { follow(nil) }) }()
		}
		for k := 0; k < 8; k++ {
			check(strings.Contains(<-done, "nil pointer"), "no panic in a goroutine")
		}
	}
}

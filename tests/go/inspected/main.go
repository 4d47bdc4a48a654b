// A program that calls something no system has, and something that every one has.
package main

import "syscall"

func main() {
	syscall.Syscall(5000, 0, 0, 0)
	if syscall.Getpid() == 0 {
		syscall.Mkdir("/nonexistent/x", 0)
	}
}

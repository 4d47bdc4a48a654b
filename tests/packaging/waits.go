// A program that waits in read(2) on one thread, and for that on others.
package main

import (
	"fmt"
	"os"
)

//go:noinline
func waiter(bytes []byte) int {
	n, _ := os.Stdin.Read(bytes)
	return n
}

func main() {
	fmt.Println("ready")
	fmt.Println(waiter(make([]byte, 8)))
}

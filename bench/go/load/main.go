// load ADDRESS CONNECTIONS REQUESTS: makes so many requests over so many connections that are kept, and prints the
// nanoseconds that took. It does little itself, because it shares the machine with the server.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// answer reads one response and returns the length of its body.
func answer(from *bufio.Reader) (int, error) {
	length := -1
	for first := true; ; first = false {
		line, err := from.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
			return 0, fmt.Errorf("not the expected answer: %q", line)
		}
		if len(line) == 0 {
			break
		}
		if name, value, _ := strings.Cut(string(line), ": "); name == "Content-Length" {
			if length, err = strconv.Atoi(value); err != nil {
				return 0, err
			}
		}
	}
	if length <= 0 {
		return 0, fmt.Errorf("an answer without a length")
	}
	return from.Discard(length)
}

func connection(address string, requests int) error {
	to, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer to.Close()
	from := bufio.NewReader(to)
	request := []byte("GET /page/of/the/benchmark HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n")
	for i := 0; i < requests; i++ {
		if _, err := to.Write(request); err != nil {
			return err
		}
		if _, err := answer(from); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	fail := func(err error) {
		if err != nil && err != io.EOF {
			fmt.Fprintln(os.Stderr, "load:", err)
			os.Exit(1)
		}
	}
	if len(os.Args) != 4 {
		fail(fmt.Errorf("usage: load ADDRESS CONNECTIONS REQUESTS"))
	}
	connections, err := strconv.Atoi(os.Args[2])
	fail(err)
	requests, err := strconv.Atoi(os.Args[3])
	fail(err)
	start := time.Now()
	done := make(chan error)
	for i := 0; i < connections; i++ {
		go func() { done <- connection(os.Args[1], requests/connections) }()
	}
	for i := 0; i < connections; i++ {
		fail(<-done)
	}
	fmt.Println(time.Since(start).Nanoseconds())
}

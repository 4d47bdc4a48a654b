// A guest that checks, from within, what a Go program relies on. `guest TOPIC [ARGUMENTS…]` runs one topic;
// it prints `ok TOPIC` if all is well, else it says on standard error what is not and exits with status 1.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
)

type topic func(arguments []string)

var topics = map[string]topic{}

func main() {
	if len(os.Args) < 2 || topics[os.Args[1]] == nil {
		names := []string{}
		for name := range topics {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintln(os.Stderr, "topics:", strings.Join(names, " "))
		os.Exit(64)
	}
	topics[os.Args[1]](os.Args[2:])
	fmt.Println("ok", os.Args[1])
}

func fail(depth int, message string) {
	_, file, line, _ := runtime.Caller(depth + 1)
	fmt.Fprintf(os.Stderr, "FAILED %s:%d: %s\n", filepath.Base(file), line, message)
	os.Exit(1)
}

func check(holds bool, format string, arguments ...any) {
	if !holds {
		fail(1, fmt.Sprintf(format, arguments...))
	}
}

func must(err error) {
	if err != nil {
		fail(1, fmt.Sprintf("unexpected error: %v", err))
	}
}

func equal[T any](got, want T) {
	if any(got) != any(want) {
		fail(1, fmt.Sprintf("got %v, want %v", got, want))
	}
}

func temporary() string {
	dir, err := os.MkdirTemp("", "sudrun-go-")
	must(err)
	dir, err = filepath.EvalSymlinks(dir)
	must(err)
	return dir
}

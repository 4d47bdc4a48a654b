package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"strings"
	"syscall"
	"time"
)

func init() {
	topics["system"] = system
	topics["where"] = func([]string) {
		exe, err := os.Executable()
		must(err)
		cwd, err := os.Getwd()
		must(err)
		fmt.Printf("%s\n%s\n%s\n", exe, cwd, os.Args[0])
	}
	topics["about"] = func([]string) {
		name, err := os.Hostname()
		must(err)
		var limit syscall.Rlimit
		must(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
		fmt.Printf("os %s\ncpus %d\nhost %s\npid %d %d\nids %d %d %d %d\nfiles %d %d\n", runtime.GOOS, runtime.NumCPU(), name,
			os.Getpid(), os.Getppid(), os.Getuid(), os.Geteuid(), os.Getgid(), os.Getegid(), limit.Cur, limit.Max)
	}
	topics["environment"] = func([]string) {
		fmt.Println(strings.Join(os.Environ(), "\n"))
	}
}

func system([]string) {
	name, err := os.Hostname()
	must(err)
	check(name != "", "no host name")
	check(runtime.NumCPU() >= 1, "%d processors", runtime.NumCPU())
	equal(os.Getpagesize(), 4096)

	groups, err := os.Getgroups()
	must(err)
	check(len(groups) < 1000, "%d groups", len(groups))
	if me, err := user.Current(); err == nil {
		equal(me.Uid, fmt.Sprint(os.Getuid()))
	}

	var limit, again syscall.Rlimit
	must(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	check(limit.Cur >= 16 && limit.Max >= limit.Cur, "descriptors: %+v", limit)
	lower := limit
	lower.Cur = 128
	must(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lower))
	must(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &again))
	equal(again.Cur, 128)
	var open []*os.File
	for {
		file, err := os.Open("/")
		if err != nil {
			check(strings.Contains(err.Error(), "too many open files"), "error is %v", err)
			break
		}
		open = append(open, file)
	}
	check(len(open) >= 100 && len(open) < 128, "%d files could be opened", len(open))
	for _, file := range open {
		must(file.Close())
	}
	must(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))

	a, b := make([]byte, 64), make([]byte, 64)
	_, err = rand.Read(a)
	must(err)
	_, err = rand.Read(b)
	must(err)
	check(!bytes.Equal(a, b) && !bytes.Equal(a, make([]byte, 64)), "not random")

	must(os.Setenv("SUDRUN_GO_TEST", "x=y"))
	equal(os.Getenv("SUDRUN_GO_TEST"), "x=y")
	must(os.Unsetenv("SUDRUN_GO_TEST"))
	_, there := os.LookupEnv("SUDRUN_GO_TEST")
	check(!there, "the variable is still there")

	var usage syscall.Rusage
	for until := time.Now().Add(20 * time.Millisecond); time.Now().Before(until); {
	}
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	check(usage.Utime.Nano()+usage.Stime.Nano() > 0 && usage.Maxrss > 100, "usage: %+v", usage)
	var now syscall.Timeval
	must(syscall.Gettimeofday(&now))
	check(time.Since(time.Unix(now.Unix())) < 5*time.Second, "time of day %v", now)
	equal(time.Unix(1_700_000_000, 0).UTC().Format(time.RFC3339), "2023-11-14T22:13:20Z")

	session, err := syscall.Getpgid(0)
	must(err)
	equal(session, syscall.Getpgrp())
	priority, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	must(err)
	_ = priority
	equal(syscall.Kill(os.Getpid(), 0), nil)
	equal(syscall.Kill(1<<22+1, 0), error(syscall.ESRCH))
}

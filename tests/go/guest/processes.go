package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

func init() {
	topics["commands"] = commands
	topics["self"] = selfExec
	topics["many-commands"] = manyCommands
	topics["replace"] = func(arguments []string) {
		must(syscall.Exec(arguments[0], arguments, append(os.Environ(), "REPLACED=1")))
	}
	topics["child"] = child
}

// What a started copy of this program does.
func child(arguments []string) {
	switch arguments[0] {
	case "arguments":
		fmt.Printf("%q\n", arguments[1:])
	case "name":
		exe, err := os.Executable()
		must(err)
		fmt.Println(os.Args[0], exe)
	case "environment":
		fmt.Println(os.Getenv(arguments[1]), len(os.Environ()))
	case "directory":
		dir, err := os.Getwd()
		must(err)
		fmt.Println(dir)
	case "descriptors":
		extra := os.NewFile(3, "extra")
		text, err := io.ReadAll(extra)
		must(err)
		_, err = os.NewFile(4, "more").Write(append([]byte("got "), text...))
		must(err)
		_, err = os.NewFile(5, "none").Stat()
		check(err != nil, "descriptor 5 is open")
	case "copy":
		_, err := io.Copy(os.Stdout, os.Stdin)
		must(err)
		os.Exit(0)
	case "sleep":
		fmt.Println("sleeping")
		time.Sleep(time.Minute)
	}
}

func statusOf(err error) syscall.WaitStatus {
	var failure *exec.ExitError
	check(errors.As(err, &failure), "error is %v", err)
	return failure.Sys().(syscall.WaitStatus)
}

func commands([]string) {
	out, err := exec.Command("/bin/echo", "one", "two words").Output()
	must(err)
	equal(string(out), "one two words\n")
	for _, status := range []int{1, 7, 127, 255} {
		err = exec.Command("/bin/sh", "-c", fmt.Sprint("exit ", status)).Run()
		equal(statusOf(err).ExitStatus(), status)
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGSEGV, syscall.SIGBUS} {
		name := map[syscall.Signal]string{syscall.SIGTERM: "TERM", syscall.SIGKILL: "KILL", syscall.SIGINT: "INT",
			syscall.SIGHUP: "HUP", syscall.SIGUSR1: "USR1", syscall.SIGSEGV: "SEGV", syscall.SIGBUS: "BUS"}[signal]
		err = exec.Command("/bin/sh", "-c", "ulimit -c 0; kill -"+name+" $$").Run()
		check(statusOf(err).Signaled(), "%v: %v", signal, err)
		equal(statusOf(err).Signal(), signal)
	}
	cat := exec.Command("cat")
	input := strings.Repeat("input\n", 200_000)
	cat.Stdin = strings.NewReader(input)
	out, err = cat.Output()
	must(err)
	check(string(out) == input, "cat gave %d bytes", len(out))

	dir := temporary()
	defer os.RemoveAll(dir)
	shell := exec.Command("sh", "-c", `echo "$PWD $ONLY $#"; echo bad >&2; env | grep -c =`, "sh", "a", "b")
	shell.Dir = dir
	shell.Env = []string{"ONLY=this", "PATH=" + os.Getenv("PATH")}
	var stderr bytes.Buffer
	shell.Stderr = &stderr
	out, err = shell.Output()
	must(err)
	check(strings.HasPrefix(string(out), dir+" this 2\n"), "%q", out)
	equal(stderr.String(), "bad\n")

	_, err = exec.LookPath("no-such-program-anywhere")
	check(errors.Is(err, exec.ErrNotFound), "error is %v", err)
	err = exec.Command(dir + "/missing").Run()
	check(errors.Is(err, os.ErrNotExist), "error is %v", err)
	must(os.WriteFile(dir+"/plain", []byte("text"), 0o644))
	err = exec.Command(dir + "/plain").Run()
	check(errors.Is(err, os.ErrPermission), "error is %v", err)
	must(os.WriteFile(dir+"/garbage", []byte{1, 2, 3, 4, 0, 0}, 0o755))
	err = exec.Command(dir + "/garbage").Run()
	check(errors.Is(err, syscall.ENOEXEC), "error is %v", err)
	must(os.WriteFile(dir+"/script", []byte("#!/bin/sh -e\necho script $0 $1\n"), 0o755))
	out, err = exec.Command(dir+"/script", "x").Output()
	must(err)
	equal(string(out), "script "+dir+"/script x\n")
	err = (&exec.Cmd{Path: "/bin/echo", Args: []string{"echo"}, Dir: dir + "/nowhere"}).Run()
	check(errors.Is(err, os.ErrNotExist), "error is %v", err)

	// Descriptors beyond the standard three.
	reader, writer, err := os.Pipe()
	must(err)
	extra := exec.Command("sh", "-c", "cat <&3; echo back >&4; if (: <&5) 2>/dev/null; then echo leak; fi")
	back, answers, err := os.Pipe()
	must(err)
	extra.ExtraFiles = []*os.File{reader, answers}
	fmt.Fprint(writer, "forth")
	writer.Close()
	out, err = extra.Output()
	must(err)
	equal(string(out), "forth")
	answers.Close()
	text, err := io.ReadAll(back)
	must(err)
	equal(string(text), "back\n")

	within, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	err = exec.CommandContext(within, "sleep", "60").Run()
	equal(statusOf(err).Signal(), syscall.SIGKILL)
	check(time.Since(began) < 20*time.Second, "killing took %v", time.Since(began))

	// Process groups and sessions.
	group := exec.Command("sh", "-c", "sleep 60 & sleep 60")
	group.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(group.Start())
	id, err := syscall.Getpgid(group.Process.Pid)
	must(err)
	equal(id, group.Process.Pid)
	must(syscall.Kill(-group.Process.Pid, syscall.SIGTERM))
	equal(statusOf(group.Wait()).Signal(), syscall.SIGTERM)
	session := exec.Command("sh", "-c", "exec ps -o sid= -p $$ 2>/dev/null || echo $$")
	session.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err = session.Output()
	must(err)
	equal(strings.TrimSpace(string(out)), fmt.Sprint(session.Process.Pid))
	if os.Getuid() == 0 {
		other := exec.Command("id", "-u")
		other.Dir = "/"
		other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err = other.Output()
		must(err)
		equal(string(out), "65534\n")
	}

	// A conversation, a process that is gone, and what it used.
	talker := exec.Command("sh", "-c", "while read line; do echo said $line; done; exit 5")
	in, err := talker.StdinPipe()
	must(err)
	from, err := talker.StdoutPipe()
	must(err)
	must(talker.Start())
	must(talker.Process.Signal(syscall.Signal(0)))
	lines := bufio.NewScanner(from)
	for i := 0; i < 100; i++ {
		fmt.Fprintln(in, i)
		check(lines.Scan(), "the shell stopped talking")
		equal(lines.Text(), fmt.Sprint("said ", i))
	}
	must(in.Close())
	equal(statusOf(talker.Wait()).ExitStatus(), 5)
	equal(talker.Process.Signal(syscall.SIGTERM), os.ErrProcessDone)
	usage := talker.ProcessState.SysUsage().(*syscall.Rusage)
	check(usage.Maxrss > 0, "no memory used: %+v", usage)
	equal(talker.ProcessState.Pid(), talker.Process.Pid)

	stopped := exec.Command("sleep", "60")
	must(stopped.Start())
	must(stopped.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(stopped.Process.Pid, &status, syscall.WUNTRACED, nil)
	must(err)
	equal(pid, stopped.Process.Pid)
	// Go's BSD form of Stopped() leaves SIGSTOP out, so the status is taken apart here.
	check(status&0x7f == 0x7f && syscall.Signal(status>>8) == syscall.SIGSTOP, "status %x", status)
	must(stopped.Process.Signal(syscall.SIGCONT))
	must(stopped.Process.Kill())
	equal(statusOf(stopped.Wait()).Signal(), syscall.SIGKILL)
}

func selfExec([]string) {
	self, err := os.Executable()
	must(err)
	run := func(arguments ...string) string {
		out, err := exec.Command(self, append([]string{"child"}, arguments...)...).Output()
		must(err)
		return string(out)
	}
	equal(run("arguments", "", "a b", "--trace", "-t", "é"), "[\"\" \"a b\" \"--trace\" \"-t\" \"é\"]\nok child\n")
	equal(run("name"), self+" "+self+"\nok child\n")

	dir := temporary()
	defer os.RemoveAll(dir)
	// Found by a relative path, by a link and with another argv[0].
	must(os.Symlink(self, dir+"/link"))
	relative := exec.Command("./link", "child", "directory")
	relative.Dir = dir
	out, err := relative.Output()
	must(err)
	equal(string(out), dir+"\nok child\n")
	renamed := exec.Command(self, "child", "name")
	renamed.Args[0] = "another name"
	out, err = renamed.Output()
	must(err)
	equal(string(out), "another name "+self+"\nok child\n")
	must(os.WriteFile(dir+"/interpreted", []byte("#!"+self+" child\n"), 0o755))
	out, err = exec.Command(dir+"/interpreted", "x").CombinedOutput()
	must(err)
	equal(string(out), "ok child\n")
	out, err = exec.Command("/bin/sh", "-c", dir+"/link child directory; echo $?").CombinedOutput()
	if err == nil && strings.HasSuffix(string(out), "\n0\n") { // works only where the host knows the format (binfmt_misc)
		check(strings.Contains(string(out), "ok child"), "%q", out)
	}

	environment := exec.Command(self, "child", "environment", "ONLY")
	environment.Env = []string{"ONLY=value"}
	out, err = environment.Output()
	must(err)
	equal(string(out), "value 1\nok child\n")

	reader, writer, err := os.Pipe()
	must(err)
	back, answers, err := os.Pipe()
	must(err)
	extra := exec.Command(self, "child", "descriptors")
	extra.ExtraFiles = []*os.File{reader, answers}
	must(extra.Start())
	fmt.Fprint(writer, "forth")
	writer.Close()
	answers.Close()
	text, err := io.ReadAll(back)
	must(err)
	equal(string(text), "got forth")
	must(extra.Wait())

	pipeline := exec.Command(self, "child", "copy")
	data := strings.Repeat("data", 1<<18)
	pipeline.Stdin = strings.NewReader(data)
	out, err = pipeline.Output()
	must(err)
	check(string(out) == data, "%d bytes came back", len(out))

	for _, status := range []int{0, 1, 3, 128, 255} {
		err = exec.Command(self, "exit", fmt.Sprint(status)).Run()
		if status == 0 {
			must(err)
		} else {
			equal(statusOf(err).ExitStatus(), status)
		}
	}
	crash := exec.Command(self, "panic")
	var stderr bytes.Buffer
	crash.Stderr = &stderr
	equal(statusOf(crash.Run()).ExitStatus(), 2)
	check(strings.Contains(stderr.String(), "panic: a guest's panic"), "%q", stderr.String())
	equal(statusOf(exec.Command(self, "kill-self", "15").Run()).Signal(), syscall.SIGTERM)
	equal(statusOf(exec.Command(self, "kill-self", "9").Run()).Signal(), syscall.SIGKILL)

	sleeper := exec.Command(self, "child", "sleep")
	from, err := sleeper.StdoutPipe()
	must(err)
	must(sleeper.Start())
	line, err := bufio.NewReader(from).ReadString('\n')
	must(err)
	equal(line, "sleeping\n")
	must(sleeper.Process.Signal(syscall.SIGTERM))
	equal(statusOf(sleeper.Wait()).Signal(), syscall.SIGTERM)

	// exec without fork: once to a foreign, once to a native program.
	out, err = exec.Command(self, "replace", self, "child", "environment", "REPLACED").Output()
	must(err)
	check(strings.HasPrefix(string(out), "1 "), "%q", out)
	out, err = exec.Command(self, "replace", "/bin/echo", "native").Output()
	must(err)
	equal(string(out), "native\n")
}

// Forking while other threads allocate, collect and fork.
func manyCommands([]string) {
	self, err := os.Executable()
	must(err)
	var all sync.WaitGroup
	for worker := 0; worker < 8; worker++ {
		all.Add(1)
		go func(worker int) {
			defer all.Done()
			for n := 0; n < 12; n++ {
				text := fmt.Sprint(worker, "-", n)
				program := []string{"/bin/echo", text}
				if n%3 == 0 {
					program = []string{self, "hello", text}
				}
				out, err := exec.Command(program[0], program[1:]...).Output()
				must(err)
				check(strings.Contains(string(out), text), "%q", out)
			}
		}(worker)
	}
	done := make(chan bool)
	go func() {
		garbage := make([][]byte, 100)
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
				garbage[n%100] = make([]byte, 10_000)
			}
		}
	}()
	all.Wait()
	close(done)
	_, err = filepath.Abs(".")
	must(err)
}

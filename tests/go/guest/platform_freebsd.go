package main

import (
	"os"
	"strings"
	"syscall"
	"time"
)

func accessTime(info os.FileInfo) time.Time {
	at := info.Sys().(*syscall.Stat_t).Atimespec
	return time.Unix(at.Sec, at.Nsec)
}

func init() {
	topics["sysctl"] = func([]string) {
		kind, err := syscall.Sysctl("kern.ostype")
		must(err)
		equal(kind, "FreeBSD")
		machine, err := syscall.Sysctl("hw.machine")
		must(err)
		equal(machine, "amd64")
		pages, err := syscall.SysctlUint32("hw.pagesize")
		must(err)
		equal(pages, uint32(4096))
		release, err := syscall.Sysctl("kern.osrelease")
		must(err)
		check(len(release) > 3 && release[0] == '1', "kern.osrelease %q", release)
		_, err = syscall.Sysctl("kern.no_such_thing")
		equal(err, error(syscall.ENOENT))
	}
	topics["unaligned-mmap"] = func([]string) { // only FreeBSD allows it
		file, err := os.CreateTemp("", "sudrun-go-")
		must(err)
		defer os.Remove(file.Name())
		_, err = file.Write([]byte(strings.Repeat("0123456789", 1000)))
		must(err)
		mapped, err := syscall.Mmap(int(file.Fd()), 4099, 5000, syscall.PROT_READ, syscall.MAP_SHARED)
		must(err)
		equal(string(mapped[:10]), "9012345678")
		equal(string(mapped[4990:5000]), "9012345678")
		must(syscall.Munmap(mapped))
	}
	topics["kqueue"] = func([]string) {
		kq, err := syscall.Kqueue()
		must(err)
		defer syscall.Close(kq)
		pipe := make([]int, 2)
		must(syscall.Pipe(pipe))
		file := temporary()
		defer os.RemoveAll(file)
		watched, err := syscall.Open(file, syscall.O_RDONLY, 0)
		must(err)
		child, err := os.StartProcess("/bin/sh", []string{"sh", "-c", "sleep 0.1; exit 3"}, &os.ProcAttr{})
		must(err)
		changes := []syscall.Kevent_t{
			{Ident: uint64(pipe[0]), Filter: syscall.EVFILT_READ, Flags: syscall.EV_ADD},
			{Ident: 7, Filter: syscall.EVFILT_TIMER, Flags: syscall.EV_ADD | syscall.EV_ONESHOT, Data: 30},
			{Ident: uint64(watched), Filter: syscall.EVFILT_VNODE, Flags: syscall.EV_ADD | syscall.EV_CLEAR, Fflags: syscall.NOTE_WRITE},
			{Ident: uint64(child.Pid), Filter: syscall.EVFILT_PROC, Flags: syscall.EV_ADD | syscall.EV_ONESHOT, Fflags: syscall.NOTE_EXIT},
		}
		_, err = syscall.Kevent(kq, changes, nil, nil)
		must(err)
		_, err = syscall.Write(pipe[1], []byte("abc"))
		must(err)
		must(os.WriteFile(file+"/new", nil, 0o644))
		seen := map[int16]syscall.Kevent_t{}
		limit := syscall.Timespec{Sec: 10}
		drained := false
		for len(seen) < 4 {
			events := make([]syscall.Kevent_t, 8)
			n, err := syscall.Kevent(kq, nil, events, &limit)
			if err == syscall.EINTR {
				continue
			}
			must(err)
			check(n > 0, "no event in time; seen %v", seen)
			for _, e := range events[:n] {
				seen[e.Filter] = e
			}
			if e, ok := seen[syscall.EVFILT_READ]; ok && !drained {
				drained = true
				n, err := syscall.Read(pipe[0], make([]byte, e.Data))
				must(err)
				equal(int64(n), e.Data)
			}
		}
		equal(seen[syscall.EVFILT_READ].Data, int64(3))
		equal(seen[syscall.EVFILT_TIMER].Ident, uint64(7))
		equal(seen[syscall.EVFILT_VNODE].Fflags, uint32(syscall.NOTE_WRITE))
		equal(seen[syscall.EVFILT_PROC].Ident, uint64(child.Pid))
		equal(syscall.WaitStatus(seen[syscall.EVFILT_PROC].Data).ExitStatus(), 3)
		_, err = child.Wait()
		must(err)
	}
}

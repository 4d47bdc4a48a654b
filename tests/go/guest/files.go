package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

func init() {
	topics["files"] = files
	topics["walk"] = walk
	topics["locks"] = locks
	topics["try-lock"] = tryLock
	topics["mmap"] = mmap
	topics["large"] = large
}

func files([]string) {
	dir := temporary()
	defer os.RemoveAll(dir)
	must(os.Chdir(dir))
	cwd, err := os.Getwd()
	must(err)
	equal(cwd, dir)
	must(os.Setenv("PWD", "/nowhere")) // so that the kernel is asked
	cwd, err = os.Getwd()
	must(err)
	equal(cwd, dir)

	// Opening.
	_, err = os.Open("missing")
	check(errors.Is(err, fs.ErrNotExist), "error is %v", err)
	file, err := os.OpenFile("f", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	must(err)
	_, err = os.OpenFile("f", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	check(errors.Is(err, fs.ErrExist), "error is %v", err)
	_, err = file.WriteString("hello, world")
	must(err)
	_, err = file.WriteAt([]byte("W"), 7)
	must(err)
	at := make([]byte, 5)
	_, err = file.ReadAt(at, 7)
	must(err)
	equal(string(at), "World")
	offset, err := file.Seek(-5, io.SeekEnd)
	must(err)
	equal(offset, 7)
	rest, err := io.ReadAll(file)
	must(err)
	equal(string(rest), "World")
	must(file.Sync())
	info, err := file.Stat()
	must(err)
	equal(info.Size(), 12)
	equal(info.Mode(), 0o640)
	must(file.Close())
	appending, err := os.OpenFile("f", os.O_APPEND|os.O_WRONLY, 0)
	must(err)
	_, err = appending.WriteString("!")
	must(err)
	_, err = appending.Read(at)
	check(err != nil, "reading a write-only file succeeded")
	must(appending.Close())
	text, err := os.ReadFile("f")
	must(err)
	equal(string(text), "hello, World!")
	must(os.Truncate("f", 5))
	text, _ = os.ReadFile("f")
	equal(string(text), "hello")

	// Times.
	accessed := time.Date(2001, 2, 3, 4, 5, 6, 123456789, time.UTC)
	modified := time.Date(2031, 5, 6, 7, 8, 9, 987654321, time.UTC)
	must(os.Chtimes("f", accessed, modified))
	info, err = os.Stat("f")
	must(err)
	check(info.ModTime().Equal(modified.Truncate(time.Microsecond)) || info.ModTime().Equal(modified), "modified %v", info.ModTime())
	check(accessTime(info).Equal(accessed.Truncate(time.Microsecond)) || accessTime(info).Equal(accessed), "accessed %v", accessTime(info))
	raw := info.Sys().(*syscall.Stat_t)
	equal(raw.Nlink, 1)
	equal(int(raw.Uid), os.Getuid())
	check(raw.Ino != 0 && raw.Blksize > 0 && raw.Blocks > 0, "stat: %+v", raw)

	// Links.
	must(os.Symlink("f", "s"))
	target, err := os.Readlink("s")
	must(err)
	equal(target, "f")
	info, err = os.Lstat("s")
	must(err)
	check(info.Mode()&fs.ModeSymlink != 0, "mode %v", info.Mode())
	must(os.Link("f", "h"))
	a, _ := os.Stat("f")
	b, _ := os.Stat("h")
	check(os.SameFile(a, b), "a link is another file")
	equal(b.Sys().(*syscall.Stat_t).Nlink, 2)
	must(os.Symlink("loop", "loop"))
	_, err = os.Stat("loop")
	check(errors.Is(err, syscall.ELOOP), "error is %v", err)
	must(os.Symlink("gone", "dangling"))
	_, err = os.Stat("dangling")
	check(errors.Is(err, fs.ErrNotExist), "error is %v", err)
	resolved, err := filepath.EvalSymlinks("s")
	must(err)
	equal(resolved, "f")

	// Names.
	must(os.Rename("h", "renamed"))
	must(os.MkdirAll("d/e/f", 0o755))
	must(os.WriteFile("d/e/f/x", []byte("x"), 0o600))
	check(os.Remove("d") != nil, "a full directory was removed")
	err = os.Remove("d/e")
	check(errors.Is(err, syscall.ENOTEMPTY), "error is %v", err)
	err = os.Mkdir("d", 0o755)
	check(errors.Is(err, fs.ErrExist), "error is %v", err)
	must(os.Rename("d", "moved"))
	must(os.RemoveAll("moved"))
	_, err = os.ReadFile("renamed/x")
	check(errors.Is(err, syscall.ENOTDIR), "error is %v", err)
	err = os.WriteFile(string(bytes.Repeat([]byte("n"), 300)), nil, 0o644)
	check(errors.Is(err, syscall.ENAMETOOLONG), "error is %v", err)
	_, err = os.ReadFile(".")
	check(errors.Is(err, syscall.EISDIR), "error is %v", err)

	// Permissions.
	for _, mode := range []fs.FileMode{0o600, 0o755, 0o444, fs.ModeSetuid | 0o755, fs.ModeSticky | 0o777} {
		must(os.Mkdir("p", 0o700))
		must(os.Chmod("p", mode))
		info, err = os.Stat("p")
		must(err)
		equal(info.Mode(), mode|fs.ModeDir)
		must(os.Remove("p"))
	}
	old := syscall.Umask(0o077)
	must(os.WriteFile("masked", nil, 0o666))
	syscall.Umask(old)
	info, _ = os.Stat("masked")
	equal(info.Mode(), 0o600)
	must(os.Chown("masked", os.Getuid(), os.Getgid()))
	if os.Getuid() == 0 {
		must(os.Chown("masked", 12, 34))
		info, _ = os.Stat("masked")
		equal(info.Sys().(*syscall.Stat_t).Uid, 12)
		equal(info.Sys().(*syscall.Stat_t).Gid, 34)
	} else {
		must(os.Chmod("masked", 0))
		_, err = os.ReadFile("masked")
		check(errors.Is(err, fs.ErrPermission), "error is %v", err)
	}
	must(syscall.Access("f", 4))
	equal(syscall.Access("nothing", 4), error(syscall.ENOENT))

	// Special files.
	must(syscall.Mkfifo("fifo", 0o600))
	info, _ = os.Stat("fifo")
	check(info.Mode()&fs.ModeNamedPipe != 0, "mode %v", info.Mode())
	go func() { must(os.WriteFile("fifo", []byte("through a fifo"), 0)) }()
	text, err = os.ReadFile("fifo")
	must(err)
	equal(string(text), "through a fifo")
	info, err = os.Stat(os.DevNull)
	must(err)
	check(info.Mode()&fs.ModeCharDevice != 0, "mode %v", info.Mode())
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	must(err)
	n, err := null.Write([]byte("gone"))
	must(err)
	equal(n, 4)

	// Descriptors.
	f, err := os.Open("f")
	must(err)
	copied, err := syscall.Dup(int(f.Fd()))
	must(err)
	must(f.Close())
	n, err = syscall.Read(copied, at)
	must(err)
	equal(string(at[:n]), "hello")
	must(syscall.Dup2(copied, 200))
	must(syscall.Close(copied))
	_, err = syscall.Seek(200, 1, 0)
	must(err)
	n, err = syscall.Pread(200, at, 2)
	must(err)
	equal(string(at[:n]), "llo")
	must(syscall.Close(200))
	equal(syscall.Close(200), error(syscall.EBADF))
	var space syscall.Statfs_t
	must(syscall.Statfs(dir, &space))
	check(space.Blocks > 0 && space.Bsize > 0, "statfs: %+v", space)
}

func walk([]string) {
	dir := temporary()
	defer os.RemoveAll(dir)
	const directories, each = 40, 100
	var all sync.WaitGroup
	for d := 0; d < directories; d++ {
		all.Add(1)
		go func(d int) {
			defer all.Done()
			sub := filepath.Join(dir, fmt.Sprintf("directory-%d", d/4), fmt.Sprint(d))
			must(os.MkdirAll(sub, 0o755))
			for n := 0; n < each; n++ {
				must(os.WriteFile(filepath.Join(sub, fmt.Sprintf("file-with-a-name-of-some-length-%d", n)), []byte(fmt.Sprint(n)), 0o644))
			}
		}(d)
	}
	all.Wait()
	found, folders := 0, 0
	must(filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		must(err)
		if entry.IsDir() {
			folders++
			return nil
		}
		info, err := entry.Info()
		must(err)
		check(info.Mode().IsRegular() && info.Size() > 0, "%s: %v %d", path, info.Mode(), info.Size())
		found++
		return nil
	}))
	equal(found, directories*each)
	equal(folders, 1+directories/4+directories)

	// One big directory, read in parts.
	big := filepath.Join(dir, "big")
	must(os.Mkdir(big, 0o755))
	for n := 0; n < 3000; n++ {
		must(os.WriteFile(fmt.Sprintf("%s/%d", big, n), nil, 0o644))
	}
	opened, err := os.Open(big)
	must(err)
	names := map[string]bool{}
	for {
		part, err := opened.Readdirnames(77)
		for _, name := range part {
			check(!names[name], "%s came twice", name)
			names[name] = true
		}
		if err == io.EOF {
			break
		}
		must(err)
	}
	equal(len(names), 3000)
	_, err = opened.Seek(0, io.SeekStart)
	must(err)
	again, err := opened.Readdirnames(-1)
	must(err)
	equal(len(again), 3000)
	must(os.RemoveAll(dir))
	_, err = os.Stat(dir)
	check(os.IsNotExist(err), "something is left: %v", err)
}

// `try-lock KIND FILE`: prints whether another process holds it.
func tryLock(arguments []string) {
	file, err := os.OpenFile(arguments[1], os.O_RDWR, 0)
	must(err)
	if arguments[0] == "flock" {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	} else {
		lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: 10, Len: 5}
		err = syscall.FcntlFlock(file.Fd(), syscall.F_SETLK, &lock)
	}
	switch {
	case err == nil:
		fmt.Println("free")
	case errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES):
		fmt.Println("held")
	default:
		must(err)
	}
}

func locks([]string) {
	dir := temporary()
	defer os.RemoveAll(dir)
	path := dir + "/lock"
	must(os.WriteFile(path, make([]byte, 100), 0o644))
	self, err := os.Executable()
	must(err)
	ask := func(kind, want string) {
		out, err := exec.Command(self, "try-lock", kind, path).Output()
		must(err)
		check(string(out) == want+"\nok try-lock\n", "%s is %q, not %q", kind, out, want)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	must(err)
	descriptor := int(file.Fd())
	ask("flock", "free")
	must(syscall.Flock(descriptor, syscall.LOCK_EX))
	ask("flock", "held")
	must(syscall.Flock(descriptor, syscall.LOCK_SH))
	ask("flock", "held")
	must(syscall.Flock(descriptor, syscall.LOCK_UN))
	ask("flock", "free")

	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: 0, Len: 12}
	must(syscall.FcntlFlock(file.Fd(), syscall.F_SETLK, &lock))
	ask("fcntl", "held")
	lock.Len = 8
	lock.Type = syscall.F_UNLCK
	must(syscall.FcntlFlock(file.Fd(), syscall.F_SETLK, &lock))
	ask("fcntl", "held") // bytes 8 to 11 still are
	lock = syscall.Flock_t{Type: syscall.F_UNLCK, Whence: io.SeekStart}
	must(syscall.FcntlFlock(file.Fd(), syscall.F_SETLKW, &lock))
	ask("fcntl", "free")

	// Who holds it?
	holder := exec.Command(self, "child", "copy")
	in, err := holder.StdinPipe()
	must(err)
	must(holder.Start())
	must(in.Close())
	must(holder.Wait())
	lock = syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
	must(syscall.FcntlFlock(file.Fd(), syscall.F_GETLK, &lock))
	equal(lock.Type, syscall.F_UNLCK)

	// flock between two opens of one process, waiting in a thread.
	second, err := os.Open(path)
	must(err)
	must(syscall.Flock(descriptor, syscall.LOCK_EX))
	equal(syscall.Flock(int(second.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), error(syscall.EWOULDBLOCK))
	got := make(chan bool)
	go func() {
		for {
			err := syscall.Flock(int(second.Fd()), syscall.LOCK_EX)
			if err == syscall.EINTR {
				continue
			}
			must(err)
			break
		}
		close(got)
	}()
	select {
	case <-got:
		fail(0, "the lock was granted twice")
	case <-time.After(50 * time.Millisecond):
	}
	must(syscall.Flock(descriptor, syscall.LOCK_UN))
	<-got
}

func mmap([]string) {
	dir := temporary()
	defer os.RemoveAll(dir)
	const size = 1 << 20
	content := bytes.Repeat([]byte("mapping!"), size/8)
	must(os.WriteFile(dir+"/f", content, 0o644))
	file, err := os.OpenFile(dir+"/f", os.O_RDWR, 0)
	must(err)
	shared, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	must(err)
	private, err := syscall.Mmap(int(file.Fd()), 4096, size-4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE)
	must(err)
	check(bytes.Equal(shared, content), "the mapping differs from the file")
	check(bytes.Equal(private, content[4096:]), "the private mapping differs from the file")
	copy(private, "private")
	copy(shared, "shared")
	now, err := os.ReadFile(dir + "/f")
	must(err)
	equal(string(now[:8]), "sharedg!")
	equal(string(now[4096:4104]), "mapping!")
	must(syscall.Munmap(private))
	must(syscall.Munmap(shared))

	_, err = syscall.Mmap(999, 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	equal(err, error(syscall.EBADF))
	readOnly, err := os.Open(dir + "/f")
	must(err)
	_, err = syscall.Mmap(int(readOnly.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	equal(err, error(syscall.EACCES))

	var maps [][]byte
	for i := 0; i < 500; i++ {
		block, err := syscall.Mmap(-1, 0, 64<<10, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		must(err)
		block[0], block[len(block)-1] = byte(i), byte(i)
		maps = append(maps, block)
	}
	for i, block := range maps {
		check(block[0] == byte(i) && block[len(block)-1] == byte(i), "mapping %d changed", i)
		must(syscall.Munmap(block))
	}
}

func large([]string) {
	dir := temporary()
	defer os.RemoveAll(dir)
	file, err := os.Create(dir + "/large")
	must(err)
	const far = 5<<30 + 123
	_, err = file.WriteAt([]byte("far away"), far)
	must(err)
	info, err := file.Stat()
	must(err)
	equal(info.Size(), far+8)
	check(info.Sys().(*syscall.Stat_t).Blocks < 1000, "the file is not sparse")
	at, err := file.Seek(-8, io.SeekEnd)
	must(err)
	equal(at, far)
	text, err := io.ReadAll(file)
	must(err)
	equal(string(text), "far away")
	must(file.Truncate(6 << 30))
	info, _ = file.Stat()
	equal(info.Size(), 6<<30)
	_, err = file.Seek(-1, io.SeekStart)
	check(errors.Is(err, syscall.EINVAL), "error is %v", err)
	mapped, err := syscall.Mmap(int(file.Fd()), far&^4095, 8192, syscall.PROT_READ, syscall.MAP_SHARED)
	must(err)
	equal(string(mapped[far&4095:far&4095+8]), "far away")
	must(syscall.Munmap(mapped))
	must(file.Truncate(100))
	must(file.Close())
}

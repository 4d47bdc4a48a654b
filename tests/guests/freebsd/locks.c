// Advisory locks and fcntl: FreeBSD 14.0 sys/sys/fcntl.h, sys/kern/kern_descrip.c, sys/kern/kern_lockf.c.
#include "guest.h"

enum { F_GETOWN = 5, F_SETOWN = 6, F_OGETLK = 7, F_OSETLK = 8, F_DUP2FD = 10, F_SETLK_REMOTE = 14, F_READAHEAD = 15,
       F_RDAHEAD = 16, F_DUP2FD_CLOEXEC = 18, F_ADD_SEALS = 19, F_GET_SEALS = 20, F_ISUNIONSTACK = 21, F_KINFO = 22 };
enum { LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8 };
#define BAD ((void*)8)

static long new_file(const char* path) {
  const long fd = sys(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  CHECK(fd >= 0);
  return fd;
}
static long lock(long fd, int command, short type, long start, long length) {
  struct flock l = {start, length, 0, type, 0, 0, 0};
  return sys(SYS_fcntl, fd, command, &l);
}

CASE(ranges_split_and_join) {
  const long fd = new_file("r.tmp");
  CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 100), 0);
  CHECK_EQ(lock(fd, F_SETLK, F_UNLCK, 40, 20), 0);
  CHECK_EQ(lock(fd, F_SETLK, F_RDLCK, 80, 0), 0);   // to the end, whatever that becomes
  const long parent = sys(SYS_getpid), pid = start_process();
  if (pid == 0) {
    struct flock look = {0, 0, 0, F_WRLCK, 0, 7, 7};
    CHECK_EQ(sys(SYS_fcntl, fd, F_GETLK, &look), 0);
    CHECK(look.l_type == F_WRLCK && look.l_start == 0 && look.l_len == 40);
    CHECK_EQ(look.l_pid, parent);
    CHECK_EQ(look.l_sysid, 0);
    look = (struct flock){40, 20, 0, F_WRLCK, 0, 0, 0};
    CHECK_EQ(sys(SYS_fcntl, fd, F_GETLK, &look), 0);
    CHECK_EQ(look.l_type, F_UNLCK);
    CHECK(look.l_start == 40 && look.l_len == 20);
    look = (struct flock){1L << 40, 1, 0, F_WRLCK, 0, 0, 0};
    CHECK_EQ(sys(SYS_fcntl, fd, F_GETLK, &look), 0);
    CHECK(look.l_type == F_RDLCK && look.l_start == 80 && look.l_len == 0);
    CHECK_EQ(lock(fd, F_SETLK, F_RDLCK, 90, 1), 0);
    CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 90, 1), -EAGAIN);
    struct { long start, length; int pid; short type, whence; } old = {0, 0, 0, F_WRLCK, 0};
    CHECK_EQ(sys(SYS_fcntl, fd, F_OGETLK, &old), 0);
    CHECK(old.type == F_WRLCK && old.length == 40 && old.pid == parent);
    old.type = F_WRLCK, old.start = 45, old.length = 5;
    CHECK_EQ(sys(SYS_fcntl, fd, F_OSETLK, &old), 0);
    quit(0);
  }
  expect_exit(pid, 0);
  // Closing any descriptor of the file gives up the process's locks.
  sys(SYS_close, sys(SYS_open, "r.tmp", O_RDONLY, 0));
  const long again = start_process();
  if (again == 0) {
    CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 0), 0);
    quit(0);
  }
  expect_exit(again, 0);
  CHECK_EQ(sys(SYS_unlink, "r.tmp"), 0);
}
CASE(waiting_for_a_lock) {
  const long fd = new_file("w.tmp");
  int fds[2];
  make_pipe(fds);
  alarm_after(30);
  const long pid = start_process();
  if (pid == 0) {
    CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 1), 0);
    CHECK_EQ(sys(SYS_write, fds[1], "x", 1), 1);
    sleep_ms(100);
    quit(0);
  }
  char byte;
  CHECK_EQ(sys(SYS_read, fds[0], &byte, 1), 1);
  const long start = now_us();
  CHECK_EQ(lock(fd, F_SETLKW, F_WRLCK, 0, 1), 0);
  CHECK(now_us() - start > 20000);
  expect_exit(pid, 0);
  CHECK_EQ(sys(SYS_unlink, "w.tmp"), 0);
}
static void nothing(int signal, struct siginfo* info, struct ucontext* context) {}
CASE(a_signal_ends_the_wait) {
  const long fd = new_file("i.tmp");
  int fds[2];
  make_pipe(fds);
  const long pid = start_process();
  if (pid == 0) {
    CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 1), 0);
    const long file = sys(SYS_open, "i.tmp", O_RDONLY, 0);
    CHECK_EQ(sys(SYS_flock, file, LOCK_EX), 0);
    CHECK_EQ(sys(SYS_write, fds[1], "x", 1), 1);
    for (;;) sleep_ms(1000);
  }
  char byte;
  CHECK_EQ(sys(SYS_read, fds[0], &byte, 1), 1);
  on_signal(SIGALRM, nothing, 0);
  for (int i = 0; i < 2; ++i) {
    const struct itimerval timer = {{0, 20000}, {0, 20000}}, stop = {{0, 0}, {0, 0}};
    CHECK_EQ(sys(SYS_setitimer, 0, &timer, 0), 0);
    const long result = i == 0 ? lock(fd, F_SETLKW, F_WRLCK, 0, 1)
                               : sys(SYS_flock, sys(SYS_open, "i.tmp", O_RDONLY, 0), LOCK_SH);
    CHECK_EQ(sys(SYS_setitimer, 0, &stop, 0), 0);
    CHECK_EQ(result, -EINTR);
  }
  CHECK_EQ(sys(SYS_kill, pid, SIGKILL), 0);
  wait_for(pid);
  CHECK_EQ(sys(SYS_unlink, "i.tmp"), 0);
}
CASE(a_cycle_is_a_deadlock) {
  const long fd = new_file("d.tmp");
  int up[2], down[2];
  make_pipe(up), make_pipe(down);
  alarm_after(30);
  CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 1), 0);
  const long pid = start_process();
  char byte;
  if (pid == 0) {
    CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 1, 1), 0);
    CHECK_EQ(sys(SYS_write, up[1], "x", 1), 1);
    CHECK_EQ(lock(fd, F_SETLKW, F_WRLCK, 0, 1), 0);   // until the parent is refused and lets go
    quit(0);
  }
  CHECK_EQ(sys(SYS_read, up[0], &byte, 1), 1);
  long result = 0;
  for (int i = 0; i < 100 && result != -EDEADLK; ++i) {
    sleep_ms(20);   // the child may not wait yet
    if (lock(fd, F_SETLK, F_WRLCK, 1, 1) == -EAGAIN) result = lock(fd, F_SETLKW, F_WRLCK, 1, 1);
  }
  CHECK_EQ(result, -EDEADLK);
  CHECK_EQ(lock(fd, F_SETLK, F_UNLCK, 0, 0), 0);
  expect_exit(pid, 0);
  CHECK_EQ(sys(SYS_unlink, "d.tmp"), 0);
}
CASE(lock_errors) {
  const long fd = new_file("e.tmp");
  CHECK_EQ(lock(fd, F_SETLK, 9, 0, 1), -EINVAL);
  CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, -5, 1), -EINVAL);
  CHECK_EQ(lock(999, F_SETLK, F_WRLCK, 0, 1), -EBADF);
  CHECK_EQ(lock(sys(SYS_open, "e.tmp", O_RDONLY, 0), F_SETLK, F_WRLCK, 0, 1), -EBADF);
  CHECK_EQ(lock(sys(SYS_open, "e.tmp", O_WRONLY, 0), F_SETLK, F_RDLCK, 0, 1), -EBADF);
  CHECK_EQ(sys(SYS_fcntl, fd, F_SETLK, BAD), -EFAULT);
  CHECK_EQ(sys(SYS_fcntl, fd, F_GETLK, 0), -EFAULT);
  struct flock l = {0, 1, 0, F_WRLCK, 7, 0, 0};
  CHECK_EQ(sys(SYS_fcntl, fd, F_SETLK, &l), -EINVAL);
  CHECK_EQ(sys(SYS_fcntl, fd, F_SETLK_REMOTE, &l), -EPERM);
  CHECK_EQ(sys(SYS_fcntl, fd, 99, 0), -EINVAL);
  CHECK_EQ(sys(SYS_fcntl, 999, 99, 0), -EINVAL);
  CHECK_EQ(sys(SYS_flock, fd, 0), -EINVAL);
  CHECK_EQ(sys(SYS_flock, 999, LOCK_EX), -EBADF);
  CHECK_EQ(sys(SYS_unlink, "e.tmp"), 0);
}
CASE(flock_belongs_to_the_open_file) {
  const long fd = new_file("f.tmp"), copy = sys(SYS_dup, fd), other = sys(SYS_open, "f.tmp", O_RDONLY, 0);
  CHECK_EQ(sys(SYS_flock, fd, LOCK_SH), 0);
  CHECK_EQ(sys(SYS_flock, other, LOCK_SH | LOCK_NB), 0);
  CHECK_EQ(sys(SYS_flock, copy, LOCK_EX | LOCK_NB), -EAGAIN);
  CHECK_EQ(sys(SYS_flock, other, LOCK_UN), 0);
  CHECK_EQ(sys(SYS_flock, copy, LOCK_EX | LOCK_NB), 0);    // the same lock, made exclusive
  CHECK_EQ(sys(SYS_flock, other, LOCK_SH | LOCK_NB), -EAGAIN);
  CHECK_EQ(sys(SYS_close, fd), 0);
  CHECK_EQ(sys(SYS_flock, other, LOCK_SH | LOCK_NB), -EAGAIN);
  CHECK_EQ(sys(SYS_close, copy), 0);
  CHECK_EQ(sys(SYS_flock, other, LOCK_SH | LOCK_NB), 0);
  CHECK_EQ(sys(SYS_open, "f.tmp", O_RDWR | O_EXLOCK | O_NONBLOCK, 0), -EAGAIN);
  const long shared = sys(SYS_open, "f.tmp", O_RDWR | O_SHLOCK | O_NONBLOCK, 0);
  CHECK(shared >= 0);
  CHECK_EQ(sys(SYS_flock, other, LOCK_UN), 0);
  CHECK_EQ(sys(SYS_open, "f.tmp", O_RDWR | O_EXLOCK | O_NONBLOCK, 0), -EAGAIN);
  CHECK_EQ(sys(SYS_close, shared), 0);
  CHECK(sys(SYS_open, "f.tmp", O_RDWR | O_EXLOCK | O_NONBLOCK, 0) >= 0);
  CHECK_EQ(sys(SYS_unlink, "f.tmp"), 0);
}
CASE(descriptor_commands) {
  const long fd = new_file("c.tmp");
  CHECK_EQ(sys(SYS_fcntl, fd, F_DUP2FD, 40), 40);
  CHECK_EQ(sys(SYS_fcntl, fd, F_DUP2FD_CLOEXEC, 41), 41);
  CHECK_EQ(sys(SYS_fcntl, 40, F_GETFD, 0), 0);
  CHECK_EQ(sys(SYS_fcntl, 41, F_GETFD, 0), FD_CLOEXEC);
  CHECK_EQ(sys(SYS_fcntl, 41, F_SETFD, 0), 0);
  CHECK_EQ(sys(SYS_fcntl, 41, F_GETFD, 0), 0);
  CHECK_EQ(sys(SYS_fcntl, fd, F_DUP2FD, -1), -EBADF);
  CHECK_EQ(sys(SYS_fcntl, fd, F_DUP2FD, 1 << 30), -EBADF);
  CHECK_EQ(sys(SYS_fcntl, fd, F_DUPFD, -1), -EINVAL);
  CHECK_EQ(sys(SYS_fcntl, fd, F_DUPFD, 1 << 30), -EINVAL);
  CHECK_EQ(sys(SYS_fcntl, fd, F_ISUNIONSTACK, 0), 0);
  CHECK_EQ(sys(SYS_fcntl, 999, F_ISUNIONSTACK, 0), -EBADF);
  CHECK_EQ(sys(SYS_fcntl, fd, F_READAHEAD, 4096), 0);
  CHECK_EQ(sys(SYS_fcntl, fd, F_RDAHEAD, 0), 0);
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(sys(SYS_fcntl, fds[0], F_READAHEAD, 4096), -EBADF);
  CHECK_EQ(sys(SYS_fcntl, fds[0], F_SETOWN, sys(SYS_getpid)), 0);
  CHECK_EQ(sys(SYS_fcntl, fds[0], F_GETOWN, 0), sys(SYS_getpid));
  CHECK_EQ(sys(SYS_fcntl, fds[0], F_SETOWN, -sys(SYS_getpgrp)), 0);
  struct raw_call own = {.number = SYS_fcntl, .args = {(unsigned long)fds[0], F_GETOWN}};
  raw_call(&own);
  CHECK_EQ(own.flags & 1, 0);
  CHECK_EQ((int)own.rax, -sys(SYS_getpgrp));
  CHECK_EQ(sys(SYS_fcntl, fd, F_GET_SEALS, 0), -EINVAL);
  const long memory = sys(SYS_shm_open2, 1 /* SHM_ANON */, O_RDWR, 0600, 1 /* SHM_ALLOW_SEALING */, 0);
  CHECK(memory >= 0);
  CHECK_EQ(sys(SYS_ftruncate, memory, 100), 0);
  CHECK_EQ(sys(SYS_fcntl, memory, F_GET_SEALS, 0), 0);
  CHECK_EQ(sys(SYS_fcntl, memory, F_ADD_SEALS, 2 | 4), 0);
  CHECK_EQ(sys(SYS_fcntl, memory, F_GET_SEALS, 0), 6);
  CHECK_EQ(sys(SYS_ftruncate, memory, 50), -EPERM);
  CHECK_EQ(sys(SYS_ftruncate, memory, 500), -EPERM);
  CHECK_EQ(sys(SYS_fcntl, memory, F_ADD_SEALS, 1), 0);
  CHECK_EQ(sys(SYS_fcntl, memory, F_ADD_SEALS, 8), -EPERM);
  CHECK_EQ(sys(SYS_unlink, "c.tmp"), 0);
}
CASE(kinfo_of_a_descriptor) {
  static struct { int size, type, fd, references, flags, pad; long offset; char rest[1392 - 32]; } info;
  _Static_assert(sizeof info == 1392, "struct kinfo_file");
  const long fd = new_file("k.tmp");
  CHECK_EQ(sys(SYS_write, fd, "abc", 3), 3);
  info.size = sizeof info;
  CHECK_EQ(sys(SYS_fcntl, fd, F_KINFO, &info), 0);
  CHECK_EQ(info.type, 1);
  CHECK_EQ(info.offset, 3);
  CHECK_EQ(info.flags & 3, 3);
  char cwd[1024];
  CHECK(sys(SYS___getcwd, cwd, sizeof cwd) >= 0);
  const char* path = (const char*)&info + 368;
  CHECK_EQ(memcmp(path, cwd, strlen(cwd)), 0);
  CHECK_EQ(strcmp(path + strlen(path) - 6, "/k.tmp"), 0);
  info.size = 100;
  CHECK_EQ(sys(SYS_fcntl, fd, F_KINFO, &info), -EINVAL);
  CHECK_EQ(sys(SYS_fcntl, fd, F_KINFO, BAD), -EFAULT);
  CHECK_EQ(sys(SYS_unlink, "k.tmp"), 0);
}

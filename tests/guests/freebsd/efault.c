// Where a call must look at its argument, a bad address is EFAULT: with everything else in order.
#include "guest.h"

CASE(every_place) {
  char* hole = map(2 * 4096);
  CHECK_EQ(sys(SYS_munmap, hole + 4096, 4096), 0);
  char* fixed = (char*)sys(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0);
  const unsigned long bad[] = {8, (unsigned long)hole + 4096, (unsigned long)hole + 4095, 0x2a0000000000, 0x7f0000000000, 0x7fffffffffff, 0x800000000000, 0xffff800000000000, 0xfffffffffffffff0, (unsigned long)-1};
  int fds[2], pair[2];
  make_pipe(fds);
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
  const long fd = sys(SYS_openat, AT_FDCWD, "e.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600), dir = sys(SYS_openat, AT_FDCWD, ".", O_RDONLY);
  CHECK_EQ(sys(SYS_unlink, "e.tmp"), 0);
  CHECK_EQ(sys(SYS_pwrite, fd, "0123456789abcdefghij", 20, 0), 20);
  const long kq = sys(SYS_kqueue);
  struct timespec none = {0, 0};
  int one = 1;
  long size = 4096;
  CHECK_EQ(sys(SYS_write, pair[1], "abcdefgh", 8), 8);
  memset(hole, 'x', 4096);
  for (unsigned i = 0; i < sizeof bad / sizeof *bad; ++i) {
    const unsigned long p = bad[i];
    const bool edge = i == 2;       // one byte is there: strings and single bytes begin well and end badly
    CHECK_EQ(sys(SYS_write, fds[1], p, 8), -EFAULT);
    CHECK_EQ(sys(SYS_pread, fd, p, 16, 0), edge ? sys(SYS_pread, fd, p, 16, 0) : -EFAULT);
    CHECK_EQ(sys(SYS_openat, AT_FDCWD, p, O_RDONLY), -EFAULT);
    CHECK_EQ(sys(SYS_open, p, O_RDONLY, 0), -EFAULT);
    CHECK_EQ(sys(SYS_mkdir, p, 0700), -EFAULT);
    CHECK_EQ(sys(SYS_access, p, 0), -EFAULT);
    CHECK_EQ(sys(SYS_rename, p, "x.tmp"), -EFAULT);
    CHECK_EQ(sys(SYS_readlink, p, hole, 10), -EFAULT);
    CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, p, hole, 0), -EFAULT);
    CHECK_EQ(sys(SYS_fstatat, AT_FDCWD, ".", p, 0), -EFAULT);
    CHECK_EQ(sys(SYS_fstat, fd, p), -EFAULT);
    CHECK_EQ(sys(SYS_statfs, "/", p), -EFAULT);
    CHECK_EQ(sys(SYS_getdirentries, dir, p, 4096, 0), -EFAULT);
    CHECK_EQ(sys(SYS_pipe2, p, 0), -EFAULT);
    CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, p), -EFAULT);
    CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, p), -EFAULT);
    CHECK_EQ(sys(SYS_gettimeofday, p, 0), -EFAULT);
    CHECK_EQ(sys(SYS_nanosleep, p, 0), -EFAULT);
    CHECK_EQ(sys(SYS_getrusage, 0, p), -EFAULT);
    CHECK_EQ(sys(SYS_getrlimit, 8, p), -EFAULT);
    CHECK_EQ(sys(SYS_sigaction, SIGUSR1, p, 0), -EFAULT);
    CHECK_EQ(sys(SYS_sigaction, SIGUSR1, 0, p), -EFAULT);
    CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, p, 0), -EFAULT);
    CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, 0, p), -EFAULT);
    CHECK_EQ(sys(SYS_sigpending, p), -EFAULT);
    CHECK_EQ(sys(SYS_sigsuspend, p), -EFAULT);
    CHECK_EQ(sys(SYS_sigaltstack, p, 0), -EFAULT);
    CHECK_EQ(sys(SYS_sigaltstack, 0, p), -EFAULT);
    CHECK_EQ(sys(SYS_sigtimedwait, p, 0, &none), -EFAULT);
    CHECK_EQ(sys(SYS_poll, p, 1, 0), -EFAULT);
    CHECK_EQ(sys(SYS_select, 64, p, 0, 0, &none), -EFAULT);
    CHECK_EQ(sys(SYS_select, 0, 0, 0, 0, p), -EFAULT);
    CHECK_EQ(sys(SYS_kevent, kq, p, 1, 0, 0, &none), -EFAULT);
    CHECK_EQ(sys(SYS_kevent, kq, 0, 0, hole, 1, p), -EFAULT);
    CHECK_EQ(sys(SYS_thr_self, p), -EFAULT);
    CHECK_EQ(sys(SYS_thr_new, p, 104), -EFAULT);
    CHECK_EQ(sys(SYS__umtx_op, p, UMTX_WAIT_UINT_PRIVATE, 0, 0, 0), p % 4 == 0 ? -EFAULT : sys(SYS__umtx_op, p, UMTX_WAIT_UINT_PRIVATE, 0, 0, 0));
    CHECK_EQ(sys(SYS_execve, p, 0, 0), -EFAULT);
    CHECK_EQ(sys(SYS_bind, pair[0], p, 16), -EFAULT);
    CHECK_EQ(sys(SYS_setsockopt, pair[0], SOL_SOCKET, SO_REUSEADDR, p, 4), -EFAULT);
    CHECK_EQ(sys(SYS_getsockopt, pair[0], SOL_SOCKET, SO_TYPE, &one, p), -EFAULT);
    CHECK_EQ(sys(SYS_sendmsg, pair[0], p, 0), -EFAULT);
    CHECK_EQ(sys(SYS_recvmsg, pair[0], p, MSG_DONTWAIT), -EFAULT);
    CHECK_EQ(sys(SYS_readv, fd, p, 2), -EFAULT);
    CHECK_EQ(sys(SYS___sysctl, p, 2, 0, &size, 0, 0), -EFAULT);
    CHECK_EQ(sys(SYS___sysctlbyname, p, 11, 0, &size, 0, 0), -EFAULT);
    CHECK_EQ(sys(SYS___sysctlbyname, "kern.ostype", 11, p, &size, 0, 0), -EFAULT);
    CHECK_EQ(sys(SYS___sysctlbyname, "kern.ostype", 11, hole, p, 0, 0), -EFAULT);
    CHECK_EQ(sys(SYS_getrandom, p, 64, 0) == -EFAULT || edge, 1);
    CHECK_EQ(sys(SYS_fcntl, fd, F_GETLK, p), -EFAULT);
    CHECK_EQ(sys(SYS_setitimer, 0, p, 0), -EFAULT);
    CHECK_EQ(sys(SYS_wait4, -1, p, WNOHANG, 0), -ECHILD);
  }
  // The result of a wait is not lost silently, and nothing crashes.
  const long pid = start_process();
  if (pid == 0) quit(1);
  CHECK_EQ(sys(SYS_wait4, pid, 8, 0, 0), -EFAULT);
  const long f = (long)fixed;
  CHECK_EQ(sys(SYS_fstat, fd, f), -EFAULT);
  CHECK_EQ(sys(SYS_pread, fd, f, 16, 0), -EFAULT);
  CHECK_EQ(sys(SYS_pipe2, f, 0), -EFAULT);
  CHECK_EQ(sys(SYS_sigpending, f), -EFAULT);
  CHECK_EQ(sys(SYS_thr_self, f), -EFAULT);
  CHECK_EQ(sys(SYS_clock_gettime, 0, f), -EFAULT);
  CHECK_EQ(sys(SYS_getrlimit, 8, f), -EFAULT);
  CHECK_EQ(sys(SYS_sigaction, SIGUSR1, 0, f), -EFAULT);
  // Nothing of the runtime's memory can be read or written through a call.
  CHECK_EQ(sys(SYS_write, fds[1], 0x7f0000000000, 1), -EFAULT);
}

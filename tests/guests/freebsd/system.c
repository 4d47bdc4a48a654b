// What the system says about itself: sysctl, time, identifiers, limits, the initial stack.
#include "guest.h"

static long by_name(const char* name, void* to, size_t* size) {
  return sys(SYS___sysctlbyname, name, strlen(name), to, size, 0, 0);
}
CASE(sysctl_by_name) {
  char text[256];
  size_t size = sizeof text;
  CHECK_EQ(by_name("kern.ostype", text, &size), 0);
  CHECK_EQ(strcmp(text, "FreeBSD"), 0);
  CHECK_EQ(size, 8);
  size = 0;
  CHECK_EQ(by_name("kern.ostype", 0, &size), 0);
  CHECK_EQ(size, 8);
  size = 3;
  CHECK_EQ(by_name("kern.ostype", text, &size), -ENOMEM);
  size = sizeof text;
  CHECK_EQ(by_name("kern.osrelease", text, &size), 0);
  CHECK(text[0] == '1');
  int n = 0;
  size = sizeof n;
  CHECK_EQ(by_name("kern.osreldate", &n, &size), 0);
  CHECK(n >= 1200000);
  CHECK_EQ(by_name("hw.ncpu", &n, &size), 0);
  CHECK(n >= 1);
  CHECK_EQ(by_name("hw.pagesize", &n, &size), 0);
  CHECK_EQ(n, 4096);
  unsigned long memory = 0;
  size = sizeof memory;
  CHECK_EQ(by_name("hw.physmem", &memory, &size), 0);
  CHECK(memory > 1 << 20);
  size = sizeof text;
  CHECK_EQ(by_name("hw.machine", text, &size), 0);
  CHECK_EQ(strcmp(text, "amd64"), 0);
  CHECK_EQ(by_name("no.such.name", text, &size), -ENOENT);
  CHECK_EQ(by_name("kern.ostype", (void*)8, &size), -EFAULT);
  CHECK_EQ(sys(SYS___sysctlbyname, 8, 5, text, &size, 0, 0), -EFAULT);
}
CASE(sysctl_by_number) {
  int mib[4] = {1, 1, 0, 0};   // CTL_KERN KERN_OSTYPE
  char text[256];
  size_t size = sizeof text;
  CHECK_EQ(sys(SYS___sysctl, mib, 2, text, &size, 0, 0), 0);
  CHECK_EQ(strcmp(text, "FreeBSD"), 0);
  mib[1] = 24;                 // KERN_OSRELDATE
  int n = 0;
  size = sizeof n;
  CHECK_EQ(sys(SYS___sysctl, mib, 2, &n, &size, 0, 0), 0);
  CHECK(n >= 1200000);
  mib[0] = 6, mib[1] = 3;      // CTL_HW HW_NCPU
  CHECK_EQ(sys(SYS___sysctl, mib, 2, &n, &size, 0, 0), 0);
  CHECK(n >= 1);
  // Names to numbers, as sysctlnametomib() asks.
  int query[2] = {0, 3}, found[24];
  size = sizeof found;
  CHECK_EQ(sys(SYS___sysctl, query, 2, found, &size, "kern.osreldate", 14), 0);
  CHECK_EQ(size, 8);
  CHECK(found[0] == 1 && found[1] == 24);
  CHECK_EQ(sys(SYS___sysctl, mib, 99, &n, &size, 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS___sysctl, 8, 2, &n, &size, 0, 0), -EFAULT);
  mib[0] = 9999;
  CHECK_EQ(sys(SYS___sysctl, mib, 2, &n, &size, 0, 0), -ENOENT);
}
CASE(time) {
  struct timespec a, b, r;
  struct timeval v;
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &a), 0);
  CHECK_EQ(sys(SYS_gettimeofday, &v, 0), 0);
  CHECK(v.tv_sec - a.tv_sec <= 1 && a.tv_sec > 1600000000);
  const int clocks[] = {0, 2, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (unsigned i = 0; i < sizeof clocks / sizeof *clocks; ++i) {
    CHECK_EQ(sys(SYS_clock_gettime, clocks[i], &a), 0);
    CHECK_EQ(sys(SYS_clock_getres, clocks[i], &r), 0);
    CHECK_EQ(sys(SYS_clock_gettime, clocks[i], &b), 0);
    CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
  }
  CHECK_EQ(sys(SYS_clock_gettime, 77, &a), -EINVAL);
  CHECK_EQ(sys(SYS_clock_gettime, 0, 8), -EFAULT);
  const long start = now_us();
  struct timespec t = {0, 30000000};
  CHECK_EQ(sys(SYS_nanosleep, &t, 0), 0);
  CHECK(now_us() - start >= 30000);
  t.tv_nsec = 1000000000;
  CHECK_EQ(sys(SYS_nanosleep, &t, 0), -EINVAL);
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &t), 0);
  t.tv_nsec += 20000000;
  if (t.tv_nsec >= 1000000000) t.tv_nsec -= 1000000000, ++t.tv_sec;
  CHECK_EQ(sys(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0), 0);
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &a), 0);
  CHECK(a.tv_sec > t.tv_sec || (a.tv_sec == t.tv_sec && a.tv_nsec >= t.tv_nsec));
}
CASE(limits) {
  struct { long cur, max; } l;
  CHECK_EQ(sys(SYS_getrlimit, 8 /* RLIMIT_NOFILE */, &l), 0);
  CHECK(l.cur >= 16);
  l.cur = 40;
  CHECK_EQ(sys(SYS_setrlimit, 8, &l), 0);
  CHECK_EQ(sys(SYS_fcntl, 0, F_DUPFD, 50), -EINVAL);
  int fds[60], n = 0;
  while (n < 60 && (fds[n] = (int)sys(SYS_dup, 1)) >= 0) ++n;
  CHECK_EQ(fds[n], -EMFILE);
  CHECK_EQ(sys(SYS_getrlimit, 99, &l), -EINVAL);
  CHECK_EQ(sys(SYS_getrlimit, 8, 0x7f0000000000), -EFAULT);
}
CASE(identity) {
  unsigned a, b, c;
  CHECK_EQ(sys(SYS_getresuid, &a, &b, &c), 0);
  CHECK_EQ(a, sys(SYS_getuid));
  CHECK_EQ(b, sys(SYS_geteuid));
  CHECK_EQ(sys(SYS_issetugid), 0);
  CHECK(sys(SYS_getppid) > 0);
  CHECK_EQ(sys(SYS_getpgid, 0), sys(SYS_getpgrp));
  char random[64] = {0}, zero[64] = {0};
  CHECK_EQ(sys(SYS_getrandom, random, sizeof random, 0), sizeof random);
  CHECK(memcmp(random, zero, sizeof random) != 0);
}
CASE(initial_stack) {
  CHECK(guest_argc >= 1);
  CHECK_EQ(guest_argv[guest_argc], 0);
  unsigned long page = 0, entry = 0, phdr = 0, phnum = 0, ps_strings = 0, random = 0;
  for (unsigned long* a = guest_auxv; a[0] != 0; a += 2) {
    if (a[0] == 3) phdr = a[1];
    if (a[0] == 5) phnum = a[1];
    if (a[0] == 6) page = a[1];
    if (a[0] == 9) entry = a[1];
    if (a[0] == 16) random = a[1];      // AT_CANARY
    if (a[0] == 32) ps_strings = a[1];
  }
  extern void _start(void);
  CHECK_EQ(page, 4096);
  CHECK_EQ(entry, (unsigned long)_start);
  CHECK(phdr != 0 && phnum > 0);
  CHECK(random != 0);
  (void)ps_strings;
}
CASE(thread_pointer) {
  // sysarch(AMD64_SET_FSBASE), as libc does before threads exist.
  static unsigned long block[4] = {0, 0x1122334455667788};
  unsigned long at = (unsigned long)block, back = 0, value;
  CHECK_EQ(sys(SYS_sysarch, 129, &at), 0);
  __asm__ volatile("movq %%fs:8, %0" : "=r"(value));
  CHECK_EQ(value, 0x1122334455667788);
  CHECK_EQ(sys(SYS_sysarch, 128, &back), 0);
  CHECK_EQ(back, at);
  sys(SYS_getpid);
  const long pid = start_process();
  __asm__ volatile("movq %%fs:8, %0" : "=r"(value));
  CHECK_EQ(value, 0x1122334455667788);
  if (pid == 0) quit(0);
  expect_exit(pid, 0);
}
CASE(children) {
  const long pid = start_process();
  if (pid == 0) quit(0xabc);
  int status = 0;
  struct { long time[4]; long rest[14]; } usage;
  CHECK_EQ(sys(SYS_wait4, pid, &status, 0, &usage), pid);
  CHECK_EQ(status, 0xbc00);
  CHECK_EQ(sys(SYS_wait4, pid, &status, 0, 0), -ECHILD);
  const long second = start_process();
  if (second == 0) quit(6);
  struct siginfo info;
  memset(&info, 0, sizeof info);
  CHECK_EQ(sys(SYS_wait6, 0 /* P_PID */, second, &status, WEXITED | WNOWAIT, 0, &info), second);
  CHECK_EQ(info.si_pid, second);
  CHECK_EQ(info.si_status, 6);
  CHECK_EQ(info.si_code, CLD_EXITED);
  CHECK_EQ(sys(SYS_wait4, -1, &status, WNOHANG, 0), second);
  // Every signal a child may die of, in FreeBSD's numbers.
  for (int s = 1; s <= 33; ++s) {
    if (s == SIGSTOP || s == SIGTSTP || s == SIGCONT || s == SIGCHLD || s == SIGTTIN || s == SIGTTOU || s == SIGURG || s == SIGIO || s == SIGWINCH || s == SIGINFO) continue;
    const long child = start_process();
    if (child == 0) {
      send(s);
      quit(77);
    }
    CHECK_EQ(wait_for(child) & 0x7f, s);
  }
}
CASE(process_descriptors) {
  int fd = -1;
  struct raw_call c = {.number = SYS_pdfork, .args = {(unsigned long)&fd}};
  raw_call(&c);
  CHECK_EQ(c.flags & 1, 0);
  if (c.rax == 0) {
    for (;;) sleep_ms(1000);
  }
  CHECK(fd >= 0);
  int pid = 0;
  CHECK_EQ(sys(SYS_pdgetpid, fd, &pid), 0);
  CHECK_EQ(pid, c.rax);
  CHECK_EQ(sys(SYS_pdkill, fd, SIGKILL), 0);
  int status = 0;
  CHECK_EQ(sys(SYS_wait4, pid, &status, 0, 0), pid);
  CHECK_EQ(wait_signal(status), SIGKILL);
}

// Limits that the host has not are kept all the same.
CASE(limits_of_other_things) {
  static const int others[] = {9 /* SBSIZE */, 11 /* NPTS */, 12 /* SWAP */, 13 /* KQUEUES */, 14 /* UMTXP */, 15 /* PIPEBUF */, 16 /* VMM */};
  const long kInfinity = 0x7fffffffffffffff;
  for (int i = 0; i < 7; ++i) {
    struct { long current, maximum; } l = {1, 2}, now;
    CHECK_EQ(sys(SYS_getrlimit, others[i], &now), 0);
    CHECK_EQ(now.current, kInfinity);
    CHECK_EQ(now.maximum, kInfinity);
    l.current = 5000, l.maximum = 4000;   // is lowered to the maximum
    CHECK_EQ(sys(SYS_setrlimit, others[i], &l), 0);
    CHECK_EQ(sys(SYS_getrlimit, others[i], &now), 0);
    CHECK_EQ(now.current, 4000);
    CHECK_EQ(now.maximum, 4000);
    const long pid = start_process();
    if (pid == 0) {
      CHECK_EQ(sys(SYS_getrlimit, others[i], &now), 0);
      CHECK_EQ(now.maximum, 4000);
      l.current = -1, l.maximum = -1;   // as good as none
      if (sys(SYS_geteuid) == 0) {
        CHECK_EQ(sys(SYS_setrlimit, others[i], &l), 0);
        CHECK_EQ(sys(SYS_getrlimit, others[i], &now), 0);
        CHECK_EQ(now.current, kInfinity);
        CHECK_EQ(sys(SYS_setreuid, 65534, 65534), 0);
        l.current = l.maximum = 10;
        CHECK_EQ(sys(SYS_setrlimit, others[i], &l), 0);
      }
      l.current = 10, l.maximum = 5000;
      CHECK_EQ(sys(SYS_setrlimit, others[i], &l), -EPERM);
      l.current = l.maximum = 3;
      CHECK_EQ(sys(SYS_setrlimit, others[i], &l), 0);
      l.current = 4;
      CHECK_EQ(sys(SYS_setrlimit, others[i], &l), -EPERM);
      quit(0);
    }
    expect_exit(pid, 0);
    CHECK_EQ(sys(SYS_getrlimit, others[i], 8), -EFAULT);
    CHECK_EQ(sys(SYS_setrlimit, others[i], 8), -EFAULT);
  }
}

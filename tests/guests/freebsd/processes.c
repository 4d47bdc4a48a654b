// Process descriptors and waiting.
#include "guest.h"

enum { PD_DAEMON = 1, PD_CLOEXEC = 2 };

static long pdfork(int* fd, int flags) {
  struct raw_call c = {.number = SYS_pdfork, .args = {(unsigned long)fd, (unsigned long)flags}};
  raw_call(&c);
  return c.flags & 1 ? -(long)c.rax : (long)c.rax;
}
static _Noreturn void sleep_for_ever(void) {
  for (;;) sleep_ms(1000);
}
// Whether the process ends soon; it may belong to somebody else.
static bool ends(long pid) {
  for (int i = 0; i < 2000; ++i) {
    if (sys(SYS_kill, pid, 0) == -ESRCH) return true;
    sleep_ms(1);
  }
  return false;
}

CASE(closing_ends_the_process) {
  int fd = -1;
  const long pid = pdfork(&fd, 0);
  if (pid == 0) sleep_for_ever();
  CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), 0);
  const long copy = sys(SYS_dup, fd);
  CHECK(copy >= 0);
  CHECK_EQ(sys(SYS_close, fd), 0);
  sleep_ms(20);
  CHECK_EQ(sys(SYS_kill, pid, 0), 0);   // the copy keeps it
  CHECK_EQ(sys(SYS_close, copy), 0);
  CHECK(ends(pid));
  CHECK_EQ(sys(SYS_wait4, pid, 0, 0, 0), -ECHILD);
}
CASE(a_daemon_stays) {
  int fd = -1;
  const long pid = pdfork(&fd, PD_DAEMON | PD_CLOEXEC);
  if (pid == 0) sleep_for_ever();
  CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), FD_CLOEXEC);
  CHECK_EQ(sys(SYS_close, fd), 0);
  sleep_ms(20);
  CHECK_EQ(sys(SYS_kill, pid, SIGTERM), 0);
  CHECK_EQ(wait_signal(wait_for(pid)), SIGTERM);
}
CASE(exit_ends_descendants) {
  int* told = (int*)sys(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
  const long pid = start_process();
  if (pid == 0) {
    int fd = -1;
    const long child = pdfork(&fd, 0);
    if (child == 0) sleep_for_ever();
    *told = (int)child;
    // A child of fork has no share in it.
    const long other = start_process();
    if (other == 0) quit(0);
    expect_exit(other, 0);
    CHECK_EQ(sys(SYS_kill, child, 0), 0);
    quit(0);
  }
  expect_exit(pid, 0);
  CHECK(ends(*told));
}
CASE(bad_pdfork) {
  int fd = -1;
  CHECK_EQ(pdfork(&fd, 0x80), -EINVAL);
  CHECK_EQ(sys(SYS_pdkill, 999, SIGTERM), -EBADF);
  CHECK_EQ(sys(SYS_pdgetpid, 999, &fd), -EBADF);
  const long pid = pdfork(&fd, 0);
  if (pid == 0) sleep_for_ever();
  CHECK_EQ(sys(SYS_pdkill, fd, 129), -EINVAL);
  CHECK_EQ(sys(SYS_pdkill, fd, 0), 0);
  CHECK_EQ(sys(SYS_pdgetpid, fd, 8), -EFAULT);
  CHECK_EQ(sys(SYS_pdkill, fd, SIGTERM), 0);
  CHECK_EQ(wait_signal(wait_for(pid)), SIGTERM);
  CHECK_EQ(sys(SYS_close, fd), 0);
}
CASE(wait_without_reaping) {
  const long pid = start_process();
  if (pid == 0) quit(9);
  int status = -1;
  CHECK_EQ(sys(SYS_wait4, pid, &status, WNOWAIT, 0), pid);
  CHECK_EQ(status, 0x900);
  CHECK_EQ(sys(SYS_wait4, -1, &status, WNOWAIT, 0), pid);
  CHECK_EQ(sys(SYS_wait4, 0, &status, WNOWAIT | WNOHANG, 0), pid);
  expect_exit(pid, 9);
  CHECK_EQ(sys(SYS_wait4, -1, &status, WNOWAIT, 0), -ECHILD);
  CHECK_EQ(sys(SYS_wait4, -1, &status, 0x1000, 0), -EINVAL);
}
CASE(stops_and_continuations) {
  const long pid = start_process();
  if (pid == 0) sleep_for_ever();
  int status = 0;
  struct siginfo info;
  CHECK_EQ(sys(SYS_kill, pid, SIGSTOP), 0);
  CHECK_EQ(sys(SYS_wait6, 0, pid, &status, WUNTRACED | WNOWAIT, 0, &info), pid);
  CHECK_EQ(status, SIGSTOP << 8 | 0x7f);
  CHECK_EQ(info.si_code, CLD_STOPPED);
  CHECK_EQ(sys(SYS_wait4, pid, &status, WUNTRACED, 0), pid);
  CHECK_EQ(status, SIGSTOP << 8 | 0x7f);
  CHECK_EQ(sys(SYS_kill, pid, SIGCONT), 0);
  CHECK_EQ(sys(SYS_wait6, 7, 0, &status, WCONTINUED, 0, &info), pid);
  CHECK_EQ(status, SIGCONT);
  CHECK_EQ(info.si_code, CLD_CONTINUED);
  CHECK_EQ(sys(SYS_wait6, 7, 0, &status, WEXITED | WNOHANG, 0, &info), 0);
  CHECK_EQ(info.si_pid, 0);
  CHECK_EQ(sys(SYS_wait6, 0, pid, &status, WNOHANG, 0, 0), -EINVAL);   // for nothing
  CHECK_EQ(sys(SYS_wait6, 77, pid, &status, WEXITED, 0, 0), -ECHILD);   // no child is of such a kind
  CHECK_EQ(sys(SYS_wait6, 77, pid, &status, WNOHANG, 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS_wait6, 0, -pid, &status, WEXITED, 0, 0), -ECHILD);
  CHECK_EQ(sys(SYS_wait6, 2, -1, &status, WEXITED, 0, 0), -ECHILD);
  CHECK_EQ(sys(SYS_wait6, 12, 1, &status, WEXITED, 0, 0), -ECHILD);   // P_JAILID
  CHECK_EQ(sys(SYS_wait6, 12, 0, &status, WEXITED | WNOHANG, 0, 0), 0);
  CHECK_EQ(sys(SYS_wait6, 0, 0, &status, WEXITED | WNOHANG, 0, 0), 0);   // the own process group
  CHECK_EQ(sys(SYS_wait6, 2, 0, &status, WEXITED | WNOHANG, 0, 0), 0);
  CHECK_EQ(sys(SYS_wait6, 0, 1L << 32, &status, WEXITED | WNOHANG, 0, 0), 0);   // numbers are 32 bits wide
  CHECK_EQ(sys(SYS_kill, pid, 9), 0);
  CHECK_EQ(sys(SYS_wait6, 0, pid, 8, WEXITED | WNOWAIT, 0, 0), -EFAULT);
  CHECK_EQ(wait_signal(wait_for(pid)), 9);
}

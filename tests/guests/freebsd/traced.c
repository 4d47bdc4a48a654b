// Makes calls whose arguments are hard to show; what a trace shows of them is checked from outside.
#include "guest.h"


CASE(structures) {
  const long fd = sys(SYS_openat, AT_FDCWD, "traced.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0);
  char first[4], second[8];
  struct iovec out[2] = {{"abcd", 4}, {"efgh", 4}}, in[2] = {{first, 4}, {second, 8}};
  CHECK_EQ(sys(SYS_writev, fd, out, 2), 8);
  CHECK_EQ(sys(SYS_lseek, fd, 0, 0), 0);
  CHECK_EQ(sys(SYS_readv, fd, in, 2), 8);
  struct stat st;
  CHECK_EQ(sys(SYS_fstat, fd, &st), 0);
  struct flock lock = {.l_type = F_WRLCK, .l_len = 10};
  CHECK_EQ(sys(SYS_fcntl, fd, F_SETLK, &lock), 0);
  CHECK(sys(SYS_fcntl, fd, F_GETFL, 0) >= 0);
  CHECK_EQ(sys(SYS_unlink, "traced.tmp"), 0);
  char entries[512];
  const long dir = sys(SYS_openat, AT_FDCWD, ".", O_RDONLY | O_DIRECTORY, 0);
  CHECK(dir >= 0);
  CHECK(sys(SYS_getdirentries, dir, entries, sizeof entries, 0) > 0);
}

CASE(events) {
  int pipe[2];
  make_pipe(pipe);
  CHECK_EQ(sys(SYS_write, pipe[1], "x", 1), 1);
  const long queue = sys(SYS_kqueue);
  struct kevent change = {.ident = (unsigned)pipe[0], .filter = EVFILT_READ, .flags = EV_ADD}, events[4];
  CHECK_EQ(sys(SYS_kevent, queue, &change, 1, 0, 0, 0), 0);
  CHECK_EQ(sys(SYS_kevent, queue, 0, 0, events, 4, 0), 1);
  struct pollfd fds[1] = {{pipe[0], POLLIN, 0}};
  CHECK_EQ(sys(SYS_poll, fds, 1, 1000), 1);
  unsigned long set = 1UL << pipe[0];
  struct timeval now = {0, 0};
  CHECK_EQ(sys(SYS_select, 64, &set, 0, 0, &now), 1);
  uint32_t word = 7;
  struct timespec soon = {0, 1000000};
  CHECK_EQ(sys(SYS__umtx_op, &word, UMTX_WAIT_UINT_PRIVATE, 7, sizeof soon, &soon), -ETIMEDOUT);
}

CASE(messages) {
  int pair[2];
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair), 0);
  struct iovec out = {"hello", 5};
  struct msghdr message = {.msg_iov = &out, .msg_iovlen = 1};
  CHECK_EQ(sys(SYS_sendmsg, pair[0], &message, 0), 5);
  char buffer[32];
  struct iovec in = {buffer, sizeof buffer};
  message.msg_iov = &in;
  CHECK_EQ(sys(SYS_recvmsg, pair[1], &message, 0), 5);
  const int one = 1;
  const long sock = sys(SYS_socket, AF_INET, SOCK_STREAM, 0);
  CHECK_EQ(sys(SYS_setsockopt, sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
  struct sockaddr_in any = {sizeof any, AF_INET, 0, 0x0100007f, {0}};
  CHECK_EQ(sys(SYS_bind, sock, &any, sizeof any), 0);
}

static void nothing(int signal, struct siginfo* info, struct ucontext* context) {}

CASE(signal_lines) {
  on_signal(SIGUSR1, nothing, SA_RESTART);
  sigset_t blocked = sig_only(SIGTERM);
  CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &blocked, 0), 0);
  send(SIGUSR1);
  const long pid = start_process();
  if (pid == 0) quit(3);
  expect_exit(pid, 3);
}

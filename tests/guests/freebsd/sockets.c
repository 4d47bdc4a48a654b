// Sockets over loopback and in the file system.
#include "guest.h"

static uint16_t swap(uint16_t n) { return (uint16_t)(n << 8 | n >> 8); }
static const uint32_t kLoopback = 0x0100007f;

static long listen_on_loopback(struct sockaddr_in* where) {
  const long s = sys(SYS_socket, AF_INET, SOCK_STREAM, 0);
  CHECK(s >= 0);
  int one = 1;
  CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
  *where = (struct sockaddr_in){sizeof *where, AF_INET, 0, kLoopback, {0}};
  CHECK_EQ(sys(SYS_bind, s, where, sizeof *where), 0);
  CHECK_EQ(sys(SYS_listen, s, 16), 0);
  uint32_t length = sizeof *where;
  CHECK_EQ(sys(SYS_getsockname, s, where, &length), 0);
  CHECK_EQ(length, sizeof *where);
  CHECK_EQ(where->sin_len, sizeof *where);
  CHECK_EQ(where->sin_family, AF_INET);
  CHECK(where->sin_port != 0);
  return s;
}
CASE(tcp) {
  struct sockaddr_in where, peer;
  const long server = listen_on_loopback(&where);
  const long pid = start_process();
  if (pid == 0) {
    const long s = sys(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(sys(SYS_fcntl, s, F_GETFD, 0), FD_CLOEXEC);
    CHECK_EQ(sys(SYS_connect, s, &where, sizeof where), 0);
    CHECK_EQ(sys(SYS_connect, s, &where, sizeof where), -EISCONN);
    CHECK_EQ(sys(SYS_sendto, s, "question", 8, 0, 0, 0), 8);
    char text[16];
    CHECK_EQ(sys(SYS_recvfrom, s, text, sizeof text, 0, 0, 0), 6);
    CHECK_EQ(memcmp(text, "answer", 6), 0);
    CHECK_EQ(sys(SYS_read, s, text, 1), 0);
    quit(0);
  }
  uint32_t length = sizeof peer;
  const long c = sys(SYS_accept, server, &peer, &length);
  CHECK(c >= 0);
  CHECK_EQ(length, sizeof peer);
  CHECK_EQ(peer.sin_family, AF_INET);
  CHECK_EQ(peer.sin_addr, kLoopback);
  char text[16];
  CHECK_EQ(sys(SYS_recvfrom, c, text, sizeof text, MSG_PEEK, 0, 0), 8);
  CHECK_EQ(sys(SYS_recvfrom, c, text, sizeof text, 0, 0, 0), 8);
  CHECK_EQ(memcmp(text, "question", 8), 0);
  CHECK_EQ(sys(SYS_recvfrom, c, text, sizeof text, MSG_DONTWAIT, 0, 0), -EAGAIN);
  CHECK_EQ(sys(SYS_write, c, "answer", 6), 6);
  CHECK_EQ(sys(SYS_shutdown, c, 1), 0);
  expect_exit(pid, 0);
  struct timespec none = {0, 0};
  (void)none;
  CHECK_EQ(sys(SYS_accept4, server, 0, 0, 0x12345), -EINVAL);
}
CASE(refused_and_nonblocking) {
  struct sockaddr_in where;
  const long server = listen_on_loopback(&where);
  CHECK_EQ(sys(SYS_close, server), 0);
  const long s = sys(SYS_socket, AF_INET, SOCK_STREAM, 0);
  CHECK_EQ(sys(SYS_connect, s, &where, sizeof where), -ECONNREFUSED);
  const long again = listen_on_loopback(&where);
  const long n = sys(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  CHECK(sys(SYS_fcntl, n, F_GETFL, 0) & O_NONBLOCK);
  const long r = sys(SYS_connect, n, &where, sizeof where);
  CHECK(r == 0 || r == -EINPROGRESS);
  struct pollfd p = {(int)n, POLLOUT, 0};
  CHECK_EQ(sys(SYS_poll, &p, 1, 5000), 1);
  CHECK(p.revents & POLLOUT);
  int error = -1;
  uint32_t length = sizeof error;
  CHECK_EQ(sys(SYS_getsockopt, n, SOL_SOCKET, SO_ERROR, &error, &length), 0);
  CHECK_EQ(error, 0);
  int type = 0;
  CHECK_EQ(sys(SYS_getsockopt, n, SOL_SOCKET, SO_TYPE, &type, &length), 0);
  CHECK_EQ(type, SOCK_STREAM);
  const long accepted = sys(SYS_accept4, again, 0, 0, SOCK_NONBLOCK);
  CHECK(accepted >= 0);
  CHECK(sys(SYS_fcntl, accepted, F_GETFL, 0) & O_NONBLOCK);
}
CASE(udp) {
  const long a = sys(SYS_socket, AF_INET, SOCK_DGRAM, 0), b = sys(SYS_socket, AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in at = {sizeof at, AF_INET, 0, kLoopback, {0}}, from;
  CHECK_EQ(sys(SYS_bind, a, &at, sizeof at), 0);
  uint32_t length = sizeof at;
  CHECK_EQ(sys(SYS_getsockname, a, &at, &length), 0);
  CHECK_EQ(sys(SYS_sendto, b, "datagram", 8, 0, &at, sizeof at), 8);
  char text[16];
  length = sizeof from;
  CHECK_EQ(sys(SYS_recvfrom, a, text, sizeof text, 0, &from, &length), 8);
  CHECK_EQ(length, sizeof from);
  CHECK_EQ(from.sin_addr, kLoopback);
  CHECK_EQ(from.sin_len, sizeof from);
  CHECK_EQ(sys(SYS_sendto, b, "x", 1, 0, 0, 0), -39);   // EDESTADDRREQ
  static char big[70000];
  CHECK_EQ(sys(SYS_sendto, b, big, sizeof big, 0, &at, sizeof at), -EMSGSIZE);
  struct iovec iov[2] = {{text, 3}, {text + 8, 8}};
  struct msghdr m = {&from, sizeof from, iov, 2, 0, 0, 0};
  CHECK_EQ(sys(SYS_sendto, b, "0123456789", 10, 0, &at, sizeof at), 10);
  CHECK_EQ(sys(SYS_recvmsg, a, &m, 0), 10);
  CHECK_EQ(memcmp(text, "012", 3), 0);
  CHECK_EQ(memcmp(text + 8, "3456789", 7), 0);
  CHECK_EQ(m.msg_namelen, sizeof from);
}
CASE(udp6) {
  const long a = sys(SYS_socket, AF_INET6, SOCK_DGRAM, 0);
  if (a == -EAFNOSUPPORT || a == -EPROTONOSUPPORT) return;
  CHECK(a >= 0);
  struct sockaddr_in6 at = {sizeof at, AF_INET6, 0, 0, {0}, 0};
  at.sin6_addr[15] = 1;
  if (sys(SYS_bind, a, &at, sizeof at) < 0) return;   // no IPv6 loopback here
  uint32_t length = sizeof at;
  CHECK_EQ(sys(SYS_getsockname, a, &at, &length), 0);
  CHECK_EQ(length, sizeof at);
  CHECK_EQ(at.sin6_family, AF_INET6);
  CHECK_EQ(at.sin6_len, sizeof at);
  CHECK_EQ(sys(SYS_sendto, a, "six", 3, 0, &at, sizeof at), 3);
  char text[8];
  struct sockaddr_in6 from;
  CHECK_EQ(sys(SYS_recvfrom, a, text, sizeof text, 0, &from, &length), 3);
  CHECK_EQ(from.sin6_port, at.sin6_port);
}
CASE(unix_stream) {
  struct sockaddr_un at = {0, AF_UNIX, "u.tmp"};
  at.sun_len = 8;
  sys(SYS_unlink, "u.tmp");
  const long s = sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
  CHECK_EQ(sys(SYS_bind, s, &at, 2 + 6), 0);
  CHECK_EQ(sys(SYS_bind, sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0), &at, 2 + 6), -EADDRINUSE);
  CHECK_EQ(sys(SYS_listen, s, 4), 0);
  const long c = sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
  CHECK_EQ(sys(SYS_connect, c, &at, sizeof at), 0);
  const long d = sys(SYS_accept, s, 0, 0);
  CHECK(d >= 0);
  CHECK_EQ(sys(SYS_write, c, "unix", 4), 4);
  char text[8];
  CHECK_EQ(sys(SYS_read, d, text, 8), 4);
  struct sockaddr_un name;
  uint32_t length = sizeof name;
  CHECK_EQ(sys(SYS_getpeername, c, &name, &length), 0);
  CHECK_EQ(name.sun_family, AF_UNIX);
  CHECK_EQ(strcmp(name.sun_path, "u.tmp"), 0);
  CHECK_EQ(sys(SYS_close, d), 0);
  set_handler(SIGPIPE, SIG_IGN, 0);
  CHECK_EQ(sys(SYS_write, c, "x", 1), -EPIPE);
  CHECK_EQ(sys(SYS_unlink, "u.tmp"), 0);
}
CASE(passing_descriptors) {
  int pair[2], pipe_of[2];
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
  make_pipe(pipe_of);
  struct { struct cmsghdr h; int fds[2]; } __attribute__((aligned(8))) control = {{20, SOL_SOCKET, SCM_RIGHTS}, {pipe_of[0], pipe_of[1]}};
  struct iovec iov = {"!", 1};
  struct msghdr m = {0, 0, &iov, 1, &control, sizeof control.h + 8 + 4, 0};
  // A cmsg's data begins at a multiple of 8 bytes: 16 for a header of 12.
  struct { struct cmsghdr h; int pad; int fds[2]; } __attribute__((aligned(8))) aligned = {{24, SOL_SOCKET, SCM_RIGHTS}, 0, {pipe_of[0], pipe_of[1]}};
  m.msg_control = &aligned;
  m.msg_controllen = 24;
  CHECK_EQ(sys(SYS_sendmsg, pair[0], &m, 0), 1);
  sys(SYS_close, pipe_of[0]);
  char byte;
  struct iovec in = {&byte, 1};
  struct { struct cmsghdr h; int pad; int fds[8]; } __attribute__((aligned(8))) got = {{0, 0, 0}, 0, {0}};
  struct msghdr r = {0, 0, &in, 1, &got, sizeof got, 0};
  CHECK_EQ(sys(SYS_recvmsg, pair[1], &r, 0), 1);
  CHECK_EQ(byte, '!');
  CHECK_EQ(got.h.cmsg_len, 24);
  CHECK_EQ(got.h.cmsg_level, SOL_SOCKET);
  CHECK_EQ(got.h.cmsg_type, SCM_RIGHTS);
  CHECK_EQ(r.msg_controllen, 24);
  CHECK_EQ(sys(SYS_write, got.fds[1], "p", 1), 1);
  CHECK_EQ(sys(SYS_read, got.fds[0], &byte, 1), 1);
  CHECK_EQ(byte, 'p');
}
CASE(pairs_and_poll) {
  int pair[2];
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
  struct pollfd p[3] = {{pair[0], POLLIN, 0}, {pair[1], POLLIN | POLLOUT, 0}, {-1, POLLIN, 7}};
  CHECK_EQ(sys(SYS_poll, p, 3, 0), 1);
  CHECK_EQ(p[0].revents, 0);
  CHECK_EQ(p[1].revents, POLLOUT);
  CHECK_EQ(p[2].revents, 0);
  CHECK_EQ(sys(SYS_write, pair[1], "abc", 3), 3);
  CHECK_EQ(sys(SYS_poll, p, 1, 1000), 1);
  CHECK_EQ(p[0].revents, POLLIN);
  unsigned long in[16] = {0}, out[16] = {0};
  in[pair[0] / 64] = 1UL << pair[0] % 64;
  out[pair[0] / 64] = 1UL << pair[0] % 64;
  struct timeval t = {1, 0};
  CHECK_EQ(sys(SYS_select, pair[0] + 1, in, out, 0, &t), 2);
  struct pollfd bad = {999, POLLIN, 0};
  CHECK_EQ(sys(SYS_poll, &bad, 1, 0), 1);
  CHECK_EQ(bad.revents, POLLNVAL);
  long n = 0;
  CHECK_EQ(sys(SYS_ioctl, pair[0], 0x4004667f /* FIONREAD */, &n), 0);
  CHECK_EQ((int)n, 3);
}
CASE(poll_at_the_end) {
  int fds[2];
  make_pipe(fds);
  struct pollfd p[70] = {{fds[0], POLLIN, 0}};
  for (int i = 1; i < 70; ++i) p[i] = (struct pollfd){-1, POLLIN, 0};
  p[69] = (struct pollfd){fds[0], POLLIN | POLLRDNORM, 0};
  CHECK_EQ(sys(SYS_poll, p, 70, 0), 0);
  CHECK_EQ(sys(SYS_close, fds[1]), 0);
  CHECK_EQ(sys(SYS_poll, p, 70, -1), 2);
  CHECK_EQ(p[0].revents, POLLIN | POLLHUP);   // nc(1) and others look for POLLIN
  CHECK_EQ(p[69].revents, POLLIN | POLLRDNORM | POLLHUP);
  p[0].events = POLLRDNORM | 0x100;   // with a bit that Linux has elsewhere
  CHECK_EQ(sys(SYS_poll, p, 1, -1), 1);
  CHECK_EQ(p[0].revents, POLLRDNORM | POLLHUP);
  p[0].events = 0;
  CHECK_EQ(sys(SYS_poll, p, 1, -1), 1);
  CHECK_EQ(p[0].revents, POLLHUP);
}
CASE(errors) {
  CHECK_EQ(sys(SYS_socket, 12345, SOCK_STREAM, 0) < 0, 1);
  CHECK_EQ(sys(SYS_socket, AF_INET, 99, 0) < 0, 1);
  const long s = sys(SYS_socket, AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in at = {sizeof at, AF_INET, swap(80), kLoopback, {0}};
  CHECK_EQ(sys(SYS_bind, s, 8, sizeof at), -EFAULT);
  CHECK_EQ(sys(SYS_getsockname, s, 8, 8), -EFAULT);
  CHECK_EQ(sys(SYS_getpeername, s, &at, 8), -EFAULT);
  uint32_t length = sizeof at;
  CHECK_EQ(sys(SYS_getpeername, s, &at, &length), -ENOTCONN);
  CHECK_EQ(sys(SYS_accept, 0, 0, 0) < 0, 1);
  CHECK_EQ(sys(SYS_recvmsg, s, 8, 0), -EFAULT);
  CHECK_EQ(sys(SYS_sendmsg, s, 8, 0), -EFAULT);
}

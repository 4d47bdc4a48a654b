// Socket options and the finer errors of connecting and sending.
#include "guest.h"

enum {
  SO_KEEPALIVE = 8, SO_LINGER = 0x80, SO_REUSEPORT = 0x200, SO_NOSIGPIPE = 0x800, SO_ACCEPTFILTER = 0x1000, SO_RERROR = 0x20000, SO_SNDBUF = 0x1001, SO_RCVTIMEO = 0x1006,
  SO_LISTENQLIMIT = 0x1011, SO_LISTENQLEN = 0x1012, SO_USER_COOKIE = 0x1015, SO_PROTOCOL = 0x1016, SO_DOMAIN = 0x1019, IPPROTO_TCP = 6, IPPROTO_IPV6 = 41,
  TCP_NODELAY = 1, TCP_INFO = 0x20, TCP_KEEPIDLE = 0x100, TCP_KEEPINTVL = 0x200, TCP_KEEPCNT = 0x400, ENOPROTOOPT = 42, EPROTOTYPE = 41, EADDRNOTAVAIL = 49, EDESTADDRREQ = 39, EDOM = 33, EALREADY = 37,
};
static const uint32_t kLoopback = 0x0100007f;
static long option(long s, int level, int name, int* value) {
  uint32_t length = sizeof *value;
  return sys(SYS_getsockopt, s, level, name, value, &length);
}
static long set(long s, int level, int name, int value) { return sys(SYS_setsockopt, s, level, name, &value, sizeof value); }
static long listener(struct sockaddr_in* at) {
  const struct sockaddr_in any = {sizeof any, AF_INET, 0, kLoopback, {0}};
  *at = any;
  const long s = sys(SYS_socket, AF_INET, SOCK_STREAM, 0);
  uint32_t length = sizeof *at;
  CHECK_EQ(sys(SYS_bind, s, at, sizeof *at), 0);
  CHECK_EQ(sys(SYS_listen, s, 7), 0);
  CHECK_EQ(sys(SYS_getsockname, s, at, &length), 0);
  return s;
}

CASE(values) {
  const long s = sys(SYS_socket, AF_INET, SOCK_STREAM, 0);
  int value = -1;
  static const int flags[] = {SO_REUSEADDR, SO_KEEPALIVE, SO_REUSEPORT, SO_NOSIGPIPE, 0x100 /* SO_OOBINLINE */};
  for (int i = 0; i < 5; ++i) {
    CHECK_EQ(option(s, SOL_SOCKET, flags[i], &value), 0);
    CHECK_EQ(value, 0);
    CHECK_EQ(set(s, SOL_SOCKET, flags[i], 1), 0);
    CHECK_EQ(option(s, SOL_SOCKET, flags[i], &value), 0);
    CHECK_EQ(value, flags[i]);   // reads back its own bit
    CHECK_EQ(set(s, SOL_SOCKET, flags[i], 0), 0);
    CHECK_EQ(option(s, SOL_SOCKET, flags[i], &value), 0);
    CHECK_EQ(value, 0);
  }
  CHECK_EQ(set(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0), SOL_SOCKET, SO_REUSEPORT, 1), 0);
  CHECK_EQ(option(s, SOL_SOCKET, SO_TYPE, &value), 0);
  CHECK_EQ(value, SOCK_STREAM);
  CHECK_EQ(option(s, SOL_SOCKET, SO_DOMAIN, &value), 0);
  CHECK_EQ(value, AF_INET);
  CHECK_EQ(option(sys(SYS_socket, AF_INET6, SOCK_DGRAM, 0), SOL_SOCKET, SO_DOMAIN, &value), 0);
  CHECK_EQ(value, AF_INET6);
  CHECK_EQ(option(s, SOL_SOCKET, SO_PROTOCOL, &value), 0);
  CHECK_EQ(value, IPPROTO_TCP);
  CHECK_EQ(set(s, SOL_SOCKET, SO_SNDBUF, 20000), 0);
  CHECK_EQ(option(s, SOL_SOCKET, SO_SNDBUF, &value), 0);
  CHECK_EQ(value, 20000);
  CHECK_EQ(set(s, SOL_SOCKET, SO_SNDBUF, 0), -EINVAL);
  CHECK_EQ(set(s, SOL_SOCKET, SO_USER_COOKIE, 5), 0);
  struct { int on, seconds; } linger = {1, 5}, got;
  uint32_t length = sizeof got;
  CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
  CHECK_EQ(sys(SYS_getsockopt, s, SOL_SOCKET, SO_LINGER, &got, &length), 0);
  CHECK(got.on != 0);
  CHECK_EQ(got.seconds, 5);
  linger.seconds = 70000;
  CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), -EDOM);
  struct timeval t = {1, 500000}, u = {0, 0};
  length = sizeof u;
  CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t), 0);
  CHECK_EQ(sys(SYS_getsockopt, s, SOL_SOCKET, SO_RCVTIMEO, &u, &length), 0);
  CHECK_EQ(u.tv_sec, 1);
  CHECK(u.tv_usec >= 490000);
  t.tv_usec = 1000000;
  CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t), -EDOM);
}
CASE(errors) {
  const long s = sys(SYS_socket, AF_INET, SOCK_STREAM, 0);
  int value = 1, pipe_of[2];
  make_pipe(pipe_of);
  CHECK_EQ(set(s, SOL_SOCKET, 0x7777, 1), -ENOPROTOOPT);
  CHECK_EQ(set(s, 12345, 1, 1), -EINVAL);
  CHECK_EQ(set(999, SOL_SOCKET, SO_REUSEADDR, 1), -EBADF);
  CHECK_EQ(set(pipe_of[0], SOL_SOCKET, SO_REUSEADDR, 1), -ENOTSOCK);
  CHECK_EQ(option(pipe_of[0], SOL_SOCKET, SO_TYPE, &value), -ENOTSOCK);
  CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, SO_REUSEADDR, &value, 2), -EINVAL);
  CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, SO_REUSEADDR, &value, -1), -EINVAL);
  CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, SO_REUSEADDR, 0, 4), -EFAULT);
  CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, SO_REUSEADDR, 8, 4), -EFAULT);
  CHECK_EQ(sys(SYS_getsockopt, s, SOL_SOCKET, SO_TYPE, &value, 8), -EFAULT);
  uint32_t length = 2;
  CHECK_EQ(sys(SYS_getsockopt, s, SOL_SOCKET, SO_TYPE, &value, &length), 0);
  CHECK_EQ(length, 2);   // cut to the room there is
  CHECK_EQ(set(s, SOL_SOCKET, SO_TYPE, 1), -ENOPROTOOPT);
  CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, SO_ACCEPTFILTER, "dataready\0\0\0\0\0\0", 16), -ENOENT);
  CHECK_EQ(sys(SYS_socket, AF_INET, SOCK_STREAM, 132 /* IPPROTO_SCTP */) < 0, 1);
}
CASE(tcp) {
  struct sockaddr_in at;
  const long l = listener(&at), c = sys(SYS_socket, AF_INET, SOCK_STREAM, 0);
  int value = 0;
  CHECK_EQ(option(l, SOL_SOCKET, SO_LISTENQLIMIT, &value), 0);
  CHECK_EQ(value, 7);
  CHECK_EQ(option(l, SOL_SOCKET, SO_LISTENQLEN, &value), 0);
  CHECK_EQ(value, 0);
  CHECK_EQ(sys(SYS_connect, c, &at, sizeof at), 0);
  for (int i = 0; i < 100 && value == 0; ++i) {
    sleep_ms(5);
    CHECK_EQ(option(l, SOL_SOCKET, SO_LISTENQLEN, &value), 0);
  }
  CHECK_EQ(value, 1);
  static const struct { int name, value; } options[] = {{TCP_NODELAY, 1}, {TCP_KEEPIDLE, 100}, {TCP_KEEPINTVL, 20}, {TCP_KEEPCNT, 5}};
  for (int i = 0; i < 4; ++i) {
    CHECK_EQ(set(c, IPPROTO_TCP, options[i].name, options[i].value), 0);
    CHECK_EQ(option(c, IPPROTO_TCP, options[i].name, &value), 0);
    CHECK((value != 0) == (options[i].value != 0));
    if (i != 0) CHECK_EQ(value, options[i].value);
  }
  unsigned char info[256];
  uint32_t length = sizeof info;
  CHECK_EQ(sys(SYS_getsockopt, c, IPPROTO_TCP, TCP_INFO, info, &length), 0);
  CHECK_EQ(length, 236);
  CHECK_EQ(info[0], 4);   // established
  length = sizeof info;
  CHECK_EQ(sys(SYS_getsockopt, l, IPPROTO_TCP, TCP_INFO, info, &length), 0);
  CHECK_EQ(info[0], 1);   // listening
  CHECK_EQ(sys(SYS_connect, c, &at, sizeof at), -EISCONN);
  CHECK_EQ(sys(SYS_connect, c, &at, 300), -ENAMETOOLONG);
  const long n = sys(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  at.sin_addr = 0x0100000a;   // nobody there, or no way to it
  if (sys(SYS_connect, n, &at, sizeof at) == -EINPROGRESS) CHECK_EQ(sys(SYS_connect, n, &at, sizeof at), -EALREADY);
}
CASE(datagram_destinations) {
  struct sockaddr_in at = {sizeof at, AF_INET, 0, kLoopback, {0}};
  uint32_t length = sizeof at;
  const long a = sys(SYS_socket, AF_INET, SOCK_DGRAM, 0), b = sys(SYS_socket, AF_INET, SOCK_DGRAM, 0);
  CHECK_EQ(sys(SYS_bind, a, &at, sizeof at), 0);
  CHECK_EQ(sys(SYS_getsockname, a, &at, &length), 0);
  CHECK_EQ(sys(SYS_sendto, b, "x", 1, 0, &at, sizeof at), 1);
  CHECK_EQ(sys(SYS_connect, b, &at, sizeof at), 0);
  CHECK_EQ(sys(SYS_sendto, b, "x", 1, 0, &at, sizeof at), -EISCONN);
  struct iovec iov = {"x", 1};
  struct msghdr m = {&at, sizeof at, &iov, 1, 0, 0, 0};
  CHECK_EQ(sys(SYS_sendmsg, b, &m, 0), -EISCONN);
  m.msg_name = 0;
  CHECK_EQ(sys(SYS_sendmsg, b, &m, 0), 1);
  m.msg_iovlen = 1025;
  CHECK_EQ(sys(SYS_sendmsg, b, &m, 0), -EMSGSIZE);
  CHECK_EQ(sys(SYS_recvmsg, b, &m, 0), -EMSGSIZE);
  m.msg_iovlen = -1;
  CHECK_EQ(sys(SYS_recvmsg, b, &m, 0), -EMSGSIZE);
}
static volatile int pipes_broken;
static void on_pipe(int signal, struct siginfo* info, struct ucontext* context) { ++pipes_broken; }
static void break_each_way(int s, int expected) {
  struct iovec iov = {"x", 1};
  struct msghdr m = {0, 0, &iov, 1, 0, 0, 0};
  pipes_broken = 0;
  CHECK_EQ(sys(SYS_write, s, "x", 1), -EPIPE);
  CHECK_EQ(pipes_broken, expected);
  CHECK_EQ(sys(SYS_writev, s, &iov, 1), -EPIPE);
  CHECK_EQ(pipes_broken, expected * 2);
  CHECK_EQ(sys(SYS_sendto, s, "x", 1, 0, 0, 0), -EPIPE);
  CHECK_EQ(pipes_broken, expected * 3);
  CHECK_EQ(sys(SYS_sendmsg, s, &m, 0), -EPIPE);
  CHECK_EQ(pipes_broken, expected * 4);
  CHECK_EQ(sys(SYS_sendto, s, "x", 1, MSG_NOSIGNAL, 0, 0), -EPIPE);
  CHECK_EQ(pipes_broken, expected * 4);
}
CASE(broken_pipes) {
  int pair[2], other[2];
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, other), 0);
  CHECK_EQ(set(pair[0], SOL_SOCKET, SO_NOSIGPIPE, 1), 0);
  CHECK_EQ(sys(SYS_close, pair[1]), 0);
  CHECK_EQ(sys(SYS_close, other[1]), 0);
  CHECK_EQ(sys(SYS_write, pair[0], "x", 1), -EPIPE);   // the signal's default would have killed
  const long pid = start_process();
  if (pid == 0) {
    sys(SYS_write, other[0], "x", 1);
    quit(0);
  }
  CHECK_EQ(wait_signal(wait_for(pid)), SIGPIPE);
  on_signal(SIGPIPE, on_pipe, 0);
  break_each_way(pair[0], 0);
  break_each_way(other[0], 1);
  block(SIGPIPE);
  sigset_t set_of;
  CHECK_EQ(sys(SYS_write, pair[0], "x", 1), -EPIPE);
  CHECK_EQ(sys(SYS_sigpending, &set_of), 0);
  CHECK(!sig_has(&set_of, SIGPIPE));
  CHECK_EQ(sys(SYS_write, other[0], "x", 1), -EPIPE);
  CHECK_EQ(sys(SYS_sigpending, &set_of), 0);
  CHECK(sig_has(&set_of, SIGPIPE));
}

// SO_TIMESTAMP with its clocks, SO_BINTIME.
enum { SO_TIMESTAMP = 0x400, SO_BINTIME = 0x2000, SO_TS_CLOCK = 0x1017, SCM_TIMESTAMP = 2, SCM_BINTIME = 4, SCM_REALTIME = 5, SCM_MONOTONIC = 6 };
static struct stamp { struct cmsghdr h; int pad; long a; unsigned long b; } stamps[4];
static int stamps_of_message(long s, const struct sockaddr_in* at) {
  CHECK_EQ(sys(SYS_sendto, s, "t", 1, 0, at, sizeof *at), 1);
  char byte;
  struct iovec iov = {&byte, 1};
  struct msghdr m = {0, 0, &iov, 1, stamps, sizeof stamps, 0};
  CHECK_EQ(sys(SYS_recvmsg, s, &m, 0), 1);
  CHECK_EQ(m.msg_flags & 0x20, 0);
  CHECK_EQ(m.msg_controllen % sizeof *stamps, 0);
  return (int)(m.msg_controllen / sizeof *stamps);
}
static void check_stamp(const struct stamp* stamp, int type, const struct timespec before[2]) {
  CHECK_EQ(stamp->h.cmsg_len, 32);
  CHECK_EQ(stamp->h.cmsg_level, SOL_SOCKET);
  CHECK_EQ(stamp->h.cmsg_type, type);
  struct timespec now[2];
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &now[0]), 0);
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &now[1]), 0);
  const int clock = type == SCM_MONOTONIC;
  const long nanos = type == SCM_BINTIME ? (long)((unsigned __int128)stamp->b * 1000000000 >> 64)
                     : type == SCM_TIMESTAMP ? (long)stamp->b * 1000 : (long)stamp->b;
  CHECK(nanos >= 0 && nanos < 1000000000);
  const long at = stamp->a * 1000000000 + nanos, slack = 2000;
  CHECK(at + slack >= before[clock].tv_sec * 1000000000 + before[clock].tv_nsec);
  CHECK(at <= now[clock].tv_sec * 1000000000 + now[clock].tv_nsec + slack);
}
CASE(times_of_messages) {
  const long s = sys(SYS_socket, AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in at = {sizeof at, AF_INET, 0, kLoopback, {0}};
  uint32_t length = sizeof at;
  int value = -1;
  CHECK_EQ(sys(SYS_bind, s, &at, sizeof at), 0);
  CHECK_EQ(sys(SYS_getsockname, s, &at, &length), 0);
  CHECK_EQ(stamps_of_message(s, &at), 0);
  static const int types[] = {SCM_TIMESTAMP, SCM_BINTIME, SCM_REALTIME, SCM_MONOTONIC};
  for (int first = 0; first < 2; ++first) {   // the clock may be chosen before or after
    for (int clock = 0; clock < 4; ++clock) {
      if (first) CHECK_EQ(set(s, SOL_SOCKET, SO_TIMESTAMP, 1), 0);
      CHECK_EQ(set(s, SOL_SOCKET, SO_TS_CLOCK, clock), 0);
      CHECK_EQ(option(s, SOL_SOCKET, SO_TS_CLOCK, &value), 0);
      CHECK_EQ(value, clock);
      if (!first) CHECK_EQ(stamps_of_message(s, &at), 0);
      if (!first) CHECK_EQ(set(s, SOL_SOCKET, SO_TIMESTAMP, 1), 0);
      CHECK_EQ(option(s, SOL_SOCKET, SO_TIMESTAMP, &value), 0);
      CHECK_EQ(value, SO_TIMESTAMP);
      struct timespec before[2];
      CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &before[0]), 0);
      CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &before[1]), 0);
      CHECK_EQ(stamps_of_message(s, &at), 1);
      check_stamp(&stamps[0], types[clock], before);
      // Both forms, if both are asked for and differ.
      CHECK_EQ(set(s, SOL_SOCKET, SO_BINTIME, 1), 0);
      CHECK_EQ(option(s, SOL_SOCKET, SO_BINTIME, &value), 0);
      CHECK_EQ(value, SO_BINTIME);
      CHECK_EQ(stamps_of_message(s, &at), clock == 1 ? 1 : 2);
      check_stamp(&stamps[0], SCM_BINTIME, before);
      if (clock != 1) check_stamp(&stamps[1], types[clock], before);
      CHECK_EQ(set(s, SOL_SOCKET, SO_TIMESTAMP, 0), 0);
      CHECK_EQ(stamps_of_message(s, &at), 1);
      check_stamp(&stamps[0], SCM_BINTIME, before);
      CHECK_EQ(set(s, SOL_SOCKET, SO_BINTIME, 0), 0);
      CHECK_EQ(stamps_of_message(s, &at), 0);
      CHECK_EQ(option(s, SOL_SOCKET, SO_BINTIME, &value), 0);
      CHECK_EQ(value, 0);
    }
  }
  CHECK_EQ(set(s, SOL_SOCKET, SO_TS_CLOCK, 4), -EINVAL);
  CHECK_EQ(set(s, SOL_SOCKET, SO_TS_CLOCK, -1), -EINVAL);
  CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, SO_TS_CLOCK, &value, 3), -EINVAL);
  CHECK_EQ(sys(SYS_setsockopt, s, SOL_SOCKET, SO_BINTIME, 8, sizeof value), -EFAULT);
  CHECK_EQ(option(s, SOL_SOCKET, SO_TS_CLOCK, &value), 0);
  CHECK_EQ(value, 3);
  CHECK_EQ(set(0, SOL_SOCKET, SO_TIMESTAMP, 1), -ENOTSOCK);
  CHECK_EQ(set(998, SOL_SOCKET, SO_TS_CLOCK, 1), -EBADF);
}

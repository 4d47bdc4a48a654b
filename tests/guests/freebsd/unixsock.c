// Local sockets: names, errors, credentials.
#include "guest.h"

enum { LOCAL_PEERCRED = 1, LOCAL_CREDS = 2, LOCAL_CREDS_PERSISTENT = 3, SCM_CREDS = 3, SCM_CREDS2 = 8, EDESTADDRREQ = 39, EPROTOTYPE = 41 };
static struct sockaddr_un name_of(const char* path) {
  struct sockaddr_un at = {0, AF_UNIX, ""};
  at.sun_len = (uint8_t)(2 + strlen(path) + 1);
  memcpy(at.sun_path, path, strlen(path));
  return at;
}
static long bound(const char* path, int type) {
  const struct sockaddr_un at = name_of(path);
  sys(SYS_unlink, path);
  const long s = sys(SYS_socket, AF_UNIX, type, 0);
  CHECK_EQ(sys(SYS_bind, s, &at, at.sun_len), 0);
  return s;
}

CASE(names) {
  char longest[105];
  memset(longest, 'n', 104);
  longest[104] = 0;
  struct sockaddr_un at = {106, AF_UNIX, ""}, got;
  memcpy(at.sun_path, longest, 104);
  sys(SYS_unlink, longest);
  const long s = sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
  CHECK_EQ(sys(SYS_bind, s, &at, 106), 0);   // all 104 bytes, without a NUL
  uint32_t length = sizeof got;
  memset(&got, 0x55, sizeof got);
  CHECK_EQ(sys(SYS_getsockname, s, &got, &length), 0);
  CHECK_EQ(got.sun_len, 106);
  CHECK_EQ(memcmp(got.sun_path, longest, 104), 0);
  CHECK_EQ(sys(SYS_unlink, longest), 0);
  const long unnamed = sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
  length = sizeof got;
  CHECK_EQ(sys(SYS_getsockname, unnamed, &got, &length), 0);
  CHECK_EQ(got.sun_family, AF_UNIX);
  CHECK_EQ(got.sun_path[0], 0);
  CHECK_EQ(length, 16);
  at = name_of("u.tmp");
  CHECK_EQ(sys(SYS_connect, unnamed, &at, 2), -EINVAL);   // no path at all
  CHECK_EQ(sys(SYS_connect, unnamed, &at, 1), -EINVAL);
  at.sun_path[0] = 0;   // would be an abstract name on Linux
  CHECK(sys(SYS_bind, unnamed, &at, 8) < 0);
  length = 4;   // truncated, and told how much was written
  CHECK_EQ(sys(SYS_getsockname, s, &got, &length), 0);
  CHECK_EQ(length, 4);
}
CASE(errors) {
  const long s = sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
  CHECK_EQ(sys(SYS_listen, s, 1), -EDESTADDRREQ);
  CHECK_EQ(sys(SYS_listen, sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0), 1), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_listen, 999, 1), -EBADF);
  struct sockaddr_un at = name_of("plain.tmp");
  sys(SYS_close, sys(SYS_openat, AT_FDCWD, "plain.tmp", O_RDWR | O_CREAT, 0600));
  CHECK_EQ(sys(SYS_connect, s, &at, at.sun_len), -ENOTSOCK);
  CHECK_EQ(sys(SYS_unlink, "plain.tmp"), 0);
  CHECK_EQ(sys(SYS_connect, s, &at, at.sun_len), -ENOENT);
  const long d = bound("dgram.tmp", SOCK_DGRAM);
  at = name_of("dgram.tmp");
  CHECK_EQ(sys(SYS_connect, s, &at, at.sun_len), -EPROTOTYPE);
  CHECK_EQ(sys(SYS_close, d), 0);
  const long x = sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0);
  CHECK_EQ(sys(SYS_connect, x, &at, at.sun_len), -ECONNREFUSED);
  CHECK_EQ(sys(SYS_unlink, "dgram.tmp"), 0);
  CHECK_EQ(sys(SYS_write, x, "x", 1), -ENOTCONN);
  CHECK_EQ(sys(SYS_accept, s, 0, 0), -EINVAL);
}
struct xucred { unsigned version, uid; short count; unsigned groups[16]; void* pid; };
_Static_assert(sizeof(struct xucred) == 88, "struct xucred");
CASE(peer_credentials) {
  int pair[2];
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
  struct xucred peer;
  uint32_t length = sizeof peer;
  CHECK_EQ(sys(SYS_getsockopt, pair[0], 0, LOCAL_PEERCRED, &peer, &length), 0);
  CHECK_EQ(length, sizeof peer);
  CHECK_EQ(peer.version, 0);
  CHECK_EQ(peer.uid, sys(SYS_geteuid));
  CHECK(peer.count >= 1);
  CHECK_EQ(peer.groups[0], sys(SYS_getegid));
  CHECK_EQ((int)(long)peer.pid, sys(SYS_getpid));
  const long alone = sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
  CHECK_EQ(sys(SYS_getsockopt, alone, 0, LOCAL_PEERCRED, &peer, &length), -ENOTCONN);
}
static long receive(int s, void* control, uint32_t* room) {
  char byte;
  struct iovec iov = {&byte, 1};
  struct msghdr m = {0, 0, &iov, 1, control, *room, 0};
  const long got = sys(SYS_recvmsg, s, &m, 0);
  *room = m.msg_controllen;
  return got;
}
CASE(credentials_of_messages) {
  int pair[2], on = 1;
  struct { struct cmsghdr h; int pad; int data[60]; } __attribute__((aligned(8))) control;
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
  CHECK_EQ(sys(SYS_setsockopt, pair[1], 0, LOCAL_CREDS, &on, sizeof on), 0);
  CHECK_EQ(sys(SYS_setsockopt, pair[1], 0, LOCAL_CREDS_PERSISTENT, &on, sizeof on), -EINVAL);
  CHECK_EQ(sys(SYS_write, pair[0], "a", 1), 1);
  uint32_t room = sizeof control;
  CHECK_EQ(receive(pair[1], &control, &room), 1);
  CHECK_EQ(control.h.cmsg_type, SCM_CREDS);
  CHECK_EQ(control.data[0], sys(SYS_getuid));
  CHECK_EQ(sys(SYS_write, pair[0], "b", 1), 1);
  room = sizeof control;
  CHECK_EQ(receive(pair[1], &control, &room), 1);
  CHECK_EQ(room, 0);   // once, on a stream
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair), 0);
  CHECK_EQ(sys(SYS_setsockopt, pair[1], 0, LOCAL_CREDS_PERSISTENT, &on, sizeof on), 0);
  for (int i = 0; i < 2; ++i) {
    CHECK_EQ(sys(SYS_write, pair[0], "a", 1), 1);
    room = sizeof control;
    CHECK_EQ(receive(pair[1], &control, &room), 1);
    CHECK_EQ(control.h.cmsg_type, SCM_CREDS2);
    CHECK_EQ(control.data[1], sys(SYS_getpid));
    CHECK_EQ(control.data[2], sys(SYS_getuid));
  }
}
// A sender passes its credentials; the receiver need not ask for them.
struct cmsgcred { int pid; unsigned uid, euid, gid; short count; unsigned groups[16]; };
_Static_assert(sizeof(struct cmsgcred) == 84, "struct cmsgcred");
struct creds_control { struct cmsghdr h; int pad; struct cmsgcred creds; int pad1; struct { struct cmsghdr h; int pad, fd, pad1; } rights; } __attribute__((aligned(8)));
static long send_credentials(int s, bool rights) {
  struct creds_control control = {{100, SOL_SOCKET, SCM_CREDS}, 0, {0}, 0, {{20, SOL_SOCKET, SCM_RIGHTS}, 0, 1, 0}};
  control.creds.pid = 1;   // is not believed
  struct iovec iov = {"c", 1};
  struct msghdr m = {0, 0, &iov, 1, &control, rights ? 128 : 100, 0};
  return sys(SYS_sendmsg, s, &m, 0);
}
static void check_sender(const struct creds_control* control, long pid) {
  CHECK_EQ(control->h.cmsg_len, 100);
  CHECK_EQ(control->h.cmsg_level, SOL_SOCKET);
  CHECK_EQ(control->h.cmsg_type, SCM_CREDS);
  CHECK_EQ(control->creds.pid, pid);
  CHECK_EQ(control->creds.uid, sys(SYS_getuid));
  CHECK_EQ(control->creds.euid, sys(SYS_geteuid));
  CHECK_EQ(control->creds.gid, sys(SYS_getgid));
  CHECK(control->creds.count >= 1);
  CHECK_EQ(control->creds.groups[0], sys(SYS_getegid));
}
CASE(credentials_a_sender_passes) {
  static const int kinds[] = {SOCK_STREAM, SOCK_DGRAM, 5 /* SOCK_SEQPACKET */};
  for (unsigned i = 0; i < 3; ++i) {
    int pair[2];
    CHECK_EQ(sys(SYS_socketpair, AF_UNIX, kinds[i], 0, pair), 0);
    struct creds_control control;
    CHECK_EQ(sys(SYS_write, pair[0], "a", 1), 1);
    CHECK_EQ(send_credentials(pair[0], false), 1);
    CHECK_EQ(sys(SYS_write, pair[0], "b", 1), 1);
    CHECK_EQ(send_credentials(pair[0], true), 1);
    for (int message = 0; message < 4; ++message) {
      uint32_t room = sizeof control;
      CHECK_EQ(receive(pair[1], &control, &room), 1);
      if (message % 2 == 0) CHECK_EQ(room, 0);
      else check_sender(&control, sys(SYS_getpid));
      if (message == 3) CHECK_EQ(control.rights.h.cmsg_type, SCM_RIGHTS);
      if (message == 3) CHECK_EQ(sys(SYS_close, control.rights.fd), 0);
    }
    // Too little room: cut off, and the message is there all the same.
    CHECK_EQ(send_credentials(pair[0], false), 1);
    char byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr m = {0, 0, &iov, 1, &control, 40, 0};
    CHECK_EQ(sys(SYS_recvmsg, pair[1], &m, 0), 1);
    CHECK_EQ(byte, 'c');
    CHECK(m.msg_flags & 0x20);   // MSG_CTRUNC
    // From a child, waited for.
    const long pid = start_process();
    if (pid == 0) {
      sleep_ms(20);
      quit((int)send_credentials(pair[0], false));
    }
    uint32_t room = sizeof control;
    CHECK_EQ(receive(pair[1], &control, &room), 1);
    check_sender(&control, pid);
    expect_exit(pid, 1);
    // Looked at, then taken; without a message there is nothing to wait for.
    CHECK_EQ(send_credentials(pair[0], false), 1);
    for (int look = 1; look >= 0; --look) {
      struct msghdr r = {0, 0, &iov, 1, &control, sizeof control, 0};
      CHECK_EQ(sys(SYS_recvmsg, pair[1], &r, look ? MSG_PEEK : 0), 1);
      check_sender(&control, sys(SYS_getpid));
    }
    struct msghdr r = {0, 0, &iov, 1, &control, sizeof control, 0};
    CHECK_EQ(sys(SYS_recvmsg, pair[1], &r, MSG_DONTWAIT), -EAGAIN);
    int on = -1;
    uint32_t length = sizeof on;
    CHECK_EQ(sys(SYS_getsockopt, pair[1], 0, LOCAL_CREDS_PERSISTENT, &on, &length), 0);
    CHECK_EQ(on, 0);
    CHECK_EQ(sys(SYS_close, pair[0]), 0);
    if (kinds[i] == SOCK_STREAM) CHECK_EQ(sys(SYS_recvmsg, pair[1], &r, 0), 0);   // the end
    CHECK_EQ(sys(SYS_close, pair[1]), 0);
  }
}
CASE(truncated_rights) {
  int pair[2], pipe_of[2];
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair), 0);
  make_pipe(pipe_of);
  struct { struct cmsghdr h; int pad; int fds[2]; } __attribute__((aligned(8))) control = {{24, SOL_SOCKET, SCM_RIGHTS}, 0, {pipe_of[0], pipe_of[1]}};
  struct iovec iov = {"!", 1};
  struct msghdr m = {0, 0, &iov, 1, &control, 24, 0};
  CHECK_EQ(sys(SYS_sendmsg, pair[0], &m, 0), 1);
  char byte;
  struct iovec in = {&byte, 1};
  struct msghdr r = {0, 0, &in, 1, &control, 20, 0};   // room for one
  CHECK_EQ(sys(SYS_recvmsg, pair[1], &r, 0), 1);
  CHECK(r.msg_flags & 0x20);   // MSG_CTRUNC
  m.msg_control = &control;
  control.h.cmsg_len = 4;
  control.h.cmsg_level = SOL_SOCKET;
  m.msg_controllen = 24;
  CHECK_EQ(sys(SYS_sendmsg, pair[0], &m, 0), -EINVAL);
  control.h.cmsg_len = 24;
  control.fds[0] = 999;
  control.h.cmsg_type = SCM_RIGHTS;
  CHECK_EQ(sys(SYS_sendmsg, pair[0], &m, 0), -EBADF);
  m.msg_control = (void*)8;
  CHECK_EQ(sys(SYS_sendmsg, pair[0], &m, 0), -EFAULT);
}

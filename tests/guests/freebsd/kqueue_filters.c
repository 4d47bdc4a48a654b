// kqueue filter by filter: what each reports, its units, notes and errors. Flags and life of queues: kqueue.c.
#include "guest.h"

enum { EVFILT_EMPTY = -13, EV_KEEPUDATA = 0x200, EV_FORCEONESHOT = 0x100 };
enum {
  NOTE_LOWAT = 1, NOTE_FILE_POLL = 2, NOTE_DELETE = 1, NOTE_WRITE = 2, NOTE_EXTEND = 4, NOTE_ATTRIB = 8, NOTE_LINK = 0x10, NOTE_RENAME = 0x20,
  NOTE_OPEN = 0x80, NOTE_CLOSE = 0x100, NOTE_CLOSE_WRITE = 0x200, NOTE_READ = 0x400, NOTE_SECONDS = 1, NOTE_MSECONDS = 2, NOTE_USECONDS = 4, NOTE_NSECONDS = 8, NOTE_ABSTIME = 0x10,
};
static const unsigned kExit = 0x80000000, kTrigger = 0x01000000, kAnd = 0x40000000, kOr = 0x80000000, kCopy = 0xc0000000;

static long kq;
static struct kevent event;
static long change(uint64_t ident, int filter, int flags, unsigned fflags, long data) {
  struct kevent e = {ident, (int16_t)filter, (uint16_t)flags, fflags, data, (void*)ident, {1, 2, 3, 4}};
  return sys(SYS_kevent, kq, &e, 1, 0, 0, 0);
}
static long take(long ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  return sys(SYS_kevent, kq, 0, 0, &event, 1, &t);
}
static void open_queue(void) { CHECK((kq = sys(SYS_kqueue)) >= 0); }
static unsigned gather(void) {   // every note that comes within a while
  unsigned seen = 0;
  for (long wait = 2000; take(wait) == 1; wait = 30) seen |= event.fflags;
  return seen;
}
static long listener(struct sockaddr_in* at) {
  const struct sockaddr_in any = {sizeof any, AF_INET, 0, 0x0100007f, {0}};
  *at = any;
  const long s = sys(SYS_socket, AF_INET, SOCK_STREAM, 0);
  uint32_t length = sizeof *at;
  CHECK_EQ(sys(SYS_bind, s, at, sizeof *at), 0);
  CHECK_EQ(sys(SYS_listen, s, 8), 0);
  CHECK_EQ(sys(SYS_getsockname, s, at, &length), 0);
  return s;
}
static long connected(const struct sockaddr_in* at) {
  const long s = sys(SYS_socket, AF_INET, SOCK_STREAM, 0);
  CHECK_EQ(sys(SYS_connect, s, at, sizeof *at), 0);
  return s;
}

CASE(read_listening_socket) {
  open_queue();
  struct sockaddr_in at;
  const long s = listener(&at);
  CHECK_EQ(change((uint64_t)s, EVFILT_READ, EV_ADD, 0, 0), 0);
  CHECK_EQ(take(0), 0);
  connected(&at);
  CHECK_EQ(take(2000), 1);
  CHECK_EQ(event.data, 1);
  CHECK_EQ(event.ext[2], 3);
  connected(&at);
  connected(&at);
  sleep_ms(20);
  CHECK_EQ(take(2000), 1);
  CHECK_EQ(event.data, 3);
  for (int i = 0; i < 3; ++i) CHECK(sys(SYS_accept, s, 0, 0) >= 0);
  CHECK_EQ(take(0), 0);
}
CASE(read_socket_end) {
  open_queue();
  struct sockaddr_in at;
  const long s = listener(&at), c = connected(&at), d = sys(SYS_accept, s, 0, 0);
  CHECK_EQ(change((uint64_t)d, EVFILT_READ, EV_ADD, 0, 0), 0);
  CHECK_EQ(sys(SYS_write, c, "12345", 5), 5);
  CHECK_EQ(take(2000), 1);
  CHECK_EQ(event.data, 5);
  CHECK_EQ(event.flags & EV_EOF, 0);
  CHECK_EQ(sys(SYS_shutdown, c, 1), 0);
  sleep_ms(10);
  CHECK_EQ(take(2000), 1);
  CHECK_EQ(event.data, 5);
  CHECK(event.flags & EV_EOF);
  CHECK_EQ(event.fflags, 0);
  char text[8];
  CHECK_EQ(sys(SYS_read, d, text, 8), 5);
  CHECK_EQ(take(2000), 1);
  CHECK_EQ(event.data, 0);
  CHECK(event.flags & EV_EOF);
}
CASE(read_reset_has_its_error) {
  open_queue();
  struct sockaddr_in at;
  const long s = listener(&at), c = connected(&at), d = sys(SYS_accept, s, 0, 0);
  CHECK_EQ(change((uint64_t)d, EVFILT_READ, EV_ADD, 0, 0), 0);
  CHECK_EQ(change((uint64_t)d, EVFILT_WRITE, EV_ADD | EV_DISABLE, 0, 0), 0);
  const int linger[2] = {1, 0};
  CHECK_EQ(sys(SYS_setsockopt, c, SOL_SOCKET, 0x80 /* SO_LINGER */, linger, sizeof linger), 0);
  CHECK_EQ(sys(SYS_close, c), 0);
  CHECK_EQ(take(2000), 1);
  CHECK(event.flags & EV_EOF);
  CHECK_EQ(event.fflags, ECONNRESET);
  char text[8];
  CHECK_EQ(sys(SYS_read, d, text, 8), -ECONNRESET);
}
CASE(read_low_water_mark) {
  open_queue();
  int fds[2];
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds), 0);
  CHECK_EQ(change((uint64_t)fds[0], EVFILT_READ, EV_ADD, NOTE_LOWAT, 4), 0);
  CHECK_EQ(sys(SYS_write, fds[1], "123", 3), 3);
  CHECK_EQ(take(50), 0);
  CHECK_EQ(sys(SYS_write, fds[1], "45", 2), 2);
  CHECK_EQ(take(2000), 1);
  CHECK_EQ(event.data, 5);
}
CASE(read_regular_file) {
  open_queue();
  const long fd = sys(SYS_openat, AT_FDCWD, "kq.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK_EQ(sys(SYS_write, fd, "0123456789", 10), 10);
  CHECK_EQ(change((uint64_t)fd, EVFILT_READ, EV_ADD, 0, 0), 0);
  CHECK_EQ(take(0), 0);   // at its end
  CHECK_EQ(sys(SYS_lseek, fd, 4, 0), 4);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(event.data, 6);
  CHECK_EQ(sys(SYS_lseek, fd, 15, 0), 15);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(event.data, -5);
  CHECK_EQ(change((uint64_t)fd, EVFILT_READ, EV_ADD, NOTE_FILE_POLL, 0), 0);
  CHECK_EQ(sys(SYS_lseek, fd, 10, 0), 10);
  CHECK_EQ(take(0), 1);   // as poll(2) sees it: always
  CHECK_EQ(event.data, 1);
  CHECK_EQ(change((uint64_t)fd, EVFILT_READ, EV_DELETE, 0, 0), 0);
  CHECK_EQ(change((uint64_t)fd, EVFILT_WRITE, EV_ADD, 0, 0), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(event.filter, EVFILT_WRITE);
  CHECK_EQ(event.data, 0);
}
CASE(write_pipe) {
  open_queue();
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(change((uint64_t)fds[1], EVFILT_WRITE, EV_ADD, 0, 0), 0);
  CHECK_EQ(take(0), 1);
  CHECK(event.data >= 512);
  CHECK_EQ(sys(SYS_close, fds[0]), 0);
  CHECK_EQ(take(2000), 1);
  CHECK(event.flags & EV_EOF);
  CHECK_EQ(change((uint64_t)fds[0], EVFILT_READ, EV_ADD, 0, 0), -EBADF);
}
CASE(empty_filter) {
  open_queue();
  struct sockaddr_in at;
  const long s = listener(&at), c = connected(&at), d = sys(SYS_accept, s, 0, 0);
  CHECK_EQ(change((uint64_t)c, EVFILT_EMPTY, EV_ADD, 0, 0), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(event.filter, EVFILT_EMPTY);
  CHECK_EQ(event.data, 0);
  static char block_of[65536];
  CHECK_EQ(sys(SYS_ioctl, c, 0x8004667e /* FIONBIO */, &(int){1}), 0);
  while (sys(SYS_write, c, block_of, sizeof block_of) > 0) {}
  CHECK_EQ(take(0), 0);
  CHECK_EQ(sys(SYS_ioctl, d, 0x8004667e, &(int){1}), 0);
  long seen = 0;
  for (int i = 0; i < 2000 && seen == 0; ++i) {
    while (sys(SYS_read, d, block_of, sizeof block_of) > 0) {}
    seen = take(5);
  }
  CHECK_EQ(seen, 1);
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(change((uint64_t)fds[1], EVFILT_EMPTY, EV_ADD, 0, 0), -EINVAL);
  CHECK_EQ(change(999, EVFILT_EMPTY, EV_ADD, 0, 0), -EBADF);
  CHECK_EQ(sys(SYS_close, c), 0);
  CHECK_EQ(take(0), 0);
}
CASE(timer_units) {
  open_queue();
  static const struct { unsigned unit; long amount; } units[] = {{0, 30}, {NOTE_MSECONDS, 30}, {NOTE_USECONDS, 30000}, {NOTE_NSECONDS, 30000000}};
  for (int i = 0; i < 4; ++i) {
    const long start = now_us();
    CHECK_EQ(change(7, EVFILT_TIMER, EV_ADD | EV_ONESHOT, units[i].unit, units[i].amount), 0);
    CHECK_EQ(take(5000), 1);
    CHECK(now_us() - start >= 29000);
    CHECK_EQ(event.data, 1);
    CHECK_EQ(event.fflags, 0);
    CHECK_EQ(change(7, EVFILT_TIMER, EV_DELETE, 0, 0), -ENOENT);
  }
  CHECK_EQ(change(7, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_SECONDS, 1), 0);
  CHECK_EQ(take(700), 0);
  CHECK_EQ(take(5000), 1);
  CHECK_EQ(change(7, EVFILT_TIMER, EV_ADD, NOTE_SECONDS | NOTE_MSECONDS, 1), -EINVAL);
  CHECK_EQ(change(7, EVFILT_TIMER, EV_ADD, 0x20, 1), -EINVAL);
  CHECK_EQ(change(7, EVFILT_TIMER, EV_ADD, 0, -1), -EINVAL);
  CHECK_EQ(change(7, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 0x7fffffffffffffff), 0);   // for ever
  CHECK_EQ(take(10), 0);
  CHECK_EQ(change(8, EVFILT_TIMER, EV_ADD, 0, 0), 0);   // every millisecond
  CHECK_EQ(take(2000), 1);
  CHECK_EQ(event.ident, 8);
}
CASE(timer_changes) {
  open_queue();
  CHECK_EQ(change(1, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 100), 0);
  CHECK_EQ(change(1, EVFILT_TIMER, EV_ADD, 0, 20), 0);   // EV_ADD sets it anew
  CHECK_EQ(take(5000), 1);
  CHECK_EQ(change(1, EVFILT_TIMER, EV_DISABLE, 0, 0), 0);
  sleep_ms(50);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(change(1, EVFILT_TIMER, EV_ENABLE, 0, 0), 0);
  CHECK_EQ(take(2000), 1);   // what expired meanwhile
  CHECK(event.data >= 2);
  struct timespec now;
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &now), 0);
  CHECK_EQ(change(2, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_ABSTIME | NOTE_SECONDS, now.tv_sec - 5), 0);
  CHECK_EQ(change(1, EVFILT_TIMER, EV_DELETE, 0, 0), 0);
  CHECK_EQ(take(2000), 1);   // long past
  CHECK_EQ(event.ident, 2);
  CHECK_EQ(change(3, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_ABSTIME | NOTE_MSECONDS, now.tv_sec * 1000 + now.tv_nsec / 1000000 + 100), 0);
  CHECK_EQ(take(20), 0);
  CHECK_EQ(take(5000), 1);
  CHECK_EQ(event.ident, 3);
}
CASE(user_operations) {
  open_queue();
  CHECK_EQ(change(1, EVFILT_USER, EV_ADD | EV_CLEAR, kCopy | 0xf0, 0), 0);
  CHECK_EQ(change(1, EVFILT_USER, 0, kOr | 0x0f, 0), 0);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(change(1, EVFILT_USER, 0, kTrigger, 77), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(event.fflags & 0xff, 0xff);
  CHECK_EQ(event.data, 77);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(change(1, EVFILT_USER, 0, kTrigger | kAnd | 0x3c, 0), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(event.fflags & 0xff, 0x3c);
  CHECK_EQ(change(1, EVFILT_USER, 0, kTrigger | kCopy | 0x111111, 0), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(event.fflags & 0xffffff, 0x111111);
  CHECK_EQ(change(2, EVFILT_USER, 0, kTrigger, 0), -ENOENT);
  CHECK_EQ(change(2, EVFILT_USER, EV_ADD, 0, 0), 0);
  CHECK_EQ(change(2, EVFILT_USER, 0, kTrigger, 0), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(take(0), 1);   // stays until EV_CLEAR
  CHECK_EQ(change(2, EVFILT_USER, EV_CLEAR, 0, 0), 0);
  CHECK_EQ(take(0), 0);
}
CASE(signal_counts) {
  open_queue();
  set_handler(SIGUSR1, SIG_IGN, 0);
  CHECK_EQ(change(SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0), 0);
  for (int i = 0; i < 5; ++i) send(SIGUSR1);
  CHECK_EQ(take(2000), 1);
  CHECK_EQ(event.data, 5);
  CHECK(event.flags & EV_CLEAR);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(change(SIGUSR1, EVFILT_SIGNAL, EV_DELETE, 0, 0), 0);
  send(SIGUSR1);
  CHECK_EQ(take(0), 0);
}
static volatile int handled;
static void count_it(int signal, struct siginfo* info, struct ucontext* context) { ++handled; }
CASE(signals_blocked) {
  open_queue();
  block(SIGTERM);
  block(SIGUSR2);
  send(SIGUSR2);   // before the registration
  CHECK_EQ(change(SIGTERM, EVFILT_SIGNAL, EV_ADD, 0, 0), 0);
  CHECK_EQ(change(SIGUSR2, EVFILT_SIGNAL, EV_ADD, 0, 0), 0);
  CHECK_EQ(take(20), 0);
  for (int i = 0; i < 3; ++i) {
    send(SIGTERM);
    CHECK_EQ(take(2000), 1);
    CHECK_EQ(event.ident, SIGTERM);
    CHECK_EQ(event.data, 1);
    CHECK_EQ(take(0), 0);
  }
  const long pid = start_process();
  if (pid == 0) {
    for (int i = 0; i < 2; ++i) {
      sleep_ms(30);
      sys(SYS_kill, sys(SYS_getppid), SIGUSR2);
    }
    quit(0);
  }
  long seen = 0;
  while (seen < 2) {
    CHECK_EQ(take(5000), 1);
    CHECK_EQ(event.ident, SIGUSR2);
    seen += event.data;
  }
  expect_exit(pid, 0);
  sigset_t set;
  CHECK_EQ(sys(SYS_sigpending, &set), 0);
  CHECK(sig_has(&set, SIGTERM) && sig_has(&set, SIGUSR2));
  on_signal(SIGTERM, count_it, 0);
  on_signal(SIGUSR2, count_it, 0);
  unblock(SIGTERM);
  unblock(SIGUSR2);
  CHECK_EQ(handled, 2);
  CHECK_EQ(take(0), 0);   // they have been counted
  send(SIGTERM);
  CHECK_EQ(handled, 3);
  CHECK_EQ(take(2000), 1);
  CHECK_EQ(event.data, 1);
}
static long exits_when_told(int* tell, int status) {
  int fds[2];
  make_pipe(fds);
  const long pid = start_process();
  if (pid == 0) {
    char c;
    sys(SYS_read, fds[0], &c, 1);
    if (status < 0) sys(SYS_kill, sys(SYS_getpid), -status);
    quit(status);
  }
  sys(SYS_close, fds[0]);
  *tell = fds[1];
  return pid;
}
CASE(process_exits) {
  open_queue();
  int tell;
  long pid = exits_when_told(&tell, 7);
  CHECK_EQ(change((uint64_t)pid, EVFILT_PROC, EV_ADD, kExit, 0), 0);
  CHECK_EQ(take(20), 0);
  CHECK_EQ(sys(SYS_write, tell, "x", 1), 1);
  CHECK_EQ(take(5000), 1);
  CHECK_EQ(event.fflags, kExit);
  CHECK_EQ(event.data, 7 << 8);
  CHECK(event.flags & EV_EOF);
  CHECK(event.flags & EV_ONESHOT);
  CHECK_EQ(take(0), 0);
  // A zombie reports at once.
  CHECK_EQ(change((uint64_t)pid, EVFILT_PROC, EV_ADD, kExit, 0), 0);
  CHECK_EQ(take(2000), 1);
  CHECK_EQ(event.data, 7 << 8);
  expect_exit(pid, 7);
  CHECK_EQ(change((uint64_t)pid, EVFILT_PROC, EV_ADD, kExit, 0), -ESRCH);
  pid = exits_when_told(&tell, -SIGKILL);
  CHECK_EQ(change((uint64_t)pid, EVFILT_PROC, EV_ADD, kExit, 0), 0);
  CHECK_EQ(sys(SYS_write, tell, "x", 1), 1);
  CHECK_EQ(take(5000), 1);
  CHECK_EQ(event.data & 0x7f, SIGKILL);
  CHECK_EQ(wait_signal(wait_for(pid)), SIGKILL);
}
CASE(process_descriptor) {
  open_queue();
  int fd = -1;
  struct raw_call c = {.number = SYS_pdfork, .args = {(unsigned long)&fd, 0}};
  raw_call(&c);
  if (c.rax == 0) {
    sleep_ms(50);
    quit(9);
  }
  CHECK_EQ(change((uint64_t)fd, EVFILT_PROCDESC, EV_ADD, kExit, 0), 0);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(take(5000), 1);
  CHECK_EQ(event.ident, fd);
  CHECK_EQ(event.data, 9 << 8);
  CHECK_EQ(change(0, EVFILT_PROCDESC, EV_ADD, kExit, 0), -EINVAL);
  CHECK_EQ(change(998, EVFILT_PROCDESC, EV_ADD, kExit, 0), -EBADF);
}
CASE(vnode_file_notes) {
  open_queue();
  const long fd = sys(SYS_openat, AT_FDCWD, "kqv.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK_EQ(change((uint64_t)fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, 0x7ff, 0), 0);
  CHECK_EQ(sys(SYS_pwrite, fd, "abc", 3, 0), 3);
  CHECK_EQ(gather() & (NOTE_WRITE | NOTE_EXTEND), NOTE_WRITE | NOTE_EXTEND);
  CHECK_EQ(sys(SYS_pwrite, fd, "ABC", 3, 0), 3);
  CHECK_EQ(gather() & (NOTE_WRITE | NOTE_EXTEND), NOTE_WRITE);
  char text[4];
  CHECK_EQ(sys(SYS_pread, fd, text, 3, 0), 3);
  CHECK_EQ(gather(), NOTE_READ);
  CHECK_EQ(sys(SYS_fchmod, fd, 0640), 0);
  CHECK_EQ(gather(), NOTE_ATTRIB);
  sys(SYS_unlink, "kqv2.tmp");
  CHECK_EQ(sys(SYS_link, "kqv.tmp", "kqv2.tmp"), 0);
  CHECK_EQ(gather() & NOTE_LINK, NOTE_LINK);
  long other = sys(SYS_openat, AT_FDCWD, "kqv.tmp", O_RDONLY);
  CHECK_EQ(gather(), NOTE_OPEN);
  CHECK_EQ(sys(SYS_close, other), 0);
  CHECK_EQ(gather(), NOTE_CLOSE);
  other = sys(SYS_openat, AT_FDCWD, "kqv.tmp", O_WRONLY);
  CHECK_EQ(sys(SYS_close, other), 0);
  CHECK_EQ(gather(), NOTE_OPEN | NOTE_CLOSE_WRITE);
  CHECK_EQ(sys(SYS_rename, "kqv.tmp", "kqv3.tmp"), 0);
  CHECK_EQ(gather() & NOTE_RENAME, NOTE_RENAME);
  CHECK_EQ(sys(SYS_unlink, "kqv2.tmp"), 0);
  CHECK(gather() & (NOTE_DELETE | NOTE_LINK));
  CHECK_EQ(sys(SYS_unlink, "kqv3.tmp"), 0);
  CHECK(gather() & NOTE_DELETE);
  int fds[2];
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds), 0);
  CHECK_EQ(change((uint64_t)fds[0], EVFILT_VNODE, EV_ADD, NOTE_WRITE, 0), -EINVAL);
}
CASE(vnode_directory_notes) {
  open_queue();
  sys(SYS_rmdir, "kqd.tmp/sub");
  sys(SYS_rmdir, "kqd.tmp");
  CHECK_EQ(sys(SYS_mkdir, "kqd.tmp", 0700), 0);
  const long fd = sys(SYS_openat, AT_FDCWD, "kqd.tmp", O_RDONLY | O_DIRECTORY);
  CHECK_EQ(change((uint64_t)fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_DELETE | NOTE_WRITE | NOTE_EXTEND | NOTE_LINK, 0), 0);
  sys(SYS_close, sys(SYS_openat, AT_FDCWD, "kqd.tmp/file", O_RDWR | O_CREAT, 0600));
  CHECK_EQ(gather(), NOTE_WRITE);
  CHECK_EQ(sys(SYS_unlink, "kqd.tmp/file"), 0);
  CHECK_EQ(gather(), NOTE_WRITE);
  CHECK_EQ(sys(SYS_mkdir, "kqd.tmp/sub", 0700), 0);
  CHECK_EQ(gather(), NOTE_WRITE | NOTE_LINK);
  CHECK_EQ(sys(SYS_rmdir, "kqd.tmp/sub"), 0);
  CHECK_EQ(gather(), NOTE_WRITE | NOTE_LINK);
  CHECK_EQ(sys(SYS_rmdir, "kqd.tmp"), 0);
  CHECK(gather() & NOTE_DELETE);
}
CASE(flags_and_user_data) {
  open_queue();
  struct kevent e = {1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, (void*)11, {0}};
  CHECK_EQ(sys(SYS_kevent, kq, &e, 1, 0, 0, 0), 0);
  e = (struct kevent){1, EVFILT_USER, EV_KEEPUDATA, kTrigger, 0, (void*)22, {0}};
  CHECK_EQ(sys(SYS_kevent, kq, &e, 1, 0, 0, 0), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(event.udata, (void*)11);
  e.flags = EV_ADD | EV_KEEPUDATA;
  CHECK_EQ(sys(SYS_kevent, kq, &e, 1, 0, 0, 0), -EINVAL);
  e.flags = EV_ENABLE | EV_DISABLE;
  CHECK_EQ(sys(SYS_kevent, kq, &e, 1, 0, 0, 0), -EINVAL);
  e.flags = EV_FORCEONESHOT;
  e.fflags = 0;
  CHECK_EQ(sys(SYS_kevent, kq, &e, 1, 0, 0, 0), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(event.udata, (void*)22);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(change(1, EVFILT_USER, 0, kTrigger, 0), -ENOENT);
  CHECK_EQ(change(0x100000000, EVFILT_READ, EV_ADD, 0, 0), -EBADF);
  CHECK_EQ(change(1, 1, EV_ADD, 0, 0), -EINVAL);
}
CASE(lists_and_timeouts) {
  open_queue();
  struct kevent changes[3] = {{999, EVFILT_READ, EV_ADD, 0, 0, 0, {0}}, {1, EVFILT_USER, EV_ADD, 0, 0, 0, {0}}, {998, EVFILT_READ, EV_ADD, 0, 0, 0, {0}}}, events[3];
  CHECK_EQ(sys(SYS_kevent, kq, changes, 3, 0, 0, 0), -EBADF);   // no room: the first error ends it
  CHECK_EQ(change(1, EVFILT_USER, 0, 0, 0), -ENOENT);
  CHECK_EQ(sys(SYS_kevent, kq, changes, 3, events, 3, 0), 2);
  CHECK_EQ(events[0].ident, 999);
  CHECK_EQ(events[1].ident, 998);
  CHECK_EQ(events[1].flags, EV_ERROR);
  CHECK_EQ(change(1, EVFILT_USER, 0, kTrigger, 0), 0);
  struct timespec bad = {0, 1000000000}, negative = {-1, 0}, huge = {0x7fffffffffffffff, 0};
  CHECK_EQ(sys(SYS_kevent, kq, 0, 0, events, 1, &bad), -EINVAL);
  CHECK_EQ(sys(SYS_kevent, kq, 0, 0, events, 1, &negative), -EINVAL);
  CHECK_EQ(sys(SYS_kevent, kq, 0, 0, events, 0, &bad), 0);
  CHECK_EQ(sys(SYS_kevent, kq, 0, 0, events, 1, &huge), 1);
  CHECK_EQ(sys(SYS_kevent, kq, 0, 0, events, 1, 8), -EFAULT);
  CHECK_EQ(sys(SYS_kevent, kq, 0, 0, 8, 1, 0), -EFAULT);
  CHECK_EQ(sys(SYS_kevent, kq, 0, -1, events, 1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_kevent, 999, 0, -1, events, 1, 0), -EBADF);
  CHECK_EQ(change(0, 0, EV_ADD, 0, 0), 0);   // filter 0 is passed over
}
CASE(descriptors_of_queues) {
  CHECK_EQ(sys(SYS_kqueuex, 2), -EINVAL);
  kq = sys(SYS_kqueuex, 1);
  CHECK(kq >= 0);
  CHECK_EQ(sys(SYS_fcntl, kq, F_GETFD), FD_CLOEXEC);
  CHECK_EQ(change(1, EVFILT_USER, EV_ADD, 0, 0), 0);
  struct pollfd p = {(int)kq, POLLIN, 0};
  CHECK_EQ(sys(SYS_poll, &p, 1, 0), 0);
  CHECK_EQ(change(1, EVFILT_USER, 0, kTrigger, 0), 0);
  CHECK_EQ(sys(SYS_poll, &p, 1, 0), 1);
  CHECK_EQ(p.revents, POLLIN);
  const long first = kq;
  kq = sys(SYS_dup, kq);
  CHECK(kq > first);
  CHECK_EQ(sys(SYS_close, first), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(event.filter, EVFILT_USER);
  char c;
  CHECK(sys(SYS_read, kq, &c, 1) < 0);
  CHECK_EQ(sys(SYS_close, kq), 0);
  CHECK_EQ(take(0), -EBADF);
}

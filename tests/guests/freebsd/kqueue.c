// kqueue: each filter, flags, and what happens when descriptors close.
#include "guest.h"

static long kq;
static long change(uint64_t ident, int filter, int flags, unsigned fflags, long data, void* udata) {
  struct kevent e = {ident, (int16_t)filter, (uint16_t)flags, fflags, data, udata, {0}};
  return sys(SYS_kevent, kq, &e, 1, 0, 0, 0);
}
static struct kevent event;
static long take(long ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  return sys(SYS_kevent, kq, 0, 0, &event, 1, ms < 0 ? 0 : &t);
}
static void open_queue(void) {
  kq = sys(SYS_kqueue);
  CHECK(kq >= 0);
}

CASE(read_filter) {
  open_queue();
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(change((uint64_t)fds[0], EVFILT_READ, EV_ADD, 0, 0, (void*)0x1234), 0);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(sys(SYS_write, fds[1], "abc", 3), 3);
  CHECK_EQ(take(1000), 1);
  CHECK_EQ(event.ident, fds[0]);
  CHECK_EQ(event.filter, EVFILT_READ);
  CHECK_EQ(event.data, 3);
  CHECK_EQ(event.udata, (void*)0x1234);
  CHECK_EQ(take(0), 1);    // level-triggered
  CHECK_EQ(sys(SYS_close, fds[1]), 0);
  CHECK_EQ(take(0), 1);
  CHECK(event.flags & EV_EOF);
  CHECK_EQ(change((uint64_t)fds[0], EVFILT_READ, EV_DELETE, 0, 0, 0), 0);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(change((uint64_t)fds[0], EVFILT_READ, EV_DELETE, 0, 0, 0), -ENOENT);
}
CASE(write_filter) {
  open_queue();
  int fds[2];
  CHECK_EQ(sys(SYS_pipe2, fds, O_NONBLOCK), 0);
  CHECK_EQ(change((uint64_t)fds[1], EVFILT_WRITE, EV_ADD, 0, 0, 0), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(event.filter, EVFILT_WRITE);
  CHECK(event.data > 0);
  static char block_of[65536];
  while (sys(SYS_write, fds[1], block_of, sizeof block_of) > 0) {}
  CHECK_EQ(take(0), 0);
}
CASE(edge_oneshot_dispatch) {
  open_queue();
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(sys(SYS_write, fds[1], "x", 1), 1);
  CHECK_EQ(change((uint64_t)fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, 0), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(sys(SYS_write, fds[1], "x", 1), 1);
  CHECK_EQ(take(1000), 1);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(change((uint64_t)fds[0], EVFILT_READ, EV_DELETE, 0, 0, 0), 0);
  CHECK_EQ(change((uint64_t)fds[0], EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 0, 0), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(change((uint64_t)fds[0], EVFILT_READ, EV_ENABLE, 0, 0, 0), -ENOENT);
  CHECK_EQ(change((uint64_t)fds[0], EVFILT_READ, EV_ADD | EV_DISPATCH, 0, 0, 0), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(change((uint64_t)fds[0], EVFILT_READ, EV_ENABLE, 0, 0, 0), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(change((uint64_t)fds[0], EVFILT_READ, EV_ADD | EV_DISABLE, 0, 0, 0), 0);
  CHECK_EQ(take(0), 0);
}
CASE(closing_removes) {
  open_queue();
  int fds[2];
  make_pipe(fds);
  const long copy = sys(SYS_dup, fds[0]);
  CHECK_EQ(sys(SYS_write, fds[1], "x", 1), 1);
  CHECK_EQ(change((uint64_t)fds[0], EVFILT_READ, EV_ADD, 0, 0, 0), 0);
  CHECK_EQ(sys(SYS_close, fds[0]), 0);
  CHECK_EQ(take(20), 0);
  CHECK_EQ(change((uint64_t)copy, EVFILT_READ, EV_ADD, 0, 0, 0), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(event.ident, copy);
  CHECK_EQ(sys(SYS_dup2, fds[1], copy), copy);
  CHECK_EQ(take(20), 0);
}
CASE(timer_filter) {
  open_queue();
  const long start = now_us();
  CHECK_EQ(change(7, EVFILT_TIMER, EV_ADD, 0, 20, 0), 0);
  CHECK_EQ(take(5000), 1);
  CHECK(now_us() - start >= 19000);
  CHECK_EQ(event.ident, 7);
  CHECK(event.data >= 1 && event.data <= (now_us() - start) / 20000);  // more than one on a busy machine
  sleep_ms(90);
  CHECK_EQ(take(0), 1);
  CHECK(event.data >= 3 && event.data <= (now_us() - start) / 20000);
  CHECK_EQ(change(7, EVFILT_TIMER, EV_DELETE, 0, 0, 0), 0);
  CHECK_EQ(change(8, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 4 /* NOTE_USECONDS */, 5000, 0), 0);
  CHECK_EQ(take(5000), 1);
  CHECK_EQ(take(30), 0);
}
CASE(signal_filter) {
  open_queue();
  set_handler(SIGUSR1, SIG_IGN, 0);
  CHECK_EQ(change(SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0, 0), 0);
  send(SIGUSR1);
  send(SIGUSR1);
  CHECK_EQ(take(1000), 1);
  CHECK_EQ(event.ident, SIGUSR1);
  CHECK_EQ(event.data, 2);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(change(SIGCHLD, EVFILT_SIGNAL, EV_ADD, 0, 0, 0), 0);
  const long pid = start_process();
  if (pid == 0) quit(0);
  CHECK_EQ(take(2000), 1);
  CHECK_EQ(event.ident, SIGCHLD);
  expect_exit(pid, 0);
}
CASE(process_filter) {
  open_queue();
  int fds[2];
  make_pipe(fds);
  const long pid = start_process();
  if (pid == 0) {
    char c;
    sys(SYS_read, fds[0], &c, 1);
    quit(33);
  }
  CHECK_EQ(change((uint64_t)pid, EVFILT_PROC, EV_ADD, 0x80000000 /* NOTE_EXIT */, 0, 0), 0);
  CHECK_EQ(take(20), 0);
  CHECK_EQ(sys(SYS_write, fds[1], "x", 1), 1);
  CHECK_EQ(take(5000), 1);
  CHECK_EQ(event.ident, pid);
  CHECK_EQ(event.fflags & 0x80000000, 0x80000000);
  CHECK_EQ(event.data, 33 << 8);
  CHECK_EQ(take(0), 0);
  expect_exit(pid, 33);
  CHECK_EQ(change(99999999, EVFILT_PROC, EV_ADD, 0x80000000, 0, 0), -ESRCH);
}
CASE(user_filter) {
  open_queue();
  CHECK_EQ(change(1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, 0), 0);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(change(1, EVFILT_USER, 0, 0x01000000 | 0xc0000000 | 5, 0, 0), 0);
  CHECK_EQ(take(0), 1);
  CHECK_EQ(event.fflags & 0xffffff, 5);
  CHECK_EQ(take(0), 0);
}
static void trigger(struct thread* t) {
  sleep_ms(50);
  CHECK_EQ(change(1, EVFILT_USER, 0, 0x01000000, 0, 0), 0);
}
CASE(wakes_another_thread) {
  static struct thread t;
  open_queue();
  CHECK_EQ(change(1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, 0), 0);
  thread_start(&t, trigger, 0);
  CHECK_EQ(take(-1), 1);
  thread_join(&t);
}
CASE(vnode_filter) {
  open_queue();
  const long fd = sys(SYS_openat, AT_FDCWD, "vnode.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0);
  CHECK_EQ(change((uint64_t)fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, 0x3f, 0, 0), 0);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(sys(SYS_write, fd, "x", 1), 1);
  CHECK_EQ(take(2000), 1);
  CHECK(event.fflags & 2);   // NOTE_WRITE
  while (take(20) == 1) {}
  CHECK_EQ(sys(SYS_rename, "vnode.tmp", "vnode2.tmp"), 0);
  CHECK_EQ(take(2000), 1);
  CHECK(event.fflags & 0x20);   // NOTE_RENAME
  while (take(20) == 1) {}
  CHECK_EQ(sys(SYS_unlink, "vnode2.tmp"), 0);
  unsigned seen = 0;
  while (take(200) == 1) seen |= event.fflags;
  CHECK(seen & 1);              // NOTE_DELETE
}
CASE(receipts_and_errors) {
  open_queue();
  struct kevent changes[2] = {{999, EVFILT_READ, EV_ADD, 0, 0, (void*)5, {0}}, {2, EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 0, 0, {0}}}, events[4];
  struct timespec none = {0, 0};
  CHECK_EQ(sys(SYS_kevent, kq, changes, 2, events, 4, &none), 2);
  CHECK(events[0].flags & EV_ERROR);
  CHECK_EQ(events[0].data, EBADF);
  CHECK_EQ(events[0].udata, (void*)5);
  CHECK(events[1].flags & EV_ERROR);
  CHECK_EQ(events[1].data, 0);
  CHECK_EQ(change(1, -99, EV_ADD, 0, 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS_kevent, 0, 0, 0, events, 1, &none), -EBADF);
  CHECK_EQ(sys(SYS_kevent, kq, 8, 1, 0, 0, 0), -EFAULT);
}
CASE(many_descriptors) {
  open_queue();
  enum { kPipes = 200 };
  static int fds[kPipes][2];
  for (int i = 0; i < kPipes; ++i) {
    make_pipe(fds[i]);
    CHECK_EQ(change((uint64_t)fds[i][0], EVFILT_READ, EV_ADD, 0, 0, (void*)(long)i), 0);
  }
  for (int i = 0; i < kPipes; i += 2) CHECK_EQ(sys(SYS_write, fds[i][1], "x", 1), 1);
  static struct kevent events[kPipes];
  struct timespec none = {0, 0};
  CHECK_EQ(sys(SYS_kevent, kq, 0, 0, events, kPipes, &none), kPipes / 2);
  for (int i = 0; i < kPipes / 2; ++i) CHECK_EQ((long)events[i].udata % 2, 0);
}
CASE(freebsd11_form) {
  open_queue();
  int fds[2];
  make_pipe(fds);
  struct kevent11 add = {(uint64_t)fds[0], EVFILT_READ, EV_ADD, 0, 0, (void*)9}, got[2];
  CHECK_EQ(sys(SYS_freebsd11_kevent, kq, &add, 1, 0, 0, 0), 0);
  CHECK_EQ(sys(SYS_write, fds[1], "abcd", 4), 4);
  CHECK_EQ(sys(SYS_freebsd11_kevent, kq, 0, 0, got, 2, 0), 1);
  CHECK_EQ(got[0].data, 4);
  CHECK_EQ(got[0].udata, (void*)9);
}
CASE(nested_queues) {
  open_queue();
  const long outer = sys(SYS_kqueue);
  struct kevent add = {(uint64_t)kq, EVFILT_READ, EV_ADD, 0, 0, 0, {0}}, got;
  CHECK_EQ(sys(SYS_kevent, outer, &add, 1, 0, 0, 0), 0);
  struct timespec none = {0, 0}, second = {1, 0};
  CHECK_EQ(sys(SYS_kevent, outer, 0, 0, &got, 1, &none), 0);
  CHECK_EQ(change(1, EVFILT_USER, EV_ADD, 0x01000000, 0, 0), 0);
  CHECK_EQ(change(1, EVFILT_USER, 0, 0x01000000, 0, 0), 0);
  CHECK_EQ(sys(SYS_kevent, outer, 0, 0, &got, 1, &second), 1);
  CHECK_EQ(got.ident, kq);
}
CASE(not_inherited_by_fork) {
  open_queue();
  const long pid = start_process();
  if (pid == 0) {
    struct timespec none = {0, 0};
    CHECK_EQ(sys(SYS_kevent, kq, 0, 0, &event, 1, &none), -EBADF);
    quit(0);
  }
  expect_exit(pid, 0);
}

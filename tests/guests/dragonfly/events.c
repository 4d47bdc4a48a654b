// kevent with DragonFly's numbers.
#include "guest.h"

static const struct timespec now = {0, 0};

CASE(pipes) {
  int fds[2];
  make_pipe(fds);
  const long kq = sys(SYS_kqueue);
  CHECK(kq >= 0);
  struct kevent e = {(unsigned long)fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, (void*)7}, got;
  CHECK_EQ(sys(SYS_kevent, kq, &e, 1, 0, 0, 0), 0);
  CHECK_EQ(sys(SYS_kevent, kq, 0, 0, &got, 1, &now), 0);
  CHECK_EQ(sys(SYS_write, fds[1], "abc", 3), 3);
  CHECK_EQ(sys(SYS_kevent, kq, 0, 0, &got, 1, 0), 1);
  CHECK_EQ(got.ident, fds[0]);
  CHECK_EQ(got.filter, EVFILT_READ);
  CHECK_EQ(got.data, 3);
  CHECK_EQ(got.udata, 7);
  char text[4];
  CHECK_EQ(sys(SYS_read, fds[0], text, 3), 3);
  sys(SYS_close, fds[1]);
  CHECK_EQ(sys(SYS_kevent, kq, 0, 0, &got, 1, 0), 1);
  CHECK_EQ(got.flags & (EV_EOF | EV_NODATA), EV_EOF | EV_NODATA);
}
CASE(user_events) {
  const long kq = sys(SYS_kqueue);
  struct kevent e = {5, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, 0}, got;
  CHECK_EQ(sys(SYS_kevent, kq, &e, 1, 0, 0, 0), 0);
  e.flags = 0, e.fflags = NOTE_TRIGGER;
  CHECK_EQ(sys(SYS_kevent, kq, &e, 1, 0, 0, 0), 0);
  CHECK_EQ(sys(SYS_kevent, kq, 0, 0, &got, 1, 0), 1);
  CHECK_EQ(got.filter, EVFILT_USER);
  CHECK_EQ(got.ident, 5);
}
CASE(errors_are_told_alone) {
  const long kq = sys(SYS_kqueue);
  struct kevent e = {1000, EVFILT_READ, EV_ADD, 0, 0, 0}, got;
  CHECK_EQ(sys(SYS_kevent, kq, &e, 1, &got, 1, 0), 1);
  CHECK_EQ(got.flags, EV_ERROR);
  CHECK_EQ(got.data, EBADF);
  CHECK_EQ(sys(SYS_kevent, kq, &e, 1, 0, 0, 0), -EBADF);
  e.filter = -11;
  CHECK_EQ(sys(SYS_kevent, kq, &e, 1, 0, 0, 0), -EINVAL);
}
CASE(timers_and_children) {
  const long kq = sys(SYS_kqueue);
  struct kevent e = {1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 20, 0}, got;
  const long start = now_us();
  CHECK_EQ(sys(SYS_kevent, kq, &e, 1, &got, 1, 0), 1);
  CHECK(now_us() - start >= 19000);
  CHECK_EQ(got.filter, EVFILT_TIMER);
  int fds[2];
  make_pipe(fds);
  const long pid = start_process();
  if (pid == 0) {
    char c;
    sys(SYS_read, fds[0], &c, 1);
    quit(5);
  }
  const struct kevent child = {(unsigned long)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, 0};
  CHECK_EQ(sys(SYS_kevent, kq, &child, 1, 0, 0, 0), 0);
  CHECK_EQ(sys(SYS_write, fds[1], "x", 1), 1);
  CHECK_EQ(sys(SYS_kevent, kq, 0, 0, &got, 1, 0), 1);
  CHECK_EQ(got.fflags, NOTE_EXIT);
  CHECK_EQ(got.data, 5 << 8);
  CHECK((got.flags & EV_EOF) != 0);
  CHECK_EQ(wait_for(pid), 5 << 8);
}

// kqueue: NetBSD's numbers and its structure of 40 bytes.
#include "guest.h"

static int queue;
static long change(uint64_t ident, unsigned filter, unsigned flags, unsigned fflags, long data) {
  const struct kevent e = {ident, filter, flags, fflags, data, (void*)0x77};
  return sys(SYS___kevent50, queue, &e, 1, 0, 0, 0);
}
static long next(struct kevent* e, long ms) {
  const struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  return sys(SYS___kevent50, queue, 0, 0, e, 1, &t);
}
static void make_queue(void) {
  queue = (int)sys(SYS_kqueue1, O_CLOEXEC);
  CHECK(queue >= 0);
  CHECK_EQ(sys(SYS_fcntl, queue, F_GETFD), FD_CLOEXEC);
}

CASE(pipes) {
  make_queue();
  int fds[2];
  make_pipe(fds);
  struct kevent e;
  CHECK_EQ(change((uint64_t)fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0), 0);
  CHECK_EQ(next(&e, 0), 0);
  CHECK_EQ(sys(SYS_write, fds[1], "abc", 3), 3);
  CHECK_EQ(next(&e, 1000), 1);
  CHECK_EQ(e.ident, fds[0]);
  CHECK_EQ(e.filter, EVFILT_READ);
  CHECK_EQ(e.data, 3);
  CHECK_EQ(e.udata, (void*)0x77);
  CHECK_EQ(next(&e, 0), 0);
  CHECK_EQ(sys(SYS_close, fds[1]), 0);
  CHECK_EQ(next(&e, 1000), 1);
  CHECK((e.flags & EV_EOF) != 0);
}

CASE(errors_take_slots) {
  make_queue();
  const struct kevent bad[2] = {{99, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, 0}, {1, 10, EV_ADD, 0, 0, 0}};
  struct kevent out[2];
  CHECK_EQ(sys(SYS___kevent50, queue, bad, 2, out, 2, 0), 2);
  CHECK_EQ(out[0].flags, EV_ERROR);
  CHECK_EQ(out[0].filter, EVFILT_READ);
  CHECK_EQ(out[0].data, EBADF);
  CHECK_EQ(out[1].flags, EV_ERROR);
  CHECK_EQ(out[1].filter, 10);
  CHECK_EQ(out[1].data, EINVAL);
  CHECK_EQ(sys(SYS___kevent50, queue, bad, 1, 0, 0, 0), -EBADF);
  CHECK_EQ(change(1, EVFILT_AIO, EV_ADD, 0, 0), -EINVAL);
  CHECK_EQ(change(1, EVFILT_USER, EV_DELETE, 0, 0), -ENOENT);
  const struct kevent receipt = {1, EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 0, 0};
  CHECK_EQ(sys(SYS___kevent50, queue, &receipt, 1, out, 2, 0), 1);
  CHECK_EQ(out[0].flags, EV_ERROR);
  CHECK_EQ(out[0].data, 0);
}

CASE(timers) {
  make_queue();
  struct kevent e;
  const struct { unsigned unit; long count; } kinds[] = {{0, 20}, {NOTE_USECONDS, 20000}, {NOTE_NSECONDS, 20000000}};
  for (unsigned i = 0; i < 3; ++i) {
    const long start = now_us();
    CHECK_EQ(change(i, EVFILT_TIMER, EV_ADD | EV_ONESHOT, kinds[i].unit, kinds[i].count), 0);
    CHECK_EQ(next(&e, 10000), 1);
    CHECK(now_us() - start >= 19000);
    CHECK_EQ(e.ident, i);
    CHECK_EQ(e.filter, EVFILT_TIMER);
  }
  CHECK_EQ(change(9, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_SECONDS, 30), 0);
  CHECK_EQ(next(&e, 10), 0);
  CHECK_EQ(change(9, EVFILT_TIMER, EV_ADD, 0x20, 1), -EINVAL);
}

static void nothing(int signal, struct siginfo* info, struct ucontext* context) {}
CASE(others) {
  make_queue();
  struct kevent e;
  CHECK_EQ(change(5, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0), 0);
  CHECK_EQ(next(&e, 0), 0);
  CHECK_EQ(change(5, EVFILT_USER, 0, NOTE_TRIGGER, 0), 0);
  CHECK_EQ(next(&e, 1000), 1);
  CHECK_EQ(e.filter, EVFILT_USER);
  on_signal(SIGUSR1, nothing, 0);
  CHECK_EQ(change(SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0), 0);
  send(SIGUSR1);
  CHECK_EQ(next(&e, 1000), 1);
  CHECK_EQ(e.filter, EVFILT_SIGNAL);
  CHECK_EQ(e.ident, SIGUSR1);
  CHECK_EQ(e.data, 1);
  const long pid = start_process();
  if (pid == 0) {
    sleep_us(20000);
    quit(5);
  }
  CHECK_EQ(change((uint64_t)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0), 0);
  CHECK_EQ(next(&e, 10000), 1);
  CHECK_EQ(e.filter, EVFILT_PROC);
  CHECK_EQ(e.ident, pid);
  CHECK_EQ(e.data, 5 << 8);
  CHECK_EQ(wait_for(pid), 5 << 8);
}

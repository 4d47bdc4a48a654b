// No wake-up may be lost between looking for signals and going to sleep.
#include "guest.h"

static volatile long got;
static void on(int signal, struct siginfo* info, struct ucontext* context) { ++got; }

static unsigned long seed = 88172645463325252UL;
static long random_below(long n) {
  seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
  return (long)(seed % (unsigned long)n);
}
static void spin_for(long n) {
  for (volatile long i = 0; i < n; ++i) {}
}

// The child waits `rounds` times, each time for one signal, and answers through the pipe.
static void rounds_of(void (*wait)(void), long rounds) {
  int answer[2];
  make_pipe(answer);
  alarm_after(100);
  block(SIGUSR1);
  on_signal(SIGUSR1, on, 0);
  const long pid = start_process();
  if (pid == 0) {
    for (long i = 0; i < rounds; ++i) {
      CHECK_EQ(sys(SYS_write, answer[1], "x", 1), 1);
      spin_for(random_below(300));
      wait();
      CHECK_EQ(got, i + 1);
    }
    quit(0);
  }
  for (long i = 0; i < rounds; ++i) {
    char byte;
    CHECK_EQ(sys(SYS_read, answer[0], &byte, 1), 1);
    spin_for(random_below(20000));
    CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
  }
  expect_exit(pid, 0);
}

static void by_sigsuspend(void) {
  sigset_t none;
  sig_empty(&none);
  CHECK_EQ(sys(SYS_sigsuspend, &none), -EINTR);
}
CASE(sigsuspend) { rounds_of(by_sigsuspend, 10000); }

static void by_ppoll(void) {
  sigset_t none;
  sig_empty(&none);
  CHECK_EQ(sys(SYS_ppoll, 0, 0, 0, &none), -EINTR);
}
CASE(ppoll) { rounds_of(by_ppoll, 10000); }

static void by_pselect(void) {
  sigset_t none;
  sig_empty(&none);
  CHECK_EQ(sys(SYS_pselect, 0, 0, 0, 0, 0, &none), -EINTR);
}
CASE(pselect) { rounds_of(by_pselect, 10000); }

static void by_sigwait(void) {
  sigset_t set = sig_only(SIGUSR1);
  int signal = 0;
  CHECK_EQ(sys(SYS_sigwait, &set, &signal), 0);
  CHECK_EQ(signal, SIGUSR1);
  ++got;
}
CASE(sigwait) { rounds_of(by_sigwait, 10000); }

static long queue = -1;
static void by_kevent(void) {
  if (queue < 0) {
    queue = sys(SYS_kqueue);
    struct kevent add = {SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0, 0, {0}};
    set_handler(SIGUSR1, SIG_IGN, 0);
    CHECK_EQ(sys(SYS_kevent, queue, &add, 1, 0, 0, 0), 0);
    unblock(SIGUSR1);
  }
  struct kevent event;
  struct timespec t = {30, 0};
  CHECK_EQ(sys(SYS_kevent, queue, 0, 0, &event, 1, &t), 1);
  CHECK_EQ(event.filter, EVFILT_SIGNAL);
  got += event.data;
}
CASE(kevent_signal) {
  // The queue must exist before the first signal: make it in the parent's image of the child.
  int answer[2];
  make_pipe(answer);
  alarm_after(100);
  const long pid = start_process();
  if (pid == 0) {
    queue = sys(SYS_kqueue);
    struct kevent add = {SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0, 0, {0}};
    set_handler(SIGUSR1, SIG_IGN, 0);
    CHECK_EQ(sys(SYS_kevent, queue, &add, 1, 0, 0, 0), 0);
    for (long i = 0; i < 10000; ++i) {
      CHECK_EQ(sys(SYS_write, answer[1], "x", 1), 1);
      spin_for(random_below(300));
      by_kevent();
      CHECK_EQ(got, i + 1);
    }
    quit(0);
  }
  for (long i = 0; i < 10000; ++i) {
    char byte;
    CHECK_EQ(sys(SYS_read, answer[0], &byte, 1), 1);
    spin_for(random_below(20000));
    CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
  }
  expect_exit(pid, 0);
}

// A blocking read, with the handler moving the program out of it if it had not begun: the self-pipe's older
// sibling. The handler writes the byte the read waits for, so no order of events may leave it asleep.
static int self[2];
static void feed(int signal, struct siginfo* info, struct ucontext* context) {
  ++got;
  CHECK_EQ(sys(SYS_write, self[1], "y", 1), 1);
}
static void by_read(void) {
  char byte;
  long r;
  do r = sys(SYS_read, self[0], &byte, 1);
  while (r == -EINTR);
  CHECK_EQ(r, 1);
}
CASE(read) {
  make_pipe(self);
  int answer[2];
  make_pipe(answer);
  alarm_after(100);
  on_signal(SIGUSR1, feed, 0);
  const long pid = start_process();
  if (pid == 0) {
    for (long i = 0; i < 10000; ++i) {
      CHECK_EQ(sys(SYS_write, answer[1], "x", 1), 1);
      by_read();
      CHECK_EQ(got, i + 1);
    }
    quit(0);
  }
  for (long i = 0; i < 10000; ++i) {
    char byte;
    CHECK_EQ(sys(SYS_read, answer[0], &byte, 1), 1);
    spin_for(random_below(20000));
    CHECK_EQ(sys(SYS_kill, pid, SIGUSR1), 0);
  }
  expect_exit(pid, 0);
}

// LWPs: making, waiting for, parking, names, lwpctl.
#include "guest.h"

static volatile int counter, word;

static void add_one(struct thread* t) {
  CHECK_EQ(thread_self(), t);
  CHECK_EQ(sys(SYS__lwp_self), t->tid);
  __atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
}
CASE(many) {
  enum { kThreads = 100 };
  static struct thread threads[kThreads];
  for (int i = 0; i < kThreads; ++i) thread_start(&threads[i], add_one, 0, 0);
  for (int i = 0; i < kThreads; ++i) thread_join(&threads[i]);
  CHECK_EQ(counter, kThreads);
}
CASE(any_of_them) {
  static struct thread threads[3];
  for (int i = 0; i < 3; ++i) thread_start(&threads[i], add_one, 0, 0);
  for (int i = 0; i < 3; ++i) {
    int departed = 0;
    CHECK_EQ(sys(SYS__lwp_wait, 0, &departed), 0);
    CHECK(departed != 0);
  }
  CHECK_EQ(sys(SYS__lwp_wait, 0, 0), -ESRCH);
}

static void park_for_ever(struct thread* t) {
  while (word == 0) sys(SYS_lwp_park, CLOCK_MONOTONIC, 0, 0, 0, 0, 0);
}
CASE(waiting_for_whom) {
  static struct thread t;
  const int self = (int)sys(SYS__lwp_self);
  CHECK_EQ(sys(SYS__lwp_wait, self, 0), -EDEADLK);
  CHECK_EQ(sys(SYS__lwp_wait, 1, 0), -ESRCH);
  thread_start(&t, park_for_ever, 0, LWP_DETACHED);
  CHECK_EQ(sys(SYS__lwp_wait, t.tid, 0), -ESRCH);
  CHECK_EQ(sys(SYS__lwp_detach, t.tid), -EINVAL);
  CHECK_EQ(sys(SYS__lwp_kill, t.tid, 0), 0);
  CHECK_EQ(sys(SYS__lwp_kill, t.tid, 64), -EINVAL);
  word = 1;
  CHECK_EQ(sys(SYS__lwp_unpark, t.tid, 0), 0);
  while (sys(SYS__lwp_kill, t.tid, 0) != -ESRCH) sys(SYS_sched_yield);
  CHECK_EQ(sys(SYS__lwp_unpark, t.tid, 0), -ESRCH);
  CHECK_EQ(sys(SYS__lwp_detach, t.tid), -ESRCH);
}

static void pong(struct thread* t) {
  const int other = (int)(long)t->arg;
  for (int i = 1; i <= 3000; ++i) {
    while (word != 2 * i - 1) sys(SYS_lwp_park, CLOCK_MONOTONIC, 0, 0, 0, 0, 0);
    word = 2 * i;
    CHECK_EQ(sys(SYS__lwp_unpark, other, 0), 0);
  }
}
CASE(ping_pong) {
  static struct thread t;
  const int self = (int)sys(SYS__lwp_self);
  thread_start(&t, pong, (void*)(long)self, 0);
  for (int i = 1; i <= 3000; ++i) {
    word = 2 * i - 1;
    // Wakes the other and sleeps in one call, if it has not been woken meanwhile.
    int waits = t.tid;
    while (word != 2 * i) {
      sys(SYS_lwp_park, CLOCK_MONOTONIC, 0, 0, waits, 0, 0);
      waits = 0;
    }
  }
  thread_join(&t);
}

CASE(parking) {
  const int self = (int)sys(SYS__lwp_self);
  struct timespec t = {0, 20000000};
  const long start = now_us();
  CHECK_EQ(sys(SYS_lwp_park, CLOCK_MONOTONIC, 0, &t, 0, 0, 0), -ETIMEDOUT);
  CHECK(now_us() - start >= 20000);
  CHECK_EQ(t.tv_sec, 0);
  CHECK_EQ(t.tv_nsec, 0);
  // One wake-up is kept, not two.
  CHECK_EQ(sys(SYS__lwp_unpark, self, 0), 0);
  CHECK_EQ(sys(SYS__lwp_unpark, self, 0), 0);
  CHECK_EQ(sys(SYS_lwp_park, CLOCK_MONOTONIC, 0, 0, 0, 0, 0), -EALREADY);
  t.tv_nsec = 1000000;
  CHECK_EQ(sys(SYS_lwp_park, CLOCK_MONOTONIC, 0, &t, 0, 0, 0), -ETIMEDOUT);
  t.tv_nsec = 1000000000;
  CHECK_EQ(sys(SYS_lwp_park, CLOCK_MONOTONIC, 0, &t, 0, 0, 0), -EINVAL);
  t = (struct timespec){1, 0};  // long ago
  CHECK_EQ(sys(SYS_lwp_park, CLOCK_REALTIME, TIMER_ABSTIME, &t, 0, 0, 0), -ETIMEDOUT);
  CHECK_EQ(sys(SYS_lwp_park, 99, 0, 0, 0, 0, 0), -EINVAL);
  // Nobody to wake: no sleep either.
  CHECK_EQ(sys(SYS_lwp_park, CLOCK_MONOTONIC, 0, 0, 1, 0, 0), -ESRCH);
  CHECK_EQ(sys(SYS__lwp_unpark_all, 0, 0, 0), 1024);
  const int targets[2] = {1, self};
  CHECK_EQ(sys(SYS__lwp_unpark_all, targets, 2, 0), 0);
  CHECK_EQ(sys(SYS_lwp_park, CLOCK_MONOTONIC, 0, 0, 0, 0, 0), -EALREADY);
  CHECK_EQ(sys(SYS__lwp_unpark_all, targets, 1025, 0), -EINVAL);
}

static volatile long parked;
static void handler(int signal, struct siginfo* info, struct ucontext* context) { counter = signal; }
static void park_once(struct thread* t) {
  word = 1;
  parked = sys(SYS_lwp_park, CLOCK_MONOTONIC, 0, 0, 0, 0, 0);
}
CASE(parks_end_with_signals) {
  static struct thread t;
  on_signal(SIGUSR1, handler, SA_RESTART);
  thread_start(&t, park_once, 0, 0);
  // Until it sleeps a signal may come too early for the call, which then is made all the same.
  while (parked == 0) {
    sys(SYS__lwp_kill, t.tid, SIGUSR1);
    sys(SYS_sched_yield);
  }
  CHECK_EQ(parked, -EINTR);
  CHECK_EQ(counter, SIGUSR1);
  thread_join(&t);
}
CASE(woken) {
  static struct thread t;
  thread_start(&t, park_once, 0, 0);
  while (sys(SYS__lwp_wakeup, t.tid) == -ENODEV) sys(SYS_sched_yield);
  thread_join(&t);
  CHECK_EQ(parked, -EINTR);
  CHECK_EQ(sys(SYS__lwp_wakeup, t.tid), -ESRCH);
}

static struct lwpctl* control;
static void take_control(struct thread* t) {
  struct lwpctl* again;
  CHECK_EQ(sys(SYS__lwp_ctl, 3, &control), 0);
  CHECK_EQ(control->lc_curcpu, -1);
  CHECK_EQ(sys(SYS__lwp_ctl, 1, &again), 0);
  CHECK_EQ(again, control);
}
CASE(control_words) {
  static struct thread t;
  CHECK_EQ(sys(SYS__lwp_ctl, 4, &control), -ENODEV);
  thread_start(&t, take_control, 0, 0);
  thread_join(&t);
  CHECK_EQ(control->lc_curcpu, -2);
}

CASE(names) {
  char name[32];
  CHECK_EQ(sys(SYS__lwp_setname, 0, "a name that is too long"), 0);
  CHECK_EQ(sys(SYS__lwp_getname, 0, name, sizeof name), 0);
  CHECK_EQ(strcmp(name, "a name that is "), 0);
  CHECK_EQ(sys(SYS__lwp_getname, sys(SYS__lwp_self), name, 4), 0);
  CHECK_EQ(strcmp(name, "a n"), 0);
  CHECK_EQ(sys(SYS__lwp_getname, 1, name, 4), -ESRCH);
}

static void ends_alone(struct thread* t) { sleep_us(20000); }
CASE(the_last_thread_ends_the_process) {
  static struct thread t;
  const long pid = start_process();
  if (pid == 0) {
    thread_start(&t, ends_alone, 0, LWP_DETACHED);
    sys(SYS__lwp_exit);
  }
  CHECK_EQ(wait_for(pid), 0);
}
CASE(in_a_forks_child) {
  static struct thread t;
  thread_start(&t, park_for_ever, 0, 0);
  const long pid = start_process();
  if (pid == 0) {
    CHECK_EQ(sys(SYS__lwp_self), sys(SYS_getpid));
    CHECK_EQ(sys(SYS__lwp_wait, 0, 0), -ESRCH);
    CHECK_EQ(sys(SYS__lwp_unpark, t.tid, 0), -ESRCH);
    quit(0);
  }
  CHECK_EQ(wait_for(pid), 0);
  word = 1;
  CHECK_EQ(sys(SYS__lwp_unpark, t.tid, 0), 0);
  thread_join(&t);
}

// Interval timers and ktimer_*: notification, overrun, clocks, what fork and delete leave; and waits whose time
// must not begin anew because of signals nobody handles.
#include "guest.h"

struct event { int notify, signo; long value; int tid; int pad[15]; };
_Static_assert(sizeof(struct event) == 80, "struct sigevent");
struct timer_time { struct timespec interval, value; };
enum { SIGEV_NONE = 0, SIGEV_SIGNAL = 1, SIGEV_THREAD = 2, SIGEV_KEVENT = 3, SIGEV_THREAD_ID = 4 };

static volatile int count;
static struct siginfo last;
static volatile long last_tid;
static void remember(int signal, struct siginfo* info, struct ucontext* context) {
  long tid = 0;
  sys(SYS_thr_self, &tid);
  last_tid = tid;
  last = *info;
  ++count;
}
static int make(int clock, int notify, int signo, long value, int tid) {
  struct event e = {notify, signo, value, tid, {0}};
  int id = -1;
  CHECK_EQ(sys(SYS_ktimer_create, clock, &e, &id), 0);
  return id;
}
static void wait_count(int n) {
  for (int i = 0; i < 3000 && count < n; ++i) sleep_ms(1);
  CHECK(count >= n);
}

CASE(signal) {
  on_signal(SIGUSR2, remember, 0);
  const int id = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR2, 0x1122334455667788, 0);
  struct timer_time t = {{0, 5000000}, {0, 5000000}}, now;
  CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &t, 0), 0);
  CHECK_EQ(sys(SYS_ktimer_gettime, id, &now), 0);
  CHECK(now.interval.tv_nsec == 5000000 && now.value.tv_sec == 0 && now.value.tv_nsec <= 5000000);
  wait_count(3);
  CHECK_EQ(last.si_code, SI_TIMER);
  CHECK_EQ(last.si_signo, SIGUSR2);
  CHECK_EQ(last.si_value.word, 0x1122334455667788);
  CHECK_EQ(last.reason.timer.si_timerid, id);
  t.interval.tv_nsec = t.value.tv_nsec = 0;
  struct timer_time old;
  CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &t, &old), 0);
  CHECK_EQ(old.interval.tv_nsec, 5000000);
  CHECK_EQ(sys(SYS_ktimer_gettime, id, &now), 0);
  CHECK(now.value.tv_sec == 0 && now.value.tv_nsec == 0);
  CHECK_EQ(sys(SYS_ktimer_delete, id), 0);
  CHECK_EQ(sys(SYS_ktimer_delete, id), -EINVAL);
}
CASE(default_event) {
  on_signal(SIGALRM, remember, 0);
  int id = -1;
  CHECK_EQ(sys(SYS_ktimer_create, CLOCK_REALTIME, 0, &id), 0);
  struct timer_time t = {{0, 0}, {0, 2000000}};
  CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &t, 0), 0);
  wait_count(1);
  CHECK_EQ(last.si_signo, SIGALRM);
  CHECK_EQ(last.si_value.sival_int, id);
}
static void receive(struct thread* t) { wait_count(1); }
CASE(thread) {
  static struct thread t;
  on_signal(SIGUSR1, remember, 0);
  thread_start(&t, receive, 0);
  const int id = make(CLOCK_REALTIME, SIGEV_THREAD_ID, SIGUSR1, 5, (int)t.tid);
  struct timer_time when = {{0, 0}, {0, 3000000}};
  CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &when, 0), 0);
  thread_join(&t);
  CHECK_EQ(last_tid, t.tid);
  CHECK_EQ(last.si_value.sival_int, 5);
}
CASE(none) {
  const int id = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
  struct timer_time t = {{0, 0}, {10, 0}}, now;
  CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &t, 0), 0);
  CHECK_EQ(sys(SYS_ktimer_gettime, id, &now), 0);
  CHECK(now.value.tv_sec == 9 || now.value.tv_sec == 10);
  CHECK_EQ(sys(SYS_ktimer_delete, id), 0);
}
CASE(absolute) {
  on_signal(SIGUSR1, remember, 0);
  const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
  for (int i = 0; i < 2; ++i) {
    count = 0;
    const int id = make(clocks[i], SIGEV_SIGNAL, SIGUSR1, 0, 0);
    struct timer_time t = {{0, 0}, {0, 0}};
    CHECK_EQ(sys(SYS_clock_gettime, clocks[i], &t.value), 0);
    t.value.tv_nsec += 30000000;
    if (t.value.tv_nsec >= 1000000000) t.value.tv_nsec -= 1000000000, ++t.value.tv_sec;
    const long start = now_us();
    CHECK_EQ(sys(SYS_ktimer_settime, id, TIMER_ABSTIME, &t, 0), 0);
    wait_count(1);
    CHECK(now_us() - start >= 29000);
    t.value.tv_sec = 1;   // long gone
    CHECK_EQ(sys(SYS_ktimer_settime, id, TIMER_ABSTIME, &t, 0), 0);
    wait_count(2);
    CHECK_EQ(sys(SYS_ktimer_delete, id), 0);
  }
}
CASE(overrun) {
  block(SIGUSR1);
  const int id = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 3, 0);
  struct timer_time t = {{0, 1000000}, {0, 1000000}};
  CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &t, 0), 0);
  sleep_ms(40);
  t.interval.tv_nsec = t.value.tv_nsec = 0;
  sigset_t set = sig_only(SIGUSR1);
  struct siginfo info;
  CHECK_EQ(sys(SYS_sigwaitinfo, &set, &info), SIGUSR1);
  CHECK_EQ(info.si_code, SI_TIMER);
  CHECK_EQ(info.reason.timer.si_timerid, id);
  CHECK(info.reason.timer.si_overrun >= 20);
  CHECK_EQ(info.si_value.word, 3);
  CHECK_EQ(sys(SYS_ktimer_getoverrun, id), info.reason.timer.si_overrun);
  CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &t, 0), 0);
}
// Of the thread with the id that thr_self() gives, of this one, of the process; and its time in user mode alone.
CASE(processor_time) {
  enum { CLOCK_VIRTUAL = 1, CLOCK_PROF = 2, kOfProcess = 0, kOfThread = 1 };
  long self = 0;
  CHECK_EQ(sys(SYS_thr_self, &self), 0);
  const struct { long id, kind; } of[] = {
      {self, kOfThread}, {0, kOfThread}, {sys(SYS_getpid), kOfProcess}, {0, kOfProcess}};
  for (unsigned i = 0; i < 4; ++i) {
    int clock = 0;
    struct timespec first = {0, 0}, then = {0, 0};
    CHECK_EQ(sys(SYS_clock_getcpuclockid2, of[i].id, of[i].kind, &clock), 0);
    CHECK_EQ(sys(SYS_clock_gettime, clock, &first), 0);
    for (volatile unsigned n = 0; n < 1000000; ++n) {
    }
    CHECK_EQ(sys(SYS_clock_gettime, clock, &then), 0);
    CHECK(then.tv_sec > first.tv_sec || then.tv_nsec > first.tv_nsec);
  }
  int clock = 0;
  CHECK_EQ(sys(SYS_clock_getcpuclockid2, 1L << 40, kOfThread, &clock), -ESRCH);
  struct timespec user = {-1, -1}, both = {-1, -1};
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_VIRTUAL, &user), 0);
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_PROF, &both), 0);
  CHECK(user.tv_sec >= 0 && user.tv_sec <= both.tv_sec + 1);
}
CASE(bad_timers) {
  int id = -1;
  struct event e = {SIGEV_SIGNAL, SIGUSR1, 0, 0, {0}};
  CHECK_EQ(sys(SYS_ktimer_create, 99, &e, &id), -EINVAL);
  CHECK_EQ(sys(SYS_ktimer_create, -1, &e, &id), -EINVAL);
  CHECK_EQ(sys(SYS_ktimer_create, 15, &e, &id), -EINVAL);   // processor time
  CHECK_EQ(sys(SYS_ktimer_create, 99, 8, &id), -EFAULT);
  CHECK_EQ(sys(SYS_ktimer_create, CLOCK_REALTIME, &e, 8), -EFAULT);
  const int notify[] = {SIGEV_THREAD, SIGEV_KEVENT, 17, -1};
  for (int i = 0; i < 4; ++i) {
    e.notify = notify[i];
    CHECK_EQ(sys(SYS_ktimer_create, CLOCK_REALTIME, &e, &id), -EINVAL);
  }
  e.notify = SIGEV_SIGNAL;
  const int signals[] = {0, -1, 129};
  for (int i = 0; i < 3; ++i) {
    e.signo = signals[i];
    CHECK_EQ(sys(SYS_ktimer_create, CLOCK_REALTIME, &e, &id), -EINVAL);
  }
  struct timer_time t = {{0, 0}, {0, 1000000000}};
  id = make(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, 0, 0);
  CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &t, 0), -EINVAL);
  t.value.tv_nsec = -1;
  CHECK_EQ(sys(SYS_ktimer_settime, id, 0, &t, 0), -EINVAL);
  CHECK_EQ(sys(SYS_ktimer_settime, id, 0, 8, 0), -EFAULT);
  CHECK_EQ(sys(SYS_ktimer_gettime, id, 8), -EFAULT);
  CHECK_EQ(sys(SYS_ktimer_settime, 12345, 0, &t, 0), -EINVAL);
  CHECK_EQ(sys(SYS_ktimer_gettime, 12345, &t), -EINVAL);
  CHECK_EQ(sys(SYS_ktimer_getoverrun, 12345), -EINVAL);
  CHECK_EQ(sys(SYS_ktimer_delete, -1), -EINVAL);
}
CASE(a_child_has_no_timers) {
  const int id = make(CLOCK_REALTIME, SIGEV_NONE, 0, 0, 0);
  struct itimerval t = {{0, 0}, {100, 0}}, now;
  CHECK_EQ(sys(SYS_setitimer, 0, &t, 0), 0);
  const long pid = start_process();
  if (pid == 0) {
    struct timer_time left;
    CHECK_EQ(sys(SYS_ktimer_gettime, id, &left), -EINVAL);
    CHECK_EQ(sys(SYS_getitimer, 0, &now), 0);
    CHECK(now.it_value.tv_sec == 0 && now.it_value.tv_usec == 0);
    quit(0);
  }
  expect_exit(pid, 0);
  CHECK_EQ(sys(SYS_getitimer, 0, &now), 0);
  CHECK(now.it_value.tv_sec >= 90);
}
CASE(interval_timers) {
  const int signals[] = {SIGALRM, SIGVTALRM, SIGPROF};
  for (int which = 0; which < 3; ++which) {
    count = 0;
    on_signal(signals[which], remember, 0);
    struct itimerval t = {{0, 2000}, {0, 2000}}, old;
    CHECK_EQ(sys(SYS_setitimer, which, &t, 0), 0);
    while (count < 3) {}
    CHECK_EQ(last.si_signo, signals[which]);
    CHECK_EQ(sys(SYS_setitimer, which, 0, &old), 0);   // without a new value it only asks
    CHECK_EQ(old.it_interval.tv_usec >= 1000, 1);
    t.it_interval.tv_usec = t.it_value.tv_usec = 0;
    CHECK_EQ(sys(SYS_setitimer, which, &t, &old), 0);
    CHECK(old.it_interval.tv_usec >= 1000 && old.it_interval.tv_usec <= 20000);
    CHECK_EQ(sys(SYS_getitimer, which, &old), 0);
    CHECK(old.it_value.tv_sec == 0 && old.it_value.tv_usec == 0);
  }
  struct itimerval bad = {{0, 0}, {0, 1000000}};
  CHECK_EQ(sys(SYS_setitimer, 0, &bad, 0), -EINVAL);
  bad.it_value.tv_usec = 0, bad.it_value.tv_sec = -1;
  CHECK_EQ(sys(SYS_setitimer, 0, &bad, 0), -EINVAL);
  CHECK_EQ(sys(SYS_setitimer, 3, &bad, 0), -EINVAL);
  CHECK_EQ(sys(SYS_getitimer, 3, &bad), -EINVAL);
  CHECK_EQ(sys(SYS_getitimer, 0, 8), -EFAULT);
  CHECK_EQ(sys(SYS_setitimer, 0, 8, 0), -EFAULT);
}

// --- sleeping ---------------------------------------------------------------------------------------------
CASE(sleep_arguments) {
  struct timespec t = {-5, 0}, left = {7, 7};
  CHECK_EQ(sys(SYS_nanosleep, &t, &left), 0);   // the past is no error
  CHECK(left.tv_sec == 7);
  t.tv_sec = 0, t.tv_nsec = 1000000000;
  CHECK_EQ(sys(SYS_nanosleep, &t, 0), -EINVAL);
  t.tv_nsec = -1;
  CHECK_EQ(sys(SYS_nanosleep, &t, 0), -EINVAL);
  CHECK_EQ(sys(SYS_nanosleep, 8, 0), -EFAULT);
  t.tv_nsec = 1000000;
  CHECK_EQ(sys(SYS_clock_nanosleep, CLOCK_MONOTONIC, 2, &t, 0), EINVAL);
  CHECK_EQ(sys(SYS_clock_nanosleep, 99, 0, &t, 0), EINVAL);
  CHECK_EQ(sys(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0), 0);
  CHECK_EQ(sys(SYS_clock_nanosleep, CLOCK_REALTIME, 0, 8, 0), EFAULT);
}
static void spend_time(struct thread* t) {
  const int id = *(int*)t->arg;
  struct timespec spent = {0, 0}, other;
  int own = 0;
  CHECK_EQ(sys(SYS_clock_getcpuclockid2, (long)t->tid, 1, &own), 0);
  CHECK(own != id);
  while (spent.tv_nsec < 5000000 && spent.tv_sec == 0) CHECK_EQ(sys(SYS_clock_gettime, own, &spent), 0);
  CHECK_EQ(sys(SYS_clock_gettime, id, &other), 0);
  CHECK_EQ(sys(SYS_clock_getcpuclockid2, 0L, 1, &own), 0);
  CHECK_EQ(sys(SYS_clock_gettime, own, &other), 0);
  CHECK(other.tv_sec > spent.tv_sec || other.tv_nsec >= spent.tv_nsec);
}
CASE(processor_time_of_threads) {
  static struct thread t;
  long self = 0;
  int id = 0;
  struct timespec spent;
  CHECK_EQ(sys(SYS_thr_self, &self), 0);
  CHECK_EQ(sys(SYS_clock_getcpuclockid2, self, 1, &id), 0);
  CHECK_EQ(sys(SYS_clock_gettime, id, &spent), 0);
  thread_start(&t, spend_time, &id);
  thread_join(&t);
  int process = 0;
  CHECK_EQ(sys(SYS_clock_getcpuclockid2, sys(SYS_getpid), 0, &process), 0);
  CHECK(process != id);
  CHECK_EQ(sys(SYS_clock_gettime, process, &spent), 0);
  CHECK(spent.tv_sec > 0 || spent.tv_nsec >= 5000000);
  CHECK_EQ(sys(SYS_clock_getcpuclockid2, 0L, 2, &id), -EINVAL);
}
static void pester(long pid, int signal) {   // for about a second
  for (int i = 0; i < 100; ++i) {
    sys(SYS_kill, pid, signal);
    sleep_ms(10);
  }
}
static void by_nanosleep(void) {
  struct timespec t = {0, 300000000};
  CHECK_EQ(sys(SYS_nanosleep, &t, 0), 0);
}
static void by_poll(void) { CHECK_EQ(sys(SYS_poll, 0, 0, 300), 0); }
static void by_select(void) {
  struct timeval t = {0, 300000};
  CHECK_EQ(sys(SYS_select, 0, 0, 0, 0, &t), 0);
}
static void by_kevent(void) {
  struct kevent event;
  struct timespec t = {0, 300000000};
  const long queue = sys(SYS_kqueue);
  CHECK_EQ(sys(SYS_kevent, queue, 0, 0, &event, 1, &t), 0);
  CHECK_EQ(sys(SYS_close, queue), 0);
}
static void by_sigtimedwait(void) {
  sigset_t set = sig_only(SIGUSR2);
  struct timespec t = {0, 300000000};
  CHECK_EQ(sys(SYS_sigtimedwait, &set, 0, &t), -EAGAIN);
}
static void by_umtx(void) {
  static uint32_t word;
  struct timespec t = {0, 300000000};
  CHECK_EQ(sys(SYS__umtx_op, &word, UMTX_WAIT_UINT, 0, sizeof t, &t), -ETIMEDOUT);
}
// SIGUSR1 is ignored, but a queue watches it, so that the runtime catches it: no wait may notice.
CASE(waits_outlast_signals_nobody_handles) {
  void (*const waits[])(void) = {by_nanosleep, by_poll, by_select, by_kevent, by_sigtimedwait, by_umtx};
  alarm_after(60);
  set_handler(SIGUSR1, SIG_IGN, 0);
  block(SIGUSR2);
  const long queue = sys(SYS_kqueue);
  struct kevent add = {SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0, 0, {0}};
  CHECK_EQ(sys(SYS_kevent, queue, &add, 1, 0, 0, 0), 0);
  for (int i = 0; i < 6; ++i) {
    const long me = sys(SYS_getpid), pid = start_process();
    if (pid == 0) {
      pester(me, SIGUSR1);
      quit(0);
    }
    const long start = now_us();
    waits[i]();
    const long took = now_us() - start;
    CHECK(took >= 295000);
    CHECK(took < 900000);
    sys(SYS_kill, pid, 9);
    wait_for(pid);
  }
}
// A stop and a continuation are no interruption either.
CASE(waits_outlast_a_stop) {
  void (*const waits[])(void) = {by_nanosleep, by_poll, by_select, by_kevent, by_sigtimedwait, by_umtx};
  block(SIGUSR2);
  for (int i = 0; i < 6; ++i) {
    const long pid = start_process();
    if (pid == 0) {
      waits[i]();
      quit(0);
    }
    for (int n = 0; n < 4; ++n) {
      sleep_ms(30);
      CHECK_EQ(sys(SYS_kill, pid, SIGSTOP), 0);
      sleep_ms(5);
      CHECK_EQ(sys(SYS_kill, pid, SIGCONT), 0);
    }
    expect_exit(pid, 0);
  }
}
CASE(nanosleep_says_what_is_left) {
  on_signal(SIGALRM, remember, SA_RESTART);
  struct itimerval soon = {{0, 0}, {0, 50000}};
  struct timespec t = {10, 0}, left = {0, 0};
  CHECK_EQ(sys(SYS_setitimer, 0, &soon, 0), 0);
  CHECK_EQ(sys(SYS_nanosleep, &t, &left), -EINTR);
  CHECK(left.tv_sec == 9 && left.tv_nsec > 100000000 && left.tv_nsec < 960000000);
  CHECK_EQ(sys(SYS_setitimer, 0, &soon, 0), 0);
  CHECK_EQ(sys(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, &left), EINTR);
  CHECK(left.tv_sec == 9);
  CHECK_EQ(sys(SYS_setitimer, 0, &soon, 0), 0);
  CHECK_EQ(sys(SYS_nanosleep, &t, 8), -EFAULT);
}

// Thread calls that libthr does not make, and the corners of those it does.
#include "guest.h"

struct parameters { void (*start)(void*); void* arg; char* stack; size_t stack_size; char* tls; size_t tls_size; long* child_tid; long* parent_tid; int flags; void* rtp; void* spare[3]; };
static long self_id(void) { long id = 0; CHECK_EQ(sys(SYS_thr_self, &id), 0); return id; }

CASE(suspend_and_wake) {
  struct timespec t = {0, 0};
  CHECK_EQ(sys(SYS_thr_suspend, &t), -ETIMEDOUT);
  t.tv_nsec = 20000000;
  const long start = now_us();
  CHECK_EQ(sys(SYS_thr_suspend, &t), -ETIMEDOUT);
  CHECK(now_us() - start >= 20000);
  t.tv_nsec = 1000000000;
  CHECK_EQ(sys(SYS_thr_suspend, &t), -EINVAL);
  t.tv_sec = -1, t.tv_nsec = 0;
  CHECK_EQ(sys(SYS_thr_suspend, &t), -EINVAL);
  CHECK_EQ(sys(SYS_thr_suspend, 8), -EFAULT);
  // A wake-up before the sleep is kept, once.
  CHECK_EQ(sys(SYS_thr_wake, self_id()), 0);
  CHECK_EQ(sys(SYS_thr_wake, self_id()), 0);
  CHECK_EQ(sys(SYS_thr_suspend, 0), 0);
  t.tv_sec = 0;
  CHECK_EQ(sys(SYS_thr_suspend, &t), -ETIMEDOUT);
  CHECK_EQ(sys(SYS_thr_wake, 1), -ESRCH);
  CHECK_EQ(sys(SYS_thr_wake, -1), -ESRCH);
  CHECK_EQ(sys(SYS_thr_wake, self_id() + 1000000), -ESRCH);
  CHECK_EQ(sys(SYS_thr_wake, self_id() + (1L << 32)), -ESRCH);
}
static void sleeper(struct thread* t) {
  for (int i = 0; i < 100; ++i) {
    CHECK_EQ(sys(SYS_thr_suspend, 0), 0);
    ++*(volatile long*)t->arg;
    sys(SYS_thr_wake, *(long*)((char*)t->arg + 4 * sizeof(long)));
  }
}
CASE(waking_others) {
  static struct { volatile long count[4]; long main[4]; } shared;
  static struct thread t[4];
  for (int i = 0; i < 4; ++i) shared.main[i] = self_id();
  for (int i = 0; i < 4; ++i) thread_start(&t[i], sleeper, (void*)&shared.count[i]);
  for (int i = 0; i < 4; ++i) {
    while (*(volatile long*)&t[i].tid == 0) sleep_ms(1);
    for (int n = 0; n < 100; ++n) {
      CHECK_EQ(sys(SYS_thr_wake, t[i].tid), 0);
      while (shared.count[i] == n) CHECK_EQ(sys(SYS_thr_suspend, 0), 0);
    }
  }
  for (int i = 0; i < 4; ++i) thread_join(&t[i]);
  struct timespec now = {0, 0};
  while (sys(SYS_thr_suspend, &now) == 0) {}   // the last may have come when nobody waited any more
}
static volatile int caught;
static void note(int signal, struct siginfo* info, struct ucontext* context) { (void)signal, (void)info, (void)context; ++caught; }
CASE(suspended_and_signalled) {
  on_signal(14 /* SIGALRM */, (handler_t*)note, 2 /* SA_RESTART */);
  struct itimerval soon = {{0, 0}, {0, 20000}};
  struct timespec t = {10, 0};
  CHECK_EQ(sys(SYS_setitimer, 0, &soon, 0), 0);
  CHECK_EQ(sys(SYS_thr_suspend, &t), -EINTR);     // with a time it is never begun anew
  CHECK_EQ(caught, 1);
  on_signal(14, (handler_t*)note, 0);
  CHECK_EQ(sys(SYS_setitimer, 0, &soon, 0), 0);
  CHECK_EQ(sys(SYS_thr_suspend, 0), -EINTR);
  CHECK_EQ(caught, 2);
}
static long created_tid;
static volatile double created_value;
static volatile uint32_t created_done;
static void created(long a, long b) {
  double d;
  __asm__ volatile("movsd %%xmm15, %0" : "=m"(d));
  created_value = d + (double)(a + b);
  created_done = 1;
  umtx_wake(&created_done, 1);
  sys(SYS_thr_exit, 0);
  __builtin_trap();
}
CASE(create) {
  static struct ucontext c;
  static char stack[32768] __attribute__((aligned(16)));
  static double seven = 7;
  __asm__ volatile("movsd %0, %%xmm15" : : "m"(seven) : "xmm15");
  CHECK_EQ(sys(SYS_getcontext, &c), 0);
  struct ucontext wrong = c;
  unsigned long* mc = (unsigned long*)((char*)&c + 16);
  mc[1] = 20, mc[2] = 15;                          // rdi, rsi
  mc[20] = (unsigned long)created;                 // rip
  mc[23] = (unsigned long)(stack + sizeof stack - 8);
  mc[22] &= ~1UL;
  CHECK_EQ(sys(SYS_thr_create, &c, &created_tid, 0), 0);
  CHECK(created_tid > self_id());
  while (created_done == 0) umtx_wait(&created_done, 0);
  CHECK(created_value == 42);
  CHECK_EQ(sys(SYS_thr_create, 8, &created_tid, 0), -EFAULT);
  CHECK_EQ(sys(SYS_thr_create, &c, 8, 0), -EFAULT);
  ((unsigned long*)((char*)&wrong + 16))[25] = 17;  // mc_len
  CHECK_EQ(sys(SYS_thr_create, &wrong, &created_tid, 0), -EINVAL);
}
static void run_short(void* arg) {
  *(volatile int*)arg = 1;
  sys(SYS_thr_exit, 0);
}
CASE(parameters) {
  static char stack[16384];
  static volatile int ran;
  unsigned short rtp[2] = {3, 99};                  // RTP_PRIO_NORMAL: the priority does not matter
  struct parameters p = {run_short, (void*)&ran, stack, sizeof stack, 0, 0, 0, 0, 1 /* THR_SUSPENDED: not so */, rtp, {0}};
  CHECK_EQ(sys(SYS_thr_new, &p, (int)sizeof p), 0);
  while (!ran) sleep_ms(1);
  CHECK_EQ(sys(SYS_thr_new, &p, -1), -EINVAL);
  CHECK_EQ(sys(SYS_thr_new, &p, (int)sizeof p + 1), -EINVAL);
  CHECK_EQ(sys(SYS_thr_new, 8, (int)sizeof p), -EFAULT);
  rtp[0] = 4;                                       // RTP_PRIO_IDLE
  CHECK_EQ(sys(SYS_thr_new, &p, (int)sizeof p), -EINVAL);
  rtp[0] = 2, rtp[1] = 32;
  CHECK_EQ(sys(SYS_thr_new, &p, (int)sizeof p), sys(SYS_geteuid) == 0 ? -EINVAL : -EPERM);
  p.rtp = (void*)8;
  CHECK_EQ(sys(SYS_thr_new, &p, (int)sizeof p), -EFAULT);
}
static volatile uint32_t may_end;
static void waits(struct thread* t) { (void)t; while (may_end == 0) umtx_wait(&may_end, 0); }
static void name_of(long id, char* to) {
  char path[64], digits[24];
  join(path, join(path, "/proc/self/task/", number(digits, (unsigned long)id - 100000)), "/comm");
  const long fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
  CHECK(fd >= 0);
  const long n = sys(SYS_read, fd, to, 31);
  CHECK(n > 0);
  to[n - 1] = 0;
  CHECK_EQ(sys(SYS_close, fd), 0);
}
CASE(names) {
  static struct thread t;
  char name[32];
  thread_start(&t, waits, 0);
  while (*(volatile long*)&t.tid == 0) sleep_ms(1);
  CHECK_EQ(sys(SYS_thr_set_name, self_id(), "first"), 0);
  CHECK_EQ(sys(SYS_thr_set_name, t.tid, "second thread's long name"), 0);
  name_of(self_id(), name);
  CHECK_EQ(strcmp(name, "first"), 0);
  name_of(t.tid, name);
  CHECK_EQ(memcmp(name, "second thread's", 15), 0);
  CHECK_EQ(sys(SYS_thr_set_name, t.tid, 8), -EFAULT);
  CHECK_EQ(sys(SYS_thr_set_name, 1, "x"), -ESRCH);
  CHECK_EQ(sys(SYS_thr_set_name, 1, 8), -EFAULT);
  CHECK_EQ(sys(SYS_thr_set_name, t.tid, 0), 0);
  name_of(t.tid, name);
  CHECK_EQ(name[0], 0);
  may_end = 1;
  umtx_wake(&may_end, 1);
  thread_join(&t);
}
CASE(minimal_timeout) {
  long value = 5;
  CHECK_EQ(sys(SYS__umtx_op, 0, 27, 0, &value, 0), 0);
  CHECK_EQ(value, 0);
  CHECK_EQ(sys(SYS__umtx_op, 0, 27, 0, 8, 0), -EFAULT);
  CHECK_EQ(sys(SYS__umtx_op, 0, 28, -1L, 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS__umtx_op, 0, 28, 30000000L, 0, 0), 0);
  CHECK_EQ(sys(SYS__umtx_op, 0, 27, 0, &value, 0), 0);
  CHECK_EQ(value, 30000000);
  // A wait until a moment that has passed takes that long nevertheless; relative ones are not touched.
  uint32_t word = 0;
  struct { struct timespec t; unsigned flags, clock; } when = {{1, 0}, 1, CLOCK_MONOTONIC};
  long start = now_us();
  CHECK_EQ(sys(SYS__umtx_op, &word, 11, 0, sizeof when, &when), -ETIMEDOUT);
  CHECK(now_us() - start >= 30000);
  when.t.tv_sec = 0, when.flags = 0;
  start = now_us();
  CHECK_EQ(sys(SYS__umtx_op, &word, 11, 0, sizeof when, &when), -ETIMEDOUT);
  CHECK(now_us() - start < 30000);
  const long pid = start_process();
  if (pid == 0) {
    value = 0;
    quit(sys(SYS__umtx_op, 0, 27, 0, &value, 0) == 0 && value == 30000000 ? 0 : 1);
  }
  expect_exit(pid, 0);
}

// How libthr cancels a thread that is about to sleep: a handler wakes its own thread, and the sleep is none,
// once, whatever SA_RESTART says. What does not sleep goes on as ever.
static void wake_oneself(int signal, struct siginfo* info, struct ucontext* context) {
  (void)signal, (void)info, (void)context;
  sys(SYS_thr_wake, self_id());
}
CASE(a_thread_that_woke_itself_does_not_sleep) {
  int pipe[2];
  char byte;
  unsigned word = 7;
  struct timespec long_time = {100, 0}, short_time = {0, 1000};
  on_signal(SIGUSR1, wake_oneself, SA_RESTART);
  CHECK_EQ(sys(SYS_pipe2, pipe, 0), 0);
  for (unsigned round = 0; round < 300; ++round) {
    CHECK_EQ(sys(SYS_thr_kill, self_id(), SIGUSR1), 0);
    CHECK_EQ(sys(SYS_getpid), sys(SYS_getpid));
    if (round % 3 == 0) CHECK_EQ(sys(SYS_read, pipe[0], &byte, 1), -EINTR);
    if (round % 3 == 1) CHECK_EQ(sys(SYS__umtx_op, &word, 11 /* UMTX_OP_WAIT_UINT */, 7, 0, 0), -EINTR);
    if (round % 3 == 2) CHECK_EQ(sys(SYS_nanosleep, &long_time, 0), -EINTR);
    CHECK_EQ(sys(SYS_nanosleep, &short_time, 0), 0);
  }
}

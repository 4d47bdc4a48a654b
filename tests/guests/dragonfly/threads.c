// Threads: lwp_create, local storage, umtx_sleep and umtx_wakeup, names.
#include "guest.h"

static volatile int word, counter;

static void add_one(struct thread* t) {
  CHECK_EQ(thread_self(), t);
  CHECK_EQ(sys(SYS_lwp_gettid), t->tid);
  __atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
}
CASE(many) {
  enum { kThreads = 100 };
  static struct thread threads[kThreads];
  for (int i = 0; i < kThreads; ++i) thread_start(&threads[i], add_one, 0);
  for (int i = 0; i < kThreads; ++i) thread_join(&threads[i]);
  CHECK_EQ(counter, kThreads);
}
CASE(bad_pointers) {
  struct lwp_params p = {0, 0, (void*)0x10, 0, 0};
  CHECK_EQ(sys(SYS_lwp_create, &p), -EFAULT);
  CHECK_EQ(sys(SYS_lwp_create, 8), -EFAULT);
  p.stack = (char*)map(4096) + 4096;
  p.tid1 = (int*)16;
  CHECK_EQ(sys(SYS_lwp_create, &p), -EFAULT);
}

// From one site, which becomes hot: what the kernel says to a plain sleep and what the runtime says are the same.
CASE(sleeps_of_a_hot_site) {
  static int value = 5;
  char* const gone = map(4096);
  CHECK_EQ(sys(SYS_munmap, gone, 4096), 0);
  const struct { const void* at; long value, limit, result; } sleeps[] = {
      {&value, 4, 0, -EBUSY},       {&value, 5 - (1L << 32), 1, -EAGAIN}, {(char*)&value + 1, 5, 0, -EFAULT}, {gone, 5, 0, -EINVAL},
      {(void*)64, 5, 0, -EINVAL},   {(void*)-4L, 5, 0, -EINVAL},          {&value, 5, -1, -EINVAL},           {&value, 5, 0, -EAGAIN},
  };
  enum { kSleeps = sizeof sleeps / sizeof *sleeps, kRounds = 100 };
  const long begun = now_us();
  for (int i = 0; i < kRounds * kSleeps; ++i) {
    const int which = i % kSleeps == kSleeps - 1 && i != kRounds * kSleeps - 1 ? 0 : i % kSleeps;   // the long one once
    CHECK_EQ(sys(SYS_umtx_sleep, sleeps[which].at, sleeps[which].value, sleeps[which].limit), sleeps[which].result);
  }
  CHECK(now_us() - begun >= 1990000);      // kern.umtx_timeout_max
  for (int i = 0; i < kRounds; ++i) {
    const void* const at = i % 4 == 0 ? (void*)&value : i % 4 == 1 ? (char*)&value + 2 : i % 4 == 2 ? gone : (void*)-4L;
    CHECK_EQ(sys(SYS_umtx_wakeup, at, i % 3), i % 4 == 0 ? 0 : i % 4 == 1 ? -EFAULT : -EINVAL);
  }
}

static void pong(struct thread* t) {
  for (int i = 1; i <= (int)(long)t->arg; ++i) {
    while (word != 2 * i - 1) sys(SYS_umtx_sleep, &word, 2 * i - 2, 0);
    word = 2 * i;
    CHECK_EQ(sys(SYS_umtx_wakeup, &word, 1), 0);
  }
}
CASE(ping_pong) {
  enum { kRounds = 3000 };
  static struct thread t;
  thread_start(&t, pong, (void*)kRounds);
  for (int i = 1; i <= kRounds; ++i) {
    word = 2 * i - 1;
    CHECK_EQ(sys(SYS_umtx_wakeup, &word, 0), 0);
    while (word != 2 * i) sys(SYS_umtx_sleep, &word, 2 * i - 1, 0);
  }
  thread_join(&t);
}
CASE(sleeps_end) {
  const long start = now_us();
  CHECK_EQ(sys(SYS_umtx_sleep, &word, 0, 30000), -EAGAIN);
  CHECK(now_us() - start >= 29000);
  CHECK_EQ(sys(SYS_umtx_sleep, &word, 1, 0), -EBUSY);
  CHECK_EQ(sys(SYS_umtx_sleep, &word, 0, -1), -EINVAL);
  CHECK_EQ(sys(SYS_umtx_sleep, (char*)&word + 1, 0, 1), -EFAULT);
  CHECK_EQ(sys(SYS_umtx_sleep, 16, 0, 1), -EINVAL);
  CHECK_EQ(sys(SYS_umtx_wakeup, 16, 1), -EINVAL);
  CHECK_EQ(sys(SYS_umtx_sleep, &word, 0, 0), -EAGAIN);  // after the two seconds that no sleep exceeds
  CHECK(now_us() - start >= 2000000);
}
CASE(words_shared_between_processes) {
  const long at = sys(SYS_mmap, 0, 4096, 3, MAP_SHARED | MAP_ANON, -1, 0, 0);
  CHECK(at > 0);
  volatile int* shared = (void*)at;
  const long pid = start_process();
  if (pid == 0) {
    while (shared[0] == 0) sys(SYS_umtx_sleep, shared, 0, 0);
    quit(shared[0]);
  }
  shared[0] = 9;
  CHECK_EQ(sys(SYS_umtx_wakeup, shared, 0), 0);
  CHECK_EQ(wait_for(pid), 9 << 8);
}

static void interrupted(int signal, struct siginfo* info, struct ucontext* context) { ++counter; }
static void sleep_once(struct thread* t) {
  word = 1;
  CHECK_EQ(sys(SYS_umtx_sleep, t->arg, 0, 0), -EINTR);
}
CASE(signals_interrupt_sleeps) {
  static struct thread t;
  static int never;
  on_signal(SIGUSR1, interrupted, 2 /* SA_RESTART */);
  thread_start(&t, sleep_once, &never);
  while (word == 0) sys(SYS_sched_yield);
  while (t.done == 0) {
    CHECK(sys(SYS_lwp_kill, -1, t.tid, SIGUSR1) <= 0);
    sleep_us(1000);
  }
  CHECK(counter > 0);
}

CASE(local_storage) {
  static long block[2];
  struct tls_info info = {block, 16}, got = {0, 0};
  CHECK_EQ(sys(SYS_set_tls_area, 0, &info, sizeof info), 0);
  block[0] = 77;
  long value;
  __asm__ volatile("movq %%fs:0, %0" : "=r"(value));
  CHECK_EQ(value, 77);
  CHECK_EQ(sys(SYS_get_tls_area, 0, &got, sizeof got), 0);
  CHECK_EQ(got.base, block);
  CHECK_EQ(got.size, 16);
  CHECK_EQ(sys(SYS_set_tls_area, 2, &info, sizeof info), -ERANGE);
  CHECK_EQ(sys(SYS_set_tls_area, 0, &info, -1), -EINVAL);
  info.size = -2;
  CHECK_EQ(sys(SYS_set_tls_area, 0, &info, sizeof info), -EINVAL);
}
CASE(processors) {
  uint64_t all[4] = {0}, one[4] = {0}, now[4] = {0};
  const long tid = sys(SYS_lwp_gettid);
  CHECK_EQ(sys(SYS_lwp_getaffinity, 0, -1, all), 0);
  CHECK(all[0] != 0);
  one[0] = all[0] & -all[0];
  CHECK_EQ(sys(SYS_lwp_setaffinity, 0, tid, one), 0);
  CHECK_EQ(sys(SYS_lwp_getaffinity, 0, tid, now), 0);
  CHECK_EQ(now[0], one[0]);
  CHECK_EQ(sys(SYS_lwp_setaffinity, 0, tid, all), 0);
  int cpu = -1;
  CHECK_EQ(sys(SYS_usched_set, 0, 4 /* USCHED_GET_CPU */, &cpu, sizeof cpu), 0);
  CHECK(cpu >= 0);
  CHECK_EQ(sys(SYS_usched_set, 0, 5 /* USCHED_GET_CPUMASK */, now, sizeof now), 0);
  CHECK_EQ(now[0], all[0]);
  CHECK_EQ(sys(SYS_usched_set, 0, 1 /* USCHED_SET_CPU */, &cpu, sizeof cpu), -EPERM);
  uint64_t none[4] = {0};
  CHECK_EQ(sys(SYS_lwp_setaffinity, 0, tid, none), -EPERM);
  CHECK_EQ(sys(SYS_lwp_setaffinity, 1, -1, all), -EPERM);
  CHECK_EQ(sys(SYS_lwp_getaffinity, 0, 0x3ffffff0, now), -ESRCH);
}
CASE(priorities_and_clocks) {
  uint16_t priority[2] = {9, 9};
  CHECK_EQ(sys(SYS_lwp_rtprio, 0, 0, -1, priority), 0);
  CHECK_EQ(priority[0], 1);  // RTP_PRIO_NORMAL
  CHECK_EQ(priority[1], 0);
  priority[0] = 3;  // RTP_PRIO_THREAD
  CHECK_EQ(sys(SYS_lwp_rtprio, 1, 0, -1, priority), -EINVAL);
  uint64_t clock = 0;
  struct timespec spent = {-1, -1};
  CHECK_EQ(sys(SYS_getcpuclockid, 0, sys(SYS_lwp_gettid), &clock), 0);
  CHECK_EQ(sys(SYS_clock_gettime, clock, &spent), 0);
  CHECK(spent.tv_sec >= 0 && spent.tv_nsec > 0);
  CHECK_EQ(sys(SYS_getcpuclockid, 0, 0x3ffffff0, &clock), -ESRCH);
}
CASE(names) {
  char name[32] = "";
  CHECK_EQ(sys(SYS_lwp_setname, sys(SYS_lwp_gettid), "worker"), 0);
  CHECK_EQ(sys(SYS_lwp_getname, sys(SYS_lwp_gettid), name, sizeof name), 0);
  CHECK_EQ(strcmp(name, "worker"), 0);
  CHECK_EQ(sys(SYS_lwp_getname, sys(SYS_lwp_gettid), name, 4), 0);
  CHECK_EQ(strcmp(name, "wor"), 0);
  CHECK_EQ(sys(SYS_lwp_setname, 0x3ffffff0, "x"), -ESRCH);
}

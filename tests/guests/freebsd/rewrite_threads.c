// Several threads run a site from its first call on, while it becomes hot; and clocks, across threads.
#include "../bsd/rewrite.h"

enum { kWorkers = 2 };                     // besides the first thread, which does the same
static struct thread workers[kWorkers];
static volatile unsigned wanted_round, finished;
static void (*volatile job)(unsigned worker, unsigned round);
static void work(struct thread* t) {
  for (unsigned round = 1;; ++round) {
    while (wanted_round < round) sys(SYS_sched_yield);
    if (job == 0) return;
    job((unsigned)(long)t->arg, round);
    __atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
  }
}
static void start_workers(void (*of)(unsigned, unsigned)) {
  alarm_after(110 * rounds(1));
  know();
  job = of;
  for (long i = 0; i < kWorkers; ++i) thread_start(&workers[i], work, (void*)(i + 1));
}
static void one_round(bool with_me) {
  finished = 0;
  const unsigned round = ++wanted_round;
  if (with_me) job(0, round);
  while (finished != kWorkers) sys(SYS_sched_yield);
}
static void stop_workers(void) {
  job = 0;
  ++wanted_round;
  for (int i = 0; i < kWorkers; ++i) thread_join(&workers[i]);
}

// --- the same site at the same time --------------------------------------------------------------------------------
static unsigned char* routine;
static unsigned char* failing;
static void hammer(unsigned worker, unsigned round) {
  for (int i = 0; i < 600; ++i) {
    CHECK_EQ(call(routine), wanted(round));
    if (i % 4 == 0) CHECK_EQ(call(failing), EBADF);
  }
}
CASE(one_site_for_all) {
  start_workers(hammer);
  static const unsigned kOffsets[] = {0x100, 0x13b, 0x13a, 0x139, 0x138, 0x137, 0x136, 0xff5, 0xff6, 0xff7, 0xff8, 0xff9, 0xffa};
  for (unsigned round = 1; round <= rounds(300); ++round) {
    unsigned char* const pages = code_pages(2);
    struct text t;
    routine = pages + kOffsets[round % 13];
    make_text(&t, round % 7, kNumbers[round % 6], (unsigned long)routine);
    emit(routine, t.bytes, t.size);
    failing = pages + 0x600 + round % 64;
    make_text(&t, round % 5, SYS_close, (unsigned long)failing);
    emit(failing, t.bytes, t.size);
    make_runnable(pages, 2);
    one_round(true);
    make_writable(pages, 2);
    expect_bytes(failing, &t);
    CHECK_EQ(sys(SYS_munmap, pages, 2 * kPage), 0);
  }
  stop_workers();
}

enum { kSites = 110, kApart = 0x35 };
static unsigned char* many;
static void round_on_new_pages(unsigned round) {
  unsigned char* const pages = code_pages(2);
  many = pages + round % 64;
  for (unsigned i = 0; i < kSites; ++i) {
    struct text t;
    make_text(&t, i + round / 6, kNumbers[(i + round) % 6], (unsigned long)(many + i * kApart));
    emit(many + i * kApart, t.bytes, t.size);
  }
  make_runnable(pages, 2);
  one_round(true);
  CHECK_EQ(sys(SYS_munmap, pages, 2 * kPage), 0);
}
static void hammer_many(unsigned worker, unsigned round) {
  for (unsigned i = 0; i < kSites; ++i)
    for (int n = 0; n < 10; ++n) CHECK_EQ(call(many + i * kApart), wanted(i + round));
}
CASE(many_sites_one_after_the_other) {
  start_workers(hammer_many);
  for (unsigned round = 1; round <= rounds(250); ++round) {
    round_on_new_pages(round);
  }
  stop_workers();
}
// Each thread starts at another site, so that one runs what another has just made hot, and its neighbours.
static void hammer_apart(unsigned worker, unsigned round) {
  for (unsigned i = 0; i < kSites; ++i) {
    const unsigned at = (i + worker * 5) % kSites;
    for (int n = 0; n < 9; ++n) CHECK_EQ(call(many + at * kApart), wanted(at + round));
  }
}
CASE(neighbouring_sites) {
  start_workers(hammer_apart);
  for (unsigned round = 1; round <= rounds(150); ++round) {
    round_on_new_pages(round);
  }
  stop_workers();
}

// A page becomes writable and back while others run it: it stays executable all the time.
static volatile bool changing;
static void run_while_changing(unsigned worker, unsigned round) {
  while (changing) {
    const long r = call(routine);
    CHECK(r == pid || r == parent);
    CHECK_EQ(call(failing), EBADF);
  }
}
CASE(protection_changes_under_others) {
  start_workers(run_while_changing);
  for (unsigned which = 0; which < 6; ++which) {
    unsigned char* const pages = code_pages(2);
    struct text t, f;
    routine = pages + 0x103;                                  // the number is aligned, and one store
    make_text(&t, which, SYS_getpid, (unsigned long)routine);
    CHECK_EQ((routine + t.number_at - pages) % 4, 0);
    emit(routine, t.bytes, t.size);
    failing = pages + (which < 3 ? 0xffa : 0x400);
    make_text(&f, which, SYS_close, (unsigned long)failing);
    emit(failing, f.bytes, f.size);
    make_runnable(pages, 2);
    changing = true;
    finished = 0;
    ++wanted_round;
    for (unsigned i = 0; i < rounds(1200); ++i) {
      for (unsigned n = 0; n < i % 16; ++n) call(routine);
      protect(pages, 2, PROT_READ | PROT_WRITE | PROT_EXEC);
      for (unsigned b = 0; b < t.size; ++b)
        if (b < t.number_at || b >= t.number_at + 4) CHECK_EQ(((volatile unsigned char*)routine)[b], t.bytes[b]);
      expect_bytes(failing, &f);
      *(volatile unsigned*)(void*)(routine + t.number_at) = i % 2 ? SYS_getpid : SYS_getppid;
      CHECK_EQ(call(routine), i % 2 ? pid : parent);
      make_runnable(pages, 2);
      for (unsigned n = 0; n < 12; ++n) CHECK_EQ(call(routine), i % 2 ? pid : parent);
    }
    changing = false;
    while (finished != kWorkers) sys(SYS_sched_yield);
    CHECK_EQ(sys(SYS_munmap, pages, 2 * kPage), 0);
  }
  stop_workers();
}

// --- clocks ------------------------------------------------------------------------------------------------------------
// clock_gettime(rdi, rsi) at a site of its own.
static unsigned char* clock_routine(unsigned kind) {
  unsigned char* const page = code_pages(1);
  struct text t;
  make_text(&t, kind, SYS_clock_gettime, 0x20 + kind);
  emit(page + 0x20 + kind, t.bytes, t.size);
  make_runnable(page, 1);
  return page + 0x20 + kind;
}
static long read_clock(const void* at, long id, void* to) { return ((long (*)(long, void*))(uintptr_t)at)(id, to); }
static void discard_routine(unsigned char* at) { CHECK_EQ(sys(SYS_munmap, (unsigned long)at & ~(kPage - 1UL), kPage), 0); }
static long nanoseconds(const void* at, long id) {
  struct timespec t = {-1, -1};
  CHECK_EQ(read_clock(at, id, &t), 0);
  CHECK(t.tv_sec >= 0 && t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
  return t.tv_sec * 1000000000 + t.tv_nsec;
}

static const long kMonotonic[] = {4, 5, 11, 7};   // MONOTONIC, UPTIME, MONOTONIC_PRECISE, UPTIME_PRECISE
static volatile long newest;
static void race_the_clock(unsigned worker, unsigned round) {
  for (int i = 0; i < 2000; ++i) {
    long seen = __atomic_load_n(&newest, __ATOMIC_SEQ_CST);
    const long now = nanoseconds(routine, kMonotonic[round % 4]);
    CHECK(now >= seen);
    while (seen < now && !__atomic_compare_exchange_n(&newest, &seen, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {}
  }
}
CASE(monotonic_clocks_never_go_back) {
  start_workers(race_the_clock);
  for (unsigned round = 1; round <= rounds(60); ++round) {
    routine = clock_routine(round % 7);
    if (round % 4 != (round - 1) % 4) newest = 0;
    one_round(true);
    discard_routine(routine);
  }
  stop_workers();
}
CASE(every_clock) {
  // The same from a cold and from a hot site, and the clocks agree with each other.
  for (long id = -2; id < 20; ++id) {
    unsigned char* const cold = clock_routine((unsigned)(id + 2) % 7);
    struct timespec first = {-7, -7};
    const long refused = read_clock(cold, id, &first);
    CHECK(refused == 0 || refused == EINVAL);
    long last = first.tv_sec * 1000000000 + first.tv_nsec;
    for (int i = 0; i < 4 * kWarm; ++i) {
      struct timespec t = {-7, -7};
      CHECK_EQ(read_clock(cold, id, &t), refused);
      if (refused != 0) CHECK(t.tv_sec == -7 && t.tv_nsec == -7);
      if (refused != 0) continue;
      const long now = t.tv_sec * 1000000000 + t.tv_nsec;
      if (id != 0 && id != 9 && id != 10 && id != 13) CHECK(now >= last);       // the real ones may be set
      CHECK(now - last < 100000000000);
      last = now;
    }
    discard_routine(cold);
  }
  static const long kSame[][2] = {{4, 5}, {4, 11}, {5, 7}, {0, 9}};
  for (unsigned i = 0; i < sizeof kSame / sizeof *kSame; ++i) {
    unsigned char* const at = clock_routine(i);
    for (int n = 0; n < kWarm; ++n) {
      const long a = nanoseconds(at, kSame[i][0]), b = nanoseconds(at, kSame[i][1]), c = nanoseconds(at, kSame[i][0]);
      CHECK(a <= b && b <= c);
    }
    discard_routine(at);
  }
  // Coarse clocks are behind, but not by much.
  unsigned char* const at = clock_routine(0);
  for (int n = 0; n < kWarm; ++n) {
    const long coarse = nanoseconds(at, 12), fine = nanoseconds(at, 4);
    CHECK(coarse <= fine && fine - coarse < 10000000000);
  }
}
CASE(bad_clocks_and_pointers) {
  static const unsigned long kHost = 0x7f0000000000, kKernel = 0xffffffff81000000;
  char* const gone = map(kPage);
  CHECK_EQ(sys(SYS_munmap, gone, kPage), 0);
  char* const pages = map(2 * kPage);
  CHECK_EQ(sys(SYS_mprotect, pages, kPage, PROT_READ), 0);
  char* const edge = map(2 * kPage) + kPage - 8;                 // the seconds fit, the rest does not
  CHECK_EQ(sys(SYS_munmap, edge + 8, kPage), 0);
  void* const bad[] = {0, (void*)8, gone, pages, edge, edge + 1, pages + kPage - 4, (void*)kHost, (void*)(kHost + 0xfff123450000 % 0x10000000), (void*)0x7ffffffff000, (void*)0x7fffffffffff, (void*)0x7ffffffffff8,
                       (void*)0x800000000000, (void*)0x2a0000000000, (void*)(0x2a0000000000 - 8), (void*)0x123456789abcdef0, (void*)kKernel, (void*)-1, (void*)-8, (void*)-16, (void*)0xffff800000000000};
  for (unsigned kind = 0; kind < 7; ++kind) {
    unsigned char* const at = clock_routine(kind);
    for (int i = 0; i < kWarm; ++i) {
      for (unsigned b = 0; b < sizeof bad / sizeof *bad; ++b) {
        CHECK_EQ(read_clock(at, CLOCK_MONOTONIC, bad[b]), EFAULT);
        CHECK_EQ(read_clock(at, CLOCK_REALTIME, bad[b]), EFAULT);
        CHECK_EQ(read_clock(at, 0x100000004, bad[b]), EFAULT);   // only the lower half is the id
      }
      struct timespec t;
      CHECK_EQ(read_clock(at, 0x700000004, &t), 0);
      CHECK_EQ(read_clock(at, 3, &t), EINVAL);
      // The id is looked at before anything is copied out (FreeBSD 14.0 sys/kern/kern_time.c, sys_clock_gettime()).
      for (unsigned b = 0; b < sizeof bad / sizeof *bad; ++b) CHECK_EQ(read_clock(at, 77, bad[b]), EINVAL);
      CHECK_EQ(read_clock(at, 0x7fffffff, &t), EINVAL);
      CHECK_EQ(read_clock(at, CLOCK_MONOTONIC, pages + kPage), 0);
      CHECK_EQ(read_clock(at, CLOCK_MONOTONIC, pages + kPage + 3), 0);
      CHECK_EQ(read_clock(at, CLOCK_MONOTONIC, pages + 2 * kPage - 16), 0);
    }
    discard_routine(at);
  }
}

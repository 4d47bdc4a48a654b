// What is measured from within. `calls MEASURE [ARGUMENT]` prints picoseconds for one turn of the measure's loop: the
// median of several batches. `calls wait THREADS` has so many threads asleep until its standard input ends.
#include "system.h"

SITE(site_getppid, SYS_getppid, void)
SITE(site_getpid, SYS_getpid, void)
SITE(site_clock, SYS_clock_gettime, int clock, struct timespec* t)
SITE(site_read, SYS_read, int fd, void* to, size_t n)
SITE(site_write, SYS_write, int fd, const void* from, size_t n)

// --- what the systems name differently: waiting for events ---------------------------------------------------
#ifdef __linux__
SITE(site_epoll_wait, SYS_epoll_wait, int queue, struct epoll_event* events, int room, int milliseconds)

static int queue_with(int fd) {
  const int queue = (int)sys(SYS_epoll_create1, 0L);
  struct epoll_event add = {EPOLLIN, 0};
  CHECK(sys(SYS_epoll_ctl, (long)queue, (long)EPOLL_CTL_ADD, (long)fd, &add) == 0);
  return queue;
}
static long take_event(int queue) {
  struct epoll_event event;
  return site_epoll_wait(queue, &event, 1, -1);
}
#else
SITE(site_kevent, SYS_kevent, int queue, const void* changes, size_t n, void* events, size_t room, const struct timespec* limit)

static int queue_with(int fd) {
  const int queue = (int)sys(SYS_kqueue);
  struct kevent add = {.ident = (uint64_t)fd, .filter = EVFILT_READ, .flags = EV_ADD};
  CHECK(sys(SYS_kevent, queue, &add, 1, 0, 0, 0) == 0);
  return queue;
}
static long take_event(int queue) {
  struct kevent event;
  return site_kevent(queue, 0, 0, &event, 1, 0);
}
#endif

// --- and for a word in memory: `thread` is who sleeps there, where a system wakes threads and not words --------
static uint32_t threads;
static struct thread* sleepers;   // so many
#if defined(__NetBSD__)
SITE(site_park, SYS_lwp_park, int clock, int flags, const struct timespec* limit, int unpark, volatile uint32_t* hint, void* unpark_hint)
SITE(site_unpark, SYS__lwp_unpark, int thread, volatile uint32_t* hint)

static int this_thread(void) { return (int)sys(SYS__lwp_self); }
static void sleep_while(volatile uint32_t* at, uint32_t value) { (void)value, site_park(CLOCK_REALTIME, 0, 0, 0, at, 0); }
static void wake(volatile uint32_t* at, int thread) { site_unpark(thread, at); }
static void wake_all(volatile uint32_t* at) {
  for (uint32_t i = 0; i < threads; ++i) site_unpark(sleepers[i].tid, at);
}
#else
#if defined(__FreeBSD__)
SITE(site_umtx, SYS__umtx_op, volatile uint32_t* at, int op, unsigned long value, void* a, void* b)

static void sleep_while(volatile uint32_t* at, uint32_t value) { site_umtx(at, UMTX_WAIT_UINT_PRIVATE, value, 0, 0); }
static void wake_some(volatile uint32_t* at, int count) { site_umtx(at, UMTX_WAKE_PRIVATE, (unsigned long)count, 0, 0); }
#elif defined(__DragonFly__)
SITE(site_sleep, SYS_umtx_sleep, volatile uint32_t* at, uint32_t value, int microseconds)
SITE(site_wakeup, SYS_umtx_wakeup, volatile uint32_t* at, int count)

static void sleep_while(volatile uint32_t* at, uint32_t value) { site_sleep(at, value, 0); }
static void wake_some(volatile uint32_t* at, int count) { site_wakeup(at, count); }
#else
SITE(site_futex, SYS_futex, volatile uint32_t* at, int op, unsigned long value, const struct timespec* limit)

static void sleep_while(volatile uint32_t* at, uint32_t value) { site_futex(at, FUTEX_WAIT_PRIVATE, value, 0); }
static void wake_some(volatile uint32_t* at, int count) { site_futex(at, FUTEX_WAKE_PRIVATE, (unsigned long)count, 0); }
#endif
static int this_thread(void) { return 0; }
static void wake(volatile uint32_t* at, int thread) { (void)thread, wake_some(at, 1); }
static void wake_all(volatile uint32_t* at) { wake_some(at, 0x7fffffff); }
#endif
static int main_thread;
static void wait_while(volatile uint32_t* at, uint32_t value) {
  while (*at == value) sleep_while(at, value);
}

// --- one call ------------------------------------------------------------------------------------------------
static int zero, null, queue;
static char byte;
static struct timespec moment;

static void open_devices(void) {
  zero = (int)sys(SYS_open, "/dev/zero", (long)O_RDONLY, 0L);
  null = (int)sys(SYS_open, "/dev/null", (long)O_WRONLY, 0L);
  CHECK(site_read(zero, &byte, 1) == 1);
  CHECK(site_write(null, &byte, 1) == 1);
}
static void make_ready(void) {
  int fds[2];
  make_pipe(fds);
  CHECK(sys(SYS_write, (long)fds[1], &byte, 1L) == 1);
  queue = queue_with(fds[0]);
  CHECK(take_event(queue) == 1);
}
static void do_getppid(void) { site_getppid(); }
static void do_getpid(void) { site_getpid(); }
static void do_clock(void) { site_clock(CLOCK_MONOTONIC, &moment); }
static void do_read(void) { site_read(zero, &byte, 1); }
static void do_write(void) { site_write(null, &byte, 1); }
static void do_event(void) { take_event(queue); }

// --- two threads hand a word to and fro: two wakes and two waits a turn ----------------------------------------
static volatile uint32_t turn;
static struct thread partner;

static void answer(struct thread* t) {
  (void)t;
  for (;;) {
    wait_while(&turn, 0);
    turn = 0;
    wake(&turn, main_thread);
  }
}
static void start_partner(void) {
  main_thread = this_thread();
  thread_start(&partner, answer, 0);
}
static void do_turn(void) {
  turn = 1;
  wake(&turn, (int)partner.tid);
  wait_while(&turn, 1);
}

// --- a child ------------------------------------------------------------------------------------------------------
static void do_child(void) {
  const long pid = start_process();
  if (pid == 0) {
    char* argv[] = {guest_argv[2], 0};
    sys(SYS_execve, argv[0], argv, guest_envp);
    quit(127);
  }
  expect_exit(pid, 0);
}

// --- the time without a call, where a system has that: as its C library reads it --------------------------------
#ifdef __FreeBSD__
#include "../../tests/guests/freebsd/timekeep.h"

static void open_page(void) {
  find_timekeep();
  make_trapping_clock();
  for (int i = 0; i < 400000 && read_page(0) < 0; ++i) trapping_clock(CLOCK_MONOTONIC, &moment);
}
static void do_page(void) {
  const long time = read_page(0);
  if (time < 0) return do_clock();
  moment.tv_sec = time / kSecond;
  moment.tv_nsec = time % kSecond;
}
#else
static void open_page(void) {}
static void do_page(void) { do_clock(); }
#endif

static const struct measure {
  const char* name;
  void (*prepare)(void);
  void (*turn)(void);
  long warm;   // turns before time is taken: enough for whatever is done once about a hot call
} measures[] = {
    {"getppid", 0, do_getppid, 2000},        {"getpid", 0, do_getpid, 2000},
    {"clock_gettime", 0, do_clock, 2000},    {"read", open_devices, do_read, 2000},
    {"write", open_devices, do_write, 2000}, {"event", make_ready, do_event, 2000},
    {"umtx", start_partner, do_turn, 2000},  {"exec", 0, do_child, 2},
    {"clock-page", open_page, do_page, 2000},
};

static long now(void) {
  struct timespec t;
  CHECK(sys(SYS_clock_gettime, (long)CLOCK_MONOTONIC, &t) == 0);
  return t.tv_sec * 1000000000 + t.tv_nsec;
}
static long time_of(void (*turn)(void), long turns) {
  const long start = now();
  for (long i = 0; i < turns; ++i) turn();
  return now() - start;
}
static void print(long number) {
  put_long(number);
  put("\n");
}
static void run(const struct measure* m) {
  enum { kBatches = 31, kBatch = 1000000 /* ns */ };
  if (m->prepare != 0) m->prepare();
  time_of(m->turn, m->warm);
  const long fit = kBatch * m->warm / time_of(m->turn, m->warm);
  const long turns = fit < 1 ? 1 : fit;
  long sorted[kBatches];
  for (int n = 0; n < kBatches; ++n) {
    const long t = time_of(m->turn, turns);
    int at = n;
    for (; at > 0 && sorted[at - 1] > t; --at) sorted[at] = sorted[at - 1];
    sorted[at] = t;
  }
  print(sorted[kBatches / 2] * 1000 / turns);
}

// --- many threads ------------------------------------------------------------------------------------------------
static volatile uint32_t arrived, started, finished, released;
static long calls_each;

static void count(volatile uint32_t* word) {
  if (__atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST) == threads) wake(word, main_thread);
}
static void await(volatile uint32_t* word) {
  for (uint32_t seen; (seen = *word) != threads;) sleep_while(word, seen);
}
static void release(volatile uint32_t* word) {
  *word = 1;
  wake_all(word);
}
static void call_with_others(struct thread* t) {
  (void)t;
  for (int i = 0; i < 10; ++i) site_getppid();
  count(&arrived);
  wait_while(&started, 0);
  for (long i = 0; i < calls_each; ++i) site_getppid();
  count(&finished);
  wait_while(&released, 0);
}
static struct thread* start_threads(void) {
  struct thread* all = sleepers = map((threads + 1) * sizeof *all);
  main_thread = this_thread();
  time_of(do_getppid, 2000);
  for (uint32_t i = 0; i < threads; ++i) thread_start(&all[i], call_with_others, 0);
  await(&arrived);
  return all;
}
static void end_threads(struct thread* all) {
  release(&released);
  for (uint32_t i = 0; i < threads; ++i) thread_join(&all[i]);
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  for (unsigned i = 0; i < sizeof measures / sizeof *measures; ++i)
    if (strcmp(argv[1], measures[i].name) == 0) return run(&measures[i]), 0;
  if (argc < 3) return 2;
  threads = (uint32_t)parse(argv[2]);
  struct thread* all = start_threads();
  if (strcmp(argv[1], "threads") == 0) {   // `calls threads THREADS CALLS`: CALLS is what they make together
    if (argc < 4) return 2;
    calls_each = parse(argv[3]) / threads;
    const long start = now();
    release(&started);
    await(&finished);
    print((now() - start) * 1000 / (calls_each * threads));
  } else {
    release(&started);
    if (threads != 0) await(&finished);
    put("ready\n");
    while (sys(SYS_read, 0L, &byte, 1L) > 0) {}
  }
  end_threads(all);
  return 0;
}

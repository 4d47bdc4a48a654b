// _umtx_op beyond what threads.c shows: robust mutexes, protocols, several objects, times.
#include "guest.h"

enum { OP_SET_CEILING = 7, OP_MUTEX_WAIT = 17, OP_MUTEX_WAKE = 18, OP_SEM_WAIT = 19, OP_SEM_WAKE = 20, OP_NWAKE_PRIVATE = 21, OP_MUTEX_WAKE2 = 22, OP_ROBUST_LISTS = 26, OP_GET_MIN_TIMEOUT = 27 };
enum { PRIO_INHERIT = 4, PRIO_PROTECT = 8, ROBUST = 0x10, NONCONSISTENT = 0x20 };
enum { EOWNERDEAD = 96, ENOTRECOVERABLE = 95 };
static const uint32_t kContested = 0x80000000, kOwnerDead = 0x80000010, kNotRecoverable = 0x80000011;

struct umutex { volatile uint32_t owner; uint32_t flags, ceilings[2]; uint64_t link; uint32_t spare[2]; };
_Static_assert(sizeof(struct umutex) == 32, "struct umutex");
struct robust { uint64_t list, priv, inactive; };
struct heads { uint64_t list, priv, inactive; };

static long lock(struct umutex* m) { return sys(SYS__umtx_op, m, UMTX_MUTEX_LOCK, 0, 0, 0); }
static long unlock(struct umutex* m) { return sys(SYS__umtx_op, m, UMTX_MUTEX_UNLOCK, 0, 0, 0); }
static uint32_t self_id(void) {
  long tid = 0;
  CHECK_EQ(sys(SYS_thr_self, &tid), 0);
  return (uint32_t)tid;
}
static void* shared(void) {
  const long at = sys(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
  CHECK(at > 0);
  return (void*)at;
}
static void use_lists(struct heads* heads) {
  struct robust r = {(uint64_t)&heads->list, (uint64_t)&heads->priv, (uint64_t)&heads->inactive};
  CHECK_EQ(sys(SYS__umtx_op, 0, OP_ROBUST_LISTS, sizeof r, &r, 0), 0);
}

static struct umutex first, second, third, plain;
static void end_holding(struct thread* t) {
  static struct heads heads;
  heads = (struct heads){0};
  use_lists(&heads);
  first.flags = second.flags = third.flags = ROBUST;
  CHECK_EQ(lock(&first), 0);
  CHECK_EQ(lock(&second), 0);
  CHECK_EQ(lock(&third), 0);
  CHECK_EQ(lock(&plain), 0);
  first.link = (uint64_t)&second;
  second.link = 0;
  heads.priv = (uint64_t)&first;
  heads.inactive = (uint64_t)&third;   // taken, not yet in the list
}
CASE(thread_end_marks_robust_mutexes) {
  static struct thread t;
  thread_start(&t, end_holding, 0);
  thread_join(&t);
  CHECK_EQ(first.owner, kOwnerDead);
  CHECK_EQ(second.owner, kOwnerDead);
  CHECK_EQ(third.owner, kOwnerDead);
  CHECK_EQ(plain.owner, (uint32_t)t.tid);
  CHECK_EQ(lock(&first), -EOWNERDEAD);
  CHECK_EQ(first.owner & ~kContested, self_id());
  first.flags |= NONCONSISTENT;
  CHECK_EQ(unlock(&first), 0);
  CHECK_EQ(first.owner, kNotRecoverable);
  CHECK_EQ(lock(&first), -ENOTRECOVERABLE);
  CHECK_EQ(lock(&second), -EOWNERDEAD);
  CHECK_EQ(unlock(&second), 0);
  CHECK_EQ(second.owner & ~kContested, 0);
}
static void wait_for_first(struct thread* t) {
  const long r = lock(&first);
  CHECK(r == 0 || r == -EOWNERDEAD);
  __atomic_fetch_add((int*)t->arg, r != 0, __ATOMIC_SEQ_CST);
  CHECK_EQ(unlock(&first), 0);
}
static void hold_first_and_end(struct thread* t) {
  static struct heads heads;
  heads = (struct heads){(uint64_t)&first, 0, 0};
  use_lists(&heads);
  CHECK_EQ(lock(&first), 0);
  first.link = 0;
  *(volatile int*)t->arg = 1;
  sleep_ms(30);
}
CASE(a_dead_owner_wakes_sleepers) {
  for (int protocol = 0; protocol < 3; ++protocol) {
    static struct thread holder, threads[4];
    static volatile int held, told;
    held = told = 0;
    first = (struct umutex){0};
    first.flags = ROBUST | (protocol == 1 ? PRIO_INHERIT : protocol == 2 ? PRIO_PROTECT : 0);
    first.owner = protocol == 2 ? kContested : 0;
    thread_start(&holder, hold_first_and_end, (void*)&held);
    while (held == 0) sys(SYS_sched_yield);
    for (int i = 0; i < 4; ++i) thread_start(&threads[i], wait_for_first, (void*)&told);
    thread_join(&holder);
    for (int i = 0; i < 4; ++i) thread_join(&threads[i]);
    CHECK_EQ(told, 1);   // one learns of it; it does not mark the mutex, so the others find it free
  }
}
static void process_ends(bool killed) {
  struct umutex* m = shared();
  m->flags = ROBUST;
  const long pid = start_process();
  if (pid == 0) {
    static struct heads heads;
    heads.list = (uint64_t)m;
    use_lists(&heads);
    CHECK_EQ(lock(m), 0);
    m->link = 0;
    if (killed) sys(SYS_kill, sys(SYS_getpid), 9);
    quit(0);
  }
  for (int i = 0; i < 5000 && m->owner == 0; ++i) sleep_ms(1);
  CHECK(m->owner != 0);
  CHECK_EQ(lock(m), -EOWNERDEAD);   // before anybody has waited for the process
  CHECK_EQ(unlock(m), 0);
  wait_for(pid);
}
CASE(process_end_marks_robust_mutexes) { process_ends(false); }
CASE(a_killed_owner_is_noticed) { process_ends(true); }
CASE(robust_times_out_while_the_owner_lives) {
  struct umutex* m = shared();
  m->flags = ROBUST;
  const long pid = start_process();
  if (pid == 0) {
    CHECK_EQ(lock(m), 0);
    for (;;) sleep_ms(1000);
  }
  while (m->owner == 0) sleep_ms(1);
  struct timespec t = {0, 150000000};
  const long start = now_us();
  CHECK_EQ(sys(SYS__umtx_op, m, UMTX_MUTEX_LOCK, 0, sizeof t, &t), -ETIMEDOUT);
  CHECK(now_us() - start >= 145000);
  CHECK_EQ(sys(SYS__umtx_op, m, OP_MUTEX_WAIT, 0, sizeof t, &t), -ETIMEDOUT);
  sys(SYS_kill, pid, 9);
  CHECK_EQ(sys(SYS__umtx_op, m, OP_MUTEX_WAIT, 0, 0, 0), 0);
  CHECK_EQ(m->owner, kOwnerDead);
  wait_for(pid);
}
CASE(a_child_has_no_robust_list) {
  static struct heads heads;
  use_lists(&heads);
  first.flags = ROBUST;
  CHECK_EQ(lock(&first), 0);
  first.link = 0;
  struct umutex* m = shared();
  m->flags = ROBUST, m->owner = self_id(), m->link = 0;
  heads.list = (uint64_t)m;
  const long pid = start_process();
  if (pid == 0) quit(0);
  expect_exit(pid, 0);
  CHECK_EQ(m->owner, self_id());
}
CASE(a_bad_list_ends_nothing) {
  const long pid = start_process();
  if (pid == 0) {
    struct robust r = {8, 0x123456789, 16};
    CHECK_EQ(sys(SYS__umtx_op, 0, OP_ROBUST_LISTS, sizeof r, &r, 0), 0);
    quit(0);
  }
  expect_exit(pid, 0);
  const long cyclic = start_process();
  if (cyclic == 0) {
    static struct heads heads;
    use_lists(&heads);
    first.flags = ROBUST, first.owner = self_id(), first.link = (uint64_t)&first;
    heads.list = (uint64_t)&first;
    quit(0);
  }
  expect_exit(cyclic, 0);
  CHECK_EQ(sys(SYS__umtx_op, 0, OP_ROBUST_LISTS, 25, &first, 0), -EINVAL);
  CHECK_EQ(sys(SYS__umtx_op, 0, OP_ROBUST_LISTS, 24, 8, 0), -EFAULT);
}

CASE(protocols) {
  struct umutex m = {0, PRIO_INHERIT, {0, 0}, 0, {0, 0}};
  CHECK_EQ(lock(&m), 0);
  CHECK_EQ(m.owner, self_id());
  CHECK_EQ(lock(&m), -EDEADLK);
  CHECK_EQ(sys(SYS__umtx_op, &m, UMTX_MUTEX_TRYLOCK, 0, 0, 0), -EDEADLK);
  CHECK_EQ(unlock(&m), 0);
  CHECK_EQ(unlock(&m), -EPERM);
  m = (struct umutex){kContested, PRIO_PROTECT, {5, 0}, 0, {0, 0}};
  CHECK_EQ(lock(&m), 0);
  CHECK_EQ(m.owner, self_id() | kContested);
  CHECK_EQ(sys(SYS__umtx_op, &m, UMTX_MUTEX_TRYLOCK, 0, 0, 0), -EBUSY);
  CHECK_EQ(unlock(&m), 0);
  CHECK_EQ(m.owner, kContested);
  uint32_t old = 99;
  CHECK_EQ(sys(SYS__umtx_op, &m, OP_SET_CEILING, 7, &old, 0), 0);
  CHECK_EQ(old, 5);
  CHECK_EQ(m.ceilings[0], 7);
  CHECK_EQ(sys(SYS__umtx_op, &m, OP_SET_CEILING, 99, &old, 0), -EINVAL);
  // While it is held it may be changed by the one who holds it, and stays held.
  CHECK_EQ(lock(&m), 0);
  CHECK_EQ(sys(SYS__umtx_op, &m, OP_SET_CEILING, 31, &old, 0), 0);
  CHECK_EQ(old, 7);
  CHECK_EQ(m.owner, self_id() | kContested);
  CHECK_EQ(sys(SYS__umtx_op, &m, OP_SET_CEILING, 32, 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS__umtx_op, &m, OP_SET_CEILING, 6, 8, 0), -EFAULT);   // set all the same
  CHECK_EQ(m.ceilings[0], 6);
  m.ceilings[1] = 32;   // what the owner is to go back to
  CHECK_EQ(unlock(&m), -EINVAL);
  CHECK_EQ(m.owner, self_id() | kContested);
  m.ceilings[1] = 0xffffffff;
  CHECK_EQ(unlock(&m), 0);
  m.ceilings[1] = 32;
  CHECK_EQ(unlock(&m), -EPERM);   // comes first
  m.ceilings[1] = 31;
  m.owner = 0x80000010;   // UMUTEX_RB_OWNERDEAD
  CHECK_EQ(sys(SYS__umtx_op, &m, OP_SET_CEILING, 7, &old, 0), -EOWNERDEAD);
  m.owner = 0x80000011;   // UMUTEX_RB_NOTRECOV
  CHECK_EQ(sys(SYS__umtx_op, &m, OP_SET_CEILING, 7, &old, 0), -ENOTRECOVERABLE);
  CHECK_EQ(lock(&m), -ENOTRECOVERABLE);
  m.owner = kContested;
  m.ceilings[0] = 77;
  CHECK_EQ(lock(&m), -EINVAL);
  CHECK_EQ(sys(SYS__umtx_op, &m, UMTX_MUTEX_TRYLOCK, 0, 0, 0), -EINVAL);
  struct umutex plain = {0, 0, {0, 0}, 0, {0, 0}};
  CHECK_EQ(sys(SYS__umtx_op, &plain, OP_SET_CEILING, 7, &old, 0), -EINVAL);
  CHECK_EQ(sys(SYS__umtx_op, 8, OP_SET_CEILING, 7, &old, 0), -EFAULT);
  m.flags = PRIO_INHERIT | PRIO_PROTECT;
  CHECK_EQ(lock(&m), -EINVAL);
  CHECK_EQ(sys(SYS__umtx_op, 8, UMTX_MUTEX_LOCK, 0, 0, 0), -EFAULT);
  CHECK_EQ(sys(SYS__umtx_op, &m, 29, 0, 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS__umtx_op, &m, UMTX_WAIT_UINT, 0, 8, 8), -EFAULT);
}

// pthread_cond_destroy finds an object busy whose mark stands.
struct ucond { volatile uint32_t has_waiters; uint32_t flags, clock, spare; };
static struct ucond quiet;
static struct umutex around;
static void wait_shortly(struct thread* t) {
  struct timespec time = {0, *(long*)t->arg};
  CHECK_EQ(lock(&around), 0);
  CHECK_EQ(sys(SYS__umtx_op, &quiet, UMTX_CV_WAIT, 0, &around, &time), -ETIMEDOUT);
}
CASE(a_condition_is_unmarked_when_all_have_left) {
  static struct thread brief, longer;
  static long times[] = {20000000, 200000000};
  thread_start(&longer, wait_shortly, &times[1]);
  while (quiet.has_waiters == 0) sleep_ms(1);
  thread_start(&brief, wait_shortly, &times[0]);
  thread_join(&brief);
  CHECK(quiet.has_waiters != 0);
  thread_join(&longer);
  CHECK_EQ(quiet.has_waiters, 0);
  CHECK_EQ(sys(SYS__umtx_op, &quiet, UMTX_CV_WAIT, 0, &around, 0), -EPERM);   // not held
  CHECK_EQ(quiet.has_waiters, 0);
}

// The lock of FreeBSD 5 and 6.
static volatile uint64_t old;
static volatile int guarded;
static void old_lock(void) {
  uint64_t none = 0;
  if (!__atomic_compare_exchange_n(&old, &none, self_id(), false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    CHECK_EQ(sys(SYS_freebsd10__umtx_lock, &old), 0);
}
static void old_unlock(void) {
  uint64_t own = self_id();
  if (!__atomic_compare_exchange_n(&old, &own, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
    CHECK_EQ(sys(SYS_freebsd10__umtx_unlock, &old), 0);
}
static void count_guarded(struct thread* t) {
  (void)t;
  for (int i = 0; i < 20000; ++i) {
    old_lock();
    const int seen = guarded;
    guarded = seen + 1;
    old_unlock();
  }
}
CASE(old_locks) {
  enum { OP_LOCK = 0, OP_UNLOCK = 1 };
  CHECK_EQ(sys(SYS_freebsd10__umtx_lock, &old), 0);
  CHECK_EQ(old, self_id());
  CHECK_EQ(sys(SYS_freebsd10__umtx_unlock, &old), 0);
  CHECK_EQ(old, 0);
  CHECK_EQ(sys(SYS_freebsd10__umtx_unlock, &old), -EPERM);
  old = 12345;
  CHECK_EQ(sys(SYS_freebsd10__umtx_unlock, &old), -EPERM);
  const struct timespec soon = {0, 10000000}, bad = {0, 1000000000};
  CHECK_EQ(sys(SYS__umtx_op, &old, OP_LOCK, self_id(), 0, &soon), -ETIMEDOUT);
  CHECK_EQ(old, 12345 | 1UL << 63);   // contested
  CHECK_EQ(sys(SYS__umtx_op, &old, OP_LOCK, self_id(), 0, &bad), -EINVAL);
  CHECK_EQ(sys(SYS__umtx_op, &old, OP_LOCK, self_id(), 0, 8), -EFAULT);
  CHECK_EQ(sys(SYS__umtx_op, &old, OP_UNLOCK, 12345, 0, 0), 0);
  CHECK_EQ(sys(SYS__umtx_op, &old, OP_LOCK, 12345, 0, 0), 0);
  CHECK_EQ(sys(SYS__umtx_op, &old, OP_UNLOCK, 12345, 0, 0), 0);
  CHECK_EQ(sys(SYS_freebsd10__umtx_lock, 8), -EFAULT);
  CHECK_EQ(sys(SYS_freebsd10__umtx_unlock, 8), -EFAULT);
  old = 0;
  static struct thread threads[4];
  for (int i = 0; i < 4; ++i) thread_start(&threads[i], count_guarded, 0);
  for (int i = 0; i < 4; ++i) thread_join(&threads[i]);
  CHECK_EQ(guarded, 80000);
}

static volatile uint32_t words[3];
static volatile int woken;
static void sleep_on_word(struct thread* t) {
  while (__atomic_load_n((uint32_t*)t->arg, __ATOMIC_SEQ_CST) == 0) umtx_wait(t->arg, 0);
  __atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
}
CASE(wakes_of_several_words) {
  static struct thread threads[6];
  for (int i = 0; i < 6; ++i) thread_start(&threads[i], sleep_on_word, (void*)&words[i % 3]);
  sleep_ms(20);
  const void* list[3] = {(void*)&words[0], (void*)&words[1], (void*)&words[2]};
  words[0] = words[1] = words[2] = 1;
  CHECK_EQ(sys(SYS__umtx_op, list, OP_NWAKE_PRIVATE, 3, 0, 0), 0);
  for (int i = 0; i < 6; ++i) thread_join(&threads[i]);
  CHECK_EQ(woken, 6);
  CHECK_EQ(sys(SYS__umtx_op, 8, OP_NWAKE_PRIVATE, 3, 0, 0), -EFAULT);
}
// Processes that share memory meet on it, whichever address it has in each.
CASE(between_processes) {
  volatile uint32_t* word = shared();
  const long pid = start_process();
  if (pid == 0) {
    while (*word == 0) {
      const long r = sys(SYS__umtx_op, word, UMTX_WAIT_UINT, 0, 0, 0);
      CHECK_EQ(r, 0);
    }
    *word = 2;
    sys(SYS__umtx_op, word, UMTX_WAKE, 1, 0, 0);
    quit(0);
  }
  sleep_ms(20);
  *word = 1;
  CHECK_EQ(sys(SYS__umtx_op, word, UMTX_WAKE, 1, 0, 0), 0);
  while (*word == 1) sys(SYS__umtx_op, word, UMTX_WAIT_UINT, 1, 0, 0);
  CHECK_EQ(*word, 2);
  expect_exit(pid, 0);
}

enum { SHM_CREAT = 1, SHM_LOOKUP = 2, SHM_DESTROY = 4, SHM_ALIVE = 8, OP_SHM = 25 };
static long shm(long flags, const volatile void* at) { return sys(SYS__umtx_op, 0, OP_SHM, flags, at, 0); }
static volatile uint32_t* page_of(long fd) {
  const long at = sys(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(at > 0);
  CHECK_EQ(sys(SYS_close, fd), 0);
  return (volatile uint32_t*)at;
}
CASE(shared_pages) {
  char* memory = shared();
  CHECK_EQ(shm(SHM_LOOKUP, memory), -ESRCH);
  CHECK_EQ(shm(SHM_DESTROY, memory), -ESRCH);
  CHECK_EQ(shm(SHM_ALIVE, memory), 0);
  CHECK_EQ(shm(0, memory), -EINVAL);
  CHECK_EQ(shm(SHM_CREAT | SHM_LOOKUP, memory), -EINVAL);
  CHECK_EQ(shm(16, memory), -EINVAL);
  CHECK_EQ(shm(SHM_CREAT, (void*)8), -EFAULT);
  CHECK_EQ(shm(SHM_ALIVE, (void*)8), -EFAULT);
  long fd = shm(SHM_CREAT, memory + 64);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_fcntl, fd, F_GETFD, 0), FD_CLOEXEC);
  volatile uint32_t* page = page_of(fd);
  CHECK_EQ(page[0], 0);
  page[0] = 11;
  CHECK_EQ(page_of(shm(SHM_CREAT, memory + 64))[0], 11);   // the same again
  CHECK_EQ(shm(SHM_LOOKUP, memory + 128), -ESRCH);
  const long pid = start_process();
  if (pid == 0) {
    // The same memory at another address.
    volatile uint32_t* same = page_of(shm(SHM_LOOKUP, memory + 64));
    CHECK_EQ(same[0], 11);
    same[0] = 12;
    quit(0);
  }
  expect_exit(pid, 0);
  CHECK_EQ(page[0], 12);
  CHECK_EQ(shm(SHM_DESTROY, memory + 64), 0);
  CHECK_EQ(shm(SHM_LOOKUP, memory + 64), -ESRCH);
  CHECK_EQ(page[0], 12);
  static uint32_t private;
  fd = shm(SHM_CREAT, &private);
  CHECK(fd >= 0);
  page_of(fd)[0] = 5;
  CHECK_EQ(page_of(shm(SHM_LOOKUP, &private))[0], 5);
}
CASE(one_file_at_two_addresses) {
  const long file = sys(SYS_open, "shared-file", O_RDWR | O_CREAT, 0600);
  CHECK(file >= 0);
  CHECK_EQ(sys(SYS_ftruncate, file, 8192), 0);
  char* a = (char*)sys(SYS_mmap, 0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  char* b = (char*)sys(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 4096);
  page_of(shm(SHM_CREAT, a + 4096 + 8))[0] = 9;
  CHECK_EQ(page_of(shm(SHM_LOOKUP, b + 8))[0], 9);
  CHECK_EQ(shm(SHM_LOOKUP, b), -ESRCH);
}

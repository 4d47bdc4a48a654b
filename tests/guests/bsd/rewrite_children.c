// Hot sites and fork, vfork, exec, and what else makes processes.
#include "rewrite.h"
#include "vfork.h"

#ifdef __FreeBSD__
enum { RFFDG = 4, RFPROC = 0x10, RFMEM = 0x20, RFSPAWN = 1 << 31 };
#endif
enum { kSites = 24, kApart = 0x47 };

// So many functions, each making a call whose result is known; half of them warmed up.
static unsigned char* make_sites(unsigned seed, struct text* texts) {
  unsigned char* const pages = code_pages(2);
  for (unsigned i = 0; i < kSites; ++i) {
    make_text(&texts[i], i + seed, kNumbers[i % 6], i * kApart);
    emit(pages + i * kApart, texts[i].bytes, texts[i].size);
  }
  // One over the two pages.
  make_text(&texts[kSites], seed, kNumbers[kSites % 6], kPage - 8 - seed % 3);
  emit(pages + kPage - 8 - seed % 3, texts[kSites].bytes, texts[kSites].size);
  make_runnable(pages, 2);
  return pages;
}
static unsigned char* site_at(unsigned char* pages, unsigned i, unsigned seed) { return i == kSites ? pages + kPage - 8 - seed % 3 : pages + i * kApart; }
static void warm_some(unsigned char* pages, unsigned seed, unsigned step) {
  for (unsigned i = 0; i <= kSites; i += step) warm_up(site_at(pages, i, seed), i);
}

// What a new process, which shares nothing, does with the sites it has inherited.
static void be_a_child(unsigned char* pages, unsigned seed, struct text* texts) {
  const long was = pid;
  know();
  CHECK(pid != was);
  CHECK_EQ(parent, was);
  warm_some(pages, seed, 1);
  make_writable(pages, 2);
  for (unsigned i = 0; i <= kSites; ++i) expect_bytes(site_at(pages, i, seed), &texts[i]);
  for (unsigned i = 0; i < kSites; ++i) {
    make_text(&texts[i], i + seed + 1, kNumbers[(i + 1) % 6], i * kApart);
    fill_code(site_at(pages, i, seed), kApart);
    emit(site_at(pages, i, seed), texts[i].bytes, texts[i].size);
  }
  make_runnable(pages, 2);
  for (unsigned i = 0; i < kSites; ++i) warm_up(site_at(pages, i, seed), i + 1);
  CHECK_EQ(sys(SYS_munmap, pages, 2 * kPage), 0);
}

static long new_process(unsigned how) {
  struct raw_call c = {.number = SYS_fork};
#ifdef __FreeBSD__
  int fd = -1;
  if (how == 1) c.number = SYS_rfork, c.args[0] = RFPROC | RFFDG;
  if (how == 2) c.number = SYS_pdfork, c.args[0] = (unsigned long)&fd, c.args[1] = 1 /* PD_DAEMON */;
#endif
  raw_call(&c);
  CHECK_EQ(c.flags & 1, 0);
  return (long)c.rax;
}
CASE(children_have_sites_of_their_own) {
  for (unsigned round = 0; round < rounds(60); ++round) {
    know();
    static struct text texts[kSites + 1];
    unsigned char* const pages = make_sites(round, texts);
    warm_some(pages, round, 2);
    int ready[2], go[2];
    make_pipe(ready);
    make_pipe(go);
    const long child = new_process(round % 3);
    if (child == 0) {
      char byte;
      CHECK_EQ(sys(SYS_close, go[1]), 0);      // so that it ends with its parent
      be_a_child(pages, round, texts);
      CHECK_EQ(sys(SYS_write, ready[1], "r", 1), 1);
      CHECK_EQ(sys(SYS_read, go[0], &byte, 1), 1);
      quit(11);
    }
    // While it does that, and after it.
    warm_some(pages, round, 3);
    char byte;
    CHECK_EQ(sys(SYS_read, ready[0], &byte, 1), 1);
    warm_some(pages, round, 1);
    CHECK_EQ(sys(SYS_write, go[1], "g", 1), 1);
    expect_exit(child, 11);
    warm_some(pages, round, 1);
    make_writable(pages, 2);
    for (unsigned i = 0; i <= kSites; ++i) expect_bytes(site_at(pages, i, round), &texts[i]);
    CHECK_EQ(sys(SYS_munmap, pages, 2 * kPage), 0);
    for (int i = 0; i < 2; ++i) sys(SYS_close, ready[i]), sys(SYS_close, go[i]);
  }
}
CASE(a_line_of_descendants) {
  // Each generation calls the same sites, the first of which were hot five generations ago.
  static struct text texts[kSites + 1];
  know();
  unsigned char* const pages = make_sites(1, texts);
  long made = -1;
  for (int depth = 0; depth < 12 && made != 0; ++depth) {
    warm_some(pages, 1, (unsigned)depth % 3 + 1);
    const long before = pid;
    made = start_process();
    if (made == 0) {
      know();
      CHECK_EQ(parent, before);
      warm_some(pages, 1, 1);
      made = -1;
      if (depth == 11) quit(12);
    } else {
      expect_exit(made, 12);
      warm_some(pages, 1, 1);
      if (depth != 0) quit(12);
      made = 0;
    }
  }
}

static volatile bool stop;
static unsigned char* volatile current;
static volatile unsigned current_seed;
static void keep_calling(struct thread* t) {
  while (!stop) {
    unsigned char* const pages = current;
    const unsigned seed = current_seed;
    for (unsigned i = (unsigned)(long)t->arg; i <= kSites; i += 3)
      for (int n = 0; n < 5; ++n) CHECK_EQ(call(site_at(pages, i, seed)), wanted(i));
  }
}
CASE(fork_while_sites_become_hot) {
  static struct thread threads[2];
  static struct text texts[kSites + 1];
  alarm_after(100);
  know();
  current = make_sites(0, texts);
  for (long i = 0; i < 2; ++i) thread_start(&threads[i], keep_calling, (void*)i);
  for (unsigned round = 1; round < 1 + rounds(12); ++round) {
    static struct text next[kSites + 1];
    unsigned char* const pages = make_sites(0, next);          // the same seed: pages and seed cannot differ
    current = pages;
    warm_some(pages, 0, 5);
    const long child = start_process();
    if (child == 0) {
      be_a_child(pages, 0, next);
      quit(13);
    }
    warm_some(pages, 0, 2);
    expect_exit(child, 13);
  }
  stop = true;
  for (int i = 0; i < 2; ++i) thread_join(&threads[i]);
}

#ifdef __FreeBSD__
enum { kOther = SYS_rfork, kOtherFlags = RFSPAWN, kSharing = SYS_rfork, kSharingFlags = RFPROC | RFFDG | RFMEM };
#else
enum { kOther = SYS_vfork, kOtherFlags = 0, kSharing = SYS_vfork, kSharingFlags = 0 };
#endif
static volatile long child_saw[4];
static __attribute__((noinline)) void be_a_vforked_child(unsigned char* pages) {
  for (unsigned i = 0; i <= kSites; i += 1)
    for (int n = 0; n < 20; ++n) {
      const long r = call(site_at(pages, i, 0));
      if (i % 6 == 0) {
        if (r == child_saw[0] || r < 2) quit(1);
      } else if (r != (i % 6 == 2 ? child_saw[0] : wanted(i))) {
        quit(2);
      }
    }
  quit(14);
}
CASE(vfork) {
  static struct text texts[kSites + 1];
  for (unsigned round = 0; round < rounds(80); ++round) {
    know();
    unsigned char* const pages = make_sites(0, texts);
    warm_some(pages, 0, 2);
    child_saw[0] = pid;
    const long child = round % 2 ? make_vfork(SYS_vfork, 0) : make_vfork(kOther, kOtherFlags);
    if (child == 0) be_a_vforked_child(pages);
    CHECK(child > 0);
    warm_some(pages, 0, 1);
    expect_exit(child, 14);
    CHECK_EQ(sys(SYS_getpid), pid);
    make_writable(pages, 2);
    for (unsigned i = 0; i <= kSites; ++i) expect_bytes(site_at(pages, i, 0), &texts[i]);
    CHECK_EQ(sys(SYS_munmap, pages, 2 * kPage), 0);
  }
}
CASE(fork_with_memory) {
  // Shared memory or not, the child must be right.
  static struct text texts[kSites + 1];
  know();
  unsigned char* const pages = make_sites(0, texts);
  warm_some(pages, 0, 2);
  child_saw[0] = pid;
  const long child = make_vfork(kSharing, kSharingFlags);
  if (child == 0) be_a_vforked_child(pages);
  if (child > 0) expect_exit(child, 14);
  warm_some(pages, 0, 1);
}

// --- exec --------------------------------------------------------------------------------------------------------------
CASE(after_exec) {
  // What the cases below start: a new image at the same addresses, with sites that are cold again.
  static struct text texts[kSites + 1];
  know();
  unsigned char* const pages = make_sites(3, texts);
  warm_some(pages, 3, 1);
  for (int i = 0; i < kWarm; ++i) {
    CHECK_EQ(sys(SYS_getpid), pid);
    CHECK_EQ(sys(SYS_close, -1), -EBADF);
  }
}
CASE(exec) {
  static struct text texts[kSites + 1];
  char* argv[] = {guest_argv[0], "after_exec", 0};
  for (unsigned round = 0; round < 20; ++round) {
    know();
    unsigned char* const pages = make_sites(round, texts);
    warm_some(pages, round, 2);
    // The exec's own site is hot from the attempts that fail.
    for (int i = 0; i < 24; ++i) CHECK_EQ(sys(SYS_execve, "/nonexistent", argv, guest_envp), -ENOENT);
    child_saw[0] = pid;
    const long child = round % 2 ? make_vfork(SYS_vfork, 0) : start_process();
    if (child == 0) {
      for (int i = 0; i < 24; ++i)
        if (sys(SYS_execve, i < 23 ? "/nonexistent" : guest_argv[0], argv, guest_envp) != -ENOENT) quit(3);
      quit(4);
    }
    warm_some(pages, round, 1);
    expect_exit(child, 0);
    warm_some(pages, round, 1);
  }
}
static void exec_here(struct thread* t) {
  char* argv[] = {guest_argv[0], "after_exec", 0};
  for (int i = 0; i < 24; ++i) sys(SYS_execve, i < 23 ? "/nonexistent" : guest_argv[0], argv, guest_envp);
  quit(5);
}
CASE(exec_among_threads) {
  static struct thread threads[3];
  static struct text texts[kSites + 1];
  for (int round = 0; round < 5; ++round) {
    const long child = start_process();
    if (child == 0) {
      know();
      current = make_sites(0, texts);
      for (long i = 0; i < 2; ++i) thread_start(&threads[i], keep_calling, (void*)i);
      warm_some(current, 0, 1);
      thread_start(&threads[2], exec_here, 0);
      for (;;) warm_some(current, 0, 1);
    }
    expect_exit(child, 0);
  }
}

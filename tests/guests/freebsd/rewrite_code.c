// Code in files, in several views of the same memory, and with no room around it: what runs is always what stands there
// now, and whoever looks at a file sees what he wrote.
#include "../bsd/rewrite.h"

enum { kAnon = MAP_ANON | MAP_PRIVATE, kRx = PROT_READ | PROT_EXEC, kRw = PROT_READ | PROT_WRITE };
static long mm(void* at, size_t size, int prot, int flags, long fd, long offset) { return sys(SYS_mmap, at, size, prot, flags, fd, offset); }

// --- files -----------------------------------------------------------------------------------------------------------
static long new_file(void) {
  const long fd = sys(SYS_openat, AT_FDCWD, "rewrite_code.tmp", O_RDWR | O_CREAT | O_TRUNC, 0700);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_unlink, "rewrite_code.tmp"), 0);
  static unsigned char page[kPage] __attribute__((aligned(16)));
  fill_code(page, kPage);
  for (long i = 0; i < 2; ++i) CHECK_EQ(sys(SYS_pwrite, fd, page, kPage, i * kPage), kPage);
  return fd;
}
static void expect_in_file(long fd, long offset, const struct text* t) {
  unsigned char bytes[sizeof t->bytes];
  CHECK_EQ(sys(SYS_pread, fd, bytes, t->size, offset), t->size);
  CHECK_EQ(memcmp(bytes, t->bytes, t->size), 0);
}
CASE(files_keep_their_bytes) {
  know();
  for (unsigned round = 0; round < 120; ++round) {
    const long fd = new_file();
    struct text t[3];
    static const long kPlaces[] = {0x40, 0x7f8, 0xff8};
    CHECK_EQ(sys(SYS_ftruncate, fd, 2 * kPage), 0);
    for (unsigned i = 0; i < 3; ++i) {
      make_text(&t[i], round % 7, kNumbers[i], (unsigned long)kPlaces[i]);
      CHECK_EQ(sys(SYS_pwrite, fd, t[i].bytes, t[i].size, kPlaces[i]), t[i].size);
    }
    const int flags = round % 2 ? MAP_SHARED : MAP_PRIVATE;
    unsigned char* const code = (unsigned char*)mm(0, 2 * kPage, kRx, flags, fd, 0);
    const unsigned char* const look = (unsigned char*)mm(0, 2 * kPage, PROT_READ, MAP_SHARED, fd, 0);
    CHECK((long)code > 0 && (long)look > 0);
    for (unsigned i = 0; i < 3; ++i) {
      for (int n = 0; n < kWarm; ++n) {
        CHECK_EQ(call(code + kPlaces[i]), wanted(i));
        if (n % 8 == 0) expect_in_file(fd, kPlaces[i], &t[i]), expect_bytes(look + kPlaces[i], &t[i]);
      }
    }
    CHECK_EQ(sys(SYS_msync, code, 2 * kPage, 0), 0);
    CHECK_EQ(sys(SYS_fsync, fd), 0);
    const long child = round % 10 == 0 ? start_process() : -1;
    if (child == 0) {
      for (unsigned i = 1; i < 2; ++i) warm_up(code + kPlaces[i], i);
      for (unsigned i = 0; i < 3; ++i) expect_in_file(fd, kPlaces[i], &t[i]), expect_bytes(look + kPlaces[i], &t[i]);
      quit(0);
    }
    if (child > 0) expect_exit(child, 0);
    make_writable(code, 2);
    for (unsigned i = 0; i < 3; ++i) expect_bytes(code + kPlaces[i], &t[i]);
    make_runnable(code, 2);
    for (unsigned i = 0; i < 3; ++i) warm_up(code + kPlaces[i], i);
    CHECK_EQ(sys(SYS_munmap, code, 2 * kPage), 0);
    for (unsigned i = 0; i < 3; ++i) expect_in_file(fd, kPlaces[i], &t[i]), expect_bytes(look + kPlaces[i], &t[i]);
    CHECK_EQ(sys(SYS_munmap, look, 2 * kPage), 0);
    CHECK_EQ(sys(SYS_close, fd), 0);
  }
}
CASE(two_views_of_the_same_memory) {
  // One view is written, the other is run, as just-in-time compilers do it; both are there all the time.
  know();
  for (unsigned which = 0; which < 2; ++which) {
    const long fd = which == 0 ? sys(SYS_shm_open2, 1 /* SHM_ANON */, O_RDWR, 0600, 0, 0) : new_file();
    CHECK(fd >= 0);
    CHECK_EQ(sys(SYS_ftruncate, fd, 2 * kPage), 0);
    unsigned char* const writer = (unsigned char*)mm(0, 2 * kPage, kRw, MAP_SHARED, fd, 0);
    unsigned char* const runner = (unsigned char*)mm(0, 2 * kPage, kRx, MAP_SHARED, fd, 0);
    CHECK((long)writer > 0 && (long)runner > 0);
    for (unsigned round = 0; round < 400; ++round) {
      const unsigned at = round % 4 == 0 ? 0xff7 : (round * 0x2d) % 0x1f00;
      struct text t;
      make_text(&t, round % 7, kNumbers[round % 6], at);
      fill_code(writer, 2 * kPage);
      emit(writer + at, t.bytes, t.size);
      for (int i = 0; i < kWarm; ++i) {
        CHECK_EQ(call(runner + at), wanted(round));
        if (i % 16 == 0) expect_bytes(writer + at, &t);
      }
      for (unsigned n = 0; n < 64; ++n) {
        emit_word(writer + at + t.number_at, kNumbers[n % 6], 4);
        CHECK_EQ(call(runner + at), wanted(n));
      }
      // Written by the kernel.
      make_text(&t, round % 7 + 1, SYS_getppid, at);
      CHECK_EQ(sys(SYS_pwrite, fd, t.bytes, t.size, at), t.size);
      warm_up(runner + at, 2);
    }
    CHECK_EQ(sys(SYS_munmap, writer, 2 * kPage), 0);
    CHECK_EQ(sys(SYS_munmap, runner, 2 * kPage), 0);
    CHECK_EQ(sys(SYS_close, fd), 0);
  }
}
CASE(a_private_view_that_was_changed) {
  // Shared and private view of one file, hot both, the private one changed by the program.
  know();
  for (unsigned round = 0; round < 100; ++round) {
    const long fd = new_file();
    CHECK_EQ(sys(SYS_ftruncate, fd, kPage), 0);
    struct text t;
    make_text(&t, round, kNumbers[round % 6], 0x80);
    CHECK_EQ(sys(SYS_pwrite, fd, t.bytes, t.size, 0x80), t.size);
    unsigned char* const shared = (unsigned char*)mm(0, kPage, kRx, MAP_SHARED, fd, 0);
    unsigned char* const copy = (unsigned char*)mm(0, kPage, kRw, MAP_PRIVATE, fd, 0);
    emit_word(copy + 0x80 + t.number_at, SYS_getegid, 4);             // its own from now on
    make_runnable(copy, 1);
    warm_up(shared + 0x80, round);
    for (int i = 0; i < kWarm; ++i) CHECK_EQ(call(copy + 0x80), sys(SYS_getegid));
    expect_in_file(fd, 0x80, &t);
    CHECK_EQ(sys(SYS_munmap, shared, kPage), 0);
    CHECK_EQ(sys(SYS_munmap, copy, kPage), 0);
    CHECK_EQ(sys(SYS_close, fd), 0);
  }
}

// --- room ------------------------------------------------------------------------------------------------------------
static unsigned char* code_amid(unsigned char* zone, size_t size, struct text* t, unsigned kind) {
  unsigned char* const page = zone + size / 2 / kPage * kPage;
  CHECK_EQ(mm(page, kPage, kRw, kAnon | MAP_FIXED, -1, 0), page);
  make_text(t, kind, SYS_getpid, 0x80);
  fill_code(page, kPage);
  emit(page + 0x80, t->bytes, t->size);
  make_runnable(page, 1);
  return page;
}
CASE(code_with_nothing_free_around_it) {
  // Wherever a near jump could go, the program has reserved the addresses.
  know();
  const size_t size = 6UL << 30;
  for (unsigned kind = 0; kind < 7; ++kind) {
    unsigned char* const zone = (unsigned char*)mm(0, size, PROT_NONE, MAP_GUARD, -1, 0);
    CHECK((long)zone > 0);
    struct text t;
    unsigned char* const page = code_amid(zone, size, &t, kind);
    for (int i = 0; i < 8; ++i) warm_up(page + 0x80, 0);
    make_writable(page, 1);
    expect_bytes(page + 0x80, &t);
    CHECK_EQ(sys(SYS_munmap, zone, size), 0);
  }
}
// MAP_FIXED over memory the runtime has taken for itself there is refused as if there were no room; nothing else is.
static bool taken_over(unsigned char* at, size_t size, int prot, int flags) {
  const long got = mm(at, size, prot, flags | MAP_FIXED, -1, 0);
  if (got != -ENOMEM) CHECK_EQ(got, at);
  return got != -ENOMEM;
}
CASE(the_program_takes_all_that_is_free_around_it) {
  // It need not ask first: what it has not mapped is free, and what it unmaps may be a hole.
  know();
  const size_t size = 64UL << 20;
  for (unsigned round = 0; round < 60; ++round) {
    unsigned char* const zone = (unsigned char*)mm(0, size, PROT_NONE, MAP_GUARD, -1, 0);
    CHECK((long)zone > 0);
    CHECK_EQ(sys(SYS_munmap, zone, size), 0);
    struct text t;
    unsigned char* const page = code_amid(zone, size, &t, round % 7);
    const size_t below = (size_t)(page - zone), above = size - below - kPage;
    if (round % 2) warm_up(page + 0x80, 0);
    if (round % 3 == 0) {
      CHECK_EQ(sys(SYS_munmap, zone, below), 0);
      CHECK_EQ(sys(SYS_munmap, page + kPage, above), 0);
    } else if (round % 3 == 1) {
      const bool has_below = taken_over(zone, below, kRw, kAnon), has_above = taken_over(page + kPage, above, kRw, kAnon);
      CHECK(round % 2 || (has_below && has_above));  // nothing of ours before a site is hot
      for (size_t at = 0; at < size; at += 16 * kPage) {
        if (zone + at == page || !(at < below ? has_below : has_above)) continue;
        CHECK_EQ(zone[at], 0);
        zone[at] = 1;
      }
    } else {
      taken_over(zone, below, PROT_NONE, MAP_GUARD);
      taken_over(page + kPage, above, PROT_NONE, MAP_GUARD);
    }
    warm_up(page + 0x80, 0);
    warm_up(page + 0x80, 0);
    make_writable(page, 1);
    expect_bytes(page + 0x80, &t);
    CHECK_EQ(sys(SYS_munmap, zone, size), 0);
  }
}
CASE(very_many_sites) {
  know();
  enum { kPages = 100, kEach = 64 };
  for (unsigned round = 0; round < rounds(1); ++round) {
    unsigned char* const pages = code_pages(kPages + 1);
    for (unsigned i = 0; i < kPages * kEach; ++i) {
      struct text t;
      make_text(&t, i, kNumbers[i % 6], i * (kPage / kEach));
      emit(pages + i * (kPage / kEach), t.bytes, t.size);
    }
    make_runnable(pages, kPages + 1);
    for (int again = 0; again < 2; ++again)
      for (unsigned i = 0; i < kPages * kEach; ++i)
        for (int n = 0; n < 10; ++n) CHECK_EQ(call(pages + i * (kPage / kEach)), wanted(i));
    CHECK_EQ(sys(SYS_munmap, pages, (kPages + 1) * kPage), 0);
  }
}

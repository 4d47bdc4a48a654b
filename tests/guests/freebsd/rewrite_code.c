// Code that is made, changed, unmapped and mapped again: what runs is always what stands there now, and whoever looks
// at writable memory or at a file sees what he wrote.
#include "rewrite.h"

enum { kAnon = MAP_ANON | MAP_PRIVATE, kRx = PROT_READ | PROT_EXEC, kRw = PROT_READ | PROT_WRITE };
static long mm(void* at, size_t size, int prot, int flags, long fd, long offset) { return sys(SYS_mmap, at, size, prot, flags, fd, offset); }
CASE(written_and_run_in_turn) {
  know();
  unsigned char* const pages = code_pages(2);
  static const unsigned kOffsets[] = {0x100, 0x13a, 0x139, 0x137, 0xff0, 0xff7, 0xff8, 0xff9, 0xffa, 0xffb, 0x000};
  for (unsigned round = 0; round < 700; ++round) {
    unsigned char* const at = pages + kOffsets[round % 11];
    struct text t;
    make_text(&t, round % 7, kNumbers[round % 6], (unsigned long)at);
    fill_code(pages, 2 * kPage);
    emit(at, t.bytes, t.size);
    make_runnable(pages, 2);
    warm_up(at, round);
    make_writable(pages, 2);
    expect_bytes(at, &t);                 // nothing shows
    // Changed in place, only the number.
    emit_word(at + t.number_at, kNumbers[(round + 1) % 6], 4);
    make_runnable(pages, 2);
    warm_up(at, round + 1);
    warm_up(at, round + 1);
    make_writable(pages, 2);
    emit_word(t.bytes + t.number_at, kNumbers[(round + 1) % 6], 4);
    expect_bytes(at, &t);
  }
}

CASE(the_instruction_becomes_another) {
  // mov; syscall; ret turns into mov; nop; nop; ret and back, and into one that ends elsewhere.
  know();
  unsigned char* const pages = code_pages(2);
  for (unsigned round = 0; round < 300; ++round) {
    struct text t;
    unsigned char* const at = pages + (round % 5 == 0 ? 0xff8 : 0x40 * (round % 60));
    make_text(&t, round % 6, SYS_getpid, (unsigned long)at);
    emit(at, t.bytes, t.size);
    unsigned site = 0;
    while (t.bytes[site] != 0x0f || t.bytes[site + 1] != 0x05) ++site;
    make_runnable(pages, 2);
    warm_up(at, 0);
    make_writable(pages, 2);
    expect_bytes(at, &t);
    EMIT(at + site, "\x90\x90");
    make_runnable(pages, 2);
    for (int i = 0; i < kWarm; ++i) CHECK_EQ(call(at), SYS_getpid);
    make_writable(pages, 2);
    EMIT(at + site, "\x31\xc0");          // xor %eax, %eax
    make_runnable(pages, 2);
    for (int i = 0; i < kWarm; ++i) CHECK_EQ(call(at), 0);
    make_writable(pages, 2);
    EMIT(at + site, "\x0f\x05");
    make_runnable(pages, 2);
    warm_up(at, 0);
    make_writable(pages, 2);
    expect_bytes(at, &t);
    fill_code(pages, 2 * kPage);
  }
}

static volatile long faults;
static void* fault_at;
static void faulted(int signal, struct siginfo* info, struct ucontext* context) {
  // As if the call of nothing had returned 99.
  CHECK_EQ(context->uc_mcontext.mc_rip, fault_at);
  context->uc_mcontext.mc_rip = *(long*)context->uc_mcontext.mc_rsp;
  context->uc_mcontext.mc_rsp += 8;
  context->uc_mcontext.mc_rax = 99;
  ++faults;
}
CASE(unmapped_and_mapped_again) {
  know();
  on_signal(SIGSEGV, faulted, 0);
  on_signal(SIGBUS, faulted, 0);
  unsigned char* const pages = code_pages(4);
  for (unsigned round = 0; round < 300; ++round) {
    unsigned char* const at = pages + kPage + 0x80 + (round % 3) * 0x3b;
    fault_at = at;
    struct text t;
    make_text(&t, round % 7, kNumbers[round % 6], (unsigned long)at);
    fill_code(pages, 4 * kPage);
    emit(at, t.bytes, t.size);
    make_runnable(pages, 4);
    warm_up(at, round);
    if (round % 4 == 0) {
      CHECK_EQ(sys(SYS_munmap, pages + kPage, kPage), 0);
      CHECK_EQ(call(at), 99);                                            // nothing there
      CHECK_EQ(mm(pages + kPage, kPage, kRw, kAnon | MAP_FIXED, -1, 0), pages + kPage);
    } else if (round % 4 == 1) {
      CHECK_EQ(mm(pages, 3 * kPage, kRw, kAnon | MAP_FIXED, -1, 0), pages);   // straight over
    } else if (round % 4 == 2) {
      CHECK_EQ(mm(pages + kPage, kPage, 0, MAP_GUARD | MAP_FIXED, -1, 0), pages + kPage);
      CHECK_EQ(call(at), 99);
      CHECK_EQ(mm(pages + kPage, kPage, kRw, MAP_ANON | MAP_SHARED | MAP_FIXED, -1, 0), pages + kPage);
    } else {
      protect(pages, 4, PROT_NONE);
      CHECK_EQ(call(at), 99);
      protect(pages, 4, kRx);
      warm_up(at, round);
      protect(pages, 4, kRw);
      CHECK_EQ(call(at), 99);                                            // not to be run
      expect_bytes(at, &t);
      memset(at, 0, t.size);
    }
    for (unsigned i = 0; i < t.size; ++i) CHECK_EQ(((volatile unsigned char*)at)[i], 0);
    make_writable(pages, 4);
    make_text(&t, (round + 3) % 7, kNumbers[(round + 1) % 6], (unsigned long)at);
    fill_code(pages, 4 * kPage);
    emit(at, t.bytes, t.size);
    make_runnable(pages, 4);
    warm_up(at, round + 1);
    make_writable(pages, 4);
    expect_bytes(at, &t);
  }
  CHECK(faults >= 225);
}
CASE(a_page_of_many_is_replaced) {
  // One mapping of many pages: only the middle one goes, by munmap, mmap or mprotect; its neighbours stay.
  know();
  enum { kPages = 9 };
  for (unsigned round = 0; round < 100; ++round) {
    unsigned char* const pages = code_pages(kPages);
    struct text t[kPages];
    for (unsigned i = 0; i < kPages; ++i) make_text(&t[i], round + i, kNumbers[i % 6], 0x40), emit(pages + i * kPage + 0x40, t[i].bytes, t[i].size);
    make_runnable(pages, kPages);
    for (unsigned i = 0; i < kPages; ++i) warm_up(pages + i * kPage + 0x40, i);
    unsigned char* const middle = pages + 4 * kPage;
    if (round % 3 == 0) CHECK_EQ(sys(SYS_munmap, middle, kPage), 0);
    if (round % 3 != 1) CHECK_EQ(mm(middle, kPage, kRw, kAnon | MAP_FIXED, -1, 0), middle);
    else make_writable(middle, 1), expect_bytes(middle + 0x40, &t[4]);
    make_text(&t[4], round + 1, SYS_getppid, 0x40);
    fill_code(middle, kPage);
    emit(middle + 0x40, t[4].bytes, t[4].size);
    make_runnable(middle, 1);
    for (unsigned i = 0; i < kPages; ++i)
      for (int n = 0; n < kWarm; ++n) CHECK_EQ(call(pages + i * kPage + 0x40), i == 4 ? parent : wanted(i));
    make_writable(pages, kPages);
    for (unsigned i = 0; i < kPages; ++i) expect_bytes(pages + i * kPage + 0x40, &t[i]);
    CHECK_EQ(sys(SYS_munmap, pages, kPages * kPage), 0);
  }
}

CASE(writable_and_executable_at_once) {
  know();
  unsigned char* const page = (unsigned char*)mm(0, 2 * kPage, kRw | PROT_EXEC, kAnon, -1, 0);
  CHECK((long)page > 0);
  for (unsigned round = 0; round < 500; ++round) {
    unsigned char* const at = page + (round * 0x35) % 0x1f00;
    struct text t;
    make_text(&t, round % 7, kNumbers[round % 6], (unsigned long)at);
    fill_code(page, 2 * kPage);
    emit(at, t.bytes, t.size);
    for (int i = 0; i < kWarm; ++i) {
      CHECK_EQ(call(at), wanted(round));
      if (i % 16 == 0) expect_bytes(at, &t);
    }
    for (unsigned which = 0; which < 3 * kWarm; ++which) {        // changed between two calls
      emit_word(at + t.number_at, kNumbers[which % 6], 4);
      CHECK_EQ(call(at), wanted(which));
    }
  }
}
CASE(made_writable_without_losing_execution) {
  // Executable first, hot, and only then writable too: the bytes are the original ones, and may be changed.
  know();
  for (unsigned round = 0; round < 200; ++round) {
    unsigned char* const page = code_pages(1);
    struct text t;
    make_text(&t, round % 7, SYS_getpid, round);
    emit(page + round, t.bytes, t.size);
    make_runnable(page, 1);
    warm_up(page + round, 0);
    protect(page, 1, kRx | PROT_WRITE);
    expect_bytes(page + round, &t);
    warm_up(page + round, 0);
    expect_bytes(page + round, &t);
    emit_word(page + round + t.number_at, SYS_getppid, 4);
    warm_up(page + round, 2);
    make_runnable(page, 1);
    warm_up(page + round, 2);
    CHECK_EQ(sys(SYS_munmap, page, kPage), 0);
  }
}

// --- two pages -------------------------------------------------------------------------------------------------------
CASE(the_next_page_goes) {
  // The function ends with its page; what pads it stands on the next, which is unmapped, protected, written or replaced.
  know();
  for (unsigned round = 0; round < 400; ++round) {
    unsigned char* const pages = code_pages(3);
    struct text t;
    const unsigned size = round % 2 ? 11 : 8;
    unsigned char* const at = pages + kPage - size;
    make_text(&t, round % 2 ? 0 : 1, SYS_getpid, (unsigned long)at);
    emit(at, t.bytes, size);
    memset(pages + kPage, 0xcc, 64);
    make_runnable(pages, 2);
    const bool before = round % 3 == 0;
    if (!before) warm_up(at, 0);
    switch (round % 5) {
      case 0: CHECK_EQ(sys(SYS_munmap, pages + kPage, kPage), 0); break;
      case 1: make_writable(pages + kPage, 1); break;
      case 2: protect(pages + kPage, 1, PROT_NONE); break;
      case 3: CHECK_EQ(mm(pages + kPage, kPage, kRw, kAnon | MAP_FIXED, -1, 0), pages + kPage); break;
      case 4: protect(pages + kPage, 1, PROT_READ); break;
    }
    if (round % 5 == 1) {
      for (int i = 0; i < 64; ++i) CHECK_EQ(((volatile unsigned char*)pages)[kPage + i], 0xcc);
      memset(pages + kPage, 0x11, 64);
    }
    warm_up(at, 0);
    make_writable(pages, 1);
    for (unsigned i = 0; i < size; ++i) CHECK_EQ(((volatile unsigned char*)at)[i], t.bytes[i]);
    make_runnable(pages, 1);
    warm_up(at, 0);
    if (round % 5 == 1) for (int i = 0; i < 64; ++i) CHECK_EQ(((volatile unsigned char*)pages)[kPage + i], 0x11);
    if (round % 5 != 0) CHECK_EQ(sys(SYS_munmap, pages + kPage, kPage), 0);
    CHECK_EQ(sys(SYS_munmap, pages, kPage), 0);
    CHECK_EQ(sys(SYS_munmap, pages + 2 * kPage, kPage), 0);
  }
}
CASE(half_an_instruction_goes) {
  // The instruction, or the number before it, lies on two pages; one of them is changed.
  know();
  unsigned char* const pages = code_pages(2);
  for (unsigned round = 0; round < 400; ++round) {
    struct text t;
    const unsigned site = round % 4 < 2 ? 8 : 5, split = round % 2 ? site + 1 : 3;
    unsigned char* const at = pages + kPage - split;
    make_text(&t, round % 4 < 2 ? 0 : 1, SYS_getpid, (unsigned long)at);
    fill_code(pages, 2 * kPage);
    emit(at, t.bytes, t.size);
    make_runnable(pages, 2);
    warm_up(at, 0);
    unsigned char* const changed = round % 8 < 4 ? pages + kPage : pages;
    make_writable(changed, 1);
    for (unsigned i = 0; i < t.size; ++i)
      if ((at + i >= pages + kPage) == (changed != pages)) CHECK_EQ(((volatile unsigned char*)at)[i], t.bytes[i]);
    if (split == site + 1 && changed != pages) at[site + 1] = 0x31;       // rdtsc
    else if (split == site + 1) at[1] = SYS_getppid;
    else if (changed == pages) at[1] = SYS_getppid;
    else at[4] = 1;                                                       // a number beyond all: 0x1000014
    make_runnable(changed, 1);
    for (int i = 0; i < kWarm; ++i) {
      const long r = call(at);
      if (split == site + 1 && changed != pages) CHECK(r != pid && r != ENOSYS);
      else CHECK_EQ(r, changed == pages ? parent : ENOSYS);
    }
    make_writable(pages, 2);
  }
}

CASE(half_of_what_follows_goes) {
  // The call is rewritten on one page, and the instruction behind it ends on the next, which is changed.
  know();
  unsigned char* const pages = code_pages(2);
  for (unsigned round = 0; round < 200; ++round) {
    fill_code(pages, 2 * kPage);
    unsigned char* const at = pages + kPage - 13;
    unsigned char* end = emit_word(EMIT(at, "\xb8"), SYS_getpid, 4);
    end = EMIT(end, "\x45\x31\xc9\x0f\x05\x49\xc7\xc0");   // xor %r9d,%r9d; syscall; mov $number,%r8
    CHECK_EQ(end, pages + kPage);
    EMIT(emit_word(end, round, 4), "\x4c\x89\xc0\xc3\x01\xd8\xc3");
    make_runnable(pages, 2);
    for (int i = 0; i < kWarm; ++i) CHECK_EQ(call(at), round);
    make_writable(end, 1);
    emit_word(end, round + 1, 4);
    make_runnable(end, 1);
    for (int i = 0; i < kWarm; ++i) CHECK_EQ(call(at), round + 1);
    make_writable(pages, 2);
  }
}

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

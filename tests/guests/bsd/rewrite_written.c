// Code that is made, changed, unmapped and mapped again: what runs is always what stands there now, and whoever looks
// at writable memory or at a file sees what he wrote.
#include "rewrite.h"

#ifdef __FreeBSD__
enum { kReserved = MAP_GUARD, kUnknownFails = true };
#else
enum { kReserved = MAP_ANON | MAP_PRIVATE, kUnknownFails = false };   // a call there is not raises SIGSYS
#endif
enum { kAnon = MAP_ANON | MAP_PRIVATE, kRx = PROT_READ | PROT_EXEC, kRw = PROT_READ | PROT_WRITE };
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
  CHECK_EQ(REG(context, rip), fault_at);
  REG(context, rip) = *(long*)REG(context, rsp);
  REG(context, rsp) += 8;
  REG(context, rax) = 99;
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
      CHECK_EQ(map_at(pages + kPage, kPage, kRw, kAnon | MAP_FIXED), pages + kPage);
    } else if (round % 4 == 1) {
      CHECK_EQ(map_at(pages, 3 * kPage, kRw, kAnon | MAP_FIXED), pages);   // straight over
    } else if (round % 4 == 2) {
      CHECK_EQ(map_at(pages + kPage, kPage, PROT_NONE, kReserved | MAP_FIXED), pages + kPage);
      CHECK_EQ(call(at), 99);
      CHECK_EQ(map_at(pages + kPage, kPage, kRw, MAP_ANON | MAP_SHARED | MAP_FIXED), pages + kPage);
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
    if (round % 3 != 1) CHECK_EQ(map_at(middle, kPage, kRw, kAnon | MAP_FIXED), middle);
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
  unsigned char* const page = (unsigned char*)map_at(0, 2 * kPage, kRw | PROT_EXEC, kAnon);
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
      case 3: CHECK_EQ(map_at(pages + kPage, kPage, kRw, kAnon | MAP_FIXED), pages + kPage); break;
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
    else if (kUnknownFails) at[4] = 1;                                    // a number beyond all: 0x1000014
    make_runnable(changed, 1);
    for (int i = 0; i < kWarm; ++i) {
      const long r = call(at);
      if (split == site + 1 && changed != pages) CHECK(r != pid && r != ENOSYS);
      else if (changed == pages) CHECK_EQ(r, parent);
      else CHECK_EQ(r, kUnknownFails ? ENOSYS : pid);
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

// Threads stand between the short jump at a site and the jump in the padding that it leads to, while another thread
// takes both away. What they find then must not be the program's own padding, or no memory at all.
#include "../bsd/rewrite.h"

enum { kWorkers = 6, kUndone = 120, kEndOfPage = 0xff8 };
static struct thread workers[kWorkers];
static unsigned char* volatile routine;
static unsigned char* volatile last_run[kWorkers];
static volatile bool stop;
static void work(struct thread* t) {
  while (!stop) {
    unsigned char* const at = routine;
    for (int n = 0; n < 50; ++n) CHECK_EQ(call(at), pid);
    last_run[(long)t->arg] = at;
  }
}
// Each round has a site of its own, as one that traps while its page is writable is left alone from then on: `change` is
// called when it is being run by all others. mov $20,%eax; syscall; ret; padding up to
// the next multiple of 16.
static void race(unsigned in_page, unsigned char padding, void (*change)(unsigned char* next_page)) {
  know();
  alarm_after(110 * rounds(1));
  for (unsigned i = 0; i < kUndone * rounds(1); ++i) {
    static unsigned char* pages;
    if (i % 500 == 0) pages = code_pages(1000);
    unsigned char* const at = pages + i % 500 * 2 * kPage + in_page;
    struct text t;
    make_text(&t, 1, SYS_getpid, (unsigned long)at);
    memset(t.bytes + 8, padding, t.size - 8);
    emit(at, t.bytes, t.size);
    if (((unsigned long)at + 8) % kPage == 0) memset(at + 8, padding, 16);
    make_runnable(at, 2);
    routine = at;
    for (int n = 0; i == 0 && n < kWorkers; ++n) thread_start(&workers[n], work, (void*)(long)n);
    for (unsigned n = 0; n < 30; ++n) CHECK_EQ(call(at), pid);
    for (int n = 0; n < kWorkers; ++n)
      while (last_run[n] != at) sys(SYS_sched_yield);
    change(pages + (i % 500 * 2 + 1) * kPage);
    if (in_page != kEndOfPage) expect_bytes(at, &t);
  }
  stop = true;
  for (int i = 0; i < kWorkers; ++i) thread_join(&workers[i]);
}

static void make_all_writable(unsigned char* next_page) {
  protect(next_page - kPage, 2, PROT_READ | PROT_WRITE | PROT_EXEC);
}
CASE(int3_made_writable) { race(0x100, 0xcc, make_all_writable); }
CASE(nops_made_writable) { race(0x109, 0x90, make_all_writable); }

// The site stays where it is; the page with its padding goes.
static void unmap(unsigned char* next_page) { CHECK_EQ(sys(SYS_munmap, next_page, kPage), 0); }
CASE(page_of_the_hop_unmapped) { race(kEndOfPage, 0xcc, unmap); }
static void take_rights(unsigned char* next_page) { protect(next_page, 1, PROT_NONE); }
CASE(page_of_the_hop_not_readable) { race(kEndOfPage, 0xcc, take_rights); }
static void map_over(unsigned char* next_page) {
  CHECK_EQ(sys(SYS_mmap, next_page, kPage, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0), next_page);
}
CASE(page_of_the_hop_mapped_over) { race(kEndOfPage, 0xcc, map_over); }

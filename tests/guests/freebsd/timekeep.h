// The page behind AT_TIMEKEEP, and how programs read it: FreeBSD 14.0 sys/sys/vdso.h, sys/x86/include/vdso.h,
// lib/libc/sys/__vdso_gettimeofday.c. After guest.h.
#pragma once

struct hands { uint32_t algo, gen; uint64_t scale; uint32_t count, mask; uint64_t offset[2], boottime[2]; uint32_t shift, rest[7]; };
struct timekeep { uint32_t version, enabled, current, pad; struct hands hands[4]; };
_Static_assert(sizeof(struct timekeep) == 368, "struct vdso_timekeep with VDSO_TH_NUM hands");
enum { AT_TIMEKEEP = 22, kSecond = 1000000000 };

static volatile struct timekeep* page;
static inline void find_timekeep(void) {
  for (unsigned long* a = guest_auxv; a[0] != 0; a += 2)
    if (a[0] == AT_TIMEKEEP) page = (volatile struct timekeep*)a[1];
}
static inline unsigned long counter(void) {
  unsigned low, high;
  __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
  return (unsigned long)high << 32 | low;
}
static inline long nanoseconds(const uint64_t time[2]) {
  return (long)(time[0] * kSecond + ((time[1] >> 32) * kSecond >> 32));
}
/// CLOCK_MONOTONIC in nanoseconds, or -1: the page is off. `wall` (CLOCK_REALTIME) may be 0.
static inline long read_page(long* wall) {
  for (;;) {
    if (page == 0 || page->version != 1 || page->enabled == 0) return -1;
    const uint32_t current = __atomic_load_n(&page->current, __ATOMIC_ACQUIRE);
    const volatile struct hands* const th = &page->hands[current];
    const uint32_t gen = __atomic_load_n(&th->gen, __ATOMIC_ACQUIRE);
    uint64_t time[2] = {th->offset[0], th->offset[1]};
    const uint32_t delta = ((uint32_t)(counter() >> th->shift) - th->count) & th->mask;
    const uint64_t more = th->scale * delta, before = time[1];   // 64 bits, as Go's reader has it
    time[1] += more;
    time[0] += time[1] < before;
    uint64_t real[2] = {time[0] + th->boottime[0], time[1] + th->boottime[1]};
    real[0] += real[1] < time[1];
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (current != page->current || gen == 0 || gen != th->gen) continue;
    if (wall != 0) *wall = nanoseconds(real);
    return nanoseconds(time);
  }
}

// A call that always traps: its page can be written, so it is not rewritten.
static long (*trapping_clock)(long clock, struct timespec* ts);
static inline void make_trapping_clock(void) {
  static const unsigned char kCode[] = {0xb8, 232, 0, 0, 0, 0x0f, 0x05, 0xc3};
  void* const code = (void*)MMAP(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANON, -1, 0);
  memcpy(code, kCode, sizeof kCode);
  trapping_clock = (long (*)(long, struct timespec*))code;
}

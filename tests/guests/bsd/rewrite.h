// Call sites made at run time, on pages that have never run before, with what stands around the instruction chosen;
// and a routine that loads the whole state of the processor, makes a call, and stores the whole state.
#pragma once

#include "portable.h"

enum { kPage = 4096, kWarm = 64 };   // so many calls make any site hot

static unsigned long random_state = 88172645463325252UL;
static inline unsigned long random_word(void) {
  random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
  return random_state;
}

// GUEST_ROUNDS=N in the environment makes the long cases N times as long.
static inline unsigned number_in_environment(const char* name, unsigned otherwise) {
  for (char** e = guest_envp; *e != 0; ++e) {
    const char *at = *e, *n = name;
    while (*n != 0 && *at == *n) ++at, ++n;
    if (*n == 0 && *at == '=') return (unsigned)parse(at + 1);
  }
  return otherwise;
}
static inline unsigned rounds(unsigned usual) { return usual * number_in_environment("GUEST_ROUNDS", 1); }

// --- pages of code -------------------------------------------------------------------------------------------
// As in a text of very small functions: one begins at each multiple of 16, and int3 pads it. Whatever is put anywhere
// into that, no instruction before it reaches into it; and padding after it ends where a function begins.
static inline void fill_code(void* at, size_t size) {
  for (unsigned char* byte = at; size-- != 0; ++byte) *byte = (unsigned long)byte % 16 == 0 ? 0xc3 : 0xcc;
}
static inline unsigned char* code_pages(size_t count) {
  unsigned char* const pages = map(count * kPage);
  fill_code(pages, count * kPage);
  return pages;
}
static inline void protect(void* at, size_t count, int prot) {
  const unsigned long page = (unsigned long)at & ~(kPage - 1UL);
  CHECK_EQ(sys(SYS_mprotect, page, count * kPage, prot), 0);
}
static inline void make_runnable(void* at, size_t count) { protect(at, count, PROT_READ | PROT_EXEC); }
static inline void make_writable(void* at, size_t count) { protect(at, count, PROT_READ | PROT_WRITE); }
static inline unsigned char* emit(unsigned char* at, const void* bytes, size_t n) { return (unsigned char*)memcpy(at, bytes, n) + n; }
#define EMIT(at, text) emit(at, text, sizeof(text) - 1)
static inline unsigned char* emit_word(unsigned char* at, unsigned long word, size_t n) { return emit(at, &word, n); }
static inline unsigned char* emit_jump(unsigned char* at, const unsigned char* to) {
  *at = 0xe9;
  return emit_word(at + 1, (unsigned long)(to - (at + 5)), 4);
}

// --- functions that make one call, without arguments --------------------------------------------------------
static long pid, parent;   // after know()
static inline void know(void) { pid = sys(SYS_getpid), parent = sys(SYS_getppid); }
static inline long call(const void* at) { return ((long (*)(long, long, long))(uintptr_t)at)(-1, -1, -1); }

// Functions that make one call, to be put at `place`: what is there modulo 16 says how far they are padded. The number
// stands in the text where `number_at` says.
enum { kKinds = 7 };
struct text { unsigned char bytes[48]; unsigned size, number_at; };
static inline unsigned make_text(struct text* t, unsigned kind, unsigned number, unsigned long place) {
  enum { kUsual, kShort, kMoved, kBranching, kNoGap, kNops, kLiteral };
  kind %= kKinds;
  unsigned char* at = t->bytes;
  if (kind == kNops) at = EMIT(at, "\xf3\x0f\x1e\xfa");               // endbr64
  if (kind == kLiteral) at = EMIT(at, "\x90\x90\x90");
  at = EMIT(at, "\xb8");
  t->number_at = (unsigned)(at - t->bytes);
  at = emit_word(at, number, 4);
  if (kind != kShort) at = EMIT(at, "\x49\x89\xca");
  if (kind == kMoved || kind == kLiteral) at = EMIT(at, "\x90");       // so that it is not clear what comes before the call
  at = EMIT(at, "\x0f\x05");
  if (kind == kMoved) at = EMIT(at, "\x49\x89\xc0");                   // mov %rax,%r8: may be displaced
  if (kind == kBranching) at = EMIT(at, "\x72\x01\xc3");
  at = EMIT(at, "\xc3");
  if (kind == kMoved || kind == kNoGap) at = EMIT(at, "\x01\xd8\xc3\x31\xc0\xc3");
  else if (kind == kLiteral) do *at++ = 0xcc; while ((place + (unsigned long)(at - t->bytes)) % 16 != 11);
  else while ((place + (unsigned long)(at - t->bytes)) % 16 != 0) *at++ = kind == kNops ? 0x90 : 0xcc;
  if (kind == kLiteral) at = EMIT(at, "\x01");
  return t->size = (unsigned)(at - t->bytes);
}
static const unsigned kNumbers[] = {SYS_getpid, SYS_close, SYS_getppid, SYS_sched_yield, SYS_failing, SYS_close};
static inline long wanted(unsigned which) {
  const long results[] = {pid, EBADF, parent, 0, kFailing, EBADF};
  return results[which % 6];
}
static inline void warm_up(const void* at, unsigned which) {
  for (int i = 0; i < kWarm; ++i) CHECK_EQ(call(at), wanted(which));
}
static inline void expect_bytes(const unsigned char* at, const struct text* t) {
  for (unsigned i = 0; i < t->size; ++i) CHECK_EQ(((volatile const unsigned char*)at)[i], t->bytes[i]);
}

// --- what stands around a call -------------------------------------------------------------------------------
enum { kInRax, kMov, kMovAndR10 };                       // where the number comes from, just before
enum { kDense, kRetInt3, kRetNop, kJumpInt3, kBranch };  // what follows
struct shape {
  const char* name;
  int number, tail;
  int offset;                 // of the instruction in its page; -1: right behind the code before
  bool padding_before;
};
static const struct shape kShapes[] = {
    {"dense", kInRax, kDense, -1, false},
    {"mov, dense", kMov, kDense, -1, false},
    {"mov, mov, dense", kMovAndR10, kDense, -1, false},
    {"dense, by itself", kInRax, kDense, 0x180, false},
    {"mov, dense, by itself", kMov, kDense, 0x185, false},
    {"mov, mov, dense, by itself", kMovAndR10, kDense, 0x188, false},
    {"ret, int3", kInRax, kRetInt3, 0x208, false},
    {"mov, ret, int3", kMov, kRetInt3, 0x205, false},
    {"mov, mov, ret, int3", kMovAndR10, kRetInt3, 0x208, false},
    {"ret, nop", kInRax, kRetNop, 0x200, false},
    {"mov, mov, ret, nop", kMovAndR10, kRetNop, 0x208, false},
    {"jump, int3", kInRax, kJumpInt3, 0x210, false},
    {"mov, mov, branch, ret, int3", kMovAndR10, kBranch, 0x225, false},
    {"mov, mov, branch, ret, int3, too few", kMovAndR10, kBranch, 0x228, false},
    {"padding before", kInRax, kDense, 0x240, true},
    {"dense, over a line", kInRax, kDense, 0x23f, false},
    {"ret, int3, over a line", kInRax, kRetInt3, 0x27f, false},
    {"mov, mov, ret, int3, over a line", kMovAndR10, kRetInt3, 0x2bf, false},
    {"mov over a line", kMov, kRetInt3, 0x242, false},
    {"dense, five bytes over a line", kInRax, kDense, 0x23d, false},
    {"dense, over a page", kInRax, kDense, 0xfff, false},
    {"ret, int3, over a page", kInRax, kRetInt3, 0xfff, false},
    {"mov, mov, ret, int3, over a page", kMovAndR10, kRetInt3, 0xfff, false},
    {"mov over a page", kMov, kRetInt3, 0x002, false},
    {"ret at the end of the page, int3 on the next", kInRax, kRetInt3, 0xffd, false},
};
// The first of those with padding, of those over a line, and of those over a page.
enum { kPadded = 6, kOverLine = 15, kOverPage = 20 };
enum { kShapeCount = sizeof kShapes / sizeof *kShapes, kSitePages = 3 };

struct site {
  unsigned char* pages;       // kSitePages
  unsigned char *entry, *call, *after;
  bool returns;               // by `ret`: the address of `after` must be at the stack pointer
};

// load, then the call in the shape wanted, then store. Writable still.
static inline struct site build(const struct shape* shape, unsigned number, const unsigned char* load, size_t load_size, const unsigned char* store, size_t store_size) {
  struct site s = {.pages = code_pages(kSitePages)};
  s.entry = s.pages + 0x40;
  unsigned char* at = emit(s.entry, load, load_size);
  const size_t before = shape->number == kInRax ? 0 : shape->number == kMov ? 5 : 8;
  if (shape->offset >= 0) {
    unsigned char* const place = s.pages + kPage + shape->offset - before;
    CHECK(at + 5 <= place);
    at = emit_jump(at, place);
    if (shape->padding_before) memset(at, 0xcc, (size_t)(place - at));
    at = place;
  }
  if (shape->number != kInRax) at = emit_word(EMIT(at, "\xb8"), number, 4);
  if (shape->number == kMovAndR10) at = EMIT(at, "\x49\x89\xca");
  s.call = at;
  at = EMIT(at, "\x0f\x05");
  s.returns = shape->tail == kRetInt3 || shape->tail == kRetNop || shape->tail == kBranch;
  if (shape->tail == kBranch) at = EMIT(at, "\x72\x01\xc3");       // jb 1f; ret; 1:
  if (s.returns) at = EMIT(at, "\xc3");
  // The padding ends at a multiple of 16, where the store goes on.
  if (shape->tail == kJumpInt3) at = EMIT(at, "\xeb"), *at = (unsigned char)(16 - (unsigned long)(at + 1) % 16), ++at;
  size_t pad = shape->tail == kDense ? 0 : 16 - (unsigned long)at % 16;
  if (shape->tail == kRetNop) {
    for (; pad > 5; pad -= 4) at = EMIT(at, "\x0f\x1f\x40\x00");
    for (; pad != 0; --pad) *at++ = 0x90;
  }
  memset(at, 0xcc, pad), at += pad;
  s.after = at;
  if (s.returns) at = EMIT(at, "\x48\x8d\x64\x24\xf8");            // lea -8(%rsp),%rsp
  at = emit(at, store, store_size);
  CHECK(at <= s.pages + kSitePages * kPage);
  return s;
}
static inline void discard(struct site* s) { CHECK_EQ(sys(SYS_munmap, s->pages, kSitePages * kPage), 0); }

// --- the whole state -------------------------------------------------------------------------------------------
enum { kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi };   // numbers of the registers; r8 to r15 have their own
enum { kCarry = 1, kDirection = 0x400, kStatusFlags = 0x8d5, kIdFlag = 0x200000, kAlways = 0x202 };
enum { kX87 = 1, kSse = 2, kAvx = 4, kMasks = 0x20, kHighZmm = 0x40, kMoreZmm = 0x80, kAvx512 = 0xe0 };
struct machine {
  unsigned long gpr[16];      // rsp: only stored
  unsigned long flags;
  unsigned long red_zone[16]; // downwards
  unsigned long stack[8];     // what stands at the stack pointer: return address, arguments
  unsigned long parts;        // of the extended state; none: by fxsave
  unsigned long shift;        // how far the stack pointer is from a multiple of 64
  unsigned long home;
  unsigned long spare[4];
  unsigned char extended[2752] __attribute__((aligned(64)));
};
_Static_assert(offsetof(struct machine, flags) == 128 && offsetof(struct machine, red_zone) == 136 && offsetof(struct machine, stack) == 264 && offsetof(struct machine, parts) == 328 && offsetof(struct machine, shift) == 336 && offsetof(struct machine, home) == 344 && offsetof(struct machine, extended) == 384, "the assembly's offsets");

// void (const struct machine* in, struct machine* out), with the call between the two.
extern const unsigned char state_load[] __attribute__((visibility("hidden"))), state_store[] __attribute__((visibility("hidden"))), state_end[] __attribute__((visibility("hidden")));
__asm__(
    ".text\n.globl state_load, state_store, state_end\n"
    "state_load:\n"
    "pushq %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
    "movq %rsp, 344(%rdi)\n"
    "leaq -512(%rsp), %rax; andq $-64, %rax; subq 336(%rdi), %rax; movq %rax, %rsp\n"
    "movq %rdi, 72(%rsp); movq %rsi, 80(%rsp)\n"
    ".irp n,0,1,2,3,4,5,6,7\n movq 264+8*\\n(%rdi), %rax; movq %rax, 8*\\n(%rsp)\n .endr\n"
    "movl 328(%rdi), %eax; xorl %edx, %edx; testl %eax, %eax; jz 1f; xrstor64 384(%rdi); jmp 2f; 1: fxrstor64 384(%rdi); 2:\n"
    "pushq 128(%rdi); popfq\n"
    ".irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16\n movq 128+8*\\n(%rdi), %rax; movq %rax, -8*\\n(%rsp)\n .endr\n"
    "movq 0(%rdi), %rax; movq 8(%rdi), %rcx; movq 16(%rdi), %rdx; movq 24(%rdi), %rbx; movq 40(%rdi), %rbp; movq 48(%rdi), %rsi\n"
    "movq 64(%rdi), %r8; movq 72(%rdi), %r9; movq 80(%rdi), %r10; movq 88(%rdi), %r11; movq 96(%rdi), %r12; movq 104(%rdi), %r13\n"
    "movq 112(%rdi), %r14; movq 120(%rdi), %r15; movq 56(%rdi), %rdi\n"
    "state_store:\n"
    "movq %rdi, 64(%rsp); movq 80(%rsp), %rdi\n"
    "movq %rax, 0(%rdi); movq %rcx, 8(%rdi); movq %rdx, 16(%rdi); movq %rbx, 24(%rdi); movq %rsp, 32(%rdi); movq %rbp, 40(%rdi); movq %rsi, 48(%rdi)\n"
    "movq 64(%rsp), %rax; movq %rax, 56(%rdi)\n"
    "movq %r8, 64(%rdi); movq %r9, 72(%rdi); movq %r10, 80(%rdi); movq %r11, 88(%rdi); movq %r12, 96(%rdi); movq %r13, 104(%rdi)\n"
    "movq %r14, 112(%rdi); movq %r15, 120(%rdi)\n"
    ".irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16\n movq -8*\\n(%rsp), %rax; movq %rax, 128+8*\\n(%rdi)\n .endr\n"
    ".irp n,0,1,2,3,4,5,6,7\n movq 8*\\n(%rsp), %rax; movq %rax, 264+8*\\n(%rdi)\n .endr\n"
    "pushfq; popq 128(%rdi); cld\n"
    "movq 72(%rsp), %rsi\n"
    "movl 328(%rsi), %eax; xorl %edx, %edx; testl %eax, %eax; jz 1f; xsave64 384(%rdi); jmp 2f; 1: fxsave64 384(%rdi); 2:\n"
    "fninit; movl $0x1f80, 64(%rsp); ldmxcsr 64(%rsp)\n"
    "movq 344(%rsi), %rsp; popq %r15; popq %r14; popq %r13; popq %r12; popq %rbp; popq %rbx; ret\n"
    "state_end:\n");

static inline void cpuid(unsigned leaf, unsigned sub, unsigned r[4]) {
  __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}
// Where the parts of the extended state stand; 0 where this processor or system lacks them.
struct layout { unsigned offset[8], size[8]; unsigned long parts; };
static inline struct layout find_layout(void) {
  struct layout l = {{0}, {0}, 0};
  unsigned r[4], low = 0, high = 0;
  if (number_in_environment("GUEST_FXSAVE", 0)) return l;         // as if the processor had no more
  cpuid(1, 0, r);
  if ((r[2] & (1U << 27)) == 0) return l;                          // OSXSAVE
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  l.parts = low & (kX87 | kSse | kAvx | kAvx512);
  if ((l.parts & kAvx512) != kAvx512) l.parts &= ~(unsigned long)kAvx512;
#ifdef __DragonFly__
  l.parts &= ~(unsigned long)kAvx512;                              // its kernel lets programs use no more, and has no room for more in a frame
#endif
  for (unsigned i = 2; i < 8; ++i) {
    if (((l.parts >> i) & 1) == 0) continue;
    cpuid(13, i, r);
    l.size[i] = r[0], l.offset[i] = r[1];
    CHECK(r[0] + r[1] <= sizeof ((struct machine*)0)->extended);
  }
  return l;
}
static inline void put_parts(const struct layout* l) {
  put("general registers, flags, red zone, x87, SSE");
  put(l->parts & kAvx ? ", AVX" : " (no AVX)");
  put(l->parts & kAvx512 ? ", AVX-512\n" : " (no AVX-512)\n");
}

// Everything at random. `kind` chooses which parts of the extended state are in use.
static inline void fill_state(struct machine* m, const struct layout* l, unsigned kind) {
  for (int i = 0; i < 16; ++i) m->gpr[i] = random_word(), m->red_zone[i] = random_word();
  for (int i = 1; i < 8; ++i) m->stack[i] = random_word();
  m->flags = (random_word() & (kStatusFlags | kDirection | kIdFlag)) | kAlways;
  static const unsigned kShifts[] = {0, 8, 16, 1, 61, 20};
  m->shift = kShifts[random_word() % 6];
  m->parts = l->parts;
  unsigned long* words = (unsigned long*)(void*)m->extended;
  memset(m->extended, 0, 576);
  unsigned long used = l->parts;
  if (kind % 8 == 1) used &= ~(unsigned long)(kAvx | kAvx512);     // as after vzeroupper
  if (kind % 8 == 2) used &= ~(unsigned long)kMoreZmm;             // zmm16 to zmm31 are zero
  if (kind % 8 == 3) used &= ~(unsigned long)(kHighZmm | kMoreZmm | kMasks);
  if (kind % 8 == 4) used &= ~(unsigned long)(kX87 | kMasks);
  if (kind % 8 == 5) used = 0;
  if (kind % 8 == 6) used &= kX87;
  const unsigned unmasked = kind % 8 == 7;                         // exceptions are on: nobody may raise one
  unsigned control = 0x40 | (random_word() & 0x1c00) | ((random_word() & 1) ? 0x300 : 0x200) | (unmasked ? 0 : 0x3f);
  unsigned status = random_word() & (unmasked ? 0x7f00 : 0x7f7f), tags = random_word() & 0xff;
  if (l->parts != 0 && (used & kX87) == 0) control = 0x37f, status = tags = 0;
  const unsigned mxcsr = (unsigned)(random_word() & 0xe07f) | (unmasked ? 0 : 0x1f80);
  words[0] = control | status << 16 | (unsigned long)tags << 32;
  words[3] = mxcsr | 0xffffUL << 32;
  if (l->parts == 0 || (used & kX87) != 0)
    for (int i = 4; i < 20; i += 2) words[i] = random_word(), words[i + 1] = random_word() & 0xffff;
  if (l->parts == 0 || (used & kSse) != 0)
    for (int i = 20; i < 52; ++i) words[i] = random_word();
  if (l->parts == 0) return;
  words[64] = used;                                                // XSTATE_BV
  for (unsigned i = 2; i < 8; ++i)
    for (unsigned at = 0; at < l->size[i]; at += 8) words[(l->offset[i] + at) / 8] = (used >> i) & 1 ? random_word() : 0;
}

static inline void expect_extended(const struct machine* out, const struct machine* in, const struct layout* l) {
  const unsigned long *a = (const unsigned long*)(const void*)out->extended, *b = (const unsigned long*)(const void*)in->extended;
  CHECK_EQ(a[0] & 0xffffffffffUL, b[0] & 0xffffffffffUL);          // control, status, tags
  CHECK_EQ(a[3] & 0xffffffffUL, b[3] & 0xffffffffUL);              // MXCSR
  for (int i = 4; i < 20; ++i) CHECK_EQ(a[i] & (i % 2 ? 0xffff : ~0UL), b[i] & (i % 2 ? 0xffff : ~0UL));
  for (int i = 20; i < 52; ++i) CHECK_EQ(a[i], b[i]);
  for (unsigned i = 2; i < 8; ++i)
    for (unsigned at = 0; at < l->size[i]; at += 8) CHECK_EQ(a[(l->offset[i] + at) / 8], b[(l->offset[i] + at) / 8]);
}
// All that a call must leave as it was, and what the instruction itself changes.
static inline void expect_kept(const struct machine* out, const struct machine* in, const struct site* s, bool failed) {
  for (int i = 0; i < 16; ++i) {
    if (i == kRax || i == kRcx || i == 11 || i == kRsp) continue;
    CHECK_EQ(out->gpr[i], kClearsSecond && i == kRdx && !failed ? 0 : in->gpr[i]);
  }
  CHECK_EQ(out->gpr[kRsp], ((in->home - 512) & -64UL) - in->shift);
  CHECK_EQ(out->gpr[kRcx], s->call + 2);
  CHECK_EQ(out->gpr[11], in->flags);
  CHECK_EQ(out->flags, (in->flags & ~(unsigned long)kCarry) | failed);
  // When `ret` has been executed, the lowest word is no longer in the red zone: a signal may have been there.
  for (int i = 0; i < 16 - s->returns; ++i) CHECK_EQ(out->red_zone[i], in->red_zone[i]);
  for (int i = 0; i < 8; ++i) CHECK_EQ(out->stack[i], in->stack[i]);
}
static inline struct site state_site(const struct shape* shape, unsigned number) {
  return build(shape, number, state_load, (size_t)(state_store - state_load), state_store, (size_t)(state_end - state_store));
}
static inline void exchange(const struct site* s, struct machine* in, struct machine* out) {
  if (s->returns) in->stack[0] = (unsigned long)s->after;
  else in->stack[0] = 0x7265747572e;
  ((void (*)(const struct machine*, struct machine*))(void*)s->entry)(in, out);
}

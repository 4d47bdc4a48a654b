// Calls from hot sites change what the call changes and nothing else, whatever stands around the instruction.
#include "rewrite.h"

enum { kAny = -1000 };
struct made {
  const char* name;
  unsigned long number;
  int count;                  // of the arguments; all other registers hold anything
  unsigned long args[6];
  unsigned long stack[2];     // arguments on the stack, from 8(%rsp)
  bool on_stack;
  long result;                // or -errno, or kAny
};
static struct machine before, after;
static struct layout layout;
static volatile int handled;
static struct timespec when, brief = {0, 1000};
static struct stat status;
static char byte;

static void disturb(int signal, struct siginfo* info, struct ucontext* context) {
  __asm__ volatile("pcmpeqd %%xmm0, %%xmm0; movaps %%xmm0, %%xmm7; movaps %%xmm0, %%xmm15; fninit; fldpi" ::: "xmm0", "xmm7", "xmm15", "memory");
  if (layout.parts & kAvx) __asm__ volatile("vinsertf128 $1, %%xmm0, %%ymm0, %%ymm3; vmovaps %%ymm3, %%ymm12" ::: "xmm3", "xmm12");
  if (layout.parts & kAvx512) __asm__ volatile("vpternlogd $255, %%zmm20, %%zmm20, %%zmm20; kxnorw %%k1, %%k1, %%k1" ::: "memory");
  ++handled;
}

static void make_calls(const struct shape* shape, const struct made* c) {
  struct site s = state_site(shape, (unsigned)c->number);
  make_runnable(s.pages, kSitePages);
  handled = 0;
  for (unsigned i = 0; i < kWarm; ++i) {
    fill_state(&before, &layout, i);
    before.gpr[kRax] = c->number;
    static const int kRegister[] = {kRdi, kRsi, kRdx, 10, 8, 9};
    for (int a = 0; a < c->count; ++a) before.gpr[kRegister[a]] = c->args[a];
    if (c->count > 3 && shape->number == kMovAndR10) before.gpr[kRcx] = c->args[3];
    if (shape->number != kInRax) before.gpr[kRax] = random_word();
    if (c->on_stack) before.stack[1] = c->stack[0], before.stack[2] = c->stack[1];
    byte = 'b';
    when.tv_nsec = -1;
    exchange(&s, &before, &after);
    if (shape->number != kInRax) before.gpr[kRax] = c->number;
    if (shape->number == kMovAndR10) before.gpr[10] = before.gpr[kRcx];
    if (c->result != kAny && (long)after.gpr[kRax] != (c->result < 0 ? -c->result : c->result)) put(shape->name), put(": "), put(c->name), put("\n");
    if (c->result != kAny) CHECK_EQ(after.gpr[kRax], c->result < 0 ? -c->result : c->result);
    expect_kept(&after, &before, &s, c->result < 0 && c->result != kAny);
    expect_extended(&after, &before, &layout);
    if (c->args[1] == (unsigned long)&byte && c->number == SYS_read) CHECK_EQ(byte, 0);
    if (c->number == SYS_clock_gettime && c->result == 0) CHECK(when.tv_nsec >= 0 && when.tv_nsec < 1000000000);
    if (c->number == SYS_kill) CHECK_EQ(handled, i + 1);
  }
  discard(&s);
}

static void make_all_calls(unsigned first, unsigned last) {
  layout = find_layout();
  put_parts(&layout);
  on_signal(SIGUSR1, disturb, 0);
  const long zero = sys(SYS_open, "/dev/zero", O_RDONLY), null = sys(SYS_open, "/dev/null", O_WRONLY);
  CHECK(zero >= 0 && null >= 0);
  const long no_fd = -1;
  know();
  sigset_t old;
  const struct made calls[] = {
      {"getpid", SYS_getpid, .result = pid},
      {"getppid", SYS_getppid, .result = parent},
      {"close", SYS_close, 1, {(unsigned long)no_fd}, .result = -EBADF},
      {"read", SYS_read, 3, {(unsigned long)zero, (unsigned long)&byte, 1}, .result = 1},
      {"write", SYS_write, 3, {(unsigned long)null, (unsigned long)&byte, 1}, .result = 1},
      {"clock_gettime", SYS_clock_gettime, 2, {CLOCK_MONOTONIC, (unsigned long)&when}, .result = 0},
      {"clock_gettime, bad clock", SYS_clock_gettime, 2, {77, (unsigned long)&when - 8}, .result = -EINVAL},
      {"gettimeofday", SYS_gettimeofday, 2, {(unsigned long)&when, 0}, .result = 0},
      {"indirect getpid", SYS_syscall, 1, {SYS_getpid}, .result = pid},
      {"indirect getpid, quad", SYS___syscall, 1, {SYS_getpid}, .result = pid},
      {"indirect close", SYS_syscall, 2, {SYS_close, (unsigned long)no_fd}, .result = -EBADF},
      {"an argument on the stack", SYS_padded_mmap, 6, {0, 0, PROT_READ, MAP_ANON | MAP_PRIVATE, (unsigned long)no_fd, 0x5555}, {kPage, 0}, true, -EINVAL},
#ifdef __FreeBSD__
      {"unsupported", 155, .result = -ENOSYS},
      {"no such call", 1000, .result = -ENOSYS},
      {"indirect nothing", SYS___syscall, 1, {SYS___syscall}, .result = -ENOSYS},
      {"indirect, an argument on the stack", SYS___syscall, 6, {SYS_mmap, 0, kPage, PROT_READ, MAP_ANON | MAP_PRIVATE, (unsigned long)no_fd}, {kPage, 0}, true, -EINVAL},
#else
      {"indirect, arguments on the stack", SYS___syscall, 6, {SYS_mmap, 0, 0, PROT_READ, MAP_ANON | MAP_PRIVATE, (unsigned long)no_fd}, {0x5555, kPage}, true, -EINVAL},
#endif
      {"getuid", SYS_getuid, .result = sys(SYS_getuid)},
      {"getegid", SYS_getegid, .result = sys(SYS_getegid)},
      {"sched_yield", SYS_sched_yield, .result = 0},
      {"fstat", SYS_fstat, 2, {(unsigned long)zero, (unsigned long)&status}, .result = 0},
      {"nanosleep", SYS_nanosleep, 2, {(unsigned long)&brief, 0}, .result = 0},
      {"sigprocmask", SYS_sigprocmask, 3, {SIG_BLOCK, 0, (unsigned long)&old}, .result = 0},
      {"kill", SYS_kill, 2, {(unsigned long)pid, SIGUSR1}, .result = 0},
      {"kevent", SYS_kevent, 6, {(unsigned long)no_fd, 0, 0, 0, 0, 0}, .result = -EBADF},
  };
  for (unsigned i = first; i < last; ++i)
    for (unsigned c = 0; c < sizeof calls / sizeof *calls; ++c) make_calls(&kShapes[i], &calls[c]);
}
CASE(state_at_dense_sites) { make_all_calls(0, kPadded); }
CASE(state_at_padded_sites) { make_all_calls(kPadded, kOverLine); }
CASE(state_at_sites_over_lines) { make_all_calls(kOverLine, kOverPage); }
CASE(state_at_sites_over_pages) { make_all_calls(kOverPage, kShapeCount); }

// --- stack pointers ----------------------------------------------------------------------------------------------
// long (long number, long stack_pointer, const long args[3], unsigned long* carry), without a use of the stack.
extern const unsigned char bare_load[] __attribute__((visibility("hidden"))), bare_store[] __attribute__((visibility("hidden"))), bare_end[] __attribute__((visibility("hidden")));
__asm__(
    ".text\n.globl bare_load, bare_store, bare_end\n"
    "bare_load:\n"
    "pushq %rbx; pushq %r12; pushq %r13; movq %rsp, %rbx; movq %rcx, %r12; movq %rsi, %r13\n"
    "movq %rdi, %rax; movq 0(%rdx), %rdi; movq 8(%rdx), %rsi; movq 16(%rdx), %rdx; movq %r13, %rsp\n"
    "bare_store:\n"
    "setc (%r12); subq %rsp, %r13; movq %r13, 8(%r12)\n"   // 0 if the stack pointer is what it was
    "movq %rbx, %rsp; popq %r13; popq %r12; popq %rbx; ret\n"
    "bare_end:\n");
typedef long bare_call(long number, long stack_pointer, const long args[3], unsigned long out[2]);

CASE(stack_pointers_of_all_kinds) {
  // Calls that take registers only work wherever the stack pointer points.
  char* const block = map(8 * kPage);
  CHECK_EQ(sys(SYS_mprotect, block, 4 * kPage, PROT_NONE), 0);
  char* const gone = map(kPage);
  CHECK_EQ(sys(SYS_munmap, gone, kPage), 0);
  const long zero = sys(SYS_open, "/dev/zero", O_RDONLY);
  know();
  char* const bottom = block + 4 * kPage;
  memset(bottom, 'k', 4 * kPage);
  const long pointers[] = {(long)bottom, (long)bottom + 1, (long)bottom + 8, (long)bottom + 127, (long)bottom + 128, (long)bottom + 2049, (long)(bottom - 8), (long)gone + 64,
                           0, 8, 5, -8, -1, 0x7ffffffff000, 0x7fffffffffff, 0x800000000000, 0x123456789abcdef0, (long)0xffff800000000000};
  const struct { long number, args[3], result; } calls[] = {
      {SYS_getpid, {0}, pid}, {SYS_getppid, {0}, parent}, {SYS_close, {-1}, -EBADF}, {SYS_read, {zero, (long)&byte, 1}, 1},
      {SYS_clock_gettime, {CLOCK_MONOTONIC, (long)&when}, 0}, {SYS_failing, {-1, -1, -1}, -kFailing}, {SYS_syscall, {SYS_getpid}, pid},
      {SYS___syscall, {SYS_close, -1}, -EBADF}, {SYS_sched_yield, {0}, 0}, {SYS_kill, {pid, 0}, 0}, {SYS_getuid, {0}, sys(SYS_getuid)},
  };
  for (unsigned k = 0; k < kShapeCount; ++k) {
    if (kShapes[k].tail != kDense && kShapes[k].tail != kJumpInt3) continue;   // `ret` needs a stack
    for (unsigned c = 0; c < sizeof calls / sizeof *calls; ++c) {
      struct site s = build(&kShapes[k], (unsigned)calls[c].number, bare_load, (size_t)(bare_store - bare_load), bare_store, (size_t)(bare_end - bare_store));
      make_runnable(s.pages, kSitePages);
      for (int round = 0; round < 24; ++round)
        for (unsigned p = 0; p < sizeof pointers / sizeof *pointers; ++p) {
          unsigned long out[2] = {0, 1};
          const long result = ((bare_call*)(void*)s.entry)(calls[c].number, pointers[p], calls[c].args, out);
          CHECK_EQ(out[0] & 0xff ? -result : result, calls[c].result);
          CHECK_EQ(out[1], 0);
        }
      discard(&s);
    }
  }
  for (int i = 0; i < 4 * kPage; ++i) CHECK_EQ(bottom[i], 'k');   // nothing is written there, above or below
}

CASE(an_argument_on_the_stack_that_cannot_be_read) {
  char* const block = map(2 * kPage);
  CHECK_EQ(sys(SYS_munmap, block + kPage, kPage), 0);
  const long args[3] = {0, 0, 0};
  const struct shape* const shape = &kShapes[0];
  struct site s = build(shape, 0, bare_load, (size_t)(bare_store - bare_load), bare_store, (size_t)(bare_end - bare_store));
  make_runnable(s.pages, kSitePages);
  for (int i = 0; i < kWarm; ++i) {
    unsigned long out[2] = {0, 1};
    const long at = i % 2 ? 0 : (long)(block + kPage - 8);
    CHECK_EQ(((bare_call*)(void*)s.entry)(SYS_padded_mmap, at, args, out), EFAULT);
    CHECK_EQ(out[0] & 0xff, 1);
    CHECK_EQ(out[1], 0);
  }
}

// --- single steps -----------------------------------------------------------------------------------------------
static unsigned long steps, steps_outside;
static unsigned char *first_byte, *last_byte;
extern const unsigned char __executable_start[] __attribute__((visibility("hidden"))), etext[] __attribute__((visibility("hidden")));
static void step(int signal, struct siginfo* info, struct ucontext* context) {
  const unsigned char* const at = (unsigned char*)REG(context, rip);
  ++steps;
  steps_outside += (at < first_byte || at > last_byte) && (at < __executable_start || at >= etext);
}
CASE(single_steps_stay_in_the_program) {
  // A debugger in the program itself: it sees its own instructions, never the runtime's.
  know();
  on_signal(SIGTRAP, step, 0);
  for (unsigned k = 0; k < kPadded; ++k) {
    struct site s = build(&kShapes[k], SYS_getppid, bare_load, (size_t)(bare_store - bare_load), bare_store, (size_t)(bare_end - bare_store));
    make_runnable(s.pages, kSitePages);
    first_byte = s.pages, last_byte = s.pages + kSitePages * kPage;
    const long args[3] = {0};
    unsigned long seen = 0;
    for (int i = 0; i < 2 * kWarm; ++i) {
      unsigned long out[2], stack;
      __asm__ volatile("leaq -4096(%%rsp), %0" : "=r"(stack));
      const bool stepping = i == 0 || i % 8 == 7;
      long result;
      steps = steps_outside = 0;
      if (stepping) __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; call *%[f]; pushfq; andl $~0x100, (%%rsp); popfq" : "=a"(result) : [f] "r"(s.entry), "D"((long)SYS_getppid), "S"(stack), "d"(args), "c"(out) : "r8", "r9", "r10", "r11", "memory", "cc");
      else result = ((bare_call*)(void*)s.entry)(SYS_getppid, (long)stack, args, out);
      CHECK_EQ(result, parent);
      if (!stepping) continue;
      CHECK_EQ(steps_outside, 0);
      if (seen == 0) seen = steps;
      CHECK(steps > 15);
      // As many as when the site was cold. Whether there is one right behind the call is the processor's affair.
      CHECK(steps == seen || steps == seen + 1 || steps + 1 == seen);
    }
  }
}

// --- all numbers at one site -----------------------------------------------------------------------------------------
CASE(one_site_for_every_call) {
  // As with syscall(2): one instruction, and each time another call; those with two results, too.
  know();
  int fds[2];
  make_pipe(fds);
  struct raw_call c;
#define MADE(...) (c = (struct raw_call){__VA_ARGS__, .carry_before = random_word() & 1}, raw_call(&c), (long)c.rax)
  for (int i = 0; i < 20 * kWarm; ++i) {
    const unsigned long any = random_word();
    switch (random_word() % 12) {
      case 0: CHECK_EQ(MADE(.number = SYS_getpid, .args = {0, 0, any}), pid); break;
      case 1: CHECK_EQ(MADE(.number = SYS_getppid, .args = {any, any, any}), parent); break;
      case 2: CHECK_EQ(MADE(.number = SYS_write, .args = {(unsigned long)fds[1], (unsigned long)"xyz", 3}), 3);
        CHECK_EQ(MADE(.number = SYS_read, .args = {(unsigned long)fds[0], (unsigned long)&when, 3}), 3);
        break;
      case 3: CHECK_EQ(MADE(.number = SYS_close, .args = {(unsigned long)-1, any, any}), EBADF); CHECK_EQ(c.flags & 1, 1); break;
      case 4: CHECK_EQ(MADE(.number = SYS_clock_gettime, .args = {CLOCK_MONOTONIC, (unsigned long)&when, any}), 0); break;
      case 5: CHECK_EQ(MADE(.number = SYS_syscall, .args = {SYS_getpid, any, any}), pid); break;
      case 6: CHECK_EQ(MADE(.number = SYS___syscall, .args = {SYS_close, (unsigned long)-1, any}), EBADF); break;
      case 7: CHECK_EQ(MADE(.number = SYS_failing | any << 32, .args = {(unsigned long)-1, (unsigned long)-1, any}), kFailing); break;
      case 8: CHECK_EQ(MADE(.number = SYS_sched_yield, .args = {any, any, any}), 0); break;
      case 9: CHECK_EQ(MADE(.number = SYS_getuid, .args = {any, any, any}), sys(SYS_getuid)); break;
      case 10: {
        CHECK(MADE(.number = SYS_pipe, .args = {any, any, any}) > 2);
        const unsigned long first = c.rax, second = c.rdx;
        CHECK(second > 2 && second != first && second < 100);
        CHECK_EQ(c.flags & 1, 0);
        CHECK_EQ(MADE(.number = SYS_close, .args = {first, 0, any}), 0);
        CHECK_EQ(MADE(.number = SYS_close, .args = {second, 0, any}), 0);
        break;
      }
      case 11: {
        if (i % 4 != 0) continue;
        const long child = MADE(.number = SYS_fork, .args = {any, any, any});
        CHECK_EQ(c.flags & 1, 0);
        if (child == 0) MADE(.number = SYS_exit, .args = {c.rdx == (kClearsSecond ? any : 1) ? 17 : 1});
        CHECK_EQ(c.rdx, 0);
        expect_exit(child, 17);
        continue;
      }
    }
    // Calls with one result leave it alone, or clear it.
    if (c.number != SYS_read && c.args[2] == any) CHECK_EQ(c.rdx, kClearsSecond && (c.flags & kCarry) == 0 ? 0 : any);
  }
}

// As Go reads the clock: the call lies over a line, and what comes before it is no load of the number. That the function
// has been called, which its caller's address on the stack shows, makes known what is before the call.
CASE(sites_of_called_functions) {
  know();
  enum { kFunctions = 12, kCallers = 0x800, kBegin = 0x20 };
  unsigned char* const page = code_pages(1);
  unsigned char* callers[kFunctions];
  for (unsigned i = 0; i < kFunctions; ++i) {
    unsigned char* const function = page + i * 0x40 + kBegin;
    unsigned char* at = EMIT(function, "\x48\x83\xec\x28\x48\x89\x6c\x24\x20\x48\x8d\x6c\x24\x20\xb8");
    at = emit_word(at, kNumbers[i % 6], 4);
    at = EMIT(at, "\x48\xc7\xc7\xff\xff\xff\xff\x48\x8d\x74\x24\x08\x0f\x05");        // lea 8(%rsp),%rsi
    CHECK_EQ((unsigned long)at % 64, 1);
    at = EMIT(at, "\x48\x8b\x54\x24\x08\x48\x8b\x6c\x24\x20\x48\x83\xc4\x28\xc3");
    callers[i] = page + kCallers + i * 0x20;
    at = EMIT(callers[i], "\x48\x83\xec\x08\xe8");
    at = emit_word(at, (unsigned long)(function - (at + 4)), 4);
    EMIT(at, "\x48\x83\xc4\x08\xc3");
  }
  make_runnable(page, 1);
  for (unsigned i = 0; i < kFunctions; ++i) warm_up(callers[i], i);
  for (unsigned i = 0; i < kFunctions; ++i) warm_up(callers[i], i);
}

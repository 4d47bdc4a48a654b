// Signals over hot sites: at any moment the handler sees the program where the program is, either before its call or
// behind it, with the registers it had; and calls are interrupted or made again exactly as they should be.
#include "rewrite.h"

extern const unsigned char __executable_start[] __attribute__((visibility("hidden"))), etext[] __attribute__((visibility("hidden")));
enum { kThreads = 3, kWorkers = 2, kUntil = 12000, kSitesEach = 80 };

static volatile long handled, before_call, behind_call, in_routine, slept;
static volatile bool stop;
static unsigned char* volatile trampoline;   // the page that handlers return to: the kernel's, and known to the program
static void learn(int signal, struct siginfo* info, struct ucontext* context) { trampoline = (unsigned char*)((unsigned long)__builtin_return_address(0) & ~(kPage - 1UL)); }
static void learn_trampoline(void) {
  on_signal(SIGUSR2, learn, 0);
  send(SIGUSR2);
  CHECK(trampoline != 0);
}
static bool in_program(const unsigned char* at) { return (at >= __executable_start && at < etext) || (at >= trampoline && at < trampoline + kPage); }

// --- what a handler sees -----------------------------------------------------------------------------------------
// Each worker runs one routine after the other with a state of its own; the handler compares.
struct worker {
  struct thread thread;          // first: thread_self()
  struct site site;
  struct machine in, out;
  long number, result;           // `result`: what the call is to return
  bool failed;
  volatile long sites;           // that have been run and discarded
  volatile bool inside;          // `site` and `in` are what is being run
  unsigned char *stack, *alternate;
};
static struct worker all[kThreads];
enum { kStack = 64 * 1024 };

static unsigned long word_of(const struct mcontext* m, int i) {
  const long words[16] = {m->mc_rax, m->mc_rcx, m->mc_rdx, m->mc_rbx, m->mc_rsp, m->mc_rbp, m->mc_rsi, m->mc_rdi, m->mc_r8, m->mc_r9, m->mc_r10, m->mc_r11, m->mc_r12, m->mc_r13, m->mc_r14, m->mc_r15};
  return (unsigned long)words[i];
}
static void look(int signal, struct siginfo* info, struct ucontext* context) {
  const struct mcontext* const m = &context->uc_mcontext;
  const unsigned char* const at = (unsigned char*)m->mc_rip;
  struct worker* const w = (struct worker*)(void*)thread_self();
  __atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
  CHECK(w >= all && w < all + kThreads);
  CHECK_EQ(sys(SYS_getpid), pid);          // hot, too
  const unsigned char* const stack = (unsigned char*)m->mc_rsp;
  CHECK((stack >= w->stack && stack < w->stack + kStack) || (stack >= w->alternate && stack < w->alternate + kStack));
  const bool generated = w->inside && at >= w->site.pages && at < w->site.pages + kSitePages * kPage;
  CHECK(generated || in_program(at));
  if (!generated) return;
  __atomic_fetch_add(&in_routine, 1, __ATOMIC_RELAXED);
  if (at != w->site.call && at != w->site.call + 2) return;
  // At the instruction: nothing has happened. Behind it: all that a call does, and no more.
  const bool behind = at != w->site.call;
  __atomic_fetch_add(behind ? &behind_call : &before_call, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < 16; ++i) {
    if (i == kRax || i == kRcx || i == 11 || i == kRsp) continue;
    CHECK_EQ(word_of(m, i), w->in.gpr[i]);
  }
  CHECK_EQ(m->mc_rsp, ((w->in.home - 512) & -64UL) - w->in.shift);
  const unsigned long kSeen = kStatusFlags | kDirection | kIdFlag;
  if (behind) {
    CHECK_EQ(m->mc_rcx, at);
    const bool woken = w->result == EINTR && m->mc_rax == 0;   // a sleep that has ended by itself
    if (!woken) CHECK_EQ(m->mc_rax, w->result);
    CHECK_EQ(m->mc_rflags & kSeen, ((w->in.flags & ~(unsigned long)kCarry) | (w->failed && !woken)) & kSeen);
  } else {
    CHECK_EQ(m->mc_rax, w->number);
    CHECK((unsigned long)m->mc_rcx == w->in.gpr[kRcx] || (unsigned char*)m->mc_rcx == at + 2);   // a call to be made again
    CHECK((unsigned long)m->mc_r11 == w->in.gpr[11] || ((unsigned long)m->mc_r11 & kSeen) == (w->in.flags & kSeen));
    CHECK_EQ(m->mc_rflags & kSeen, w->in.flags & kSeen);
  }
}

// Each blocks itself only: so many handlers may be active at once.
enum { kSignals = 6 };
static const int kStorm[kSignals] = {SIGALRM, SIGUSR1, SIGHUP, SIGINT, SIGTERM, SIGRTMIN};

static struct layout layout;
// Words to sleep on, one for each worker, and what the calls are that make use of them.
static volatile uint32_t words[kThreads];
enum { kGetpid, kGetppid, kClose, kClock, kWake, kChanged, kAsleep, kBadWord, kCallCount };
static void prepare_call(struct worker* w, unsigned which, const struct shape* shape, unsigned round) {
  unsigned long* const r = w->in.gpr;
  w->failed = which == kClose || which == kAsleep || which == kBadWord;
  w->result = which == kGetpid ? pid : which == kGetppid ? parent : which == kClose ? EBADF : which == kAsleep ? EINTR : which == kBadWord ? EFAULT : 0;
  if (which == kClose) r[kRdi] = (unsigned long)-1;
  static struct timespec times[kThreads];
  if (which == kClock) r[kRdi] = CLOCK_MONOTONIC, r[kRsi] = (unsigned long)&times[w - all];
  if (which >= kWake) {
    static const unsigned kOps[] = {UMTX_WAIT_UINT_PRIVATE, UMTX_WAIT_UINT};
    const unsigned op = which == kWake ? (round % 2 ? UMTX_WAKE : UMTX_WAKE_PRIVATE) : kOps[round % 2];
    r[kRdi] = which == kBadWord ? 64 : (unsigned long)&words[w - all];
    r[kRsi] = (r[kRsi] & ~0xffffffffUL) | op;      // an int: the rest of the register is anything
    r[kRdx] = which == kWake ? 1 + (r[kRdx] & 0xffff) : which == kChanged ? 1 + (r[kRdx] & 0xffffffe) : 0;
    r[10] = r[8] = 0;
    if (shape->number == kMovAndR10) r[kRcx] = 0;
  }
  r[kRax] = (unsigned long)w->number;
  if (shape->number == kMovAndR10) r[10] = r[kRcx];
}
static void one_site(struct worker* w, unsigned kind) {
  static const unsigned kCalls[kCallCount] = {SYS_getpid, SYS_getppid, SYS_close, SYS_clock_gettime, SYS__umtx_op, SYS__umtx_op, SYS__umtx_op, SYS__umtx_op};
  const unsigned which = (kind / kShapeCount) % kCallCount;
  w->number = kCalls[which];
  const struct shape* const shape = &kShapes[kind % kShapeCount];
  w->site = state_site(shape, (unsigned)w->number);
  make_runnable(w->site.pages, kSitePages);
  for (unsigned i = 0; i < 2 * kWarm; ++i) {
    // Sleeps take until the next signal: only now and then one in between what wakes nobody.
    const unsigned now = which == kAsleep && i % 8 != 7 ? kChanged : which;
    fill_state(&w->in, &layout, i);
    prepare_call(w, now, shape, i);
    w->inside = true;
    exchange(&w->site, &w->in, &w->out);
    w->inside = false;
    const bool woken = now == kAsleep && stop && w->out.gpr[kRax] == 0;
    expect_kept(&w->out, &w->in, &w->site, w->failed && !woken, true);
    expect_extended(&w->out, &w->in, &layout);
    if (!woken) CHECK_EQ(w->out.gpr[kRax], w->result);
    if (now == kAsleep) __atomic_fetch_add(&slept, !woken, __ATOMIC_RELAXED);
  }
  discard(&w->site);
  ++w->sites;
}
static unsigned first_kind;
static void make_calls(struct thread* t) {
  struct worker* const w = (struct worker*)(void*)t;
  stack_t alternate = {w->alternate, kStack, 0, 0};
  CHECK_EQ(sys(SYS_sigaltstack, &alternate, 0), 0);
  for (unsigned i = 0; i < kSignals; ++i) unblock(kStorm[i]);
  for (unsigned kind = first_kind + (unsigned)(long)t->arg * 17; !stop; ++kind) one_site(w, kind);
}
// As thread_start(), with a stack that is known.
static void entry(void* arg) {
  struct worker* const w = arg;
  w->thread.run(&w->thread);
  sys(SYS_thr_exit, &w->thread.done);
}
static void start_worker(unsigned i, void (*run)(struct thread*)) {
  struct worker* const w = &all[i];
  w->stack = map(kStack), w->alternate = map(kStack);
  w->thread = (struct thread){.run = run, .arg = (void*)(long)i, .tls_self = &w->thread};
  struct thr_param p = {.start_func = entry, .arg = w, .stack_base = (char*)w->stack, .stack_size = kStack, .tls_base = (char*)&w->thread.tls_self, .tls_size = 8, .parent_tid = &w->thread.tid};
  CHECK_EQ(sys(SYS_thr_new, &p, sizeof p), 0);
}
static void every_100_us(void) {
  struct itimerval every = {{0, 100}, {0, 100}};
  CHECK_EQ(sys(SYS_setitimer, 0, &every, 0), 0);
}
static void no_timer(void) {
  struct itimerval none = {{0, 0}, {0, 0}};
  CHECK_EQ(sys(SYS_setitimer, 0, &none, 0), 0);
}
static void storm(int flags, unsigned kinds, unsigned until, unsigned first) {
  first_kind = first * kShapeCount;
  layout = find_layout();
  know();
  learn_trampoline();
  for (unsigned i = 0; i < kSignals; ++i) {
    block(kStorm[i]);             // threads start with these blocked, and this one keeps them so
    on_signal(kStorm[i], look, flags);
  }
  for (unsigned i = 0; i < kWorkers; ++i) start_worker(i, make_calls);
  every_100_us();
  for (unsigned sent = 0; handled < until; ++sent) {
    if (sent % 4 == 0) CHECK_EQ(sys(SYS_thr_kill, all[sent / 4 % kWorkers].thread.tid, kStorm[1 + sent / 8 % kinds]), 0);
    CHECK_EQ(sys(SYS_getpid), pid);
  }
  // How many sites a number of signals meets is a matter of the machine. The rest see the timer only.
  while (all[0].sites < kSitesEach || all[1].sites < kSitesEach) sys(SYS_sched_yield);
  no_timer();
  stop = true;
  for (unsigned i = 0; i < kWorkers; ++i) words[i] = 1, umtx_wake(&words[i], 1);
  for (unsigned i = 0; i < kWorkers; ++i) thread_join(&all[i].thread);
  put_long(handled), put(" signals, "), put_long(in_routine), put(" in routines, "), put_long(before_call), put(" at a call, "), put_long(behind_call), put(" behind one, "), put_long(slept), put(" sleeps interrupted\n");
  CHECK(behind_call > 0 && in_routine > 0);
}
CASE(storm_on_the_stack) { storm(0, 1, rounds(kUntil), kGetpid); }
CASE(storm_on_alternate_stacks) { storm(SA_ONSTACK, 1, rounds(kUntil), kGetpid); }
CASE(storm_of_nested_handlers) { storm(SA_ONSTACK, kSignals - 1, rounds(kUntil), kGetpid); }
// Sleeping on words and waking sleepers; SA_RESTART changes nothing about that.
CASE(storm_over_sleeps_and_wakes) { storm(SA_ONSTACK | SA_RESTART, 1, rounds(kUntil), kWake); }
CASE(storm_over_sleeps) {
  storm(0, kSignals - 1, rounds(kUntil), kAsleep);
  CHECK(slept > 0);
}

// --- interrupted and restarted -------------------------------------------------------------------------------------
static int pipe_fds[2];
static volatile long caught_by_reader, interrupted;
static void count_in_reader(int signal, struct siginfo* info, struct ucontext* context) {
  CHECK(in_program((unsigned char*)context->uc_mcontext.mc_rip) || in_routine != 0);
  ++caught_by_reader;
}
static unsigned char* reading_at;
static void read_all(struct thread* t) {
  unsigned char byte;
  for (long i = 0; i < (long)t->arg;) {
    byte = 0xee;
    long (*const reading)(long, void*, long) = (long (*)(long, void*, long))(void*)reading_at;
    const long r = reading(pipe_fds[0], &byte, 1);
    if (r == EINTR) {              // the routine does not say that it failed: EINTR is 4, a read of one byte 1
      CHECK_EQ(byte, 0xee);
      ++interrupted;
      continue;
    }
    CHECK_EQ(r, 1);
    CHECK_EQ(byte, i % 251);
    ++i;
    CHECK_EQ(sys(SYS_getpid), pid);
  }
}
// The host tells whether a thread sleeps; there is no other way to know that it has begun to wait.
// The host's number of the first thread is that of the process.
static void wait_until_asleep(long tid) {
  char path[64], digits[24], text[512];
  long first = 0;
  CHECK_EQ(sys(SYS_thr_self, &first), 0);
  join(path, "/proc/self/task/", number(digits, (unsigned long)(tid - first + pid)));
  join(path, path, "/stat");
  for (;;) {
    const long fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY), n = sys(SYS_read, fd, text, sizeof text - 1);
    CHECK(fd >= 0 && n > 0);
    sys(SYS_close, fd);
    const char* at = text + n;
    while (at > text && *at != ')') --at;      // the state follows the name, which is in parentheses
    if (at[2] == 'S') return;
    sys(SYS_sched_yield);
  }
}
static void reading_under_signals(int flags, long count) {
  know();
  learn_trampoline();
  alarm_after(110);
  in_routine = 1;
  make_pipe(pipe_fds);
  on_signal(SIGUSR1, count_in_reader, flags);
  unsigned char* const page = code_pages(2);
  struct text t;
  make_text(&t, 0, SYS_read, kPage - 9);
  reading_at = emit(page + kPage - 9, t.bytes, t.size) - t.size;
  make_runnable(page, 2);
  static struct thread reader;
  thread_start(&reader, read_all, (void*)count);
  for (long i = 0; i < count; ++i) {
    // A byte only after a signal has been caught: so the read is interrupted if it has begun.
    const long seen = caught_by_reader;
    if (i % 50 == 0) wait_until_asleep(reader.tid);
    else for (long n = 0; n < i % 3; ++n) sys(SYS_sched_yield);
    CHECK_EQ(sys(SYS_thr_kill, reader.tid, SIGUSR1), 0);
    while (caught_by_reader == seen) sys(SYS_sched_yield);
    const unsigned char byte = (unsigned char)(i % 251);
    CHECK_EQ(sys(SYS_write, pipe_fds[1], &byte, 1), 1);
  }
  thread_join(&reader);
  CHECK_EQ(caught_by_reader, count);
  put_long(interrupted), put(" of "), put_long(count), put(" reads interrupted\n");
  if (flags & SA_RESTART) CHECK_EQ(interrupted, 0);
  else CHECK(interrupted > 0 && interrupted <= count);
}
CASE(reads_are_interrupted) { reading_under_signals(0, rounds(4000)); }
CASE(reads_are_made_again) { reading_under_signals(SA_RESTART, rounds(4000)); }

// --- handlers that change the program --------------------------------------------------------------------------------
static void change(int signal, struct siginfo* info, struct ucontext* context) {
  struct mcontext* const m = &context->uc_mcontext;
  struct worker* const w = &all[0];
  CHECK_EQ(m->mc_rip, w->site.call + 2);
  CHECK_EQ(m->mc_rax, 0);
  CHECK_EQ(m->mc_rflags & kCarry, 0);
  // Another state altogether, which is what must be found when the handler has returned.
  long* const words[16] = {&m->mc_rax, &m->mc_rcx, &m->mc_rdx, &m->mc_rbx, 0, &m->mc_rbp, &m->mc_rsi, &m->mc_rdi, &m->mc_r8, &m->mc_r9, &m->mc_r10, &m->mc_r11, &m->mc_r12, &m->mc_r13, &m->mc_r14, &m->mc_r15};
  for (int i = 0; i < 16; ++i)
    if (words[i] != 0) *words[i] = (long)(w->in.gpr[i] = random_word());
  w->in.flags = (random_word() & (kStatusFlags | kDirection)) | (w->in.flags & kIdFlag) | kAlways;
  m->mc_rflags = (long)w->in.flags;
  ++handled;
}
CASE(registers_changed_by_handlers) {
  layout = find_layout();
  know();
  on_signal(SIGUSR1, change, 0);
  struct worker* const w = &all[0];
  for (unsigned k = 0; k < kShapeCount; ++k) {
    w->site = state_site(&kShapes[k], SYS_kill);
    make_runnable(w->site.pages, kSitePages);
    for (unsigned i = 0; i < kWarm; ++i) {
      fill_state(&w->in, &layout, i);
      w->in.gpr[kRax] = SYS_kill, w->in.gpr[kRdi] = (unsigned long)pid, w->in.gpr[kRsi] = SIGUSR1;
      exchange(&w->site, &w->in, &w->out);
      for (int r = 0; r < 16; ++r)
        if (r != kRsp) CHECK_EQ(w->out.gpr[r], w->in.gpr[r]);
      CHECK_EQ(w->out.flags, w->in.flags);
      expect_extended(&w->out, &w->in, &layout);
    }
    discard(&w->site);
  }
  CHECK_EQ(handled, kShapeCount * kWarm);
}

// Out of a handler without returning from it, as siglongjmp() does: back to where set_jump() was.
struct jump { long rbx, rbp, r12, r13, r14, r15, rsp, rip; };
long set_jump(struct jump* j) __attribute__((returns_twice));
_Noreturn void long_jump(const struct jump* j);
__asm__(
    ".text\n.globl set_jump, long_jump\n"
    "set_jump: movq %rbx, 0(%rdi); movq %rbp, 8(%rdi); movq %r12, 16(%rdi); movq %r13, 24(%rdi); movq %r14, 32(%rdi); movq %r15, 40(%rdi)\n"
    "leaq 8(%rsp), %rax; movq %rax, 48(%rdi); movq (%rsp), %rax; movq %rax, 56(%rdi); xorl %eax, %eax; ret\n"
    "long_jump: movq 0(%rdi), %rbx; movq 8(%rdi), %rbp; movq 16(%rdi), %r12; movq 24(%rdi), %r13; movq 32(%rdi), %r14; movq 40(%rdi), %r15\n"
    "movq 48(%rdi), %rsp; movl $1, %eax; cld; jmp *56(%rdi)\n");
static struct jump jumps[kThreads];
static volatile long jumped[kThreads];
static unsigned char *jump_page, *jump_sites[6];
static void jump_out(int signal, struct siginfo* info, struct ucontext* context) {
  const unsigned char* const at = (unsigned char*)context->uc_mcontext.mc_rip;
  const long i = (struct worker*)(void*)thread_self() - all;
  CHECK(i >= 0 && i < kThreads);
  ++jumped[i];
  CHECK((at >= jump_page && at < jump_page + 2 * kPage) || in_program(at));
  sigset_t set = sig_only(SIGALRM);
  sig_add(&set, SIGUSR1);
  CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &set, 0), 0);
  // Only out of the calls: anything else in this program is not made for it.
  if (at >= jump_page && at < jump_page + 2 * kPage) long_jump(&jumps[i]);
}
static void be_jumped_out_of(struct thread* t) {
  struct worker* const w = (struct worker*)(void*)t;
  const long i = w - all;
  stack_t alternate = {w->alternate, kStack, 0, 0};
  CHECK_EQ(sys(SYS_sigaltstack, &alternate, 0), 0);
  set_jump(&jumps[i]);
  unblock(SIGALRM);
  unblock(SIGUSR1);
  while (!stop)
    for (unsigned n = 0; n < 6; ++n) CHECK_EQ(call(jump_sites[n]), wanted(n));
}
static void make_jump_sites(void) {
  jump_page = code_pages(2);
  for (unsigned i = 0; i < 6; ++i) {
    struct text t;
    jump_sites[i] = jump_page + (i == 5 ? kPage - 13 : i * 0x4d);
    make_text(&t, i, kNumbers[i], (unsigned long)jump_sites[i]);
    emit(jump_sites[i], t.bytes, t.size);
  }
  make_runnable(jump_page, 2);
}
static void jumps_out(int flags) {
  know();
  learn_trampoline();
  alarm_after(100);
  make_jump_sites();
  block(SIGALRM);
  block(SIGUSR1);
  on_signal(SIGALRM, jump_out, flags);
  on_signal(SIGUSR1, jump_out, flags);
  for (unsigned i = 0; i < kWorkers; ++i) start_worker(i, be_jumped_out_of);
  struct timespec brief = {0, 20000};
  while (jumped[0] < (long)rounds(1500) || jumped[1] < (long)rounds(1500)) {
    for (unsigned i = 0; i < kWorkers; ++i) CHECK_EQ(sys(SYS_thr_kill, all[i].thread.tid, SIGUSR1), 0);
    sys(SYS_nanosleep, &brief, 0);
  }
  stop = true;
  for (unsigned i = 0; i < kWorkers; ++i) thread_join(&all[i].thread);
}
CASE(jumps_out_of_handlers) { jumps_out(0); }
CASE(jumps_out_of_handlers_on_alternate_stacks) { jumps_out(SA_ONSTACK); }

// --- a profile ---------------------------------------------------------------------------------------------------------
static volatile long samples[3];       // in the text, in generated code, in the trampoline
static void sample(int signal, struct siginfo* info, struct ucontext* context) {
  const unsigned char* const at = (unsigned char*)context->uc_mcontext.mc_rip;
  const bool generated = at >= jump_page && at < jump_page + 2 * kPage;
  CHECK(generated || in_program(at));
  ++samples[generated ? 1 : at >= trampoline && at < trampoline + kPage ? 2 : 0];
}
CASE(profile) {
  know();
  learn_trampoline();
  alarm_after(100);
  make_jump_sites();
  on_signal(SIGPROF, sample, SA_RESTART);
  struct itimerval every = {{0, 1000}, {0, 1000}};
  CHECK_EQ(sys(SYS_setitimer, 2 /* ITIMER_PROF */, &every, 0), 0);
  const long end = now_us() + 60000000;
  while (samples[0] + samples[1] < 150) {
    for (unsigned i = 0; i < 6; ++i) CHECK_EQ(call(jump_sites[i]), wanted(i));
    CHECK(now_us() < end);
  }
  CHECK(samples[1] > 0);
}

// Signals over hot sites: at any moment the handler sees the program where the program is, either before its call or
// behind it, with the registers it had; and calls are interrupted or made again exactly as they should be.
#include "rewrite.h"

extern const unsigned char __executable_start[] __attribute__((visibility("hidden"))), etext[] __attribute__((visibility("hidden")));
enum { kThreads = 3, kWorkers = 2, kUntil = 12000, kSitesEach = 80 };

static volatile long handled, before_call, behind_call, in_routine, slept;
static volatile bool stop;
static unsigned char* volatile way_back;     // the page that handlers return to: mostly the kernel's, and known to the program
static void learn(int signal, struct siginfo* info, struct ucontext* context) { way_back = (unsigned char*)((unsigned long)__builtin_return_address(0) & ~(kPage - 1UL)); }
static void learn_way_back(void) {
  on_signal(SIGUSR2, learn, 0);
  send(SIGUSR2);
  CHECK(way_back != 0);
}
static bool in_program(const unsigned char* at) { return (at >= __executable_start && at < etext) || (at >= way_back && at < way_back + kPage); }

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
  unsigned char* alternate;      // kStack bytes
};
static struct worker all[kThreads];
enum { kStack = kThreadStack };

static long* word_at(struct ucontext* c, int i) {
  long* const words[16] = {&REG(c, rax), &REG(c, rcx), &REG(c, rdx), &REG(c, rbx), &REG(c, rsp), &REG(c, rbp), &REG(c, rsi), &REG(c, rdi), &REG(c, r8), &REG(c, r9), &REG(c, r10), &REG(c, r11), &REG(c, r12), &REG(c, r13), &REG(c, r14), &REG(c, r15)};
  return words[i];
}
// Each blocks itself only: so many handlers may be active at once.
enum { kSignals = 6 };
#ifdef __FreeBSD__
enum { kOneMore = SIGRTMIN };
#else
enum { kOneMore = SIGWINCH };        // not one that the host queues: the sender is faster than the handlers
#endif
static const int kStorm[kSignals] = {SIGALRM, SIGUSR1, SIGHUP, SIGINT, SIGTERM, kOneMore};

static struct layout layout;
// Words to sleep on, one for each worker, and what the calls are that make use of them.
static volatile uint32_t words[kThreads];
enum { kGetpid, kGetppid, kClose, kClock, kWake, kChanged, kAsleep, kBadWord };
static const unsigned kCalls[] = {SYS_getpid, SYS_getppid, SYS_close, SYS_clock_gettime,
#if defined(__FreeBSD__)
                                  SYS__umtx_op, SYS__umtx_op, SYS__umtx_op, SYS__umtx_op,
#elif defined(__DragonFly__)
                                  SYS_umtx_wakeup, SYS_umtx_sleep, SYS_umtx_sleep, SYS_umtx_sleep,
#endif
};
enum { kCallCount = sizeof kCalls / sizeof *kCalls };
#if defined(__FreeBSD__)
enum { kWordDiffers = 0, kNoWord = EFAULT };
static void prepare_sleep(unsigned long* r, unsigned which, unsigned round) {
  static const unsigned kOps[] = {UMTX_WAIT_UINT_PRIVATE, UMTX_WAIT_UINT};
  const unsigned op = which == kWake ? (round % 2 ? UMTX_WAKE : UMTX_WAKE_PRIVATE) : kOps[round % 2];
  r[kRsi] = (r[kRsi] & ~0xffffffffUL) | op;        // an int: the rest of the register is anything
  r[kRdx] = which == kWake ? 1 + (r[kRdx] & 0xffff) : which == kChanged ? 1 + (r[kRdx] & 0xffffffe) : 0;
  r[10] = r[8] = 0;
}
static void wake(volatile uint32_t* at) { umtx_wake(at, 1); }
#elif defined(__DragonFly__)
enum { kWordDiffers = EBUSY, kNoWord = EINVAL };
static void prepare_sleep(unsigned long* r, unsigned which, unsigned round) {
  (void)round;
  if (which == kChanged) r[kRsi] |= 1;
  else if (which != kWake) r[kRsi] &= ~0xffffffffUL;
  if (which != kWake) r[kRdx] &= ~0xffffffffUL;    // no time limit
}
static void wake(volatile uint32_t* at) { CHECK_EQ(sys(SYS_umtx_wakeup, at, 0), 0); }
#else
enum { kWordDiffers = 0, kNoWord = 0 };            // this system's sleeps are on no words
static void prepare_sleep(unsigned long* r, unsigned which, unsigned round) { (void)r, (void)which, (void)round; }
static void wake(volatile uint32_t* at) { (void)at; }
#endif
// A sleep that no signal has ended, because it was over or never began when the last one came.
static bool ended_by_itself(const struct worker* w, unsigned long result) { return w->result == EINTR && (result == 0 || result == kWordDiffers); }
static void prepare_call(struct worker* w, unsigned which, const struct shape* shape, unsigned round) {
  unsigned long* const r = w->in.gpr;
  w->result = which == kGetpid ? pid : which == kGetppid ? parent : which == kClose ? EBADF : which == kAsleep ? EINTR : which == kBadWord ? kNoWord : which == kChanged ? kWordDiffers : 0;
  w->failed = which >= kClose && w->result != 0;
  if (which == kClose) r[kRdi] = (unsigned long)-1;
  static struct timespec times[kThreads];
  if (which == kClock) r[kRdi] = CLOCK_MONOTONIC, r[kRsi] = (unsigned long)&times[w - all];
  if (which >= kWake) {
    r[kRdi] = which == kBadWord ? 64 : (unsigned long)&words[w - all];
    prepare_sleep(r, which, round);
    if (shape->number == kMovAndR10) r[kRcx] = r[10];
  }
  r[kRax] = (unsigned long)w->number;
  if (shape->number == kMovAndR10) r[10] = r[kRcx];
}
static void look(int signal, struct siginfo* info, struct ucontext* context) {
  const unsigned char* const at = (unsigned char*)REG(context, rip);
  struct worker* const w = (struct worker*)(void*)thread_self();
  __atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
  CHECK(w >= all && w < all + kThreads);
  CHECK_EQ(sys(SYS_getpid), pid);          // hot, too
  const unsigned char* const stack = (unsigned char*)REG(context, rsp);
  CHECK((stack >= w->thread.stack && stack < w->thread.stack + kStack) || (stack >= w->alternate && stack < w->alternate + kStack));
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
    const bool cleared = kClearsSecond && i == kRdx && behind && (REG(context, rflags) & kCarry) == 0;
    CHECK_EQ(*word_at(context, i), cleared ? 0 : w->in.gpr[i]);
  }
  CHECK_EQ(REG(context, rsp), ((w->in.home - 512) & -64UL) - w->in.shift);
  const unsigned long kSeen = kStatusFlags | kDirection | kIdFlag;
  if (behind) {
    CHECK_EQ(REG(context, rcx), at);
    const bool woken = ended_by_itself(w, (unsigned long)REG(context, rax));
    if (!woken) CHECK_EQ(REG(context, rax), w->result);
    CHECK_EQ(REG(context, rflags) & kSeen, ((w->in.flags & ~(unsigned long)kCarry) | (woken ? REG(context, rax) != 0 : w->failed)) & kSeen);
  } else {
    const unsigned long rcx = (unsigned long)REG(context, rcx), r11 = (unsigned long)REG(context, r11);
    CHECK_EQ(REG(context, rax), w->number);
    CHECK(rcx == w->in.gpr[kRcx] || rcx == (unsigned long)at + 2);   // a call to be made again
    CHECK(r11 == w->in.gpr[11] || (r11 & kSeen) == (w->in.flags & kSeen));
    CHECK_EQ(REG(context, rflags) & kSeen, w->in.flags & kSeen);
  }
}

static void one_site(struct worker* w, unsigned kind) {
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
    const bool woken = stop && ended_by_itself(w, w->out.gpr[kRax]);
    expect_kept(&w->out, &w->in, &w->site, woken ? w->out.gpr[kRax] != 0 : w->failed);
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
static void start_worker(unsigned i, void (*run)(struct thread*)) {
  all[i].alternate = map(kStack);
  thread_start(&all[i].thread, run, (void*)(long)i);
}
static void storm(int flags, unsigned kinds, unsigned until, unsigned first) {
  first_kind = first * kShapeCount;
  layout = find_layout();
  know();
  learn_way_back();
  for (unsigned i = 0; i < kSignals; ++i) {
    block(kStorm[i]);             // threads start with these blocked, and this one keeps them so
    on_signal(kStorm[i], look, flags);
  }
  for (unsigned i = 0; i < kWorkers; ++i) start_worker(i, make_calls);
  every(0, 100);
  for (unsigned sent = 0; handled < until; ++sent) {
    if (sent % 4 == 0) send_to(&all[sent / 4 % kWorkers].thread, kStorm[1 + sent / 8 % kinds]);
    CHECK_EQ(sys(SYS_getpid), pid);
  }
  // How many sites a number of signals meets is a matter of the machine. The rest see the timer only.
  while (all[0].sites < kSitesEach || all[1].sites < kSitesEach) sys(SYS_sched_yield);
  every(0, 0);
  stop = true;
  for (unsigned i = 0; i < kWorkers; ++i) words[i] = 1, wake(&words[i]);
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
  CHECK(kCallCount <= kAsleep || slept > 0);
}

// --- interrupted and restarted -------------------------------------------------------------------------------------
static int pipe_fds[2];
static volatile long caught_by_reader, interrupted;
static void count_in_reader(int signal, struct siginfo* info, struct ucontext* context) {
  CHECK(in_program((unsigned char*)REG(context, rip)) || in_routine != 0);
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
// Threads have the host's numbers, or the host's number of the first thread is that of the process.
static void wait_until_asleep(long tid) {
  char path[64], digits[24], text[512];
  long first = pid;
#ifdef __FreeBSD__
  CHECK_EQ(sys(SYS_thr_self, &first), 0);
#endif
  join(path, "/proc/self/task/", number(digits, (unsigned long)(tid - first + pid)));
  join(path, path, "/stat");
  for (;;) {
    const long fd = sys(SYS_open, path, O_RDONLY), n = sys(SYS_read, fd, text, sizeof text - 1);
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
  learn_way_back();
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
    send_to(&reader, SIGUSR1);
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
  struct worker* const w = &all[0];
  CHECK_EQ(REG(context, rip), w->site.call + 2);
  CHECK_EQ(REG(context, rax), 0);
  CHECK_EQ(REG(context, rflags) & kCarry, 0);
  // Another state altogether, which is what must be found when the handler has returned.
  for (int i = 0; i < 16; ++i)
    if (i != kRsp) *word_at(context, i) = (long)(w->in.gpr[i] = random_word());
  w->in.flags = (random_word() & (kStatusFlags | kDirection)) | (w->in.flags & kIdFlag) | kAlways;
  REG(context, rflags) = (long)w->in.flags;
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
  const unsigned char* const at = (unsigned char*)REG(context, rip);
  const long i = (struct worker*)(void*)thread_self() - all;
  CHECK(i >= 0 && i < kThreads);
  ++jumped[i];
  CHECK((at >= jump_page && at < jump_page + 2 * kPage) || in_program(at));
  sigset_t set = sig_only(SIGALRM);
  set.bits[0] |= sig_only(SIGUSR1).bits[0];
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
  learn_way_back();
  alarm_after(100);
  make_jump_sites();
  block(SIGALRM);
  block(SIGUSR1);
  on_signal(SIGALRM, jump_out, flags);
  on_signal(SIGUSR1, jump_out, flags);
  for (unsigned i = 0; i < kWorkers; ++i) start_worker(i, be_jumped_out_of);
  struct timespec brief = {0, 20000};
  while (jumped[0] < (long)rounds(1500) || jumped[1] < (long)rounds(1500)) {
    for (unsigned i = 0; i < kWorkers; ++i) send_to(&all[i].thread, SIGUSR1);
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
  const unsigned char* const at = (unsigned char*)REG(context, rip);
  const bool generated = at >= jump_page && at < jump_page + 2 * kPage;
  CHECK(generated || in_program(at));
  ++samples[generated ? 1 : at >= way_back && at < way_back + kPage ? 2 : 0];
}
CASE(profile) {
  know();
  learn_way_back();
  alarm_after(100);
  make_jump_sites();
  on_signal(SIGPROF, sample, SA_RESTART);
  every(2 /* ITIMER_PROF */, 1000);
  const long end = now_us() + 60000000;
  while (samples[0] + samples[1] < 150) {
    for (unsigned i = 0; i < 6; ++i) CHECK_EQ(call(jump_sites[i]), wanted(i));
    CHECK(now_us() < end);
  }
  CHECK(samples[1] > 0);
}

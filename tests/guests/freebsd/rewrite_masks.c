// Programs that block all there is to block: their calls, from hot sites and from cold ones, go on all the same.
#include "../bsd/rewrite.h"

enum { kSites = 12, kApart = 0x55 };
static unsigned made;
// Calls from sites that are new, until they are hot; and one that was hot before.
static unsigned char* hot;
static void call_hot_and_cold(void) {
  unsigned char* const pages = code_pages(2);
  const unsigned seed = made++;
  unsigned char* at[kSites + 1];
  for (unsigned i = 0; i <= kSites; ++i) {
    struct text t;
    at[i] = i == kSites ? pages + kPage - 8 - seed % 3 : pages + i * kApart;
    make_text(&t, i + seed, kNumbers[i % 6], (unsigned long)at[i]);
    emit(at[i], t.bytes, t.size);
  }
  make_runnable(pages, 2);
  for (int n = 0; n < kWarm; ++n)
    for (unsigned i = 0; i <= kSites; ++i) {
      CHECK_EQ(call(at[i]), wanted(i));
      CHECK_EQ(call(hot), pid);
    }
  CHECK_EQ(sys(SYS_munmap, pages, 2 * kPage), 0);
}
static void begin(void) {
  know();
  alarm_after(100);
  struct text t;
  make_text(&t, 0, SYS_getpid, 0);
  hot = code_pages(1);
  emit(hot, t.bytes, t.size);
  make_runnable(hot, 1);
  warm_up(hot, 0);
}
static sigset_t all_of_them(void) {
  sigset_t all;
  sig_fill(&all);
  return all;
}
static sigset_t mask_now(void) {
  sigset_t now;
  CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, 0, &now), 0);
  return now;
}
static void set_mask(sigset_t set) { CHECK_EQ(sys(SYS_sigprocmask, SIG_SETMASK, &set, 0), 0); }
static void expect_full(sigset_t set) {
  for (int s = 1; s <= 89; ++s)
    if (s <= SIGLIBRT || s >= SIGRTMIN) CHECK_EQ(sig_has(&set, s), s != SIGKILL && s != SIGSTOP);
}

CASE(sigprocmask) {
  begin();
  for (int i = 0; i < 20; ++i) {
    set_mask(all_of_them());
    expect_full(mask_now());
    call_hot_and_cold();
    sigset_t none;
    sig_empty(&none);
    set_mask(none);
    call_hot_and_cold();
    const sigset_t sys_only = sig_only(SIGSYS);
    CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &sys_only, 0), 0);
    call_hot_and_cold();
  }
}

static volatile int handled;
static void in_handler(int signal, struct siginfo* info, struct ucontext* context) {
  expect_full(mask_now());
  call_hot_and_cold();
  ++handled;
}
static void handle(int signal, handler_t* handler, int flags) {
  struct sigaction action = {(void*)handler, SA_SIGINFO | flags, all_of_them(), 0};
  CHECK_EQ(sys(SYS_sigaction, signal, &action, 0), 0);
}
CASE(sa_mask) {
  begin();
  char* const stack = map(65536);
  stack_t alternate = {stack, 65536, 0, 0};
  CHECK_EQ(sys(SYS_sigaltstack, &alternate, 0), 0);
  for (int i = 0; i < 20; ++i) {
    handle(SIGUSR1, in_handler, i % 2 ? SA_ONSTACK : 0);
    send(SIGUSR1);
    CHECK_EQ(handled, i + 1);
    call_hot_and_cold();
  }
}
CASE(sa_mask_for_faults) {
  // A handler of a fault, and of the signal that the trap itself uses, with everything blocked.
  begin();
  handle(SIGTRAP, in_handler, 0);
  handle(SIGSYS, in_handler, 0);
  for (int i = 0; i < 10; ++i) {
    __asm__ volatile("int3" ::: "memory");
    CHECK_EQ(handled, 2 * i + 1);
    send(SIGSYS);
    CHECK_EQ(handled, 2 * i + 2);
    call_hot_and_cold();
  }
}

static void set_full_mask_on_return(int signal, struct siginfo* info, struct ucontext* context) {
  context->uc_sigmask = all_of_them();
  ++handled;
}
CASE(sigreturn) {
  begin();
  on_signal(SIGUSR1, set_full_mask_on_return, 0);
  for (int i = 0; i < 20; ++i) {
    send(SIGUSR1);
    CHECK_EQ(handled, i + 1);
    expect_full(mask_now());
    call_hot_and_cold();
    sigset_t none;
    sig_empty(&none);
    set_mask(none);
  }
}

// Waiting with all blocked but the one that is waited for.
static void note(int signal, struct siginfo* info, struct ucontext* context) {
  sigset_t now = mask_now();
  CHECK(sig_has(&now, SIGSYS) && sig_has(&now, SIGSEGV) && sig_has(&now, SIGTRAP));
  call_hot_and_cold();
  ++handled;
}
static sigset_t all_but(int signal) {
  sigset_t set = all_of_them();
  sig_del(&set, signal);
  return set;
}
static long other_process(int signal, int times, const int ready[2]) {
  const long child = start_process();
  if (child != 0) return child;
  char byte;
  CHECK_EQ(sys(SYS_close, ready[1]), 0);     // so that it ends with this process
  for (int i = 0; i < times; ++i) {
    CHECK_EQ(sys(SYS_read, ready[0], &byte, 1), 1);
    CHECK_EQ(sys(SYS_kill, pid, signal), 0);
  }
  quit(0);
}
CASE(waits_with_full_masks) {
  begin();
  int ready[2];
  make_pipe(ready);
  enum { kTimes = 60 };
  const long child = other_process(SIGUSR1, kTimes, ready);
  set_mask(all_of_them());
  handle(SIGUSR1, note, 0);
  struct timespec none = {0, 0};
  for (int i = 0; i < kTimes; ++i) {
    const sigset_t full = all_of_them(), open = all_but(SIGUSR1);
    // With nothing to wait for: the mask is set and taken back.
    CHECK_EQ(sys(SYS_ppoll, 0, 0, &none, &full), 0);
    CHECK_EQ(sys(SYS_pselect, 0, 0, 0, 0, &none, &full), 0);
    struct siginfo info;
    CHECK_EQ(sys(SYS_sigtimedwait, &full, &info, &none), -EAGAIN);
    call_hot_and_cold();
    CHECK_EQ(sys(SYS_write, ready[1], "r", 1), 1);
    if (i % 4 == 0) CHECK_EQ(sys(SYS_sigsuspend, &open), -EINTR);
    if (i % 4 == 1) CHECK_EQ(sys(SYS_ppoll, 0, 0, 0, &open), -EINTR);
    if (i % 4 == 2) CHECK_EQ(sys(SYS_pselect, 0, 0, 0, 0, 0, &open), -EINTR);
    if (i % 4 == 3) {
      const sigset_t one = sig_only(SIGUSR1);
      CHECK_EQ(sys(SYS_sigwaitinfo, &one, &info), SIGUSR1);
      CHECK_EQ(info.si_pid, child);
      ++handled;
    }
    CHECK_EQ(handled, i + 1);
    expect_full(mask_now());
  }
  expect_exit(child, 0);
}

// Threads, children and programs that inherit a full mask.
static void in_thread(struct thread* t) {
  expect_full(mask_now());
  call_hot_and_cold();
  __atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}
CASE(full_mask_from_exec) {
  // What the case below executes; alone it starts with an empty mask, which must work too.
  begin();
  call_hot_and_cold();
}
CASE(inherited_masks) {
  begin();
  set_mask(all_of_them());
  for (int i = 0; i < 10; ++i) {
    static struct thread t;
    thread_start(&t, in_thread, 0);
    thread_join(&t);
    CHECK_EQ(handled, i + 1);
    const long child = start_process();
    if (child == 0) {
      expect_full(mask_now());
      know();
      call_hot_and_cold();
      char* argv[] = {guest_argv[0], "full_mask_from_exec", 0};
      if (i % 2) sys(SYS_execve, guest_argv[0], argv, guest_envp);
      quit(0);
    }
    expect_exit(child, 0);
    call_hot_and_cold();
  }
}

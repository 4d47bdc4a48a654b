// One source for several systems: what their guest.h name differently, or lack.
#pragma once

#include "guest.h"

#ifdef __NetBSD__
enum {
  SYS_clock_gettime = SYS___clock_gettime50, SYS_gettimeofday = SYS___gettimeofday50, SYS_nanosleep = SYS___nanosleep50,
  SYS_setitimer = SYS___setitimer50, SYS_sigprocmask = SYS___sigprocmask14, SYS_sigaltstack = SYS___sigaltstack14,
  SYS_fstat = SYS___fstat50, SYS_kevent = SYS___kevent50,
};
enum { kClearsSecond = 1 };             // what a call with one result leaves in rdx: 0
#define REG(context, name) ((context)->uc_mcontext.name)
#define thread_start(t, run, arg) thread_start(t, run, arg, 0)
static inline void send_to(const struct thread* t, int signal) { CHECK_EQ(sys(SYS__lwp_kill, t->tid, signal), 0); }
#else
enum { kClearsSecond = 0 };             // what was there
#define REG(context, name) ((context)->uc_mcontext.mc_##name)
#endif
#ifdef __DragonFly__
static inline void send_to(const struct thread* t, int signal) { CHECK_EQ(sys(SYS_lwp_kill, -1, t->tid, signal), 0); }
#endif
#ifdef __FreeBSD__
enum { SYS_pipe = SYS_freebsd10_pipe, SYS_padded_mmap = SYS_freebsd6_mmap };
enum { SYS_failing = 1000, kFailing = ENOSYS };
static inline void send_to(const struct thread* t, int signal) { CHECK_EQ(sys(SYS_thr_kill, t->tid, signal), 0); }
static inline long map_at(const void* at, size_t size, int prot, int flags) { return sys(SYS_mmap, at, size, prot, flags, -1, 0); }
#else
enum { SYS_padded_mmap = SYS_mmap };
enum { SYS_failing = SYS_munmap, kFailing = EINVAL };   // with -1 for all arguments; what there is not kills with SIGSYS
static inline long map_at(const void* at, size_t size, int prot, int flags) { return sys(SYS_mmap, at, size, prot, flags, -1, 0, 0); }
static inline void block(int signal) {
  const sigset_t set = sig_only(signal);
  CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, &set, 0), 0);
}
static inline void unblock(int signal) {
  const sigset_t set = sig_only(signal);
  CHECK_EQ(sys(SYS_sigprocmask, SIG_UNBLOCK, &set, 0), 0);
}
static inline void expect_exit(long pid, int status) { CHECK_EQ(wait_for(pid), status << 8); }
static inline void alarm_after(long seconds) {
  const long t[4] = {0, 0, seconds, 0};                  // struct itimerval
  CHECK_EQ(sys(SYS_setitimer, 0, t, 0), 0);
}
#endif
static inline void every(int timer, long us) {           // 0: no more
  const long t[4] = {0, us, 0, us};
  CHECK_EQ(sys(SYS_setitimer, timer, t, 0), 0);
}

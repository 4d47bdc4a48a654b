// The little a NetBSD guest of the tests has in place of a C library: calls, checks, threads.
// Numbers, structures and constants: NetBSD 10.1 sys/sys/{syscall,signal,siginfo,ucontext,stat,dirent,event,lwp,lwpctl,
// mman,wait,fcntl,sysctl}.h, sys/arch/amd64/include/mcontext.h, sys/arch/x86/include/trap.h.
#pragma once

#include "../bsd/calls7.h"

#include "../bsd/raw_call.h"

enum {
  SYS_syscall = 0, SYS_exit = 1, SYS_fork = 2, SYS_read = 3, SYS_write = 4, SYS_open = 5, SYS_close = 6, SYS_unlink = 10, SYS_break = 17,
  SYS_getpid = 20, SYS_getuid = 24, SYS_geteuid = 25, SYS_kill = 37, SYS_getppid = 39, SYS_pipe = 42, SYS_getegid = 43,
  SYS_getgid = 47, SYS_symlink = 57, SYS_readlink = 58, SYS_execve = 59, SYS_vfork = 66, SYS_munmap = 73,
  SYS_mprotect = 74, SYS_fcntl = 92, SYS_mkdir = 136, SYS_rmdir = 137, SYS_pread = 173, SYS_pwrite = 174, SYS_mmap = 197, SYS___syscall = 198,
  SYS_lseek = 199, SYS_ftruncate = 201, SYS___sysctl = 202, SYS_sigqueueinfo = 245, SYS___sigaltstack14 = 281,
  SYS___sigprocmask14 = 293, SYS___getcwd = 296, SYS_getcontext = 307, SYS_setcontext = 308, SYS__lwp_create = 309,
  SYS__lwp_exit = 310, SYS__lwp_self = 311, SYS__lwp_wait = 312, SYS__lwp_wakeup = 315, SYS__lwp_getprivate = 316,
  SYS__lwp_setprivate = 317, SYS__lwp_kill = 318, SYS__lwp_detach = 319, SYS__lwp_unpark = 321,
  SYS__lwp_unpark_all = 322, SYS__lwp_setname = 323, SYS__lwp_getname = 324, SYS__lwp_ctl = 325,
  SYS___sigaction_sigtramp = 340, SYS_kqueue = 344, SYS_sched_yield = 350, SYS___getdents30 = 390, SYS_mremap = 411,
  SYS___gettimeofday50 = 418, SYS___setitimer50 = 425, SYS___clock_gettime50 = 427, SYS___nanosleep50 = 430, SYS_____sigtimedwait50 = 431, SYS___kevent50 = 435,
  SYS___stat50 = 439, SYS___fstat50 = 440, SYS___lstat50 = 441, SYS___wait450 = 449, SYS_pipe2 = 453, SYS_dup3 = 454,
  SYS_kqueue1 = 455, SYS_openat = 468, SYS_lwp_park = 478, SYS_posix_fallocate = 479,
};

enum {
  EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, EBADF = 9, EDEADLK = 11, ENOMEM = 12, EFAULT = 14, EBUSY = 16,
  EEXIST = 17, ENODEV = 19, ENOTDIR = 20, EINVAL = 22, ERANGE = 34, EAGAIN = 35, EALREADY = 37, EOPNOTSUPP = 45,
  ETIMEDOUT = 60, ELOOP = 62, ENAMETOOLONG = 63, ENOSYS = 78, EFTYPE = 79,
};

// --- types ----------------------------------------------------------------------------------------------------

struct siginfo {
  int si_signo, si_code, si_errno, pad;
  union {
    struct { int pid; unsigned uid; long value; } sent;
    struct { int pid; unsigned uid; int status; } child;
    struct { void* addr; int trap; } fault;
    long spare[14];
  };
};
_Static_assert(sizeof(struct siginfo) == 128, "siginfo_t");
struct mcontext {
  long rdi, rsi, rdx, rcx, r8, r9, r10, r11, r12, r13, r14, r15, rbp, rbx, rax, gs, fs, es, ds, trapno, err, rip, cs, rflags, rsp, ss;
  long tlsbase;
  unsigned char fpregs[512];
};
_Static_assert(sizeof(struct mcontext) == 728, "mcontext_t");
struct ucontext {
  unsigned uc_flags;
  struct ucontext* uc_link;
  sigset_t uc_sigmask;
  stack_t uc_stack;
  struct mcontext uc_mcontext;
};
_Static_assert(sizeof(struct ucontext) == 784, "ucontext_t");
enum { UC_SIGMASK = 1, UC_STACK = 2, UC_CPU = 4, UC_FPU = 8, UC_SETSTACK = 0x10000, UC_CLRSTACK = 0x20000, UC_TLSBASE = 0x80000 };
struct sigaction { void* sa_handler; sigset_t sa_mask; int sa_flags; int pad; };
enum { SA_ONSTACK = 1, SA_RESTART = 2, SA_RESETHAND = 4, SA_NODEFER = 0x10, SA_SIGINFO = 0x40 };
enum { SIG_BLOCK = 1, SIG_UNBLOCK = 2, SIG_SETMASK = 3, SS_ONSTACK = 1, SS_DISABLE = 4 };
enum { SIGHUP = 1, SIGINT = 2, SIGILL = 4, SIGTRAP = 5, SIGFPE = 8, SIGKILL = 9, SIGBUS = 10, SIGSEGV = 11, SIGSYS = 12, SIGALRM = 14, SIGTERM = 15, SIGSTOP = 17, SIGCONT = 19, SIGCHLD = 20, SIGPROF = 27, SIGWINCH = 28, SIGUSR1 = 30, SIGUSR2 = 31 };
enum { SI_USER = 0, SI_QUEUE = -1, SI_LWP = -5, SEGV_MAPERR = 1, SEGV_ACCERR = 2, FPE_INTDIV = 1, ILL_PRVOPC = 5, TRAP_BRKPT = 1 };
enum { T_PRIVINFLT = 0, T_BPTFLT = 1, T_PROTFLT = 4, T_PAGEFLT = 6, T_DIVIDE = 8 };

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };
enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_REMAPDUP = 4, MAP_FIXED = 0x10, MAP_TRYFIXED = 0x400, MAP_ANON = 0x1000, MAP_STACK = 0x2000 };
#define MAP_ALIGNED(n) ((n) << 24)
enum { O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_NONBLOCK = 4, O_NOFOLLOW = 0x100, O_CREAT = 0x200, O_DIRECTORY = 0x200000, O_CLOEXEC = 0x400000 };
enum { F_DUPFD = 0, F_GETFD = 1, F_GETFL = 3, F_GETLK = 7, F_SETLK = 8, F_DUPFD_CLOEXEC = 12, FD_CLOEXEC = 1, F_RDLCK = 1, F_UNLCK = 2, F_WRLCK = 3 };
struct flock { long l_start, l_len; int l_pid; short l_type, l_whence; };
enum { WNOHANG = 1, WUNTRACED = 2, WCONTINUED = 0x10 };

struct stat {
  uint64_t st_dev;
  uint32_t st_mode, pad;
  uint64_t st_ino;
  uint32_t st_nlink, st_uid, st_gid, pad2;
  uint64_t st_rdev;
  struct timespec st_atim, st_mtim, st_ctim, st_birthtim;
  int64_t st_size, st_blocks;
  uint32_t st_blksize, st_flags, st_gen, spare[2];
};
_Static_assert(sizeof(struct stat) == 152, "struct stat");
struct dirent { uint64_t d_fileno; uint16_t d_reclen, d_namlen; uint8_t d_type; char d_name[512]; };
struct kevent { uint64_t ident; uint32_t filter, flags, fflags; int64_t data; void* udata; };
_Static_assert(sizeof(struct kevent) == 40, "struct kevent");
enum { EVFILT_READ, EVFILT_WRITE, EVFILT_AIO, EVFILT_VNODE, EVFILT_PROC, EVFILT_SIGNAL, EVFILT_TIMER, EVFILT_FS, EVFILT_USER };
enum { EV_ADD = 1, EV_DELETE = 2, EV_ONESHOT = 0x10, EV_CLEAR = 0x20, EV_RECEIPT = 0x40, EV_ERROR = 0x4000, EV_EOF = 0x8000 };
enum { NOTE_SECONDS = 1, NOTE_USECONDS = 2, NOTE_NSECONDS = 3 };
#define NOTE_EXIT 0x80000000u
#define NOTE_TRIGGER 0x01000000u
struct sysctlnode { uint32_t flags; int num; char name[32]; uint32_t ver, pad; uint64_t un[2], size, func, parent, desc; };
_Static_assert(sizeof(struct sysctlnode) == 96, "struct sysctlnode");
enum { CTL_QUERY = -2, CTL_KERN = 1, CTL_HW = 6, SYSCTL_VERS_1 = 0x01000000 };
struct lwpctl { volatile int lc_curcpu, lc_pctr; };
enum { LWP_DETACHED = 0x40 };
enum { CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 3, TIMER_ABSTIME = 1 };

extern const struct ps_strings { char** argv; int argc; char** envp; int envc; }* guest_ps_strings;
extern void* guest_cleanup;
void trampoline(void);

/// Auxiliary vector; AT_BASE of a program without an interpreter.
enum { AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7, AT_ENTRY = 9, AT_STACKBASE = 13, AT_EUID = 2000, AT_RUID = 2001, AT_EGID = 2002, AT_RGID = 2003, AT_EXECPATH = 2014 };
#define BASE_ALONE(own) 0

// --- conveniences: each checks that it succeeds -------------------------------------------------------------

struct thread {
  int tid;
  unsigned char* stack;  // kThreadStack bytes
  void (*run)(struct thread*);
  void* arg;
  struct thread* tls_self;
};
enum { kThreadStack = 64 * 1024 };
/// To be waited for with thread_join(), unless `flags` says LWP_DETACHED.
void thread_start(struct thread* t, void (*run)(struct thread*), void* arg, int flags);

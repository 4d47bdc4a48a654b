// The little a DragonFly guest of the tests has in place of a C library: calls, checks, threads.
// Numbers, structures and constants: DragonFly 6.4 sys/sys/{syscall,signal,_ucontext,stat,dirent,event,lwp,tls,mman,
// wait,fcntl}.h, sys/cpu/x86_64/include/{ucontext,sigframe}.h.
#pragma once

#include "../bsd/calls7.h"

#include "../bsd/raw_call.h"

enum {
  SYS_syscall = 0, SYS_exit = 1, SYS_fork = 2, SYS_read = 3, SYS_write = 4, SYS_open = 5, SYS_close = 6, SYS_wait4 = 7, SYS_unlink = 10,
  SYS_getpid = 20, SYS_getuid = 24, SYS_geteuid = 25, SYS_kill = 37, SYS_getppid = 39, SYS_pipe = 42, SYS_getegid = 43,
  SYS_getgid = 47, SYS_sigaltstack = 53, SYS_execve = 59, SYS_vfork = 66, SYS_sbrk = 69, SYS_munmap = 73,
  SYS_mprotect = 74, SYS_setitimer = 83, SYS_fcntl = 92, SYS_gettimeofday = 116, SYS_mkdir = 136, SYS_rmdir = 137, SYS_statfs = 157, SYS_extpread = 173,
  SYS_extpwrite = 174, SYS_mmap = 197, SYS___syscall = 198, SYS_lseek = 199, SYS___sysctl = 202, SYS_clock_gettime = 232, SYS_nanosleep = 240,
  SYS_clock_nanosleep = 241, SYS_extpreadv = 289, SYS_sched_yield = 331, SYS_sigprocmask = 340, SYS_sigaction = 342,
  SYS_sigreturn = 344, SYS_sigtimedwait = 345, SYS_kqueue = 362, SYS_kevent = 363, SYS_umtx_sleep = 469,
  SYS_umtx_wakeup = 470, SYS_usched_set = 481, SYS_set_tls_area = 472, SYS_get_tls_area = 473, SYS_stat = 475, SYS_fstat = 476,
  SYS_lstat = 477, SYS_getdirentries = 479, SYS_getdents = 480, SYS_extexit = 494, SYS_lwp_create = 495,
  SYS_lwp_gettid = 496, SYS_lwp_kill = 497, SYS_lwp_rtprio = 498, SYS_statvfs = 500, SYS_openat = 504, SYS_fstatat = 505, SYS_unlinkat = 508,
  SYS_mkdirat = 524, SYS_pipe2 = 538, SYS_lwp_setname = 542, SYS_lwp_setaffinity = 544,
  SYS_lwp_getaffinity = 545, SYS_lwp_create2 = 546, SYS_getcpuclockid = 547, SYS_lwp_getname = 549,
  SYS___realpath = 551,
};

enum {
  EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, EBADF = 9, ENOMEM = 12, EFAULT = 14, EBUSY = 16, EEXIST = 17,
  ENOTDIR = 20, EINVAL = 22, ERANGE = 34, EAGAIN = 35, EOPNOTSUPP = 45, ENAMETOOLONG = 63, ENOSYS = 78,
};

// --- types ----------------------------------------------------------------------------------------------------

struct siginfo {
  int si_signo, si_errno, si_code, si_pid;
  unsigned si_uid;
  int si_status;
  void* si_addr;
  long si_value, si_band, spare[4];
};
_Static_assert(sizeof(struct siginfo) == 80, "siginfo_t");
struct mcontext {
  long mc_onstack, mc_rdi, mc_rsi, mc_rdx, mc_rcx, mc_r8, mc_r9, mc_rax, mc_rbx, mc_rbp, mc_r10, mc_r11, mc_r12, mc_r13,
      mc_r14, mc_r15, mc_xflags, mc_trapno, mc_addr, mc_flags, mc_err, mc_rip, mc_cs, mc_rflags, mc_rsp, mc_ss;
  uint32_t mc_len, mc_fpformat, mc_ownedfp, mc_reserved, mc_unused[8];
  unsigned char mc_fpregs[1024];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct mcontext) == 1280, "mcontext_t");
struct ucontext {
  sigset_t uc_sigmask;
  struct mcontext uc_mcontext;
  struct ucontext* uc_link;
  stack_t uc_stack;
  void *uc_cofunc, *uc_arg;
  int spare[4];
};
_Static_assert(sizeof(struct ucontext) == 1408, "ucontext_t");
struct sigaction { void* sa_handler; int sa_flags; sigset_t sa_mask; int pad; };
enum { SA_ONSTACK = 1, SA_RESTART = 2, SA_RESETHAND = 4, SA_NODEFER = 0x10, SA_SIGINFO = 0x40 };
enum { SIG_BLOCK = 1, SIG_UNBLOCK = 2, SIG_SETMASK = 3, SS_ONSTACK = 1, SS_DISABLE = 4 };
enum { SIGHUP = 1, SIGINT = 2, SIGILL = 4, SIGTRAP = 5, SIGFPE = 8, SIGBUS = 10, SIGSEGV = 11, SIGSYS = 12, SIGALRM = 14, SIGTERM = 15, SIGCHLD = 20, SIGPROF = 27, SIGWINCH = 28, SIGUSR1 = 30, SIGUSR2 = 31 };
enum { SEGV_MAPERR = 1, SEGV_ACCERR = 2, BUS_OBJERR = 3, FPE_INTDIV = 2, ILL_PRVOPC = 5, TRAP_BRKPT = 1 };
enum { T_BPTFLT = 3, T_PROTFLT = 9, T_PAGEFLT = 12, T_DIVIDE = 18, T_PRIVINFLT = 1 };

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };
enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_STACK = 0x400, MAP_ANON = 0x1000, MAP_VPAGETABLE = 0x2000, MAP_TRYFIXED = 0x10000, MAP_SIZEALIGN = 0x40000 };
enum { O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_NONBLOCK = 4, O_APPEND = 8, O_CREAT = 0x200, O_TRUNC = 0x400, O_CLOEXEC = 0x20000, O_FAPPEND = 0x100000, O_DIRECTORY = 0x8000000 };
enum { AT_SYMLINK_NOFOLLOW = 1, AT_REMOVEDIR = 2 };
#define AT_FDCWD 0xfffafdcd
enum { F_GETFD = 1, F_GETFL = 3, F_GETPATH = 19, F_GETLK = 7, F_SETLK = 8, FD_CLOEXEC = 1, F_RDLCK = 1, F_UNLCK = 2, F_WRLCK = 3 };
struct flock { long l_start, l_len; int l_pid; short l_type, l_whence; };

struct stat {
  uint64_t st_ino;
  uint32_t st_nlink, st_dev;
  uint16_t st_mode, st_padding1;
  uint32_t st_uid, st_gid, st_rdev;
  struct timespec st_atim, st_mtim, st_ctim;
  int64_t st_size, st_blocks;
  uint32_t old_st_blksize, st_flags, st_gen;
  int32_t st_lspare;
  int64_t st_blksize, st_qspare2;
};
_Static_assert(sizeof(struct stat) == 128, "struct stat");
struct dirent { uint64_t d_fileno; uint16_t d_namlen; uint8_t d_type, d_unused1; uint32_t d_unused2; char d_name[256]; };
struct kevent { uint64_t ident; int16_t filter; uint16_t flags; uint32_t fflags; int64_t data; void* udata; };
enum { EVFILT_READ = -1, EVFILT_WRITE = -2, EVFILT_PROC = -5, EVFILT_SIGNAL = -6, EVFILT_TIMER = -7, EVFILT_EXCEPT = -8, EVFILT_USER = -9 };
enum { EV_ADD = 1, EV_DELETE = 2, EV_ONESHOT = 0x10, EV_CLEAR = 0x20, EV_RECEIPT = 0x40, EV_NODATA = 0x1000, EV_ERROR = 0x4000, EV_EOF = 0x8000 };
#define NOTE_EXIT 0x80000000u
#define NOTE_TRIGGER 0x01000000u

struct lwp_params { void (*func)(void*); void* arg; void* stack; int *tid1, *tid2; };
struct tls_info { void* base; long size; };
enum { EXTEXIT_SETINT = 1, EXTEXIT_LWP = 0x10000 };
enum { CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 4 };

/// Auxiliary vector; AT_BASE of a program without an interpreter.
enum { AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7, AT_ENTRY = 9, AT_EXECPATH = 15 };
#define BASE_ALONE(own) own

// --- conveniences: each checks that it succeeds -------------------------------------------------------------

struct thread {
  volatile int done;  // extexit() stores 1
  int tid;
  unsigned char* stack;  // kThreadStack bytes
  void (*run)(struct thread*);
  void* arg;
  struct thread* tls_self;
};
enum { kThreadStack = 64 * 1024 };
void thread_start(struct thread* t, void (*run)(struct thread*), void* arg);

// The little a FreeBSD guest of the tests has in place of a C library: calls, checks, printing, threads.
// Structures and constants: FreeBSD 14.0 sys/sys/{signal,_sigaction,ucontext,stat,dirent,event,thr,umtx,socket,un,
// mman,time,wait,poll,fcntl}.h, sys/x86/include/ucontext.h, sys/netinet/in.h.
#pragma once

#include "../bsd/common.h"
#include "calls.h"

// --- calls: the result, or -errno -------------------------------------------------------------------------
static inline __attribute__((always_inline)) long sys_make(long n, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall; jnc 1f; negq %0; 1:"
                   : "=a"(result), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
                   : "a"(n), "D"(a), "S"(b)
                   : "rcx", "r11", "memory", "cc");
  return result;
}
#define SYS_A(n) sys_make(n, 0, 0, 0, 0, 0, 0)
#define SYS_B(n, a) sys_make(n, (long)(a), 0, 0, 0, 0, 0)
#define SYS_C(n, a, b) sys_make(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define SYS_D(n, a, b, c) sys_make(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SYS_E(n, a, b, c, d) sys_make(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define SYS_F(n, a, b, c, d, e) sys_make(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define SYS_G(n, a, b, c, d, e, f) sys_make(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define SYS_PICK(_0, _1, _2, _3, _4, _5, _6, name, ...) name
#define sys(...) SYS_PICK(__VA_ARGS__, SYS_G, SYS_F, SYS_E, SYS_D, SYS_C, SYS_B, SYS_A, )(__VA_ARGS__)
/// mmap(2): the address, or -errno.
#define MMAP(at, size, prot, flags, fd, offset) sys(SYS_mmap, at, size, prot, flags, fd, offset)

#include "../bsd/raw_call.h"

enum {
  EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, EIO = 5, ENXIO = 6, E2BIG = 7, ENOEXEC = 8, EBADF = 9, ECHILD = 10,
  EDEADLK = 11, ENOMEM = 12, EACCES = 13, EFAULT = 14, EBUSY = 16, EEXIST = 17, ENODEV = 19, ENOTDIR = 20,
  EISDIR = 21, EINVAL = 22, EMFILE = 24, ENOTTY = 25, ETXTBSY = 26, EFBIG = 27, ESPIPE = 29, EPIPE = 32, ERANGE = 34,
  EAGAIN = 35, EINPROGRESS = 36, ENOTSOCK = 38, EMSGSIZE = 40, EPROTONOSUPPORT = 43, EOPNOTSUPP = 45,
  EAFNOSUPPORT = 47, EADDRINUSE = 48, ECONNRESET = 54, EISCONN = 56, ENOTCONN = 57, ETIMEDOUT = 60,
  ECONNREFUSED = 61, ELOOP = 62, ENAMETOOLONG = 63, ENOTEMPTY = 66, ENOSYS = 78, EOVERFLOW = 84,
};

// --- types ----------------------------------------------------------------------------------------------------
struct itimerval { struct timeval it_interval, it_value; };

struct siginfo {
  int si_signo, si_errno, si_code, si_pid;
  unsigned si_uid;
  int si_status;
  void* si_addr;
  union { int sival_int; void* sival_ptr; long word; } si_value;
  union { int si_trapno; struct { int si_timerid, si_overrun; } timer; long spare[5]; } reason;
};
_Static_assert(sizeof(struct siginfo) == 80, "siginfo_t");

struct mcontext {
  long mc_onstack, mc_rdi, mc_rsi, mc_rdx, mc_rcx, mc_r8, mc_r9, mc_rax, mc_rbx, mc_rbp, mc_r10, mc_r11, mc_r12, mc_r13,
      mc_r14, mc_r15;
  uint32_t mc_trapno;
  uint16_t mc_fs, mc_gs;
  long mc_addr;
  uint32_t mc_flags;
  uint16_t mc_es, mc_ds;
  long mc_err, mc_rip, mc_cs, mc_rflags, mc_rsp, mc_ss;
  long mc_len, mc_fpformat, mc_ownedfp;
  long mc_fpstate[64] __attribute__((aligned(16)));
  long mc_fsbase, mc_gsbase, mc_xfpustate, mc_xfpustate_len, mc_spare[4];
};
_Static_assert(sizeof(struct mcontext) == 800, "mcontext_t");
struct ucontext {
  sigset_t uc_sigmask;
  struct mcontext uc_mcontext;
  struct ucontext* uc_link;
  stack_t uc_stack;
  int uc_flags, spare[4];
};
_Static_assert(sizeof(struct ucontext) == 880, "ucontext_t");

struct sigaction { void* sa_handler; int sa_flags; sigset_t sa_mask; int pad; };
_Static_assert(sizeof(struct sigaction) == 32, "struct sigaction");
#define SIG_DFL ((void*)0)
#define SIG_IGN ((void*)1)
enum { SA_ONSTACK = 1, SA_RESTART = 2, SA_RESETHAND = 4, SA_NOCLDSTOP = 8, SA_NODEFER = 0x10, SA_NOCLDWAIT = 0x20, SA_SIGINFO = 0x40 };
enum { SIG_BLOCK = 1, SIG_UNBLOCK = 2, SIG_SETMASK = 3, SS_ONSTACK = 1, SS_DISABLE = 4 };
enum {
  SIGHUP = 1, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGEMT, SIGFPE, SIGKILL, SIGBUS, SIGSEGV, SIGSYS, SIGPIPE,
  SIGALRM, SIGTERM, SIGURG, SIGSTOP, SIGTSTP, SIGCONT, SIGCHLD, SIGTTIN, SIGTTOU, SIGIO, SIGXCPU, SIGXFSZ, SIGVTALRM,
  SIGPROF, SIGWINCH, SIGINFO, SIGUSR1, SIGUSR2, SIGTHR, SIGLIBRT, SIGRTMIN = 65,
};
enum {
  SI_USER = 0x10001, SI_QUEUE = 0x10002, SI_TIMER = 0x10003, SI_KERNEL = 0x10006, SI_LWP = 0x10007,
  FPE_INTDIV = 2, ILL_ILLOPC = 1, ILL_PRVOPC = 5, BUS_ADRALN = 1, BUS_ADRERR = 2, BUS_OBJERR = 3, SEGV_MAPERR = 1, SEGV_ACCERR = 2, TRAP_BRKPT = 1,
  CLD_EXITED = 1, CLD_KILLED = 2, CLD_DUMPED = 3, CLD_STOPPED = 5, CLD_CONTINUED = 6,
};
enum { T_PRIVINFLT = 1, T_BPTFLT = 3, T_PROTFLT = 9, T_PAGEFLT = 12, T_DIVIDE = 18, T_ALIGNFLT = 14 };

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };
enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_STACK = 0x400, MAP_ANON = 0x1000, MAP_GUARD = 0x2000, MAP_EXCL = 0x4000, MAP_32BIT = 0x80000 };
#define MAP_ALIGNED(n) ((n) << 24)
enum { O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_NONBLOCK = 4, O_APPEND = 8, O_SHLOCK = 0x10, O_EXLOCK = 0x20, O_NOFOLLOW = 0x100, O_CREAT = 0x200, O_TRUNC = 0x400, O_EXCL = 0x800, O_DIRECTORY = 0x20000, O_CLOEXEC = 0x100000 };
enum { AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x200, AT_REMOVEDIR = 0x800 };
enum { F_DUPFD = 0, F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4, F_GETLK = 11, F_SETLK = 12, F_SETLKW = 13, F_DUPFD_CLOEXEC = 17, FD_CLOEXEC = 1, F_RDLCK = 1, F_UNLCK = 2, F_WRLCK = 3 };
struct flock { long l_start, l_len; int l_pid; short l_type, l_whence; int l_sysid, pad; };
enum { WNOHANG = 1, WUNTRACED = 2, WCONTINUED = 4, WNOWAIT = 8, WEXITED = 16 };
static inline bool wait_exited(int s) { return (s & 0x7f) == 0; }
static inline int wait_exit_status(int s) { return (s >> 8) & 0xff; }
static inline int wait_signal(int s) { return s & 0x7f; }
static inline bool wait_stopped(int s) { return (s & 0x7f) == 0x7f; }

struct stat {
  uint64_t st_dev, st_ino, st_nlink;
  uint16_t st_mode; int16_t st_padding0;
  uint32_t st_uid, st_gid; int32_t st_padding1;
  uint64_t st_rdev;
  struct timespec st_atim, st_mtim, st_ctim, st_birthtim;
  int64_t st_size, st_blocks;
  int32_t st_blksize;
  uint32_t st_flags;
  uint64_t st_gen, st_spare[10];
};
_Static_assert(sizeof(struct stat) == 224, "struct stat");
struct dirent { uint64_t d_fileno; int64_t d_off; uint16_t d_reclen; uint8_t d_type, d_pad0; uint16_t d_namlen, d_pad1; char d_name[256]; };

struct kevent { uint64_t ident; int16_t filter; uint16_t flags; uint32_t fflags; int64_t data; void* udata; uint64_t ext[4]; };
struct kevent11 { uint64_t ident; int16_t filter; uint16_t flags; uint32_t fflags; int64_t data; void* udata; };
_Static_assert(sizeof(struct kevent) == 64 && sizeof(struct kevent11) == 32, "struct kevent");
enum { EVFILT_READ = -1, EVFILT_WRITE = -2, EVFILT_VNODE = -4, EVFILT_PROC = -5, EVFILT_SIGNAL = -6, EVFILT_TIMER = -7, EVFILT_PROCDESC = -8, EVFILT_USER = -11 };
enum { EV_ADD = 1, EV_DELETE = 2, EV_ENABLE = 4, EV_DISABLE = 8, EV_ONESHOT = 0x10, EV_CLEAR = 0x20, EV_RECEIPT = 0x40, EV_DISPATCH = 0x80, EV_ERROR = 0x4000, EV_EOF = 0x8000 };

struct thr_param {
  void (*start_func)(void*); void* arg; char* stack_base; size_t stack_size; char* tls_base; size_t tls_size;
  long *child_tid, *parent_tid; int flags; void* rtp; void* spare[3];
};
_Static_assert(sizeof(struct thr_param) == 104, "struct thr_param");
enum { UMTX_WAIT = 2, UMTX_WAKE = 3, UMTX_MUTEX_TRYLOCK = 4, UMTX_MUTEX_LOCK = 5, UMTX_MUTEX_UNLOCK = 6, UMTX_CV_WAIT = 8, UMTX_CV_SIGNAL = 9, UMTX_CV_BROADCAST = 10, UMTX_WAIT_UINT = 11, UMTX_WAIT_UINT_PRIVATE = 15, UMTX_WAKE_PRIVATE = 16, UMTX_SEM2_WAIT = 23, UMTX_SEM2_WAKE = 24 };

struct pollfd { int fd; short events, revents; };
enum { POLLIN = 1, POLLOUT = 4, POLLERR = 8, POLLHUP = 0x10, POLLNVAL = 0x20, POLLRDNORM = 0x40 };
struct sockaddr_in { uint8_t sin_len, sin_family; uint16_t sin_port; uint32_t sin_addr; char sin_zero[8]; };
struct sockaddr_in6 { uint8_t sin6_len, sin6_family; uint16_t sin6_port; uint32_t sin6_flowinfo; uint8_t sin6_addr[16]; uint32_t sin6_scope_id; };
struct sockaddr_un { uint8_t sun_len, sun_family; char sun_path[104]; };
struct msghdr { void* msg_name; uint32_t msg_namelen; struct iovec* msg_iov; int msg_iovlen; void* msg_control; uint32_t msg_controllen; int msg_flags; };
struct cmsghdr { uint32_t cmsg_len; int cmsg_level, cmsg_type; };
enum { AF_UNIX = 1, AF_INET = 2, AF_INET6 = 28, SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_CLOEXEC = 0x10000000, SOCK_NONBLOCK = 0x20000000, SOL_SOCKET = 0xffff, SO_REUSEADDR = 4, SO_TYPE = 0x1008, SO_ERROR = 0x1007, SCM_RIGHTS = 1, MSG_PEEK = 2, MSG_DONTWAIT = 0x80, MSG_NOSIGNAL = 0x20000 };
enum { CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 4, TIMER_ABSTIME = 1 };

/// Auxiliary vector; AT_BASE of a program without an interpreter.
enum { AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7, AT_ENTRY = 9, AT_EXECPATH = 15 };
#define BASE_ALONE(own) own

// --- conveniences: each checks that it succeeds -------------------------------------------------------------
void set_handler(int signal, void* handler, int flags);
void block(int signal);
void unblock(int signal);
void expect_exit(long pid, int status);
void sleep_ms(long ms);
void alarm_after(long seconds);         // SIGALRM kills a test that hangs

struct thread {
  volatile long done;                   // thr_exit() sets and wakes it
  long tid;
  unsigned char* stack;                 // kThreadStack bytes
  void (*run)(struct thread*);
  void* arg;
  struct thread* tls_self;              // what %fs:0 holds
};
enum { kThreadStack = 64 * 1024 };
void thread_start(struct thread* t, void (*run)(struct thread*), void* arg);
void umtx_wait(volatile uint32_t* at, uint32_t value);
void umtx_wake(volatile uint32_t* at, int count);

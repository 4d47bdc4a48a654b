// Makes calls at random: numbers, arguments and pointers. `random SEED FIRST COUNT SECONDS`. On standard input it is told
// what calls there are, a line each:
//   set N VALUE...     a set of flags or commands
//   NUMBER ROLE...     a call; a letter for each argument: f descriptor, d directory descriptor, i process id, n a length,
//                      p pointer (with a number: to that slot, see fill_slots), c path, o name of some object, g signal,
//                      e one of set N, b some of set N, s other
// Half of the calls are almost right: arguments as their roles have them, and at most one that is anything.
//
// A batch of calls is made by a child process, in a directory of its own; SEED and the batch's number decide all of
// it. The parent watches: it interrupts calls that wait, and prints a line for each batch that ended otherwise than by
// its own will, with the call that did it. `problem` starts what the runtime must not do.
//
// It must not harm the machine. It refuses to be root, signals and changes no process but its own, keeps away from
// descriptors 0 to 2, and maps and unmaps in one place only. Left out altogether:
//   36 sync        slows the whole machine down
//   55 reboot      one mistake would be too many
//   169 170 171    semsys, msgsys, shmsys: make objects that outlive the test; the calls they lead to are made one by one
// Kept within bounds, in tame(): kill and its kin (no -1, no foreign process), keys and ids of System V objects (one of
// each, removed at the end), mappings, descriptors below 3, handlers, contexts and threads that would start at random.
#include "guest.h"

enum {
  kPage = 4096, kCallsPerBatch = 160, kSlot = 256, kSlots = 24, kRows = 1024, kNumbers = 600,
  kSandboxPages = 16, kNobody = 65534,
  // Milliseconds a call may wait before it is interrupted, and until its process is given up.
  kPatience = 20, kGiveUp = 600, kMaxCpuTicks = 400,
};
static const unsigned long kKey = 0x7364726e;
static const unsigned long kGuestTop = 0x2a0000000000;

// --- numbers ------------------------------------------------------------------------------------------------------
static unsigned long state;
static unsigned long any(void) {
  state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
  return state * 0x2545f4914f6cdd1dUL;
}
static unsigned long below(unsigned long n) { return (any() >> 17) % n; }
static bool chance(unsigned percent) { return below(100) < percent; }
#define PICK(list) (list)[below(sizeof(list) / sizeof((list)[0]))]

static const unsigned long kInteresting[] = {
  0, 1, 2, 3, 4, 7, 8, 15, 16, 24, 31, 32, 64, 100, 127, 128, 255, 256, 511, 512, 1023, 1024, 4095, 4096, 4097, 65535, 65536,
  0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x100000001, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
  0xfffffffffffffffe, 0xffffffff80000000, 0xffffffff7fffffff, 0x8000000000000001, 0xffffffff00000000,
};

// --- memory to point at ---------------------------------------------------------------------------------------------
static char *arena, *readable, *forbidden, *bytes, *slots, *sandbox, *canary;
static char long_name[2 * kPage];
static const char* const kNames[] = {"r1", "r2", "r3", "sub", "sub/r4", ".", "/", "/dev/null", "/dev/zero", "/nonexistent/x", "", "/sudrun-random", "user.x"};

/// What the parent reads of the child: where it is.
struct shared {
  volatile unsigned long calls;      // made so far
  volatile unsigned long call[10];   // number and arguments of the one being made
  volatile long broken;              // line of the check that failed
  volatile bool sends_signals;       // it has made calls that send signals, now or later
};
static struct shared* shared;

static long own;   // the process that makes the calls

static unsigned char tame_byte(void) {
  // Never a family of addresses that leads out of the machine.
  unsigned char b = (unsigned char)any();
  return b == AF_INET || b == AF_INET6 ? 0 : b;
}

static void* slot(int i) { return slots + i * kSlot; }

// Structures worth pointing at. Calls write to them, so they are made anew every now and then.
static void fill_slots(int file) {
  for (long i = 0; i < kPage; ++i) bytes[i] = (char)tame_byte();
  for (long i = 0; i < kSlots * kSlot; ++i) slots[i] = 0;
  struct iovec* v = slot(0);
  v[0] = (struct iovec){bytes, 16}, v[1] = (struct iovec){bytes + kPage - 8, 8};
  v = slot(1);
  v[0] = (struct iovec){bytes, 8}, v[1] = (struct iovec){(void*)(kGuestTop + 64), 64}, v[2] = (struct iovec){forbidden, 1};
  v = slot(2);
  v[0] = (struct iovec){bytes, PICK(kInteresting)}, v[1] = (struct iovec){0, PICK(kInteresting)};
  *(struct sockaddr_in*)slot(3) = (struct sockaddr_in){16, AF_INET, (uint16_t)below(65536), 0x0100007f, {0}};
  struct sockaddr_in6* six = slot(4);
  six->sin6_len = 28, six->sin6_family = AF_INET6, six->sin6_addr[15] = 1;
  struct sockaddr_un* local = slot(5);
  local->sun_len = (uint8_t)any(), local->sun_family = AF_UNIX;
  join(local->sun_path, "sock", "");
  ((unsigned char*)slot(6))[1] = (unsigned char)(18 + below(8));
  *(struct timespec*)slot(7) = (struct timespec){0, 1000};
  *(struct timespec*)slot(8) = (struct timespec){(long)PICK(kInteresting), (long)PICK(kInteresting)};
  *(struct itimerval*)slot(9) = (struct itimerval){{0, 0}, {0, 1000}};
  struct kevent* e = slot(10);
  for (int i = 0; i < 3; ++i)
    e[i] = (struct kevent){.ident = chance(70) ? (unsigned long)file : PICK(kInteresting), .filter = (int16_t)-below(16), .flags = (uint16_t)any(), .fflags = (uint32_t)PICK(kInteresting), .data = (long)PICK(kInteresting)};
  for (int i = 0; i < 8; ++i) ((unsigned*)slot(11))[i] = (unsigned)PICK(kInteresting);
  *(struct flock*)slot(12) = (struct flock){.l_type = (short)below(6), .l_whence = (short)below(4), .l_start = (long)PICK(kInteresting), .l_len = (long)PICK(kInteresting)};
  struct pollfd* p = slot(13);
  p[0] = (struct pollfd){file, (short)any(), 0}, p[1] = (struct pollfd){-1, 1, 0}, p[2] = (struct pollfd){(int)PICK(kInteresting), 1, 0};
  struct msghdr* m = slot(14);
  *m = (struct msghdr){chance(50) ? slot(3 + (int)below(4)) : 0, (unsigned)below(130), slot((int)below(3)), (int)below(4), chance(50) ? slot(15) : 0, (unsigned)below(200), (int)any()};
  struct cmsghdr* c = slot(15);
  *c = (struct cmsghdr){(unsigned)below(64), chance(70) ? SOL_SOCKET : 0, (int)below(9)};
  ((int*)slot(15))[4] = file;
  char** strings = slot(16);
  strings[0] = (char*)"a", strings[1] = (char*)"bb", strings[2] = 0;
  strings = slot(17);
  strings[0] = (char*)"a", strings[1] = forbidden;
  int* mib = slot(18);
  mib[0] = 1 + (int)below(6), mib[1] = (int)below(40), mib[2] = (int)below(20), mib[3] = chance(50) ? (int)own : (int)PICK(kInteresting);
  join(slot(19), chance(50) ? "kern.ostype" : "hw.ncpu", "");
  int* event = slot(20);   // sigevent: how, which, value
  event[0] = (int)below(5), event[1] = chance(70) ? SIGUSR1 : (int)PICK(kInteresting);
  short* operation = slot(21);   // sembuf
  operation[0] = (short)below(5), operation[1] = (short)((int)below(4) - 1), operation[2] = (short)(chance(80) ? 04000 : 0);
  *(long*)slot(22) = (long)below(3);   // the type of a System V message
  for (int i = 23; i < kSlots; ++i)
    for (int w = 0; w < 8; ++w) ((unsigned long*)slot(i))[w] = chance(60) ? PICK(kInteresting) : (unsigned long)bytes + below(kPage);
}

static unsigned long bad_pointer(void) {
  switch (below(10)) {
    case 0: return 0;
    case 1: return 1 + below(kPage - 1);
    case 2: return (unsigned long)forbidden + below(kPage);
    case 3: return 0xffff800000000000 + below(1UL << 40);
    case 4: return kGuestTop + below(1UL << 45);
    case 5: return kGuestTop - below(64);
    case 6: return 0x7fffffffffff - below(64);
    case 7: return 0x0000800000000000 + below(1UL << 40);
    case 8: return 0xffffffffffffffff - below(256);
    default: return 0x7f0000000000 + (below(1UL << 28) << 12);
  }
}

static unsigned long pointer(void) {
  switch (below(12)) {
    case 0: case 1: return bad_pointer();
    case 2: return any();
    case 3: return (unsigned long)readable + below(kPage);
    case 4: return (unsigned long)readable + kPage - below(16);
    case 5: return (unsigned long)bytes + kPage - below(128);   // runs into what must not be touched
    case 6: return (unsigned long)bytes + below(kPage);
    case 7: return (unsigned long)bytes;
    case 8: return (unsigned long)PICK(kNames);
    default: return (unsigned long)slot((int)below(kSlots));
  }
}

static unsigned long string(void) {
  if (chance(12)) return (unsigned long)long_name + below(2 * kPage);
  return chance(75) ? (unsigned long)PICK(kNames) : pointer();
}

// --- descriptors ------------------------------------------------------------------------------------------------------
enum { kDescriptors = 15 };
static int descriptors[kDescriptors], directory;
static long objects[3];   // System V: a semaphore set, a queue, a segment

static void open_descriptors(void) {
  sys(SYS_close_range, 3, ~0U, 0);
  int n = 0, pair[2];
  descriptors[n++] = (int)sys(SYS_openat, AT_FDCWD, "data", O_RDWR | O_CREAT, 0600);
  descriptors[n++] = directory = (int)sys(SYS_openat, AT_FDCWD, ".", O_RDONLY | O_DIRECTORY, 0);
  if (sys(SYS_pipe2, pair, 0) == 0) descriptors[n++] = pair[0], descriptors[n++] = pair[1];
  if (sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair) == 0) descriptors[n++] = pair[0], descriptors[n++] = pair[1];
  if (sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair) == 0) descriptors[n++] = pair[0], descriptors[n++] = pair[1];
  descriptors[n++] = (int)sys(SYS_socket, AF_INET, SOCK_STREAM, 0);
  descriptors[n++] = (int)sys(SYS_socket, AF_INET6, SOCK_DGRAM, 0);
  descriptors[n++] = (int)sys(SYS_kqueue);
  descriptors[n++] = (int)sys(504 /* posix_openpt */, O_RDWR);
  descriptors[n++] = (int)sys(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR, 0);
  descriptors[n++] = (int)sys(585 /* timerfd_create */, 4, 0);
  descriptors[n++] = (int)sys(571 /* shm_open2 */, 1, O_RDWR, 0600, 0, 0);
  for (; n < kDescriptors; ++n) descriptors[n] = descriptors[0];
  // A limit set at random may have left none.
  for (n = 0; n < kDescriptors; ++n)
    if (descriptors[n] < 3) descriptors[n] = 999;
}

static unsigned long descriptor(void) {
  if (chance(85)) return (unsigned long)(unsigned)PICK(descriptors) | (chance(10) ? any() << 32 : 0);
  const unsigned long wild = chance(50) ? PICK(kInteresting) : any();
  return (unsigned)wild < 3 ? 999 : wild;
}

static unsigned long process(void) {
  const unsigned long known[] = {0, (unsigned long)own, 0x7fffffff, 99999999, 0x80000000, (unsigned long)own | 0x500000000};
  return PICK(known);
}

static unsigned long scalar(void) {
  switch (below(4)) {
    case 0: return PICK(kInteresting);
    case 1: return below(64);
    case 2: return 1UL << below(64) | (chance(50) ? 1UL << below(64) : 0);
    default: return any() >> below(64);
  }
}

static unsigned long length(void) { return chance(60) ? below(300) : chance(50) ? below(2 * kPage) : PICK(kInteresting); }

// --- calls --------------------------------------------------------------------------------------------------------------
struct role { char letter; short number; };
struct row { long number; struct role roles[9]; };   // ends with letter 0
static struct row rows[kRows];
static int row_count;
enum { kSets = 256, kSetValues = 72 };
static struct { int count; unsigned long values[kSetValues]; } sets[kSets];

static const struct row kUnknown;
static const struct row* row_of(unsigned long number) {
  for (int i = 0; i < row_count; ++i)
    if ((unsigned long)rows[i].number == number) return &rows[i];
  return 0;
}

// What calls have answered: results, and what they wrote first. Ids of things come back this way.
enum { kAnswers = 16 };
static unsigned long answers[kAnswers], answer_count;
static void remember(unsigned long value) { answers[answer_count++ % kAnswers] = value; }

static unsigned long from_set(const struct role* role, bool several) {
  if (role->number < 0 || role->number >= kSets || sets[role->number].count == 0) return below(4);
  const unsigned long* values = sets[role->number].values;
  unsigned long value = values[below((unsigned long)sets[role->number].count)];
  while (several && chance(50)) value |= values[below((unsigned long)sets[role->number].count)];
  return value;
}

static unsigned long sane_argument(const struct role* role) {
  switch (role->letter) {
    case 'i': return process();
    case 'f': return (unsigned long)(unsigned)PICK(descriptors);
    case 'd': return chance(70) ? (unsigned long)(long)AT_FDCWD : (unsigned long)(unsigned)directory;
    case 'n': return below(257);
    case 'p':
      if (chance(15)) return 0;
      if (role->number >= 0) return (unsigned long)slot(role->number);
      return chance(50) ? (unsigned long)bytes + 8 * below(256) : (unsigned long)slot((int)below(kSlots));
    case 'c': return (unsigned long)kNames[below(6)];
    case 'o': return (unsigned long)(chance(70) ? "/sudrun-random" : "user.x");
    case 'g': return below(34);
    case 'e': return from_set(role, false);
    case 'b': return from_set(role, true);
    default: return chance(30) ? answers[below(kAnswers)] : chance(30) ? kNobody : chance(50) ? below(9) : 0600;
  }
}

static unsigned long argument(const struct role* role) {
  // Mostly what belongs there, sometimes anything. What would harm others is never anything.
  if (role->letter == 'i') return process();
  if (role->letter == 'f') return descriptor();
  if (chance(20)) return chance(50) ? pointer() : scalar();
  switch (role->letter) {
    case 'd': return chance(50) ? (unsigned long)(long)AT_FDCWD : chance(60) ? (unsigned long)(unsigned)directory : descriptor();
    case 'n': return length();
    case 'p': return chance(30) && role->number >= 0 ? (unsigned long)slot(role->number) : pointer();
    case 'c': case 'o': return string();
    case 'g': return chance(60) ? below(34) : scalar();
    case 'e': case 'b': return chance(60) ? from_set(role, role->letter == 'b') : scalar();
    default: return chance(15) ? answers[below(kAnswers)] : scalar();
  }
}

static void bound_mapping(unsigned long* addr, unsigned long* len) {
  if (*addr < kGuestTop && *addr + *len >= *addr && *addr + *len <= kGuestTop) {
    *addr = (unsigned long)sandbox + (chance(85) ? below(kSandboxPages) * kPage : below(kSandboxPages * kPage));
    const unsigned long room = (unsigned long)sandbox + kSandboxPages * kPage - *addr;
    if (*len > room) *len = chance(50) ? room : kGuestTop - *addr + 1 + below(1UL << 47);   // ends beyond what is the guest's
  }
}

static unsigned long own_object(int which) { return chance(70) ? (unsigned long)objects[which] : chance(50) ? 0xffffffff : 0x7ffffff0; }

/// False: not to be made at all.
static bool tame(unsigned long number, unsigned long* a) {
  if ((unsigned)number < kNumbers - 1 && row_of((unsigned)number) == 0) return false;   // the test has left it out
  switch ((unsigned)number) {   // a number that the runtime might cut to 32 bits counts as what is left
    case 36: case 55: case 169: case 170: case 171:
      return false;
    case 37: case 146: case 456: case 481:   // kill, okillpg, sigqueue, thr_kill2
    case 82: case 166: case 327: case 329: case 26:   // setpgid, rtprio, sched_set*, ptrace
      a[0] = (unsigned)number == 166 ? a[0] : process();
      if ((unsigned)number == 166) a[1] = process();
      return true;
    case 96:   // setpriority; of a whole user it could not be undone
      a[0] = below(2), a[1] = process();
      return true;
    case 544:   // procctl
      a[1] = process();
      return true;
    case 485: case 488: case 562: a[(unsigned)number == 485 ? 1 : 2] = chance(70) ? ~0UL : process(); return true;
    case 466: a[1] = process(); return true;   // rtprio_thread
    case 71: case 197: case 477:   // mmap
      if ((a[3] & MAP_FIXED) != 0) bound_mapping(&a[0], &a[1]);
      if (a[1] > 1UL << 24) a[3] &= ~0x40000UL;   // MAP_PREFAULT_READ would take the machine's memory
      return true;
    case 73:   // munmap
      bound_mapping(&a[0], &a[1]);
      return true;
    // These cut a range that ends beyond what is the guest's, so it must not begin below everything the guest has.
    case 65: case 74: case 75: case 203: case 204: case 250:   // msync, mprotect, madvise, mlock, munlock, minherit
      if (a[0] < kGuestTop && a[0] + a[1] >= a[0]) {
        bound_mapping(&a[0], &a[1]);
        const unsigned long end = (unsigned long)sandbox + kSandboxPages * kPage;
        if (a[0] < (unsigned long)sandbox || a[0] >= end) a[0] = (unsigned long)sandbox;
        if (a[1] > end - a[0]) a[1] = end - a[0];
      }
      return true;
    case 228: if (a[1] != 0 && a[1] < kGuestTop) a[1] = (unsigned long)sandbox; a[0] = own_object(2); return true;   // shmat
    case 221: case 225: case 231: a[0] = kKey; if ((unsigned)number == 231) a[1] = below(65536); return true;   // semget, msgget, shmget
    case 220: case 222: case 510: a[0] = own_object(0); return true;   // semctl, semop
    case 224: case 226: case 227: case 511: a[0] = own_object(1); return true;   // msgctl, msgsnd, msgrcv
    case 229: case 512: a[0] = own_object(2); return true;   // shmctl
    case 90: if ((unsigned)a[1] < 3) a[1] = descriptor(); return true;   // dup2
    case 92: if ((unsigned)a[2] < 3) a[2] = 3 + below(40); return true;   // fcntl: F_DUP2FD
    case 509: case 575: if ((unsigned)a[0] < 3) a[0] = 3 + below(100); return true;   // closefrom, close_range
    // Objects with names must be removable in the end.
    case 60: a[0] &= 077; return true;   // umask
    case 405: a[3] |= 0600; return true;   // ksem_open
    case 457: case 482: case 571: a[2] |= 0600; return true;   // kmq_open, shm_open, shm_open2
    // What would go on at a random address, with reason.
    case 46: case 108: case 342: case 416:   // sigaction and older forms
      if (a[1] != 0) a[1] = chance(50) ? bad_pointer() : (unsigned long)slot(kSlots);
      return true;
    case 103: case 139: case 344: case 417: case 422: a[0] = bad_pointer(); return true;   // sigreturn, setcontext
    case 423: a[0] = bad_pointer(); a[1] = bad_pointer(); return true;   // swapcontext
    case 430: a[0] = bad_pointer(); return true;   // thr_create
    case 455: a[0] = bad_pointer(); if ((unsigned)a[1] == 0) a[1] = 104; return true;   // thr_new; of size 0 it is a thread at 0
    default:
      return true;
  }
}

static bool sends_signals(unsigned number) {
  static const unsigned kSenders[] = {37, 146, 235, 255, 256, 257, 318, 319, 320, 433, 456, 461, 463, 481, 519, 544, 578, 579};
  for (unsigned i = 0; i < sizeof kSenders / sizeof kSenders[0]; ++i)
    if (kSenders[i] == number) return true;
  return false;
}

/// Ends the batch, or waits until somebody interrupts it.
static bool is_costly(unsigned number) {
  static const unsigned kCostly[] = {1, 2, 7, 37, 66, 240, 244, 251, 341, 345, 346, 429, 431, 433, 456, 463, 481, 518, 532};
  for (unsigned i = 0; i < sizeof kCostly / sizeof kCostly[0]; ++i)
    if (kCostly[i] == number) return true;
  return false;
}

#define CHILD_CHECK(condition)                                      \
  do {                                                              \
    if (!(condition)) shared->broken = __LINE__, quit(77);          \
  } while (0)

static void wake(int signal, struct siginfo* info, struct ucontext* context) {}

/// One call, with a mark in every register that must survive it.
static void make(struct raw_call* c) {
  register unsigned long mark12 __asm__("r12") = 0x1212121212121212, mark13 __asm__("r13") = 0x1313131313131313;
  register unsigned long mark14 __asm__("r14") = 0x1414141414141414, mark15 __asm__("r15") = 0x1515151515151515;
  unsigned long xmm = 0x5a5a5a5aa5a5a5a5, xmm_after = 0;
  __asm__ volatile(
      "movq %[xmm], %%xmm11\n\t"
      "movq %[call], %%rdi\n\t"
      "movq %%rsp, %%rbx\n\t"
      "subq $128, %%rsp\n\t"
      "andq $-16, %%rsp\n\t"
      "call raw_call\n\t"
      "movq %%rbx, %%rsp\n\t"
      "movq %%xmm11, %[after]"
      : [after] "=m"(xmm_after), "+r"(mark12), "+r"(mark13), "+r"(mark14), "+r"(mark15)
      : [xmm] "m"(xmm), [call] "m"(c)
      : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm11", "memory", "cc");
  CHILD_CHECK(mark12 == 0x1212121212121212 && mark13 == 0x1313131313131313);
  CHILD_CHECK(mark14 == 0x1414141414141414 && mark15 == 0x1515151515151515);
  CHILD_CHECK(xmm == xmm_after);
}

/// What must still be so, whatever was called.
static void look_around(void) {
  // Number 20 is another call on the host: a process that had lost its trap would see no pid.
  CHILD_CHECK(sys(SYS_getpid) == own);
  for (int i = 0; i < kPage; ++i) CHILD_CHECK(canary[i] == (char)(i * 7));
  char zeros[8] = "unread";
  const long fd = sys(SYS_openat, AT_FDCWD, "/dev/zero", O_RDONLY, 0);
  if (fd < 0) return;   // no descriptor is left, or no right
  CHILD_CHECK(sys(SYS_read, fd, zeros, 8) == 8 && zeros[0] == 0 && zeros[7] == 0);
  CHILD_CHECK(sys(SYS_close, fd) == 0);
}

static unsigned long any_number(void) {
  const unsigned kind = (unsigned)below(100);
  if (kind < 82) return (unsigned long)rows[below((unsigned long)row_count)].number;
  if (kind < 90) return below(kNumbers + 100);
  if (kind < 95) return below(kNumbers) | any() << 32;
  return any() >> below(64);
}

/// Makes one call; true if it has succeeded.
static bool one_call(unsigned long number, bool sane) {
  struct raw_call c = {.number = number, .carry_before = below(2)};
  unsigned long a[9];
  const struct row* row = row_of(c.number);
  if (row == 0) row = &kUnknown;
  const unsigned strange = (unsigned)below(12);   // in a sane call, the one that is not; none beyond its last
  bool ended = false;
  for (unsigned i = 0; i < 8; ++i) {
    ended = ended || row->roles[i].letter == 0;
    if (ended) a[i] = chance(50) ? pointer() : scalar();
    else a[i] = sane && i != strange ? sane_argument(&row->roles[i]) : argument(&row->roles[i]);
  }
  if (!tame(c.number, a)) return false;
  shared->sends_signals |= sends_signals((unsigned)c.number);
  a[8] = 0;
  // Indirect, also more than once: the number is the first argument.
  while (chance(12)) {
    for (int i = 8; i > 0; --i) a[i] = a[i - 1];
    a[0] = c.number | (chance(10) ? any() << 32 : 0);
    c.number = (chance(50) ? 0 : 198) | (chance(10) ? any() << 32 : 0);
  }
  for (int i = 0; i < 6; ++i) c.args[i] = a[i];
  for (int i = 0; i < 3; ++i) c.stack_args[i] = a[6 + i];
  shared->call[0] = c.number;
  for (int i = 0; i < 8; ++i) shared->call[1 + i] = a[i];
  ++shared->calls;
  make(&c);
  if ((c.flags & 1) == 0) {
    remember(c.rax);
    for (int i = 0; i < 6; ++i)
      if (c.args[i] >= (unsigned long)slots && c.args[i] < (unsigned long)slot(kSlots)) remember(*(unsigned long*)c.args[i]);
  }
  if (sys(SYS_getpid) != own) quit(0);   // a copy: one is enough
  return (c.flags & 1) == 0;
}

static _Noreturn void batch(void) {
  own = sys(SYS_getpid);
  sys(147 /* setsid */);
  for (int n = 0; n < kCallsPerBatch; ++n) {
    if (n % 16 == 0) {
      if (n != 0) look_around();
      open_descriptors();
      fill_slots(descriptors[below(kDescriptors)]);
    }
    // Whatever the last call has done to signals: the watcher's must come through.
    sigset_t none;
    sig_empty(&none);
    sys(SYS_sigprocmask, SIG_SETMASK, &none, 0);
    struct sigaction* action = slot(kSlots);
    *action = (struct sigaction){(void*)wake, SA_SIGINFO, {{0}}, 0};
    sys(SYS_sigaction, SIGALRM, action, 0);
    *action = (struct sigaction){chance(50) ? (void*)wake : chance(50) ? SIG_IGN : SIG_DFL, (int)below(128) & ~SA_ONSTACK, {{0}}, 0};
    const unsigned long number = any_number();
    const bool sane = chance(60);
    if ((unsigned)number == 0 || (unsigned)number == 198 || (is_costly((unsigned)number) && !chance(8))) continue;
    // What was meant to be right gets several chances to be.
    for (int tries = sane ? 6 : 1; tries != 0 && !one_call(number, sane); --tries) {}
  }
  look_around();
  quit(0);
}

// --- the parent ---------------------------------------------------------------------------------------------------------
static void put_call(void) {
  for (int i = 0; i < 9; ++i) put(" "), put_hex(shared->call[i]);
  put("\n");
}

/// Processor time the process has taken, in ticks, from the host's /proc; 0 if that cannot be seen.
static long ticks_of(long pid) {
  char path[40], digits[24], text[512];
  join(path, "/proc/", number(digits, (unsigned long)pid));
  join(path, path, "/stat");
  const long fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
  const long got = fd < 0 ? 0 : sys(SYS_read, fd, text, sizeof text - 1);
  if (fd >= 0) sys(SYS_close, fd);
  if (got <= 0) return 0;
  text[got] = 0;
  char* at = text + got;
  while (at != text && *at != ')') --at;
  long ticks = 0;
  for (int field = 2; *at != 0 && field <= 15; ++at) {
    if (*at == ' ') ++field;
    if (*at == ' ' && (field == 14 || field == 15)) {
      long n = 0;
      for (char* d = at + 1; *d >= '0' && *d <= '9'; ++d) n = n * 10 + (*d - '0');
      ticks += n;
    }
  }
  return ticks;
}

static void watch(long pid, long number_of_batch) {
  unsigned long seen = ~0UL;
  long since = now_us(), asked = since, ticks = 0;
  int status = 0;
  bool given_up = false;
  for (;;) {
    const long r = sys(SYS_wait4, pid, &status, WNOHANG, 0);
    if (r == pid) break;
    const long now = now_us();
    if (shared->calls != seen) seen = shared->calls, since = asked = now, ticks = 0;
    if (now - asked > kPatience * 1000) {
      asked = now;
      if (ticks == 0) ticks = ticks_of(pid);
      sys(SYS_kill, pid, SIGCONT);
      sys(SYS_kill, pid, SIGALRM);
    }
    if (now - since > kGiveUp * 1000 && !given_up) {
      const long busy = ticks_of(pid) - ticks;
      if (busy > kMaxCpuTicks || now - since > 60 * 1000000L) {
        put("problem: batch "), put_long(number_of_batch), put(" hangs in"), put_call();
        given_up = true;
      } else if (busy < (now - since) / 10000 / 4) {
        // Asleep, and deaf to the signal: some calls may block it.
        put("slept batch "), put_long(number_of_batch), put(" in"), put_call();
        given_up = true;
      }
      if (given_up) sys(SYS_kill, pid, SIGKILL);
    }
    if (now - since > 100 * 1000000L) {
      put("problem: batch "), put_long(number_of_batch), put(" cannot be killed in"), put_call();
      return;
    }
    sleep_us(300);
  }
  if (given_up) return;
  if (shared->broken != 0) {
    put("problem: batch "), put_long(number_of_batch), put(" broke the check of line "), put_long(shared->broken), put(" after"), put_call();
  } else if (wait_signal(status) != 0) {
    const int signal = wait_signal(status);
    const bool fault = signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE || signal == SIGTRAP || signal == SIGABRT || signal == SIGSYS;
    put(fault && !shared->sends_signals ? "problem: " : "died "), put("batch "), put_long(number_of_batch), put(" of signal "), put_long(signal), put(" in"), put_call();
  }
}

static unsigned long read_number(char** at) {
  unsigned long n = 0;
  while (**at == ' ') ++*at;
  while (**at >= '0' && **at <= '9') n = n * 10 + (unsigned long)(*(*at)++ - '0');
  return n;
}

static void read_rows(void) {
  static char input[256 * 1024];
  long n = 0, got;
  while ((got = sys(SYS_read, 0, input + n, sizeof input - 1 - (unsigned long)n)) > 0) n += got;
  CHECK(n < (long)sizeof input - 1);
  for (char* at = input; *at != 0; ++at) {
    if (*at == 's') {
      at += 3;
      const unsigned long which = read_number(&at);
      CHECK(which < kSets);
      while (*at == ' ')
        if (sets[which].count < kSetValues) sets[which].values[sets[which].count++] = read_number(&at);
        else read_number(&at);
    } else {
      CHECK(row_count < kRows);
      struct row* row = &rows[row_count++];
      row->number = (long)read_number(&at);
      for (int i = 0; *at == ' '; ++i) {
        const char letter = *++at;
        if (letter == '\n' || letter == 0) break;
        ++at;
        const short which = *at >= '0' && *at <= '9' ? (short)read_number(&at) : -1;
        if (i < 8) row->roles[i] = (struct role){letter, which};
      }
    }
    CHECK_EQ(*at, '\n');
  }
}

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  const unsigned long seed = (unsigned long)parse(argv[1]);
  const long first = parse(argv[2]), count = parse(argv[3]), until = now_us() + parse(argv[4]) * 1000000;
  read_rows();
  CHECK(row_count > 100);
  if (sys(SYS_geteuid) == 0) {
    sys(596 /* setgroups */, 0, 0);
    CHECK_EQ(sys(312 /* setresgid */, kNobody, kNobody, kNobody), 0);
    CHECK_EQ(sys(311 /* setresuid */, kNobody, kNobody, kNobody), 0);
  }
  CHECK(sys(SYS_geteuid) != 0);
  // No file above 4 MiB, no core, and nothing but an error for who tries.
  const long file_size[2] = {4 << 20, 4 << 20}, none[2] = {0, 0};
  CHECK_EQ(sys(195 /* setrlimit */, 1, file_size), 0);
  sys(195, 4, none);
  set_handler(SIGXFSZ, SIG_IGN, 0);

  arena = map(64 * kPage);
  readable = arena, forbidden = arena + kPage, bytes = arena + 4 * kPage, slots = arena + 8 * kPage, sandbox = arena + 24 * kPage;
  canary = arena + 50 * kPage;
  for (int i = 0; i < kPage; ++i) readable[i] = (char)tame_byte(), canary[i] = (char)(i * 7);
  sys(SYS_mprotect, readable, kPage, PROT_READ);
  sys(SYS_mprotect, forbidden, kPage, PROT_NONE);
  // What is written from here on ends here.
  sys(SYS_mprotect, bytes + kPage, kPage, PROT_NONE);
  sys(SYS_mprotect, slots + 2 * kPage, kPage, PROT_NONE);
  sys(SYS_mprotect, sandbox - kPage, kPage, PROT_NONE);
  sys(SYS_mprotect, sandbox + kSandboxPages * kPage, kPage, PROT_NONE);
  for (unsigned i = 0; i < sizeof long_name; ++i) long_name[i] = 'n';   // what follows it is zero
  shared = (struct shared*)sys(SYS_mmap, 0, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
  CHECK((long)shared > 0);
  long done = 0;
  for (; done < count && now_us() < until; ++done) {
    state = (seed + 1) * 0x9e3779b97f4a7c15 + (unsigned long)(first + done) * 0xbf58476d1ce4e5b9;
    if (state == 0) state = 1;
    for (int i = 0; i < 8; ++i) any();
    char name[40], digits[24];
    join(name, "b", number(digits, (unsigned long)(first + done)));
    CHECK_EQ(sys(SYS_mkdir, name, 0700), 0);
    objects[0] = sys(221, kKey, 4, 01600), objects[1] = sys(225, kKey, 01600), objects[2] = sys(231, kKey, 8192, 01600);
    shared->broken = 0, shared->sends_signals = false;
    const long pid = start_process();
    if (pid == 0) {
      if (sys(SYS_chdir, name) != 0) quit(1);
      batch();
    }
    watch(pid, first + done);
    // IPC_RMID. The child may have made others with the same key.
    for (int again = 0; again < 2; ++again)
      for (int i = 0; i < 3; ++i) {
        const long id = again ? sys(i == 0 ? 221 : i == 1 ? 225 : 231, kKey, 0, 0) : objects[i];
        if (id >= 0) sys(i == 0 ? 510 : i == 1 ? 511 : 512, id, 0, 0, 0);
      }
    // For who cleans up.
    sys(SYS_chmod, name, 0700);
    join(name, name, "/sub");
    sys(SYS_chmod, name, 0700);
  }
  sys(483 /* shm_unlink */, "/sudrun-random");
  sys(462 /* kmq_unlink */, "/sudrun-random");
  sys(406 /* ksem_unlink */, "/sudrun-random");
  put("made "), put_long((long)shared->calls), put(" calls in "), put_long(done), put(" batches\n");
  return 0;
}

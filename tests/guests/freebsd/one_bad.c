// Makes calls in which one pointer leads nowhere and everything else is in order. Reads lines `NUMBER ARG TOKEN...` from
// standard input, a token for each argument:
//   P the bad pointer            {N} a number           i this process
//   v zeros                      L the number 64        w one iovec          a an internet address    S a local one
//   M a message                  E one event to add     N the numbers of kern.ostype                  O its text
//   g zeros, a page of them      U a set that has SIGUSR1 in it            z a symbolic link's name
//   Y a vector of one string     c a file's name              d AT_FDCWD             q /sudrun-bad        x user.x
//   f that file                  D a directory          k a kqueue           y a pseudo-terminal
//   u a datagram socket with a datagram                 s a stream socket with data
//   t a fresh internet socket    l one that listens and has somebody waiting   T a timer's descriptor
//   A a System V semaphore set   B a queue with a message                      C a segment
//   m a message queue with a message                        p a process descriptor       I a kernel semaphore
// Prints `NUMBER ARG KIND RESULT` for each kind of bad pointer: the errno, 0, `slow` or `signal N`.
#include "guest.h"

enum { kKinds = 4, kChunk = 512 };
static const char* const kind_names[kKinds] = {"null", "unmapped", "kernel", "host"};
static unsigned long pointers[kKinds];
static int file, directory, queue, terminal, datagram, stream, internet, listener, timer, messages, descriptor_of_process;
static long semaphore;
static long objects[3] = {-1, -1, -1};   // System V's, removed after the call
static char* chunks;

static void prepare(void) {
  char* hole = map(2 * 4096);
  CHECK_EQ(sys(SYS_munmap, hole + 4096, 4096), 0);
  pointers[1] = (unsigned long)hole + 4096;
  pointers[2] = 0xffff800000000000;
  pointers[3] = 0x7f0000000000;
  chunks = map(4 * 4096);
}

// Of each child anew: what one call reads or takes is not there for the next.
static void open_things(void) {
  file = (int)sys(SYS_openat, AT_FDCWD, "bad.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK(file >= 0);
  CHECK_EQ(sys(SYS_write, file, chunks, 4096), 4096);
  CHECK_EQ(sys(SYS_lseek, file, 0, 0), 0);
  sys(SYS_unlink, "bad.link");
  CHECK_EQ(sys(SYS_symlink, "bad.tmp", "bad.link"), 0);
  directory = (int)sys(SYS_openat, AT_FDCWD, ".", O_RDONLY | O_DIRECTORY, 0);
  queue = (int)sys(SYS_kqueue);
  terminal = (int)sys(504 /* posix_openpt */, O_RDWR);
  int pair[2];
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair), 0);
  CHECK_EQ(sys(SYS_write, pair[1], "0123456789abcdef", 16), 16);
  datagram = pair[0];
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair), 0);
  CHECK_EQ(sys(SYS_write, pair[1], "0123456789abcdef", 16), 16);
  stream = pair[0];
  internet = (int)sys(SYS_socket, AF_INET, SOCK_STREAM, 0);
  listener = (int)sys(SYS_socket, AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in here = {sizeof here, AF_INET, 0, 0x0100007f, {0}};
  uint32_t length = sizeof here;
  CHECK_EQ(sys(SYS_bind, listener, &here, sizeof here), 0);
  CHECK_EQ(sys(SYS_listen, listener, 1), 0);
  CHECK_EQ(sys(SYS_getsockname, listener, &here, &length), 0);
  const long caller = sys(SYS_socket, AF_INET, SOCK_STREAM, 0);
  CHECK_EQ(sys(SYS_connect, caller, &here, sizeof here), 0);
  timer = (int)sys(585 /* timerfd_create */, CLOCK_MONOTONIC, 0);
  messages = (int)sys(457 /* kmq_open */, "/sudrun-bad", O_RDWR | O_CREAT, 0600, 0);   // not on every host
  sys(462 /* kmq_unlink */, "/sudrun-bad");
  sys(460 /* kmq_timedsend */, messages, "message", 7, 0, 0);
  sys(404 /* ksem_init */, &semaphore, 1);
  struct raw_call fork_one = {.number = 518 /* pdfork */, .args = {(unsigned long)&descriptor_of_process, 0}};
  raw_call(&fork_one);
  if ((fork_one.flags & 1) == 0 && fork_one.rax == 0) quit(0);
}

static unsigned long value_of(char token, int position, int kind) {
  char* at = chunks + position * kChunk;
  struct iovec* vector = (struct iovec*)(void*)(chunks + 9 * kChunk);
  *vector = (struct iovec){chunks + 10 * kChunk, 16};
  switch (token) {
    case 'P': return pointers[kind];
    case 'i': return (unsigned long)sys(SYS_getpid);
    case 'L': *(long*)(void*)at = 64; break;
    case 'w': return (unsigned long)vector;
    case 'a': *(struct sockaddr_in*)(void*)at = (struct sockaddr_in){16, AF_INET, 0, 0x0100007f, {0}}; break;
    case 'S': join(at + 2, "sock.tmp", ""), at[0] = 11, at[1] = AF_UNIX; break;
    case 'M': *(struct msghdr*)(void*)at = (struct msghdr){.msg_iov = vector, .msg_iovlen = 1}; break;
    case 'E': *(struct kevent*)(void*)at = (struct kevent){.ident = (unsigned)stream, .filter = EVFILT_READ, .flags = EV_ADD}; break;
    case 'N': ((int*)(void*)at)[0] = 1, ((int*)(void*)at)[1] = 1; break;
    case 'O': return (unsigned long)join(at, "kern.ostype", "");
    case 'U': *(sigset_t*)(void*)at = sig_only(SIGUSR1); break;
    case 'Y': *(const char**)(void*)at = "a"; break;
    case 'g': return (unsigned long)chunks + 3 * 4096;
    case 'z': return (unsigned long)"bad.link";
    case 'c': return (unsigned long)"bad.tmp";
    case 'q': return (unsigned long)"/sudrun-bad";
    case 'x': return (unsigned long)join(at, "user.x", "");
    case 'd': return (unsigned long)(long)AT_FDCWD;
    case 'f': return (unsigned long)file;
    case 'D': return (unsigned long)directory;
    case 'k': return (unsigned long)queue;
    case 'y': return (unsigned long)terminal;
    case 'u': return (unsigned long)datagram;
    case 's': return (unsigned long)stream;
    case 't': return (unsigned long)internet;
    case 'l': return (unsigned long)listener;
    case 'A': return (unsigned long)(objects[0] = sys(221 /* semget */, 0, 1, 01600));
    case 'B':
      objects[1] = sys(225 /* msgget */, 0, 01600);
      *(long*)(void*)at = 1;
      sys(226 /* msgsnd */, objects[1], at, 16, 0);
      return (unsigned long)objects[1];
    case 'C': return (unsigned long)(objects[2] = sys(231 /* shmget */, 0, 4096, 01600));
    case 'm': return (unsigned long)messages;
    case 'p': return (unsigned long)descriptor_of_process;
    case 'I': return (unsigned long)semaphore;
    case 'T': return (unsigned long)timer;
    default: CHECK_EQ(token, 'v');
  }
  return (unsigned long)at;
}

static void one(long call, const char* tokens, int kind) {
  struct raw_call c = {.number = (unsigned long)call};
  struct itimerval soon = {{0, 0}, {3, 0}};
  sys(SYS_setitimer, 0, &soon, 0);
  open_things();
  for (int i = 0; *tokens != 0 && *tokens != '\n' && i < 8;) {
    unsigned long value;
    if (*tokens == ' ') { ++tokens; continue; }
    if (*tokens == '{') {
      char digits[32];
      int n = 0;
      while (*++tokens != '}' && n < 31) digits[n++] = *tokens;
      digits[n] = 0;
      value = (unsigned long)parse(digits);
      ++tokens;
    } else {
      value = value_of(*tokens++, i, kind);
    }
    if (i < 6) c.args[i] = value;
    else c.stack_args[i - 6] = value;
    ++i;
  }
  // What a call of its kind needs, and a child does not inherit.
  if (call == 345 || call == 346 || call == 429) block(SIGUSR1), send(SIGUSR1);   // sigtimedwait, sigwaitinfo, sigwait
  if ((call == 7 || call == 532) && start_process() == 0) quit(0);   // wait4, wait6
  int id;
  if (call >= 236 && call <= 239) CHECK_EQ(sys(235 /* ktimer_create */, CLOCK_MONOTONIC, 0, &id), 0);
  raw_call(&c);
  if (objects[0] >= 0) sys(510 /* __semctl */, objects[0], 0, 0, 0);   // IPC_RMID
  if (objects[1] >= 0) sys(511 /* msgctl */, objects[1], 0, 0);
  if (objects[2] >= 0) sys(512 /* shmctl */, objects[2], 0, 0);
  // These return the error as their value.
  const bool by_value = call == 244 || call == 429 || call == 530 || call == 531;
  sys(SYS_exit, c.flags & 1 || by_value ? (long)c.rax : 0);
}

int main(int argc, char** argv) {
  static char input[262144];
  long n = 0, got;
  while ((got = sys(SYS_read, 0, input + n, sizeof input - 1 - (unsigned long)n)) > 0) n += got;
  CHECK_EQ(got, 0);
  prepare();
  for (char* at = input; *at != 0; ++at) {
    char head[64], *start = at;
    while (*at != ' ') ++at;
    *at = 0;
    const long call = parse(start);
    join(head, start, " ");
    start = ++at;
    while (*at != ' ' && *at != '\n') ++at;
    const char end = *at;
    *at = 0;
    join(head, head, start);
    *at = end;
    for (int kind = 0; kind < kKinds; ++kind) {
      const long pid = start_process();
      if (pid == 0) one(call, at, kind);
      const int status = wait_for(pid);
      char line[200], digits[24];
      join(line, head, " ");
      join(line, line, kind_names[kind]);
      if (wait_signal(status) == SIGALRM) join(line, line, " slow");
      else join(line, line, wait_signal(status) != 0 ? " signal " : " "), join(line, line, number(digits, (unsigned long)(wait_signal(status) != 0 ? wait_signal(status) : wait_exit_status(status))));
      join(line, line, "\n");
      put(line);
    }
    while (*at != '\n') ++at;
  }
  sys(SYS_unlink, "bad.tmp");
  sys(SYS_unlink, "bad.link");
  put("done\n");
  return 0;
}

// Makes calls with pointers that lead nowhere. Reads lines `NUMBER ROLES` from standard input, where ROLES has one
// letter for each argument: p pointer, f descriptor, d directory descriptor, i pid, n a length, s other scalar.
// Prints a line `NUMBER KIND RESULT` for each call made: the errno, 0, or `signal N`, or `slow`.
#include "guest.h"

enum { kKinds = 6 };
static const char* const kind_names[kKinds] = {"null", "unmapped", "kernel", "host", "read-only", "last-byte"};
static unsigned long pointers[kKinds];

static void prepare(void) {
  char* hole = map(3 * 4096);
  sys(SYS_munmap, hole + 4096, 4096);
  char* fixed = (char*)sys(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0);
  pointers[0] = 0;
  pointers[1] = (unsigned long)hole + 4096;
  pointers[2] = 0xffff800000000000;
  pointers[3] = 0x7f0000000000;
  pointers[4] = (unsigned long)fixed;
  pointers[5] = (unsigned long)hole + 4095;   // the object's end is not there
  hole[4095] = 0;
}

static void one(long call, const char* roles, int kind, int fd, int sock) {
  int results[2];
  make_pipe(results);
  const long pid = start_process();
  if (pid == 0) {
    struct raw_call c = {.number = (unsigned long)call};
    for (int i = 0; roles[i] != 0 && i < 8; ++i) {
      unsigned long value = 0;
      switch (roles[i]) {
        case 'p': value = pointers[kind]; break;
        case 'f': value = (unsigned long)(kind % 2 ? fd : sock); break;
        case 'd': value = (unsigned long)(long)AT_FDCWD; break;
        case 'i': value = (unsigned long)sys(SYS_getpid); break;
        case 'n': value = 16; break;
        default: break;
      }
      if (i < 6) c.args[i] = value;
      else c.stack_args[i - 6] = value;
    }
    struct itimerval soon = {{0, 0}, {0, 150000}};
    sys(SYS_setitimer, 0, &soon, 0);
    raw_call(&c);
    long result = c.flags & 1 ? (long)c.rax : 0;
    sys(SYS_write, results[1], &result, sizeof result);
    quit(0);
  }
  sys(SYS_close, results[1]);
  const int status = wait_for(pid);
  long result = -1;
  const long got = sys(SYS_read, results[0], &result, sizeof result);
  sys(SYS_close, results[0]);
  char line[200], digits[24];
  join(line, "", "");
  join(line, line, number(digits, (unsigned long)call));
  join(line, line, " ");
  join(line, line, kind_names[kind]);
  join(line, line, " ");
  if (got == sizeof result) join(line, line, number(digits, (unsigned long)result));
  else if (wait_signal(status) == SIGALRM) join(line, line, "slow");
  else if (wait_signal(status) != 0) join(line, line, "signal "), join(line, line, number(digits, (unsigned long)wait_signal(status)));
  else join(line, line, "exit "), join(line, line, number(digits, (unsigned long)wait_exit_status(status)));
  join(line, line, "\n");
  put(line);
}

int main(int argc, char** argv) {
  static char input[65536];
  long n = 0, got;
  while ((got = sys(SYS_read, 0, input + n, sizeof input - 1 - (unsigned long)n)) > 0) n += got;
  CHECK_EQ(got, 0);
  prepare();
  const long fd = sys(SYS_openat, AT_FDCWD, "bad.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0);
  int pair[2];
  CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
  for (char* at = input; *at != 0;) {
    long call = 0;
    while (*at >= '0' && *at <= '9') call = call * 10 + (*at++ - '0');
    while (*at == ' ') ++at;
    char* roles = at;
    while (*at != '\n' && *at != 0) ++at;
    if (*at == '\n') *at++ = 0;
    for (int kind = 0; kind < kKinds; ++kind) one(call, roles, kind, (int)fd, pair[0]);
  }
  sys(SYS_unlink, "bad.tmp");
  sys(SYS_ksem_unlink, "/nonexistent/x");   // ksem_open makes it
  put("done\n");
  return 0;
}

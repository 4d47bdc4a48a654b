// Times one system call in a loop, with no C library: the same source is built for Linux and for FreeBSD.
// Prints nanoseconds per call for getpid and for a one-byte read of /dev/zero.
#ifdef __FreeBSD__
enum { NR_read = 3, NR_write = 4, NR_open = 5, NR_getpid = 20, NR_exit = 1, NR_clock_gettime = 232, CLOCK_MONO = 4 };
#else
enum { NR_read = 0, NR_write = 1, NR_open = 2, NR_getpid = 39, NR_exit = 60, NR_clock_gettime = 228, CLOCK_MONO = 1 };
#endif

static long call3(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory", "cc");
  return result;
}

static long now(void) {
  long t[2];
  call3(NR_clock_gettime, CLOCK_MONO, (long)t, 0);
  return t[0] * 1000000000L + t[1];
}

static void print(const char* name, long picoseconds) {
  char text[64];
  int n = 0;
  while (*name) text[n++] = *name++;
  text[n++] = ' ';
  char digits[24];
  int d = 0;
  do digits[d++] = (char)('0' + picoseconds % 10);
  while ((picoseconds /= 10) != 0);
  while (d) text[n++] = digits[--d];
  text[n++] = '\n';
  call3(NR_write, 1, (long)text, n);
}

void _start(void) {
  enum { ROUNDS = 100000 };
  char byte;
  long start = now();
  for (int i = 0; i < ROUNDS; ++i) call3(NR_getpid, 0, 0, 0);
  print("getpid", (now() - start) * 1000 / ROUNDS);
  const long fd = call3(NR_open, (long)"/dev/zero", 0, 0);
  start = now();
  for (int i = 0; i < ROUNDS; ++i) call3(NR_read, fd, (long)&byte, 1);
  print("read1", (now() - start) * 1000 / ROUNDS);
  call3(NR_exit, 0, 0, 0);
  __builtin_unreachable();
}

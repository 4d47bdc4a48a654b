/* A FreeBSD program that waits in read(2), some functions deep. Numbers: sys/kern/syscalls.master of FreeBSD 14. */
enum { SYS_exit = 1, SYS_read = 3, SYS_write = 4, SYS_getppid = 39 };

static long call(long number, long first, const void* second, long third) {
  long result;
  register long fourth __asm__("r10") = 0;
  __asm__ volatile("syscall"
                   : "=a"(result), "+r"(fourth), "+d"(third)
                   : "a"(number), "D"(first), "S"(second)
                   : "rcx", "r8", "r9", "r11", "memory", "cc");
  return result;
}

static char buffer[16];

__attribute__((noinline)) long innermost(int descriptor) {
  volatile char room[64];
  room[0] = 1;
  return call(SYS_read, descriptor, buffer, sizeof buffer) + room[0];
}

__attribute__((noinline)) long between(int descriptor, int answer) {
  volatile int kept = answer;
  return innermost(descriptor) + kept;
}

void _start(void) {
  for (int i = 0; i < 20; ++i) call(SYS_getppid, 0, 0, 0);
  call(SYS_write, 1, "ready\n", 6);
  call(SYS_exit, between(0, 42) != 43, 0, 0);
  __builtin_unreachable();
}

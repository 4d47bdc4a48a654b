// The smallest FreeBSD program that shows anything: no C library, two system calls.
//
//   clang --target=x86_64-unknown-freebsd14 -ffreestanding -nostdlib -static -fuse-ld=lld -o hello hello-freebsd.c
//   sudrun ./hello
static long call3(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

void _start(void) {
  static const char text[] = "Hello from a FreeBSD program, running on Linux.\n";
  call3(4 /* write */, 1, (long)text, sizeof text - 1);
  call3(1 /* exit */, 0, 0, 0);
  __builtin_unreachable();
}

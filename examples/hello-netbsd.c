// The smallest NetBSD program that shows anything: no C library, two system calls.
//
//   clang --target=x86_64-unknown-netbsd -ffreestanding -nostdlib -static -fuse-ld=lld -o hello hello-netbsd.c
//   sudrun ./hello
static long call3(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

// The mark by which NetBSD knows its programs: name and number of its release.
__attribute__((section(".note.netbsd.ident"), used)) static const struct {
  int name_size, size, type;
  char name[8];
  int release;
} mark = {7, 4, 1, "NetBSD", 1001000000};

void _start(void) {
  static const char text[] = "Hello from a NetBSD program, running on Linux.\n";
  call3(4 /* write */, 1, (long)text, sizeof text - 1);
  call3(1 /* exit */, 0, 0, 0);
  __builtin_unreachable();
}

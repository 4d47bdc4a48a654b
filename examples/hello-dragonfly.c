// The smallest DragonFly program that shows anything: no C library, two system calls, and the mark by which DragonFly's
// kernel knows its programs.
//
//   clang --target=x86_64-unknown-dragonfly -ffreestanding -nostdlib -static -fuse-ld=lld -o hello hello-dragonfly.c
//   sudrun ./hello
static long call3(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

__attribute__((section(".note.tag"), used, aligned(4))) static const struct {
  int name_size, size, type;
  char name[12];
  int version;
} mark = {sizeof "DragonFly", sizeof(int), 1, "DragonFly", 600400};

void _start(void) {
  static const char text[] = "Hello from a DragonFly program, running on Linux.\n";
  call3(4 /* write */, 1, (long)text, sizeof text - 1);
  call3(1 /* exit */, 0, 0, 0);
  __builtin_unreachable();
}

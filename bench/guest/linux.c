#include "linux.h"

int guest_argc;
char **guest_argv, **guest_envp;

__asm__(
    ".globl _start\n_start:\n\txorl %ebp, %ebp\n\tmovq %rsp, %rdi\n\tandq $-16, %rsp\n\tcall guest_start\n\thlt\n"
    // long sys(long number, up to six arguments): the seventh word of the C call is the first on the stack.
    ".globl sys\nsys:\n\tmovq %rdi, %rax\n\tmovq %rsi, %rdi\n\tmovq %rdx, %rsi\n\tmovq %rcx, %rdx\n\tmovq %r8, %r10\n"
    "\tmovq %r9, %r8\n\tmovq 8(%rsp), %r9\n\tsyscall\n\tret\n"
    // long clone_thread(long flags, void** stack, volatile uint32_t* tid): call 56, clone; its argument is on the new stack.
    "clone_thread:\n\tmovl $56, %eax\n\tmovq %rdx, %r10\n\tsyscall\n\ttestq %rax, %rax\n\tjz 1f\n\tret\n"
    "1:\txorl %ebp, %ebp\n\tpopq %rdi\n\tcall thread_main\n\thlt\n");
long clone_thread(long flags, void** stack, volatile uint32_t* tid);

void guest_start(void** arguments) {
  guest_argc = (int)(long)arguments[0];
  guest_argv = (char**)(arguments + 1);
  guest_envp = guest_argv + guest_argc + 1;
  quit(main(guest_argc, guest_argv));
}

static size_t strlen(const char* s) {
  size_t n = 0;
  while (s[n] != 0) ++n;
  return n;
}
int strcmp(const char* a, const char* b) {
  while (*a != 0 && *a == *b) ++a, ++b;
  return (unsigned char)*a - (unsigned char)*b;
}
void put(const char* s) { sys(SYS_write, 1L, s, strlen(s)); }
void say(const char* s) { sys(SYS_write, 2L, s, strlen(s)); }
void put_long(long n) {
  char text[24], *at = text + sizeof text;
  unsigned long rest = n < 0 ? -(unsigned long)n : (unsigned long)n;
  *--at = 0;
  do *--at = (char)('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (n < 0) *--at = '-';
  put(at);
}
long parse(const char* s) {
  long n = 0;
  for (; *s != 0; ++s) n = n * 10 + (*s - '0');
  return n;
}
void quit(int status) {
  for (;;) sys(SYS_exit, (long)status);
}
void check_failed(const char* file, int line, const char* what) {
  (void)line;
  say(file), say(": failed: "), say(what), say("\n");
  quit(1);
}

void make_pipe(int fds[2]) { CHECK(sys(SYS_pipe2, fds, 0L) == 0); }
void* map(size_t size) {
  enum { kReadWrite = 3, kPrivateAnonymous = 0x22 };
  const long at = sys(SYS_mmap, 0L, size, (long)kReadWrite, (long)kPrivateAnonymous, -1L, 0L);
  CHECK(at > 0);
  return (void*)at;
}
long start_process(void) {
  const long pid = sys(SYS_fork);
  CHECK(pid >= 0);
  return pid;
}
void expect_exit(long pid, int status) {
  int got = -1;
  CHECK(sys(SYS_wait4, pid, &got, 0L, 0L) == pid);
  CHECK(got == status << 8);
}

void thread_main(struct thread* t) {
  t->run(t);
  for (;;) sys(SYS_exit_thread, 0L);
}
void thread_start(struct thread* t, void (*run)(struct thread*), void* arg) {
  // VM, FS, FILES, SIGHAND, THREAD, SYSVSEM; PARENT_SETTID and CHILD_CLEARTID
  enum { kStack = 64 * 1024, kFlags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000, kTid = 0x100000 | 0x200000 };
  t->run = run;
  t->arg = arg;
  void** stack = (void**)((char*)map(kStack) + kStack);
  *--stack = t;
  CHECK(clone_thread(kFlags | kTid, stack, &t->tid) > 0);
}
void thread_join(struct thread* t) {
  enum { kFutexWait = 0 };   // not the private form: the kernel wakes with the other
  for (uint32_t tid; (tid = t->tid) != 0;) sys(SYS_futex, &t->tid, (long)kFutexWait, (long)tid, 0L);
}
void umtx_wait(volatile uint32_t* at, uint32_t value) { sys(SYS_futex, at, (long)FUTEX_WAIT_PRIVATE, (long)value, 0L); }
void umtx_wake(volatile uint32_t* at, int count) { sys(SYS_futex, at, (long)FUTEX_WAKE_PRIVATE, (long)count); }

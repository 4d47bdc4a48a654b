// How a call is made and how it answers.
#include "guest.h"

CASE(carry_and_errno) {
  for (unsigned long carry = 0; carry < 2; ++carry) {
    struct raw_call bad = {.number = SYS_close, .args = {(unsigned long)-1}, .carry_before = carry};
    raw_call(&bad);
    CHECK_EQ(bad.rax, EBADF);
    CHECK_EQ(bad.flags & 1, 1);
    struct raw_call good = {.number = SYS_getpid, .carry_before = carry};
    raw_call(&good);
    CHECK(good.rax > 1);
    CHECK_EQ(good.flags & 1, 0);
  }
}

CASE(errnos_are_freebsds) {
  CHECK_EQ(sys(SYS_read, -1, 0, 0), -EBADF);
  char long_name[2000];
  memset(long_name, 'a', sizeof long_name);
  long_name[0] = '/', long_name[sizeof long_name - 1] = 0;
  CHECK_EQ(sys(SYS_openat, AT_FDCWD, long_name, O_RDONLY), -ENAMETOOLONG);
  int fds[2];
  CHECK_EQ(sys(SYS_pipe2, fds, O_NONBLOCK), 0);
  char byte;
  CHECK_EQ(sys(SYS_read, fds[0], &byte, 1), -EAGAIN);
  struct sockaddr_in address = {sizeof address, AF_INET, 0, 0x0100007f, {0}};
  CHECK_EQ(sys(SYS_connect, fds[0], &address, sizeof address), -ENOTSOCK);
  CHECK_EQ(sys(SYS_connect, fds[0], &address, 1), -EINVAL);
  CHECK_EQ(sys(SYS_lseek, fds[0], 0, 0), -ESPIPE);
  CHECK_EQ(sys(SYS_openat, AT_FDCWD, "/nonexistent/file", O_RDONLY), -ENOENT);
  CHECK_EQ(sys(SYS_wait4, -1, 0, 0, 0), -ECHILD);
  CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), 999), -EINVAL);
}

CASE(second_result) {
  // fork gives 0 in the parent's second register and 1 in the child's.
  struct raw_call c = {.number = SYS_fork};
  raw_call(&c);
  CHECK_EQ(c.flags & 1, 0);
  if (c.rdx == 1) quit(7);
  CHECK_EQ(c.rdx, 0);
  expect_exit((long)c.rax, 7);
  struct raw_call p = {.number = SYS_freebsd10_pipe};
  raw_call(&p);
  CHECK_EQ(p.flags & 1, 0);
  CHECK(p.rax != p.rdx);
  char byte = 'x';
  CHECK_EQ(sys(SYS_write, p.rdx, &byte, 1), 1);
  CHECK_EQ(sys(SYS_read, p.rax, &byte, 1), 1);
}

CASE(rdx_survives_calls_without_second_result) {
  struct raw_call c = {.number = SYS_getpid, .args = {0, 0, 0x1234567890}};
  raw_call(&c);
  CHECK_EQ(c.rdx, 0x1234567890);
}

CASE(indirect) {
  const long pid = sys(SYS_getpid);
  CHECK_EQ(sys(SYS_syscall, SYS_getpid), pid);
  CHECK_EQ(sys(SYS___syscall, SYS_getpid), pid);
  int fds[2];
  make_pipe(fds);
  CHECK_EQ(sys(SYS_syscall, SYS_write, fds[1], "abc", 3), 3);
  char buffer[8];
  CHECK_EQ(sys(SYS___syscall, SYS_read, fds[0], buffer, sizeof buffer), 3);
  CHECK_EQ(memcmp(buffer, "abc", 3), 0);
  CHECK_EQ(sys(SYS_syscall, SYS_close, -1), -EBADF);
  CHECK_EQ(sys(SYS_syscall, SYS_syscall, SYS_getpid), -ENOSYS);
  // Six arguments after the number: the last one is on the stack.
  struct raw_call m = {.number = SYS___syscall, .args = {SYS_mmap, 0, 4096, PROT_READ, MAP_ANON | MAP_PRIVATE, (unsigned long)-1}, .stack_args = {0}};
  raw_call(&m);
  CHECK_EQ(m.flags & 1, 0);
  CHECK_EQ(*(volatile char*)m.rax, 0);
  m.stack_args[0] = 4096;  // an offset without a file
  raw_call(&m);
  CHECK_EQ(m.rax, EINVAL);
  CHECK_EQ(m.flags & 1, 1);
}

CASE(stack_arguments) {
  // The seventh argument of freebsd6_mmap and of mmap called indirectly.
  const long fd = sys(SYS_openat, AT_FDCWD, guest_argv[0], O_RDONLY);
  CHECK(fd >= 0);
  char first[16];
  CHECK_EQ(sys(SYS_pread, fd, first, 16, 4096), 16);
  struct raw_call m = {.number = SYS_freebsd6_mmap, .args = {0, 16, PROT_READ, MAP_PRIVATE, (unsigned long)fd, 0x5555}, .stack_args = {4096}};
  raw_call(&m);
  CHECK_EQ(m.flags & 1, 0);
  CHECK_EQ(memcmp((void*)m.rax, first, 16), 0);
}

CASE(stack_arguments_beyond_the_stack) {
  // A stack pointer at the very end of a mapping: the argument cannot be read.
  char* page = map(8192);
  CHECK_EQ(sys(SYS_munmap, page + 4096, 4096), 0);
  unsigned long number = SYS_freebsd6_mmap, carry;
  char* stack = page + 4096 - 8;
  __asm__ volatile("movq %%rsp, %%rbx; movq %[stack], %%rsp; syscall; setc %%cl; movq %%rbx, %%rsp; movzbq %%cl, %%rcx"
                   : "+a"(number), "=c"(carry)
                   : [stack] "r"(stack), "D"(0), "S"(0), "d"(0)
                   : "rbx", "r8", "r9", "r10", "r11", "memory", "cc");
  CHECK_EQ(carry, 1);
  CHECK_EQ(number, EFAULT);
}

CASE(unknown_numbers) {
  CHECK_EQ(sys(1000), -ENOSYS);
  CHECK_EQ(sys(1000), -ENOSYS);
  CHECK_EQ(sys(0x7fffffff), -ENOSYS);
  CHECK_EQ(sys(-1), -ENOSYS);
  CHECK_EQ(sys(0x100000000000), -ENOSYS);
  CHECK_EQ(sys(155, 0, 0), -ENOSYS);  // nfssvc: known, not supported
  CHECK_EQ(sys(155, 0, 0), -ENOSYS);
}

CASE(linux_instructions_are_not_calls) {
  // rcx and r11 are the only registers a system call may lose besides its results.
  unsigned long flags_before, flags_after;
  __asm__ volatile("pushfq; popq %0" : "=r"(flags_before));
  sys(SYS_getpid);
  __asm__ volatile("pushfq; popq %0" : "=r"(flags_after));
  CHECK_EQ(flags_before & 0x400, flags_after & 0x400);  // direction flag
}

CASE(direction_flag) {
  unsigned long number = SYS_getpid, flags;
  __asm__ volatile("std; syscall; pushfq; popq %1; cld" : "+a"(number), "=r"(flags) : : "rcx", "r11", "rdx", "memory", "cc");
  CHECK((flags & 0x400) != 0);
  CHECK((long)number > 1);
}

static void quiet(int s, struct siginfo* i, struct ucontext* u) {}
CASE(red_zone) {
  // Leaf code keeps data below its stack pointer; neither a call nor a signal's handler may touch the 128 bytes.
  on_signal(SIGUSR1, quiet, 0);
  const long pid = sys(SYS_getpid);
  for (int round = 0; round < 50; ++round) {
    unsigned long damage = 0;
    __asm__ volatile(
        "movl $16, %%r12d\n"
        "1: movq $0x5a5a5a5a, %%r13\n xorq %%r12, %%r13\n negq %%r12\n movq %%r13, (%%rsp,%%r12,8)\n negq %%r12\n decl %%r12d\n jnz 1b\n"
        "movl $37, %%eax\n movq %[pid], %%rdi\n movl $30, %%esi\n syscall\n"   // kill(pid, SIGUSR1)
        "movl $20, %%eax\n syscall\n"
        "movl $16, %%r12d\n xorl %%r14d, %%r14d\n"
        "2: movq $0x5a5a5a5a, %%r13\n xorq %%r12, %%r13\n negq %%r12\n xorq (%%rsp,%%r12,8), %%r13\n negq %%r12\n orq %%r13, %%r14\n decl %%r12d\n jnz 2b\n"
        "movq %%r14, %[damage]\n"
        : [damage] "=r"(damage)
        : [pid] "r"(pid)
        : "rax", "rdi", "rsi", "rdx", "rcx", "r11", "r12", "r13", "r14", "r8", "r9", "r10", "memory", "cc");
    CHECK_EQ(damage, 0);
  }
}

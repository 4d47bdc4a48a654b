// Ends as its arguments say: exit N | signal N | ignored N | raise-in-thread N | null | jump | privileged | divide.
#include "guest.h"

static volatile long zero;
static void raise_here(struct thread* t) {
  sys(SYS_thr_kill, t->tid, (long)t->arg);
  for (;;) sleep_ms(100);
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const char* how = argv[1];
  const long n = argc > 2 ? parse(argv[2]) : 0;
  put("before\n");
  if (strcmp(how, "exit") == 0) quit((int)n);
  if (strcmp(how, "signal") == 0) sys(SYS_kill, sys(SYS_getpid), n);
  if (strcmp(how, "ignored") == 0) {
    set_handler((int)n, SIG_IGN, 0);
    sys(SYS_kill, sys(SYS_getpid), n);
  }
  if (strcmp(how, "thread") == 0) {
    static struct thread t;
    thread_start(&t, raise_here, (void*)n);
    thread_join(&t);
  }
  if (strcmp(how, "null") == 0) *(volatile int*)zero = 1;
  if (strcmp(how, "jump") == 0) ((void (*)(void))(zero + 0x10))();
  if (strcmp(how, "privileged") == 0) __asm__ volatile("hlt");
  if (strcmp(how, "illegal") == 0) __asm__ volatile("ud2");
  if (strcmp(how, "divide") == 0) put_long(7 / zero);
  if (strcmp(how, "trap") == 0) __asm__ volatile("int3");
  if (strcmp(how, "int80") == 0) __asm__ volatile("int $0x80" : : "a"(20));
  if (strcmp(how, "stack") == 0) {
    // Runs out of stack: no room for a frame of the handler either.
    set_handler(SIGSEGV, (void*)put_long, 0);
    __asm__ volatile("1: pushq $0; jmp 1b");
  }
  put("after\n");
  return 0;
}

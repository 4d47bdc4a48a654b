#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t count;
static siginfo_t last;
static void handler(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  last = *info;
  ++count;
}
static sigjmp_buf escape;
static void jump(int signal, siginfo_t* info, void* context) {
  (void)context;
  last = *info;
  siglongjmp(escape, signal);
}
static void skip_two(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)info;
  ((ucontext_t*)context)->uc_mcontext.gregs[REG_RIP] += 2;
  ++count;
}
static void catch(int signal, void (*f)(int, siginfo_t*, void*), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = f;
  action.sa_flags = flags | SA_SIGINFO;
  sigaction(signal, &action, NULL);
}

int main(void) {
  catch(SIGUSR1, handler, 0);
  kill(getpid(), SIGUSR1);
  printf("kill: %d code %d own %d\n", (int)count, last.si_code, last.si_pid == getpid());
  sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 42});
  printf("queue: %d code %d value %d\n", (int)count, last.si_code, last.si_value.sival_int);
  raise(SIGUSR1);
  printf("raise: %d code %d\n", (int)count, last.si_code);
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, &old);
  kill(getpid(), SIGUSR1);
  sigset_t pending;
  sigpending(&pending);
  printf("blocked: %d pending %d\n", (int)count, sigismember(&pending, SIGUSR1));
  sigsuspend(&old);
  printf("suspend: %d errno %d\n", (int)count, errno);
  kill(getpid(), SIGUSR1);
  int got = 0;
  sigwait(&set, &got);
  printf("wait: %d\n", got);
  sigprocmask(SIG_SETMASK, &old, NULL);
  catch(SIGSEGV, jump, SA_NODEFER);
  const int s = sigsetjmp(escape, 1);
  if (s == 0) *(volatile char*)16 = 1;
  printf("fault: signal %d code %d address %p\n", s, last.si_code, last.si_addr);
  catch(SIGILL, skip_two, 0);
  count = 0;
  __asm__ volatile("ud2");
  printf("illegal: %d\n", (int)count);
  stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
  sigaltstack(&stack, NULL);
  catch(SIGUSR2, handler, SA_ONSTACK);
  count = 0;
  kill(getpid(), SIGUSR2);
  printf("alternate stack: %d\n", (int)count);
  int fds[2];
  if (pipe(fds) != 0) return 1;
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    usleep(50000);
    kill(getppid(), SIGUSR1);
    usleep(50000);
    if (write(fds[1], "x", 1) != 1) _exit(1);
    _exit(0);
  }
  char c;
  long r = read(fds[0], &c, 1);
  printf("read: %ld %s\n", r, r < 0 ? strerror(errno) : "");
  r = read(fds[0], &c, 1);
  printf("read: %ld\n", r);
  waitpid(pid, NULL, 0);
  catch(SIGALRM, handler, SA_RESTART);
  struct itimerval t = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_REAL, &t, NULL);
  count = 0;
  double x = 1;
  while (count < 200) x = x * 1.0000001 + 0.1;
  t.it_interval.tv_usec = t.it_value.tv_usec = 0;
  setitimer(ITIMER_REAL, &t, NULL);
  printf("timer: %d\n", x > 0);
  fflush(stdout);
  raise(SIGTERM);
  return 0;
}

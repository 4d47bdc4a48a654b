// The part of tests/guests/freebsd/guest.h that the measured programs use, for Linux.
// Numbers: Linux 6.1 arch/x86/entry/syscalls/syscall_64.tbl; values: include/uapi.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  SYS_read = 0, SYS_write = 1, SYS_open = 2, SYS_mmap = 9, SYS_getpid = 39, SYS_fork = 57,
  SYS_execve = 59, SYS_exit_thread = 60, SYS_wait4 = 61, SYS_getppid = 110, SYS_futex = 202, SYS_clock_gettime = 228,
  SYS_exit = 231, SYS_epoll_wait = 232, SYS_epoll_ctl = 233, SYS_epoll_create1 = 291, SYS_pipe2 = 293,
};
enum { CLOCK_MONOTONIC = 1, O_RDONLY = 0, O_WRONLY = 1, EPOLLIN = 1, EPOLL_CTL_ADD = 1, FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129 };

// The result, or -errno.
long sys(long number, ...);

struct timespec { long tv_sec, tv_nsec; };
struct epoll_event { uint32_t events; uint64_t data; } __attribute__((packed));
_Static_assert(sizeof(struct epoll_event) == 12, "struct epoll_event");

struct thread {
  volatile uint32_t tid;   // the kernel clears it and wakes who waits when the thread has ended
  void (*run)(struct thread*);
  void* arg;
};

extern int guest_argc;
extern char **guest_argv, **guest_envp;
int main(int argc, char** argv);

int strcmp(const char* a, const char* b);
void put(const char* s);
void put_long(long n);
void say(const char* s);
long parse(const char* s);
_Noreturn void quit(int status);
_Noreturn void check_failed(const char* file, int line, const char* what);
#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) check_failed(__FILE__, __LINE__, #condition);   \
  } while (0)

void make_pipe(int fds[2]);
void* map(size_t size);
long start_process(void);
void expect_exit(long pid, int status);
void thread_start(struct thread* t, void (*run)(struct thread*), void* arg);
void thread_join(struct thread* t);
void umtx_wait(volatile uint32_t* at, uint32_t value);
void umtx_wake(volatile uint32_t* at, int count);

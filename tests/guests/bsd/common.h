// What the guests of all systems have in place of a C library: checks, cases, text (common.c), and what the systems
// define alike. Included by each system's guest.h.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// --- checks ------------------------------------------------------------------------------------------------
_Noreturn void check_failed(const char* file, int line, const char* what);
_Noreturn void check_eq_failed(const char* file, int line, const char* what, long got, long wanted);
#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) check_failed(__FILE__, __LINE__, #condition);   \
  } while (0)
#define CHECK_EQ(got, wanted)                                                                                     \
  do {                                                                                                            \
    const long check_got = (long)(got), check_wanted = (long)(wanted);                                            \
    if (check_got != check_wanted)                                                                                \
      check_eq_failed(__FILE__, __LINE__, #got " == " #wanted, check_got, check_wanted);                          \
  } while (0)

// --- cases: `guest CASE` runs one, without arguments all; prints `ok` --------------------------------------
struct test_case {
  const char* name;
  void (*run)(void);
};
#define CASE(name)                                                                                             \
  static void case_##name(void);                                                                               \
  static const struct test_case entry_##name __attribute__((section("cases"), used)) = {#name, case_##name};   \
  static void case_##name(void)

extern unsigned long* guest_arguments;  // argc, argv…, as the kernel left them
extern int guest_argc;
extern char **guest_argv, **guest_envp;
extern unsigned long* guest_auxv;
int main(int argc, char** argv);
/// Starts a program of the same system that is in memory, as the kernel would (start.S).
_Noreturn void enter_program(unsigned long* arguments, unsigned long entry);

// --- text ---------------------------------------------------------------------------------------------------
size_t strlen(const char* s);
int strcmp(const char* a, const char* b);
void* memset(void* to, int c, size_t n);
void* memcpy(void* to, const void* from, size_t n);
void* memmove(void* to, const void* from, size_t n);
int memcmp(const void* a, const void* b, size_t n);
void put(const char* s);           // standard output
void put_long(long n);
void put_hex(unsigned long n);
void say(const char* s);           // standard error
char* join(char* to, const char* a, const char* b);   // to = a + b; returns to
char* number(char* to, unsigned long n);              // decimal; returns to
long parse(const char* s);         // decimal or 0x…
_Noreturn void quit(int status);

// --- types the systems share ------------------------------------------------------------------------------
struct timespec { long tv_sec, tv_nsec; };
struct timeval { long tv_sec, tv_usec; };
struct iovec { void* iov_base; size_t iov_len; };
typedef struct { uint32_t bits[4]; } sigset_t;
static inline void sig_empty(sigset_t* s) { s->bits[0] = s->bits[1] = s->bits[2] = s->bits[3] = 0; }
static inline void sig_fill(sigset_t* s) { s->bits[0] = s->bits[1] = s->bits[2] = s->bits[3] = ~0U; }
static inline void sig_add(sigset_t* s, int n) { s->bits[(n - 1) / 32] |= 1U << ((n - 1) % 32); }
static inline void sig_del(sigset_t* s, int n) { s->bits[(n - 1) / 32] &= ~(1U << ((n - 1) % 32)); }
static inline bool sig_has(const sigset_t* s, int n) { return (s->bits[(n - 1) / 32] >> ((n - 1) % 32)) & 1; }
static inline sigset_t sig_only(int n) { sigset_t s; sig_empty(&s); sig_add(&s, n); return s; }
typedef struct { void* ss_sp; size_t ss_size; int ss_flags; int pad; } stack_t;
struct siginfo;
struct ucontext;
typedef void handler_t(int, struct siginfo*, struct ucontext*);

// --- conveniences: each checks that it succeeds -------------------------------------------------------------
void on_signal(int signal, handler_t* handler, int flags);   // SA_SIGINFO is added
void send(int signal);                  // to this process
void make_pipe(int fds[2]);             // [0] read, [1] write
long start_process(void);               // fork
int wait_for(long pid);                 // wait status
void sleep_us(long us);
long now_us(void);                      // monotonic
void* map(size_t size);                 // anonymous, readable and writable

struct thread;
void thread_join(struct thread* t);
struct thread* thread_self(void);       // through %fs

// What the guests of all systems do alike: text, checks, cases and the start. Included by each system's guest.c behind
// its guest.h.
extern const struct test_case __start_cases[] __attribute__((weak, visibility("hidden")));
extern const struct test_case __stop_cases[] __attribute__((weak, visibility("hidden")));

int guest_argc;
char **guest_argv, **guest_envp;
unsigned long* guest_auxv;

size_t strlen(const char* s) {
  size_t n = 0;
  while (s[n] != 0) ++n;
  return n;
}
int strcmp(const char* a, const char* b) {
  while (*a != 0 && *a == *b) ++a, ++b;
  return (unsigned char)*a - (unsigned char)*b;
}
void* memset(void* to, int c, size_t n) {
  for (volatile char* p = to; n != 0; --n) *p++ = (char)c;
  return to;
}
void* memcpy(void* to, const void* from, size_t n) {
  const volatile char* f = from;
  for (char* p = to; n != 0; --n) *p++ = *f++;
  return to;
}
void* memmove(void* to, const void* from, size_t n) {
  char* t = to;
  const volatile char* f = from;
  if ((uintptr_t)to < (uintptr_t)from) return memcpy(to, from, n);
  while (n != 0) --n, t[n] = f[n];
  return to;
}
int memcmp(const void* a, const void* b, size_t n) {
  const volatile unsigned char *x = a, *y = b;
  for (; n != 0; --n, ++x, ++y)
    if (*x != *y) return *x - *y;
  return 0;
}

__asm__(
    ".text\n.globl raw_call\nraw_call: pushq %rbx; movq %rdi, %rbx\n"
    "pushq 72(%rbx); pushq 64(%rbx); pushq 56(%rbx); pushq $0\n"      // 0 where a return address would be
    "movq 0(%rbx), %rax; movq 8(%rbx), %rdi; movq 16(%rbx), %rsi; movq 24(%rbx), %rdx\n"
    "movq 32(%rbx), %r10; movq 40(%rbx), %r8; movq 48(%rbx), %r9\n"
    "cmpq $0, 104(%rbx); je 1f; stc; jmp 2f; 1: clc; 2: syscall\n"
    "movq %rax, 80(%rbx); movq %rdx, 88(%rbx); pushfq; popq 96(%rbx); addq $32, %rsp; popq %rbx; ret\n");

void put(const char* s) { sys(SYS_write, 1, s, strlen(s)); }
void say(const char* s) { sys(SYS_write, 2, s, strlen(s)); }

static char* digits(char* end, unsigned long n, unsigned base) {
  *--end = 0;
  do *--end = "0123456789abcdef"[n % base], n /= base;
  while (n != 0);
  return end;
}
void put_hex(unsigned long n) {
  char buffer[24];
  put("0x");
  put(digits(buffer + sizeof buffer, n, 16));
}
void put_long(long n) {
  char buffer[24];
  if (n < 0) put("-");
  put(digits(buffer + sizeof buffer, n < 0 ? -(unsigned long)n : (unsigned long)n, 10));
}
char* number(char* to, unsigned long n) {
  char buffer[24];
  return join(to, digits(buffer + sizeof buffer, n, 10), "");
}
char* join(char* to, const char* a, const char* b) {
  const size_t n = strlen(a);
  memmove(to, a, n);
  memmove(to + n, b, strlen(b) + 1);
  return to;
}
long parse(const char* s) {
  const int base = s[0] == '0' && s[1] == 'x' ? 16 : 10;
  unsigned long n = 0;
  const bool minus = *s == '-';
  if (base == 16) s += 2;
  for (s += minus; *s != 0; ++s) n = n * base + (unsigned long)(*s <= '9' ? *s - '0' : *s - 'a' + 10);
  return minus ? -(long)n : (long)n;
}
void quit(int status) {
  for (;;) sys(SYS_exit, status);
}

void send(int signal) { CHECK_EQ(sys(SYS_kill, sys(SYS_getpid), signal), 0); }
void* map(size_t size) {
  const long at = MMAP(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
  CHECK(at > 0);
  return (void*)at;
}
struct thread* thread_self(void) {
  struct thread* t;
  __asm__ volatile("movq %%fs:0, %0" : "=r"(t));
  return t;
}

// A failure is one write, so that those of several processes do not mix.
static void fail_text(const char* file, int line, const char* what, const char* a, const char* b) {
  char text[640], line_text[24];
  number(line_text, (unsigned long)line);
  join(text, file, ":");
  join(text, text, line_text);
  join(text, text, ": failed: ");
  if (strlen(text) + strlen(what) + 80 < sizeof text) join(text, text, what);
  join(text, text, a);
  join(text, text, b);
  join(text, text, "\n");
  say(text);
}
void check_failed(const char* file, int line, const char* what) {
  fail_text(file, line, what, "", "");
  quit(1);
}
void check_eq_failed(const char* file, int line, const char* what, long got, long wanted) {
  char a[64] = ": ", b[64] = " (0x", digits_text[24];
  if (got < 0) join(a, a, "-");
  join(a, a, digits(digits_text + 24, got < 0 ? -(unsigned long)got : (unsigned long)got, 10));
  join(b, b, digits(digits_text + 24, (unsigned long)got, 16));
  join(b, b, "), wanted 0x");
  join(b, b, digits(digits_text + 24, (unsigned long)wanted, 16));
  fail_text(file, line, what, a, b);
  quit(1);
}

__attribute__((weak)) int main(int argc, char** argv) {
  bool any = false;
  for (const struct test_case* c = __start_cases; c != __stop_cases; ++c) {
    if (argc > 1 && strcmp(argv[1], c->name) != 0) continue;
    any = true;
    c->run();
  }
  if (!any) {
    say("no such case\n");
    return 2;
  }
  put("ok\n");
  return 0;
}

// A position-independent guest has no dynamic linker: it adds its load address to its own pointers.
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
static void relocate(void) {
  enum { kDynamicSegment = 2, kRela = 7, kRelaSize = 8, kRelative = 8 };
  const unsigned long base = (unsigned long)__ehdr_start;
  if (__ehdr_start[16] != 3) return;  // not ET_DYN: linked to its addresses
  const char* segment = __ehdr_start + *(const unsigned long*)(const void*)(__ehdr_start + 32);
  const unsigned count = *(const uint16_t*)(const void*)(__ehdr_start + 56);
  const unsigned long* dynamic = 0;
  for (unsigned i = 0; i < count; ++i, segment += 56)
    if (*(const uint32_t*)(const void*)segment == kDynamicSegment) dynamic = (const unsigned long*)(base + ((const unsigned long*)(const void*)segment)[2]);
  const unsigned long* at = 0;
  unsigned long size = 0;
  for (; dynamic != 0 && dynamic[0] != 0; dynamic += 2) {
    if (dynamic[0] == kRela) at = (const unsigned long*)(base + dynamic[1]);
    if (dynamic[0] == kRelaSize) size = dynamic[1];
  }
  for (; size >= 24; size -= 24, at += 3)
    if ((at[1] & 0xffffffff) == kRelative) *(unsigned long*)(base + at[0]) = base + at[2];
}

void guest_start(void) {
  relocate();
  guest_argc = (int)guest_arguments[0];
  guest_argv = (char**)(guest_arguments + 1);
  guest_envp = guest_argv + guest_argc + 1;
  char** end = guest_envp;
  while (*end != 0) ++end;
  guest_auxv = (unsigned long*)(end + 1);
  quit(main(guest_argc, guest_argv));
}

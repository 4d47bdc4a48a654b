// Makes a few calls and prints what came of each, so that whoever starts it sees what was injected.
#include "guest.h"

static volatile int signals;
static void count(int signal, struct siginfo* info, struct ucontext* context) { ++signals; }

static void result(long value) {
  put_long(value);
  put(" ");
}

static void reads(long rounds) {
  const long zero = sys(SYS_open, "/dev/zero", O_RDONLY, 0);
  static char buffer[64];
  for (long i = 0; i < rounds; ++i) result(sys(SYS_read, zero, buffer, 16));
}

static void vectors(void) {
  int pipe[2];
  make_pipe(pipe);
  char first[4], second[8], third[4];
  struct iovec in[3] = {{first, 4}, {second, 8}, {third, 4}};
  result(sys(SYS_write, pipe[1], "abcdefghijklmnop", 16));
  result(sys(SYS_readv, pipe[0], in, 3));
  CHECK(in[1].iov_len == 8 && in[2].iov_len == 4);
}

// What is handled is printed behind each call.
static void handled(void) {
  on_signal(SIGUSR1, count, 0);
  for (int i = 0; i < 3; ++i) {
    sys(SYS_getppid);
    result(signals);
  }
}

static void family(void) {
  const long child = start_process();
  if (child == 0) {
    reads(3);
    quit(0);
  }
  expect_exit(child, 0);
  reads(3);
}

// Names that JSON has no easy way with.
static void names(void) {
  for (const char* name = "none/\xff\xfe\0none/\"\\\n\t\x01\x7f\0none/\xc3\xa9\0none/\xed\xa0\x80\0"; *name; name += strlen(name) + 1)
    result(sys(SYS_open, name, O_RDONLY, 0));
}

int main(int argc, char** argv) {
  const char* topic = argc > 1 ? argv[1] : "";
  if (strcmp(topic, "reads") == 0) reads(argc > 2 ? parse(argv[2]) : 3);
  if (strcmp(topic, "vectors") == 0) vectors();
  if (strcmp(topic, "handled") == 0) handled();
  if (strcmp(topic, "family") == 0) family();
  if (strcmp(topic, "names") == 0) names();
  if (strcmp(topic, "execute") == 0) {
    reads(2);
    char* const arguments[] = {argv[0], "reads", "3", 0};
    char* const environment[] = {0};
    sys(SYS_execve, argv[0], arguments, environment);
    return 1;
  }
  if (strcmp(topic, "execute-missing") == 0) {
    char* const arguments[] = {"none", 0};
    char* const environment[] = {0};
    result(sys(SYS_execve, "/none/none", arguments, environment));
    reads(1);
  }
  put("\n");
  return 0;
}

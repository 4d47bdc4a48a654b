// `chain NAME PROGRAM ARGUMENT…`: starts the program, of whatever system, between two pipes. It gets this one's input with
// NAME added, and what it puts out comes out here, with NAME added again. Exits as the program did.
#include "guest.h"

enum { kDup2 = 90, kRoom = 4096 };

static void copy(int from, int to, const char* name) {
  static char text[kRoom];
  size_t size = 0;
  long n;
  while ((n = sys(SYS_read, from, text + size, sizeof text - size)) > 0) size += (size_t)n;
  CHECK_EQ(n, 0);
  CHECK(size + strlen(name) + 1 < sizeof text);
  text[size] = 0;
  join(text, text, name);
  join(text, text, "\n");
  CHECK_EQ(sys(SYS_write, to, text, strlen(text)), strlen(text));
}

int main(int argc, char** argv) {
  CHECK(argc >= 3);
  int in[2], out[2];
  make_pipe(in);
  make_pipe(out);
  const long pid = start_process();
  if (pid == 0) {
    CHECK_EQ(sys(kDup2, in[0], 0), 0);
    CHECK_EQ(sys(kDup2, out[1], 1), 1);
    for (int i = 0; i < 2; ++i) sys(SYS_close, in[i]), sys(SYS_close, out[i]);
    const long r = sys(SYS_execve, argv[2], argv + 2, guest_envp);
    CHECK_EQ(r, 0);
  }
  sys(SYS_close, in[0]);
  sys(SYS_close, out[1]);
  copy(0, in[1], argv[1]);
  sys(SYS_close, in[1]);
  copy(out[0], 1, argv[1]);
  const int status = wait_for(pid);
  CHECK_EQ(status & 0xff, 0);
  return status >> 8;
}

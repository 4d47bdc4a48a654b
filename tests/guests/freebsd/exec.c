// Programs that start others. With an argument it is the program started: `echo` shows what it was given.
#include "guest.h"
#include "../bsd/vfork.h"

static long run_program(const char* path, char** argv, char** envp) {
  const long pid = start_process();
  if (pid == 0) {
    const long r = sys(SYS_execve, path, argv, envp);
    quit((int)-r + 100);
  }
  return wait_for(pid);
}
static void expect_status(const char* path, char** argv, char** envp, int status) {
  const int s = (int)run_program(path, argv, envp);
  CHECK(wait_exited(s));
  CHECK_EQ(wait_exit_status(s), status);
}
static void write_file(const char* path, const char* text, int mode) {
  const long fd = sys(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_write, fd, text, strlen(text)), strlen(text));
  CHECK_EQ(sys(SYS_close, fd), 0);
  CHECK_EQ(sys(SYS_chmod, path, mode), 0);
}

// Shows everything a program starts with, to be compared by the one who started it.
static int echo(void) {
  for (int i = 0; i < guest_argc; ++i) put("["), put(guest_argv[i]), put("]");
  put("\n");
  for (char** e = guest_envp; *e != 0; ++e) put(*e), put("\n");
  return 0;
}

static char output[8192];
// Standard output of a program.
static const char* output_of(const char* path, char** argv, char** envp, int* status) {
  int fds[2];
  make_pipe(fds);
  const long pid = start_process();
  if (pid == 0) {
    sys(SYS_dup2, fds[1], 1);
    sys(SYS_close, fds[0]);
    sys(SYS_close, fds[1]);
    const long r = sys(SYS_execve, path, argv, envp);
    quit((int)-r + 100);
  }
  sys(SYS_close, fds[1]);
  long n = 0, got;
  while ((got = sys(SYS_read, fds[0], output + n, sizeof output - 1 - (unsigned long)n)) > 0) n += got;
  CHECK_EQ(got, 0);
  output[n] = 0;
  sys(SYS_close, fds[0]);
  *status = wait_for(pid);
  return output;
}

static char self_path[1024];
static void expect_echo(const char* path, char** argv, char** envp, const char* expected) {
  int status;
  const char* text = output_of(path, argv, envp, &status);
  if (strcmp(text, expected) != 0) say("got:\n"), say(text), say("wanted:\n"), say(expected);
  CHECK_EQ(status, 0);
  CHECK_EQ(strcmp(text, expected), 0);
}

CASE(itself) {
  char* argv[] = {self_path, "echo", "a b", "", "--abi=x", "--", "\xc3\xa4*$", 0};
  char* envp[] = {"A=1", "EMPTY=", "no-equals", "PATH=/x", 0};
  char expected[2048];
  join(expected, "[", self_path);
  join(expected, expected, "][echo][a b][][--abi=x][--][\xc3\xa4*$]\nA=1\nEMPTY=\nno-equals\nPATH=/x\n");
  expect_echo(self_path, argv, envp, expected);
}
CASE(own_name_differs) {
  char* argv[] = {"-name with blanks", "echo", 0};
  char* envp[] = {0};
  expect_echo(self_path, argv, envp, "[-name with blanks][echo]\n");
  char* empty[] = {"", "echo", 0};
  expect_echo(self_path, empty, envp, "[][echo]\n");
}
CASE(relative_path) {
  CHECK_EQ(sys(SYS_symlink, self_path, "link.tmp"), 0);
  char* argv[] = {"x", "echo", 0};
  char* envp[] = {0};
  expect_echo("link.tmp", argv, envp, "[x][echo]\n");
  expect_echo("./link.tmp", argv, envp, "[x][echo]\n");
  CHECK_EQ(sys(SYS_unlink, "link.tmp"), 0);
}
CASE(a_thousand_arguments) {
  static char* argv[1003];
  argv[0] = "many";
  argv[1] = "count";
  for (int i = 2; i < 1002; ++i) argv[i] = "argument";
  expect_status(self_path, argv, guest_envp, 1002 % 256);
}
CASE(native_programs) {
  char* argv[] = {"true", 0};
  char* envp[] = {"PATH=/usr/bin:/bin", "X=from-guest", 0};
  expect_status("/bin/true", argv, envp, 0);
  expect_status("/bin/false", argv, envp, 1);
  char* shell[] = {"sh", "-c", "echo \"$X\"; exit 17", 0};
  int status;
  CHECK_EQ(strcmp(output_of("/bin/sh", shell, envp, &status), "from-guest\n"), 0);
  CHECK_EQ(wait_exit_status(status), 17);
  char* killed[] = {"sh", "-c", "kill -USR1 $$", 0};
  status = (int)run_program("/bin/sh", killed, envp);
  CHECK_EQ(wait_signal(status), SIGUSR1);
}
CASE(native_program_starts_guest) {
  // Without binfmt_misc the kernel cannot; with it, it can. Either way nothing breaks.
  char* shell[] = {"sh", "-c", "exit 3", 0};
  expect_status("/bin/sh", shell, guest_envp, 3);
}
CASE(scripts) {
  write_file("native.tmp", "#!/bin/sh\necho \"$0:$1:$#\"\n", 0755);
  char* argv[] = {"ignored", "one", "two", 0};
  int status;
  CHECK_EQ(strcmp(output_of("./native.tmp", argv, guest_envp, &status), "./native.tmp:one:2\n"), 0);
  CHECK_EQ(status, 0);
  char text[1200];
  join(text, "#!", self_path);
  join(text, text, " echo\nrest\n");
  write_file("guest.tmp", text, 0755);
  char* envp[] = {0};
  char expected[1200];
  join(expected, "[", self_path);
  join(expected, expected, "][echo][./guest.tmp][one][two]\n");
  expect_echo("./guest.tmp", argv, envp, expected);
  // A script for a script.
  write_file("second.tmp", "#!./guest.tmp\n", 0755);
  join(expected, "[", self_path);
  join(expected, expected, "][echo][./guest.tmp][./second.tmp][one][two]\n");
  expect_echo("./second.tmp", argv, envp, expected);
  write_file("loop.tmp", "#!./loop.tmp\n", 0755);
  expect_status("./loop.tmp", argv, envp, 100 + ELOOP);
  write_file("empty.tmp", "#!\n", 0755);
  expect_status("./empty.tmp", argv, envp, 100 + ENOEXEC);
  write_file("missing.tmp", "#!/nonexistent/interpreter\n", 0755);
  expect_status("./missing.tmp", argv, envp, 100 + ENOENT);
  sys(SYS_unlink, "native.tmp"), sys(SYS_unlink, "guest.tmp"), sys(SYS_unlink, "second.tmp");
  sys(SYS_unlink, "loop.tmp"), sys(SYS_unlink, "empty.tmp"), sys(SYS_unlink, "missing.tmp");
}
CASE(arguments_that_are_refused) {
  char* argv[] = {"x", 0};
  char* empty[] = {0};
  CHECK_EQ(sys(SYS_execve, self_path, empty, guest_envp), -EINVAL);
  CHECK_EQ(sys(SYS_execve, "/nonexistent", empty, guest_envp), -EINVAL);
  CHECK_EQ(sys(SYS_execve, self_path, 0, guest_envp), -EFAULT);
  CHECK_EQ(sys(SYS_fexecve, 0, empty, guest_envp), -EINVAL);
  CHECK_EQ(sys(SYS_fexecve, -1, argv, guest_envp), -EBADF);
  expect_status("/bin/true", argv, 0, 0);  // no environment at all
  // All strings together may take ARG_MAX bytes.
  enum { kArgMax = 524288, kPart = 65536 };
  char* part = map(kPart);
  memset(part, 'a', kPart - 1);
  char* many[] = {part, part, part, part, part, part, part, part, 0};
  char* none[] = {0};
  CHECK_EQ(sys(SYS_execve, "/nonexistent", many, none), -ENOENT);
  char* more[] = {"", 0};
  CHECK_EQ(sys(SYS_execve, "/nonexistent", many, more), -E2BIG);
  CHECK_EQ(sys(SYS_execve, "/nonexistent", more, many), -E2BIG);
}
CASE(script_lines) {
  // The first line may be as long as a page.
  char text[3000], expected[1200];
  memset(text, ' ', 1500);
  text[0] = '#', text[1] = '!';
  join(text + 1500, self_path, " echo \nrest\n");
  write_file("long.tmp", text, 0755);
  char* argv[] = {"ignored", "tail", 0};
  char* envp[] = {0};
  join(expected, "[", self_path);
  join(expected, expected, "][echo][./long.tmp][tail]\n");
  expect_echo("./long.tmp", argv, envp, expected);
  write_file("long.tmp", "#!/bin/sh -e\nexit 7\n", 0644);
  expect_status("./long.tmp", argv, envp, 100 + EACCES);
  write_file("long.tmp", "#!./plain.tmp\n", 0755);
  write_file("plain.tmp", "no program", 0644);
  expect_status("./long.tmp", argv, envp, 100 + EACCES);
  sys(SYS_unlink, "long.tmp"), sys(SYS_unlink, "plain.tmp");
}
CASE(a_removed_file_by_descriptor) {
  enum { kSize = 1 << 20 };
  char* bytes = map(kSize);
  const long from = sys(SYS_openat, AT_FDCWD, self_path, O_RDONLY);
  const long size = sys(SYS_read, from, bytes, kSize);
  CHECK(size > 0 && size < kSize);
  const long to = sys(SYS_openat, AT_FDCWD, "copy.tmp", O_WRONLY | O_CREAT, 0755);
  CHECK_EQ(sys(SYS_write, to, bytes, size), size);
  sys(SYS_close, to);
  CHECK_EQ(sys(SYS_chmod, "copy.tmp", 0755), 0);
  const long fd = sys(SYS_openat, AT_FDCWD, "copy.tmp", O_RDONLY | O_CLOEXEC);
  CHECK_EQ(sys(SYS_unlink, "copy.tmp"), 0);
  const long pid = start_process();
  if (pid == 0) {
    char* argv[] = {"x", "count", "y", 0};
    const long r = sys(SYS_fexecve, fd, argv, guest_envp);
    quit((int)-r + 100);
  }
  expect_exit(pid, 3);
  sys(SYS_close, fd), sys(SYS_close, from);
}
CASE(errors) {
  char* argv[] = {"x", 0};
  expect_status("/nonexistent", argv, guest_envp, 100 + ENOENT);
  expect_status("", argv, guest_envp, 100 + ENOENT);
  expect_status("/", argv, guest_envp, 100 + EACCES);
  expect_status("/dev/null", argv, guest_envp, 100 + EACCES);
  write_file("plain.tmp", "text", 0644);
  expect_status("plain.tmp", argv, guest_envp, 100 + EACCES);
  expect_status("plain.tmp/x", argv, guest_envp, 100 + ENOTDIR);
  write_file("plain.tmp", "neither script nor program", 0755);
  expect_status("plain.tmp", argv, guest_envp, 100 + ENOEXEC);
  CHECK_EQ(sys(SYS_unlink, "plain.tmp"), 0);
  CHECK_EQ(sys(SYS_execve, 0, argv, guest_envp), -EFAULT);
  CHECK_EQ(sys(SYS_execve, self_path, 8, guest_envp), -EFAULT);
  char* bad[] = {"x", (char*)8, 0};
  CHECK_EQ(sys(SYS_execve, self_path, bad, guest_envp), -EFAULT);
  CHECK_EQ(sys(SYS_execve, self_path, argv, 0x7f0000000000), -EFAULT);
}
CASE(descriptors) {
  int kept[2], closed[2];
  CHECK_EQ(sys(SYS_close_range, 3, 0xffffffff, 0), 0);
  make_pipe(kept);
  CHECK_EQ(sys(SYS_pipe2, closed, O_CLOEXEC), 0);
  char a[24], b[24];
  char* argv[] = {"x", "check-descriptors", number(a, (unsigned)kept[0]), number(b, (unsigned)closed[0]), 0};
  expect_status(self_path, argv, guest_envp, 0);
  char text[300];
  join(text, "test -e /proc/self/fd/", a);
  join(text, text, " && test ! -e /proc/self/fd/");
  join(text, text, b);
  // The runtime's own descriptors, which have high numbers, do not reach a native program either.
  join(text, text, " && for f in /proc/self/fd/*; do test ${f##*/} -lt 200 || exit 9; done");
  char* shell[] = {"sh", "-c", text, 0};
  expect_status("/bin/sh", shell, guest_envp, 0);
}
CASE(signals_across_exec) {
  set_handler(SIGUSR1, SIG_IGN, 0);
  on_signal(SIGUSR2, 0, 0);
  set_handler(SIGIO, SIG_IGN, 0);
  block(SIGTERM);
  send(SIGTERM);
  char* argv[] = {"x", "signals", 0};
  const long pid = start_process();
  if (pid == 0) {
    send(SIGTERM);   // pending signals stay pending for the new program
    sys(SYS_execve, self_path, argv, guest_envp);
    quit(99);
  }
  expect_exit(pid, 0);
}
CASE(pid_stays) {
  const long pid = start_process();
  if (pid == 0) {
    char text[24];
    char* argv[] = {"x", "pid", number(text, (unsigned long)sys(SYS_getpid)), 0};
    sys(SYS_execve, self_path, argv, guest_envp);
    quit(99);
  }
  expect_exit(pid, 0);
}
CASE(by_descriptor) {
  const long fd = sys(SYS_openat, AT_FDCWD, self_path, O_RDONLY | O_CLOEXEC);
  CHECK(fd >= 0);
  const long pid = start_process();
  if (pid == 0) {
    char* argv[] = {"x", "count", 0};
    const long r = sys(SYS_fexecve, fd, argv, guest_envp);
    quit((int)-r + 100);
  }
  expect_exit(pid, 2);
}
CASE(in_vfork) {
  char* argv[] = {"x", "count", 0};
  const long pid = make_vfork(SYS_vfork, 0);
  if (pid == 0) {
    sys(SYS_execve, self_path, argv, guest_envp);
    quit(99);
  }
  expect_exit(pid, 2);
}
// What posix_spawn(3) does: the child says through a variable of its parent's why nothing was executed.
enum { RFSPAWN = 1 << 31 };
CASE(vfork_hands_back_the_stack) {
  for (unsigned round = 0; round < 20; ++round) {
    volatile struct { long before, error, after; char far[3000]; } said = {1, 0, 3, {0}};
    char* argv[] = {"x", 0};
    const long pid = round % 2 ? make_vfork(SYS_vfork, 0) : make_vfork(SYS_rfork, RFSPAWN);
    if (pid == 0) {
      said.error = 1;
      said.error = sys(SYS_execve, "/no/such/program", argv, guest_envp);
      said.far[2999] = 4;
      char* count[] = {"x", "count", 0};
      if (round % 4 < 2) sys(SYS_execve, self_path, count, guest_envp);
      quit(2);
    }
    expect_exit(pid, 2);
    CHECK(said.before == 1 && said.after == 3 && said.far[0] == 0);
    CHECK_EQ(said.error, -ENOENT);
    CHECK_EQ(said.far[2999], 4);
  }
}
// A fork is none: nothing comes back from it, nor from one that a child of vfork makes.
CASE(fork_hands_back_nothing) {
  volatile int said = 0;
  const long child = make_vfork(SYS_vfork, 0);
  if (child == 0) {
    const long pid = start_process();
    if (pid == 0) {
      said = 1;
      quit(2);
    }
    expect_exit(pid, 2);
    quit(said);
  }
  expect_exit(child, 0);
  CHECK_EQ(said, 0);
}
CASE(deep) {
  char* argv[] = {"x", "again", "20", 0};
  expect_status(self_path, argv, guest_envp, 0);
}

int main(int argc, char** argv) {
  extern const struct test_case __start_cases[], __stop_cases[];
  const char* what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "echo") == 0) return echo();
  if (strcmp(what, "count") == 0) return argc % 256;
  if (strcmp(what, "run") == 0) {
    sys(SYS_execve, argv[2], argv + 2, guest_envp);
    return 97;
  }
  if (strcmp(what, "check-descriptors") == 0) {
    CHECK(sys(SYS_fcntl, parse(argv[2]), F_GETFD, 0) >= 0);
    CHECK_EQ(sys(SYS_fcntl, parse(argv[3]), F_GETFD, 0), -EBADF);
    return 0;
  }
  if (strcmp(what, "signals") == 0) {
    struct sigaction now;
    CHECK_EQ(sys(SYS_sigaction, SIGUSR1, 0, &now), 0);
    CHECK_EQ(now.sa_handler, SIG_IGN);
    CHECK_EQ(sys(SYS_sigaction, SIGUSR2, 0, &now), 0);
    CHECK_EQ(now.sa_handler, SIG_DFL);
    CHECK_EQ(sys(SYS_sigaction, SIGCHLD, 0, &now), 0);  // ignored by default is not ignored
    CHECK_EQ(now.sa_handler, SIG_DFL);
    CHECK_EQ(sys(SYS_sigaction, SIGINFO, 0, &now), 0);
    CHECK_EQ(now.sa_handler, SIG_DFL);
    CHECK_EQ(sys(SYS_sigaction, SIGIO, 0, &now), 0);
    CHECK_EQ(now.sa_handler, SIG_IGN);
    sigset_t mask, pending;
    CHECK_EQ(sys(SYS_sigprocmask, SIG_BLOCK, 0, &mask), 0);
    CHECK(sig_has(&mask, SIGTERM));
    CHECK_EQ(sys(SYS_sigpending, &pending), 0);
    CHECK(sig_has(&pending, SIGTERM));
    return 0;
  }
  if (strcmp(what, "pid") == 0) return sys(SYS_getpid) == parse(argv[2]) ? 0 : 1;
  if (strcmp(what, "again") == 0) {
    const long n = parse(argv[2]);
    if (n == 0) return 0;
    char text[24];
    char* next[] = {"x", "again", number(text, (unsigned long)n - 1), 0};
    int mib[] = {1, 14, 12, -1};  // CTL_KERN KERN_PROC KERN_PROC_PATHNAME
    size_t size = sizeof self_path;
    CHECK_EQ(sys(SYS___sysctl, mib, 4, self_path, &size, 0, 0), 0);
    sys(SYS_execve, self_path, next, guest_envp);
    return 98;
  }
  int mib[] = {1, 14, 12, -1};
  size_t size = sizeof self_path;
  CHECK_EQ(sys(SYS___sysctl, mib, 4, self_path, &size, 0, 0), 0);
  CHECK_EQ(self_path[0], '/');
  CHECK_EQ(size, strlen(self_path) + 1);
  bool any = false;
  for (const struct test_case* c = __start_cases; c != __stop_cases; ++c)
    if (argc < 2 || strcmp(what, c->name) == 0) any = true, c->run();
  CHECK(any);
  put("ok\n");
  return 0;
}

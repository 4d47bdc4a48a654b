// EVFILT_PROC: forks, execs and the tracking of children. Ends of processes: kqueue_filters.c.
// Semantics: FreeBSD 14.0 kqueue(2), sys/kern/kern_event.c. With `obey` it is a program that does what descriptor 0 says.
#include "guest.h"
#include "../bsd/vfork.h"

static const unsigned kExit = 0x80000000, kFork = 0x40000000, kExec = 0x20000000;
enum { NOTE_TRACK = 1, NOTE_TRACKERR = 2, NOTE_CHILD = 4 };

static char self_path[1024];
static long kq;
static struct kevent event;
static long change_on(long queue, long ident, int flags, unsigned fflags) {
  struct kevent e = {(uint64_t)ident, EVFILT_PROC, (uint16_t)flags, fflags, 0, (void*)0x1234, {0}};
  return sys(SYS_kevent, queue, &e, 1, 0, 0, 0);
}
static long change(long ident, int flags, unsigned fflags) { return change_on(kq, ident, flags, fflags); }
static long take(long ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  return sys(SYS_kevent, kq, 0, 0, &event, 1, &t);
}
static void open_queue(void) { CHECK((kq = sys(SYS_kqueue)) >= 0); }
static void expect(long ms, long ident, unsigned fflags) {
  CHECK_EQ(take(ms), 1);
  CHECK_EQ(event.ident, ident);
  CHECK_EQ(event.fflags, fflags);
  CHECK_EQ(event.filter, EVFILT_PROC);
  CHECK_EQ(event.udata, 0x1234);
}

// --- a child that does what it is told, letter by letter ------------------------------------------------------
struct servant { long pid; int orders, answers; };
static void finish(long pid, int status) { CHECK_EQ(wait_exit_status(wait_for(pid)), status); }
static _Noreturn void obey(int orders, int answers) {
  for (char order; sys(SYS_read, orders, &order, 1) == 1;) {
    long pid = 0;
    if (order == 'f' && (pid = start_process()) == 0) quit(5);
    if (order == 'f') finish(pid, 5);
    if (order == 'k') {   // a child that lives on and is answered for
      pid = start_process();
      if (pid == 0) obey(orders, answers);
      finish(pid, 6);
    }
    if (order == 'q') quit(6);
    if (order == 'x') {
      char* argv[] = {self_path, "obey", 0};
      if (orders != 0) sys(SYS_dup2, orders, 0);
      if (answers != 1) sys(SYS_dup2, answers, 1);
      sys(SYS_execve, self_path, argv, guest_envp);
      quit(99);
    }
    if (order == 'n') {   // a native program, which ends when there are no more orders
      char* argv[] = {"cat", 0};
      if (orders != 0) sys(SYS_dup2, orders, 0);
      sys(SYS_execve, "/bin/cat", argv, guest_envp);
      quit(99);
    }
    if (order == 'm') {
      char* argv[] = {"none", 0};
      CHECK_EQ(sys(SYS_execve, "/nonexistent/program", argv, guest_envp), -ENOENT);
    }
    if (order == 'b') {
      static char text[200000];
      memset(text, 'a', sizeof text - 1);
      char* argv[] = {"true", text, 0};
      CHECK(sys(SYS_execve, "/bin/true", argv, guest_envp) < 0);
    }
    const int done = (int)pid;
    if (sys(SYS_write, answers, &done, sizeof done) != sizeof done) quit(98);
  }
  quit(6);
}
static struct servant employ(void) {
  int orders[2], answers[2];
  make_pipe(orders);
  make_pipe(answers);
  const long pid = start_process();
  if (pid == 0) {
    sys(SYS_close, orders[1]);
    sys(SYS_close, answers[0]);
    obey(orders[0], answers[1]);
  }
  sys(SYS_close, orders[0]);
  sys(SYS_close, answers[1]);
  const struct servant s = {pid, orders[1], answers[0]};
  return s;
}
static void order(const struct servant* s, char what) { CHECK_EQ(sys(SYS_write, s->orders, &what, 1), 1); }
static long answer(const struct servant* s) {
  int pid = -1;
  CHECK_EQ(sys(SYS_read, s->answers, &pid, sizeof pid), sizeof pid);
  return pid;
}

// --- forks ------------------------------------------------------------------------------------------------------
// Part of its caller, as a child of vfork must not return from where it was made.
static inline __attribute__((always_inline)) long fork_by(int number, unsigned long argument, int* descriptor) {
  if (number == SYS_vfork || argument == 0x80000000) return make_vfork(number, (long)argument);
  struct raw_call c = {.number = (unsigned long)number, .args = {number == SYS_pdfork ? (unsigned long)descriptor : argument, 0}};
  raw_call(&c);
  if (c.flags & 1) return -(long)c.rax;
  return c.rdx == 1 && c.rax == 0 ? 0 : (long)c.rax;
}
CASE(own_forks) {
  open_queue();
  const long self = sys(SYS_getpid);
  CHECK_EQ(change(self, EV_ADD, kFork), 0);
  CHECK_EQ(take(0), 0);
  static const struct { int call; unsigned long argument; } ways[] = {
      {SYS_fork, 0}, {SYS_vfork, 0}, {SYS_rfork, 0x14}, {SYS_rfork, 0x80000000}, {SYS_pdfork, 0}};
  for (unsigned i = 0; i < sizeof ways / sizeof *ways; ++i) {
    int descriptor = -1;
    const long pid = fork_by(ways[i].call, ways[i].argument, &descriptor);
    if (pid == 0) quit(4);
    CHECK(pid > 0);
    expect(0, self, kFork);   // no later than fork returns
    CHECK_EQ(event.flags, EV_CLEAR);
    CHECK_EQ(event.data, 0);
    CHECK_EQ(take(0), 0);
    if (ways[i].call == SYS_pdfork) continue;
    finish(pid, 4);
  }
  // Two of them are one event.
  for (int i = 0; i < 2; ++i) expect_exit(start_process() ?: (quit(3), 0L), 3);
  expect(0, self, kFork);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(change(self, EV_DELETE, 0), 0);
  expect_exit(start_process() ?: (quit(3), 0L), 3);
  CHECK_EQ(take(0), 0);
  CHECK_EQ(change(self, EV_DELETE, 0), -ENOENT);
}
CASE(forks_of_a_child) {
  open_queue();
  const struct servant s = employ();
  CHECK_EQ(change(s.pid, EV_ADD, kFork), 0);
  for (int i = 0; i < 3; ++i) {
    order(&s, 'f');
    expect(5000, s.pid, kFork);
    answer(&s);
    CHECK_EQ(take(0), 0);
  }
  // Disabled it is kept; what is not asked for is not told.
  CHECK_EQ(change(s.pid, EV_DISABLE, kFork), 0);
  order(&s, 'f');
  answer(&s);
  CHECK_EQ(take(20), 0);
  CHECK_EQ(change(s.pid, EV_ENABLE, kFork), 0);
  expect(0, s.pid, kFork);
  CHECK_EQ(change(s.pid, EV_ADD, kExec), 0);
  order(&s, 'f');
  answer(&s);
  CHECK_EQ(take(20), 0);
  order(&s, 'q');
  finish(s.pid, 6);
  CHECK_EQ(take(20), 0);   // nobody asked for its end
  CHECK_EQ(change(s.pid, EV_DELETE, 0), -ENOENT);
}
CASE(fork_and_end_are_one_event) {
  open_queue();
  const struct servant s = employ();
  CHECK_EQ(change(s.pid, EV_ADD, kFork | kExit | kExec), 0);
  order(&s, 'f');
  answer(&s);
  order(&s, 'q');
  finish(s.pid, 6);
  expect(5000, s.pid, kFork | kExit);
  CHECK_EQ(event.data, 6 << 8);
  CHECK_EQ(event.flags, EV_CLEAR | EV_ONESHOT | EV_EOF);
  CHECK_EQ(take(0), 0);
}
CASE(a_zombie_is_found_for_its_end_only) {
  open_queue();
  const long pid = start_process();
  if (pid == 0) quit(1);
  CHECK_EQ(sys(SYS_kevent, kq, 0, 0, 0, 0, 0), 0);
  struct { int words[64]; } info;
  CHECK_EQ(sys(SYS_wait6, 0, pid, 0, 0x10 | 8, 0, &info), pid);   // P_PID, WEXITED | WNOWAIT
  CHECK_EQ(change(pid, EV_ADD, kFork), -ESRCH);
  CHECK_EQ(change(pid, EV_ADD, kFork | kExit), 0);
  expect(5000, pid, kExit);
  finish(pid, 1);
  CHECK_EQ(change(pid, EV_ADD, kFork | kExit | NOTE_TRACK), -ESRCH);
  CHECK_EQ(change(99999999, EV_ADD, NOTE_TRACK), -ESRCH);
  CHECK_EQ(change(0, EV_ADD, kFork), -ESRCH);
  CHECK_EQ(change(-1, EV_ADD, kFork), -ESRCH);
}

// --- execs ------------------------------------------------------------------------------------------------------
CASE(execs_of_a_child) {
  open_queue();
  const struct servant s = employ();
  CHECK_EQ(change(s.pid, EV_ADD, kExec | kExit | kFork), 0);
  order(&s, 'm');   // what fails is not told
  answer(&s);
  order(&s, 'b');
  answer(&s);
  take(0);   // a native program is told of a moment early
  CHECK_EQ(take(20), 0);
  for (int i = 0; i < 3; ++i) {
    order(&s, 'x');
    expect(10000, s.pid, kExec);
    CHECK_EQ(event.flags, EV_CLEAR);
    order(&s, 'f');   // and the new program tells as well
    expect(5000, s.pid, kFork);
    answer(&s);
    CHECK_EQ(take(0), 0);
  }
  order(&s, 'n');
  expect(5000, s.pid, kExec);
  CHECK_EQ(sys(SYS_close, s.orders), 0);
  finish(s.pid, 0);
  expect(5000, s.pid, kExit);
  CHECK_EQ(event.data, 0);
}
CASE(who_executes_watches_no_more) {
  const struct servant s = employ();
  const long pid = start_process();
  if (pid == 0) {
    open_queue();
    CHECK_EQ(change(s.pid, EV_ADD, kFork | NOTE_TRACK), 0);
    char* argv[] = {self_path, "quit", 0};
    sys(SYS_execve, self_path, argv, guest_envp);
    quit(99);
  }
  finish(pid, 0);
  open_queue();
  CHECK_EQ(change(s.pid, EV_ADD, kFork), 0);
  order(&s, 'f');
  expect(5000, s.pid, kFork);
  answer(&s);
  order(&s, 'q');
  finish(s.pid, 6);
}

// --- NOTE_TRACK -------------------------------------------------------------------------------------------------
CASE(tracked_child) {
  open_queue();
  const struct servant s = employ();
  CHECK_EQ(change(s.pid, EV_ADD, NOTE_TRACK | kFork | kExit), 0);
  order(&s, 'f');
  const long grandchild = answer(&s);   // ended and waited for by now
  unsigned seen = 0;
  for (int i = 0; i < 3; ++i) {
    CHECK_EQ(take(5000), 1);
    CHECK_EQ(event.udata, 0x1234);
    if (event.ident == (uint64_t)s.pid) {
      CHECK_EQ(event.fflags, kFork);
      seen |= 1;
    } else if (event.fflags == NOTE_CHILD) {
      CHECK_EQ(event.ident, grandchild);
      CHECK_EQ(event.data, s.pid);
      CHECK_EQ(event.flags & (EV_ONESHOT | EV_EOF), EV_ONESHOT);
      CHECK((seen & 4) == 0);   // before anything else of it
      seen |= 2;
    } else {
      CHECK_EQ(event.ident, grandchild);
      CHECK_EQ(event.fflags, kExit);
      CHECK_EQ(event.data, 5 << 8);
      CHECK(event.flags & EV_EOF);
      seen |= 4;
    }
  }
  CHECK_EQ(seen, 7);
  CHECK_EQ(take(0), 0);
  order(&s, 'q');
  finish(s.pid, 6);
  expect(5000, s.pid, kExit);
}
CASE(tracking_goes_on_below) {
  open_queue();
  const struct servant s = employ();
  CHECK_EQ(change(s.pid, EV_ADD, NOTE_TRACK | kExec | kFork), 0);
  order(&s, 'k');   // it waits; its child obeys
  long children[3], parent = s.pid;
  for (int depth = 0; depth < 3; ++depth) {
    unsigned seen = 0;
    for (int i = 0; i < 2; ++i) {
      CHECK_EQ(take(5000), 1);
      CHECK(event.fflags == NOTE_CHILD || event.fflags == kFork);
      if (event.fflags == NOTE_CHILD) children[depth] = (long)event.ident;
      CHECK_EQ(event.fflags == NOTE_CHILD ? event.data : (long)event.ident, parent);
      seen |= event.fflags == NOTE_CHILD ? 1 : 2;
    }
    CHECK_EQ(seen, 3);
    parent = children[depth];
    order(&s, 'x');   // by the youngest
    expect(10000, parent, kExec);
    if (depth < 2) order(&s, 'k');
  }
  // The watch of a child is a watch like any other.
  CHECK_EQ(change(children[1], EV_DELETE, 0), 0);
  CHECK_EQ(change(children[1], EV_DELETE, 0), -ENOENT);
  for (int i = 0; i < 4; ++i) order(&s, 'q');
  finish(s.pid, 6);
}
CASE(many_tracked_at_once) {
  enum { kServants = 8, kForks = 20 };
  open_queue();
  struct servant s[kServants];
  for (int i = 0; i < kServants; ++i) {
    s[i] = employ();
    CHECK_EQ(change(s[i].pid, EV_ADD, NOTE_TRACK | kExit), 0);
  }
  for (int i = 0; i < kServants; ++i)
    for (int j = 0; j < kForks; ++j) order(&s[i], 'f');
  int born = 0, ended = 0;
  while (ended < kServants * kForks) {
    CHECK_EQ(take(10000), 1);
    CHECK(event.fflags == NOTE_CHILD || event.fflags == kExit);
    if (event.fflags == kExit) CHECK_EQ(event.data, 5 << 8);
    ++*(event.fflags == kExit ? &ended : &born);
    CHECK(ended <= born);
  }
  CHECK_EQ(born, kServants * kForks);
  for (int i = 0; i < kServants; ++i) {
    for (int j = 0; j < kForks; ++j) answer(&s[i]);
    order(&s[i], 'q');
    finish(s[i].pid, 6);
  }
  for (int i = 0; i < kServants; ++i) CHECK_EQ(take(5000), 1);
  CHECK_EQ(take(0), 0);
}
CASE(more_than_can_be_tracked) {
  // As many queues track one process as a fork has room for, and one more: it is told so.
  enum { kQueues = 33 };
  const long self = sys(SYS_getpid);
  long queues[kQueues];
  for (int i = 0; i < kQueues; ++i) {
    CHECK((queues[i] = sys(SYS_kqueue)) >= 0);
    CHECK_EQ(change_on(queues[i], self, EV_ADD, NOTE_TRACK | kFork), 0);
  }
  const long pid = start_process();
  if (pid == 0) quit(2);
  finish(pid, 2);
  int errors = 0, children = 0;
  for (int i = 0; i < kQueues; ++i) {
    kq = queues[i];
    while (take(0) == 1) {
      if (event.fflags == NOTE_CHILD) ++children;
      if (event.fflags == (kFork | NOTE_TRACKERR)) ++errors;
    }
  }
  CHECK_EQ(children, kQueues - 1);
  CHECK_EQ(errors, 1);
}
CASE(slots_of_killed_watchers_are_used_again) {
  const struct servant s = employ();
  for (int round = 0; round < 24; ++round) {
    const long pid = start_process();
    if (pid == 0) {   // 50 watches, and no time to take them back
      for (int i = 0; i < 50; ++i) {
        open_queue();
        CHECK_EQ(change(s.pid, EV_ADD, kFork), 0);
      }
      sys(SYS_kill, sys(SYS_getpid), SIGKILL);
    }
    CHECK_EQ(wait_signal(wait_for(pid)), SIGKILL);
  }
  order(&s, 'q');
  finish(s.pid, 6);
}
CASE(others_cannot_be_watched_for_forks) {
  open_queue();
  // A program of the host's tells nothing.
  int fds[2];
  make_pipe(fds);
  const long pid = start_process();
  if (pid == 0) {
    sys(SYS_dup2, fds[0], 0);
    sys(SYS_close, fds[1]);
    char* argv[] = {"cat", 0};
    sys(SYS_execve, "/bin/cat", argv, guest_envp);
    quit(99);
  }
  CHECK_EQ(change(pid, EV_ADD, kExec | kExit), 0);
  // Either it has executed by now, or it says so.
  while (change(pid, EV_ADD, kExec | kExit) == 0 && take(200) == 1) CHECK_EQ(event.fflags, kExec);
  CHECK_EQ(change(pid, EV_DELETE, 0), 0);
  CHECK_EQ(change(pid, EV_ADD, kFork), -EOPNOTSUPP);
  CHECK_EQ(change(pid, EV_ADD, NOTE_TRACK | kExit), -EOPNOTSUPP);
  CHECK_EQ(change(pid, EV_ADD, kFork | kExit), 0);
  sys(SYS_close, fds[0]);
  sys(SYS_close, fds[1]);
  expect(5000, pid, kExit);
  finish(pid, 0);
}

int main(int argc, char** argv) {
  extern const struct test_case __start_cases[], __stop_cases[];
  const char* what = argc > 1 ? argv[1] : "";
  int mib[] = {1, 14, 12, -1};  // CTL_KERN KERN_PROC KERN_PROC_PATHNAME
  size_t size = sizeof self_path;
  CHECK_EQ(sys(SYS___sysctl, mib, 4, self_path, &size, 0, 0), 0);
  if (strcmp(what, "obey") == 0) obey(0, 1);
  if (strcmp(what, "quit") == 0) return 0;
  bool any = false;
  for (const struct test_case* c = __start_cases; c != __stop_cases; ++c)
    if (argc < 2 || strcmp(what, c->name) == 0) any = true, c->run();
  CHECK(any);
  put("ok\n");
  return 0;
}

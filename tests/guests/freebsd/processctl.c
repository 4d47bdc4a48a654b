// procctl: reapers, switches of the process, and who may change them.
#include "guest.h"

enum { P_PID = 0, P_PGID = 2 };
enum { SPROTECT = 1, REAP_ACQUIRE, REAP_RELEASE, REAP_STATUS, REAP_GETPIDS, REAP_KILL, TRACE_CTL, TRACE_STATUS, TRAPCAP_CTL, TRAPCAP_STATUS, PDEATHSIG_CTL, PDEATHSIG_STATUS, ASLR_CTL, ASLR_STATUS, PROTMAX_CTL, PROTMAX_STATUS, STACKGAP_CTL, STACKGAP_STATUS, NNP_CTL, NNP_STATUS, WXMAP_CTL, WXMAP_STATUS, LOGSIGEXIT_CTL, LOGSIGEXIT_STATUS };
struct status { unsigned flags, children, descendants; int reaper, pid; unsigned pad[15]; };
struct pidinfo { int pid, subtree; unsigned flags, pad[15]; };
struct pids { unsigned count, pad[15]; struct pidinfo* at; };
struct kill { int signal; unsigned flags; int subtree; unsigned killed; int failed; unsigned pad[15]; };

static long ctl(int command, void* data) { return sys(SYS_procctl, P_PID, 0, command, data); }
static long set(int command, int value) { return ctl(command, &value); }
static long get(int command) { int value = -77; const long r = ctl(command, &value); return r < 0 ? r : value; }

CASE(arguments) {
  int one = 1;
  CHECK_EQ(ctl(0, &one), -EINVAL);
  CHECK_EQ(ctl(25, &one), -EINVAL);
  CHECK_EQ(sys(SYS_procctl, 7, 0, TRACE_STATUS, &one), -EINVAL);
  CHECK_EQ(sys(SYS_procctl, P_PGID, 0, TRACE_STATUS, &one), -EINVAL);
  CHECK_EQ(sys(SYS_procctl, P_PID, 999999999, TRACE_STATUS, &one), -ESRCH);
  CHECK_EQ(sys(SYS_procctl, P_PID, 999999999, PDEATHSIG_STATUS, &one), -EINVAL);
  CHECK_EQ(sys(SYS_procctl, P_PID, -1L, TRACE_STATUS, &one), -ESRCH);
  CHECK_EQ(sys(SYS_procctl, P_PGID, 999999999, TRAPCAP_CTL, &one), -ESRCH);
  int two = 2;
  CHECK_EQ(sys(SYS_procctl, P_PGID, sys(SYS_getpgrp), TRAPCAP_CTL, &two), 0);
  for (int command = SPROTECT; command <= LOGSIGEXIT_STATUS; ++command)
    if (command != REAP_ACQUIRE && command != REAP_RELEASE) CHECK_EQ(ctl(command, (void*)8), -EFAULT);
  CHECK_EQ(ctl(REAP_ACQUIRE, &one), -EINVAL);
  CHECK_EQ(ctl(REAP_RELEASE, 0), -EINVAL);
}
CASE(switches) {
  CHECK_EQ(get(TRAPCAP_STATUS), 2);
  CHECK_EQ(set(TRAPCAP_CTL, 3), -EINVAL);
  CHECK_EQ(set(TRAPCAP_CTL, 1), 0);
  CHECK_EQ(get(TRAPCAP_STATUS), 1);
  CHECK_EQ(get(ASLR_STATUS), (int)0x80000003);
  CHECK_EQ(set(ASLR_CTL, 0), -EINVAL);
  CHECK_EQ(set(ASLR_CTL, 2), 0);
  CHECK_EQ(get(ASLR_STATUS) & 3, 2);
  CHECK_EQ(get(LOGSIGEXIT_STATUS), 3);
  CHECK_EQ(set(LOGSIGEXIT_CTL, 1), 0);
  CHECK_EQ(get(LOGSIGEXIT_STATUS), 1);
  CHECK_EQ(get(STACKGAP_STATUS), 1 | 4);
  CHECK_EQ(set(STACKGAP_CTL, 3), -EINVAL);
  CHECK_EQ(set(STACKGAP_CTL, 16), -EINVAL);
  CHECK_EQ(set(STACKGAP_CTL, 2 | 8), 0);
  CHECK_EQ(get(STACKGAP_STATUS), 2 | 8);
  CHECK_EQ(set(STACKGAP_CTL, 1), -EINVAL);
  CHECK_EQ(set(STACKGAP_CTL, 4), 0);
  CHECK_EQ(get(STACKGAP_STATUS), 2 | 4);
  CHECK_EQ(get(WXMAP_STATUS), 0);
  CHECK_EQ(set(WXMAP_CTL, 3), -EINVAL);
  CHECK_EQ(set(WXMAP_CTL, 1), 0);
  CHECK_EQ(get(WXMAP_STATUS), 1);
  CHECK_EQ(set(SPROTECT, 3), -EINVAL);
  CHECK_EQ(set(SPROTECT, 1 | 0x40), -EINVAL);
  CHECK_EQ(set(SPROTECT, 1), sys(SYS_geteuid) == 0 ? 0 : -EPERM);
  const long pid = start_process();
  if (pid == 0) quit(get(TRAPCAP_STATUS) == 1 && get(STACKGAP_STATUS) == (2 | 4) && get(LOGSIGEXIT_STATUS) == 1 ? 0 : 1);
  expect_exit(pid, 0);
}
CASE(implied_maximum) {
  CHECK_EQ(get(PROTMAX_STATUS), 3);
  CHECK_EQ(set(PROTMAX_CTL, 1), 0);
  CHECK_EQ(get(PROTMAX_STATUS), (int)0x80000001);
  const long p = sys(SYS_mmap, 0, 4096, PROT_READ, MAP_ANON | MAP_PRIVATE, -1, 0);
  const long q = sys(SYS_mmap, 0, 4096, PROT_NONE, MAP_ANON | MAP_PRIVATE, -1, 0);
  CHECK_EQ(set(PROTMAX_CTL, 2), 0);
  CHECK_EQ(get(PROTMAX_STATUS), 2);
  CHECK_EQ(sys(SYS_mprotect, p, 4096, PROT_WRITE), -EACCES);
  CHECK_EQ(sys(SYS_mprotect, q, 4096, PROT_WRITE), 0);
  const long r = sys(SYS_mmap, 0, 4096, PROT_READ, MAP_ANON | MAP_PRIVATE, -1, 0);
  CHECK_EQ(sys(SYS_mprotect, r, 4096, PROT_WRITE), 0);
}
CASE(tracing) {
  CHECK_EQ(get(TRACE_STATUS), 0);
  CHECK_EQ(set(TRACE_CTL, 4), -EINVAL);
  CHECK_EQ(set(TRACE_CTL, 2), 0);
  CHECK_EQ(get(TRACE_STATUS), -1);
  CHECK_EQ(set(TRACE_CTL, 1), 0);
  CHECK_EQ(get(TRACE_STATUS), 0);
}
CASE(death_signal) {
  CHECK_EQ(set(PDEATHSIG_CTL, 0), 0);  // whoever started us may have set one
  CHECK_EQ(get(PDEATHSIG_STATUS), 0);
  CHECK_EQ(set(PDEATHSIG_CTL, 30 /* SIGUSR1 */), 0);
  CHECK_EQ(get(PDEATHSIG_STATUS), 30);
  CHECK_EQ(set(PDEATHSIG_CTL, 129), -EINVAL);
  CHECK_EQ(set(PDEATHSIG_CTL, -1), -EINVAL);
  CHECK_EQ(get(PDEATHSIG_STATUS), 30);
  CHECK_EQ(set(PDEATHSIG_CTL, 0), 0);
}
CASE(other_processes) {
  int fds[2];
  make_pipe(fds);
  const long pid = start_process();
  if (pid == 0) {
    char c;
    sys(SYS_close, fds[1]);
    sys(SYS_read, fds[0], &c, 1);
    quit(0);
  }
  int value = 1;
  CHECK_EQ(sys(SYS_procctl, P_PID, pid, REAP_ACQUIRE, 0), -EPERM);
  CHECK_EQ(sys(SYS_procctl, P_PID, pid, REAP_RELEASE, 0), -EPERM);
  CHECK_EQ(sys(SYS_procctl, P_PID, pid, PDEATHSIG_CTL, &value), -EINVAL);
  CHECK_EQ(sys(SYS_procctl, P_PID, pid, TRACE_STATUS, &value), 0);
  CHECK_EQ(value, 0);
  CHECK_EQ(sys(SYS_procctl, P_PID, pid, NNP_STATUS, &value), 0);
  sys(SYS_close, fds[1]);
  expect_exit(pid, 0);
}
CASE(reaper) {
  struct status s;
  CHECK_EQ(ctl(REAP_STATUS, &s), 0);
  CHECK_EQ(s.flags, 2);
  CHECK_EQ(s.reaper, 1);
  CHECK_EQ(ctl(REAP_ACQUIRE, 0), 0);
  CHECK_EQ(ctl(REAP_ACQUIRE, 0), -EBUSY);
  CHECK_EQ(ctl(REAP_STATUS, &s), 0);
  const int self = (int)sys(SYS_getpid);
  CHECK(s.flags == 1 && s.reaper == self && s.children == 0 && s.descendants == 0 && s.pid == -1);
  struct kill k = {SIGKILL, 0, 0, 9, 9, {0}};
  CHECK_EQ(ctl(REAP_KILL, &k), -ESRCH);
  CHECK(k.killed == 0 && k.failed == -1);

  int fds[2];
  make_pipe(fds);
  const long child = start_process();
  if (child == 0) {
    const long grandchild = start_process();
    struct status below;
    int pid = (int)sys(SYS_getpid);
    if (grandchild != 0 && (ctl(REAP_STATUS, &below) != 0 || below.flags != 0 || below.reaper != self)) quit(1);
    CHECK_EQ(sys(SYS_write, fds[1], &pid, sizeof pid), sizeof pid);
    for (;;) sleep_ms(10000);
  }
  int ready[2];
  for (int i = 0; i < 2; ++i) CHECK_EQ(sys(SYS_read, fds[0], &ready[i], sizeof(int)), sizeof(int));
  const int grandchild = ready[0] == child ? ready[1] : ready[0];
  CHECK_EQ(ctl(REAP_STATUS, &s), 0);
  CHECK(s.children == 1 && s.descendants == 2 && s.pid == child);
  struct pidinfo info[4];
  memset(info, 0, sizeof info);
  struct pids list = {4, {0}, info};
  CHECK_EQ(ctl(REAP_GETPIDS, &list), 0);
  for (int i = 0; i < 2; ++i) {
    CHECK(info[i].pid == child || info[i].pid == grandchild);
    CHECK_EQ(info[i].subtree, child);
    CHECK_EQ(info[i].flags, info[i].pid == child ? 3 : 1);
  }
  CHECK_EQ(info[2].flags, 0);
  list.at = (struct pidinfo*)8;
  CHECK_EQ(ctl(REAP_GETPIDS, &list), -EFAULT);
  list.count = 0;
  CHECK_EQ(ctl(REAP_GETPIDS, &list), 0);
  k.signal = 0;
  CHECK_EQ(ctl(REAP_KILL, &k), -EINVAL);
  k.signal = 129;
  CHECK_EQ(ctl(REAP_KILL, &k), -EINVAL);
  k.signal = SIGKILL, k.flags = 3;
  CHECK_EQ(ctl(REAP_KILL, &k), -EINVAL);
  k.flags = 2, k.subtree = (int)child + 1;
  CHECK_EQ(ctl(REAP_KILL, &k), -ESRCH);
  k.flags = 1;
  CHECK_EQ(ctl(REAP_KILL, &k), 0);       // the child alone
  CHECK_EQ(k.killed, 1);
  CHECK_EQ(wait_for(child) & 0x7f, SIGKILL);
  CHECK_EQ(ctl(REAP_STATUS, &s), 0);     // the orphan is the reaper's now
  CHECK(s.children == 1 && s.descendants == 1 && s.pid == grandchild);
  k.flags = 0;
  CHECK_EQ(ctl(REAP_KILL, &k), 0);
  CHECK_EQ(k.killed, 1);
  CHECK_EQ(wait_for(grandchild) & 0x7f, SIGKILL);
  CHECK_EQ(ctl(REAP_RELEASE, 0), 0);
  CHECK_EQ(ctl(REAP_KILL, &k), -EPERM);  // not init's
}
CASE(no_new_privileges) {
  CHECK_EQ(get(NNP_STATUS), 2);
  CHECK_EQ(set(NNP_CTL, 2), -EINVAL);
  CHECK_EQ(set(NNP_CTL, 1), 0);
  CHECK_EQ(get(NNP_STATUS), 1);
}

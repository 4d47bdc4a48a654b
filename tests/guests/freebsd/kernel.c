// What the kernel says about itself, and what it refuses to programs without privilege.
// Facts: FreeBSD 15.0 sys/sys/{linker,module,kenv,timex}.h, sys/kern/kern_linker.c, getrlimitusage(2) and the
// first checks of each refused call.
#include "guest.h"

#define BAD ((void*)8)

CASE(kernel_files) {
  static struct { int version; char name[1024]; int refs, id; unsigned long address, size; char pathname[1024]; } st;
  _Static_assert(sizeof st == 2080, "struct kld_file_stat");
  CHECK_EQ(sys(SYS_kldnext, 0), 1);
  CHECK_EQ(sys(SYS_kldnext, 1), 0);
  CHECK_EQ(sys(SYS_kldnext, 2), -ENOENT);
  CHECK_EQ(sys(SYS_kldfind, "kernel"), 1);
  CHECK_EQ(sys(SYS_kldfind, "/boot/kernel/kernel"), 1);
  CHECK_EQ(sys(SYS_kldfind, "zfs.ko"), -ENOENT);
  CHECK_EQ(sys(SYS_kldfind, ""), -ENOENT);
  CHECK_EQ(sys(SYS_kldfind, BAD), -EFAULT);
  st.version = sizeof st;
  CHECK_EQ(sys(SYS_kldstat, 1, &st), 0);
  CHECK_EQ(strcmp(st.name, "kernel"), 0);
  CHECK_EQ(strcmp(st.pathname, "/boot/kernel/kernel"), 0);
  CHECK_EQ(st.id, 1);
  CHECK(st.refs >= 1);
  memset(st.pathname, '#', 4);
  st.version = 1056;
  CHECK_EQ(sys(SYS_kldstat, 1, &st), 0);
  CHECK_EQ(st.pathname[0], '#');
  st.version = 77;
  CHECK_EQ(sys(SYS_kldstat, 1, &st), -EINVAL);
  st.version = sizeof st;
  CHECK_EQ(sys(SYS_kldstat, 2, &st), -ENOENT);
  CHECK_EQ(sys(SYS_kldstat, 1, BAD), -EFAULT);
  CHECK_EQ(sys(SYS_kldfirstmod, 1), 0);
  CHECK_EQ(sys(SYS_kldfirstmod, 9), -ENOENT);
  struct { int version; const char* name; unsigned long value, size; } symbol = {sizeof symbol, "no_such_symbol", 0, 0};
  CHECK_EQ(sys(SYS_kldsym, 0, 1, &symbol), -ENOENT);
  CHECK_EQ(sys(SYS_kldsym, 0, 2, &symbol), -EINVAL);
  symbol.name = BAD;
  CHECK_EQ(sys(SYS_kldsym, 0, 1, &symbol), -EFAULT);
  CHECK_EQ(sys(SYS_kldsym, 0, 1, BAD), -EFAULT);
  symbol.version = 1;
  CHECK_EQ(sys(SYS_kldsym, 0, 1, &symbol), -EINVAL);
  CHECK_EQ(sys(SYS_modfind, "no_such_module"), -ENOENT);
  CHECK_EQ(sys(SYS_modfind, BAD), -EFAULT);
  CHECK_EQ(sys(SYS_modfind, "a module's name may have at most 31 bytes"), -ENAMETOOLONG);
  CHECK_EQ(sys(SYS_modnext, 0), -ENOENT);
  CHECK_EQ(sys(SYS_modfnext, 1), -ENOENT);
  CHECK_EQ(sys(SYS_modstat, 1, &st), -ENOENT);
}
CASE(kernel_environment) {
  char value[64];
  CHECK_EQ(sys(SYS_kenv, 0, "no.such.name", value, 64), -ENOENT);
  CHECK_EQ(sys(SYS_kenv, 0, BAD, value, 64), -EFAULT);
  CHECK_EQ(sys(SYS_kenv, 1, "a", "b", 2), -EPERM);
  CHECK_EQ(sys(SYS_kenv, 2, "a", 0, 0), -EPERM);
  CHECK(sys(SYS_kenv, 3, 0, 0, 0) >= 0);
  CHECK_EQ(sys(SYS_kenv, 4, 0, 0, 0), -ENOENT);
  CHECK_EQ(sys(SYS_kenv, 77, "a", 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS_kenv, 77, BAD, 0, 0), -EFAULT);
}
CASE(clock_discipline) {
  struct { struct timespec time; long maxerror, esterror, tai; int time_state; } now;
  struct {
    unsigned modes; long offset, freq, maxerror, esterror; int status; long constant, precision, tolerance, ppsfreq,
        jitter; int shift; long stabil, jitcnt, calcnt, errcnt, stbcnt;
  } t;
  _Static_assert(sizeof now == 48 && sizeof t == 136, "struct ntptimeval, struct timex");
  struct timespec before, after;
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &before), 0);
  const long state = sys(SYS_ntp_gettime, &now);
  CHECK(state >= 0 && state <= 5);
  CHECK_EQ(now.time_state, state);
  CHECK_EQ(sys(SYS_clock_gettime, CLOCK_REALTIME, &after), 0);
  CHECK(now.time.tv_sec >= before.tv_sec && now.time.tv_sec <= after.tv_sec);
  CHECK(now.time.tv_nsec >= 0 && now.time.tv_nsec < 1000000000);
  CHECK_EQ(sys(SYS_ntp_gettime, BAD), -EFAULT);
  memset(&t, 0xff, sizeof t);
  t.modes = 0;
  const long adjust = sys(SYS_ntp_adjtime, &t);
  CHECK(adjust >= 0 && adjust <= 5);
  CHECK(t.tolerance > 0 && t.precision > 0 && t.freq != -1);
  t.modes = 2;
  CHECK_EQ(sys(SYS_ntp_adjtime, &t), -EPERM);
  CHECK_EQ(sys(SYS_ntp_adjtime, BAD), -EFAULT);
}
CASE(use_of_limits) {
  long use = -1, more = -1;
  CHECK_EQ(sys(SYS_getrlimitusage, 8 /* RLIMIT_NOFILE */, 0, &use), 0);
  CHECK(use >= 3);
  CHECK(sys(SYS_dup, 0) >= 0);
  CHECK_EQ(sys(SYS_getrlimitusage, 8, 1, &more), 0);
  CHECK_EQ(more, use + 1);
  const int some[] = {0, 2, 3, 5, 6, 10};
  for (unsigned i = 0; i < 6; ++i) {
    use = -1;
    CHECK_EQ(sys(SYS_getrlimitusage, some[i], 0, &use), 0);
    CHECK(use >= 0);
  }
  CHECK_EQ(sys(SYS_getrlimitusage, 1 /* RLIMIT_FSIZE */, 0, &use), -ENXIO);
  CHECK_EQ(sys(SYS_getrlimitusage, 99, 0, &use), -EINVAL);
  CHECK_EQ(sys(SYS_getrlimitusage, 8, 2, &use), -EINVAL);
  CHECK_EQ(sys(SYS_getrlimitusage, 8, 0, BAD), -EFAULT);
}
CASE(refused_before_anything_is_looked_at) {
  const int calls[] = {SYS_unmount, SYS_acct, SYS_reboot, SYS_swapon, SYS_lgetfh, SYS_getfh, SYS_fhopen, SYS_fhlink,
                       SYS_fhlinkat, SYS_fhreadlink, SYS_audit, SYS_auditon, SYS_getauid, SYS_getaudit, SYS_auditctl,
                       SYS_kldunload, SYS_jail_attach, SYS_jail_remove};
  for (unsigned i = 0; i < sizeof calls / sizeof *calls; ++i) CHECK_EQ(sys(calls[i], BAD, BAD, BAD, BAD), -EPERM);
}
CASE(refused_after_a_look) {
  char bytes[64] = {0};
  const int readers[] = {SYS_fhstat, SYS_freebsd11_fhstat, SYS_fhstatfs, SYS_freebsd11_fhstatfs, SYS_freebsd4_fhstatfs,
                         SYS_setauid, SYS_setaudit};
  for (unsigned i = 0; i < sizeof readers / sizeof *readers; ++i) {
    CHECK_EQ(sys(readers[i], bytes, BAD), -EPERM);
    CHECK_EQ(sys(readers[i], BAD, bytes), -EFAULT);
    CHECK_EQ(sys(readers[i], 0, bytes), -EFAULT);
  }
  CHECK_EQ(sys(SYS_getfhat, AT_FDCWD, "x", bytes, 0), -EPERM);
  CHECK_EQ(sys(SYS_getfhat, AT_FDCWD, "x", bytes, AT_REMOVEDIR), -EINVAL);
  CHECK_EQ(sys(SYS_kldload, "x"), -EPERM);
  CHECK_EQ(sys(SYS_kldload, BAD), -EFAULT);
  CHECK_EQ(sys(SYS_kldunloadf, 1, 0), -EPERM);
  CHECK_EQ(sys(SYS_kldunloadf, 1, 2), -EINVAL);
  CHECK_EQ(sys(SYS_getaudit_addr, bytes, 47), -EOVERFLOW);
  CHECK_EQ(sys(SYS_getaudit_addr, bytes, 48), -EPERM);
  CHECK_EQ(sys(SYS_setaudit_addr, bytes, 48), -EINVAL);
  bytes[16] = 4;
  CHECK_EQ(sys(SYS_setaudit_addr, bytes, 48), -EPERM);
  CHECK_EQ(sys(SYS_setaudit_addr, BAD, 48), -EFAULT);
  CHECK_EQ(sys(SYS_mac_syscall, "none", 0, 0), -ENOSYS);
  CHECK_EQ(sys(SYS_mac_syscall, BAD, 0, 0), -EFAULT);
  const int labels[] = {SYS___mac_set_proc, SYS___mac_get_file, SYS___mac_set_file, SYS___mac_get_link, SYS___mac_set_link};
  for (unsigned i = 0; i < 5; ++i) CHECK_EQ(sys(labels[i], BAD, BAD), -EINVAL);
}
CASE(small_refusals) {
  CHECK_EQ(sys(SYS_quotactl, ".", 0, 0, 0), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_quotactl, "none.tmp", 0, 0, 0), -ENOENT);
  CHECK_EQ(sys(SYS_quotactl, BAD, 0, 0, 0), -EFAULT);
  CHECK_EQ(sys(SYS_undelete, "."), -EEXIST);
  CHECK_EQ(sys(SYS_undelete, "none.tmp"), -ENOENT);
  CHECK_EQ(sys(SYS_undelete, BAD), -EFAULT);
  CHECK_EQ(sys(SYS_revoke, "."), -EINVAL);
  CHECK_EQ(sys(SYS_revoke, "none.tmp"), -ENOENT);
  CHECK_EQ(sys(SYS_revoke, BAD), -EFAULT);
  CHECK_EQ(sys(SYS_revoke, "/dev/null"), sys(SYS_geteuid) == 0 ? -EOPNOTSUPP : -EPERM);
  CHECK_EQ(sys(SYS_setfib, 0), 0);
  CHECK_EQ(sys(SYS_setfib, 1), -EINVAL);
  CHECK_EQ(sys(SYS_setfib, -1), -EINVAL);
  CHECK_EQ(sys(SYS_profil, 0, 0, 0, 0), 0);
  CHECK_EQ(sys(SYS_profil, 0, 0, 0, 1 << 16), -EINVAL);
  CHECK_EQ(sys(SYS_freebsd11_vadvise, 0), -EINVAL);
  CHECK_EQ(sys(SYS___setugid, 1), -ENOSYS);
  for (int n = SYS_rctl_get_racct; n < SYS_rctl_get_racct + 5; ++n) CHECK_EQ(sys(n, BAD, 9, BAD, 9), -ENOSYS);
  char class[16];
  CHECK_EQ(sys(SYS_getloginclass, class, sizeof class), 0);
  CHECK_EQ(strcmp(class, "default"), 0);
  CHECK_EQ(sys(SYS_getloginclass, class, 7), -ERANGE);
  CHECK_EQ(sys(SYS_getloginclass, BAD, 8), -EFAULT);
}

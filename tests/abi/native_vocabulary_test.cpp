// The native vocabulary against the system's headers: every table is matched against these names, so that a
// wrong number here is wrong everywhere. Where the C library and the kernel differ, the kernel's number is
// written out.
#include <asm/ioctls.h>
#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/kcmp.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "abi/builtin.hpp"

namespace {

using sudrun::abi::FlagSet;
using sudrun::abi::StructLayout;
using sudrun::abi::Table;

const Table& native() {
  static const Table table = sudrun::abi::builtin_table("linux-amd64").value();
  return table;
}

struct Expected {
  std::string_view name;
  std::int64_t value;
};
using List = std::vector<Expected>;

// NOLINTNEXTLINE: the name is needed as text and as a value
#define V(name) {#name, static_cast<std::int64_t>(name)},

/// Headers give some 32-bit flags a sign.
std::uint64_t unsigned_of(std::int64_t value) {
  return value >= INT32_MIN && value < 0 ? static_cast<std::uint32_t>(value)
                                         : static_cast<std::uint64_t>(value);
}

/// Compares sets with the headers, and remembers which.
class FlagCheck {
 public:
  void operator()(std::string_view set_name, const List& expected);
  bool has_seen(std::string_view set_name) const { return seen_.contains(set_name); }

 private:
  std::set<std::string_view> seen_;
};

void FlagCheck::operator()(std::string_view set_name, const List& expected) {
  const FlagSet set = native().flag_set(set_name);
  INFO("set " << set_name);
  REQUIRE(set);
  seen_.insert(set_name);
  std::set<std::string_view> names;
  for (const Expected& value : expected) {
    INFO(value.name);
    names.insert(value.name);
    const auto in_table = set.guest_value(value.name);
    REQUIRE(in_table);
    CHECK(unsigned_of(static_cast<std::int64_t>(*in_table)) == unsigned_of(value.value));
  }
  for (const auto& value : set.values()) {
    INFO(set.value_name(value));
    // Newer than the headers here: nothing to compare with.
    if (!names.contains(set.value_name(value))) WARN("not in the headers: " << set.value_name(value));
    CHECK(value.native == value.guest);
  }
}

}  // namespace

TEST_CASE("every errno of the kernel has its number") {
  const List list = {
      V(EPERM) V(ENOENT) V(ESRCH) V(EINTR) V(EIO) V(ENXIO) V(E2BIG) V(ENOEXEC) V(EBADF) V(ECHILD) V(EAGAIN) V(
          ENOMEM) V(EACCES) V(EFAULT) V(ENOTBLK) V(EBUSY) V(EEXIST) V(EXDEV) V(ENODEV) V(ENOTDIR) V(EISDIR)
          V(EINVAL) V(ENFILE) V(EMFILE) V(ENOTTY) V(ETXTBSY) V(EFBIG) V(ENOSPC) V(ESPIPE) V(EROFS) V(EMLINK)
              V(EPIPE) V(EDOM) V(ERANGE) V(EDEADLK) V(ENAMETOOLONG) V(ENOLCK) V(ENOSYS) V(ENOTEMPTY) V(ELOOP)
                  V(ENOMSG) V(EIDRM) V(ECHRNG) V(EL2NSYNC) V(EL3HLT) V(EL3RST) V(ELNRNG) V(EUNATCH) V(
                      ENOCSI) V(EL2HLT) V(EBADE) V(EBADR) V(EXFULL) V(ENOANO) V(EBADRQC) V(EBADSLT) V(EBFONT)
                      V(ENOSTR) V(ENODATA) V(ETIME) V(ENOSR) V(ENONET) V(ENOPKG) V(EREMOTE) V(ENOLINK) V(EADV)
                          V(ESRMNT) V(ECOMM) V(EPROTO) V(EMULTIHOP) V(EDOTDOT) V(EBADMSG)
                              V(EOVERFLOW) V(ENOTUNIQ) V(EBADFD) V(EREMCHG) V(ELIBACC) V(ELIBBAD) V(ELIBSCN)
                                  V(ELIBMAX) V(ELIBEXEC) V(EILSEQ) V(ERESTART) V(ESTRPIPE)
                                      V(EUSERS) V(ENOTSOCK) V(EDESTADDRREQ) V(EMSGSIZE) V(EPROTOTYPE)
                                          V(ENOPROTOOPT) V(EPROTONOSUPPORT) V(ESOCKTNOSUPPORT) V(
                                              EOPNOTSUPP) V(EPFNOSUPPORT) V(EAFNOSUPPORT) V(EADDRINUSE)
                                              V(EADDRNOTAVAIL) V(ENETDOWN) V(ENETUNREACH) V(
                                                  ENETRESET) V(ECONNABORTED) V(ECONNRESET) V(ENOBUFS)
                                                  V(EISCONN) V(ENOTCONN) V(ESHUTDOWN) V(ETOOMANYREFS) V(
                                                      ETIMEDOUT) V(ECONNREFUSED)
                                                      V(EHOSTDOWN) V(EHOSTUNREACH) V(EALREADY) V(EINPROGRESS)
                                                          V(ESTALE) V(EUCLEAN) V(ENOTNAM) V(ENAVAIL) V(EISNAM)
                                                              V(EREMOTEIO) V(EDQUOT) V(ENOMEDIUM)
                                                                  V(EMEDIUMTYPE) V(ECANCELED) V(ENOKEY)
                                                                      V(EKEYEXPIRED) V(EKEYREVOKED)
                                                                          V(EKEYREJECTED) V(EOWNERDEAD)
                                                                              V(ENOTRECOVERABLE) V(ERFKILL)
                                                                                  V(EHWPOISON)};
  for (const Expected& error : list) {
    INFO(error.name);
    const int number = static_cast<int>(error.value);
    CHECK(native().errno_name(number) == error.name);
    CHECK(native().errno_to_guest(number) == number);
  }
  CHECK(list.size() == 131);
  CHECK(native().errno_name(41).empty());  // EWOULDBLOCK and EDEADLOCK have no numbers of their own
  CHECK(native().errno_name(58).empty());
}

TEST_CASE("every signal of the kernel has its number") {
  const List list = {V(SIGHUP) V(SIGINT) V(SIGQUIT) V(SIGILL) V(SIGTRAP) V(SIGABRT) V(SIGBUS) V(SIGFPE)
                         V(SIGKILL) V(SIGUSR1) V(SIGSEGV) V(SIGUSR2) V(SIGPIPE) V(SIGALRM) V(SIGTERM)
                             V(SIGSTKFLT) V(SIGCHLD) V(SIGCONT) V(SIGSTOP) V(SIGTSTP) V(SIGTTIN) V(SIGTTOU)
                                 V(SIGURG) V(SIGXCPU) V(SIGXFSZ) V(SIGVTALRM) V(SIGPROF) V(SIGWINCH) V(SIGIO)
                                     V(SIGPWR) V(SIGSYS)};
  for (const Expected& signal : list)
    CHECK(native().signal_name(static_cast<int>(signal.value)) == signal.name);
  CHECK(list.size() == 31);
  CHECK(native().signal_name(32) == "SIGRT32");  // the C library's own
  CHECK(native().signal_name(33) == "SIGRT33");
  CHECK(native().signal_name(SIGRTMIN) == "SIGRTMIN");
  for (int i = SIGRTMIN + 1; i <= SIGRTMAX; ++i)
    CHECK(native().signal_name(i) == "SIGRTMIN+" + std::to_string(i - SIGRTMIN));
  CHECK(native().signal_limit() == SIGRTMAX);
  for (int i = 0; i <= SIGRTMAX; ++i) {
    CHECK(native().signal_to_native(i) == i);
    CHECK(native().signal_to_guest(i) == i);
  }
}

TEST_CASE("every call has its number") {
  // NOLINTNEXTLINE: as above
#define C(name) {#name, SYS_##name},
  const List list = {
      C(read) C(write) C(open) C(close) C(stat) C(fstat) C(lstat) C(poll) C(lseek) C(mmap) C(mprotect) C(
          munmap) C(brk) C(rt_sigaction) C(rt_sigprocmask) C(rt_sigreturn) C(ioctl) C(pread64) C(pwrite64)
          C(readv) C(writev) C(access) C(pipe) C(select) C(sched_yield) C(mremap) C(msync) C(mincore) C(
              madvise) C(shmget) C(shmat) C(shmctl) C(dup) C(dup2) C(pause) C(nanosleep) C(getitimer) C(alarm)
              C(setitimer) C(getpid) C(sendfile) C(socket) C(connect) C(accept) C(sendto) C(recvfrom)
                  C(sendmsg) C(recvmsg) C(shutdown) C(bind) C(listen) C(getsockname) C(getpeername) C(
                      socketpair) C(setsockopt) C(getsockopt) C(clone) C(fork) C(vfork) C(execve) C(exit)
                      C(wait4) C(kill) C(uname) C(semget) C(semop) C(semctl) C(
                          shmdt) C(msgget) C(msgsnd) C(msgrcv) C(msgctl) C(fcntl) C(flock) C(fsync)
                          C(fdatasync) C(truncate) C(ftruncate) C(getdents) C(getcwd) C(
                              chdir) C(fchdir) C(rename) C(mkdir) C(rmdir) C(creat) C(link)
                              C(unlink) C(symlink) C(readlink) C(chmod) C(fchmod) C(chown) C(fchown) C(
                                  lchown) C(umask) C(gettimeofday) C(getrlimit) C(getrusage) C(sysinfo)
                                  C(times) C(ptrace) C(getuid) C(syslog) C(getgid) C(setuid) C(setgid) C(
                                      geteuid) C(getegid) C(setpgid) C(getppid) C(getpgrp)
                                      C(setsid) C(setreuid) C(setregid) C(getgroups) C(setgroups) C(
                                          setresuid) C(getresuid) C(setresgid) C(getresgid)
                                          C(getpgid) C(setfsuid) C(setfsgid) C(getsid) C(capget) C(capset) C(
                                              rt_sigpending) C(rt_sigtimedwait) C(rt_sigqueueinfo)
                                              C(rt_sigsuspend) C(
                                                  sigaltstack) C(utime)
                                                  C(mknod) C(uselib) C(personality) C(ustat) C(statfs) C(
                                                      fstatfs) C(sysfs) C(getpriority)
                                                      C(setpriority) C(sched_setparam) C(sched_getparam) C(
                                                          sched_setscheduler) C(sched_getscheduler)
                                                          C(sched_get_priority_max) C(sched_get_priority_min) C(
                                                              sched_rr_get_interval) C(mlock) C(munlock) C(mlockall)
                                                              C(munlockall) C(vhangup) C(modify_ldt) C(
                                                                  pivot_root) C(_sysctl) C(prctl)
                                                                  C(arch_prctl) C(adjtimex) C(setrlimit) C(
                                                                      chroot) C(sync) C(acct) C(settimeofday) C(mount)
                                                                      C(umount2) C(swapon) C(
                                                                          swapoff) C(reboot) C(sethostname)
                                                                          C(setdomainname) C(iopl) C(ioperm) C(
                                                                              create_module) C(init_module)
                                                                              C(delete_module) C(get_kernel_syms) C(
                                                                                  query_module) C(quotactl)
                                                                                  C(nfsservctl) C(getpmsg) C(
                                                                                      putpmsg) C(afs_syscall)
                                                                                      C(tuxcall) C(
                                                                                          security) C(gettid)
                                                                                          C(readahead) C(
                                                                                              setxattr)
                                                                                              C(lsetxattr) C(
                                                                                                  fsetxattr)
                                                                                                  C(getxattr) C(
                                                                                                      lgetxattr)
                                                                                                      C(fgetxattr)
                                                                                                          C(listxattr)
                                                                                                              C(llistxattr)
                                                                                                                  C(flistxattr)
                                                                                                                      C(removexattr)
                                                                                                                          C(lremovexattr) C(fremovexattr) C(
                                                                                                                              tkill)
                                                                                                                              C(time) C(
                                                                                                                                  futex)
                                                                                                                                  C(sched_setaffinity)
                                                                                                                                      C(sched_getaffinity)
                                                                                                                                          C(set_thread_area) C(io_setup) C(
                                                                                                                                              io_destroy)
                                                                                                                                              C(io_getevents) C(
                                                                                                                                                  io_submit)
                                                                                                                                                  C(
                                                                                                                                                      io_cancel) C(get_thread_area) C(lookup_dcookie) C(epoll_create) C(epoll_ctl_old) C(epoll_wait_old) C(remap_file_pages) C(getdents64) C(set_tid_address) C(restart_syscall) C(semtimedop) C(fadvise64) C(timer_create) C(timer_settime) C(timer_gettime) C(timer_getoverrun) C(timer_delete) C(clock_settime) C(clock_gettime) C(clock_getres) C(clock_nanosleep) C(exit_group) C(epoll_wait) C(epoll_ctl) C(tgkill) C(utimes) C(vserver) C(mbind) C(set_mempolicy) C(get_mempolicy) C(mq_open) C(mq_unlink) C(mq_timedsend) C(mq_timedreceive) C(mq_notify) C(mq_getsetattr)
                                                                                                                                                      C(
                                                                                                                                                          kexec_load) C(waitid) C(add_key) C(request_key) C(keyctl) C(ioprio_set) C(ioprio_get) C(inotify_init) C(inotify_add_watch)
                                                                                                                                                          C(
                                                                                                                                                              inotify_rm_watch) C(migrate_pages) C(openat) C(mkdirat) C(mknodat) C(fchownat) C(futimesat) C(newfstatat) C(unlinkat) C(renameat) C(linkat)
                                                                                                                                                              C(symlinkat)
                                                                                                                                                                  C(readlinkat) C(
                                                                                                                                                                      fchmodat)
                                                                                                                                                                      C(
                                                                                                                                                                          faccessat) C(pselect6) C(ppoll) C(unshare) C(set_robust_list)
                                                                                                                                                                          C(get_robust_list)
                                                                                                                                                                              C(splice)
                                                                                                                                                                                  C(tee) C(sync_file_range) C(
                                                                                                                                                                                      vmsplice)
                                                                                                                                                                                      C(move_pages) C(
                                                                                                                                                                                          utimensat)
                                                                                                                                                                                          C(epoll_pwait) C(signalfd) C(timerfd_create) C(eventfd)
                                                                                                                                                                                              C(fallocate)
                                                                                                                                                                                                  C(timerfd_settime)
                                                                                                                                                                                                      C(timerfd_gettime)
                                                                                                                                                                                                          C(accept4)
                                                                                                                                                                                                              C(signalfd4)
                                                                                                                                                                                                                  C(eventfd2) C(
                                                                                                                                                                                                                      epoll_create1)
                                                                                                                                                                                                                      C(dup3)
                                                                                                                                                                                                                          C(pipe2)
                                                                                                                                                                                                                              C(
                                                                                                                                                                                                                                  inotify_init1)
                                                                                                                                                                                                                                  C(preadv) C(
                                                                                                                                                                                                                                      pwritev)
                                                                                                                                                                                                                                      C(rt_tgsigqueueinfo) C(
                                                                                                                                                                                                                                          perf_event_open)
                                                                                                                                                                                                                                          C(recvmmsg)
                                                                                                                                                                                                                                              C(fanotify_init)
                                                                                                                                                                                                                                                  C(fanotify_mark) C(
                                                                                                                                                                                                                                                      prlimit64) C(name_to_handle_at) C(open_by_handle_at) C(clock_adjtime) C(syncfs) C(sendmmsg) C(setns)
                                                                                                                                                                                                                                                      C(getcpu)
                                                                                                                                                                                                                                                          C(process_vm_readv) C(
                                                                                                                                                                                                                                                              process_vm_writev)
                                                                                                                                                                                                                                                              C(kcmp) C(
                                                                                                                                                                                                                                                                  finit_module)
                                                                                                                                                                                                                                                                  C(sched_setattr)
                                                                                                                                                                                                                                                                      C(sched_getattr)
                                                                                                                                                                                                                                                                          C(renameat2)
                                                                                                                                                                                                                                                                              C(seccomp) C(getrandom) C(
                                                                                                                                                                                                                                                                                  memfd_create)
                                                                                                                                                                                                                                                                                  C(kexec_file_load) C(bpf) C(
                                                                                                                                                                                                                                                                                      execveat) C(userfaultfd) C(membarrier)
                                                                                                                                                                                                                                                                                      C(mlock2) C(copy_file_range)
                                                                                                                                                                                                                                                                                          C(preadv2) C(pwritev2) C(pkey_mprotect) C(
                                                                                                                                                                                                                                                                                              pkey_alloc) C(pkey_free) C(statx)
                                                                                                                                                                                                                                                                                              C(io_pgetevents)
                                                                                                                                                                                                                                                                                                  C(rseq)
                                                                                                                                                                                                                                                                                                      C(pidfd_send_signal)
                                                                                                                                                                                                                                                                                                          C(io_uring_setup) C(io_uring_enter) C(
                                                                                                                                                                                                                                                                                                              io_uring_register)
                                                                                                                                                                                                                                                                                                              C(open_tree) C(
                                                                                                                                                                                                                                                                                                                  move_mount)
                                                                                                                                                                                                                                                                                                                  C(fsopen) C(
                                                                                                                                                                                                                                                                                                                      fsconfig)
                                                                                                                                                                                                                                                                                                                      C(fsmount) C(
                                                                                                                                                                                                                                                                                                                          fspick)
                                                                                                                                                                                                                                                                                                                          C(pidfd_open)
#ifdef SYS_uretprobe
                                                                                                                                                                                                                                                                                                                              C(uretprobe)
#endif
#ifdef SYS_uprobe
                                                                                                                                                                                                                                                                                                                                  C(uprobe)
#endif
#ifdef SYS_clone3
                                                                                                                                                                                                                                                                                                                                      C(clone3)
#endif
#ifdef SYS_close_range
                                                                                                                                                                                                                                                                                                                                          C(close_range)
#endif
#ifdef SYS_openat2
                                                                                                                                                                                                                                                                                                                                              C(openat2)
#endif
#ifdef SYS_pidfd_getfd
                                                                                                                                                                                                                                                                                                                                                  C(pidfd_getfd)
#endif
#ifdef SYS_faccessat2
                                                                                                                                                                                                                                                                                                                                                      C(faccessat2)
#endif
#ifdef SYS_process_madvise
                                                                                                                                                                                                                                                                                                                                                          C(process_madvise)
#endif
#ifdef SYS_epoll_pwait2
                                                                                                                                                                                                                                                                                                                                                              C(epoll_pwait2)
#endif
#ifdef SYS_mount_setattr
                                                                                                                                                                                                                                                                                                                                                                  C(mount_setattr)
#endif
#ifdef SYS_quotactl_fd
                                                                                                                                                                                                                                                                                                                                                                      C(quotactl_fd)
#endif
#ifdef SYS_landlock_create_ruleset
                                                                                                                                                                                                                                                                                                                                                                          C(landlock_create_ruleset)
#endif
#ifdef SYS_landlock_add_rule
                                                                                                                                                                                                                                                                                                                                                                              C(landlock_add_rule)
#endif
#ifdef SYS_landlock_restrict_self
                                                                                                                                                                                                                                                                                                                                                                                  C(landlock_restrict_self)
#endif
#ifdef SYS_memfd_secret
                                                                                                                                                                                                                                                                                                                                                                                      C(memfd_secret)
#endif
#ifdef SYS_process_mrelease
                                                                                                                                                                                                                                                                                                                                                                                          C(process_mrelease)
#endif
#ifdef SYS_futex_waitv
                                                                                                                                                                                                                                                                                                                                                                                              C(futex_waitv)
#endif
#ifdef SYS_set_mempolicy_home_node
                                                                                                                                                                                                                                                                                                                                                                                                  C(set_mempolicy_home_node)
#endif
#ifdef SYS_cachestat
                                                                                                                                                                                                                                                                                                                                                                                                      C(cachestat)
#endif
#ifdef SYS_fchmodat2
                                                                                                                                                                                                                                                                                                                                                                                                          C(fchmodat2)
#endif
#ifdef SYS_map_shadow_stack
                                                                                                                                                                                                                                                                                                                                                                                                              C(map_shadow_stack)
#endif
#ifdef SYS_futex_wake
                                                                                                                                                                                                                                                                                                                                                                                                                  C(futex_wake)
#endif
#ifdef SYS_futex_wait
                                                                                                                                                                                                                                                                                                                                                                                                                      C(futex_wait)
#endif
#ifdef SYS_futex_requeue
                                                                                                                                                                                                                                                                                                                                                                                                                          C(futex_requeue)
#endif
#ifdef SYS_statmount
                                                                                                                                                                                                                                                                                                                                                                                                                              C(statmount)
#endif
#ifdef SYS_listmount
                                                                                                                                                                                                                                                                                                                                                                                                                                  C(listmount)
#endif
#ifdef SYS_lsm_get_self_attr
                                                                                                                                                                                                                                                                                                                                                                                                                                      C(lsm_get_self_attr)
#endif
#ifdef SYS_lsm_set_self_attr
                                                                                                                                                                                                                                                                                                                                                                                                                                          C(lsm_set_self_attr)
#endif
#ifdef SYS_lsm_list_modules
                                                                                                                                                                                                                                                                                                                                                                                                                                              C(lsm_list_modules)
#endif
#ifdef SYS_mseal
                                                                                                                                                                                                                                                                                                                                                                                                                                                  C(mseal)
#endif
#ifdef SYS_setxattrat
                                                                                                                                                                                                                                                                                                                                                                                                                                                      C(setxattrat)
#endif
#ifdef SYS_getxattrat
                                                                                                                                                                                                                                                                                                                                                                                                                                                          C(getxattrat)
#endif
#ifdef SYS_listxattrat
                                                                                                                                                                                                                                                                                                                                                                                                                                                              C(listxattrat)
#endif
#ifdef SYS_removexattrat
                                                                                                                                                                                                                                                                                                                                                                                                                                                                  C(removexattrat)
#endif
#ifdef SYS_open_tree_attr
                                                                                                                                                                                                                                                                                                                                                                                                                                                                      C(open_tree_attr)
#endif
#ifdef SYS_file_getattr
                                                                                                                                                                                                                                                                                                                                                                                                                                                                          C(file_getattr)
#endif
#ifdef SYS_file_setattr
                                                                                                                                                                                                                                                                                                                                                                                                                                                                              C(file_setattr)
#endif
  };
#undef C
  for (const Expected& call : list) {
    INFO(call.name);
    const auto& entry = native().entry(static_cast<std::uint64_t>(call.value));
    CHECK(entry.number == static_cast<std::uint64_t>(call.value));
    CHECK(native().string(entry.name) == call.name);
  }
}

TEST_CASE("every flag has the value of the headers") {
  FlagCheck check_set;
  check_set("open_flags",
            {
                V(O_RDONLY) V(O_WRONLY) V(O_RDWR) V(O_CREAT) V(O_EXCL) V(O_NOCTTY) V(O_TRUNC) V(O_APPEND)
                    V(O_NONBLOCK) V(O_DSYNC) V(O_SYNC) V(O_ASYNC) V(O_DIRECT) V(O_DIRECTORY) V(O_TMPFILE)
                        V(O_NOFOLLOW) V(O_NOATIME) V(O_CLOEXEC) V(O_PATH){"O_LARGEFILE", 0x8000},
            });
  check_set("at_flags",
            {V(AT_SYMLINK_NOFOLLOW) V(AT_EACCESS) V(AT_REMOVEDIR) V(AT_SYMLINK_FOLLOW) V(AT_NO_AUTOMOUNT)
                 V(AT_EMPTY_PATH) V(AT_STATX_FORCE_SYNC) V(AT_STATX_DONT_SYNC) V(AT_RECURSIVE)});
  check_set("unlinkat_flags", {V(AT_REMOVEDIR)});
  check_set("access_mode", {V(F_OK) V(R_OK) V(W_OK) V(X_OK)});
  check_set("mode_bits", {V(S_IFIFO) V(S_IFCHR) V(S_IFDIR) V(S_IFBLK) V(S_IFREG) V(S_IFLNK) V(S_IFSOCK)
                              V(S_ISUID) V(S_ISGID) V(S_ISVTX) V(S_IRUSR) V(S_IWUSR) V(S_IXUSR) V(S_IRGRP)
                                  V(S_IWGRP) V(S_IXGRP) V(S_IROTH) V(S_IWOTH) V(S_IXOTH)});
  check_set("resolve_flags", {
#ifdef RESOLVE_NO_XDEV
                                 V(RESOLVE_NO_XDEV)
#endif
#ifdef RESOLVE_NO_MAGICLINKS
                                     V(RESOLVE_NO_MAGICLINKS)
#endif
#ifdef RESOLVE_NO_SYMLINKS
                                         V(RESOLVE_NO_SYMLINKS)
#endif
#ifdef RESOLVE_BENEATH
                                             V(RESOLVE_BENEATH)
#endif
#ifdef RESOLVE_IN_ROOT
                                                 V(RESOLVE_IN_ROOT)
#endif
#ifdef RESOLVE_CACHED
                                                     V(RESOLVE_CACHED)
#endif
                             });
  check_set("rename_flags", {V(RENAME_NOREPLACE) V(RENAME_EXCHANGE) V(RENAME_WHITEOUT)});
  check_set("fallocate_mode",
            {V(FALLOC_FL_KEEP_SIZE) V(FALLOC_FL_PUNCH_HOLE) V(FALLOC_FL_COLLAPSE_RANGE)
                 V(FALLOC_FL_ZERO_RANGE) V(FALLOC_FL_INSERT_RANGE) V(FALLOC_FL_UNSHARE_RANGE)});
  check_set("statx_mask",
            {V(STATX_TYPE) V(STATX_MODE) V(STATX_NLINK) V(STATX_UID) V(STATX_GID) V(STATX_ATIME)
                 V(STATX_MTIME) V(STATX_CTIME) V(STATX_INO) V(STATX_SIZE) V(STATX_BLOCKS) V(STATX_BTIME)
#ifdef STATX_MNT_ID
                     V(STATX_MNT_ID)
#endif
#ifdef STATX_DIOALIGN
                         V(STATX_DIOALIGN)
#endif
            });
  check_set("fadvise_advice", {V(POSIX_FADV_NORMAL) V(POSIX_FADV_RANDOM) V(POSIX_FADV_SEQUENTIAL)
                                   V(POSIX_FADV_WILLNEED) V(POSIX_FADV_DONTNEED) V(POSIX_FADV_NOREUSE)});
  check_set("seek_whence", {V(SEEK_SET) V(SEEK_CUR) V(SEEK_END) V(SEEK_DATA) V(SEEK_HOLE)});
  check_set("fcntl_cmd",
            {V(F_DUPFD) V(F_GETFD) V(F_SETFD) V(F_GETFL) V(F_SETFL) V(F_GETLK) V(F_SETLK) V(F_SETLKW)
                 V(F_SETOWN) V(F_GETOWN) V(F_SETSIG) V(F_GETSIG) V(F_SETOWN_EX) V(F_GETOWN_EX) V(F_OFD_GETLK)
                     V(F_OFD_SETLK) V(F_OFD_SETLKW) V(F_SETLEASE) V(F_GETLEASE) V(F_NOTIFY) V(F_DUPFD_CLOEXEC)
                         V(F_SETPIPE_SZ) V(F_GETPIPE_SZ) V(F_ADD_SEALS) V(F_GET_SEALS) V(F_GET_RW_HINT)
                             V(F_SET_RW_HINT) V(F_GET_FILE_RW_HINT) V(F_SET_FILE_RW_HINT)});
  check_set("fd_flags", {V(FD_CLOEXEC)});
  check_set("flock_op", {V(LOCK_SH) V(LOCK_EX) V(LOCK_NB) V(LOCK_UN)});
  check_set("flock_type", {V(F_RDLCK) V(F_WRLCK) V(F_UNLCK)});
  check_set("close_range_flags", {
#ifdef CLOSE_RANGE_UNSHARE
                                     V(CLOSE_RANGE_UNSHARE)
#endif
#ifdef CLOSE_RANGE_CLOEXEC
                                         V(CLOSE_RANGE_CLOEXEC)
#endif
                                 });
  check_set("splice_flags", {V(SPLICE_F_MOVE) V(SPLICE_F_NONBLOCK) V(SPLICE_F_MORE) V(SPLICE_F_GIFT)});
  check_set("rwf_flags", {V(RWF_HIPRI) V(RWF_DSYNC) V(RWF_SYNC) V(RWF_NOWAIT) V(RWF_APPEND)});
  check_set("sync_file_range_flags",
            {V(SYNC_FILE_RANGE_WAIT_BEFORE) V(SYNC_FILE_RANGE_WRITE) V(SYNC_FILE_RANGE_WAIT_AFTER)});
  check_set("file_flags", {V(FS_IMMUTABLE_FL) V(FS_APPEND_FL) V(FS_NODUMP_FL)});
  check_set("kcmp_type", {V(KCMP_FILE) V(KCMP_VM) V(KCMP_FILES) V(KCMP_FS) V(KCMP_SIGHAND) V(KCMP_IO)
                              V(KCMP_SYSVSEM) V(KCMP_EPOLL_TFD)});
  check_set("xattr_flags", {V(XATTR_CREATE) V(XATTR_REPLACE)});
  check_set("mmap_prot",
            {V(PROT_NONE) V(PROT_READ) V(PROT_WRITE) V(PROT_EXEC) V(PROT_GROWSDOWN) V(PROT_GROWSUP)});
  check_set("mmap_flags",
            {V(MAP_SHARED) V(MAP_PRIVATE) V(MAP_SHARED_VALIDATE) V(MAP_FILE) V(MAP_FIXED) V(MAP_ANONYMOUS)
                 V(MAP_ANON) V(MAP_32BIT) V(MAP_GROWSDOWN) V(MAP_DENYWRITE) V(MAP_EXECUTABLE) V(MAP_LOCKED)
                     V(MAP_NORESERVE) V(MAP_POPULATE) V(MAP_NONBLOCK) V(MAP_STACK) V(MAP_HUGETLB)
                         V(MAP_SYNC){"MAP_HUGE_2MB", 0x54000000},
             {"MAP_HUGE_1GB", 0x78000000},
#ifdef MAP_FIXED_NOREPLACE
             V(MAP_FIXED_NOREPLACE)
#endif
            });
  check_set("mremap_flags", {V(MREMAP_MAYMOVE) V(MREMAP_FIXED)
#ifdef MREMAP_DONTUNMAP
                                 V(MREMAP_DONTUNMAP)
#endif
                            });
  check_set("madvise_behavior",
            {V(MADV_NORMAL) V(MADV_RANDOM) V(MADV_SEQUENTIAL) V(MADV_WILLNEED) V(MADV_DONTNEED) V(MADV_FREE)
                 V(MADV_REMOVE) V(MADV_DONTFORK) V(MADV_DOFORK) V(MADV_MERGEABLE) V(MADV_UNMERGEABLE)
                     V(MADV_HUGEPAGE) V(MADV_NOHUGEPAGE) V(MADV_DONTDUMP) V(MADV_DODUMP) V(MADV_WIPEONFORK)
                         V(MADV_KEEPONFORK) V(MADV_HWPOISON){"MADV_COLLAPSE", 25},
             {"MADV_SOFT_OFFLINE", 101},
             {"MADV_GUARD_INSTALL", 102},
             {"MADV_GUARD_REMOVE", 103},
#ifdef MADV_COLD
             V(MADV_COLD)
#endif
#ifdef MADV_PAGEOUT
                 V(MADV_PAGEOUT)
#endif
#ifdef MADV_POPULATE_READ
                     V(MADV_POPULATE_READ)
#endif
#ifdef MADV_POPULATE_WRITE
                         V(MADV_POPULATE_WRITE)
#endif
#ifdef MADV_DONTNEED_LOCKED
                             V(MADV_DONTNEED_LOCKED)
#endif
            });
  check_set("msync_flags", {V(MS_ASYNC) V(MS_INVALIDATE) V(MS_SYNC)});
  check_set("mlockall_flags", {V(MCL_CURRENT) V(MCL_FUTURE) V(MCL_ONFAULT)});
  check_set("mlock2_flags", {V(MLOCK_ONFAULT)});
  check_set("memfd_flags", {
                               V(MFD_CLOEXEC) V(MFD_ALLOW_SEALING) V(MFD_HUGETLB){"MFD_NOEXEC_SEAL", 0x8},
                               {"MFD_EXEC", 0x10},
                           });
  check_set("shm_flags", {V(SHM_RDONLY) V(SHM_RND) V(SHM_REMAP) V(SHM_EXEC)});
  check_set("ipc_flags", {V(IPC_CREAT) V(IPC_EXCL) V(IPC_NOWAIT)});
  check_set("msgrcv_flags", {V(IPC_NOWAIT) V(MSG_NOERROR) V(MSG_EXCEPT) V(MSG_COPY)});
  check_set("ipc_cmd", {V(IPC_RMID) V(IPC_SET) V(IPC_STAT) V(IPC_INFO)});
  check_set("semctl_cmd", {V(IPC_RMID) V(IPC_SET) V(IPC_STAT) V(IPC_INFO) V(GETPID) V(GETVAL) V(GETALL)
                               V(GETNCNT) V(GETZCNT) V(SETVAL) V(SETALL) V(SEM_STAT) V(SEM_INFO)});
  check_set("clock_id",
            {V(CLOCK_REALTIME) V(CLOCK_MONOTONIC) V(CLOCK_PROCESS_CPUTIME_ID) V(CLOCK_THREAD_CPUTIME_ID)
                 V(CLOCK_MONOTONIC_RAW) V(CLOCK_REALTIME_COARSE) V(CLOCK_MONOTONIC_COARSE) V(CLOCK_BOOTTIME)
                     V(CLOCK_REALTIME_ALARM) V(CLOCK_BOOTTIME_ALARM) V(CLOCK_TAI)
             // Not in the headers: the clock of process 0, its time in user mode.
             {"CLOCK_PROCESS_USER", ~0 * 8 + 1}});
  check_set("timer_flags", {V(TIMER_ABSTIME) V(TFD_TIMER_CANCEL_ON_SET)});
  check_set("timerfd_flags", {V(TFD_CLOEXEC) V(TFD_NONBLOCK)});
  check_set("itimer_which", {V(ITIMER_REAL) V(ITIMER_VIRTUAL) V(ITIMER_PROF)});
  check_set("wait_options", {V(WNOHANG) V(WUNTRACED) V(WSTOPPED) V(WEXITED) V(WCONTINUED) V(WNOWAIT)
                                 V(__WNOTHREAD) V(__WALL) V(__WCLONE)});
  check_set("id_type", {
                           {"P_ALL", 0},
                           {"P_PID", 1},
                           {"P_PGID", 2},
                           {"P_PIDFD", 3},
                       });
  check_set("priority_which", {V(PRIO_PROCESS) V(PRIO_PGRP) V(PRIO_USER)});
  check_set("rlimit_resource", {V(RLIMIT_CPU) V(RLIMIT_FSIZE) V(RLIMIT_DATA) V(RLIMIT_STACK) V(RLIMIT_CORE)
                                    V(RLIMIT_RSS) V(RLIMIT_NPROC) V(RLIMIT_NOFILE) V(RLIMIT_MEMLOCK)
                                        V(RLIMIT_AS) V(RLIMIT_LOCKS) V(RLIMIT_SIGPENDING) V(RLIMIT_MSGQUEUE)
                                            V(RLIMIT_NICE) V(RLIMIT_RTPRIO) V(RLIMIT_RTTIME)});
  check_set("rusage_who", {V(RUSAGE_SELF) V(RUSAGE_CHILDREN) V(RUSAGE_THREAD)});
  check_set("sched_policy",
            {V(SCHED_OTHER) V(SCHED_FIFO) V(SCHED_RR) V(SCHED_BATCH) V(SCHED_IDLE) V(SCHED_DEADLINE)});
  check_set("sigprocmask_how", {V(SIG_BLOCK) V(SIG_UNBLOCK) V(SIG_SETMASK)});
  check_set("sigaction_flags", {
                                   V(SA_NOCLDSTOP) V(SA_NOCLDWAIT) V(SA_SIGINFO) V(SA_ONSTACK) V(SA_RESTART)
                                       V(SA_NODEFER) V(SA_RESETHAND){"SA_UNSUPPORTED", 0x400},
                                   {"SA_EXPOSE_TAGBITS", 0x800},
                                   {"SA_RESTORER", 0x04000000},
                               });
  check_set("sigaltstack_flags", {
                                     V(SS_ONSTACK) V(SS_DISABLE){"SS_AUTODISARM", 0x80000000},
                                 });
  check_set("siginfo_code", {V(SI_USER) V(SI_QUEUE) V(SI_TIMER) V(SI_MESGQ) V(SI_ASYNCIO) V(SI_SIGIO)
                                 V(SI_TKILL) V(SI_KERNEL)});
  check_set("sigill_code", {V(ILL_ILLOPC) V(ILL_ILLOPN) V(ILL_ILLADR) V(ILL_ILLTRP) V(ILL_PRVOPC)
                                V(ILL_PRVREG) V(ILL_COPROC) V(ILL_BADSTK)});
  check_set("sigfpe_code", {V(FPE_INTDIV) V(FPE_INTOVF) V(FPE_FLTDIV) V(FPE_FLTOVF) V(FPE_FLTUND)
                                V(FPE_FLTRES) V(FPE_FLTINV) V(FPE_FLTSUB)});
  check_set("sigsegv_code", {V(SEGV_MAPERR) V(SEGV_ACCERR) V(SEGV_BNDERR) V(SEGV_PKUERR)});
  check_set("sigbus_code", {V(BUS_ADRALN) V(BUS_ADRERR) V(BUS_OBJERR) V(BUS_MCEERR_AR) V(BUS_MCEERR_AO)});
  check_set("sigtrap_code", {V(TRAP_BRKPT) V(TRAP_TRACE) V(TRAP_BRANCH) V(TRAP_HWBKPT)});
  check_set("sigchld_code",
            {V(CLD_EXITED) V(CLD_KILLED) V(CLD_DUMPED) V(CLD_TRAPPED) V(CLD_STOPPED) V(CLD_CONTINUED)});
  check_set("signalfd_flags", {V(SFD_CLOEXEC) V(SFD_NONBLOCK)});
  check_set("socket_domain",
            {V(AF_UNSPEC) V(AF_UNIX) V(AF_LOCAL) V(AF_INET) V(AF_AX25) V(AF_IPX) V(AF_APPLETALK) V(AF_NETROM)
                 V(AF_BRIDGE) V(AF_ATMPVC) V(AF_X25) V(AF_INET6) V(AF_ROSE) V(AF_DECnet) V(AF_NETBEUI)
                     V(AF_SECURITY) V(AF_KEY) V(AF_NETLINK) V(AF_ROUTE) V(AF_PACKET) V(AF_ASH) V(AF_ECONET)
                         V(AF_ATMSVC) V(AF_RDS) V(AF_SNA) V(AF_IRDA) V(AF_PPPOX) V(AF_WANPIPE) V(AF_LLC)
                             V(AF_IB) V(AF_MPLS) V(AF_CAN) V(AF_TIPC) V(AF_BLUETOOTH) V(AF_IUCV) V(AF_RXRPC)
                                 V(AF_ISDN) V(AF_PHONET) V(AF_IEEE802154) V(AF_CAIF) V(AF_ALG) V(AF_NFC)
                                     V(AF_VSOCK) V(AF_KCM) V(AF_QIPCRTR) V(AF_SMC) V(AF_XDP)});
  check_set("socket_type", {V(SOCK_STREAM) V(SOCK_DGRAM) V(SOCK_RAW) V(SOCK_RDM) V(SOCK_SEQPACKET)
                                V(SOCK_DCCP) V(SOCK_PACKET) V(SOCK_CLOEXEC) V(SOCK_NONBLOCK)});
  check_set("ip_protocol",
            {V(IPPROTO_IP) V(IPPROTO_ICMP) V(IPPROTO_IGMP) V(IPPROTO_IPIP) V(IPPROTO_TCP) V(IPPROTO_EGP)
                 V(IPPROTO_PUP) V(IPPROTO_UDP) V(IPPROTO_IDP) V(IPPROTO_TP) V(IPPROTO_DCCP) V(IPPROTO_IPV6)
                     V(IPPROTO_RSVP) V(IPPROTO_GRE) V(IPPROTO_ESP) V(IPPROTO_AH) V(IPPROTO_ICMPV6)
                         V(IPPROTO_MTP) V(IPPROTO_ENCAP) V(IPPROTO_PIM) V(IPPROTO_COMP) V(IPPROTO_SCTP)
                             V(IPPROTO_UDPLITE) V(IPPROTO_RAW) V(IPPROTO_ROUTING) V(IPPROTO_FRAGMENT)
                                 V(IPPROTO_NONE) V(IPPROTO_DSTOPTS) V(IPPROTO_HOPOPTS)
#ifdef IPPROTO_MPLS
                                     V(IPPROTO_MPLS)
#endif
            });
  check_set("socket_level", {V(IPPROTO_IP) V(SOL_SOCKET) V(IPPROTO_ICMP) V(IPPROTO_IGMP) V(IPPROTO_TCP)
                                 V(IPPROTO_UDP) V(IPPROTO_IPV6) V(IPPROTO_ICMPV6) V(IPPROTO_SCTP)
                                     V(IPPROTO_UDPLITE) V(IPPROTO_RAW) V(SOL_PACKET) V(SOL_NETLINK) V(SOL_ALG)
#ifdef SOL_TLS
                                         V(SOL_TLS)
#endif
                            });
  check_set("msg_flags", {V(MSG_OOB) V(MSG_PEEK) V(MSG_DONTROUTE) V(MSG_CTRUNC) V(MSG_PROXY) V(MSG_TRUNC)
                              V(MSG_DONTWAIT) V(MSG_EOR) V(MSG_WAITALL) V(MSG_FIN) V(MSG_SYN) V(MSG_CONFIRM)
                                  V(MSG_RST) V(MSG_ERRQUEUE) V(MSG_NOSIGNAL) V(MSG_MORE) V(MSG_WAITFORONE)
                                      V(MSG_BATCH) V(MSG_ZEROCOPY) V(MSG_FASTOPEN) V(MSG_CMSG_CLOEXEC)});
  check_set("shutdown_how", {V(SHUT_RD) V(SHUT_WR) V(SHUT_RDWR)});
  check_set("sockopt_socket",
            {V(SO_DEBUG) V(SO_REUSEADDR) V(SO_TYPE) V(SO_ERROR) V(SO_DONTROUTE) V(SO_BROADCAST) V(SO_SNDBUF)
                 V(SO_RCVBUF) V(SO_KEEPALIVE) V(SO_OOBINLINE) V(SO_NO_CHECK) V(SO_PRIORITY) V(SO_LINGER) V(
                     SO_BSDCOMPAT) V(SO_REUSEPORT) V(SO_PASSCRED) V(SO_PEERCRED) V(SO_RCVLOWAT) V(SO_SNDLOWAT)
                     V(SO_RCVTIMEO) V(SO_SNDTIMEO) V(SO_BINDTODEVICE) V(SO_ATTACH_FILTER) V(SO_DETACH_FILTER)
                         V(SO_PEERNAME) V(SO_TIMESTAMP) V(SO_ACCEPTCONN) V(SO_PEERSEC) V(SO_SNDBUFFORCE)
                             V(SO_RCVBUFFORCE) V(SO_PASSSEC) V(SO_TIMESTAMPNS) V(SO_MARK) V(SO_TIMESTAMPING)
                                 V(SO_PROTOCOL) V(SO_DOMAIN) V(SO_RXQ_OVFL) V(SO_WIFI_STATUS) V(SO_PEEK_OFF)
                                     V(SO_NOFCS) V(SO_LOCK_FILTER) V(SO_SELECT_ERR_QUEUE) V(SO_BUSY_POLL)
                                         V(SO_MAX_PACING_RATE) V(SO_BPF_EXTENSIONS) V(SO_INCOMING_CPU)
                                             V(SO_ATTACH_BPF) V(SO_ATTACH_REUSEPORT_CBPF)
                                                 V(SO_ATTACH_REUSEPORT_EBPF) V(SO_CNX_ADVICE) V(SO_MEMINFO)
                                                     V(SO_INCOMING_NAPI_ID) V(SO_COOKIE) V(SO_PEERGROUPS)
                                                         V(SO_ZEROCOPY) V(SO_TXTIME) V(SO_BINDTOIFINDEX)
                                                             V(SO_TIMESTAMP_NEW) V(SO_TIMESTAMPNS_NEW)
                                                                 V(SO_TIMESTAMPING_NEW) V(SO_RCVTIMEO_NEW)
                                                                     V(SO_SNDTIMEO_NEW){"SO_PASSPIDFD", 76},
             {"SO_PEERPIDFD", 77},
#ifdef SO_DETACH_REUSEPORT_BPF
             V(SO_DETACH_REUSEPORT_BPF)
#endif
#ifdef SO_PREFER_BUSY_POLL
                 V(SO_PREFER_BUSY_POLL)
#endif
#ifdef SO_BUSY_POLL_BUDGET
                     V(SO_BUSY_POLL_BUDGET)
#endif
#ifdef SO_NETNS_COOKIE
                         V(SO_NETNS_COOKIE)
#endif
#ifdef SO_BUF_LOCK
                             V(SO_BUF_LOCK)
#endif
#ifdef SO_RESERVE_MEM
                                 V(SO_RESERVE_MEM)
#endif
#ifdef SO_TXREHASH
                                     V(SO_TXREHASH)
#endif
#ifdef SO_RCVMARK
                                         V(SO_RCVMARK)
#endif
            });
  check_set(
      "sockopt_ip",
      {V(IP_TOS) V(IP_TTL) V(IP_HDRINCL) V(IP_OPTIONS) V(IP_ROUTER_ALERT) V(IP_RECVOPTS) V(IP_RETOPTS)
           V(IP_PKTINFO) V(IP_PKTOPTIONS) V(IP_MTU_DISCOVER) V(IP_RECVERR) V(IP_RECVTTL) V(IP_RECVTOS)
               V(IP_MTU) V(IP_FREEBIND) V(IP_IPSEC_POLICY) V(IP_XFRM_POLICY) V(IP_PASSSEC) V(IP_TRANSPARENT)
                   V(IP_RECVORIGDSTADDR) V(IP_MINTTL) V(IP_NODEFRAG) V(IP_CHECKSUM) V(IP_BIND_ADDRESS_NO_PORT)
                       V(IP_RECVFRAGSIZE) V(IP_MULTICAST_IF) V(IP_MULTICAST_TTL) V(IP_MULTICAST_LOOP)
                           V(IP_ADD_MEMBERSHIP) V(IP_DROP_MEMBERSHIP) V(IP_UNBLOCK_SOURCE) V(IP_BLOCK_SOURCE)
                               V(IP_ADD_SOURCE_MEMBERSHIP) V(IP_DROP_SOURCE_MEMBERSHIP) V(IP_MSFILTER)
                                   V(MCAST_JOIN_GROUP) V(MCAST_BLOCK_SOURCE) V(MCAST_UNBLOCK_SOURCE)
                                       V(MCAST_LEAVE_GROUP) V(MCAST_JOIN_SOURCE_GROUP)
                                           V(MCAST_LEAVE_SOURCE_GROUP) V(MCAST_MSFILTER) V(IP_MULTICAST_ALL)
                                               V(IP_UNICAST_IF){"IP_LOCAL_PORT_RANGE", 51},
       {"IP_PROTOCOL", 52},
#ifdef IP_RECVERR_RFC4884
       V(IP_RECVERR_RFC4884)
#endif
      });
  check_set(
      "sockopt_ipv6",
      {V(IPV6_ADDRFORM) V(IPV6_2292PKTINFO) V(IPV6_2292HOPOPTS) V(IPV6_2292DSTOPTS) V(IPV6_2292RTHDR)
           V(IPV6_2292PKTOPTIONS) V(IPV6_CHECKSUM) V(IPV6_2292HOPLIMIT) V(IPV6_NEXTHOP) V(IPV6_AUTHHDR)
               V(IPV6_UNICAST_HOPS) V(IPV6_MULTICAST_IF) V(IPV6_MULTICAST_HOPS) V(IPV6_MULTICAST_LOOP)
                   V(IPV6_JOIN_GROUP) V(IPV6_LEAVE_GROUP) V(IPV6_ADD_MEMBERSHIP) V(IPV6_DROP_MEMBERSHIP)
                       V(IPV6_ROUTER_ALERT) V(IPV6_MTU_DISCOVER) V(IPV6_MTU) V(IPV6_RECVERR) V(IPV6_V6ONLY)
                           V(IPV6_JOIN_ANYCAST) V(IPV6_LEAVE_ANYCAST) V(IPV6_IPSEC_POLICY) V(IPV6_XFRM_POLICY)
                               V(IPV6_HDRINCL) V(IPV6_RECVPKTINFO) V(IPV6_PKTINFO) V(IPV6_RECVHOPLIMIT) V(
                                   IPV6_HOPLIMIT) V(IPV6_RECVHOPOPTS) V(IPV6_HOPOPTS) V(IPV6_RTHDRDSTOPTS)
                                   V(IPV6_RECVRTHDR) V(IPV6_RTHDR) V(IPV6_RECVDSTOPTS) V(IPV6_DSTOPTS)
                                       V(IPV6_RECVPATHMTU) V(IPV6_PATHMTU) V(IPV6_DONTFRAG) V(IPV6_RECVTCLASS)
                                           V(IPV6_TCLASS) V(IPV6_AUTOFLOWLABEL) V(IPV6_ADDR_PREFERENCES)
                                               V(IPV6_MINHOPCOUNT) V(IPV6_RECVORIGDSTADDR) V(IPV6_TRANSPARENT)
                                                   V(IPV6_UNICAST_IF) V(IPV6_RECVFRAGSIZE) V(IPV6_FREEBIND)
                                                       V(MCAST_JOIN_GROUP) V(MCAST_BLOCK_SOURCE)
                                                           V(MCAST_UNBLOCK_SOURCE) V(MCAST_LEAVE_GROUP)
                                                               V(MCAST_JOIN_SOURCE_GROUP)
                                                                   V(MCAST_LEAVE_SOURCE_GROUP)
                                                                       V(MCAST_MSFILTER){"IPV6_FLOWINFO", 11},
       {"IPV6_FLOWLABEL_MGR", 32},
       {"IPV6_FLOWINFO_SEND", 33},
#ifdef IPV6_MULTICAST_ALL
       V(IPV6_MULTICAST_ALL)
#endif
#ifdef IPV6_ROUTER_ALERT_ISOLATE
           V(IPV6_ROUTER_ALERT_ISOLATE)
#endif
      });
  check_set(
      "sockopt_tcp",
      {V(TCP_NODELAY) V(TCP_MAXSEG) V(TCP_CORK) V(TCP_KEEPIDLE) V(TCP_KEEPINTVL) V(TCP_KEEPCNT) V(
          TCP_SYNCNT) V(TCP_LINGER2) V(TCP_DEFER_ACCEPT) V(TCP_WINDOW_CLAMP) V(TCP_INFO) V(TCP_QUICKACK)
           V(TCP_CONGESTION) V(TCP_MD5SIG) V(TCP_THIN_LINEAR_TIMEOUTS) V(TCP_THIN_DUPACK) V(TCP_USER_TIMEOUT)
               V(TCP_REPAIR) V(TCP_REPAIR_QUEUE) V(TCP_QUEUE_SEQ) V(TCP_REPAIR_OPTIONS) V(TCP_FASTOPEN)
                   V(TCP_TIMESTAMP) V(TCP_NOTSENT_LOWAT) V(TCP_CC_INFO) V(TCP_SAVE_SYN) V(TCP_SAVED_SYN)
                       V(TCP_REPAIR_WINDOW) V(TCP_FASTOPEN_CONNECT) V(TCP_ULP) V(TCP_MD5SIG_EXT)
                           V(TCP_FASTOPEN_KEY) V(TCP_FASTOPEN_NO_COOKIE) V(TCP_ZEROCOPY_RECEIVE) V(TCP_INQ)
#ifdef TCP_TX_DELAY
                               V(TCP_TX_DELAY)
#endif
      });
  check_set("poll_events",
            {V(POLLIN) V(POLLPRI) V(POLLOUT) V(POLLERR) V(POLLHUP) V(POLLNVAL) V(POLLRDNORM) V(POLLRDBAND)
                 V(POLLWRNORM) V(POLLWRBAND) V(POLLMSG) V(POLLREMOVE) V(POLLRDHUP)});
  check_set("epoll_op", {V(EPOLL_CTL_ADD) V(EPOLL_CTL_DEL) V(EPOLL_CTL_MOD)});
  check_set("epoll_events", {V(EPOLLIN) V(EPOLLPRI) V(EPOLLOUT) V(EPOLLERR) V(EPOLLHUP) V(EPOLLRDNORM)
                                 V(EPOLLRDBAND) V(EPOLLWRNORM) V(EPOLLWRBAND) V(EPOLLMSG) V(EPOLLRDHUP)
                                     V(EPOLLEXCLUSIVE) V(EPOLLWAKEUP) V(EPOLLONESHOT) V(EPOLLET)});
  check_set("epoll_create_flags", {V(EPOLL_CLOEXEC)});
  check_set("eventfd_flags", {V(EFD_SEMAPHORE) V(EFD_CLOEXEC) V(EFD_NONBLOCK)});
  check_set("inotify_init_flags", {V(IN_CLOEXEC) V(IN_NONBLOCK)});
  check_set("inotify_mask",
            {V(IN_ACCESS) V(IN_MODIFY) V(IN_ATTRIB) V(IN_CLOSE_WRITE) V(IN_CLOSE_NOWRITE) V(IN_OPEN)
                 V(IN_MOVED_FROM) V(IN_MOVED_TO) V(IN_CREATE) V(IN_DELETE) V(IN_DELETE_SELF) V(IN_MOVE_SELF)
                     V(IN_UNMOUNT) V(IN_Q_OVERFLOW) V(IN_IGNORED) V(IN_ONLYDIR) V(IN_DONT_FOLLOW)
                         V(IN_EXCL_UNLINK) V(IN_MASK_CREATE) V(IN_MASK_ADD) V(IN_ISDIR) V(IN_ONESHOT)});
  check_set("getrandom_flags", {V(GRND_NONBLOCK) V(GRND_RANDOM)
#ifdef GRND_INSECURE
                                    V(GRND_INSECURE)
#endif
                               });
  check_set("pidfd_flags", {
                               {"PIDFD_THREAD", 0x80},
                               {"PIDFD_NONBLOCK", 0x800},
                           });
  check_set("futex_op", {V(FUTEX_WAIT) V(FUTEX_WAKE) V(FUTEX_FD) V(FUTEX_REQUEUE) V(FUTEX_CMP_REQUEUE)
                             V(FUTEX_WAKE_OP) V(FUTEX_LOCK_PI) V(FUTEX_UNLOCK_PI) V(FUTEX_TRYLOCK_PI)
                                 V(FUTEX_WAIT_BITSET) V(FUTEX_WAKE_BITSET) V(FUTEX_WAIT_REQUEUE_PI)
                                     V(FUTEX_CMP_REQUEUE_PI) V(FUTEX_PRIVATE_FLAG) V(FUTEX_CLOCK_REALTIME)
#ifdef FUTEX_LOCK_PI2
                                         V(FUTEX_LOCK_PI2)
#endif
                        });
  check_set("clone_flags",
            {V(SIGCHLD) V(CLONE_VM) V(CLONE_FS) V(CLONE_FILES) V(CLONE_SIGHAND) V(CLONE_PTRACE) V(CLONE_VFORK)
                 V(CLONE_PARENT) V(CLONE_THREAD) V(CLONE_NEWNS) V(CLONE_SYSVSEM) V(CLONE_SETTLS)
                     V(CLONE_PARENT_SETTID) V(CLONE_CHILD_CLEARTID) V(CLONE_DETACHED) V(CLONE_UNTRACED)
                         V(CLONE_CHILD_SETTID) V(CLONE_NEWCGROUP) V(CLONE_NEWUTS) V(CLONE_NEWIPC)
                             V(CLONE_NEWUSER) V(CLONE_NEWPID) V(CLONE_NEWNET) V(CLONE_IO)
#ifdef CLONE_PIDFD
                                 V(CLONE_PIDFD)
#endif
            });
  check_set("unshare_flags", {V(CLONE_FS) V(CLONE_FILES) V(CLONE_SYSVSEM) V(CLONE_NEWNS) V(CLONE_NEWCGROUP)
                                  V(CLONE_NEWUTS) V(CLONE_NEWIPC) V(CLONE_NEWUSER) V(CLONE_NEWPID)
                                      V(CLONE_NEWNET) V(CLONE_VM) V(CLONE_SIGHAND) V(CLONE_THREAD)
#ifdef CLONE_NEWTIME
                                          V(CLONE_NEWTIME)
#endif
                             });
  check_set(
      "prctl_op",
      {V(PR_SET_PDEATHSIG) V(PR_GET_PDEATHSIG) V(PR_GET_DUMPABLE) V(PR_SET_DUMPABLE) V(PR_GET_UNALIGN)
           V(PR_SET_UNALIGN) V(PR_GET_KEEPCAPS) V(PR_SET_KEEPCAPS) V(PR_GET_FPEMU) V(PR_SET_FPEMU)
               V(PR_GET_FPEXC) V(PR_SET_FPEXC) V(PR_GET_TIMING) V(PR_SET_TIMING) V(PR_SET_NAME) V(PR_GET_NAME)
                   V(PR_GET_ENDIAN) V(PR_SET_ENDIAN) V(PR_GET_SECCOMP) V(PR_SET_SECCOMP) V(PR_CAPBSET_READ) V(
                       PR_CAPBSET_DROP) V(PR_GET_TSC) V(PR_SET_TSC) V(PR_GET_SECUREBITS) V(PR_SET_SECUREBITS)
                       V(PR_SET_TIMERSLACK) V(PR_GET_TIMERSLACK) V(PR_TASK_PERF_EVENTS_DISABLE)
                           V(PR_TASK_PERF_EVENTS_ENABLE) V(PR_MCE_KILL) V(PR_MCE_KILL_GET) V(PR_SET_MM)
                               V(PR_SET_PTRACER) V(PR_SET_CHILD_SUBREAPER) V(PR_GET_CHILD_SUBREAPER)
                                   V(PR_SET_NO_NEW_PRIVS) V(PR_GET_NO_NEW_PRIVS) V(PR_GET_TID_ADDRESS)
                                       V(PR_SET_THP_DISABLE) V(PR_GET_THP_DISABLE) V(PR_MPX_ENABLE_MANAGEMENT)
                                           V(PR_MPX_DISABLE_MANAGEMENT) V(PR_SET_FP_MODE) V(PR_GET_FP_MODE)
                                               V(PR_CAP_AMBIENT) V(PR_SVE_SET_VL) V(PR_SVE_GET_VL)
                                                   V(PR_GET_SPECULATION_CTRL) V(PR_SET_SPECULATION_CTRL)
                                                       V(PR_PAC_RESET_KEYS){"PR_SET_MDWE", 65},
       {"PR_GET_MDWE", 66},
       {"PR_SET_MEMORY_MERGE", 67},
       {"PR_GET_MEMORY_MERGE", 68},
#ifdef PR_SET_TAGGED_ADDR_CTRL
       V(PR_SET_TAGGED_ADDR_CTRL)
#endif
#ifdef PR_GET_TAGGED_ADDR_CTRL
           V(PR_GET_TAGGED_ADDR_CTRL)
#endif
#ifdef PR_SET_IO_FLUSHER
               V(PR_SET_IO_FLUSHER)
#endif
#ifdef PR_GET_IO_FLUSHER
                   V(PR_GET_IO_FLUSHER)
#endif
#ifdef PR_SET_SYSCALL_USER_DISPATCH
                       V(PR_SET_SYSCALL_USER_DISPATCH)
#endif
#ifdef PR_PAC_SET_ENABLED_KEYS
                           V(PR_PAC_SET_ENABLED_KEYS)
#endif
#ifdef PR_PAC_GET_ENABLED_KEYS
                               V(PR_PAC_GET_ENABLED_KEYS)
#endif
#ifdef PR_SCHED_CORE
                                   V(PR_SCHED_CORE)
#endif
#ifdef PR_SME_SET_VL
                                       V(PR_SME_SET_VL)
#endif
#ifdef PR_SME_GET_VL
                                           V(PR_SME_GET_VL)
#endif
#ifdef PR_SET_VMA
                                               V(PR_SET_VMA)
#endif
      });
  check_set("arch_prctl_op",
            {V(ARCH_SET_GS) V(ARCH_SET_FS) V(ARCH_GET_FS) V(ARCH_GET_GS) V(ARCH_GET_CPUID) V(ARCH_SET_CPUID)
                 V(ARCH_MAP_VDSO_X32) V(ARCH_MAP_VDSO_32) V(ARCH_MAP_VDSO_64){"ARCH_GET_UNTAG_MASK", 0x4001},
             {"ARCH_ENABLE_TAGGED_ADDR", 0x4002},
             {"ARCH_GET_MAX_TAG_BITS", 0x4003},
             {"ARCH_FORCE_TAGGED_SVA", 0x4004},
             {"ARCH_SHSTK_ENABLE", 0x5001},
             {"ARCH_SHSTK_DISABLE", 0x5002},
             {"ARCH_SHSTK_LOCK", 0x5003},
             {"ARCH_SHSTK_UNLOCK", 0x5004},
             {"ARCH_SHSTK_STATUS", 0x5005},
#ifdef ARCH_GET_XCOMP_SUPP
             V(ARCH_GET_XCOMP_SUPP)
#endif
#ifdef ARCH_GET_XCOMP_PERM
                 V(ARCH_GET_XCOMP_PERM)
#endif
#ifdef ARCH_REQ_XCOMP_PERM
                     V(ARCH_REQ_XCOMP_PERM)
#endif
#ifdef ARCH_GET_XCOMP_GUEST_PERM
                         V(ARCH_GET_XCOMP_GUEST_PERM)
#endif
#ifdef ARCH_REQ_XCOMP_GUEST_PERM
                             V(ARCH_REQ_XCOMP_GUEST_PERM)
#endif
            });
  check_set("mount_flags",
            {V(MS_RDONLY) V(MS_NOSUID) V(MS_NODEV) V(MS_NOEXEC) V(MS_SYNCHRONOUS) V(MS_REMOUNT) V(MS_MANDLOCK)
                 V(MS_DIRSYNC) V(MS_NOATIME) V(MS_NODIRATIME) V(MS_BIND) V(MS_MOVE) V(MS_REC) V(MS_SILENT)
                     V(MS_POSIXACL) V(MS_UNBINDABLE) V(MS_PRIVATE) V(MS_SLAVE) V(MS_SHARED) V(MS_RELATIME)
                         V(MS_KERNMOUNT) V(MS_I_VERSION) V(MS_STRICTATIME) V(MS_LAZYTIME)
#ifdef MS_NOSYMFOLLOW
                             V(MS_NOSYMFOLLOW)
#endif
            });
  check_set("umount_flags", {V(MNT_FORCE) V(MNT_DETACH) V(MNT_EXPIRE) V(UMOUNT_NOFOLLOW)});
  check_set(
      "ioctl_request",
      {V(TCGETS) V(TCSETS) V(TCSETSW) V(TCSETSF) V(TCGETA) V(TCSETA) V(TCSETAW) V(TCSETAF) V(TCSBRK) V(TCXONC)
           V(TCFLSH) V(TIOCEXCL) V(TIOCNXCL) V(TIOCSCTTY) V(TIOCGPGRP) V(TIOCSPGRP) V(TIOCOUTQ) V(TIOCSTI)
               V(TIOCGWINSZ) V(TIOCSWINSZ) V(TIOCMGET) V(TIOCMBIS) V(TIOCMBIC) V(TIOCMSET) V(TIOCGSOFTCAR) V(
                   TIOCSSOFTCAR) V(FIONREAD) V(TIOCLINUX) V(TIOCCONS) V(TIOCGSERIAL) V(TIOCSSERIAL) V(TIOCPKT)
                   V(FIONBIO) V(TIOCNOTTY) V(TIOCSETD) V(TIOCGETD) V(TCSBRKP) V(TIOCSBRK) V(TIOCCBRK)
                       V(TIOCGSID) V(TIOCGPTN) V(TIOCSPTLCK) V(TIOCGDEV) V(TIOCSIG) V(TIOCVHANGUP) V(TIOCGPKT)
                           V(TIOCGPTLCK) V(TIOCGEXCL) V(FIONCLEX) V(FIOCLEX) V(FIOASYNC) V(FIOQSIZE)
                               V(SIOCATMARK) V(SIOCGPGRP) V(SIOCSPGRP) V(SIOCGIFNAME) V(SIOCGIFCONF)
                                   V(SIOCGIFFLAGS) V(SIOCSIFFLAGS) V(SIOCGIFADDR) V(SIOCGIFBRDADDR)
                                       V(SIOCGIFNETMASK) V(SIOCGIFMTU) V(SIOCGIFHWADDR) V(SIOCGIFINDEX)
                                           V(BLKGETSIZE64){"FS_IOC_GETFLAGS", 0x80086601},
       {"FS_IOC_SETFLAGS", 0x40086602},
       {"FICLONE", 0x40049409},
       {"FICLONERANGE", 0x4020940d},
#ifdef TIOCGPTPEER
       V(TIOCGPTPEER)
#endif
      });
  check_set("statfs_flags",
            {
                V(ST_RDONLY) V(ST_NOSUID) V(ST_NODEV) V(ST_NOEXEC) V(ST_SYNCHRONOUS) V(ST_MANDLOCK)
                    V(ST_NOATIME) V(ST_NODIRATIME) V(ST_RELATIME){"ST_VALID", 0x20},
                {"ST_NOSYMFOLLOW", 0x2000},
            });
  for (unsigned i = 0; i < native().flag_set_count(); ++i) {
    INFO(native().flag_set(i).name());
    CHECK(check_set.has_seen(native().flag_set(i).name()));
  }
}

TEST_CASE("combined values keep their parts apart") {
  const auto through = [](std::string_view set, std::uint64_t value) {
    return native().flag_set(set).to_native(value);
  };
  CHECK(through("open_flags", O_RDWR | O_SYNC | O_CREAT) == std::uint64_t{O_RDWR | O_SYNC | O_CREAT});
  CHECK(through("open_flags", O_DSYNC | O_DIRECTORY) == std::uint64_t{O_DSYNC | O_DIRECTORY});
  CHECK(through("open_flags", O_TMPFILE | O_WRONLY) == std::uint64_t{O_TMPFILE | O_WRONLY});
  CHECK(through("mmap_flags", MAP_PRIVATE | MAP_ANONYMOUS) == std::uint64_t{MAP_PRIVATE | MAP_ANONYMOUS});
  CHECK(through("socket_type", SOCK_DGRAM | SOCK_CLOEXEC) == std::uint64_t{SOCK_DGRAM | SOCK_CLOEXEC});
  CHECK(through("futex_op", FUTEX_WAKE_PRIVATE) == std::uint64_t{FUTEX_WAKE_PRIVATE});
  CHECK(through("open_flags", std::uint64_t{1} << 40) == std::uint64_t{1} << 40);  // the kernel's to judge
}

namespace {

struct ExpectedField {
  std::string_view name;
  std::size_t offset;
};

/// Nested structures appear in the table with their fields' names joined by a dot, or the inner name alone.
void check_struct(std::string_view name, std::size_t size, const std::vector<ExpectedField>& fields) {
  const StructLayout layout = native().struct_layout(name);
  INFO("struct " << name);
  REQUIRE(layout);
  CHECK(layout.guest_size() == size);
  CHECK(layout.identical());
  for (const ExpectedField& expected : fields) {
    INFO(expected.name);
    bool found = false;
    for (const auto& field : layout.fields()) {
      const std::string_view text = layout.field_name(field);
      const bool first_inside = text.starts_with(expected.name) && text.size() > expected.name.size() &&
                                text[expected.name.size()] == '.';
      if (text != expected.name && !first_inside) continue;
      if (!found) CHECK(field.guest_offset == expected.offset);
      found = true;
    }
    CHECK(found);
  }
}

}  // namespace

// NOLINTNEXTLINE: as above
#define F(type, field) \
  { #field, offsetof(type, field) }

TEST_CASE("every structure has the layout of the headers") {
  check_struct("timespec", sizeof(timespec), {F(timespec, tv_sec), F(timespec, tv_nsec)});
  check_struct("timeval", sizeof(timeval), {F(timeval, tv_sec), F(timeval, tv_usec)});
  check_struct("itimerspec", sizeof(itimerspec), {F(itimerspec, it_interval), F(itimerspec, it_value)});
  check_struct("itimerval", sizeof(itimerval), {F(itimerval, it_interval), F(itimerval, it_value)});
  check_struct("timezone", sizeof(struct timezone),
               {F(struct timezone, tz_minuteswest), F(struct timezone, tz_dsttime)});
  check_struct("tms", sizeof(tms),
               {F(tms, tms_utime), F(tms, tms_stime), F(tms, tms_cutime), F(tms, tms_cstime)});
  check_struct("rusage", sizeof(rusage),
               {F(rusage, ru_utime), F(rusage, ru_stime), F(rusage, ru_maxrss), F(rusage, ru_ixrss),
                F(rusage, ru_idrss), F(rusage, ru_isrss), F(rusage, ru_minflt), F(rusage, ru_majflt),
                F(rusage, ru_nswap), F(rusage, ru_inblock), F(rusage, ru_oublock), F(rusage, ru_msgsnd),
                F(rusage, ru_msgrcv), F(rusage, ru_nsignals), F(rusage, ru_nvcsw), F(rusage, ru_nivcsw)});
  check_struct("rlimit", sizeof(rlimit), {F(rlimit, rlim_cur), F(rlimit, rlim_max)});
  check_struct("iovec", sizeof(iovec), {F(iovec, iov_base), F(iovec, iov_len)});
  check_struct("msghdr", sizeof(msghdr),
               {F(msghdr, msg_name), F(msghdr, msg_namelen), F(msghdr, msg_iov), F(msghdr, msg_iovlen),
                F(msghdr, msg_control), F(msghdr, msg_controllen), F(msghdr, msg_flags)});
  check_struct(
      "stat", sizeof(struct stat),
      {F(struct stat, st_dev), F(struct stat, st_ino), F(struct stat, st_nlink), F(struct stat, st_mode),
       F(struct stat, st_uid), F(struct stat, st_gid), F(struct stat, st_rdev), F(struct stat, st_size),
       F(struct stat, st_blksize), F(struct stat, st_blocks), F(struct stat, st_atim),
       F(struct stat, st_mtim), F(struct stat, st_ctim)});
  check_struct("statx_timestamp", sizeof(statx_timestamp),
               {F(statx_timestamp, tv_sec), F(statx_timestamp, tv_nsec)});
  check_struct("statx", sizeof(struct statx),
               {F(struct statx, stx_mask), F(struct statx, stx_blksize), F(struct statx, stx_attributes),
                F(struct statx, stx_nlink), F(struct statx, stx_uid), F(struct statx, stx_gid),
                F(struct statx, stx_mode), F(struct statx, stx_ino), F(struct statx, stx_size),
                F(struct statx, stx_blocks), F(struct statx, stx_attributes_mask), F(struct statx, stx_atime),
                F(struct statx, stx_btime), F(struct statx, stx_ctime), F(struct statx, stx_mtime),
                F(struct statx, stx_rdev_major), F(struct statx, stx_rdev_minor),
                F(struct statx, stx_dev_major), F(struct statx, stx_dev_minor)});
  check_struct("pollfd", sizeof(pollfd), {F(pollfd, fd), F(pollfd, events), F(pollfd, revents)});
  check_struct("flock", sizeof(struct flock),
               {F(struct flock, l_type), F(struct flock, l_whence), F(struct flock, l_start),
                F(struct flock, l_len), F(struct flock, l_pid)});
  check_struct("winsize", sizeof(winsize),
               {F(winsize, ws_row), F(winsize, ws_col), F(winsize, ws_xpixel), F(winsize, ws_ypixel)});
  check_struct("sigaltstack", sizeof(stack_t),
               {F(stack_t, ss_sp), F(stack_t, ss_flags), F(stack_t, ss_size)});
  check_struct("sockaddr_in", sizeof(sockaddr_in),
               {F(sockaddr_in, sin_family), F(sockaddr_in, sin_port), F(sockaddr_in, sin_addr)});
  check_struct("sockaddr_in6", sizeof(sockaddr_in6),
               {F(sockaddr_in6, sin6_family), F(sockaddr_in6, sin6_port), F(sockaddr_in6, sin6_flowinfo),
                F(sockaddr_in6, sin6_addr), F(sockaddr_in6, sin6_scope_id)});
  check_struct("sockaddr_un", sizeof(sockaddr_un), {F(sockaddr_un, sun_family), F(sockaddr_un, sun_path)});
  check_struct("linger", sizeof(linger), {F(linger, l_onoff), F(linger, l_linger)});
  check_struct("ucred", sizeof(ucred), {F(ucred, pid), F(ucred, uid), F(ucred, gid)});
  check_struct("epoll_event", sizeof(epoll_event), {F(epoll_event, events), F(epoll_event, data)});
  check_struct("utsname", sizeof(utsname),
               {F(utsname, sysname), F(utsname, nodename), F(utsname, release), F(utsname, version),
                F(utsname, machine), F(utsname, domainname)});
  check_struct("timex", sizeof(timex),
               {F(timex, modes), F(timex, offset), F(timex, freq), F(timex, maxerror), F(timex, esterror),
                F(timex, status), F(timex, constant), F(timex, precision), F(timex, tolerance),
                F(timex, time), F(timex, tick)});
  // The C library's names or types differ, the offsets do not.
  check_struct("statfs", sizeof(struct statfs),
               {F(struct statfs, f_type), F(struct statfs, f_bsize), F(struct statfs, f_blocks),
                F(struct statfs, f_fsid), F(struct statfs, f_namelen), F(struct statfs, f_frsize),
                F(struct statfs, f_flags), F(struct statfs, f_spare)});
  check_struct("siginfo", sizeof(siginfo_t),
               {F(siginfo_t, si_signo), F(siginfo_t, si_errno), F(siginfo_t, si_code), F(siginfo_t, si_pid),
                F(siginfo_t, si_uid), F(siginfo_t, si_value)});
  check_struct(
      "sigevent", sizeof(sigevent),
      {F(sigevent, sigev_value), F(sigevent, sigev_signo), F(sigevent, sigev_notify), {"sigev_tid", 16}});
  check_struct("sysinfo", sizeof(struct sysinfo),
               {{"load1", 8},
                F(struct sysinfo, totalram),
                F(struct sysinfo, totalswap),
                F(struct sysinfo, procs),
                F(struct sysinfo, totalhigh),
                F(struct sysinfo, mem_unit)});
  check_struct("fd_pair", sizeof(int[2]), {{"first", 0}, {"second", sizeof(int)}});
}

TEST_CASE("structures the C library has otherwise have the kernel's layout") {
  // include/uapi/asm-generic/termbits.h: nineteen control characters and no speeds.
  check_struct(
      "termios", 36,
      {{"c_iflag", 0}, {"c_oflag", 4}, {"c_cflag", 8}, {"c_lflag", 12}, {"c_line", 16}, {"c_cc", 17}});
  check_struct("termios2", 44, {{"c_cc", 17}, {"c_ispeed", 36}, {"c_ospeed", 40}});
  // arch/x86/include/uapi/asm/signal.h: flags before the mask, a mask of 64 bits.
  check_struct("sigaction", 32, {{"sa_handler", 0}, {"sa_flags", 8}, {"sa_restorer", 16}, {"sa_mask", 24}});
  // include/linux/dirent.h
  check_struct("linux_dirent64", 19, {{"d_ino", 0}, {"d_off", 8}, {"d_reclen", 16}, {"d_type", 18}});
}

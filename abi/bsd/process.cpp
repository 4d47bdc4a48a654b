// Processes. Sources: FreeBSD 14.0, sys/kern/kern_fork.c, kern_exec.c, kern_exit.c, sys_procdesc.c,
// sys/sys/wait.h, fork(2), rfork(2), execve(2), wait(2), pdfork(2).
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <string_view>

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/host_file.hpp"
#include "abi/bsd/kqueue.hpp"
#include "abi/bsd/process.hpp"

namespace sudrun::abi::bsd {
namespace {

Word pointer(const void* p) noexcept { return reinterpret_cast<Word>(p); }

// fork(2) returns two values: the pid and 0 in the parent.
Result forked(Call& call, NativeResult r) noexcept {
  if (is_error(r)) return Result::of(r);
  return r == 0 ? self(call).child_of_fork(call.host) : Result::ok2(static_cast<Word>(r), 0);
}

/// Forks, and tells those who watch this process. `wait_for_exec`: vfork.
NativeResult fork_process(Call& call, bool wait_for_exec) noexcept {
  ProcessEvents& events = self(call).kqueues().process_events();
  const ProcessEvents::Fork fork = events.fork_begins(call.host);
  const NativeResult child = call.host.fork(wait_for_exec);
  if (child == 0)
    events.forked_in_child(call.host, fork, wait_for_exec);
  else if (child > 0)
    events.forked_in_parent(call.host, fork, static_cast<int>(child), !wait_for_exec);
  else
    events.fork_failed(fork);
  return child;
}

Result fork_call(Call& call) noexcept { return forked(call, fork_process(call, false)); }
Result vfork_call(Call& call) noexcept { return forked(call, fork_process(call, true)); }

Result rfork(Call& call) noexcept {
  constexpr unsigned kFdCopy = 1U << 2, kProcess = 1U << 4, kShareMemory = 1U << 5, kNoWait = 1U << 6,
                     kFdClean = 1U << 12, kShareSignals = 1U << 14, kLinuxThread = 1U << 16,
                     kSpawn = 1U << 31;
  const unsigned flags = call.u32(0);
  if (flags == kSpawn) return forked(call, fork_process(call, true));
  if ((flags & (kFdCopy | kFdClean)) == (kFdCopy | kFdClean)) return Result::fail(EINVAL);
  if ((flags & kProcess) == 0) return flags == kFdCopy ? Result::ok(0) : Result::fail(EINVAL);
  // A child with its own memory and a copy of the descriptors is a fork; sharing either is not offered.
  if ((flags & (kNoWait | kFdClean | kShareSignals | kLinuxThread)) != 0) return Result::fail(EINVAL);
  if ((flags & kFdCopy) == 0) return Result::fail(EINVAL);
  return forked(call, fork_process(call, (flags & kShareMemory) != 0));
}

Result pdfork(Call& call) noexcept {
  constexpr unsigned kDaemon = 1, kCloseOnExec = 2;
  const unsigned flags = call.u32(1);
  if ((flags & ~(kDaemon | kCloseOnExec)) != 0) return Result::fail(EINVAL);
  const NativeResult child = fork_process(call, false);
  if (child <= 0) return forked(call, child);
  const NativeResult fd = call.host.call(SYS_pidfd_open, static_cast<Word>(child), 0);
  if (is_error(fd) || ((flags & kDaemon) == 0 && !self(call).process_descriptors().add(
                                                     static_cast<int>(fd), static_cast<int>(child)))) {
    // FreeBSD fails before it forks: the child must not have been.
    call.host.call(SYS_kill, static_cast<Word>(child), SIGKILL);
    call.host.call(SYS_wait4, static_cast<Word>(child), 0, 0, 0);
    return is_error(fd) ? Result::of(fd) : Result::fail(ENOMEM);
  }
  if ((flags & kCloseOnExec) == 0) call.host.call(SYS_fcntl, static_cast<Word>(fd), F_SETFD, 0);
  const auto guest_fd = static_cast<std::int32_t>(fd);
  if (!call.host.put(call.addr(0), guest_fd)) return Result::fail(EFAULT);
  return Result::ok2(static_cast<Word>(child), 0);
}

Result pdkill(Call& call) noexcept {
  const int signal = call.i32(1) == 0 ? 0 : call.table.signal_to_native(call.i32(1));
  if (signal == 0 && call.i32(1) != 0) return Result::fail(EINVAL);
  return Result::of(call.host.call(SYS_pidfd_send_signal, call.word(0), static_cast<Word>(signal), 0, 0));
}

/// The number after `Pid:` in a pidfd's fdinfo (proc(5)); 0 if it is none.
int pid_of(std::string_view fdinfo) noexcept {
  constexpr std::string_view key = "\nPid:";
  const std::size_t at = fdinfo.find(key);
  if (at == std::string_view::npos) return 0;
  std::string_view rest = fdinfo.substr(at + key.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  int pid = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), pid);
  return pid;
}

Result pdgetpid(Call& call) noexcept {
  if (call.i32(0) < 0 || call.host.is_hidden(call.i32(0))) return Result::fail(EBADF);
  std::array<char, 1024> buffer;
  const std::string_view info =
      read_host_file(call.host, HostPath("/proc/self/fdinfo/", call.i32(0)).c_str(), buffer);
  if (info.empty()) return Result::fail(EBADF);
  const std::int32_t pid = pid_of(info);
  if (pid == 0) return Result::fail(EINVAL);  // not a process descriptor
  return call.host.put(call.addr(1), pid) ? Result::ok(0) : Result::fail(EFAULT);
}

// Ends with SIGABRT; the reason would go to the system's log.
Result abort2(Call& call) noexcept {
  SignalAction fallback;
  call.host.signal_action(SIGABRT, &fallback, nullptr);
  call.host.set_signal_mask(call.host.signal_mask() & ~sigbit(SIGABRT));
  return Result::of(call.host.call(SYS_tgkill, static_cast<Word>(call.host.pid()),
                                   static_cast<Word>(call.host.tid()), SIGABRT));
}

constexpr std::uint64_t kArgMax = std::uint64_t{2} * 256 * 1024;  // ARG_MAX of 64-bit systems

/// What execve refuses before it looks at the file. 0 or a native errno.
int check_arguments(Call& call, GuestAddr argv) noexcept {
  Word first = 0;
  if (is_null(argv) || !call.host.get(argv, first)) return EFAULT;
  return first == 0 ? EINVAL : 0;  // at least argv[0] must be there
}

Result execve_call(Call& call) noexcept {
  ExecRequest request;
  request.path = call.addr(0);
  request.argv = call.addr(1);
  request.envp = call.addr(2);
  request.argument_limit = kArgMax;
  char start = 0;
  if (!call.host.get(request.path, start)) return Result::fail(EFAULT);
  if (const int error = check_arguments(call, request.argv); error != 0) return Result::fail(error);
  return Result::of(call.host.execute(request));
}

Result fexecve_call(Call& call) noexcept {
  ExecRequest request;
  request.dirfd = call.i32(0);
  request.by_descriptor = true;
  request.argv = call.addr(1);
  request.envp = call.addr(2);
  request.argument_limit = kArgMax;
  if (const int error = check_arguments(call, request.argv); error != 0) return Result::fail(error);
  return Result::of(call.host.execute(request));
}

Result exit_call(Call& call) noexcept { end_process(call, call.i32(0)); }

/// The status word wait(2) would give for what waitid() reported.
int status_of(const siginfo_t& info) noexcept {
  switch (info.si_code) {
    case CLD_EXITED:
      return (info.si_status & 0xff) << 8;
    case CLD_KILLED:
      return info.si_status;
    case CLD_DUMPED:
      return info.si_status | 0x80;
    case CLD_CONTINUED:
      return 0xffff;
    default:
      return (info.si_status << 8) | 0x7f;
  }
}

/// wait4() with WNOWAIT, which Linux's has not.
NativeResult look_at_child(Call& call, int pid, Word options, int& status, rusage& usage) noexcept {
  siginfo_t info{};
  const idtype_t type = pid == -1 ? P_ALL : pid > 0 ? P_PID : P_PGID;
  const Word id = type == P_ALL ? 0 : static_cast<Word>(static_cast<std::int64_t>(pid < 0 ? -pid : pid));
  const NativeResult r = call.host.call_interruptible(SYS_waitid, static_cast<Word>(type), id, pointer(&info),
                                                      options | WEXITED, pointer(&usage));
  if (is_error(r)) return r;
  status = status_of(info);
  return info.si_pid;
}

Result wait4_call(Call& call) noexcept {
  const auto options = self(call).vocabulary().wait_options.to_native(call.u32(2));
  if (!options) return Result::fail(EINVAL);
  // FreeBSD's wait4() always waits for exits; WEXITED belongs to waitid() on Linux.
  constexpr Word kOfWait4 = WNOHANG | WUNTRACED | WCONTINUED;
  int status = 0;
  rusage usage{};
  const int wanted = call.i32(0);
  const NativeResult pid =
      (*options & WNOWAIT) != 0
          ? look_at_child(call, wanted, *options, status, usage)
          : call.host.call_interruptible(SYS_wait4, static_cast<Word>(static_cast<std::int64_t>(wanted)),
                                         pointer(&status), *options & kOfWait4, pointer(&usage));
  if (is_error(pid)) return Result::of(pid);
  if (pid != 0) {
    const std::int32_t guest_status = guest_wait_status(self(call), status);
    if (!is_null(call.addr(1)) && !call.host.put(call.addr(1), guest_status)) return Result::fail(EFAULT);
    if (!is_null(call.addr(3)) && !call.host.put(call.addr(3), usage)) return Result::fail(EFAULT);
  }
  return Result::ok(static_cast<Word>(pid));
}

/// Which children wait6(2) means. A native errno if none can be meant.
struct Children {
  int error = 0;
  idtype_t type = P_ALL;
  Word id = 0;
};
Children children_meant(int type, std::int32_t id) noexcept {
  enum : int { kPid = 0, kPgid = 2, kSid = 3, kUid = 5, kGid = 6, kAll = 7, kJail = 12 };
  const auto number = static_cast<Word>(static_cast<std::uint32_t>(id));
  switch (type) {
    case kPid:
      if (id == 0) return {0, P_PGID, 0};  // the caller's group, as with kPgid
      [[fallthrough]];
    case kPgid:
      if (id < 0) return {ECHILD};
      return {0, type == kPid ? P_PID : P_PGID, number};
    case kAll:
      return {};
    case kJail:  // there is but the host's
      return id == 0 ? Children{} : Children{ECHILD};
    case kSid:
    case kUid:
    case kGid:
      return {EINVAL};  // Linux does not wait for those
    default:
      return {ECHILD};
  }
}

Result wait6_call(Call& call) noexcept {
  const auto options = self(call).vocabulary().wait_options.to_native(call.u32(3));
  if (!options || (*options & (WEXITED | WSTOPPED | WCONTINUED)) == 0) return Result::fail(EINVAL);
  const Children meant = children_meant(call.i32(0), call.i32(1));
  if (meant.error != 0) return Result::fail(meant.error);

  siginfo_t info{};
  struct {
    rusage self, children;
  } usage{};
  const NativeResult r = call.host.call_interruptible(SYS_waitid, static_cast<Word>(meant.type), meant.id,
                                                      pointer(&info), *options, pointer(&usage.self));
  if (is_error(r)) return Result::of(r);
  if (info.si_pid != 0) {
    const std::int32_t status = guest_wait_status(self(call), status_of(info));
    if (!is_null(call.addr(2)) && !call.host.put(call.addr(2), status)) return Result::fail(EFAULT);
    if (!is_null(call.addr(4)) && !call.host.put(call.addr(4), usage)) return Result::fail(EFAULT);
  }
  if (!is_null(call.addr(5))) {
    SignalInfo decoded;
    decoded.signal = SIGCHLD;
    decoded.code = info.si_code;
    decoded.pid = info.si_pid;
    decoded.uid = info.si_uid;
    decoded.status = info.si_status;
    if (!self(call).put_siginfo(call.host, call.addr(5), info.si_pid != 0 ? &decoded : nullptr))
      return Result::fail(EFAULT);
  }
  return Result::ok(static_cast<Word>(info.si_pid));
}

constexpr std::array kHandlers{
    HandlerEntry{"abort2", abort2},        HandlerEntry{"pdgetpid", pdgetpid},
    HandlerEntry{"execve", execve_call},   HandlerEntry{"exit", exit_call},
    HandlerEntry{"fexecve", fexecve_call}, HandlerEntry{"fork", fork_call},
    HandlerEntry{"pdfork", pdfork},        HandlerEntry{"pdkill", pdkill},
    HandlerEntry{"rfork", rfork},          HandlerEntry{"vfork", vfork_call},
    HandlerEntry{"wait4", wait4_call},     HandlerEntry{"wait6", wait6_call},
};

}  // namespace

void end_process(Call& call, int status) noexcept {
  self(call).thread_ends(call.host);
  self(call).process_descriptors().close_all(call.host);
  self(call).kqueues().process_events().ending(call.host, (status & 0xff) << 8);
  call.host.exit_process(status & 0xff);
  __builtin_unreachable();
}

int guest_wait_status(const Bsd& system, int status) noexcept {
  constexpr int kStopped = 0x7f, kCore = 0x80;  // WCOREFLAG
  const Table& table = system.table();
  if (WIFEXITED(status)) return status;
  if (WIFCONTINUED(status)) return system.manners().continued_status;
  if (WIFSTOPPED(status)) return (table.signal_to_guest(WSTOPSIG(status)) << 8) | kStopped;
  return table.signal_to_guest(WTERMSIG(status)) | (WCOREDUMP(status) ? kCore : 0);
}

std::span<const HandlerEntry> process_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd

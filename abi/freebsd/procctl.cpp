// procctl(2): reaping, tracing, parent-death signal, and the per-process switches of FreeBSD's memory and
// privilege policy. The switches that only harden the process are kept, and change nothing else but what
// PROC_PROTMAX_CTL says.
//
// Facts: FreeBSD 15.0 sys/sys/procctl.h, sys/kern/kern_procctl.c.
#include <algorithm>
#include <cerrno>
#include <exception>
#include <vector>

#include <sys/prctl.h>
#include <sys/syscall.h>

#include "abi/bsd/reaper.hpp"
#include "abi/freebsd/freebsd.hpp"

namespace sudrun::abi::freebsd {

namespace {

enum Command : int {
  kProtect = 1,
  kReapAcquire = 2,
  kReapRelease = 3,
  kReapStatus = 4,
  kReapGetPids = 5,
  kReapKill = 6,
  kTraceCtl = 7,
  kTraceStatus = 8,
  kTrapCapCtl = 9,
  kTrapCapStatus = 10,
  kDeathSignalCtl = 11,
  kDeathSignalStatus = 12,
  kAslrCtl = 13,
  kAslrStatus = 14,
  kProtMaxCtl = 15,
  kProtMaxStatus = 16,
  kStackGapCtl = 17,
  kStackGapStatus = 18,
  kNoNewPrivsCtl = 19,
  kNoNewPrivsStatus = 20,
  kWxMapCtl = 21,
  kWxMapStatus = 22,
  kLogSigExitCtl = 23,
  kLogSigExitStatus = 24,
};

constexpr int kEnable = 1, kDisable = 2, kDisableExec = 3;  // as in PROC_TRACE_CTL and others
constexpr std::uint32_t kActive = 0x8000'0000;              // PROC_ASLR_ACTIVE, PROC_PROTMAX_ACTIVE

struct ReaperStatus {  // struct procctl_reaper_status
  std::uint32_t flags, children, descendants;
  std::int32_t reaper, pid;
  std::uint32_t pad[15];
};
static_assert(sizeof(ReaperStatus) == 80);
constexpr std::uint32_t kReaperOwned = 1, kReaperRealInit = 2;

struct ReaperPids {  // struct procctl_reaper_pids
  std::uint32_t count, pad[15];
  std::uint64_t pids;
};
static_assert(sizeof(ReaperPids) == 72);
struct PidInfo {  // struct procctl_reaper_pidinfo
  std::int32_t pid, subtree;
  std::uint32_t flags, pad[15];
};
static_assert(sizeof(PidInfo) == 72);
constexpr std::uint32_t kPidValid = 1, kPidChild = 2, kPidReaper = 4, kPidZombie = 8, kPidStopped = 0x10;

struct ReaperKill {  // struct procctl_reaper_kill
  std::int32_t signal;
  std::uint32_t flags;
  std::int32_t subtree;
  std::uint32_t killed;
  std::int32_t first_failed;
  std::uint32_t pad[15];
};
static_assert(sizeof(ReaperKill) == 80);
constexpr std::uint32_t kKillChildren = 1, kKillSubtree = 2;
constexpr int kInit = 1;

NativeResult prctl(Host& host, int option, Word a = 0) noexcept {
  return host.call(SYS_prctl, static_cast<Word>(option), a, 0, 0, 0);
}

bool is_reaper(Host& host) noexcept {
  int on = 0;
  prctl(host, PR_GET_CHILD_SUBREAPER, reinterpret_cast<Word>(&on));
  return on != 0;
}

Result put_int(Call& call, int value) noexcept {
  return call.host.put(call.addr(3), static_cast<std::int32_t>(value)) ? Result::ok() : Result::fail(EFAULT);
}

// --- reapers --------------------------------------------------------------------------------------------

/// The reaper that processes below `pid` fall to; `owned`: it is `pid` itself. Of other processes this is
/// known as far as they are on the way from the caller to its own reaper.
int reaper_of(Call& call, int pid, bool& owned) noexcept {
  Host& host = call.host;
  Descendant found;
  owned = pid == host.pid() && is_reaper(host);
  if (owned) return pid;
  if (pid != host.pid() && is_reaper(host) && descends(host, pid, host.pid(), found)) return host.pid();
  const int above = self(call).switches().reaper_above;
  owned = pid == above && above != kInit;
  if (owned) return above;
  return descends(host, pid, above, found) ? above : kInit;
}

Result reap_acquire(Call& call) noexcept {
  if (!is_null(call.addr(3))) return Result::fail(EINVAL);
  if (is_reaper(call.host)) return Result::fail(EBUSY);
  self(call).switches().reaper = true;
  return Result::of(prctl(call.host, PR_SET_CHILD_SUBREAPER, 1));
}

Result reap_release(Call& call) noexcept {
  if (!is_null(call.addr(3)) || !is_reaper(call.host)) return Result::fail(EINVAL);
  self(call).switches().reaper = false;
  return Result::of(prctl(call.host, PR_SET_CHILD_SUBREAPER, 0));
}

Result reap_status(Call& call, int pid) noexcept {
  ReaperStatus status{};
  bool owned = false;
  status.reaper = reaper_of(call, pid, owned);
  if (owned) status.flags |= kReaperOwned;
  if (status.reaper == kInit) status.flags |= kReaperRealInit;
  status.pid = -1;
  bool has_child = false;
  for_descendants(call.host, status.reaper, [&](const Descendant& found) noexcept {
    ++status.descendants;
    if (found.child()) ++status.children;
    if (status.pid == -1 || (found.child() && !has_child)) status.pid = found.pid;
    has_child = has_child || found.child();
    return 0;
  });
  return call.host.put(call.addr(3), status) ? Result::ok() : Result::fail(EFAULT);
}

Result reap_pids(Call& call, int pid, const ReaperPids& wanted) noexcept {
  bool owned = false;
  const int reaper = reaper_of(call, pid, owned);
  std::uint32_t count = 0;
  const int error = for_descendants(call.host, reaper, [&](const Descendant& found) noexcept {
    if (count == wanted.count) return 0;
    PidInfo info{found.pid, found.subtree, kPidValid, {}};
    if (found.child()) info.flags |= kPidChild;
    if (found.pid == call.host.pid() && is_reaper(call.host)) info.flags |= kPidReaper;
    if (found.state == 'Z') info.flags |= kPidZombie;
    if (found.state == 'T') info.flags |= kPidStopped;
    return call.host.put(guest_addr(wanted.pids + Word{count++} * sizeof info), info) ? 0 : EFAULT;
  });
  return error == 0 ? Result::ok() : Result::fail(error);
}

/// Signals what it finds until it finds nothing new: a process may fork while this looks. 0 or an errno.
int reap_kill(Call& call, int pid, ReaperKill& kill) {
  const int signal = kill.signal > 0 && kill.signal <= call.table.signal_limit()
                         ? call.table.signal_to_native(kill.signal)
                         : 0;
  if (signal == 0 || (kill.flags & ~(kKillChildren | kKillSubtree)) != 0 ||
      kill.flags == (kKillChildren | kKillSubtree))
    return EINVAL;
  bool owned = false;
  const int reaper = reaper_of(call, pid, owned);
  kill.killed = 0;
  kill.first_failed = -1;
  if (reaper == kInit) return EPERM;  // all the processes of the host
  int error = ESRCH;
  std::vector<int> done;
  const auto signal_one = [&](const Descendant& found) {
    if (found.state == 'Z' || std::ranges::find(done, found.pid) != done.end()) return 0;
    if ((kill.flags & kKillChildren) != 0 && !found.child()) return 0;
    if ((kill.flags & kKillSubtree) != 0 && found.subtree != kill.subtree) return 0;
    done.push_back(found.pid);
    const NativeResult sent =
        call.host.call(SYS_kill, static_cast<Word>(found.pid), static_cast<Word>(signal));
    if (!is_error(sent)) {
      ++kill.killed;
      error = 0;
    } else if (error == ESRCH && sent != -ESRCH) {
      kill.first_failed = found.pid;
      error = static_cast<int>(-sent);
    }
    return 0;
  };
  std::vector<Descendant> found;
  for (std::size_t before = 0;; before = done.size()) {
    found.clear();
    proc::for_each_number(call.host, "/proc", [&](int candidate) {
      Descendant descendant;
      if (candidate != reaper && descends(call.host, candidate, reaper, descendant))
        found.push_back(descendant);
      return 0;
    });
    for (const Descendant& descendant : found) signal_one(descendant);
    if (done.size() == before || (kill.flags & kKillChildren) != 0) return error;
  }
}

Result reap_kill_call(Call& call, int pid, ReaperKill& kill) noexcept {
  int error = ENOMEM;
  try {
    error = reap_kill(call, pid, kill);
  } catch (const std::exception&) {
  }
  const bool stored = call.host.put(call.addr(3), kill);
  return error != 0 ? Result::fail(error) : stored ? Result::ok() : Result::fail(EFAULT);
}

// --- signals and tracing --------------------------------------------------------------------------------

Result death_signal(Call& call, std::int32_t signal) noexcept {
  if (signal < 0 || signal > call.table.signal_limit()) return Result::fail(EINVAL);
  const int native = call.table.signal_to_native(signal);
  if (signal != 0 && native == 0) return Result::fail(EINVAL);
  return Result::of(prctl(call.host, PR_SET_PDEATHSIG, static_cast<Word>(native)));
}

Result death_signal_status(Call& call) noexcept {
  int native = 0;
  const NativeResult got = prctl(call.host, PR_GET_PDEATHSIG, reinterpret_cast<Word>(&native));
  return is_error(got) ? Result::of(got) : put_int(call, call.table.signal_to_guest(native));
}

/// A number in /proc/PID/status.
int status_number(Host& host, int pid, std::string_view key) noexcept {
  char buffer[4096];
  const std::string_view text = read_host_file(host, proc::proc_path(pid, "status").text, buffer);
  return static_cast<int>(leading_number(text_after(text, key), 0));
}

/// A process with a seccomp filter has had to give up privileges for that: it says nothing about the guest.
bool no_new_privs(Host& host, int pid) noexcept {
  return status_number(host, pid, "\nNoNewPrivs") == 1 && status_number(host, pid, "\nSeccomp:") == 0;
}

Result trace_ctl(Call& call, int value) noexcept {
  std::atomic<int>& state = self(call).switches().trace;
  if (status_number(call.host, call.host.pid(), "\nTracerPid") != 0) return Result::fail(EBUSY);
  if (value < kEnable || value > kDisableExec) return Result::fail(EINVAL);
  state = value;
  return Result::of(prctl(call.host, PR_SET_DUMPABLE, value == kEnable ? 1 : 0));
}

Result trace_status(Call& call, int pid) noexcept {
  if (pid == call.host.pid() && prctl(call.host, PR_GET_DUMPABLE) != 1 &&
      self(call).switches().trace != kEnable)
    return put_int(call, -1);
  return put_int(call, status_number(call.host, pid, "\nTracerPid"));
}

// --- switches -------------------------------------------------------------------------------------------

/// Keeps a choice from 1 to `highest`.
Result choose(std::atomic<int>& kept, int wanted, int highest) noexcept {
  if (wanted < 1 || wanted > highest) return Result::fail(EINVAL);
  kept = wanted;
  return Result::ok();
}

Result stack_gap(std::atomic<int>& kept, int wanted) noexcept {
  constexpr int kOn = 1, kOff = 2, kOnExec = 4, kOffExec = 8;
  if ((wanted & ~(kOn | kOff | kOnExec | kOffExec)) != 0) return Result::fail(EINVAL);
  if ((wanted & (kOn | kOff)) == (kOn | kOff)) return Result::fail(EINVAL);
  int state = kept;
  if ((wanted & kOn) != 0 && (state & kOff) != 0) return Result::fail(EINVAL);  // it is not to be had back
  if ((wanted & kOff) != 0) state = (state & ~kOn) | kOff;
  kept = state;
  if ((wanted & (kOnExec | kOffExec)) == (kOnExec | kOffExec)) return Result::fail(EINVAL);
  if ((wanted & (kOnExec | kOffExec)) != 0)
    kept = (state & ~(kOnExec | kOffExec)) | (wanted & (kOnExec | kOffExec));
  return Result::ok();
}

Result protect(Call& call, int flags) noexcept {
  const int op = flags & 0xf, more = flags & ~0xf;
  if ((op != 1 && op != 2) || (more & ~0x30) != 0) return Result::fail(EINVAL);
  // For root it is accepted, and the host's out-of-memory killer left as it is.
  return call.host.call(SYS_geteuid) == 0 ? Result::ok() : Result::fail(EPERM);
}

bool sets_something(int command) noexcept {  // p_candebug() is asked for other processes
  return command == kTraceCtl || command == kTrapCapCtl || (command >= kAslrCtl && command % 2 == 1);
}

Result of_other(Call& call, int pid, int command) noexcept {
  if (sets_something(command)) return Result::fail(EPERM);
  const ProcessSwitches fresh;
  switch (command) {
    case kProtect:
    case kReapAcquire:
    case kReapRelease:
      return Result::fail(EPERM);
    case kDeathSignalCtl:
    case kDeathSignalStatus:
      return Result::fail(EINVAL);
    case kTraceStatus:
      return trace_status(call, pid);
    case kNoNewPrivsStatus:
      return put_int(call, no_new_privs(call.host, pid) ? kEnable : kDisable);
    case kTrapCapStatus:
      return put_int(call, fresh.trapcap);
    case kAslrStatus:
      return put_int(call, static_cast<int>(static_cast<unsigned>(fresh.aslr.load()) | kActive));
    case kProtMaxStatus:
      return put_int(call, fresh.protmax);
    case kStackGapStatus:
      return put_int(call, fresh.stackgap);
    case kWxMapStatus:
      return put_int(call, fresh.wxmap);
    case kLogSigExitStatus:
      return put_int(call, fresh.logsigexit);
    default:
      return Result::fail(EINVAL);
  }
}

Result of_self(Call& call, int command, int value) noexcept {
  Host& host = call.host;
  ProcessSwitches& kept = self(call).switches();
  switch (command) {
    case kProtect:
      return protect(call, value);
    case kReapAcquire:
      return reap_acquire(call);
    case kReapRelease:
      return reap_release(call);
    case kTraceCtl:
      return trace_ctl(call, value);
    case kTraceStatus:
      return trace_status(call, host.pid());
    case kDeathSignalCtl:
      return death_signal(call, value);
    case kDeathSignalStatus:
      return death_signal_status(call);
    case kNoNewPrivsCtl:
      if (value != kEnable) return Result::fail(EINVAL);
      kept.no_new_privs = true;
      return Result::of(prctl(host, PR_SET_NO_NEW_PRIVS, 1));
    case kNoNewPrivsStatus:
      return put_int(call, kept.no_new_privs || no_new_privs(host, host.pid()) ? kEnable : kDisable);
    case kTrapCapCtl:
      return choose(kept.trapcap, value, kDisable);
    case kTrapCapStatus:
      return put_int(call, kept.trapcap);
    case kAslrCtl:
      return choose(kept.aslr, value, ProcessSwitches::kNoForce);
    case kAslrStatus:
      return put_int(call, static_cast<int>(static_cast<unsigned>(kept.aslr.load()) | kActive));
    case kProtMaxCtl:
      return choose(kept.protmax, value, ProcessSwitches::kNoForce);
    case kProtMaxStatus: {
      const auto state = static_cast<unsigned>(kept.protmax.load());
      return put_int(call,
                     static_cast<int>(state == ProcessSwitches::kForceEnable ? state | kActive : state));
    }
    case kLogSigExitCtl:
      return choose(kept.logsigexit, value, ProcessSwitches::kNoForce);
    case kLogSigExitStatus:
      return put_int(call, kept.logsigexit);
    case kStackGapCtl:
      return stack_gap(kept.stackgap, value);
    case kStackGapStatus:
      return put_int(call, kept.stackgap);
    case kWxMapCtl:
      if (value != 1 && value != 2) return Result::fail(EINVAL);
      kept.wxmap |= value;
      return Result::ok();
    case kWxMapStatus:
      return put_int(call, kept.wxmap);
    default:
      return Result::fail(EINVAL);
  }
}

/// What an argument is read as before anything else is looked at.
bool takes_number(int command) noexcept {
  return command == kProtect || command == kDeathSignalCtl || sets_something(command);
}
bool is_of_groups(int command) noexcept {
  return command == kProtect || command == kTraceCtl || command == kTrapCapCtl;
}

}  // namespace

Result procctl(Call& call) noexcept {
  constexpr int kPid = 0, kGroup = 2;  // P_PID, P_PGID
  const int type = call.i32(0), command = call.i32(2);
  const std::int64_t id = call.i64(1);
  if (command < kProtect || command > kLogSigExitStatus) return Result::fail(EINVAL);
  std::int32_t value = 0;
  ReaperPids pids{};
  ReaperKill kill{};
  if (takes_number(command) && !call.host.get(call.addr(3), value)) return Result::fail(EFAULT);
  if (command == kReapGetPids && !call.host.get(call.addr(3), pids)) return Result::fail(EFAULT);
  if (command == kReapKill && !call.host.get(call.addr(3), kill)) return Result::fail(EFAULT);
  if ((command == kReapAcquire || command == kReapRelease) && !is_null(call.addr(3)))
    return Result::fail(EINVAL);

  if (type == kGroup && is_of_groups(command)) {
    // The processes of a group that cannot be controlled are passed over; the caller's own can.
    const NativeResult own = call.host.call(SYS_getpgid, 0);
    if (id == own) return of_self(call, command, value);
    return Result::fail(id > 0 && call.host.call(SYS_kill, static_cast<Word>(-id), 0) != -ESRCH ? EPERM
                                                                                                : ESRCH);
  }
  if (type != kPid) return Result::fail(EINVAL);
  const bool own = id == 0 || id == call.host.pid();
  const int pid = own ? call.host.pid() : static_cast<int>(id);
  ProcessState state;
  if (!own && (id < 0 || id > INT32_MAX || !process_state(call.host, pid, state)))
    return Result::fail(command == kDeathSignalCtl || command == kDeathSignalStatus ? EINVAL : ESRCH);
  switch (command) {
    case kReapStatus:
      return reap_status(call, pid);
    case kReapGetPids:
      return reap_pids(call, pid, pids);
    case kReapKill:
      return reap_kill_call(call, pid, kill);
    default:
      return own ? of_self(call, command, value) : of_other(call, pid, command);
  }
}

namespace {
constexpr HandlerEntry kHandlers[] = {
    {"procctl", procctl},
};
}  // namespace

std::span<const HandlerEntry> procctl_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::freebsd

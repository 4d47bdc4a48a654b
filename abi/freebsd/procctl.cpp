// procctl(2): reaping, tracing, parent-death signal, and the per-process switches of FreeBSD's memory and
// privilege policy. The switches that only harden the process are accepted, and reported as the default.
//
// Facts: FreeBSD 15.0 sys/sys/procctl.h, sys/kern/kern_procctl.c.
#include <cerrno>

#include <sys/prctl.h>
#include <sys/syscall.h>

#include "abi/freebsd/system_calls.hpp"

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
constexpr int kNoForce = 3;                                 // PROC_ASLR_NOFORCE, PROC_PROTMAX_NOFORCE…
constexpr std::uint32_t kAslrActive = 0x8000'0000;

struct ReaperStatus {  // struct procctl_reaper_status
  std::uint32_t flags, children, descendants;
  std::int32_t reaper, pid;
  std::uint32_t pad[15];
};
static_assert(sizeof(ReaperStatus) == 80);
constexpr std::uint32_t kReaperOwned = 1, kReaperRealInit = 2;

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

/// Reads the int argument of a *_CTL command; `highest` is the largest it may be.
int get_choice(Call& call, int highest, int& value) noexcept {
  std::int32_t wanted = 0;
  if (!call.host.get(call.addr(3), wanted)) return EFAULT;
  value = wanted;
  return wanted < 1 || wanted > highest ? EINVAL : 0;
}

/// Commands that change nothing here, once their argument has been found good.
Result accept(Call& call, int highest) noexcept {
  int value = 0;
  const int error = get_choice(call, highest, value);
  return error != 0 ? Result::fail(error) : Result::ok();
}

Result reaper_status(Call& call) noexcept {
  ReaperStatus status{};
  status.pid = -1;
  if (is_reaper(call.host)) {
    status.flags = kReaperOwned;
    status.reaper = call.host.pid();
  } else {
    status.flags = kReaperRealInit;
    status.reaper = 1;
  }
  return call.host.put(call.addr(3), status) ? Result::ok() : Result::fail(EFAULT);
}

Result death_signal(Call& call) noexcept {
  std::int32_t signal = 0;
  if (!call.host.get(call.addr(3), signal)) return Result::fail(EFAULT);
  const int native = call.table.signal_to_native(signal);
  if (signal != 0 && native == 0) return Result::fail(EINVAL);
  return Result::of(prctl(call.host, PR_SET_PDEATHSIG, static_cast<Word>(native)));
}

Result death_signal_status(Call& call) noexcept {
  int native = 0;
  const NativeResult got = prctl(call.host, PR_GET_PDEATHSIG, reinterpret_cast<Word>(&native));
  return is_error(got) ? Result::of(got) : put_int(call, call.table.signal_to_guest(native));
}

Result trace_ctl(Call& call) noexcept {
  int value = 0;
  if (const int error = get_choice(call, kDisableExec, value); error != 0) return Result::fail(error);
  return Result::of(prctl(call.host, PR_SET_DUMPABLE, value == kEnable ? 1 : 0));
}

Result no_new_privs(Call& call) noexcept {
  int value = 0;
  if (const int error = get_choice(call, kEnable, value); error != 0) return Result::fail(error);
  return Result::of(call.host.call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

}  // namespace

Result procctl(Call& call) noexcept {
  constexpr int kPid = 0;  // P_PID
  const std::int64_t id = call.i64(1);
  if (call.i32(0) != kPid) return Result::fail(EINVAL);
  if (id != 0 && id != call.host.pid()) return Result::fail(EPERM);  // only of itself

  Host& host = call.host;
  switch (call.i32(2)) {
    case kReapAcquire:
      if (is_reaper(host)) return Result::fail(EBUSY);
      return Result::of(prctl(host, PR_SET_CHILD_SUBREAPER, 1));
    case kReapRelease:
      if (!is_reaper(host)) return Result::fail(EINVAL);
      return Result::of(prctl(host, PR_SET_CHILD_SUBREAPER, 0));
    case kReapStatus:
      return reaper_status(call);
    case kReapGetPids:
    case kReapKill:
      return Result::fail(EOPNOTSUPP);
    case kTraceCtl:
      return trace_ctl(call);
    case kTraceStatus:
      return put_int(call, prctl(host, PR_GET_DUMPABLE) == 1 ? 0 : -1);
    case kDeathSignalCtl:
      return death_signal(call);
    case kDeathSignalStatus:
      return death_signal_status(call);
    case kNoNewPrivsCtl:
      return no_new_privs(call);
    case kNoNewPrivsStatus:
      return put_int(call, prctl(host, PR_GET_NO_NEW_PRIVS) == 1 ? kEnable : kDisable);
    case kTrapCapCtl:
      return accept(call, kDisable);
    case kTrapCapStatus:
      return put_int(call, kDisable);
    case kAslrCtl:
    case kProtMaxCtl:
    case kLogSigExitCtl:
      return accept(call, kNoForce);
    case kAslrStatus:
      return put_int(call, static_cast<int>(kNoForce | kAslrActive));
    case kProtMaxStatus:
    case kLogSigExitStatus:
      return put_int(call, kNoForce);
    case kStackGapCtl:
      return accept(call, 0xf);
    case kStackGapStatus:
      return put_int(call, 1 | 4);  // PROC_STACKGAP_ENABLE, PROC_STACKGAP_ENABLE_EXEC
    case kWxMapCtl:
      return accept(call, 7);
    case kWxMapStatus:
      return put_int(call, 1);  // PROC_WX_MAPPINGS_PERMIT
    case kProtect:
      return Result::fail(EPERM);
    default:
      return Result::fail(EINVAL);
  }
}

}  // namespace sudrun::abi::freebsd

// Where threads run, and how urgently.
// Sources: DragonFly 6.4 sys/kern/kern_usched.c, sys/kern/kern_resource.c (sys_lwp_rtprio, sys_ioprio_*),
// sys/kern/kern_time.c (sys_getcpuclockid), sys/sys/rtprio.h, sys/sys/usched.h.
#include <sched.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "abi/bsd/system_calls.hpp"
#include "abi/dragonfly/dragonfly.hpp"

namespace sudrun::abi::dragonfly {
namespace {

Word word(const void* pointer) noexcept { return reinterpret_cast<Word>(pointer); }
Word word(int number) noexcept { return static_cast<Word>(static_cast<std::int64_t>(number)); }

bool is_thread_of(Host& host, int pid, int tid) noexcept {
  return tid > 0 && host.call(SYS_tgkill, word(pid), word(tid), 0) == 0;
}

// --- urgency
// -------------------------------------------------------------------------------------------------

/// RTP_PRIO_REALTIME and so on, in common numbers. RTP_PRIO_THREAD is the kernel's own.
constexpr std::array<std::uint16_t, 5> kTypes{RtPrio::kRealtime, RtPrio::kNormal, RtPrio::kIdle, 0,
                                              RtPrio::kFifo};

Result rtprio_of(Call& call, int tid, GuestAddr at) noexcept {
  constexpr int kLookup = 0, kSet = 1;
  RtPrio value{};
  if (call.i32(0) == kLookup) {
    const Result got = get_priority(call.host, tid, value);
    if (!got.is_ok()) return got;
    value.type = static_cast<std::uint16_t>(std::ranges::find(kTypes, value.type) - kTypes.begin());
    return call.host.put(at, value) ? Result::ok() : Result::fail(EFAULT);
  }
  if (!call.host.get(at, value)) return Result::fail(EFAULT);
  if (call.i32(0) != kSet || value.type >= kTypes.size()) return Result::fail(EINVAL);
  value.type = kTypes[value.type];
  return set_priority(call.host, tid, value);
}

Result rtprio(Call& call) noexcept {
  const int pid = call.i32(1);
  return rtprio_of(call, pid, call.addr(2));
}

Result lwp_rtprio(Call& call) noexcept {
  const int pid = call.i32(1) == 0 ? call.host.pid() : call.i32(1);
  const int tid = call.i32(2) == -1 && pid == call.host.pid() ? call.host.tid() : call.i32(2);
  if (call.i32(1) < 0) return Result::fail(EINVAL);
  if (!is_thread_of(call.host, pid, tid)) return Result::fail(ESRCH);
  return rtprio_of(call, tid, call.addr(3));
}

// --- processors
// ----------------------------------------------------------------------------------------------

using CpuMask = std::array<std::uint64_t, 4>;  // cpumask_t

/// The thread meant, of the caller's process; a negative number means the caller. 0: none.
int thread_meant(Call& call, int tid) noexcept {
  if (tid < 0) return call.host.tid();
  return is_thread_of(call.host, call.host.pid(), tid) ? tid : 0;
}

Result lwp_getaffinity(Call& call) noexcept {
  const int pid = call.i32(0) == 0 ? call.host.pid() : call.i32(0);
  const int tid =
      pid == call.host.pid() ? thread_meant(call, call.i32(1)) : (call.i32(1) < 0 ? pid : call.i32(1));
  if (tid == 0) return Result::fail(ESRCH);
  CpuMask mask{};
  const NativeResult r = call.host.call(SYS_sched_getaffinity, word(tid), sizeof mask, word(mask.data()));
  if (is_error(r)) return Result::of(r);
  return call.host.put(call.addr(2), mask) ? Result::ok() : Result::fail(EFAULT);
}

/// Of other processes: the superuser's. Processors that are not there do not count.
Result lwp_setaffinity(Call& call) noexcept {
  CpuMask mask{};
  if (!call.host.get(call.addr(2), mask)) return Result::fail(EFAULT);
  if (call.i32(0) != 0 && call.i32(0) != call.host.pid()) return Result::fail(EPERM);
  const int tid = thread_meant(call, call.i32(1));
  if (tid == 0) return Result::fail(ESRCH);
  const NativeResult r = call.host.call(SYS_sched_setaffinity, word(tid), sizeof mask, word(mask.data()));
  return r == -EINVAL ? Result::fail(EPERM) : Result::of(r);
}

// --- clocks
// --------------------------------------------------------------------------------------------------

/// The clock is the host's own number for it: the table hands those on. Clocks of single threads can be asked
/// for by the process they are of.
Result getcpuclockid(Call& call) noexcept {
  const int pid = call.i32(0) == 0 ? call.host.pid() : call.i32(0);
  const int tid = call.i32(1);
  const bool whole = tid == 0 || tid == -1;
  if (pid < 0) return Result::fail(ESRCH);
  if (!whole && !is_thread_of(call.host, pid, tid)) return Result::fail(ESRCH);
  if (whole && call.host.call(SYS_kill, word(pid), 0) == -ESRCH) return Result::fail(ESRCH);
  // CPUCLOCK_SCHED, and the bit for a thread (linux/posix-timers.h).
  const std::uint64_t clock = static_cast<std::uint32_t>((~(whole ? pid : tid) << 3) | 2 | (whole ? 0 : 4));
  return call.host.put(call.addr(2), clock) ? Result::ok() : Result::fail(EFAULT);
}

constexpr std::array kHandlers{
    HandlerEntry{"getcpuclockid", getcpuclockid},
    HandlerEntry{"lwp_getaffinity", lwp_getaffinity},
    HandlerEntry{"lwp_rtprio", lwp_rtprio},
    HandlerEntry{"lwp_setaffinity", lwp_setaffinity},
    HandlerEntry{"rtprio", rtprio},
};

}  // namespace

std::span<const HandlerEntry> scheduling_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::dragonfly

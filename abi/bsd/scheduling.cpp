// Priorities and scheduling classes.
//
// FreeBSD's realtime priorities are 0…31 in sched_*(2), and the same counted downwards in rtprio(2); Linux's
// are 1…99, of which 1…32 are used.
//
// Facts: FreeBSD 15.0 sys/sys/rtprio.h, sys/sys/sched.h, sys/sys/priority.h, sys/kern/ksched.c,
// sys/kern/kern_resource.c; setpriority(2) of Linux, "C library/kernel differences".
#include <algorithm>
#include <cerrno>

#include <sched.h>
#include <sys/syscall.h>

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/system_calls.hpp"

namespace sudrun::abi::bsd {

namespace {

constexpr int kGuestFifo = 1, kGuestOther = 2, kGuestRoundRobin = 3;
constexpr int kRealtimeMax = 31;    // RTP_PRIO_MAX
constexpr int kTimeshareMax = 167;  // PRI_MAX_TIMESHARE - PRI_MIN_TIMESHARE: 223 - 56

constexpr std::uint16_t kTypeRealtime = RtPrio::kRealtime, kTypeNormal = RtPrio::kNormal,
                        kTypeIdle = RtPrio::kIdle, kTypeFifo = RtPrio::kFifo;

constexpr int native_policy(int guest) noexcept {
  switch (guest) {
    case kGuestFifo:
      return SCHED_FIFO;
    case kGuestOther:
      return SCHED_OTHER;
    case kGuestRoundRobin:
      return SCHED_RR;
    default:
      return -1;
  }
}
constexpr int guest_policy(int native) noexcept {
  switch (native & ~SCHED_RESET_ON_FORK) {
    case SCHED_FIFO:
      return kGuestFifo;
    case SCHED_RR:
      return kGuestRoundRobin;
    default:
      return kGuestOther;
  }
}
constexpr bool is_realtime(int native) noexcept {
  return (native & ~SCHED_RESET_ON_FORK) == SCHED_FIFO || (native & ~SCHED_RESET_ON_FORK) == SCHED_RR;
}

NativeResult policy_of(Host& host, int id) noexcept {
  return host.call(SYS_sched_getscheduler, static_cast<Word>(id));
}

int realtime_priority(Host& host, int id) noexcept {
  sched_param param{};
  host.call(SYS_sched_getparam, static_cast<Word>(id), reinterpret_cast<Word>(&param));
  return std::clamp(param.sched_priority - 1, 0, kRealtimeMax);
}

Result set_native(Host& host, int id, int policy, int priority) noexcept {
  sched_param param{};
  param.sched_priority = priority;
  const NativeResult set = host.call(SYS_sched_setscheduler, static_cast<Word>(id), static_cast<Word>(policy),
                                     reinterpret_cast<Word>(&param));
  return is_error(set) ? Result::of(set) : Result::ok();
}

/// `priority` is the guest's.
Result set_policy(Host& host, int id, int policy, int priority) noexcept {
  if (is_realtime(policy)) {
    if (priority < 0 || priority > kRealtimeMax) return Result::fail(EINVAL);
    return set_native(host, id, policy, priority + 1);
  }
  if (priority < 0 || priority > kTimeshareMax) return Result::fail(EINVAL);
  return set_native(host, id, policy, 0);
}

Result rtprio_of(Call& call, int id) noexcept {
  RtPrio value{};
  if (call.i32(0) == 0) {  // RTP_LOOKUP
    const Result got = get_priority(call.host, id, value);
    if (!got.is_ok()) return got;
    return call.host.put(call.addr(2), value) ? Result::ok() : Result::fail(EFAULT);
  }
  if (call.i32(0) != 1) return Result::fail(EINVAL);  // RTP_SET
  return call.host.get(call.addr(2), value) ? set_priority(call.host, id, value) : Result::fail(EFAULT);
}

}  // namespace

Result get_priority(Host& host, int native_tid, RtPrio& value) noexcept {
  const NativeResult policy = policy_of(host, native_tid);
  if (is_error(policy)) return Result::of(policy);
  value = {kTypeNormal, 0};
  const int native = static_cast<int>(policy) & ~SCHED_RESET_ON_FORK;
  if (native == SCHED_IDLE) value = {kTypeIdle, kRealtimeMax};
  if (is_realtime(native))
    value = {native == SCHED_FIFO ? kTypeFifo : kTypeRealtime,
             static_cast<std::uint16_t>(kRealtimeMax - realtime_priority(host, native_tid))};
  return Result::ok();
}

Result set_priority(Host& host, int native_tid, const RtPrio& wanted) noexcept {
  switch (wanted.type) {
    case kTypeNormal:
      return set_native(host, native_tid, SCHED_OTHER, 0);
    case kTypeIdle:
      return wanted.priority > kRealtimeMax ? Result::fail(EINVAL)
                                            : set_native(host, native_tid, SCHED_IDLE, 0);
    case kTypeRealtime:
    case kTypeFifo:
      return set_policy(host, native_tid, wanted.type == kTypeFifo ? SCHED_FIFO : SCHED_RR,
                        kRealtimeMax - wanted.priority);
    default:
      return Result::fail(EINVAL);
  }
}

int check_new_priority(Host& host, const RtPrio& wanted) noexcept {
  if (wanted.type == kTypeNormal) return 0;
  if (wanted.type != kTypeRealtime && wanted.type != kTypeFifo) return EINVAL;
  if (host.call(SYS_geteuid) != 0) return EPERM;
  return wanted.priority > kRealtimeMax ? EINVAL : 0;
}

void set_new_priority(Host& host, int native_tid, const RtPrio& wanted) noexcept {
  if (wanted.type == kTypeNormal) return;
  set_policy(host, native_tid, wanted.type == kTypeFifo ? SCHED_FIFO : SCHED_RR,
             kRealtimeMax - wanted.priority);
}

Result getpriority(Call& call) noexcept {
  const NativeResult raw =
      call.host.call(SYS_getpriority, static_cast<Word>(call.i32(0)), static_cast<Word>(call.i32(1)));
  if (is_error(raw)) return Result::of(raw);
  return Result::ok(
      static_cast<Word>(20 - raw));  // the native call returns 1…40 so as not to look like an error
}

Result setpriority(Call& call) noexcept {
  const int nice = std::clamp(call.i32(2), -20, 19);  // FreeBSD's weakest is 20
  return Result::of(call.host.call(SYS_setpriority, static_cast<Word>(call.i32(0)),
                                   static_cast<Word>(call.i32(1)), static_cast<Word>(nice)));
}

Result rtprio(Call& call) noexcept { return rtprio_of(call, call.i32(1)); }
Result rtprio_thread(Call& call) noexcept {
  const int id = call.i32(1);
  if (id != 0 && self(call).native_tid(id) == 0) return Result::fail(ESRCH);
  return rtprio_of(call, self(call).native_tid(id));
}

Result sched_setparam(Call& call) noexcept {
  std::int32_t priority = 0;
  if (!call.host.get(call.addr(1), priority)) return Result::fail(EFAULT);
  const NativeResult policy = policy_of(call.host, call.i32(0));
  if (is_error(policy)) return Result::of(policy);
  return set_policy(call.host, call.i32(0), static_cast<int>(policy), priority);
}

Result sched_getparam(Call& call) noexcept {
  const NativeResult policy = policy_of(call.host, call.i32(0));
  if (is_error(policy)) return Result::of(policy);
  const std::int32_t priority =
      is_realtime(static_cast<int>(policy)) ? realtime_priority(call.host, call.i32(0)) : 0;
  return call.host.put(call.addr(1), priority) ? Result::ok() : Result::fail(EFAULT);
}

Result sched_setscheduler(Call& call) noexcept {
  std::int32_t priority = 0;
  if (!call.host.get(call.addr(2), priority)) return Result::fail(EFAULT);
  const int policy = native_policy(call.i32(1));
  if (policy < 0) return Result::fail(EINVAL);
  return set_policy(call.host, call.i32(0), policy, priority);
}

Result sched_getscheduler(Call& call) noexcept {
  const NativeResult policy = policy_of(call.host, call.i32(0));
  if (is_error(policy)) return Result::of(policy);
  return Result::ok(static_cast<Word>(guest_policy(static_cast<int>(policy))));
}

Result sched_get_priority_max(Call& call) noexcept {
  const int policy = native_policy(call.i32(0));
  if (policy < 0) return Result::fail(EINVAL);
  return Result::ok(static_cast<Word>(is_realtime(policy) ? kRealtimeMax : kTimeshareMax));
}

Result sched_get_priority_min(Call& call) noexcept {
  return native_policy(call.i32(0)) < 0 ? Result::fail(EINVAL) : Result::ok(0);
}

Result sched_rr_get_interval(Call& call) noexcept {
  timespec interval{};
  const NativeResult got = call.host.call(SYS_sched_rr_get_interval, static_cast<Word>(call.i32(0)),
                                          reinterpret_cast<Word>(&interval));
  if (is_error(got)) return Result::of(got);
  return call.host.put(call.addr(1), interval) ? Result::ok() : Result::fail(EFAULT);
}

Result sched_getcpu(Call& call) noexcept {
  unsigned cpu = 0;
  const NativeResult got = call.host.call(SYS_getcpu, reinterpret_cast<Word>(&cpu), 0, 0);
  return is_error(got) ? Result::of(got) : Result::ok(cpu);
}

}  // namespace sudrun::abi::bsd

// Handlers of system_handlers() that live in files of their own.
#pragma once

#include "abi/handler.hpp"

namespace sudrun::abi::bsd {

// scheduling.cpp

struct RtPrio {                                                                      // struct rtprio
  static constexpr std::uint16_t kRealtime = 2, kNormal = 3, kIdle = 4, kFifo = 10;  // in common numbers
  std::uint16_t type, priority;
};
static_assert(sizeof(RtPrio) == 4);
/// A thread's, in common numbers.
Result get_priority(Host& host, int native_tid, RtPrio& value) noexcept;
Result set_priority(Host& host, int native_tid, const RtPrio& wanted) noexcept;
/// What thr_new(2) refuses to start a thread with. 0 or an errno.
int check_new_priority(Host& host, const RtPrio& wanted) noexcept;
/// Gives a thread a realtime priority that has been checked, as far as the host grants it.
void set_new_priority(Host& host, int native_tid, const RtPrio& wanted) noexcept;

Result getpriority(Call& call) noexcept;
Result setpriority(Call& call) noexcept;
Result rtprio(Call& call) noexcept;
Result rtprio_thread(Call& call) noexcept;
Result sched_setparam(Call& call) noexcept;
Result sched_getparam(Call& call) noexcept;
Result sched_setscheduler(Call& call) noexcept;
Result sched_getscheduler(Call& call) noexcept;
Result sched_get_priority_max(Call& call) noexcept;
Result sched_get_priority_min(Call& call) noexcept;
Result sched_rr_get_interval(Call& call) noexcept;
Result sched_getcpu(Call& call) noexcept;

}  // namespace sudrun::abi::bsd

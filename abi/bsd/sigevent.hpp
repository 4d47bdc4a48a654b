// `struct sigevent`: how a program wants to hear that something has happened.
// Source: FreeBSD 14.0, sys/sys/signal.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/handler.hpp"

namespace sudrun::abi::bsd {

struct GuestSigevent {
  std::int32_t notify;
  std::int32_t signal;  ///< kNotifyKevent: the kqueue's descriptor
  std::uint64_t value;
  std::int32_t thread_id;  ///< kNotifyKevent: the event's flags, in the low half
  std::int32_t pad[15];
};
static_assert(sizeof(GuestSigevent) == 80 && offsetof(GuestSigevent, value) == 8);
static_assert(offsetof(GuestSigevent, thread_id) == 16);

/// `struct osigevent`, of calls before FreeBSD 7.
struct GuestSigeventOld {
  std::int32_t notify;
  std::int32_t signal;
  std::uint64_t value;
};
static_assert(sizeof(GuestSigeventOld) == 16);

// SIGEV_*; SIGEV_THREAD is libc's own.
inline constexpr std::int32_t kNotifyNone = 0, kNotifySignal = 1, kNotifyKevent = 3, kNotifyThreadId = 4;

/// timer_create(2), whose second argument has been read; null: it is null.
Result create_timer(Call& call, const GuestSigevent* event) noexcept;  // time.cpp

}  // namespace sudrun::abi::bsd

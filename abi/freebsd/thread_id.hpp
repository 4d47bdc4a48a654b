// Thread ids as FreeBSD's programs see them.
#pragma once

#include "abi/host.hpp"

namespace sudrun::abi::freebsd {

/// FreeBSD numbers threads from above the largest pid (NO_PID, sys/sys/proc.h), and two small numbers mean
/// something else in the owner word of a mutex (UMUTEX_RB_OWNERDEAD, sys/sys/umtx.h). Linux threads share the
/// small numbers of processes, so guest ids are native ones plus this.
inline constexpr int kThreadIdBias = 100'000;

inline int guest_tid(int native_tid) noexcept { return native_tid + kThreadIdBias; }
inline int own_tid(Host& host) noexcept { return guest_tid(host.tid()); }
/// Native tid of a guest id; 0 for an id no thread can have.
inline int native_tid(std::int64_t guest) noexcept {
  return guest > kThreadIdBias && guest <= 0x7fff'ffff ? static_cast<int>(guest - kThreadIdBias) : 0;
}

}  // namespace sudrun::abi::freebsd

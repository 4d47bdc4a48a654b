// FreeBSD's _umtx_op(2) over Linux futexes.
#pragma once

#include "abi/host.hpp"
#include "abi/table.hpp"

namespace sudrun::abi::freebsd {

/// The arguments of _umtx_op(2).
struct UmtxRequest {
  GuestAddr object{};
  std::uint32_t op = 0;
  Word value = 0;
  GuestAddr addr1{};
  GuestAddr addr2{};
  std::int64_t minimum = 0;  ///< nanoseconds that a wait until a point in time takes at least
};

/// Carries out one request; `clocks` is the table's clock_id set.
Result umtx_op(Host& host, const FlagSet& clocks, const UmtxRequest& request) noexcept;

/// What the kernel does for a thread that ends: its robust mutexes are marked as left by a dead owner. Called
/// on that thread, while its memory is still there.
void umtx_thread_ends(Host& host) noexcept;

/// Wakes up to `count` threads asleep in UMTX_OP_WAIT* on `word` (what thr_exit does to its state word).
/// Returns how many were woken, or a negative errno.
NativeResult umtx_wake(Host& host, GuestAddr word, int count) noexcept;

}  // namespace sudrun::abi::freebsd

// What the assembly behind rewritten sites (gate_site.inc) reads: which calls it may make by itself, and how.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ctime>

#include "abi/table.hpp"
#include "runtime/thread_block_offsets.h"

namespace sudrun::runtime {

/// One call: where its code is, and what that code needs to know.
struct FastCall {
  std::uint64_t code;  ///< address of a sudrun_fast_* label
  /// Native number, the address of a word to return, operations that are futexes, or what `differs` is.
  std::uint64_t operand;
};

struct alignas(64) FastPath {
  static constexpr unsigned kCalls = 1024;

  std::uint64_t limit;      ///< numbers from here on are for the host loop
  std::uint64_t guest_top;  ///< abi::kGuestTop
  std::uint64_t clock;      ///< the host's clock_gettime that needs no kernel; 0: none
  std::array<std::uint8_t, FAST_CLOCK_ID_COUNT> clock_ids;  ///< guest clock -> host's; 0xff: not here
  std::uint64_t first_hidden;  ///< address of the number (32 bits) from which on a descriptor may be ours
  timespec longest;            ///< how long a sleep without a time limit (FastKind::sleep) may last
  /// Guest errno by Linux errno - 1; 0: there is more to do than to translate.
  alignas(64) std::array<std::uint8_t, 4096> errnos;
  std::array<FastCall, kCalls> calls;
};
static_assert(offsetof(FastPath, limit) == FAST_LIMIT && offsetof(FastPath, guest_top) == FAST_GUEST_TOP);
static_assert(offsetof(FastPath, clock) == FAST_CLOCK && offsetof(FastPath, clock_ids) == FAST_CLOCK_IDS);
static_assert(offsetof(FastPath, first_hidden) == FAST_FIRST_HIDDEN &&
              offsetof(FastPath, longest) == FAST_LONGEST);
static_assert(offsetof(FastPath, errnos) == FAST_ERRNOS && offsetof(FastPath, calls) == FAST_CALLS);
static_assert(sizeof(FastCall) == 16);

/// Ids the kernel need not be asked for again. Whoever changes one in the kernel sets it here before the
/// guest's call is over.
struct CachedIds {
  std::atomic<std::uint64_t> pid, uid, euid, gid, egid;
  void refresh() noexcept;
};

/// The host's function that tells a clock's time without the kernel, as a rule, and without the thread
/// pointer: as clock_gettime(2). 0: there is none.
std::uint64_t clock_of_the_host() noexcept;

/// Fills `path`, which is zero and may be in use already: with a limit of 0 all calls are for the host loop.
/// `ids` and `hidden`, the lowest descriptor of the runtime's own, must live as long.
void build_fast_path(FastPath& path, const abi::Table& table, const CachedIds& ids,
                     const std::atomic<unsigned>& hidden) noexcept;

}  // namespace sudrun::runtime

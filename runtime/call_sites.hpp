// The system-call instructions that have trapped: what stands there, and how often they did.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "abi/host.hpp"
#include "runtime/zeroed.hpp"

namespace sudrun::runtime {

/// Bytes of `syscall`, and of the other instructions that trap.
inline constexpr abi::Word kSyscallSize = 2;

class CallSites {
 public:
  enum class Kind : std::uint8_t {
    unreadable = 0,  ///< gone, or not readable: execute-only or already unmapped
    syscall = 1,     ///< 0f 05
    other = 2,       ///< another instruction stands there: `int 0x80`, `sysenter`, or the code has changed
  };
  struct Seen {
    Kind kind;
    bool hot;  ///< has trapped as often as `hot_after` says, and settle() has not been called
  };

  /// A trap at `address`. Takes no memory. Safe on every guest thread, in the runtime.
  Seen note(abi::Host& host, abi::Word address, unsigned hot_after) noexcept;
  /// The site at `address` is not to be called hot any more.
  void settle(abi::Word address) noexcept;
  /// Other code will stand in [start, end): how often its sites have trapped means nothing any more.
  void forget(abi::Word start, abi::Word end) noexcept;
  /// How many different sites have trapped; counts no further than the table has room.
  unsigned count() const noexcept { return count_.load(std::memory_order_relaxed); }
  /// In the child after fork: its traps are counted anew.
  void forget_traps() noexcept { traps_ = 0; }
  /// How many traps there were.
  std::uint64_t traps() const noexcept { return traps_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kSlots = 8192;  // programs have tens to hundreds of sites
  static constexpr unsigned kProbes = 16;
  static constexpr std::uint8_t kSettled = 0xff;
  std::size_t find(abi::Host* host, abi::Word address) noexcept;

  struct Sites {
    // A slot is address << 2 | kind; 0 is free. Slots are only ever filled.
    std::array<std::atomic<std::uint64_t>, kSlots> slots;
    std::array<std::atomic<std::uint8_t>, kSlots> traps_at;
  };
  Zeroed<Sites> sites_;
  std::atomic<unsigned> count_{0};
  std::atomic<std::uint64_t> traps_{0};
};

}  // namespace sudrun::runtime

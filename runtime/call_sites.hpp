// The system-call instructions that have trapped, each decoded once.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "abi/host.hpp"
#include "loader/disassembler.hpp"
#include "runtime/spin_lock.hpp"

namespace sudrun::runtime {

class CallSites {
 public:
  enum class Kind : std::uint8_t {
    unreadable = 0,  ///< gone, or not readable: execute-only or already unmapped
    syscall = 1,     ///< 0f 05
    other = 2,       ///< another instruction stands there: `int 0x80`, `sysenter`, or the code has changed
  };

  /// The instruction at `address`, which has just trapped. Decodes it the first time it is seen; takes no
  /// memory. Safe on every guest thread, in the runtime.
  Kind note(abi::Host& host, abi::Word address) noexcept;
  /// How many different sites have trapped; counts no further than the table has room.
  unsigned count() const noexcept { return count_.load(std::memory_order_relaxed); }
  SpinLock& lock() noexcept { return lock_; }  ///< held around fork

 private:
  static constexpr std::size_t kSlots = 8192;  // programs have tens to hundreds of sites
  static constexpr unsigned kProbes = 16;
  Kind decode(abi::Host& host, abi::Word address) noexcept;

  // A slot is address << 2 | kind; 0 is free. Slots are only ever filled.
  std::array<std::atomic<std::uint64_t>, kSlots> slots_{};
  std::atomic<unsigned> count_{0};
  SpinLock lock_;
  loader::Disassembler disassembler_;
};

}  // namespace sudrun::runtime

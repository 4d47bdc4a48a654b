// Where the guest's mappings go, and its break. Everything stays below abi::kGuestTop.
#pragma once

#include <atomic>
#include <cstdint>

#include "abi/types.hpp"
#include "runtime/spin_lock.hpp"

namespace sudrun::runtime {

class AddressSpace {
 public:
  AddressSpace() noexcept;

  /// Addresses for mappings the guest leaves to the system, upwards from a random place soon after the start.
  /// Programs, their break and stack are placed elsewhere by the loader.
  static constexpr abi::Word kArenaStart = 0x1800'0000'0000;
  static constexpr abi::Word kArenaEnd = 0x2800'0000'0000;

  /// Next candidate for `size` bytes; different at every call, so that a caller that finds it taken just
  /// asks again. 0 if `size` cannot fit. Lock-free. All guests of a process take from the same.
  abi::Word choose(std::uint64_t size, std::uint64_t alignment) noexcept;

  void set_break_start(abi::Word start) noexcept { break_start_ = break_ = start; }
  /// Moves the break by whole pages; 0 asks. Returns the new break or -ENOMEM.
  std::int64_t set_break(abi::Word address) noexcept;
  void release_break() noexcept { static_cast<void>(set_break(break_start_)); }
  SpinLock& lock() noexcept { return lock_; }  ///< held around fork

 private:
  static std::atomic<abi::Word> next_;
  SpinLock lock_;
  abi::Word break_start_ = 0;
  abi::Word break_ = 0;
};

}  // namespace sudrun::runtime

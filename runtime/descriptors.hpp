// Descriptors of the runtime's own that the guest must neither see nor close.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "runtime/zeroed.hpp"

namespace sudrun::runtime {

class HiddenDescriptors {
 public:
  /// Moves `fd` to a high number, close-on-exec, and hides it. Returns the new number or a negative errno;
  /// `fd` is closed either way. Async-signal-safe, thread-safe.
  std::int64_t hide(int fd) noexcept;
  /// Hides `fd` where it is, close-on-exec.
  void keep(int fd) noexcept;
  void close(int fd) noexcept;
  bool contains(int fd) const noexcept {
    const auto n = static_cast<unsigned>(fd);
    return n >= lowest_.load(std::memory_order_relaxed) && n < kLimit &&
           (((*bits_)[n / 64].load(std::memory_order_relaxed) >> (n % 64)) & 1) != 0;
  }
  /// Descriptors below this number are not hidden. It only goes down.
  const std::atomic<unsigned>& lowest() const noexcept { return lowest_; }

 private:
  void mark(unsigned fd) noexcept;

  static constexpr unsigned kLimit = 1U << 20;  // the kernel's default fs.nr_open
  std::atomic<unsigned> lowest_{kLimit};
  Zeroed<std::array<std::atomic<std::uint64_t>, kLimit / 64>> bits_;
};

}  // namespace sudrun::runtime

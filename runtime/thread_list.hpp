// The guest threads of the process, for what must be done in each of them.
#pragma once

#include <array>
#include <atomic>
#include <mutex>

#include "abi/types.hpp"

namespace sudrun::runtime {

class GuestThread;

/// A native call to be made by every thread. Lives on the stack of the thread that asks.
struct SharedCall {
  long number = 0;
  std::array<abi::Word, 3> args{};
  std::atomic<std::uint32_t> left{0};  ///< threads that have not made it; a futex
  std::atomic<bool> failed{false};     ///< in some thread
};

/// A link in the list; a base of GuestThread.
struct ThreadLink {
  GuestThread* next = nullptr;
  GuestThread* previous = nullptr;
  std::atomic<SharedCall*> shared_call{nullptr};  ///< taken by the catcher of the runtime's own signal
};

/// A thread is listed while its %gs is set, and so while it can catch signals. The lock is held from before a
/// thread is made until it is listed: no thread is between its creator and the list when somebody has the
/// lock. Not for catchers.
class ThreadList {
 public:
  std::mutex& lock() noexcept { return lock_; }
  /// With the lock held by the caller or by the thread that waits for it.
  void add(GuestThread& thread) noexcept;
  void remove(GuestThread& thread) noexcept;
  GuestThread* first() const noexcept { return first_; }
  /// In a fork's child: only `survivor` is left.
  void reset(GuestThread& survivor) noexcept;

 private:
  std::mutex lock_;
  GuestThread* first_ = nullptr;
};

}  // namespace sudrun::runtime

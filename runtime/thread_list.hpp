// The guest threads of the process, for what must be done in each of them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "abi/types.hpp"
#include "runtime/spin_lock.hpp"

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
  std::uint64_t asked = 0;                        ///< the last round of interrupt_others() it is sent,
  std::atomic<std::uint64_t> answered{0};         ///< and the last it has been interrupted in
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

  /// Returns when each thread but `self` has been in the catcher of `signal`, the runtime's own, since the
  /// call began. In the host loop; the caller may hold what it likes but a lock that catchers take. Threads
  /// that come meanwhile are not waited for.
  void interrupt_others(const GuestThread& self, int signal) noexcept;
  /// Asks each thread but `self` (null: none) to stop (GuestThread::ask_to_stop), and waits for none.
  void ask_to_stop(const GuestThread* self) noexcept;
  /// The same of one. A thread that is not listed finds out when it enters.
  void ask_one_to_stop(GuestThread& thread) noexcept;
  /// Sends a signal of an embedded guest to its thread `tid`. False: there is none.
  bool send_to(int tid, int signal) noexcept;
  /// In that catcher, once the interrupted registers are as they are to be. Async-signal-safe.
  void answer(ThreadLink& link) noexcept;

 private:
  bool ask_others(const GuestThread& self, int signal, std::uint64_t round) noexcept;
  void wake_askers() noexcept;

  std::mutex lock_;
  SpinLock links_;  ///< for a look at the list without the other, which may be held for long
  GuestThread* first_ = nullptr;
  std::atomic<std::uint64_t> round_{0};
  std::atomic<std::uint32_t> changes_{0};  ///< of who has answered or is gone; a futex
};

}  // namespace sudrun::runtime

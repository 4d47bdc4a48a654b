// A lock for short sections that a signal catcher may also enter: the catcher never runs the locked code on
// a thread that is itself in the runtime (its signals wait for the boundary), so it cannot deadlock.
#pragma once

#include <sched.h>

#include <atomic>

namespace sudrun::runtime {

class SpinLock {
 public:
  void lock() noexcept {
    for (unsigned spins = 0; flag_.test_and_set(std::memory_order_acquire);) {
      if (++spins % 64 == 0) sched_yield();
      __builtin_ia32_pause();
    }
  }
  bool try_lock() noexcept { return !flag_.test_and_set(std::memory_order_acquire); }
  void unlock() noexcept { flag_.clear(std::memory_order_release); }

 private:
  std::atomic_flag flag_;
};

}  // namespace sudrun::runtime

// thr_suspend(2) and thr_wake(2): sleeping until one is called by one's thread id.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>
#include <mutex>
#include <vector>

#include "abi/host.hpp"

namespace sudrun::abi::freebsd {

/// The threads of this process that have been woken and have not noticed yet.
class ThreadWakeups {
 public:
  /// Allocates. False if there is no memory.
  bool wake(Host& host, int tid) noexcept;
  /// Sleeps until the calling thread has been woken, or was before. 0, -ETIMEDOUT or -EINTR.
  NativeResult sleep(Host& host, const timespec* timeout) noexcept;
  /// A later thread of this id must not find what was meant for this one.
  void forget(int tid) noexcept;

  void before_fork() noexcept { mutex_.lock(); }
  void after_fork_in_parent() noexcept { mutex_.unlock(); }
  void after_fork_in_child() noexcept;

 private:
  bool take(int tid) noexcept;

  std::mutex mutex_;
  std::vector<int> woken_;
  /// Changes with every wake-up; what sleepers sleep on. All look when it does: nobody makes these calls
  /// often.
  std::atomic<std::uint32_t> turn_{0};
};

}  // namespace sudrun::abi::freebsd

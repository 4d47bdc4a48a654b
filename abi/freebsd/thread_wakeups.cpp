// Facts: FreeBSD 15.0 sys/kern/kern_thr.c (kern_thr_suspend, sys_thr_wake).
#include "abi/freebsd/thread_wakeups.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <exception>

namespace sudrun::abi::freebsd {

bool ThreadWakeups::wake(Host& host, int tid) noexcept {
  {
    const std::scoped_lock hold(mutex_);
    try {
      if (std::ranges::find(woken_, tid) == woken_.end()) woken_.push_back(tid);
    } catch (const std::exception&) {
      return false;
    }
    ++turn_;
  }
  if (tid != host.tid())
    host.call(SYS_futex, reinterpret_cast<Word>(&turn_), FUTEX_WAKE_PRIVATE, static_cast<Word>(INT_MAX));
  return true;
}

bool ThreadWakeups::take(int tid) noexcept {
  const std::scoped_lock hold(mutex_);
  const auto at = std::ranges::find(woken_, tid);
  if (at == woken_.end()) return false;
  woken_.erase(at);
  return true;
}

void ThreadWakeups::forget(int tid) noexcept { take(tid); }

NativeResult ThreadWakeups::sleep(Host& host, const timespec* timeout) noexcept {
  timespec end{};
  constexpr std::int64_t kSecond = 1'000'000'000, kFarAway = std::int64_t{1} << 40;
  if (timeout != nullptr) {
    host.call(SYS_clock_gettime, CLOCK_MONOTONIC, reinterpret_cast<Word>(&end));
    end.tv_sec = timeout->tv_sec > kFarAway ? kFarAway : end.tv_sec + timeout->tv_sec;
    end.tv_nsec += timeout->tv_nsec;
    if (end.tv_nsec >= kSecond) end = {end.tv_sec + 1, end.tv_nsec - kSecond};
  }
  for (;;) {
    const std::uint32_t turn = turn_.load();
    if (take(host.tid())) return 0;
    if (timeout != nullptr && timeout->tv_sec == 0 && timeout->tv_nsec == 0) return -ETIMEDOUT;
    // FUTEX_WAIT_BITSET takes the end of the wait, which needs no bringing up to date.
    const NativeResult r = host.call_interruptible(
        SYS_futex, reinterpret_cast<Word>(&turn_), FUTEX_WAIT_BITSET_PRIVATE, turn,
        timeout != nullptr ? reinterpret_cast<Word>(&end) : 0, 0, static_cast<Word>(FUTEX_BITSET_MATCH_ANY));
    if (r != -ETIMEDOUT && r != -EINTR) continue;
    return take(host.tid()) ? 0 : r;
  }
}

void ThreadWakeups::after_fork_in_child() noexcept {
  woken_.clear();
  mutex_.unlock();
}

}  // namespace sudrun::abi::freebsd

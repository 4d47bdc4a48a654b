// Memory from which guests compute the time without a call, for systems that have it (FreeBSD: AT_TIMEKEEP).
// See docs/time-page.md.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "abi/personality.hpp"
#include "abi/timekeeper.hpp"
#include "runtime/spin_lock.hpp"

namespace sudrun::runtime {

class ThreadList;

/// What is published is good for a second, and readers do not notice when that is over. So while the page is
/// on, no thread runs guest code without a timer (GuestThread::start_ticking), whose signal the kernel
/// delivers before the next instruction, however long the thread was kept from running.
class TimePage {
 public:
  /// So long after a thread has been let into the guest, or had the last, comes its next tick.
  static constexpr std::uint64_t kTick = 250'000'000;  // ns
  /// The page is switched on when clocks have been read by so many traps.
  static constexpr std::uint64_t kReads = 4'000;

  explicit TimePage(abi::Personality& personality) noexcept : personality_(personality) {}

  /// The page is mapped at `address`, and has nothing in it. Before the guest runs.
  void place(abi::Word address) noexcept;
  abi::Word address() const noexcept { return address_; }
  /// Whether the host's time is the processor's counter, so that there may be a page at all.
  static bool has_counter() noexcept;

  bool is_on() const noexcept { return on_.load(std::memory_order_relaxed); }
  /// A thread has trapped for the time. In the host loop; may switch the page on.
  void clock_was_read(ThreadList& threads) noexcept {
    if (address_ != 0 && !on_ && reads_.fetch_add(1, std::memory_order_relaxed) + 1 == kReads)
      switch_on(threads);
  }
  /// The host's clock has been set by the guest.
  void clock_was_set() noexcept {
    if (is_on()) refresh(true);
  }
  /// Publishes the time as it is now, if what is published is not quite new; else only if `at_once`. Not
  /// where the lock may be held by this thread: in catchers, only if they have interrupted guest code.
  void refresh(bool at_once = false) noexcept;
  /// Programs are to make calls again.
  void switch_off() noexcept;
  /// The guest's mappings from `start` to `end` are about to change. If the page is one of them it is left
  /// alone from then on.
  void mapping_changes(abi::Word start, abi::Word end) noexcept {
    constexpr abi::Word kPage = 4096;
    if (address_ != 0 && start < address_ + kPage && end > address_) give_up();
  }
  /// In the child of a fork, where no thread ticks, before the guest goes on.
  void after_fork_in_child() noexcept;

 private:
  void switch_on(ThreadList& threads) noexcept;
  void give_up() noexcept;
  void publish(const abi::TimeHands* hands) noexcept;
  bool read_clocks(abi::Timekeeper::Reading& reading) const noexcept;

  abi::Personality& personality_;
  std::atomic<abi::Word> address_{0};  ///< 0: there is none
  std::atomic<bool> on_{false};
  std::atomic<std::uint64_t> reads_{0};
  std::atomic<std::uint64_t> fresh_until_{0};  ///< ticks of the counter
  std::uint64_t clock_ = 0;  ///< the host's clock_gettime that needs neither kernel nor thread pointer
  SpinLock lock_;            ///< of what follows, and of the page
  abi::Timekeeper keeper_;
};

}  // namespace sudrun::runtime

// --stats: how the calls of a process were made.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>

namespace sudrun::runtime {

class GuestThread;
class Process;

/// Time on one thread, in ticks of the processor's counter, of calls that are over.
struct TimeSpent {
  std::uint64_t in_runtime = 0;  ///< in the host loop, with
  std::uint64_t in_kernel = 0;   ///< native calls that are made for the guest's
};
inline std::uint64_t ticks_now() noexcept { return __builtin_ia32_rdtsc(); }

/// Adds a scope's time to `sum`, if that is wanted.
class Timed {
 public:
  Timed(bool wanted, std::uint64_t& sum) noexcept
      : sum_(wanted ? &sum : nullptr), begun_(wanted ? ticks_now() : 0) {}
  ~Timed() {
    if (sum_ != nullptr) *sum_ += ticks_now() - begun_;
  }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  std::uint64_t* sum_;
  std::uint64_t begun_;
};

class Statistics {
 public:
  /// From now on they are wanted; before the first guest thread is made. Calls are counted always, the time
  /// is taken only then.
  void want() noexcept;
  bool wanted() const noexcept { return wanted_; }
  /// `thread` ends: what it has counted stays.
  void add(const GuestThread& thread) noexcept;
  /// In the child after fork: what was counted is the parent's.
  void forget(GuestThread& survivor) noexcept;
  /// Writes a few lines to standard error, if they are wanted. Other threads may go on meanwhile.
  void write(Process& process) noexcept;

 private:
  bool wanted_ = false;
  double nanoseconds_per_tick() const noexcept;

  std::atomic<std::uint64_t> served_{0}, at_sites_{0};       ///< of threads that have ended
  std::atomic<std::uint64_t> in_runtime_{0}, in_kernel_{0};  ///< the same, ticks
  std::uint64_t ticks_ = 0;                                  ///< when they were wanted first,
  timespec time_{};                                          ///< by both clocks
};

}  // namespace sudrun::runtime

// --stats: how the calls of a process were made.
#pragma once

#include <atomic>
#include <cstdint>

namespace sudrun::runtime {

class GuestThread;
class Process;

class Statistics {
 public:
  /// From now on they are wanted. Costs nothing but the counting, which is always done.
  void want() noexcept { wanted_ = true; }
  /// `thread` ends: what it has counted stays.
  void add(const GuestThread& thread) noexcept;
  /// In the child after fork: what was counted is the parent's.
  void forget(GuestThread& survivor) noexcept;
  /// Writes two lines to standard error, if they are wanted. Other threads may go on meanwhile.
  void write(Process& process) noexcept;

 private:
  bool wanted_ = false;
  std::atomic<std::uint64_t> served_{0}, at_sites_{0};  ///< of threads that have ended
};

}  // namespace sudrun::runtime

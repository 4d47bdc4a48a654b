// --summary: counts and times of calls, one table for a program and all its children.
//
// The counts are in memory that every process of the tree has mapped. Its first process made it, as a file
// without a name behind a hidden descriptor; children of fork have the mapping, and programs that are
// executed find the file as /proc/PID/fd/FD, for as long as it matters: the first process prints the table
// when it ends.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "abi/table.hpp"
#include "runtime/descriptors.hpp"

namespace sudrun::runtime {

class Summary {
 public:
  /// Finds the counts of `place` (PID:FD). Where that is empty, or they cannot be found any more, it makes
  /// new ones. Throws std::system_error if there is no memory.
  Summary(const abi::Table& table, const std::string& place, HiddenDescriptors& hidden);
  ~Summary();
  Summary(const Summary&) = delete;
  Summary& operator=(const Summary&) = delete;

  void count(const abi::Entry& entry, bool failed, std::uint64_t nanoseconds) noexcept;
  /// Where the counts are, for those who are executed.
  const std::string& place() const noexcept { return place_; }
  /// In the child after fork: the mapping is what counts, the descriptor is the parent's to hand on.
  void forked() noexcept;
  /// The process executes another program under sudrun, which goes on with the counts (or not, after all).
  void hand_on(bool on) noexcept;
  /// In the process that made the counts: writes the table. `sites`: instructions that have trapped in it.
  void write(int descriptor, unsigned sites) noexcept;

 private:
  struct Row;
  struct Shared;
  Row* row_of(const abi::Entry& entry) noexcept;
  Row* find_row(std::string_view name) noexcept;
  void map(int fd);
  bool join(const std::string& place, HiddenDescriptors& hidden);

  const abi::Table& table_;
  Shared* shared_ = nullptr;
  int fd_ = -1;  ///< of the process that made the counts
  std::string place_;
  std::unique_ptr<std::uint64_t[]> times_;  ///< for write(): by row
  /// By position in the table's rows: 1 + the index of its row here, 0: not looked up yet.
  std::unique_ptr<std::atomic<std::uint16_t>[]> rows_;
};

}  // namespace sudrun::runtime

// --perf-map: names for perf(1) of the stubs behind rewritten call sites.
#pragma once

#include "abi/types.hpp"

namespace sudrun::runtime {

/// Writes /tmp/perf-PID.map, where perf looks for the names of code that belongs to no file: lines of
/// address, size and name. Under the rewriter's lock.
class PerfMap {
 public:
  /// From now on it is wanted; before the first guest thread is made.
  void want() noexcept { wanted_ = true; }
  bool wanted() const noexcept { return wanted_; }
  /// True once in each process: nothing has been written for it, and all the stubs it has are news. A file
  /// that is there already, of an earlier process or program with this id, is replaced.
  bool begins() noexcept;
  /// One stub, of the call at `site`; `how` it was rewritten.
  void add(abi::Word stub, abi::Word size, abi::Word site, const char* how) noexcept;

 private:
  void give_up() noexcept;

  bool wanted_ = false;
  int process_ = 0;  ///< whose file is being written; a child begins its own
};

}  // namespace sudrun::runtime

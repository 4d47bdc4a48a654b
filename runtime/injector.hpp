// --inject: which calls are to fail, to wait, to move less. What is then done is
// GuestThread::carry_out_changed().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "abi/injection.hpp"

namespace sudrun::runtime {

class Injector {
 public:
  explicit Injector(std::vector<abi::Injection> injections);

  /// What is done to one call.
  struct Plan {
    bool changes = false;  ///< anything at all
    std::optional<abi::Result> instead;
    std::uint64_t delay_enter = 0, delay_exit = 0;  ///< microseconds
    int signal = 0;
    std::optional<std::uint64_t> at_most;
  };
  /// Counts the call, of this process and of this name, and says what is to be done to it. Where two
  /// injections give a result the first does; delays add up.
  Plan plan(const abi::Entry& entry) noexcept;
  /// The call is going to be made again: it has not been counted.
  void forget(const abi::Entry& entry) noexcept;
  /// In the child after fork: its calls are counted from 1.
  void forked() noexcept;

 private:
  struct Rule {
    abi::Injection injection;
    std::unique_ptr<std::atomic<std::uint64_t>[]>
        counts;  ///< by position in the table's rows; the last: none of them
  };
  std::atomic<std::uint64_t>& count(const Rule& rule, const abi::Entry& entry) const noexcept;
  std::vector<Rule> rules_;
};

}  // namespace sudrun::runtime

// --trace and --summary: watches calls go by and changes neither frame nor result.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "abi/frame.hpp"
#include "abi/signals.hpp"
#include "abi/table.hpp"

namespace sudrun::runtime {

class GuestThread;

class Tracer {
 public:
  struct Options {
    int descriptor = 2;    ///< where lines go; hidden from the guest unless it is 2
    bool lines = false;    ///< one line per call
    bool summary = false;  ///< counts and times at exit
  };
  Tracer(const abi::Table& table, Options options);

  /// Nanoseconds on the monotonic clock when a call began.
  struct Mark {
    std::uint64_t started = 0;
  };
  Mark begin(GuestThread& thread, const abi::Entry& entry, const abi::Frame& frame) noexcept;
  void end(GuestThread& thread, const abi::Entry& entry, const abi::Frame& frame, const abi::Result& result,
           Mark mark) noexcept;
  /// The call was interrupted and will be made again: nothing is counted.
  void restarting(GuestThread& thread, const abi::Entry& entry, const abi::Frame& frame) noexcept;
  /// A signal's handler is about to run.
  void signal(GuestThread& thread, const abi::SignalInfo& info) noexcept;
  void stopped(GuestThread& thread, const abi::SignalInfo& info) noexcept;
  void killed(GuestThread& thread, const abi::SignalInfo& info) noexcept;
  void exited(int status) noexcept;
  /// The process is about to become another program.
  void executing(GuestThread& thread, const char* path) noexcept;
  /// In the child after fork: what the parent counted is the parent's.
  void forget() noexcept;
  /// Writes the summary, if one is wanted. Once per process. `sites`: instructions that have trapped.
  void finish(unsigned sites) noexcept;

 private:
  struct Count {
    std::atomic<std::uint64_t> calls{0}, errors{0}, nanoseconds{0};
  };
  void write_line(int tid, std::string_view text) noexcept;
  void write_signal(GuestThread& thread, const char* format, const abi::SignalInfo& info) noexcept;
  Count& count_of(const abi::Entry& entry) noexcept;
  const abi::Table& table_;
  Options options_;
  std::atomic<bool> reader_gone_{false};  ///< the descriptor takes no more; lines are dropped
  std::unique_ptr<Count[]> counts_;       ///< by position in table.entries()
  Count unknown_;
};

}  // namespace sudrun::runtime

// --trace and --summary: watches calls go by and changes neither frame nor result. docs/tracing.md has what
// is written.
#pragma once

#include <limits.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "abi/call_set.hpp"
#include "abi/frame.hpp"
#include "abi/signals.hpp"
#include "abi/table.hpp"
#include "runtime/summary.hpp"
#include "runtime/trace_options.hpp"

namespace sudrun::runtime {

class GuestThread;
class Process;

class Tracer {
 public:
  struct Options {
    abi::CallSet calls;      ///< those that are shown and counted
    int descriptor = 2;      ///< where lines go; hidden from the guest unless it is 2
    std::string separately;  ///< FILE where each process has its own FILE.PID; else empty
    bool lines = false;      ///< a line for each
    bool json = false;       ///< which is a JSON object
    TraceTime time = TraceTime::none;
    std::uint64_t origin = 0;  ///< monotonic nanoseconds that relative times count from
    std::unique_ptr<Summary> summary{};
  };
  explicit Tracer(Options options);

  /// A call under way.
  struct Mark {
    bool watched = false;       ///< it is one to be shown and counted
    bool injected = false;      ///< somebody else has changed it
    int pid = 0;                ///< who made it: a fork is over in two processes
    std::uint64_t started = 0;  ///< monotonic nanoseconds
    std::int64_t shown = 0;     ///< the time in front of it, nanoseconds
  };
  Mark begin(GuestThread& thread, const abi::Entry& entry, const abi::Frame& frame) noexcept;
  void end(GuestThread& thread, const abi::Entry& entry, const abi::Frame& frame, const abi::Result& result,
           const Mark& mark) noexcept;
  /// The call was interrupted and will be made again: nothing is counted.
  void restarting(GuestThread& thread, const abi::Entry& entry, const abi::Frame& frame,
                  const Mark& mark) noexcept;
  /// A signal's handler is about to run.
  void signal(GuestThread& thread, const abi::SignalInfo& info) noexcept;
  void stopped(GuestThread& thread, const abi::SignalInfo& info) noexcept;
  void killed(GuestThread& thread, const abi::SignalInfo& info) noexcept;
  void exited(Process& process, int status) noexcept;
  /// The process is about to become another program, which goes on counting if it runs `under_sudrun`.
  void executing(GuestThread& thread, const char* path, bool under_sudrun) noexcept;
  /// It did not.
  void execution_failed() noexcept;
  /// In the child after fork, with its only thread.
  void forked(Process& process) noexcept;
  /// Writes the summary, if one is wanted. Once per process.
  void finish(Process& process) noexcept;

  /// What programs that are executed must be told to go on with.
  std::uint64_t origin() const noexcept { return options_.origin; }
  std::string counts() const { return options_.summary ? options_.summary->place() : std::string(); }

 private:
  /// A line without a newline is never longer, so that it is written at once, to a pipe as well.
  static constexpr std::size_t kLine = PIPE_BUF;
  class Line;
  std::int64_t time_to_show(std::uint64_t now) noexcept;
  std::int64_t time_to_show() noexcept;
  bool with_times() const noexcept { return options_.json || options_.time != TraceTime::none; }
  void write(const char* text, std::size_t size) noexcept;
  void write_signal(GuestThread& thread, const char* event, const abi::SignalInfo& info) noexcept;

  Options options_;
  std::atomic<bool> reader_gone_{false};  ///< the descriptor takes no more; lines are dropped
  std::atomic<bool> finished_{false};     ///< the summary is written
  std::atomic<std::uint64_t> last_;       ///< when the last call began that is shown
};

/// Opens what traces are appended to; O_TRUNC may be among `more`. A descriptor, or a negative errno.
/// Async-signal-safe.
std::int64_t open_trace(const char* path, int more) noexcept;
/// FILE.PID
std::string path_of_process(const std::string& file, int pid);

}  // namespace sudrun::runtime

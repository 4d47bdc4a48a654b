// What the command line says of tracing, counting and injecting.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sudrun::runtime {

/// What stands in front of a traced call: nothing, seconds since tracing began, the time of day, or seconds
/// since the call before it.
enum class TraceTime : std::uint8_t { none, relative, absolute, delta };

struct TraceOptions {
  std::vector<std::string>
      calls;                ///< lists of calls to show, as abi::parse_calls() takes them; none: no lines
  bool summary = false;     ///< counts and times when the program ends
  std::string file;         ///< where both go; empty: standard error
  bool separately = false;  ///< one file per process, `file`.PID
  bool json = false;
  TraceTime time = TraceTime::none;
  std::vector<std::string> injections;  ///< as abi::parse_injection() takes them

  // Said by a sudrun to those it executes:
  bool append = false;       ///< `file` is under way
  std::uint64_t origin = 0;  ///< monotonic nanoseconds when tracing began; 0: now
  std::string counts;        ///< PID:FD, where the counts of all processes are; empty: nowhere yet

  /// `--trace-format` and `--trace-time` ask for a trace as well.
  bool lines() const noexcept { return !calls.empty() || json || time != TraceTime::none; }
};

}  // namespace sudrun::runtime

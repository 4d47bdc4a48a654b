// From a path on the command line to a running guest.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "abi/table_files.hpp"
#include "runtime/arm_unsafe.hpp"
#include "runtime/sysroot.hpp"
#include "runtime/thread_block_offsets.h"
#include "runtime/trace_options.hpp"

namespace sudrun::runtime {

/// Exit statuses of sudrun itself, as env(1) and shells use them.
inline constexpr int kExitOwnFailure = 125;  ///< bad options, bad table, no way to trap
inline constexpr int kExitNotExecutable = 126;
inline constexpr int kExitNotFound = 127;

struct LaunchOptions {
  std::string program;
  std::vector<std::string> arguments;  ///< without argv[0]
  std::optional<std::string> argv0;    ///< default: the program as given
  std::string abi;                     ///< empty: recognised from the file
  std::string table_file;              ///< empty: the built-in table
  std::string table_path;              ///< where it is looked for: abi::TablePath
  std::string sysroot;                 ///< the guest's own file tree; empty: SUDRUN_SYSROOT, or none
  std::string release;                 ///< what the guest sees; empty: SUDRUN_RELEASE, or the table's
  bool host_path = false;              ///< `program` is a path of the host's, not the guest's
  int program_fd = -1;                 ///< the program, already open; closed once it is loaded
  std::vector<int> inherited;          ///< two descriptors for Personality::inherit(), or none
  TrapMode trap = TrapMode::automatic;
  bool inherited_filter = false;
  bool rewrite = true;  ///< call sites that trap often are rewritten
  /// Traps of the process before that begins. To begin takes time and a megabyte of memory, for Capstone's
  /// tables. Programs that end before never pay for it.
  std::uint64_t rewrite_after = 1000;
  std::uint8_t vector_save = VECTOR_XINUSE;  ///< for tests: limit_vector_support()
  TraceOptions trace;
  bool stats = false;
  bool perf_map = false;
  bool verbose = false;
};

/// What is wrong, in one line without `sudrun: `, and the exit status it leads to.
class LaunchError : public std::runtime_error {
 public:
  LaunchError(int status, const std::string& what) : std::runtime_error(what), status_(status) {}
  int status() const noexcept { return status_; }

 private:
  int status_;
};

/// Loads and runs the program; does not return unless that is impossible. Throws LaunchError.
[[noreturn]] void launch(const LaunchOptions& options);

/// Tables the program may be for: the built-in ones, or the one file named.
struct Tables {
  abi::LoadedTable loaded;  ///< the table of --table
  std::vector<abi::Table> all;
};

/// What launch() would take, for those who only look.
struct Candidate {
  Tables tables;
  std::optional<Sysroot> sysroot;
  std::string path;  ///< the host's
  int fd = -1;       ///< the caller's
};
/// Throws LaunchError.
Candidate open_candidate(const LaunchOptions& options);

}  // namespace sudrun::runtime

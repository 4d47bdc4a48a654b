// Running programs and looking at what came of it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace sudrun::test {

struct Command {
  std::vector<std::string> argv;
  std::map<std::string, std::string> set_env;         ///< on top of this process's environment
  std::optional<std::vector<std::string>> whole_env;  ///< if given, exactly these `NAME=value`
  std::string input;                                  ///< standard input; its end follows
  std::filesystem::path cwd;                          ///< empty: this process's
  std::chrono::milliseconds timeout{60'000};
  bool terminal = false;        ///< all three streams are one pseudo-terminal
  std::optional<unsigned> uid;  ///< run as this user and group
};

struct Outcome {
  std::string out, err;  ///< with a terminal everything is in `out`
  int status = -1;       ///< exit status, if it exited
  int signal = 0;        ///< what it died of, if it did
  bool core_dumped = false;
  bool timed_out = false;  ///< it was killed for that
  double seconds = 0;

  bool exited(int with) const noexcept { return !timed_out && signal == 0 && status == with; }
  bool killed_by(int by) const noexcept { return !timed_out && signal == by; }
};
std::ostream& operator<<(std::ostream& to, const Outcome& outcome);

/// Runs `command` to its end. What it leaves running in its own session is killed afterwards. Throws
/// std::runtime_error if it cannot be started at all.
Outcome run(const Command& command);

/// In a child, before exec: undoes what this process was itself started with (ignored and blocked signals,
/// more open descriptors than three), so that tests see the same wherever they run. Async-signal-safe.
void start_afresh() noexcept;

/// Ends every process of `session`.
void kill_session(pid_t session);

/// Path of the sudrun under test: $SUDRUN_BINARY. Throws if that is not set.
std::string sudrun_binary();
/// `sudrun ARGUMENTS…` with --trap=$SUDRUN_TEST_TRAP in front where that is set, and --no-rewrite where
/// SUDRUN_TEST_NO_REWRITE is.
Command sudrun_command(std::vector<std::string> arguments);
/// The same with $SUDRUN_GUESTS/LIBRARY preloaded, by the sudrun that has a dynamic linker.
Command sudrun_command_with(std::string_view library, std::vector<std::string> arguments);
/// True if SUDRUN_TEST_TRAP asks for the filter.
bool tests_the_filter();
Outcome run_sudrun(std::vector<std::string> arguments);
/// Path of a guest built from tests/guests: $SUDRUN_GUESTS/NAME.
std::string guest(std::string_view name);
/// $SUDRUN_SOURCE/PATH: a file of the source tree.
std::filesystem::path source_file(std::string_view path);

/// A directory that exists as long as the object; anybody may enter it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view text, bool executable = false);
std::vector<std::string> lines_of(std::string_view text);
bool contains(std::string_view text, std::string_view part);

}  // namespace sudrun::test

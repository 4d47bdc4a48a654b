// The downloaded programs, and how a native program calls one through sudrun.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/run.hpp"

namespace sudrun::test {

/// $SUDRUN_DOWNLOADS/NAME, as tests/real/fetch.sh leaves it.
inline std::string download(const std::string& name) {
  const char* directory = std::getenv("SUDRUN_DOWNLOADS");
  if (directory == nullptr || *directory == '\0')
    throw std::runtime_error("SUDRUN_DOWNLOADS is not set: run the tests through ./dev test");
  const std::string path = std::string(directory) + "/" + name;
  if (!std::filesystem::exists(path)) throw std::runtime_error(path + " is missing: run ./dev fetch");
  return path;
}

/// `sudrun PROGRAM ARGUMENTS…` for a downloaded program.
inline Command program(const std::string& path, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), download(path));
  return sudrun_command(std::move(arguments));
}

/// Writes a shell script to `at` that runs the downloaded program under sudrun.
inline void write_wrapper(const std::filesystem::path& at, const std::string& path) {
  std::string script = "#!/bin/sh\nexec";
  for (const std::string& word : program(path, {}).argv) script += " '" + word + "'";
  write_file(at, script + " \"$@\"\n", true);
}

}  // namespace sudrun::test

// A program that keeps running while the test talks to it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "tests/support/run.hpp"

namespace sudrun::test {

class Running {
 public:
  /// Starts `command` in a session of its own. Its `input` is not sent: use write(). Its `timeout` bounds
  /// finish(). Standard input stays open until close_input().
  explicit Running(const Command& command);
  ~Running();  ///< kills what is left of the session
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  int pid() const noexcept { return pid_; }
  /// Waits until `part` is in the output (standard output, or standard error where `in_errors`) at or after
  /// `from`; false if it does not come in time or the program ends without it.
  bool wait_for(std::string_view part, bool in_errors = false, std::size_t from = 0,
                std::chrono::milliseconds within = std::chrono::seconds(30));
  void write(std::string_view text);
  void close_input();
  void signal(int number) const;
  /// Waits for the end. What has been written until then is in the outcome.
  Outcome finish();

  const std::string& out() const noexcept { return outcome_.out; }
  const std::string& err() const noexcept { return outcome_.err; }

 private:
  bool collect(std::chrono::milliseconds within);  // false: both streams have ended

  int pid_ = -1, in_ = -1, out_ = -1, err_ = -1;
  bool finished_ = false;
  std::chrono::milliseconds timeout_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  Outcome outcome_;
};

}  // namespace sudrun::test

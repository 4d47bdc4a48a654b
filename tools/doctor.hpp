// `sudrun doctor`: what this kernel, processor and container offer, and what follows for who runs programs.
// Everything is found out by trying it.
#pragma once

#include <string>
#include <vector>

namespace sudrun::tools {

struct Finding {
  enum class State { ok, slower, missing };
  std::string name;
  State state = State::ok;
  std::string found;      ///< what was seen
  std::string follows;    ///< for the user
  bool optional = false;  ///< nothing is lost without it
};

/// The exit status of `sudrun doctor`.
enum class Health : int { well = 0, losses = 1, cannot = 2 };

struct Diagnosis {
  std::vector<Finding> findings;
  bool can_run = false;
  Health health() const noexcept;
};

/// `sudrun`: path of the command to try.
Diagnosis examine(const std::string& sudrun);

std::string text_report(const Diagnosis& diagnosis);
std::string json_report(const Diagnosis& diagnosis);

}  // namespace sudrun::tools

// Which processes a reaper has (procctl(2), PROC_REAP_*), found in the host's process tree.
#pragma once

#include "abi/bsd/sysctl_proc.hpp"

namespace sudrun::abi::bsd {

struct ProcessState {
  int parent = 0;
  char state = 0;  ///< as in /proc/PID/stat: R, S, Z, T…
};

/// False if there is no such process.
inline bool process_state(Host& host, int pid, ProcessState& found) noexcept {
  char buffer[512];
  const std::string_view text = read_host_file(host, proc::proc_path(pid, "stat").text, buffer);
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos || name_end + 4 >= text.size()) return false;
  found.state = text[name_end + 2];
  found.parent = static_cast<int>(leading_number(text.substr(name_end + 3), 0));
  return true;
}

/// A process below a reaper, and the reaper's child it comes from.
struct Descendant {
  int pid = 0, subtree = 0;
  char state = 0;
  bool child() const noexcept { return pid == subtree; }
};

/// Whether `pid` is below `reaper`.
inline bool descends(Host& host, int pid, int reaper, Descendant& found) noexcept {
  found = {pid, 0, 0};
  for (int at = pid, depth = 0; at > 0 && depth < 4096; ++depth) {
    ProcessState process;
    if (!process_state(host, at, process)) return false;
    if (at == pid) found.state = process.state;
    if (process.parent == reaper) {
      found.subtree = at;
      return true;
    }
    at = process.parent;
  }
  return false;
}

/// Calls visit(descendant) for every process below `reaper` until one returns an errno; that, or 0.
template <typename Visit>
int for_descendants(Host& host, int reaper, Visit visit) noexcept {
  return proc::for_each_number(host, "/proc", [&](int pid) noexcept {
    Descendant found;
    return pid != reaper && descends(host, pid, reaper, found) ? visit(found) : 0;
  });
}

}  // namespace sudrun::abi::bsd

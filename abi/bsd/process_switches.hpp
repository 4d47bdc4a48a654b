// What procctl(2) sets and Linux does not keep. A fork's child has what its parent had; a program executed
// later begins with the defaults.
#pragma once

#include <atomic>

namespace sudrun::abi::bsd {

struct ProcessSwitches {
  static constexpr int kForceEnable = 1, kForceDisable = 2, kNoForce = 3;
  std::atomic<int> trapcap{kForceDisable}, aslr{kNoForce}, protmax{kNoForce}, logsigexit{kNoForce};
  std::atomic<int> trace{1};     ///< PROC_TRACE_CTL_*
  std::atomic<int> stackgap{5};  ///< PROC_STACKGAP_ENABLE, PROC_STACKGAP_ENABLE_EXEC
  std::atomic<int> wxmap{0};     ///< PROC_WX_MAPPINGS_*
  std::atomic<bool> no_new_privs{false};
  std::atomic<bool> reaper{false};
  std::atomic<int> reaper_above{1};  ///< the process that gets this one's orphans, unless it does itself
};

}  // namespace sudrun::abi::bsd

// A sysctl tree some nodes of which say what a table gives.
#pragma once

#include <vector>

#include "abi/bsd/sysctl_tree.hpp"

namespace sudrun::abi::bsd {

struct ChangedSysctls {
  explicit ChangedSysctls(const SysctlTree& own)
      : nodes(own.nodes().begin(), own.nodes().end()), tree(nodes) {}
  ChangedSysctls(const ChangedSysctls&) = delete;
  ChangedSysctls& operator=(const ChangedSysctls&) = delete;
  std::vector<SysctlNode> nodes;
  SysctlTree tree;
};

}  // namespace sudrun::abi::bsd

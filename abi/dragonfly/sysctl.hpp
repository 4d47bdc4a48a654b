// What the file that freeze-sysctl writes from tables/dragonfly-sysctl.yaml needs: the personality, and the
// providers its rows name.
#pragma once

#include "abi/bsd/sysctl_tree.hpp"
#include "abi/bsd/sysctl_values.hpp"
#include "abi/dragonfly/dragonfly.hpp"

namespace sudrun::abi::dragonfly {

int route_messages(SysctlQuery& query) noexcept;  // sysctl_route.cpp

}  // namespace sudrun::abi::dragonfly

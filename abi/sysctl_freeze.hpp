// What a table says of nodes of its system's sysctl tree. Part of freeze().
#pragma once

#include <vector>

#include "abi/block_writer.hpp"
#include "abi/table_model.hpp"

namespace sudrun::abi {

/// Nodes there are not, and values that do not suit, are told to `problems`.
std::vector<SysctlValue> freeze_sysctls(const TableModel& table, BlockWriter& block, Problems& problems);

}  // namespace sudrun::abi

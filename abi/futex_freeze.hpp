// What a row's `futex` says, for the assembly behind rewritten sites. Part of freeze().
#pragma once

#include "abi/table_model.hpp"

namespace sudrun::abi {

/// Fills in what of `entry` is about `call.futex`. Throws TableError.
void freeze_futex(const CallModel& call, const TableModel& table, Entry& entry);

}  // namespace sudrun::abi

// One row of `calls`. Part of the table reader.
#pragma once

#include "abi/table_model.hpp"
#include "abi/yaml_view.hpp"

namespace sudrun::abi {

/// Reads and checks one row against what `table` already holds: its errors, flag sets and structures.
CallModel read_call(const YamlMap::Item& item, const TableModel& table);

}  // namespace sudrun::abi

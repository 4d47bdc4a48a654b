// One row of `calls`. Part of the table reader.
#pragma once

#include "abi/table_model.hpp"
#include "abi/yaml_view.hpp"

namespace sudrun::abi {

/// Reads a role against what `table` already holds. Counting and deciding arguments, and variants, are only
/// names until the table is frozen.
RoleModel read_role(const YamlValue& value, const TableModel& table);

/// Reads and checks one row against what `table` already holds: its errors, flag sets and structures. `base`:
/// the row of that number in the table this one extends, of which it changes what it names; may be null.
CallModel read_call(const YamlMap::Item& item, unsigned number, const CallModel* base,
                    const TableModel& table);

}  // namespace sudrun::abi

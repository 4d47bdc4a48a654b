// A table as a document: what a table file says, in the same keys. Both JSON and the text are table files
// again.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

#include "abi/table_model.hpp"

namespace sudrun::abi {

/// Keys in the order of docs/table-format.md; rows in the model's.
nlohmann::ordered_json table_document(const TableModel& model);

/// A value as it stands in a YAML flow mapping: `{name: read, args: {fd: fd}}`.
std::string flow_text(const nlohmann::ordered_json& value);
/// The document as YAML, a line for each row.
std::string table_text(const nlohmann::ordered_json& document);
/// The document for reading: calls with all they say, errors, signals, flags, structures.
std::string table_markdown(const TableModel& model);

/// Lines `- KEY: ROW` and `+ KEY: ROW` for what differs, the first document's first; empty: nothing.
std::string table_difference(const nlohmann::ordered_json& before, const nlohmann::ordered_json& after);

/// A role as tables write it.
std::string role_text(const RoleModel& role);

}  // namespace sudrun::abi

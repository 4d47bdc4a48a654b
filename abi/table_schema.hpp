// What abi/table_keys.hpp says, for editors and for people.
#pragma once

#include <string>

namespace sudrun::abi {

/// A JSON Schema (draft 7) of table files.
std::string table_schema();
/// docs/table-format.md.
std::string table_reference();

}  // namespace sudrun::abi

// YAML -> TableModel. Checks everything that can be known from one file alone; see tables/README.md.
#pragma once

#include <string>
#include <string_view>

#include "abi/table_model.hpp"

namespace sudrun::abi {

/// Reads a table file. Throws TableError for the first thing that is wrong with it.
TableModel read_table(const std::string& path);
/// The same from memory; `file` is the name errors are reported under.
TableModel parse_table(std::string_view text, const std::string& file);

}  // namespace sudrun::abi

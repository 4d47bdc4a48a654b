// YAML -> TableModel. Checks everything that can be known from one file alone; docs/table-format.md says what
// that is.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "abi/table_model.hpp"

namespace sudrun::abi {

/// The table called `name` that the file `from` extends, as thaw() makes it. Throws TableError.
using FindBase = std::function<TableModel(const std::string& name, const std::string& from)>;

/// Reads a table file. Throws TableError with all that is wrong with it. It may not extend another.
TableModel read_table(const std::string& path);
/// The same from memory; `file` is the name errors are reported under.
TableModel parse_table(std::string_view text, const std::string& file);

/// The same, and what is wrong is added to `problems`; the model has what could be read. True if that is
/// everything but rows of `calls`: enough to look for more by freezing it.
bool read_table(const std::string& path, const FindBase& find_base, TableModel& model, Problems& problems);
bool parse_table(std::string_view text, const std::string& file, const FindBase& find_base, TableModel& model,
                 Problems& problems);

}  // namespace sudrun::abi

// Tables by name and by file: what `--table` and `sudrun table` are given.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "abi/table.hpp"

namespace sudrun::abi {

struct TableModel;

/// Directories in which tables are looked for, first to last.
class TablePath {
 public:
  /// `dirs`: separated by colons. Empty: $SUDRUN_TABLE_PATH, or else sudrun/tables in $XDG_CONFIG_HOME and
  /// $XDG_CONFIG_DIRS, as the XDG Base Directory Specification 0.8 has them.
  explicit TablePath(const std::string& dirs);

  /// The file that `name` stands for: `name` itself if there is such a file, else NAME or NAME.yaml in the
  /// first directory that has one, unless `name` has a slash. Empty: there is none.
  std::string find(const std::string& name) const;
  /// The directories as they were given, for messages and to pass on.
  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

/// A table made at run time, with the bytes it is read from. To be moved, not copied.
struct LoadedTable {
  std::vector<std::byte> block;  ///< empty: the table is built in
  Table table;
};

/// The table in the file that `name` stands for, and what it extends. Throws TableError with all that is
/// wrong.
LoadedTable load_table_file(const std::string& name, const TablePath& path);
/// The same from memory; `name` is what errors are reported under, and what it extends is found relative to.
LoadedTable load_table_text(std::string_view text, const std::string& name, const TablePath& path);
/// The built-in table `name`, or that file.
LoadedTable load_table(const std::string& name, const TablePath& path);
/// A built-in or loaded table as a model.
TableModel table_model(const LoadedTable& loaded);

}  // namespace sudrun::abi

// Which calls of a table somebody has named: `file,network,!read`.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "abi/table.hpp"

namespace sudrun::abi {

/// What is wrong with the text of an option, in one line.
class OptionError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A set of rows of one table. Asking allocates nothing.
class CallSet {
 public:
  explicit CallSet(const Table& table, bool all = false);

  bool contains(const Entry& entry) const noexcept {
    const std::size_t at = position(entry);
    return at < members_.size() ? members_[at] : others_;
  }
  /// Index of a row in Table::entries(); larger ones are of no row.
  std::size_t position(const Entry& entry) const noexcept {
    return (reinterpret_cast<std::uintptr_t>(&entry) - reinterpret_cast<std::uintptr_t>(first_)) /
           sizeof(Entry);
  }
  std::size_t size() const noexcept { return members_.size(); }
  bool empty() const noexcept;
  void set(std::size_t at, bool member) noexcept { members_[at] = member; }
  void set_all(bool member) noexcept;

 private:
  const Entry* first_;
  std::vector<bool> members_;
  bool others_;  ///< numbers without a row
};

/// Calls as a list names them: names of calls and classes, `%` in front of a class that is one in any case,
/// `all`, and `!` in front of what is taken out again. A list of nothing but these begins with all calls. `?`
/// in front of a name (after the `!`) means that it need not exist. Throws OptionError.
CallSet parse_calls(std::string_view text, const Table& table);
/// The same list for a table that may lack some of these names.
std::string tolerant_calls(std::string_view text);

}  // namespace sudrun::abi

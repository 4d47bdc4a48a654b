// TableModel -> frozen block (abi/table.hpp). Matches the guest's names with the native vocabulary.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "abi/table_model.hpp"

namespace sudrun::abi {

/// Checks `guest` against `native` and builds its block; the output depends on nothing else. `handlers` are
/// the names rows may call; rows call them by their numbers in it. `guest` may be the native model itself.
/// Throws TableError. The block is to be kept at an address aligned to 8.
std::vector<std::byte> freeze(const TableModel& guest, const TableModel& native,
                              std::span<const std::string_view> handlers);

/// The vocabulary of a frozen native table, as freeze() needs it: what a table given at run time is checked
/// against, without the native YAML file.
TableModel native_model(const Table& native);

/// Names of `personality`'s handlers, in the order of handlers_of() (abi/personality.hpp).
std::vector<std::string_view> handler_names(std::string_view personality);
/// Those of `handlers` that no row of `model` names.
std::vector<std::string_view> unused_handlers(const TableModel& model,
                                              std::span<const std::string_view> handlers);

/// The page of all rows for people: a Markdown table of number, name, support, how, note.
std::string support_page(const TableModel& model);

}  // namespace sudrun::abi

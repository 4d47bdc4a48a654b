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
/// Throws TableError with all that is wrong. The block is to be kept at an address aligned to 8.
std::vector<std::byte> freeze(const TableModel& guest, const TableModel& native,
                              std::span<const std::string_view> handlers);

/// The way back: a model that freezes into the same table against the same `native`, which may be the table
/// itself. What is for people only is lost (notes but those of calls, sources but the release), nested
/// structures are flat, and errors stand in `errno_from_native`.
TableModel thaw(const Table& table, const Table& native);

/// Names of `personality`'s handlers, in the order of handlers_of() (abi/personality.hpp).
std::vector<std::string_view> handler_names(std::string_view personality);
/// Those of `handlers` that no row of `model` names.
std::vector<std::string_view> unused_handlers(const TableModel& model,
                                              std::span<const std::string_view> handlers);

/// `none`, `partial`, `full`.
std::string_view support_name(Support support) noexcept;
/// The page of all rows for people: a Markdown table of number, name, support, how, note.
std::string support_page(const TableModel& model);

}  // namespace sudrun::abi

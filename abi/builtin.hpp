// The tables frozen when sudrun was built.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "abi/table.hpp"

namespace sudrun::abi {

/// The built-in table of `abi` (`freebsd-amd64`); nothing if there is none. Parses and allocates nothing.
std::optional<Table> builtin_table(std::string_view abi) noexcept;
/// Names of all built-in tables, sorted.
std::span<const std::string_view> builtin_abis() noexcept;

/// One frozen block in the generated file.
struct BuiltinBlock {
  std::string_view abi;
  std::span<const std::uint64_t> words;
};
namespace detail {
/// Defined by the file that freeze-table generates.
std::span<const BuiltinBlock> builtin_blocks() noexcept;
std::span<const std::string_view> builtin_names() noexcept;
}  // namespace detail

}  // namespace sudrun::abi

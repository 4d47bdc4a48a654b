#include "abi/builtin.hpp"

namespace sudrun::abi {

std::optional<Table> builtin_table(std::string_view abi) noexcept {
  for (const BuiltinBlock& block : detail::builtin_blocks()) {
    if (block.abi == abi) return Table::wrap_checked(std::as_bytes(block.words));
  }
  return std::nullopt;
}

std::span<const std::string_view> builtin_abis() noexcept { return detail::builtin_names(); }

}  // namespace sudrun::abi

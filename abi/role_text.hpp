// Argument roles as tables write them: `out(stat)?`, `in_buf(nbyte)`, `fd`. Text only; nothing is looked up.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "abi/table_model.hpp"

namespace sudrun::abi {

/// Outcome of reading a role; `error` says what is wrong and what is expected.
struct RoleText {
  RoleModel role;
  std::string error;
};
/// A word that is no role's is taken as the name of a flag set.
RoleText parse_role(std::string_view text);

/// `i8`…`u64`, and `char` and `pad` as well.
std::optional<ScalarType> scalar_type_of(std::string_view name) noexcept;

/// True for roles that may be NULL.
bool is_pointer_role(RoleKind kind) noexcept;
/// True for roles whose element type is RoleModel::type.
bool has_type(RoleKind kind) noexcept;
bool has_count(RoleKind kind) noexcept;

}  // namespace sudrun::abi

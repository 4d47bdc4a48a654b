// Argument roles as tables write them: `out(stat)?`, `in_buf(nbyte)`, `fd`. Text only; nothing is looked up.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

std::span<const std::string_view> scalar_type_names() noexcept;
/// Names of roles; with `parameters`, of those that take some.
std::vector<std::string_view> role_names(bool parameters);

/// The word for a role that is neither a flag set nor `path_nofollow`.
std::string role_name(RoleKind kind);

/// True for roles that may be NULL.
bool is_pointer_role(RoleKind kind) noexcept;
/// True for roles whose element type is RoleModel::type.
bool has_type(RoleKind kind) noexcept;
bool has_count(RoleKind kind) noexcept;

}  // namespace sudrun::abi

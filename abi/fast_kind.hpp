// Which native rows need so little that they can be made without the host loop (runtime/gate_site.inc).
#pragma once

#include <functional>
#include <string>

#include "abi/table_model.hpp"

namespace sudrun::abi {

/// A word that means the same in both systems.
bool is_plain_word(RoleKind kind) noexcept;
/// The same for 32 bits, if both systems take that much of the register.
bool is_plain_int(RoleKind kind) noexcept;

/// Whether the assembly may make calls of this convention at all.
bool suits_fast_path(const Convention& convention) noexcept;
/// The kind of `call`, whose native call is `native`. `entry` has its native arguments already; `identical`
/// says whether a structure is the same natively.
FastKind fast_kind(const Convention& convention, const CallModel& call, const CallModel& native,
                   const Entry& entry, const std::function<bool(const std::string&)>& identical);

}  // namespace sudrun::abi

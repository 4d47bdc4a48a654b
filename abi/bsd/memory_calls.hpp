// What the memory calls share: mmap(2) itself, and handlers of memory_handlers() that live in
// memory_advice.cpp.
#pragma once

#include <cstdint>
#include <optional>

#include "abi/handler.hpp"

namespace sudrun::abi::bsd {

/// Flags of mmap(2) that decide where and what, in common numbers (dialect.hpp).
namespace map_flags {
inline constexpr unsigned kShared = 0x1, kPrivate = 0x2, kFixed = 0x10, kAnonymous = 0x1000,
                          kExclusive = 0x4000, kAlignmentShift = 24, kAlignment = 0xffU << kAlignmentShift;
}

/// mmap(2): address, size, protection and descriptor are the call's arguments 0, 1, 2 and 4. `flags` in
/// common numbers; `native_flags` is what stands for those that do not say where, nothing if they are bad.
Result map_memory(Call& call, unsigned flags, std::optional<std::uint64_t> native_flags,
                  Word offset) noexcept;

Result madvise_call(Call& call) noexcept;
Result mincore_call(Call& call) noexcept;
Result minherit_call(Call& call) noexcept;
Result mlock_call(Call& call) noexcept;
Result mlockall_call(Call& call) noexcept;
Result msync_call(Call& call) noexcept;
Result munlock_call(Call& call) noexcept;

}  // namespace sudrun::abi::bsd

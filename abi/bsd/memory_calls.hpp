// Handlers of memory_handlers() that live in memory_advice.cpp.
#pragma once

#include "abi/handler.hpp"

namespace sudrun::abi::bsd {

Result madvise_call(Call& call) noexcept;
Result mincore_call(Call& call) noexcept;
Result minherit_call(Call& call) noexcept;
Result mlock_call(Call& call) noexcept;
Result mlockall_call(Call& call) noexcept;
Result msync_call(Call& call) noexcept;
Result munlock_call(Call& call) noexcept;

}  // namespace sudrun::abi::bsd

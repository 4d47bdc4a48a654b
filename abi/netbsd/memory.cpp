// Memory. Sources: NetBSD 10.1, sys/uvm/uvm_mmap.c, sys/uvm/uvm_mremap.c, sys/uvm/uvm_unix.c, sys/sys/mman.h.
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "abi/bsd/memory_calls.hpp"
#include "abi/bsd/memory_ranges.hpp"
#include "abi/netbsd/netbsd.hpp"

namespace sudrun::abi::netbsd {
namespace {

constexpr unsigned kWhere = map_flags::kShared | map_flags::kPrivate | map_flags::kFixed |
                            map_flags::kAnonymous | map_flags::kAlignment;

// Flags that decide where and what have common numbers here; those that only NetBSD has are hints, and are
// not to be taken for FreeBSD's of the same number. Padding stands before the offset.
Result padded_mmap(Call& call) noexcept {
  const unsigned given = call.u32(3);
  unsigned flags = given & kWhere;
  if ((flags & (map_flags::kShared | map_flags::kPrivate)) == 0) flags |= map_flags::kPrivate;
  if ((flags & map_flags::kAnonymous) != 0 && call.i32(4) != -1) return Result::fail(EINVAL);
  const auto native = self(call).vocabulary().mmap_flags.to_native(
      (given & ~kWhere) | (flags & ~map_flags::kAlignment & ~map_flags::kFixed));
  const Word offset = (flags & map_flags::kAnonymous) != 0 ? 0 : call.word(6);
  return map_memory(call, flags, native, offset);
}

/// The call returns nothing of use: libc keeps the break itself.
Result obreak(Call& call) noexcept {
  const NativeResult r = call.host.set_break(call.word(0));
  return is_error(r) ? Result::fail(ENOMEM) : Result::ok();
}

constexpr HandlerEntry kHandlers[] = {
    {"obreak", obreak},
    {"padded_mmap", padded_mmap},
};

}  // namespace

std::span<const HandlerEntry> memory_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::netbsd

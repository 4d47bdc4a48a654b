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

/// An address-space range of the guest's choice, or one found for it that nothing is mapped in: reserved.
NativeResult place_for(Host& host, Word size, Word alignment) noexcept {
  constexpr int kTries = 64;
  for (int i = 0; i < kTries; ++i) {
    const Word at = host.choose_address(size, alignment);
    if (at == 0) return -ENOMEM;
    const NativeResult r =
        host.call(SYS_mmap, at, size, PROT_NONE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, ~Word{0}, 0);
    if (r == static_cast<NativeResult>(at)) return r;
    if (!is_error(r)) host.call(SYS_munmap, static_cast<Word>(r), size);
    if (is_error(r) && r != -EEXIST) return r;
  }
  return -ENOMEM;
}

// uvm_mremap(). A second mapping of memory that is not shared, which both would see the same in, is what
// Linux has not.
Result mremap(Call& call) noexcept {
  constexpr unsigned kDuplicate = 0x4;  // MAP_REMAPDUP
  const Word old = call.word(0), wanted = call.word(2);
  const unsigned flags = call.u32(4), log2 = flags >> map_flags::kAlignmentShift;
  if ((flags & ~(map_flags::kFixed | kDuplicate | map_flags::kAlignment)) != 0) return Result::fail(EINVAL);
  if (log2 != 0 && (log2 < 12 || log2 > 47)) return Result::fail(EINVAL);
  if (page_offset(old) != 0 || page_offset(wanted) != 0) return Result::fail(EINVAL);
  const Word alignment = log2 == 0 ? kPage : Word{1} << log2;
  const Word old_size = page_up(call.word(1)), new_size = page_up(call.word(3));
  if (old_size == 0 || new_size == 0 || !Host::in_guest(guest_addr(old), old_size))
    return Result::fail(EINVAL);
  const bool fixed = (flags & map_flags::kFixed) != 0, duplicate = (flags & kDuplicate) != 0;
  if (fixed && (wanted % alignment != 0 || !Host::in_guest(guest_addr(wanted), new_size)))
    return Result::fail(EINVAL);
  if (!fixed && !duplicate && old % alignment == 0 && Host::in_guest(guest_addr(old), new_size)) {
    const NativeResult in_place = call.host.call(SYS_mremap, old, old_size, new_size, 0);
    if (in_place != -ENOMEM) return Result::of(in_place);
  }
  const NativeResult target =
      fixed ? static_cast<NativeResult>(wanted) : place_for(call.host, new_size, alignment);
  if (is_error(target)) return Result::of(target);
  // A length of zero asks for a second mapping of the same pages.
  const NativeResult moved = call.host.call(SYS_mremap, old, duplicate ? 0 : old_size, new_size,
                                            MREMAP_MAYMOVE | MREMAP_FIXED, static_cast<Word>(target));
  if (is_error(moved) && !fixed) call.host.call(SYS_munmap, static_cast<Word>(target), new_size);
  return duplicate && moved == -EINVAL ? Result::fail(EOPNOTSUPP) : Result::of(moved);
}

constexpr HandlerEntry kHandlers[] = {
    {"mremap", mremap},
    {"obreak", obreak},
    {"padded_mmap", padded_mmap},
};

}  // namespace

std::span<const HandlerEntry> memory_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::netbsd

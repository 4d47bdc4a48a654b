// Memory calls that differ by more than numbers.
// Sources: DragonFly 6.4 sys/vm/vm_mmap.c, sys/vm/vm_unix.c, sys/sys/mman.h, mmap(2), mcontrol(2), sbrk(2).
#include <sys/syscall.h>

#include <array>
#include <bit>
#include <cerrno>

#include "abi/bsd/memory_calls.hpp"
#include "abi/bsd/memory_ranges.hpp"
#include "abi/dragonfly/dragonfly.hpp"

namespace sudrun::abi::dragonfly {
namespace {

constexpr unsigned kStack = 0x400, kPageTable = 0x2000, kTryFixed = 0x10000, kSizeAlign = 0x40000;

/// In common numbers: where the mapping goes, and which of the two kinds it is.
Result mmap_call(Call& call) noexcept {
  const unsigned own = call.u32(3);
  const Word size = call.word(1);
  if ((own & kPageTable) != 0) return Result::fail(EOPNOTSUPP);
  Word offset = call.word(6);
  unsigned flags =
      own & (map_flags::kShared | map_flags::kPrivate | map_flags::kFixed | map_flags::kAnonymous);
  if ((flags & map_flags::kShared) != 0) flags &= ~map_flags::kPrivate;
  if ((flags & map_flags::kShared) == 0) flags |= map_flags::kPrivate;
  if ((own & kStack) != 0) {
    constexpr unsigned kReadWrite = 3;
    if (call.i32(4) != -1 || (call.u32(2) & kReadWrite) != kReadWrite) return Result::fail(EINVAL);
    flags |= map_flags::kAnonymous;
    offset = 0;
  }
  if ((own & kSizeAlign) != 0 && (flags & map_flags::kFixed) == 0) {
    if (!std::has_single_bit(size)) return Result::fail(EINVAL);
    if (size > kPage) flags |= static_cast<unsigned>(std::countr_zero(size)) << map_flags::kAlignmentShift;
  }
  const auto native =
      self(call).vocabulary().mmap_flags.to_native((flags & ~(map_flags::kFixed | map_flags::kAlignment)));
  if ((own & kTryFixed) == 0) return map_memory(call, flags, native, offset);
  const Result result = map_memory(call, flags | map_flags::kFixed | map_flags::kExclusive, native, offset);
  // There is no other reason for that once the rest is right.
  return result.is_native_error(EINVAL) && size != 0 && page_offset(call.word(0) - page_offset(offset)) == 0
             ? Result::fail(ENOMEM)
             : result;
}

/// Of no size, nothing is done; a range with a hole is not unmapped at all.
Result munmap_call(Call& call) noexcept {
  if (call.word(1) == 0) return Result::ok(0);
  PageRange range;
  if (!whole_pages(call.word(0), call.word(1), range) || !in_guest(range)) return Result::fail(EINVAL);
  const NativeResult r = call.host.call(SYS_munmap, range.start, range.size());
  if (!is_error(r)) self(call).protection_limits().clear(range);
  return Result::of(r);
}

/// The end of the data can grow only, and 0 asks where it is.
Result sbrk_call(Call& call) noexcept {
  const NativeResult now = call.host.set_break(0);
  if (is_error(now)) return Result::fail(ENOMEM);
  const std::int64_t more = call.i64(0);
  if (more < 0) return Result::fail(EOPNOTSUPP);
  if (more != 0 && is_error(call.host.set_break(static_cast<Word>(now) + static_cast<Word>(more))))
    return Result::fail(ENOMEM);
  return Result::ok(static_cast<Word>(now));
}

Result break_call(Call& call) noexcept {
  const NativeResult now = call.host.set_break(0);
  if (is_error(now)) return Result::fail(ENOMEM);
  if (call.word(0) < static_cast<Word>(now)) return Result::fail(EOPNOTSUPP);
  return is_error(call.host.set_break(call.word(0))) ? Result::fail(ENOMEM) : Result::ok(0);
}

/// madvise(2) with a value, which only virtual page tables have a use for.
Result mcontrol_call(Call& call) noexcept { return madvise_call(call); }

constexpr std::array kHandlers{
    HandlerEntry{"break", break_call}, HandlerEntry{"mcontrol", mcontrol_call},
    HandlerEntry{"mmap", mmap_call},   HandlerEntry{"munmap", munmap_call},
    HandlerEntry{"sbrk", sbrk_call},
};

}  // namespace

std::span<const HandlerEntry> memory_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::dragonfly

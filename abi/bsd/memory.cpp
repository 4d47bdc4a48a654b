// Mapping and unmapping. Sources: FreeBSD 15.0 and 14.0, sys/vm/vm_mmap.c, sys/vm/vm_map.c, sys/vm/vm_unix.c,
// sys/sys/mman.h, mmap(2), mprotect(2).
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/memory_calls.hpp"
#include "abi/bsd/memory_ranges.hpp"

namespace sudrun::abi::bsd {
namespace {

// Flags of mmap(2) that decide where and what, and so are not translated by the table.
constexpr unsigned kShared = map_flags::kShared, kPrivate = map_flags::kPrivate, kFixed = map_flags::kFixed,
                   kStack = 0x400, kAnonymous = map_flags::kAnonymous, kGuard = 0x2000, kExclusive = 0x4000,
                   k32Bit = 0x80000, kAlignment = map_flags::kAlignment,
                   kAlignmentShift = map_flags::kAlignmentShift;
constexpr unsigned kWhere = kFixed | kStack | kGuard | kExclusive | k32Bit | kAlignment;
constexpr unsigned kNoEffect = 0x20 | 0x40;  // MAP_RESERVED0020, MAP_RESERVED0040
constexpr unsigned kSuperPage = 1, kSuperShift = 21;
constexpr Word k32BitTop = Word{1} << 31;  // MAP_32BIT_MAX_ADDR
constexpr Word kStackGuard = kPage;        // security.bsd.stack_guard_page, in bytes

/// Takes the argument of mmap(2) and mprotect(2) apart: what to allow now, and PROT_MAX(), 0 if it was not
/// given. 0 or an errno.
int take_protection(Call& call, unsigned argument, unsigned& prot, unsigned& maximum) noexcept {
  constexpr unsigned kAll = ProtectionLimits::kEverything, kMaximumShift = 16;
  maximum = 0;
  prot = argument & kAll;
  if (self(call).vocabulary().mmap_prot.unknown() != FlagSet::Unknown::refuse) return 0;  // has no PROT_MAX()
  if ((argument & ~(kAll | kAll << kMaximumShift)) != 0) return EINVAL;
  maximum = argument >> kMaximumShift;
  return maximum != 0 && (prot & ~maximum) != 0 ? EOPNOTSUPP : 0;
}

struct Mapping {
  Word size, prot, flags, fd, offset;
};

NativeResult map_at(Host& host, Word address, Word extra_flags, const Mapping& m) noexcept {
  return host.call(SYS_mmap, address, m.size, m.prot, m.flags | extra_flags, m.fd, m.offset);
}

/// Maps at exactly this address, over nothing. -EEXIST if something is there.
NativeResult map_exactly(Host& host, Word address, const Mapping& m) noexcept {
  const NativeResult r = map_at(host, address, MAP_FIXED_NOREPLACE, m);
  if (is_error(r) || r == static_cast<NativeResult>(address)) return r;
  host.call(SYS_munmap, static_cast<Word>(r), m.size);  // a kernel that took it as a hint
  return -EEXIST;
}

/// Maps at the hint if that is free and aligned. -EEXIST if not.
NativeResult map_at_hint(Host& host, Word hint, Word alignment, const Mapping& m) noexcept {
  if (hint == 0 || hint % alignment != 0 || !Host::in_guest(guest_addr(hint), m.size)) return -EEXIST;
  const NativeResult r = map_exactly(host, hint, m);
  return r == -EPERM ? -EEXIST : r;  // below what the host lets programs map
}

/// Maps where it is free: at the hint if there is one and it is, else at an address of ours.
NativeResult map_anywhere(Host& host, Word hint, Word alignment, const Mapping& m) noexcept {
  NativeResult r = map_at_hint(host, hint, alignment, m);
  while (r == -EEXIST) {
    const Word at = host.choose_address(m.size, alignment);
    if (at == 0) return -ENOMEM;
    r = map_exactly(host, at, m);
  }
  return r;
}

/// MAP_32BIT: the low 2 GiB are the guest's.
NativeResult map_low(Host& host, Word hint, Word alignment, const Mapping& m) noexcept {
  if (m.size >= k32BitTop || alignment >= k32BitTop) return -ENOMEM;
  if (hint + m.size <= k32BitTop) {
    const NativeResult r = map_at_hint(host, hint, alignment, m);
    if (r != -EEXIST) return r;
  }
  if (alignment <= kPage) return map_at(host, 0, MAP_32BIT, m);
  // Reserves enough to have an aligned place in it, maps over that, and gives the rest back.
  const Word room = m.size + alignment;
  const NativeResult reserved = host.call(
      SYS_mmap, 0, room, PROT_NONE, MAP_32BIT | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, ~Word{0}, 0);
  if (is_error(reserved)) return reserved;
  const auto start = static_cast<Word>(reserved), at = (start + alignment - 1) & ~(alignment - 1);
  const NativeResult r = map_at(host, at, MAP_FIXED, m);
  if (is_error(r)) {
    host.call(SYS_munmap, start, room);
    return r;
  }
  if (at > start) host.call(SYS_munmap, start, at - start);
  if (start + room > at + m.size) host.call(SYS_munmap, at + m.size, start + room - (at + m.size));
  return r;
}

/// What kern_mmap() refuses before it looks at anything else. 0 or an errno.
int check_flags(unsigned flags, unsigned prot, Word size, int fd, Word offset) noexcept {
  if (size == 0) return EINVAL;
  if ((flags & kAnonymous) != 0 && (fd != -1 || offset != 0)) return EINVAL;
  constexpr unsigned kReadWrite = 3;
  if ((flags & kStack) != 0 && (fd != -1 || (prot & kReadWrite) != kReadWrite)) return EINVAL;
  if ((flags & (kExclusive | kFixed)) == kExclusive) return EINVAL;
  if ((flags & (kShared | kPrivate)) == (kShared | kPrivate)) return EINVAL;
  constexpr unsigned kWithGuard = kFixed | kGuard | kExclusive | k32Bit | kAlignment;
  if ((flags & kGuard) != 0 && (prot != 0 || fd != -1 || offset != 0 || (flags & ~kWithGuard) != 0))
    return EINVAL;
  return 0;
}

}  // namespace

Result map_memory(Call& call, unsigned flags, std::optional<std::uint64_t> native_flags,
                  Word offset) noexcept {
  const Vocabulary& words = self(call).vocabulary();
  const Word hint = call.word(0), asked = call.word(1);
  const int fd = call.i32(4);

  unsigned guest_prot = 0, maximum = 0;
  if (const int error = take_protection(call, call.u32(2), guest_prot, maximum); error != 0)
    return Result::fail(error);
  if (const int error = check_flags(flags, guest_prot, asked, fd, offset); error != 0)
    return Result::fail(error);
  const auto prot = words.mmap_prot.to_native(guest_prot);
  if (!prot || !native_flags) return Result::fail(EINVAL);

  // The mapping covers whole pages of the file; the result keeps the offset's position inside its page.
  const bool anonymous = (flags & (kAnonymous | kStack | kGuard)) != 0;
  const Word inside = anonymous ? 0 : page_offset(offset);
  const Word size = page_up(asked + inside);
  if (asked > size) return Result::fail(ENOMEM);
  const unsigned log2 = flags >> kAlignmentShift;
  if (log2 != 0 && log2 != kSuperPage && (log2 < 12 || log2 >= 64)) return Result::fail(EINVAL);
  const Word alignment = log2 == 0 ? kPage : Word{1} << (log2 == kSuperPage ? kSuperShift : log2);

  Mapping m{size, *prot, *native_flags, static_cast<Word>(static_cast<std::int64_t>(fd)), offset - inside};
  if (anonymous) m.flags |= MAP_ANONYMOUS;
  if (anonymous) m.offset = 0;
  if ((flags & (kStack | kGuard)) != 0) m.flags |= MAP_NORESERVE;
  if ((flags & (kShared | kPrivate)) == 0) {
    // Linux wants one of the two; for files so does FreeBSD, once it has found the file.
    if (!anonymous)
      return call.host.call(SYS_fcntl, m.fd, F_GETFD) < 0 || call.host.is_hidden(fd) ? Result::fail(EBADF)
                                                                                     : Result::fail(EINVAL);
    m.flags |= MAP_PRIVATE;
  }

  const Word at = hint - inside;
  if ((flags & kFixed) != 0) {
    if (page_offset(at) != 0 || !Host::in_guest(guest_addr(at), size)) return Result::fail(EINVAL);
    if ((flags & k32Bit) != 0 && at + size > k32BitTop) return Result::fail(EINVAL);
  }
  if (size > kGuestTop || alignment > kGuestTop) return Result::fail(ENOMEM);
  // The lowest page of a stack stays a guard, and there must be something above it.
  if ((flags & kStack) != 0 && size <= kStackGuard) return Result::fail(EINVAL);

  NativeResult r;
  if ((flags & kFixed) != 0) {
    r = (flags & kExclusive) != 0 ? map_exactly(call.host, at, m) : map_at(call.host, at, MAP_FIXED, m);
    if (r == -EEXIST) return Result::fail(EINVAL);
  } else if ((flags & k32Bit) != 0) {
    r = map_low(call.host, hint & ~(kPage - 1), alignment, m);
  } else {
    r = map_anywhere(call.host, hint & ~(kPage - 1), alignment, m);
  }
  if (is_error(r)) return Result::of(r);

  const auto start = static_cast<Word>(r);
  ProtectionLimits& limits = self(call).protection_limits();
  const bool implied = self(call).switches().protmax == ProcessSwitches::kForceEnable && guest_prot != 0;
  const unsigned most = maximum != 0 ? maximum : implied ? guest_prot : ProtectionLimits::kEverything;
  limits.clear({start, start + size});
  const bool guard = (flags & kGuard) != 0;
  bool kept = true;
  if (guard || most != ProtectionLimits::kEverything) kept = limits.set({{start, start + size}, most, guard});
  if ((flags & kStack) != 0) {
    call.host.call(SYS_mprotect, start, kStackGuard, PROT_NONE);
    kept = kept && limits.set({{start, start + kStackGuard}, most, true});
  }
  if (!kept) {
    call.host.call(SYS_munmap, start, size);
    return Result::fail(ENOMEM);
  }
  return Result::ok(start + inside);
}

namespace {

Result map(Call& call, Word offset) noexcept {
  const unsigned flags = call.u32(3) & ~kNoEffect;
  return map_memory(call, flags, self(call).vocabulary().mmap_flags.to_native(flags & ~kWhere), offset);
}

Result mmap_call(Call& call) noexcept { return map(call, call.word(5)); }
// The form before FreeBSD 7 has padding before the offset.
Result padded_mmap(Call& call) noexcept { return map(call, call.word(6)); }

Result munmap_call(Call& call) noexcept {
  PageRange range;
  if (call.word(1) == 0 || !whole_pages(call.word(0), call.word(1), range) || !in_guest(range))
    return Result::fail(EINVAL);
  const NativeResult r = call.host.call(SYS_munmap, range.start, range.size());
  if (!is_error(r)) self(call).protection_limits().clear(range);
  return Result::of(r);
}

/// Without the pages that are not mapped, which Linux stops at.
NativeResult protect(Host& host, PageRange range, Word prot) noexcept {
  const NativeResult all = host.call(SYS_mprotect, range.start, range.size(), prot);
  if (all != -ENOMEM) return all;
  return for_mappings(host, range, [&](const HostMapping& mapping) noexcept {
    return host.call(SYS_mprotect, mapping.range.start, mapping.range.size(), prot);
  });
}

Result mprotect_call(Call& call) noexcept {
  unsigned guest_prot = 0, maximum = 0;
  const int bad = take_protection(call, call.u32(2), guest_prot, maximum);
  if (bad == EINVAL) return Result::fail(EINVAL);
  PageRange range;
  if (!whole_pages(call.word(0), call.word(1), range)) return Result::fail(EINVAL);
  if (bad != 0) return Result::fail(bad);
  const auto prot = self(call).vocabulary().mmap_prot.to_native(guest_prot);
  if (!prot) return Result::fail(EINVAL);

  range.end = std::min(range.end, kGuestTop);  // beyond, nothing is mapped that the guest can see
  ProtectionLimits& limits = self(call).protection_limits();
  if (!limits.allows(range, guest_prot | maximum)) return Result::fail(EACCES);
  for (PageRange rest = range; !rest.empty();) {
    PageRange behind;
    const PageRange part = limits.before_guard(rest, behind);
    if (!part.empty())
      if (const NativeResult r = protect(call.host, part, *prot); is_error(r)) return Result::of(r);
    rest = behind;
  }
  if (maximum != 0 && !limits.lower(range, maximum)) return Result::fail(ENOMEM);
  return Result::ok(0);
}

// An address below the start of the data asks for the break instead of moving it (kern_break()).
Result break_call(Call& call) noexcept {
  NativeResult r = call.host.set_break(call.word(0));
  if (is_error(r) && call.word(0) < kPage) r = call.host.set_break(0);
  return is_error(r) ? Result::fail(ENOMEM) : Result::ok(static_cast<Word>(r));
}

constexpr std::array kHandlers{
    HandlerEntry{"padded_mmap", padded_mmap}, HandlerEntry{"break", break_call},
    HandlerEntry{"madvise", madvise_call},    HandlerEntry{"mincore", mincore_call},
    HandlerEntry{"minherit", minherit_call},  HandlerEntry{"mlock", mlock_call},
    HandlerEntry{"mlockall", mlockall_call},  HandlerEntry{"mmap", mmap_call},
    HandlerEntry{"mprotect", mprotect_call},  HandlerEntry{"msync", msync_call},
    HandlerEntry{"munlock", munlock_call},    HandlerEntry{"munmap", munmap_call},
};

}  // namespace

std::span<const HandlerEntry> memory_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd

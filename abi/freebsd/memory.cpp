// Memory calls. Sources: FreeBSD 14.0, sys/vm/vm_mmap.c, sys/vm/vm_unix.c, sys/sys/mman.h, mmap(2),
// madvise(2).
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "abi/freebsd/freebsd.hpp"

namespace sudrun::abi::freebsd {
namespace {

constexpr Word kPage = 4096;
constexpr Word page_offset(Word address) noexcept { return address & (kPage - 1); }
constexpr Word page_up(Word address) noexcept { return (address + kPage - 1) & ~(kPage - 1); }

// Flags of mmap(2) that decide where and what, and so are not translated by the table.
constexpr unsigned kFixed = 0x10, kStack = 0x400, kAnonymous = 0x1000, kGuard = 0x2000, kExclusive = 0x4000,
                   k32Bit = 0x80000, kAlignmentShift = 24;
constexpr unsigned kWhere = kFixed | kStack | kGuard | kExclusive | k32Bit | (0xffU << kAlignmentShift);
constexpr int kProtectionMaxShift = 16;  // PROT_MAX(): the most the mapping may ever be given; not enforced

/// A range the guest names, as whole pages. False if it leaves the guest's part of the address space.
bool whole_pages(Word address, Word size, Word& start, Word& length) noexcept {
  start = address - page_offset(address);
  length = page_up(size + page_offset(address));
  return length >= size && Host::in_guest(guest_addr(start), length);
}

struct Mapping {
  Word size, prot, flags, fd, offset;
};

NativeResult map_at(Host& host, Word address, Word extra_flags, const Mapping& m) noexcept {
  return host.call(SYS_mmap, address, m.size, m.prot, m.flags | extra_flags, m.fd, m.offset);
}

/// Maps where it is free: at the hint if there is one and it is, else at an address of ours.
NativeResult map_anywhere(Host& host, Word hint, Word alignment, const Mapping& m) noexcept {
  if (hint != 0 && page_offset(hint) == 0 && Host::in_guest(guest_addr(hint), m.size)) {
    const NativeResult r = map_at(host, hint, MAP_FIXED_NOREPLACE, m);
    if (r == static_cast<NativeResult>(hint)) return r;
    if (!is_error(r))
      host.call(SYS_munmap, static_cast<Word>(r), m.size);  // a kernel that took it as a hint
    else if (r != -EEXIST && r != -EPERM)
      return r;
  }
  for (;;) {
    const Word at = host.choose_address(m.size, alignment);
    if (at == 0) return -ENOMEM;
    const NativeResult r = map_at(host, at, MAP_FIXED_NOREPLACE, m);
    if (r == static_cast<NativeResult>(at)) return r;
    if (!is_error(r))
      host.call(SYS_munmap, static_cast<Word>(r), m.size);
    else if (r != -EEXIST)
      return r;
  }
}

Result map(Call& call, Word offset) noexcept {
  const Vocabulary& words = self(call).vocabulary();
  const Word hint = call.word(0);
  Word size = call.word(1);
  const unsigned flags = call.u32(3);
  const int fd = call.i32(4);

  const auto prot = words.mmap_prot.to_native(call.u32(2) & ((1U << kProtectionMaxShift) - 1));
  const auto native_flags = words.mmap_flags.to_native(flags & ~kWhere);
  if (!prot || !native_flags) return Result::fail(EINVAL);
  if (size == 0 || size > kGuestTop) return Result::fail(size == 0 ? EINVAL : ENOMEM);
  const bool anonymous = (flags & (kAnonymous | kStack | kGuard)) != 0;
  if (anonymous && fd != -1) return Result::fail(EINVAL);
  if ((flags & kAnonymous) != 0 && offset != 0) return Result::fail(EINVAL);
  if ((flags & kGuard) != 0 && (*prot != PROT_NONE || offset != 0)) return Result::fail(EINVAL);
  if ((flags & kExclusive) != 0 && (flags & kFixed) == 0) return Result::fail(EINVAL);
  if ((flags & kStack) != 0 && (*prot & (PROT_READ | PROT_WRITE)) != (PROT_READ | PROT_WRITE))
    return Result::fail(EINVAL);

  // The mapping covers whole pages of the file; the result keeps the offset's position inside its page.
  const Word inside = anonymous ? 0 : page_offset(offset);
  offset -= inside;
  size = page_up(size + inside);
  Mapping m{size, *prot, *native_flags, static_cast<Word>(static_cast<std::int64_t>(fd)), offset};
  if (anonymous) m.flags |= MAP_ANONYMOUS;
  if (anonymous) m.offset = 0;
  if ((flags & kStack) != 0 || (flags & kGuard) != 0) m.flags |= MAP_NORESERVE;
  if ((m.flags & (MAP_SHARED | MAP_PRIVATE)) == 0) m.flags |= MAP_PRIVATE;
  if ((m.flags & (MAP_SHARED | MAP_PRIVATE)) == (MAP_SHARED | MAP_PRIVATE)) return Result::fail(EINVAL);

  NativeResult r;
  if ((flags & kFixed) != 0) {
    const Word at = hint - inside;
    if (page_offset(hint) != inside || !Host::in_guest(guest_addr(at), size)) return Result::fail(EINVAL);
    const bool exclusive = (flags & kExclusive) != 0;
    r = map_at(call.host, at, exclusive ? MAP_FIXED_NOREPLACE : MAP_FIXED, m);
    if (r == -EEXIST) return Result::fail(EINVAL);
  } else if ((flags & k32Bit) != 0) {
    m.flags |= MAP_32BIT;  // the low 2 GiB are the guest's
    r = map_at(call.host, 0, 0, m);
  } else {
    const unsigned log2 = flags >> kAlignmentShift;
    constexpr unsigned kSuperPage = 1, kSuperShift = 21;
    const Word alignment = log2 == 0 ? kPage : Word{1} << (log2 == kSuperPage ? kSuperShift : log2);
    if (log2 != 0 && log2 != kSuperPage && (log2 < 12 || log2 > 40)) return Result::fail(EINVAL);
    r = map_anywhere(call.host, hint & ~(kPage - 1), alignment, m);
  }
  return is_error(r) ? Result::of(r) : Result::ok(static_cast<Word>(r) + inside);
}

Result mmap_call(Call& call) noexcept { return map(call, call.word(5)); }
// The form before FreeBSD 7 has padding before the offset.
Result freebsd6_mmap(Call& call) noexcept { return map(call, call.word(6)); }

Result munmap_call(Call& call) noexcept {
  Word start = 0, length = 0;
  if (call.word(1) == 0 || !whole_pages(call.word(0), call.word(1), start, length))
    return Result::fail(EINVAL);
  return Result::of(call.host.call(SYS_munmap, start, length));
}

Result mprotect_call(Call& call) noexcept {
  Word start = 0, length = 0;
  if (!whole_pages(call.word(0), call.word(1), start, length)) return Result::fail(EINVAL);
  const auto prot =
      self(call).vocabulary().mmap_prot.to_native(call.u32(2) & ((1U << kProtectionMaxShift) - 1));
  if (!prot) return Result::fail(EINVAL);
  if (length == 0) return Result::ok(0);
  const NativeResult r = call.host.call(SYS_mprotect, start, length, *prot);
  // Linux says ENOMEM for a hole; vm_map_protect() says EINVAL.
  return r == -ENOMEM ? Result::fail(EINVAL) : Result::of(r);
}

// MADV_DONTNEED keeps the contents on FreeBSD and drops them on Linux, so it and all other hints that promise
// nothing are accepted and ignored; the table maps the rest.
Result madvise_call(Call& call) noexcept {
  Word start = 0, length = 0;
  if (!whole_pages(call.word(0), call.word(1), start, length)) return Result::fail(EINVAL);
  constexpr int kDontNeed = 4, kNoSync = 6, kAutoSync = 7, kProtect = 10;
  const int behavior = call.i32(2);
  if (behavior == kDontNeed || behavior == kNoSync || behavior == kAutoSync || behavior == kProtect)
    return Result::ok(0);
  const auto known = self(call).vocabulary().madvise_behavior.to_native(call.u32(2));
  if (!known) return Result::fail(EINVAL);
  if (length == 0) return Result::ok(0);
  const NativeResult r = call.host.call(SYS_madvise, start, length, *known);
  // MADV_FREE needs private anonymous memory on Linux; as a hint it may do nothing.
  return r == -EINVAL || r == -ENOMEM ? Result::ok(0) : Result::of(r);
}

Result minherit_call(Call& call) noexcept {
  Word start = 0, length = 0;
  if (!whole_pages(call.word(0), call.word(1), start, length)) return Result::fail(EINVAL);
  enum : int { kShare = 0, kCopy = 1, kNone = 2, kZero = 3 };
  Word advice = 0;
  switch (call.i32(2)) {
    case kShare:
      return Result::fail(EOPNOTSUPP);
    case kCopy:
      advice = MADV_DOFORK;
      break;
    case kNone:
      advice = MADV_DONTFORK;
      break;
    case kZero:
      advice = MADV_WIPEONFORK;
      break;
    default:
      return Result::fail(EINVAL);
  }
  return Result::of(call.host.call(SYS_madvise, start, length, advice));
}

Result mincore_call(Call& call) noexcept {
  Word start = 0, length = 0;
  if (!whole_pages(call.word(0), call.word(1), start, length)) return Result::fail(ENOMEM);
  constexpr Word kChunk = 512;
  std::array<std::uint8_t, kChunk> vec{};
  GuestAddr out = call.addr(2);
  for (Word done = 0; done < length;) {
    const Word pages = std::min(kChunk, (length - done) / kPage);
    const NativeResult r =
        call.host.call(SYS_mincore, start + done, pages * kPage, reinterpret_cast<Word>(vec.data()));
    if (is_error(r)) return Result::of(r);
    for (std::uint8_t& page : vec) page &= 1;  // MINCORE_INCORE is the same bit
    if (!call.host.write(out, vec.data(), pages)) return Result::fail(EFAULT);
    out = out + pages;
    done += pages * kPage;
  }
  return Result::ok(0);
}

// An address below the start of the data asks for the break instead of moving it (kern_break()).
Result break_call(Call& call) noexcept {
  NativeResult r = call.host.set_break(call.word(0));
  if (is_error(r) && call.word(0) < kPage) r = call.host.set_break(0);
  return is_error(r) ? Result::fail(ENOMEM) : Result::ok(static_cast<Word>(r));
}

constexpr std::array kHandlers{
    HandlerEntry{"freebsd6_mmap", freebsd6_mmap}, HandlerEntry{"break", break_call},
    HandlerEntry{"madvise", madvise_call},        HandlerEntry{"mincore", mincore_call},
    HandlerEntry{"minherit", minherit_call},      HandlerEntry{"mmap", mmap_call},
    HandlerEntry{"mprotect", mprotect_call},      HandlerEntry{"munmap", munmap_call},
};

}  // namespace

std::span<const HandlerEntry> memory_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::freebsd

// Memory: everything the guest maps lies below kGuestTop, and it can touch nothing above.
//
// The kernel must not choose addresses, for it would choose them above: each mapping the guest leaves to the
// system goes to an address from the host interface, with MAP_FIXED_NOREPLACE so that nothing is overwritten.
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include <cerrno>

#include "abi/linux/linux.hpp"

namespace sudrun::abi::linux_abi {
namespace {

constexpr Word kPage = 4096;
/// Larger mappings are aligned to the size of a huge page: hugetlbfs files need it, others profit.
constexpr Word kHugePage = Word{2} << 20;
/// Lower hints are raised, as the kernel does: privileged processes could really map there.
constexpr Word kLowest = 0x10000;
/// Addresses tried before the guest's part counts as full; each trial is a different one.
constexpr int kTries = 64;

constexpr Word round_up(Word size, Word unit) noexcept { return (size + unit - 1) & ~(unit - 1); }

/// True if the pages from `addr` for `size` bytes are the guest's.
constexpr bool pages_in_guest(GuestAddr addr, Word size) noexcept {
  return size <= kGuestTop && Host::in_guest(addr, round_up(size, kPage));
}

/// Alignment of a mapping: the page size its flags ask for.
constexpr Word alignment_of(Word size, unsigned flags) noexcept {
  constexpr unsigned kHugeShift = 26, kHugeMask = 0x3f;
  const unsigned log2 = (flags >> kHugeShift) & kHugeMask;
  if ((flags & MAP_HUGETLB) != 0 && log2 > 12 && log2 < 40) return Word{1} << log2;
  return (flags & MAP_HUGETLB) != 0 || size >= kHugePage ? kHugePage : kPage;
}

struct MapRequest {
  Word length, prot;
  unsigned flags;
  Word fd, offset;
};

NativeResult map_at(Host& host, Word addr, const MapRequest& map, unsigned extra_flags) noexcept {
  return host.call(SYS_mmap, addr, map.length, map.prot, map.flags | extra_flags, map.fd, map.offset);
}

/// Maps at an address of our choice.
NativeResult map_anywhere(Host& host, const MapRequest& map) noexcept {
  const Word alignment = alignment_of(map.length, map.flags);
  const Word size = round_up(map.length, (map.flags & MAP_HUGETLB) != 0 ? alignment : kPage);
  for (int i = 0; i < kTries; ++i) {
    const Word addr = host.choose_address(size, alignment);
    if (addr == 0) return -ENOMEM;
    const NativeResult mapped = map_at(host, addr, map, MAP_FIXED_NOREPLACE);
    if (mapped != -EEXIST) return mapped;
  }
  return -ENOMEM;
}

/// Reserves `size` bytes at an address of our choice, to be replaced by what MAP_FIXED puts there.
NativeResult reserve(Host& host, Word size) noexcept {
  return map_anywhere(host, {size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, ~Word{0}, 0});
}

/// MAP_SHARED_VALIDATE refuses MAP_FIXED_NOREPLACE, which it does not know, but takes MAP_FIXED.
NativeResult map_validated(Host& host, const MapRequest& map) noexcept {
  const NativeResult where = reserve(host, map.length);
  if (is_error(where)) return where;
  const NativeResult mapped = map_at(host, static_cast<Word>(where), map, MAP_FIXED);
  if (is_error(mapped)) host.call(SYS_munmap, static_cast<Word>(where), map.length);
  return mapped;
}

Result mmap(Call& call) noexcept {
  const MapRequest map{call.word(1), call.word(2), call.u32(3), call.word(4), call.word(5)};
  if (map.length == 0) return Result::fail(EINVAL);
  if (map.length > kGuestTop) return Result::fail(ENOMEM);
  if ((map.flags & MAP_ANONYMOUS) == 0 && call.host.is_hidden(call.i32(4))) return Result::fail(EBADF);

  if ((map.flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0) {
    if (call.word(0) % kPage != 0) return Result::fail(EINVAL);
    if (!pages_in_guest(call.addr(0), map.length)) return Result::fail(ENOMEM);
    return Result::of(map_at(call.host, call.word(0), map, 0));
  }
  // The hint, if its pages are free and may be mapped.
  Word hint = call.word(0) < kGuestTop ? round_up(call.word(0), kPage) : 0;
  if (hint != 0 && hint < kLowest) hint = kLowest;
  // MAP_32BIT mappings all lie in the first two gigabytes, so that the kernel may choose.
  if ((map.flags & MAP_32BIT) != 0) return Result::of(map_at(call.host, hint, map, 0));
  if ((map.flags & MAP_TYPE) == MAP_SHARED_VALIDATE) return Result::of(map_validated(call.host, map));
  if (hint != 0 && pages_in_guest(guest_addr(hint), map.length) &&
      ((map.flags & MAP_HUGETLB) == 0 || hint % alignment_of(map.length, map.flags) == 0)) {
    const NativeResult mapped = map_at(call.host, hint, map, MAP_FIXED_NOREPLACE);
    if (mapped != -EEXIST && mapped != -EPERM) return Result::of(mapped);
  }
  return Result::of(map_anywhere(call.host, map));
}

Result munmap(Call& call) noexcept {
  if (!pages_in_guest(call.addr(0), call.word(1))) return Result::fail(EINVAL);
  return Result::of(call.host.call(SYS_munmap, call.word(0), call.word(1)));
}

/// mprotect, pkey_mprotect, madvise, mseal: nothing is mapped beyond the guest's part, as far as it knows.
Result on_range(Call& call) noexcept {
  if (call.word(0) % kPage != 0) return Result::fail(EINVAL);
  if (!pages_in_guest(call.addr(0), call.word(1))) return Result::fail(ENOMEM);
  return Result::of(
      call.host.call(native_number(call), call.word(0), call.word(1), call.word(2), call.word(3)));
}

/// Moves a mapping to an address of our choice. The target is reserved first: MREMAP_FIXED replaces what it
/// finds, and another thread may map in between.
NativeResult move_mapping(Host& host, Word old, Word old_size, Word new_size, Word flags) noexcept {
  const NativeResult target = reserve(host, new_size);
  if (is_error(target)) return target;
  const NativeResult moved =
      host.call(SYS_mremap, old, old_size, new_size, flags | MREMAP_FIXED, static_cast<Word>(target));
  if (is_error(moved)) host.call(SYS_munmap, static_cast<Word>(target), new_size);
  return moved;
}

Result mremap(Call& call) noexcept {
  const Word old = call.word(0), flags = call.word(3);
  constexpr Word kDontUnmap = 4;  // MREMAP_DONTUNMAP
  if ((flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | kDontUnmap)) != 0) return Result::fail(EINVAL);
  if ((flags & (MREMAP_FIXED | kDontUnmap)) != 0 && (flags & MREMAP_MAYMOVE) == 0)
    return Result::fail(EINVAL);
  if (old % kPage != 0 || call.word(2) == 0) return Result::fail(EINVAL);
  if (!pages_in_guest(guest_addr(old), call.word(1))) return Result::fail(EFAULT);
  if (call.word(2) > kGuestTop) return Result::fail(ENOMEM);
  const Word old_size = round_up(call.word(1), kPage), new_size = round_up(call.word(2), kPage);

  if ((flags & MREMAP_FIXED) != 0) {
    if (!pages_in_guest(call.addr(4), new_size)) return Result::fail(EINVAL);
    return Result::of(call.host.call(SYS_mremap, old, old_size, new_size, flags, call.word(4)));
  }
  // In place if possible. A length of zero asks for a second mapping, and MREMAP_DONTUNMAP for a move.
  NativeResult in_place = -ENOMEM;
  if (old_size != 0 && (flags & kDontUnmap) == 0 && Host::in_guest(guest_addr(old), new_size))
    in_place = call.host.call(SYS_mremap, old, old_size, new_size, 0);
  else if ((flags & MREMAP_MAYMOVE) == 0)
    in_place = old_size == 0 ? -EINVAL : -ENOMEM;
  if (in_place != -ENOMEM || (flags & MREMAP_MAYMOVE) == 0) return Result::of(in_place);
  return Result::of(move_mapping(call.host, old, old_size, new_size, flags));
}

/// Returns the new break, or the old one if it cannot be moved; never an error.
Result brk(Call& call) noexcept {
  NativeResult now = call.host.set_break(call.word(0));
  if (is_error(now)) now = call.host.set_break(0);
  return Result::of(now);
}

Result shmat(Call& call) noexcept {
  shmid_ds segment{};
  const NativeResult known = call.host.call(SYS_shmctl, call.word(0), IPC_STAT, host_word(&segment));
  if (is_error(known)) return Result::of(known);
  const Word size = segment.shm_segsz, flags = call.word(2);
  if (!is_null(call.addr(1))) {
    if (!pages_in_guest(call.addr(1), size)) return Result::fail(EINVAL);
    return Result::of(call.host.call(SYS_shmat, call.word(0), call.word(1), flags));
  }
  if ((flags & SHM_REMAP) != 0) return Result::fail(EINVAL);
  NativeResult attached = -ENOMEM;
  for (int i = 0; i < kTries; ++i) {
    const Word addr = call.host.choose_address(round_up(size, kPage), alignment_of(size, 0));
    if (addr == 0) return Result::fail(ENOMEM);
    attached = call.host.call(SYS_shmat, call.word(0), addr, flags);
    if (attached != -EINVAL) break;  // EINVAL: something is there already
  }
  return Result::of(attached);
}

constexpr HandlerEntry kHandlers[] = {
    {"brk", brk},           {"madvise", on_range},       {"mmap", mmap},
    {"mprotect", on_range}, {"mremap", mremap},          {"mseal", on_range},
    {"munmap", munmap},     {"pkey_mprotect", on_range}, {"shmat", shmat},
};

}  // namespace

std::span<const HandlerEntry> memory_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::linux_abi

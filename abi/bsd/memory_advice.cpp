// Calls about memory that is mapped already: what of it is in core, what is to stay there, what a child gets.
//
// Sources: FreeBSD 15.0, sys/vm/vm_mmap.c, sys/vm/vm_map.c, sys/sys/mman.h, sys/amd64/amd64/pmap.c
// (pmap_mincore), minherit(2), mincore(2), msync(2); Linux: Documentation/admin-guide/mm/pagemap.rst.
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

/// Linux advises what is mapped and then tells of what is not; FreeBSD does not.
NativeResult advise(Host& host, PageRange range, Word advice) noexcept {
  const NativeResult r = host.call(SYS_madvise, range.start, range.size(), advice);
  return r == -ENOMEM ? 0 : r;
}

// --- mincore(2) -----------------------------------------------------------------------------------------

constexpr std::uint8_t kInCore = 0x1, kReferenced = 0x2, kModified = 0x4, kReferencedOther = 0x8,
                       kModifiedOther = 0x10;  // MINCORE_*

/// What the page table says of a page that is in core. A page of this process that no file is behind and that
/// is not the page of zeros has been written to; of other pages Linux does not tell.
std::uint8_t use_of(std::uint64_t pagemap) noexcept {
  constexpr std::uint64_t kPresent = std::uint64_t{1} << 63, kOfFile = std::uint64_t{1} << 61,
                          kExclusive = std::uint64_t{1} << 56;
  if ((pagemap & kPresent) == 0) return 0;
  const bool modified = (pagemap & (kOfFile | kExclusive)) == kExclusive;
  return kReferenced | kReferencedOther | (modified ? kModified | kModifiedOther : 0);
}

// --- minherit(2) ----------------------------------------------------------------------------------------

/// Puts memory that processes share in the place of a private mapping, with what is in it. Nobody else may be
/// writing to it.
NativeResult make_shared(Host& host, const HostMapping& mapping) noexcept {
  const auto [start, end] = mapping.range;
  const Word size = end - start;
  NativeResult made = -EEXIST;
  Word at = 0;
  while (made == -EEXIST) {
    at = host.choose_address(size, kPage);
    if (at == 0) return -ENOMEM;
    made = host.call(SYS_mmap, at, size, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, ~Word{0}, 0);
  }
  if (is_error(made)) return made;
  if ((mapping.prot & PROT_READ) == 0) host.call(SYS_mprotect, start, size, PROT_READ);
  std::array<std::uint8_t, kPage> page;
  for (Word done = 0; done < size; done += kPage) {
    if (!host.read(guest_addr(start + done), page.data(), kPage)) continue;  // behind the end of its file
    if (std::ranges::all_of(page, [](std::uint8_t byte) { return byte == 0; })) continue;
    if (!host.write(guest_addr(at + done), page.data(), kPage)) {
      host.call(SYS_mprotect, start, size, mapping.prot);
      host.call(SYS_munmap, at, size);
      return -ENOMEM;
    }
  }
  NativeResult r = host.call(SYS_mprotect, at, size, mapping.prot);
  if (!is_error(r)) r = host.call(SYS_mremap, at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, start);
  return is_error(r) ? r : 0;
}

Result inherit_share(Host& host, PageRange range) noexcept {
  const NativeResult r = for_mappings(host, range, [&](const HostMapping& mapping) noexcept -> NativeResult {
    if (mapping.shared) return 0;
    return host.thread_count() > 1 ? -EOPNOTSUPP : make_shared(host, mapping);
  });
  if (is_error(r)) return Result::of(r);
  advise(host, range, MADV_KEEPONFORK);
  return Result::of(advise(host, range, MADV_DOFORK));
}

Result inherit_copy(Host& host, PageRange range) noexcept {
  const NativeResult r = for_mappings(host, range, [](const HostMapping& mapping) noexcept -> NativeResult {
    return mapping.shared ? -EOPNOTSUPP : 0;
  });
  if (is_error(r)) return Result::of(r);
  advise(host, range, MADV_KEEPONFORK);
  return Result::of(advise(host, range, MADV_DOFORK));
}

}  // namespace

// MADV_DONTNEED keeps the contents on FreeBSD and drops them on Linux, so it and all other hints that promise
// nothing are accepted and ignored; the table maps the rest.
Result madvise_call(Call& call) noexcept {
  constexpr int kDontNeed = 4, kNoSync = 6, kAutoSync = 7, kProtect = 10;
  const int behavior = call.i32(2);
  // For root it is accepted, and the host's out-of-memory killer left as it is.
  if (behavior == kProtect) return call.host.call(SYS_geteuid) == 0 ? Result::ok(0) : Result::fail(EPERM);
  PageRange range;
  if (!whole_pages(call.word(0), call.word(1), range) || !in_guest(range)) return Result::fail(EINVAL);
  if (behavior == kDontNeed || behavior == kNoSync || behavior == kAutoSync) return Result::ok(0);
  const auto known = self(call).vocabulary().madvise_behavior.to_native(call.u32(2));
  if (!known) return Result::fail(EINVAL);
  if (range.empty()) return Result::ok(0);
  const NativeResult r = advise(call.host, range, *known);
  // MADV_FREE needs private anonymous memory on Linux; as a hint it may do nothing.
  return r == -EINVAL ? Result::ok(0) : Result::of(r);
}

Result minherit_call(Call& call) noexcept {
  enum : int { kShare = 0, kCopy = 1, kNone = 2, kZero = 3 };
  PageRange range;
  if (!whole_pages(call.word(0), call.word(1), range)) return Result::fail(EINVAL);
  if (call.i32(2) < kShare || call.i32(2) > kZero) return Result::fail(EINVAL);
  range.end = std::min(range.end, kGuestTop);
  if (range.empty()) return Result::ok(0);
  switch (call.i32(2)) {
    case kShare:
      return inherit_share(call.host, range);
    case kCopy:
      return inherit_copy(call.host, range);
    case kNone:
      return Result::of(advise(call.host, range, MADV_DONTFORK));
    default: {
      const NativeResult wiped = advise(call.host, range, MADV_WIPEONFORK);
      if (wiped == -EINVAL) return Result::fail(EOPNOTSUPP);  // not for shared memory and files
      return Result::of(is_error(wiped) ? wiped : advise(call.host, range, MADV_DOFORK));
    }
  }
}

Result mincore_call(Call& call) noexcept {
  PageRange range;
  if (!whole_pages(call.word(0), call.word(1), range) || !in_guest(range)) return Result::fail(ENOMEM);
  constexpr Word kChunk = 256;
  std::array<std::uint8_t, kChunk> vec{};
  std::array<std::uint64_t, kChunk> entries{};
  const NativeResult pagemap =
      call.host.call(SYS_openat, static_cast<Word>(AT_FDCWD), reinterpret_cast<Word>("/proc/self/pagemap"),
                     O_RDONLY | O_CLOEXEC);
  GuestAddr out = call.addr(2);
  Result result = Result::ok(0);
  for (Word at = range.start; at < range.end;) {
    const Word pages = std::min(kChunk, (range.end - at) / kPage);
    const NativeResult r = call.host.call(SYS_mincore, at, pages * kPage, reinterpret_cast<Word>(vec.data()));
    if (is_error(r)) {
      result = Result::of(r);
      break;
    }
    const NativeResult got =
        is_error(pagemap)
            ? 0
            : call.host.call(SYS_pread64, static_cast<Word>(pagemap), reinterpret_cast<Word>(entries.data()),
                             pages * sizeof(entries[0]), at / kPage * sizeof(entries[0]));
    const Word known = got > 0 ? static_cast<Word>(got) / sizeof(entries[0]) : 0;
    for (Word i = 0; i < pages; ++i) {
      vec[i] &= kInCore;
      if (vec[i] != 0 && i < known) vec[i] |= use_of(entries[i]);
    }
    if (!call.host.write(out, vec.data(), pages)) {
      result = Result::fail(EFAULT);
      break;
    }
    out = out + pages;
    at += pages * kPage;
  }
  if (!is_error(pagemap)) call.host.call(SYS_close, static_cast<Word>(pagemap));
  return result;
}

Result msync_call(Call& call) noexcept {
  constexpr unsigned kAsync = 1, kInvalidate = 2;
  PageRange range;
  if (!whole_pages(call.word(0), call.word(1), range)) return Result::fail(EINVAL);
  const unsigned flags = call.u32(2);
  const auto native = self(call).vocabulary().msync_flags.to_native(flags);
  if (!native || (flags & (kAsync | kInvalidate)) == (kAsync | kInvalidate)) return Result::fail(EINVAL);
  if (!in_guest(range)) return Result::fail(ENOMEM);
  if (range.empty()) {  // the whole mapping that this address is in
    HostMapping mapping;
    if (range.start >= kGuestTop || !find_mapping(call.host, range.start, mapping) ||
        mapping.range.start > range.start)
      return Result::fail(ENOMEM);
    range = mapping.range;
  }
  return Result::of(call.host.call_interruptible(SYS_msync, range.start, range.size(), *native));
}

namespace {

Result lock_or_unlock(Call& call, long native_call) noexcept {
  PageRange range;
  if (!whole_pages(call.word(0), call.word(1), range)) return Result::fail(EINVAL);
  if (!in_guest(range)) return Result::fail(ENOMEM);
  const NativeResult r = call.host.call(native_call, range.start, range.size());
  // EPERM is Linux's word for a limit of nothing, EAGAIN for pages that cannot be had.
  return r == -EPERM || r == -EAGAIN ? Result::fail(ENOMEM) : Result::of(r);
}

}  // namespace

Result mlock_call(Call& call) noexcept { return lock_or_unlock(call, SYS_mlock); }
Result munlock_call(Call& call) noexcept { return lock_or_unlock(call, SYS_munlock); }

Result mlockall_call(Call& call) noexcept {
  constexpr unsigned kCurrent = 1, kFuture = 2;  // as natively
  const unsigned how = call.u32(0);
  if (how == 0 || (how & ~(kCurrent | kFuture)) != 0) return Result::fail(EINVAL);
  const NativeResult r = call.host.call(SYS_mlockall, how);
  return r == -EPERM ? Result::fail(ENOMEM) : Result::of(r);
}

}  // namespace sudrun::abi::bsd

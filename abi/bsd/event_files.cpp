// Descriptors that are events: eventfd and inotify; comparing and punching holes into what is open.
//
// Sources: FreeBSD 15 sys/kern/sys_generic.c (__specialfd, fspacectl), sys/kern/sys_eventfd.c,
// sys/kern/vfs_inotify.c, sys/kern/vfs_vnops.c, sys/sys/specialfd.h, sys/sys/inotify.h, kcmp(2),
// fspacectl(2).
#include <linux/falloc.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "abi/bsd/place.hpp"
#include "abi/bsd/stat_layout.hpp"

namespace sudrun::abi::bsd {
namespace fs {
namespace {

// --- __specialfd -----------------------------------------------------------------------------------------

enum SpecialFd : int { kEventFd = 1, kInotify = 2 };

struct EventFdRequest {  // struct specialfd_eventfd
  std::uint32_t initval;
  std::int32_t flags;
};
struct InotifyRequest {  // struct specialfd_inotify
  std::int32_t flags;
};
static_assert(sizeof(EventFdRequest) == 8 && sizeof(InotifyRequest) == 4);

Result make_eventfd(Call& call) noexcept {
  EventFdRequest request{};
  if (call.word(2) != sizeof request) return Result::fail(EINVAL);
  if (!call.host.get(call.addr(1), request)) return Result::fail(EFAULT);
  const auto flags =
      self(call).vocabulary().eventfd_flags.to_native(static_cast<std::uint32_t>(request.flags));
  if (!flags) return Result::fail(EINVAL);
  return Result::of(call.host.call(SYS_eventfd2, request.initval, *flags));
}

Result make_inotify(Call& call) noexcept {
  InotifyRequest request{};
  if (call.word(2) != sizeof request) return Result::fail(EINVAL);
  if (!call.host.get(call.addr(1), request)) return Result::fail(EFAULT);
  const auto flags =
      self(call).vocabulary().inotify_init_flags.to_native(static_cast<std::uint32_t>(request.flags));
  if (!flags) return Result::fail(EINVAL);
  return Result::of(call.host.call(SYS_inotify_init1, *flags));
}

Result do_specialfd(Call& call) noexcept {
  switch (call.i32(0)) {
    case kEventFd:
      return make_eventfd(call);
    case kInotify:
      return make_inotify(call);
    default:
      return Result::fail(EINVAL);
  }
}

// --- inotify ---------------------------------------------------------------------------------------------

/// The bits are the same in both systems (the table says so); events read from the descriptor are too.
constexpr Word kInotifyEvents = 0xfff;
constexpr Word kInotifyDontFollow = 0x0200'0000;
constexpr Word kInotifyMaskCreate = 0x1000'0000;
constexpr Word kInotifyMaskAdd = 0x2000'0000;

Result do_inotify_add_watch_at(Call& call) noexcept {
  Host& host = call.host;
  const int fd = call.i32(0);
  const unsigned guest = call.u32(3);
  const auto mask = self(call).vocabulary().inotify_mask.to_native(guest);
  if (!mask || (guest & kInotifyEvents) == 0) return Result::fail(EINVAL);
  if ((guest & kInotifyMaskAdd) != 0 && (guest & kInotifyMaskCreate) != 0) return Result::fail(EINVAL);
  if (fd < 0 || host.is_hidden(fd)) return Result::fail(EBADF);

  const unsigned at_flags = (guest & kInotifyDontFollow) != 0 ? kAtSymlinkNofollow : 0;
  const Place place(host, call.i32(1), call.addr(2), at_flags);
  if (!place.valid()) {
    // The descriptor is looked at before the path is.
    const NativeResult probe = host.call(SYS_inotify_add_watch, word(fd), word(""), *mask);
    return probe == -EBADF || probe == -EINVAL ? Result::of(probe) : place.error();
  }
  // The place already is what was to be followed or not.
  const Word native = *mask & ~kInotifyDontFollow;
  return Result::of(host.call(SYS_inotify_add_watch, word(fd), place.path().word(), native));
}

// --- kcmp ------------------------------------------------------------------------------------------------

/// An order of two values, in the form of kcmp's result.
template <typename T>
constexpr Word order_of(const T& a, const T& b) noexcept {
  return a == b ? 0 : a < b ? 1 : 2;
}

/// KCMP_FILEOBJ: what the descriptors are open on, of this process only.
Result compare_objects(Call& call) noexcept {
  Host& host = call.host;
  struct statx a {};
  struct statx b {};
  const int first = call.i32(3), second = call.i32(4);
  const NativeResult found_a = stat_descriptor(host, first, a, STATX_TYPE | STATX_INO);
  const NativeResult found_b = stat_descriptor(host, second, b, STATX_TYPE | STATX_INO);
  if (is_error(found_a) || is_error(found_b)) return Result::fail(EBADF);
  // Anonymous files of Linux share one inode: of them only the same file is the same object.
  if ((a.stx_mode & S_IFMT) == 0 && (b.stx_mode & S_IFMT) == 0) {
    const auto pid = static_cast<Word>(host.pid());
    return Result::of(host.call(SYS_kcmp, pid, pid, /* KCMP_FILE */ 0, word(first), word(second)));
  }
  if (a.stx_dev_major != b.stx_dev_major) return Result::ok(order_of(a.stx_dev_major, b.stx_dev_major));
  if (a.stx_dev_minor != b.stx_dev_minor) return Result::ok(order_of(a.stx_dev_minor, b.stx_dev_minor));
  return Result::ok(order_of(a.stx_ino, b.stx_ino));
}

Result do_kcmp(Call& call) noexcept {
  constexpr int kFile = 100, kFileObject = 101;
  Host& host = call.host;
  const int type = call.i32(2);
  const auto native = self(call).vocabulary().kcmp_type.to_native(call.u32(2));
  if (!native && type != kFileObject) return Result::fail(EINVAL);
  for (const unsigned index : {0U, 1U})
    if (is_error(host.call(SYS_kill, word(call.i32(index)), 0)) && call.i32(index) != host.pid())
      return Result::fail(ESRCH);
  if (type == kFile || type == kFileObject) {
    for (const unsigned index : {3U, 4U})
      if (host.is_hidden(call.i32(index))) return Result::fail(EBADF);
  }
  if (type != kFileObject)
    return Result::of(
        host.call(SYS_kcmp, word(call.i32(0)), word(call.i32(1)), *native, call.word(3), call.word(4)));
  const bool ours = call.i32(0) == host.pid() && call.i32(1) == host.pid();
  return ours ? compare_objects(call) : Result::fail(EOPNOTSUPP);
}

// --- fspacectl -------------------------------------------------------------------------------------------

struct SpaceRange {  // struct spacectl_range
  std::int64_t r_offset, r_len;
};
static_assert(sizeof(SpaceRange) == 16);

/// 0 or a negative errno; on success `range` becomes what is left of it: nothing, after the last byte
/// cleared.
NativeResult deallocate(Call& call, SpaceRange& range) noexcept {
  constexpr int kDealloc = 1;  // SPACECTL_DEALLOC
  Host& host = call.host;
  const int fd = call.i32(0);
  if (call.i32(1) != kDealloc || range.r_offset < 0 || range.r_len <= 0 ||
      range.r_offset > std::numeric_limits<std::int64_t>::max() - range.r_len || call.i32(3) != 0)
    return -EINVAL;
  if (fd < 0 || host.is_hidden(fd)) return -EBADF;
  const NativeResult punched = host.call(SYS_fallocate, word(fd), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                         static_cast<Word>(range.r_offset), static_cast<Word>(range.r_len));
  // Past the largest file there is nothing to clear.
  if (is_error(punched) && punched != -EFBIG) return punched;
  struct statx info {};
  const NativeResult found = stat_descriptor(host, fd, info, STATX_SIZE);
  if (is_error(found)) return found;
  const std::int64_t end = std::min(range.r_offset + range.r_len, static_cast<std::int64_t>(info.stx_size));
  range = {std::max(range.r_offset, end), 0};
  return 0;
}

Result do_fspacectl(Call& call) noexcept {
  SpaceRange range{};
  if (!call.host.get(call.addr(2), range)) return Result::fail(EFAULT);
  const NativeResult result = deallocate(call, range);
  const bool stored = is_null(call.addr(4)) || call.host.put(call.addr(4), range);
  if (!is_error(result) && !stored) return Result::fail(EFAULT);
  return Result::of(result);
}

constexpr HandlerEntry kHandlers[] = {
    {"__specialfd", do_specialfd},
    {"inotify_add_watch_at", do_inotify_add_watch_at},
    {"kcmp", do_kcmp},
    {"fspacectl", do_fspacectl},
};

}  // namespace
}  // namespace fs

std::span<const HandlerEntry> event_file_handlers() noexcept { return fs::kHandlers; }

}  // namespace sudrun::abi::bsd

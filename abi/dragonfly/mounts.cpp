// statfs and statvfs. Sources: DragonFly 6.4 sys/kern/vfs_syscalls.c, sys/sys/mount.h, sys/sys/statvfs.h.
#include <array>
#include <cstring>

#include "abi/bsd/mounts.hpp"
#include "abi/dragonfly/dragonfly.hpp"

namespace sudrun::abi::dragonfly {
namespace fs {
using namespace bsd::fs;  // NOLINT(google-build-using-namespace): as dragonfly.hpp
namespace {

struct OwnStatfs {  // struct statfs
  std::int64_t spare2, bsize, iosize, blocks, bfree, bavail, files, ffree;
  std::int32_t fsid[2];  ///< not told to programs without privilege
  std::uint32_t owner;
  std::int32_t type;
  std::uint32_t flags, pad;
  std::int64_t syncwrites, asyncwrites;
  char fstypename[16];
  char mntonname[80];
  std::int64_t syncreads, asyncreads;
  std::int16_t spares1;
  char mntfromname[80];
  std::int16_t spares2;
  std::int64_t spare[2];
};
static_assert(sizeof(OwnStatfs) == 320 && offsetof(OwnStatfs, flags) == 80 &&
              offsetof(OwnStatfs, mntonname) == 120 && offsetof(OwnStatfs, mntfromname) == 218);

struct OwnStatvfs {  // struct statvfs
  std::uint64_t bsize, frsize, blocks, bfree, bavail, files, ffree, favail, fsid, flag, namemax;
  std::uint32_t owner, type;
  std::uint64_t syncreads, syncwrites, asyncreads, asyncwrites;
  std::byte fsid_uuid[16], uid_uuid[16];
};
static_assert(sizeof(OwnStatvfs) == 160 && offsetof(OwnStatvfs, flag) == 72 &&
              offsetof(OwnStatvfs, fsid_uuid) == 128);

OwnStatfs own_statfs(const Statfs& common) noexcept {
  OwnStatfs own{};
  own.bsize = static_cast<std::int64_t>(common.f_bsize);
  own.iosize = static_cast<std::int64_t>(common.f_iosize);
  own.blocks = static_cast<std::int64_t>(common.f_blocks);
  own.bfree = static_cast<std::int64_t>(common.f_bfree);
  own.bavail = common.f_bavail;
  own.files = static_cast<std::int64_t>(common.f_files);
  own.ffree = common.f_ffree;
  own.owner = common.f_owner;
  own.type = static_cast<std::int32_t>(common.f_type);
  own.flags = static_cast<std::uint32_t>(common.f_flags);
  copy_text(own.fstypename, common.f_fstypename);
  copy_text(own.mntonname, common.f_mntonname);
  copy_text(own.mntfromname, common.f_mntfromname);
  return own;
}

OwnStatvfs own_statvfs(const Statfs& common) noexcept {
  constexpr std::uint64_t kReadOnly = 0x1, kNoSetuid = 0x2;  // ST_RDONLY, ST_NOSUID
  constexpr std::uint64_t kMountReadOnly = 0x1, kMountNoSetuid = 0x8;
  OwnStatvfs own{};
  own.bsize = common.f_bsize;
  own.frsize = common.f_bsize;
  own.blocks = common.f_blocks;
  own.bfree = common.f_bfree;
  own.bavail = static_cast<std::uint64_t>(common.f_bavail);
  own.files = common.f_files;
  own.ffree = own.favail = static_cast<std::uint64_t>(common.f_ffree);
  std::memcpy(&own.fsid, common.f_fsid, sizeof own.fsid);
  own.flag = ((common.f_flags & kMountReadOnly) != 0 ? kReadOnly : 0) |
             ((common.f_flags & kMountNoSetuid) != 0 ? kNoSetuid : 0);
  own.namemax = common.f_namemax;
  own.owner = common.f_owner;
  return own;
}

template <typename Own>
Result store(Call& call, NativeResult result, const Statfs& found,
             Own (*form)(const Statfs&) noexcept) noexcept {
  if (is_error(result)) return Result::of(result);
  return call.host.put(call.addr(1), form(found)) ? Result::ok() : Result::fail(EFAULT);
}

template <typename Own, Own (*form)(const Statfs&) noexcept>
Result of_path(Call& call) noexcept {
  Statfs found{};
  const NativeResult result = path_statfs(call, found);
  return store(call, result, found, form);
}

template <typename Own, Own (*form)(const Statfs&) noexcept>
Result of_descriptor(Call& call) noexcept {
  Statfs found{};
  const NativeResult result = descriptor_statfs(call, found);
  return store(call, result, found, form);
}

/// Null pointers ask for the number only. `vtable`: null, or where the other form of each goes.
Result all_mounts(Call& call, GuestAddr table, GuestAddr vtable, std::int64_t room) noexcept {
  MountTable mounts(call.host);
  std::int64_t count = 0;
  for (; is_null(table) || count < room; ++count) {
    const auto mount = mounts.next();
    if (!mount) break;
    if (is_null(table)) continue;
    const Statfs found = mount_statfs(call, *mount);
    const auto index = static_cast<std::uint64_t>(count);
    if (!call.host.put(table + index * sizeof(OwnStatfs), own_statfs(found))) return Result::fail(EFAULT);
    if (!is_null(vtable) && !call.host.put(vtable + index * sizeof(OwnStatvfs), own_statvfs(found)))
      return Result::fail(EFAULT);
  }
  return Result::ok(static_cast<Word>(count));
}

Result do_getfsstat(Call& call) noexcept {
  return all_mounts(call, call.addr(0), {}, call.i64(1) / static_cast<std::int64_t>(sizeof(OwnStatfs)));
}

/// The size is that of the second array.
Result do_getvfsstat(Call& call) noexcept {
  const bool both = !is_null(call.addr(0)) && !is_null(call.addr(1));
  return all_mounts(call, both ? call.addr(0) : GuestAddr{}, call.addr(1),
                    call.i64(2) / static_cast<std::int64_t>(sizeof(OwnStatvfs)));
}

constexpr HandlerEntry kHandlers[] = {
    {"fstatfs", of_descriptor<OwnStatfs, own_statfs>},
    {"fstatvfs", of_descriptor<OwnStatvfs, own_statvfs>},
    {"getfsstat", do_getfsstat},
    {"getvfsstat", do_getvfsstat},
    {"statfs", of_path<OwnStatfs, own_statfs>},
    {"statvfs", of_path<OwnStatvfs, own_statvfs>},
};

}  // namespace
}  // namespace fs

std::span<const HandlerEntry> mount_handlers() noexcept { return fs::kHandlers; }

}  // namespace sudrun::abi::dragonfly

// File system statistics: statfs, fstatfs, getfsstat.
// Sources: FreeBSD 15 (and 14) sys/kern/vfs_syscalls.c, vfs_init.c, sys/sys/mount.h,
// sys/sys/fnv_hash.h; Linux proc(5), statfs(2).
#include <linux/stat.h>

#include <algorithm>
#include <array>
#include <utility>

#include "abi/bsd/mounts.hpp"
#include "abi/bsd/stat_convert.hpp"

namespace sudrun::abi::bsd::fs {
namespace {

Statfs describe(Call& call, const struct statfs& native, const std::optional<MountLine>& mount) noexcept {
  const auto known = static_cast<Word>(native.f_flags);
  Statfs guest = to_guest_statfs(native, self(call).vocabulary().statfs_flags.to_guest(known));
  if (!mount) {
    copy_text(guest.f_mntonname, "/");
    return guest;
  }
  const std::string_view type = guest_fs_type(mount->fs_type);
  guest.f_type = fs_type_number(type);
  copy_text(guest.f_fstypename, type);
  unescape_mount(mount->mount_point, guest.f_mntonname);
  unescape_mount(mount->source, guest.f_mntfromname);
  if (!is_network_fs(mount->fs_type)) guest.f_flags |= kMountLocal;
  if (mount->mount_point == "/") guest.f_flags |= kMountRootfs;
  return guest;
}

enum class Format { current, statfs_2003, ostatfs };

Result store(Host& host, const Statfs& statfs, GuestAddr to, Format format) noexcept {
  const auto put = [&](const auto& form) { return host.put(to, form) ? Result::ok() : Result::fail(EFAULT); };
  switch (format) {
    case Format::statfs_2003:
      return put(to_statfs_2003(statfs));
    case Format::ostatfs:
      return put(to_old_statfs(statfs));
    default:
      return put(statfs);
  }
}

constexpr std::size_t size_of(Format format) noexcept {
  switch (format) {
    case Format::statfs_2003:
      return sizeof(Statfs2003);
    case Format::ostatfs:
      return sizeof(OldStatfs);
    default:
      return sizeof(Statfs);
  }
}

/// `located` tells which mount the file is on, where the kernel can say (5.8).
Statfs describe_located(Call& call, const struct statfs& native, const struct statx& located) noexcept {
  std::optional<MountLine> mount;
  MountTable table(call.host);
  if ((located.stx_mask & STATX_MNT_ID) != 0)
    while ((mount = table.next()) && mount->id != located.stx_mnt_id) {
    }
  return describe(call, native, mount);
}

Result statfs_path(Call& call, Format format) noexcept {
  Statfs found;
  const NativeResult result = path_statfs(call, found);
  return is_error(result) ? Result::of(result) : store(call.host, found, call.addr(1), format);
}

Result statfs_descriptor(Call& call, Format format) noexcept {
  Statfs found;
  const NativeResult result = descriptor_statfs(call, found);
  return is_error(result) ? Result::of(result) : store(call.host, found, call.addr(1), format);
}

Result all_statfs(Call& call, Format format) noexcept {
  Host& host = call.host;
  const GuestAddr to = call.addr(0);
  const int mode = call.i32(2);
  if (call.i64(1) < 0 || (mode != kMountWait && mode != kMountNowait)) return Result::fail(EINVAL);
  const std::size_t record = size_of(format);
  const Word room = call.word(1) / record;

  MountTable table(host);
  Word count = 0;
  while (is_null(to) || count < room) {
    const auto mount = table.next();
    if (!mount) break;
    if (!is_null(to)) {
      const Result stored = store(host, mount_statfs(call, *mount), to + count * record, format);
      if (!stored.is_ok()) return stored;
    }
    ++count;
  }
  return Result::ok(count);
}

}  // namespace

NativeResult path_statfs(Call& call, Statfs& found) noexcept {
  const GuestAddr path = call.addr(0);
  if (!is_path(path)) return -EFAULT;
  struct statfs native {};
  struct statx located {};
  const NativeResult result = call.host.call(SYS_statfs, word(path), word(&native));
  if (is_error(result)) return result;
  stat_native(call.host, kCwd, word(path), 0, located, STATX_MNT_ID);
  found = describe_located(call, native, located);
  return 0;
}

NativeResult descriptor_statfs(Call& call, Statfs& found) noexcept {
  const int fd = call.i32(0);
  struct statfs native {};
  struct statx located {};
  const NativeResult result = call.host.call(SYS_fstatfs, word(fd), word(&native));
  if (is_error(result)) return result;
  stat_descriptor(call.host, fd, located, STATX_MNT_ID);
  found = describe_located(call, native, located);
  return 0;
}

Statfs mount_statfs(Call& call, const MountLine& mount) noexcept {
  std::array<char, 4096> point;
  unescape_mount(mount.mount_point, point);
  struct statfs native {};
  if (is_error(call.host.call(SYS_statfs, word(point.data()), word(&native)))) native = {};
  return describe(call, native, mount);
}

Result do_statfs(Call& call) noexcept { return statfs_path(call, Format::current); }
Result do_fstatfs(Call& call) noexcept { return statfs_descriptor(call, Format::current); }
Result do_getfsstat(Call& call) noexcept { return all_statfs(call, Format::current); }
Result do_statfs_2003(Call& call) noexcept { return statfs_path(call, Format::statfs_2003); }
Result do_fstatfs_2003(Call& call) noexcept { return statfs_descriptor(call, Format::statfs_2003); }
Result do_getfsstat_2003(Call& call) noexcept { return all_statfs(call, Format::statfs_2003); }
Result do_ostatfs(Call& call) noexcept { return statfs_path(call, Format::ostatfs); }
Result do_ofstatfs(Call& call) noexcept { return statfs_descriptor(call, Format::ostatfs); }
Result do_ogetfsstat(Call& call) noexcept { return all_statfs(call, Format::ostatfs); }

}  // namespace sudrun::abi::bsd::fs

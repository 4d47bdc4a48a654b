// vfs: which types of file systems there are. getvfsbyname(3) looks for the type that statfs(2) told, and
// tar(1) gives up on files of a type that is not there.
//
// Facts: FreeBSD 15.0 sys/kern/vfs_init.c (sysctl_vfs_conflist), sys/sys/mount.h; Linux proc(5).
#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "abi/bsd/mounts.hpp"
#include "abi/bsd/sysctl_tree.hpp"

namespace sudrun::abi::bsd {
namespace {

struct Xvfsconf {  // struct xvfsconf; addresses within the kernel are left zero
  static constexpr std::int32_t kNetwork = 0x2'0000, kSynthetic = 0x8'0000;  // VFCF_
  std::uint64_t operations;
  char name[16];
  std::int32_t type_number, mounted, flags, pad0;
  std::uint64_t next;
};
static_assert(sizeof(Xvfsconf) == 48 && offsetof(Xvfsconf, flags) == 32);

/// Those already in the list.
class TypeList {
 public:
  explicit TypeList(SysctlOutput& out) noexcept : out_(out) {}

  /// 0 or an errno. `native` is Linux's name.
  int add(std::string_view native, bool synthetic) noexcept {
    Xvfsconf type{};
    fs::guest_fs_type(native).copy(type.name, sizeof type.name - 1);
    const std::string_view name = type.name;
    if (name.empty() || count_ == names_.size()) return 0;
    const auto end = names_.begin() + static_cast<std::ptrdiff_t>(count_);
    if (std::any_of(names_.begin(), end, [&](const auto& known) { return name == known.data(); })) return 0;
    name.copy(names_[count_].data(), name.size());
    ++count_;
    type.type_number = static_cast<std::int32_t>(fs::fs_type_number(name));
    const bool network = fs::is_network_fs(native);
    type.flags = (network ? Xvfsconf::kNetwork : 0) | (synthetic && !network ? Xvfsconf::kSynthetic : 0);
    return out_.put(type);
  }

 private:
  SysctlOutput& out_;
  std::array<std::array<char, sizeof Xvfsconf::name>, 128> names_{};
  std::size_t count_ = 0;
};

/// Types without a device that hold files as others do.
constexpr bool holds_files(std::string_view native) noexcept {
  return native == "tmpfs" || native == "ramfs" || native == "overlay" || native.starts_with("fuse") ||
         native == "virtiofs" || native == "zfs" || native == "btrfs";
}

}  // namespace

int sysctl_vfs_conflist(SysctlQuery& q) noexcept {
  if (!q.args.empty()) return EINVAL;
  TypeList types(q.out);
  int full = 0;  // the size is wanted even so
  const auto add = [&](std::string_view native, bool synthetic) {
    const int error = types.add(native, synthetic && !holds_files(native));
    if (error == ENOMEM) full = ENOMEM;
    return error == ENOMEM ? 0 : error;
  };
  HostLines<256> known(q.host, "/proc/filesystems");  // "nodev\tproc", or a tab and the name
  while (const auto line = known.next()) {
    const bool no_device = line->starts_with("nodev");
    if (const int error = add(field_of(*line, no_device ? 1 : 0), no_device); error != 0) return error;
  }
  // A subtype, and a module that cannot be seen from within a container, is told by its mounts only.
  fs::MountTable mounts(q.host);
  while (const auto mount = mounts.next())
    if (const int error = add(mount->fs_type, false); error != 0) return error;
  return full;
}

}  // namespace sudrun::abi::bsd

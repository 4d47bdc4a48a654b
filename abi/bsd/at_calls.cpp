// Modes, owners and links relative to a directory, with FreeBSD's AT_ flags, some of which the native calls
// lack; access control lists, which no file has.
//
// Sources: FreeBSD 15 (and 14) sys/kern/vfs_syscalls.c, sys/kern/vfs_acl.c, sys/ufs/ufs/ufs_acl.c,
// sys/sys/acl.h.
#include "abi/bsd/place.hpp"
#include "abi/bsd/stat_layout.hpp"

namespace sudrun::abi::bsd {
namespace fs {
namespace {

constexpr unsigned kNameFlags = kAtSymlinkNofollow | kAtResolveBeneath | kAtEmptyPath;

// --- modes -----------------------------------------------------------------------------------------------

/// Changes the mode of what a place is. Linux keeps no mode for symbolic links: all have the same.
Result set_mode_of(Call& call, const Place& place, unsigned mode) noexcept {
  if (!place.valid()) return place.error();
  struct statx info {};
  const NativeResult found = stat_descriptor(call.host, place.fd(), info, STATX_TYPE);
  if (is_error(found)) return Result::of(found);
  constexpr unsigned kModeOfLinks = 0777;
  if (S_ISLNK(info.stx_mode)) return (mode & 07777) == kModeOfLinks ? Result::ok() : Result::fail(EOPNOTSUPP);
  return Result::of(call.host.call(SYS_fchmodat, word(kCwd), place.path().word(), mode & 07777));
}

Result do_fchmodat(Call& call) noexcept {
  const unsigned flags = at_flags(call, 3), mode = call.u32(2);
  if ((flags & ~kNameFlags) != 0) return Result::fail(EINVAL);
  if (flags != 0) return set_mode_of(call, Place(call.host, call.i32(0), call.addr(1), flags), mode);
  if (!is_path(call.addr(1))) return Result::fail(EFAULT);
  return Result::of(call.host.call(SYS_fchmodat, word(call.i32(0)), word(call.addr(1)), mode & 07777));
}

Result do_lchmod(Call& call) noexcept {
  return set_mode_of(call, Place(call.host, kCwd, call.addr(0), kAtSymlinkNofollow), call.u32(1));
}

// --- owners ----------------------------------------------------------------------------------------------

Result do_fchownat(Call& call) noexcept {
  const unsigned flags = at_flags(call, 4);
  if ((flags & ~kNameFlags) != 0) return Result::fail(EINVAL);
  const Place place(call.host, call.i32(0), call.addr(1), flags);
  if (!place.valid()) return place.error();
  return Result::of(call.host.call(SYS_fchownat, word(place.fd()), word(""), call.u32(2), call.u32(3),
                                   word(AT_EMPTY_PATH)));
}

// --- links -----------------------------------------------------------------------------------------------

Result do_linkat(Call& call) noexcept {
  Host& host = call.host;
  const unsigned flags = at_flags(call, 4);
  if ((flags & ~(kAtSymlinkFollow | kAtResolveBeneath | kAtEmptyPath)) != 0) return Result::fail(EINVAL);
  const unsigned follow = (flags & kAtSymlinkFollow) != 0 ? 0 : kAtSymlinkNofollow;
  if (!is_path(call.addr(3))) return Result::fail(EFAULT);
  if ((flags & ~kAtSymlinkFollow) == 0) {
    if (!is_path(call.addr(1))) return Result::fail(EFAULT);
    return Result::of(host.call(SYS_linkat, word(call.i32(0)), word(call.addr(1)), word(call.i32(2)),
                                word(call.addr(3)), follow == 0 ? word(AT_SYMLINK_FOLLOW) : 0));
  }
  const Place place(host, call.i32(0), call.addr(1), (flags & kNameFlags) | follow);
  if (!place.valid()) return place.error();
  // The link that is followed is the process file system's.
  return Result::of(host.call(SYS_linkat, word(kCwd), place.path().word(), word(call.i32(2)),
                              word(call.addr(3)), word(AT_SYMLINK_FOLLOW)));
}

// --- access control lists: as on a file system mounted without them ----------------------------------------

constexpr std::uint32_t kAclMaxEntries = 254;  // ACL_MAX_ENTRIES
constexpr int kLastOldAclType = 1;             // ACL_TYPE_DEFAULT_OLD

struct AclEntry {  // struct acl_entry
  std::uint32_t ae_tag, ae_id, ae_perm;
  std::uint16_t ae_entry_type, ae_flags;
};
struct Acl {  // struct acl
  std::uint32_t acl_maxcnt, acl_cnt;
  std::int32_t acl_spare[4];
  AclEntry acl_entry[kAclMaxEntries];
};
static_assert(sizeof(Acl) == 4088);
struct OldAcl {  // struct oldacl
  std::int32_t acl_cnt;
  struct {
    std::int32_t ae_tag;
    std::uint32_t ae_id;
    std::uint16_t ae_perm;
  } acl_entry[32];
};
static_assert(sizeof(OldAcl) == 388);

Result no_acls(Call&) noexcept { return Result::fail(EOPNOTSUPP); }

/// The list is read before the file system is asked.
Result given_acl(Call& call) noexcept {
  if (call.i32(1) >= 0 && call.i32(1) <= kLastOldAclType) {
    OldAcl old;
    return Result::fail(call.host.get(call.addr(2), old) ? EOPNOTSUPP : EFAULT);
  }
  Acl acl;
  if (!call.host.get(call.addr(2), acl)) return Result::fail(EFAULT);
  return Result::fail(acl.acl_maxcnt == kAclMaxEntries ? EOPNOTSUPP : EINVAL);
}

template <Handler then>
Result acl_of_descriptor(Call& call) noexcept {
  const NativeResult error = check_vnode(call.host, call.i32(0));
  return is_error(error) ? Result::of(error) : then(call);
}

template <Handler then, unsigned at_flags>
Result acl_of_path(Call& call) noexcept {
  const Place place(call.host, kCwd, call.addr(0), at_flags);
  return place.valid() ? then(call) : place.error();
}

constexpr HandlerEntry kHandlers[] = {
    {"fchmodat", do_fchmodat},
    {"lchmod", do_lchmod},
    {"fchownat", do_fchownat},
    {"linkat", do_linkat},

    {"__acl_get_fd", acl_of_descriptor<no_acls>},
    {"__acl_get_file", acl_of_path<no_acls, 0>},
    {"__acl_get_link", acl_of_path<no_acls, kAtSymlinkNofollow>},
    {"__acl_delete_fd", acl_of_descriptor<no_acls>},
    {"__acl_delete_file", acl_of_path<no_acls, 0>},
    {"__acl_delete_link", acl_of_path<no_acls, kAtSymlinkNofollow>},
    {"__acl_set_fd", acl_of_descriptor<given_acl>},
    {"__acl_set_file", acl_of_path<given_acl, 0>},
    {"__acl_set_link", acl_of_path<given_acl, kAtSymlinkNofollow>},
    {"__acl_aclcheck_fd", acl_of_descriptor<given_acl>},
    {"__acl_aclcheck_file", acl_of_path<given_acl, 0>},
    {"__acl_aclcheck_link", acl_of_path<given_acl, kAtSymlinkNofollow>},
};

}  // namespace
}  // namespace fs

std::span<const HandlerEntry> at_handlers() noexcept { return fs::kHandlers; }

}  // namespace sudrun::abi::bsd

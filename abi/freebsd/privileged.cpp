// Calls for administrators. They are refused as to the processes of a jail, in FreeBSD's order of checks:
// calls whose privilege is checked before anything else have `error: EPERM` in the table and no handler.
//
// Sources: FreeBSD 15 (and 14) sys/kern/vfs_syscalls.c, sys/kern/kern_linker.c, sys/kern/kern_jail.c
// (prison_priv_check), sys/kern/subr_prof.c, sys/kern/kern_proc.c, sys/net/route.c,
// sys/security/audit/audit_syscalls.c, sys/security/mac/mac_syscalls.c, sys/bsm/audit.h, sys/sys/mount.h.
#include "abi/bsd/place.hpp"
#include "abi/bsd/stat_layout.hpp"
#include "abi/freebsd/freebsd.hpp"

namespace sudrun::abi::freebsd {
namespace fs {
using namespace bsd::fs;  // NOLINT(google-build-using-namespace): as freebsd.hpp
namespace {

/// Refused once `size` bytes have been read from argument `index`.
template <unsigned index, std::size_t size>
Result refused_after_reading(Call& call) noexcept {
  std::byte bytes[size];
  return Result::fail(call.host.get(call.addr(index), bytes) ? EPERM : EFAULT);
}

/// Refused once the string argument `index`, of at most `size` bytes with its NUL, has been read.
template <unsigned index, std::size_t size>
Result refused_after_string(Call& call) noexcept {
  char text[size];
  const NativeResult length = call.host.read_string(call.addr(index), text);
  return is_error(length) ? Result::of(length) : Result::fail(EPERM);
}

// --- file handles ----------------------------------------------------------------------------------------

constexpr std::size_t kHandleSize = 28;  // fhandle_t

Result do_getfhat(Call& call) noexcept {
  return Result::fail((call.u32(3) & ~(kAtSymlinkNofollow | kAtResolveBeneath)) != 0 ? EINVAL : EPERM);
}

// --- kernel files ----------------------------------------------------------------------------------------

Result do_kldunloadf(Call& call) noexcept {
  constexpr int kForce = 1;  // LINKER_UNLOAD_FORCE; 0 is LINKER_UNLOAD_NORMAL
  return Result::fail(call.i32(1) == 0 || call.i32(1) == kForce ? EPERM : EINVAL);
}

// --- audit -----------------------------------------------------------------------------------------------

constexpr std::size_t kAuditInfoSize = 24;  // struct auditinfo

struct AuditInfoAddr {  // struct auditinfo_addr
  std::uint32_t ai_auid, ai_mask[2], at_port, at_type, at_addr[4], ai_asid;
  std::uint64_t ai_flags;
};
static_assert(sizeof(AuditInfoAddr) == 48);

Result do_getaudit_addr(Call& call) noexcept {
  return Result::fail(call.u32(1) < sizeof(AuditInfoAddr) ? EOVERFLOW : EPERM);
}

Result do_setaudit_addr(Call& call) noexcept {
  constexpr std::uint32_t kIpv4 = 4, kIpv6 = 16;  // AU_IPv4, AU_IPv6
  AuditInfoAddr info{};
  if (!call.host.get(call.addr(0), info)) return Result::fail(EFAULT);
  return Result::fail(info.at_type == kIpv4 || info.at_type == kIpv6 ? EPERM : EINVAL);
}

// --- mandatory access control: no policy is loaded
// -----------------------------------------------------------

Result do_mac_syscall(Call& call) noexcept {
  char policy[32];  // MAC_MAX_POLICY_NAME
  const NativeResult length = call.host.read_string(call.addr(0), policy);
  return is_error(length) ? Result::of(length) : Result::fail(ENOSYS);
}

// --- files -----------------------------------------------------------------------------------------------

/// As on a file system without quotas.
Result do_quotactl(Call& call) noexcept {
  const Place place(call.host, kCwd, call.addr(0), 0);
  return place.valid() ? Result::fail(EOPNOTSUPP) : place.error();
}

/// There are no whiteouts: what has a name was not deleted.
Result do_undelete(Call& call) noexcept {
  const Place place(call.host, kCwd, call.addr(0), kAtSymlinkNofollow);
  return place.valid() ? Result::fail(EEXIST) : place.error();
}

Result do_revoke(Call& call) noexcept {
  const Place place(call.host, kCwd, call.addr(0), 0);
  if (!place.valid()) return place.error();
  struct statx info {};
  const NativeResult found = stat_descriptor(call.host, place.fd(), info, STATX_TYPE | STATX_UID);
  if (is_error(found)) return Result::of(found);
  if (!S_ISCHR(info.stx_mode)) return Result::fail(EINVAL);
  const auto user = static_cast<unsigned>(call.host.call(SYS_geteuid));
  if (user != 0 && user != info.stx_uid) return Result::fail(EPERM);
  return Result::fail(EOPNOTSUPP);  // Linux takes a device away from nobody but its own terminals' sessions
}

// --- the process -----------------------------------------------------------------------------------------

/// There is one routing table (net.fibs is 1).
Result do_setfib(Call& call) noexcept { return call.i32(0) == 0 ? Result::ok() : Result::fail(EINVAL); }

Result do_profil(Call& call) noexcept {
  if (call.u32(3) >= 1U << 16) return Result::fail(EINVAL);
  return call.u32(3) == 0 ? Result::ok() : Result::fail(EOPNOTSUPP);
}

constexpr HandlerEntry kHandlers[] = {
    {"getfhat", do_getfhat},
    {"fhstat", refused_after_reading<0, kHandleSize>},
    {"freebsd11_fhstat", refused_after_reading<0, kHandleSize>},
    {"fhstatfs", refused_after_reading<0, kHandleSize>},
    {"freebsd11_fhstatfs", refused_after_reading<0, kHandleSize>},
    {"freebsd4_fhstatfs", refused_after_reading<0, kHandleSize>},
    {"kldload", refused_after_string<0, 1024>},
    {"kldunloadf", do_kldunloadf},
    {"setauid", refused_after_reading<0, sizeof(std::uint32_t)>},
    {"setaudit", refused_after_reading<0, kAuditInfoSize>},
    {"getaudit_addr", do_getaudit_addr},
    {"setaudit_addr", do_setaudit_addr},
    {"mac_syscall", do_mac_syscall},
    {"quotactl", do_quotactl},
    {"undelete", do_undelete},
    {"revoke", do_revoke},
    {"setfib", do_setfib},
    {"profil", do_profil},
};

}  // namespace
}  // namespace fs

std::span<const HandlerEntry> privileged_handlers() noexcept { return fs::kHandlers; }

}  // namespace sudrun::abi::freebsd

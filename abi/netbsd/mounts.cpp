// statvfs in its two forms. Sources: NetBSD 10.1 sys/sys/statvfs.h, sys/compat/sys/statvfs.h,
// sys/kern/vfs_syscalls.c (do_sys_getvfsstat), getvfsstat(2).
#include "abi/bsd/mounts.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include "abi/netbsd/netbsd.hpp"

namespace sudrun::abi::netbsd {
namespace fs {
using namespace bsd::fs;  // NOLINT(google-build-using-namespace): as netbsd.hpp
namespace {

struct Counts {  // what both begin with
  std::uint64_t flag, bsize, frsize, iosize, blocks, bfree, bavail, bresvd, files, ffree, favail, fresvd;
  std::uint64_t syncreads, syncwrites, asyncreads, asyncwrites;
  std::int32_t fsidx[2];
  std::uint64_t fsid, namemax;
  std::uint32_t owner;
};
static_assert(offsetof(Counts, fsidx) == 128 && offsetof(Counts, owner) == 152);

struct Statvfs {  // struct statvfs
  Counts counts;
  std::uint64_t spare[4];
  char fstypename[32], mntonname[1024], mntfromname[1024], mntfromlabel[1024];
};
static_assert(sizeof(Statvfs) == 3296 && offsetof(Statvfs, fstypename) == 192);

struct Statvfs90 {  // struct statvfs90
  std::byte counts[offsetof(Counts, owner) + sizeof(std::uint32_t)];
  std::uint32_t spare[4];
  char fstypename[32], mntonname[1024], mntfromname[1024];
  std::uint32_t pad;
};
static_assert(sizeof(Statvfs90) == 2256 && offsetof(Statvfs90, fstypename) == 172);

template <typename Own>
Own own_form(const Statfs& common) noexcept {
  Counts counts{};
  counts.flag = common.f_flags;
  counts.bsize = counts.frsize = common.f_bsize;
  counts.iosize = common.f_iosize;
  counts.blocks = common.f_blocks;
  counts.bfree = common.f_bfree;
  counts.bavail = static_cast<std::uint64_t>(common.f_bavail);
  counts.bresvd = counts.bfree > counts.bavail ? counts.bfree - counts.bavail : 0;
  counts.files = common.f_files;
  counts.ffree = counts.favail = static_cast<std::uint64_t>(common.f_ffree);
  std::memcpy(counts.fsidx, common.f_fsid, sizeof counts.fsidx);
  counts.fsid = static_cast<std::uint32_t>(counts.fsidx[0]);
  counts.namemax = common.f_namemax;
  counts.owner = common.f_owner;
  Own own{};
  std::memcpy(&own.counts, &counts, sizeof own.counts);
  copy_text(own.fstypename, common.f_fstypename);
  copy_text(own.mntonname, common.f_mntonname);
  copy_text(own.mntfromname, common.f_mntfromname);
  return own;
}

bool is_mode(int mode) noexcept {
  constexpr int kWait = 1, kLazy = 3;  // ST_WAIT, ST_NOWAIT, ST_LAZY: nothing has to be waited for
  return mode >= kWait && mode <= kLazy;
}

template <typename Own>
Result store(Call& call, NativeResult result, const Statfs& found) noexcept {
  if (is_error(result)) return Result::of(result);
  if (!is_mode(call.i32(2))) return Result::fail(EINVAL);
  return call.host.put(call.addr(1), own_form<Own>(found)) ? Result::ok() : Result::fail(EFAULT);
}

template <typename Own>
Result of_path(Call& call) noexcept {
  Statfs found{};
  const NativeResult result = path_statfs(call, found);
  return store<Own>(call, result, found);
}

template <typename Own>
Result of_descriptor(Call& call) noexcept {
  Statfs found{};
  const NativeResult result = descriptor_statfs(call, found);
  return store<Own>(call, result, found);
}

/// A null pointer asks for the number only.
template <typename Own>
Result of_all(Call& call) noexcept {
  if (!is_mode(call.i32(2))) return Result::fail(EINVAL);
  const GuestAddr to = call.addr(0);
  MountTable mounts(call.host);
  Word count = 0;
  for (const Word room = call.word(1) / sizeof(Own); is_null(to) || count < room; ++count) {
    const auto mount = mounts.next();
    if (!mount) break;
    if (is_null(to)) continue;
    if (!call.host.put(to + count * sizeof(Own), own_form<Own>(mount_statfs(call, *mount))))
      return Result::fail(EFAULT);
  }
  return Result::ok(count);
}

constexpr HandlerEntry kHandlers[] = {
    {"fstatvfs1", of_descriptor<Statvfs>}, {"fstatvfs1_90", of_descriptor<Statvfs90>},
    {"getvfsstat", of_all<Statvfs>},       {"getvfsstat_90", of_all<Statvfs90>},
    {"statvfs1", of_path<Statvfs>},        {"statvfs1_90", of_path<Statvfs90>},
};

}  // namespace
}  // namespace fs

std::span<const HandlerEntry> mount_handlers() noexcept { return fs::kHandlers; }

}  // namespace sudrun::abi::netbsd

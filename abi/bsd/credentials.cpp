// User and group ids. They belong to the process; Linux keeps them per thread, so every change is made in
// all.
//
// Facts: FreeBSD 15.0 sys/kern/kern_prot.c (sys_setuid and its kin, kern_setgroups, sys_issetugid). Who may
// set which id differs a little from Linux; what is the same is left to Linux to refuse.
#include <algorithm>
#include <array>
#include <cerrno>

#include <sys/syscall.h>

#include "abi/bsd/bsd.hpp"

namespace sudrun::abi::bsd {
namespace {

constexpr std::uint32_t kKeep = 0xffff'ffff;  // (uid_t)-1: leave it as it is

struct Ids {
  std::uint32_t real = 0, effective = 0, saved = 0;
};

/// The calls for one kind of id.
struct Kind {
  long get, set, set_plain;
};
constexpr Kind kUser{SYS_getresuid, SYS_setresuid, SYS_setuid};
constexpr Kind kGroup{SYS_getresgid, SYS_setresgid, SYS_setgid};

Ids current(Host& host, const Kind& kind) noexcept {
  Ids ids;
  host.call(kind.get, reinterpret_cast<Word>(&ids.real), reinterpret_cast<Word>(&ids.effective),
            reinterpret_cast<Word>(&ids.saved));
  return ids;
}

bool is_privileged(Host& host) noexcept { return host.call(SYS_geteuid) == 0; }

Result changed(Call& call, NativeResult result) noexcept {
  if (is_error(result)) return Result::of(result);
  self(call).note_changed_credentials();
  return Result::ok();
}

Result set_all(Call& call, const Kind& kind, std::uint32_t real, std::uint32_t effective,
               std::uint32_t saved) noexcept {
  return changed(call, call.host.call_in_all_threads(kind.set, real, effective, saved));
}

// The effective id may become the real one without privilege (POSIX, appendix B.4.2.2).
Result set_plain(Call& call, const Kind& kind) noexcept {
  const std::uint32_t id = call.u32(0);
  if (id != kKeep && id == current(call.host, kind).effective) return set_all(call, kind, id, id, id);
  return changed(call, call.host.call_in_all_threads(kind.set_plain, id));
}

Result set_effective(Call& call, const Kind& kind) noexcept {
  const std::uint32_t id = call.u32(0);
  const Ids now = current(call.host, kind);
  if (id != now.real && id != now.saved && !is_privileged(call.host)) return Result::fail(EPERM);
  if (id == kKeep) return Result::fail(EINVAL);
  return set_all(call, kind, kKeep, id, kKeep);
}

Result set_real_and_effective(Call& call, const Kind& kind) noexcept {
  const std::uint32_t real = call.u32(0), effective = call.u32(1);
  const Ids now = current(call.host, kind);
  if (real != kKeep && real != now.real && real != now.saved && !is_privileged(call.host))
    return Result::fail(EPERM);
  const std::uint32_t next_real = real == kKeep ? now.real : real;
  const std::uint32_t next = effective == kKeep ? now.effective : effective;
  const bool save = real != kKeep || next != next_real;
  return set_all(call, kind, real, effective, save ? next : kKeep);
}

Result setuid(Call& call) noexcept { return set_plain(call, kUser); }
Result setgid(Call& call) noexcept { return set_plain(call, kGroup); }
Result seteuid(Call& call) noexcept { return set_effective(call, kUser); }
Result setegid(Call& call) noexcept { return set_effective(call, kGroup); }
Result setreuid(Call& call) noexcept { return set_real_and_effective(call, kUser); }
Result setregid(Call& call) noexcept { return set_real_and_effective(call, kGroup); }
Result setresuid(Call& call) noexcept { return set_all(call, kUser, call.u32(0), call.u32(1), call.u32(2)); }
Result setresgid(Call& call) noexcept { return set_all(call, kGroup, call.u32(0), call.u32(1), call.u32(2)); }

/// getresuid and getresgid, any of whose pointers may be null.
Result get_all(Call& call, const Kind& kind) noexcept {
  const Ids ids = current(call.host, kind);
  const std::uint32_t values[] = {ids.real, ids.effective, ids.saved};
  for (unsigned i = 0; i < 3; ++i)
    if (!is_null(call.addr(i)) && !call.host.put(call.addr(i), values[i])) return Result::fail(EFAULT);
  return Result::ok();
}
Result getresuid(Call& call) noexcept { return get_all(call, kUser); }
Result getresgid(Call& call) noexcept { return get_all(call, kGroup); }

Result issetugid(Call& call) noexcept { return Result::ok(self(call).changed_credentials() ? 1 : 0); }

// --- groups ---------------------------------------------------------------------------------------------

constexpr std::size_t kGroupsMax = 1024;  // NGROUPS_MAX + 1
using Groups = std::array<std::uint32_t, kGroupsMax>;

Result getgroups(Call& call) noexcept {
  const int room = call.i32(0);
  if (room < 0) return Result::fail(EINVAL);
  Groups groups{};
  const NativeResult count =
      call.host.call(SYS_getgroups, room == 0 ? 0 : groups.size(), reinterpret_cast<Word>(groups.data()));
  if (is_error(count) || room == 0) return Result::of(count);
  if (count > room) return Result::fail(EINVAL);
  const bool stored =
      call.host.write(call.addr(1), groups.data(), static_cast<std::size_t>(count) * sizeof groups[0]);
  return stored ? Result::of(count) : Result::fail(EFAULT);
}

/// Up to FreeBSD 14 the first group is the effective one.
Result getgroups_with_effective(Call& call) noexcept {
  const int room = call.i32(0);
  if (room < 0) return Result::fail(EINVAL);
  Groups groups{};
  const NativeResult others =
      call.host.call(SYS_getgroups, groups.size() - 1, reinterpret_cast<Word>(&groups[1]));
  if (is_error(others)) return Result::of(others);
  groups[0] = static_cast<std::uint32_t>(call.host.call(SYS_getegid));
  auto end = groups.begin() + 1 + others;
  end = std::remove(groups.begin() + 1, end, groups[0]);
  const auto count = static_cast<std::size_t>(end - groups.begin());
  if (room == 0) return Result::ok(count);
  if (count > static_cast<std::size_t>(room)) return Result::fail(EINVAL);
  return call.host.write(call.addr(1), groups.data(), count * sizeof groups[0]) ? Result::ok(count)
                                                                                : Result::fail(EFAULT);
}

/// Reads the list both setgroups calls take.
int read_groups(Call& call, Groups& groups, std::size_t& count) noexcept {
  const int given = call.i32(0);
  if (given < 0 || static_cast<std::size_t>(given) > groups.size()) return EINVAL;
  count = static_cast<std::size_t>(given);
  return call.host.read(call.addr(1), groups.data(), count * sizeof groups[0]) ? 0 : EFAULT;
}

Result set_groups(Call& call, std::span<const std::uint32_t> groups) noexcept {
  return changed(call, call.host.call_in_all_threads(SYS_setgroups, groups.size(),
                                                     reinterpret_cast<Word>(groups.data())));
}

Result setgroups(Call& call) noexcept {
  Groups groups{};
  std::size_t count = 0;
  if (const int error = read_groups(call, groups, count); error != 0) return Result::fail(error);
  return set_groups(call, std::span(groups).first(count));
}

Result setgroups_with_effective(Call& call) noexcept {
  Groups groups{};
  std::size_t count = 0;
  if (const int error = read_groups(call, groups, count); error != 0) return Result::fail(error);
  const Result set = set_groups(call, std::span(groups).first(count).subspan(count == 0 ? 0 : 1));
  if (!set.is_ok() || count == 0) return set;
  return set_all(call, kGroup, kKeep, groups[0], kKeep);
}

constexpr HandlerEntry kHandlers[] = {
    {"setuid", setuid},
    {"setgid", setgid},
    {"seteuid", seteuid},
    {"setegid", setegid},
    {"setreuid", setreuid},
    {"setregid", setregid},
    {"setresuid", setresuid},
    {"setresgid", setresgid},
    {"getresuid", getresuid},
    {"getresgid", getresgid},
    {"issetugid", issetugid},
    {"getgroups", getgroups},
    {"setgroups", setgroups},
    {"getgroups_with_effective", getgroups_with_effective},
    {"setgroups_with_effective", setgroups_with_effective},
};

}  // namespace

std::span<const HandlerEntry> credential_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd

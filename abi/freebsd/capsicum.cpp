// Capsicum: there is no capability mode, and limits on descriptors are accepted without being enforced. What
// is asked for is less than what is had, so a program that relies on a limit only to be safer still works.
//
// Facts: FreeBSD 15.0 sys/sys/capsicum.h, sys/sys/caprights.h, sys/kern/sys_capability.c.
#include <array>
#include <cerrno>
#include <climits>

#include <fcntl.h>
#include <sys/syscall.h>
#include "abi/freebsd/freebsd.hpp"

namespace sudrun::abi::freebsd {

namespace {

struct CapRights {  // cap_rights_t, version 0
  std::uint64_t word[2];
};
static_assert(sizeof(CapRights) == 16);
constexpr CapRights kAllRights{
    {std::uint64_t{1} << 57 | 0x07ff'ffff'ffff, std::uint64_t{1} << 58 | 0x001f'ffff}};
constexpr std::uint32_t kAllFcntls =
    1U << 3 | 1U << 4 | 1U << 5 | 1U << 6;  // F_GETFL, F_SETFL, F_GETOWN, F_SETOWN

/// 0, or the error for a descriptor that is not open (or not the guest's).
int check_descriptor(Call& call, int fd) noexcept {
  if (call.host.is_hidden(fd)) return EBADF;
  const NativeResult flags = call.host.call(SYS_fcntl, static_cast<Word>(fd), F_GETFD);
  return is_error(flags) ? static_cast<int>(-flags) : 0;
}

Result accept(Call& call) noexcept {
  const int error = check_descriptor(call, call.i32(0));
  return error != 0 ? Result::fail(error) : Result::ok();
}

}  // namespace

Result cap_enter(Call&) noexcept { return Result::fail(ENOSYS); }

Result cap_getmode(Call& call) noexcept {
  return call.host.put(call.addr(0), std::uint32_t{0}) ? Result::ok() : Result::fail(EFAULT);
}

Result cap_rights_limit(Call& call) noexcept {
  CapRights rights{};
  if (!call.host.get(call.addr(1), rights)) return Result::fail(EFAULT);
  return accept(call);
}

Result cap_rights_get(Call& call) noexcept {
  if (call.i32(0) != 0) return Result::fail(EINVAL);  // CAP_RIGHTS_VERSION
  if (const int error = check_descriptor(call, call.i32(1)); error != 0) return Result::fail(error);
  return call.host.put(call.addr(2), kAllRights) ? Result::ok() : Result::fail(EFAULT);
}

Result cap_ioctls_limit(Call& call) noexcept {
  constexpr Word kMaxCommands = 256;  // IOCTLS_MAX_COUNT
  std::array<Word, kMaxCommands> commands;
  if (call.word(2) > kMaxCommands) return Result::fail(EINVAL);
  if (!call.host.read(call.addr(1), commands.data(), call.word(2) * sizeof(Word)))
    return Result::fail(EFAULT);
  return accept(call);
}

Result cap_ioctls_get(Call& call) noexcept {
  const int error = check_descriptor(call, call.i32(0));
  return error != 0 ? Result::fail(error) : Result::ok(LONG_MAX);  // CAP_IOCTLS_ALL
}

Result cap_fcntls_limit(Call& call) noexcept {
  if ((call.u32(1) & ~kAllFcntls) != 0) return Result::fail(EINVAL);
  return accept(call);
}

Result cap_fcntls_get(Call& call) noexcept {
  if (const int error = check_descriptor(call, call.i32(0)); error != 0) return Result::fail(error);
  return call.host.put(call.addr(1), kAllFcntls) ? Result::ok() : Result::fail(EFAULT);
}

namespace {
constexpr HandlerEntry kHandlers[] = {
    {"cap_enter", cap_enter},
    {"cap_getmode", cap_getmode},
    {"cap_rights_limit", cap_rights_limit},
    {"__cap_rights_get", cap_rights_get},
    {"cap_ioctls_limit", cap_ioctls_limit},
    {"cap_ioctls_get", cap_ioctls_get},
    {"cap_fcntls_limit", cap_fcntls_limit},
    {"cap_fcntls_get", cap_fcntls_get},
};
}  // namespace

std::span<const HandlerEntry> capsicum_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::freebsd

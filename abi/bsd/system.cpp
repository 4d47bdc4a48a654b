// The small calls about the process and the machine: limits, identities, thread pointer, names.
//
// Facts: FreeBSD 15.0 sys/kern/kern_prot.c, kern_resource.c, kern_uuid.c,
// sys/amd64/amd64/sys_machdep.c, sys/x86/include/sysarch.h, sys/sys/resource.h, sys/sys/uuid.h.
#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <span>

#include <sys/resource.h>
#include <sys/syscall.h>

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/host_file.hpp"
#include "abi/bsd/system_calls.hpp"

namespace sudrun::abi::bsd {

namespace {

// --- limits ---------------------------------------------------------------------------------------------

struct GuestRlimit {  // struct rlimit
  std::int64_t current, maximum;
};
static_assert(sizeof(GuestRlimit) == 16);
constexpr std::int64_t kInfinity = KeptLimits::kInfinity;
constexpr unsigned kLastResource = KeptLimits::kCount - 1;  // RLIMIT_VMM

constexpr std::int64_t guest_limit(std::uint64_t native) noexcept {
  return native > static_cast<std::uint64_t>(kInfinity) ? kInfinity : static_cast<std::int64_t>(native);
}
constexpr std::uint64_t native_limit(std::int64_t guest) noexcept {
  return guest < 0 || guest == kInfinity ? RLIM64_INFINITY : static_cast<std::uint64_t>(guest);
}

NativeResult limits(Host& host, Word resource, const rlimit64* set, rlimit64* old) noexcept {
  return host.call(SYS_prlimit64, 0, resource, reinterpret_cast<Word>(set), reinterpret_cast<Word>(old));
}

Result getrlimit(Call& call) noexcept {
  if (call.u32(0) > kLastResource) return Result::fail(EINVAL);
  const KeptLimits::Limit& kept = self(call).kept_limits().limits[call.u32(0)];
  GuestRlimit limit{kept.current.load(), kept.maximum.load()};
  if (const auto resource = self(call).vocabulary().rlimit_resource.to_native(call.u32(0))) {
    rlimit64 native{};
    const NativeResult got = limits(call.host, *resource, nullptr, &native);
    if (is_error(got)) return Result::of(got);
    limit = {guest_limit(native.rlim_cur), guest_limit(native.rlim_max)};
  }
  return call.host.put(call.addr(1), limit) ? Result::ok() : Result::fail(EFAULT);
}

/// A limit the host has not. Only the superuser raises it again (kern_proc_setrlimit()).
int keep_limit(Call& call, KeptLimits::Limit& kept, const GuestRlimit& limit) noexcept {
  const std::int64_t maximum = limit.maximum < 0 ? kInfinity : limit.maximum;
  const std::int64_t current = limit.current < 0 ? kInfinity : limit.current;
  const std::int64_t former = kept.maximum.load();
  if ((current > former || maximum > former) && call.host.call(SYS_geteuid) != 0) return EPERM;
  kept.current.store(std::min(current, maximum));
  kept.maximum.store(maximum);
  return 0;
}

Result setrlimit(Call& call) noexcept {
  GuestRlimit limit{};
  if (!call.host.get(call.addr(1), limit)) return Result::fail(EFAULT);
  if (call.u32(0) > kLastResource) return Result::fail(EINVAL);
  const auto resource = self(call).vocabulary().rlimit_resource.to_native(call.u32(0));
  if (!resource) {
    const int error = keep_limit(call, self(call).kept_limits().limits[call.u32(0)], limit);
    return error == 0 ? Result::ok() : Result::fail(error);
  }
  rlimit64 native{native_limit(limit.current), native_limit(limit.maximum)};
  native.rlim_cur = std::min(native.rlim_cur, native.rlim_max);  // FreeBSD lowers it, Linux would refuse
  return Result::of(limits(call.host, *resource, &native, nullptr));
}

Result getdtablesize(Call& call) noexcept {
  rlimit64 native{};
  const NativeResult got = limits(call.host, RLIMIT_NOFILE, nullptr, &native);
  if (is_error(got)) return Result::of(got);
  return Result::ok(std::min<std::uint64_t>(native.rlim_cur, INT_MAX));
}

// --- identities -----------------------------------------------------------------------------------------

/// The name before ":x:UID:" in the password file, or nothing.
std::string_view name_of_user(std::string_view passwords, std::uint32_t uid) noexcept {
  while (!passwords.empty()) {
    const std::string_view line = passwords.substr(0, passwords.find('\n'));
    passwords.remove_prefix(std::min(line.size() + 1, passwords.size()));
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second != std::string_view::npos && leading_number(line.substr(second + 1), -1) == uid)
      return line.substr(0, first);
  }
  return {};
}

/// The login name of the session is that of the user.
Result getlogin(Call& call) noexcept {
  constexpr std::size_t kLongest = 33;  // MAXLOGNAME, with its NUL
  char buffer[8192];
  const auto uid = static_cast<std::uint32_t>(call.host.call(SYS_getuid));
  std::string_view name = name_of_user(read_host_file(call.host, "/etc/passwd", buffer), uid);
  name = name.substr(0, kLongest - 1);
  if (std::min<std::size_t>(call.u32(1), kLongest) < name.size() + 1) return Result::fail(ERANGE);
  const bool stored = call.host.write(call.addr(0), name.data(), name.size()) &&
                      call.host.put(call.addr(0) + name.size(), '\0');
  return stored ? Result::ok() : Result::fail(EFAULT);
}

Result setlogin(Call&) noexcept { return Result::fail(EPERM); }

Result getloginclass(Call& call) noexcept {
  constexpr char kDefault[] = "default";
  if (call.word(1) < sizeof kDefault) return Result::fail(ERANGE);
  return call.host.put(call.addr(0), kDefault) ? Result::ok() : Result::fail(EFAULT);
}

// --- the machine ----------------------------------------------------------------------------------------

enum SysArch : int {
  kGetFsBase = 128,
  kSetFsBase = 129,
  kGetGsBase = 130,
  kSetGsBase = 131,
  kGetXfpuState = 132,
  kGetTlsBase = 135,
  kSetTlsBase = 136,
};

Result extended_state(Call& call, GuestAddr params) noexcept {
  struct {
    std::uint64_t address;
    std::int32_t length;
    std::int32_t pad;
  } wanted{};                           // struct amd64_get_xfpustate
  constexpr std::size_t kLegacy = 512;  // the x87 and SSE part is not included
  if (!call.host.get(params, wanted)) return Result::fail(EFAULT);
  const std::span<std::byte> state = call.host.context().xstate;
  if (wanted.length < 0 || kLegacy + static_cast<std::size_t>(wanted.length) > state.size())
    return Result::fail(EINVAL);
  const bool stored = call.host.write(guest_addr(wanted.address), state.data() + kLegacy,
                                      static_cast<std::size_t>(wanted.length));
  return stored ? Result::ok() : Result::fail(EFAULT);
}

Result sysarch(Call& call) noexcept {
  const GuestAddr params = call.addr(1);
  Context& context = call.host.context();
  Word base = 0;
  switch (call.i32(0)) {
    case kGetFsBase:
    case kGetTlsBase:
      return call.host.put(params, context.fs_base) ? Result::ok() : Result::fail(EFAULT);
    case kSetFsBase:
    case kSetTlsBase:
      if (!call.host.get(params, base)) return Result::fail(EFAULT);
      if (base >= Word{1} << 47) return Result::fail(EINVAL);
      context.fs_base = base;
      return Result::ok();
    case kGetGsBase:
      return call.host.put(params, context.gs_base) ? Result::ok() : Result::fail(EFAULT);
    case kSetGsBase:
      if (!call.host.get(params, base)) return Result::fail(EFAULT);
      if (base >= Word{1} << 47) return Result::fail(EINVAL);
      // %gs is the runtime's; a guest that only clears its own loses nothing.
      return base == context.gs_base ? Result::ok() : Result::fail(EOPNOTSUPP);
    case kGetXfpuState:
      return extended_state(call, params);
    default:
      return Result::fail(EINVAL);
  }
}

// --- what a kernel would know ---------------------------------------------------------------------------

Result utrace(Call&) noexcept { return Result::ok(); }  // nobody traces

struct Uuid {  // struct uuid
  std::uint32_t time_low;
  std::uint16_t time_mid, time_high_and_version;
  std::uint8_t clock_high_and_variant, clock_low, node[6];
};
static_assert(sizeof(Uuid) == 16);

/// Version 1, with a random node and clock sequence (RFC 4122, 4.5): no hardware address leaks.
Result uuidgen(Call& call) noexcept {
  const int count = call.i32(1);
  if (count < 1 || count > 2048) return Result::fail(EINVAL);
  std::uint8_t random[8]{};
  const NativeResult got = call.host.call(SYS_getrandom, reinterpret_cast<Word>(random), sizeof random, 0);
  if (is_error(got)) return Result::of(got);
  timespec now{};
  call.host.call(SYS_clock_gettime, CLOCK_REALTIME, reinterpret_cast<Word>(&now));
  constexpr std::uint64_t kSince1582 = 0x01b2'1dd2'1381'4000;  // of 1970, in units of 100 ns
  std::uint64_t time = kSince1582 + static_cast<std::uint64_t>(now.tv_sec) * 10'000'000 +
                       static_cast<std::uint64_t>(now.tv_nsec) / 100;
  for (int i = 0; i < count; ++i, ++time) {
    Uuid uuid{};
    uuid.time_low = static_cast<std::uint32_t>(time);
    uuid.time_mid = static_cast<std::uint16_t>(time >> 32);
    uuid.time_high_and_version = static_cast<std::uint16_t>((time >> 48 & 0x0fff) | 0x1000);
    uuid.clock_high_and_variant = static_cast<std::uint8_t>((random[6] & 0x3f) | 0x80);
    uuid.clock_low = random[7];
    std::copy_n(random, 6, uuid.node);
    uuid.node[0] |= 1;  // multicast: never a card's address
    if (!call.host.put(call.addr(0) + static_cast<Word>(i) * sizeof uuid, uuid)) return Result::fail(EFAULT);
  }
  return Result::ok();
}

constexpr HandlerEntry kHandlers[] = {
    {"getrlimit", getrlimit},
    {"setrlimit", setrlimit},
    {"getdtablesize", getdtablesize},
    {"getlogin", getlogin},
    {"setlogin", setlogin},
    {"getloginclass", getloginclass},
    {"sysarch", sysarch},
    {"utrace", utrace},
    {"uuidgen", uuidgen},

    {"getpriority", getpriority},
    {"setpriority", setpriority},
    {"rtprio", rtprio},
    {"rtprio_thread", rtprio_thread},
    {"sched_setparam", sched_setparam},
    {"sched_getparam", sched_getparam},
    {"sched_setscheduler", sched_setscheduler},
    {"sched_getscheduler", sched_getscheduler},
    {"sched_get_priority_max", sched_get_priority_max},
    {"sched_get_priority_min", sched_get_priority_min},
    {"sched_rr_get_interval", sched_rr_get_interval},
    {"sched_getcpu", sched_getcpu},
};

}  // namespace

std::span<const HandlerEntry> system_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd

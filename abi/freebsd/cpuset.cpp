// Processor sets and memory domains: one root set, numbered 0, one default set in it, numbered 1, and the
// affinity of threads.
//
// Facts: FreeBSD 15.0 sys/sys/cpuset.h, sys/sys/_cpuset.h, sys/sys/domainset.h, sys/kern/kern_cpuset.c.
#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>

#include <sys/syscall.h>

#include "abi/bsd/host_file.hpp"
#include "abi/freebsd/freebsd.hpp"
#include "abi/freebsd/thread_id.hpp"

namespace sudrun::abi::freebsd {

namespace {

constexpr int kLevelRoot = 1, kLevelSet = 2, kLevelWhich = 3;
constexpr int kWhichThread = 1, kWhichProcess = 2, kWhichSet = 3, kWhichJail = 5, kWhichDomain = 6,
              kWhichEither = 9;
constexpr std::int32_t kRootSet = 0, kDefaultSet = 1;
constexpr std::size_t kSetSize = 128;    // sizeof(cpuset_t): 1024 processors
constexpr std::size_t kDomainSize = 32;  // sizeof(domainset_t)
constexpr std::int32_t kFirstTouch = 2;  // DOMAINSET_POLICY_FIRSTTOUCH

using Set = std::array<std::uint64_t, kSetSize / 8>;

/// The processors that are there, whatever this process may use.
Set online_processors(Host& host) noexcept {
  Set set{};
  for_each_processor_range(host, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t cpu = first; cpu <= last && cpu < static_cast<std::int64_t>(kSetSize * 8); ++cpu)
      set[static_cast<std::size_t>(cpu) / 64] |= std::uint64_t{1} << cpu % 64;
  });
  if (std::ranges::all_of(set, [](std::uint64_t word) { return word == 0; })) set[0] = 1;
  return set;
}

/// Bytes up to the last processor in the set.
std::size_t bytes_used(const Set& set) noexcept {
  for (std::size_t i = set.size(); i-- > 0;)
    if (set[i] != 0) return i * 8 + static_cast<std::size_t>(64 - std::countl_zero(set[i]) + 7) / 8;
  return 0;
}

/// The native id a thread's or process's id stands for; 0 is the caller, -1 is nobody.
int target_of(Call& call, std::int64_t id) noexcept {
  if (id == -1 || id == call.host.pid()) return 0;
  if (const int tid = native_tid(id); tid != 0) return tid;
  return id > 0 ? static_cast<int>(id) : -1;
}

bool names_threads(int which) noexcept {
  return which == kWhichThread || which == kWhichProcess || which == kWhichEither;
}
bool names_sets(int which) noexcept {
  return which == kWhichSet || which == kWhichJail || which == kWhichDomain;
}

/// 0, or the error for a (level, which) pair that means nothing.
int check(int level, int which) noexcept {
  if (level != kLevelRoot && level != kLevelSet && level != kLevelWhich) return EINVAL;
  return names_threads(which) || names_sets(which) ? 0 : EINVAL;
}

/// Writes `size` bytes of a set, with zeros beyond the kernel's own size.
int put_set(Host& host, GuestAddr to, const Set& set, std::size_t size) noexcept {
  if (!host.write(to, set.data(), std::min(size, kSetSize))) return EFAULT;
  constexpr char kZeros[64]{};
  for (std::size_t at = kSetSize; at < size; at += sizeof kZeros)
    if (!host.write(to + at, kZeros, std::min(sizeof kZeros, size - at))) return EFAULT;
  return 0;
}

constexpr std::size_t kLargest = 8192;  // beyond this a size is a mistake

}  // namespace

Result cpuset(Call& call) noexcept {
  return call.host.put(call.addr(0), kDefaultSet) ? Result::ok() : Result::fail(EFAULT);
}

Result cpuset_setid(Call& call) noexcept {
  if (call.i32(0) != kWhichProcess) return Result::fail(EINVAL);
  return call.i32(2) == kDefaultSet ? Result::ok() : Result::fail(ESRCH);
}

Result cpuset_getid(Call& call) noexcept {
  const int level = call.i32(0), which = call.i32(1);
  if (const int error = check(level, which); error != 0) return Result::fail(error);
  if (level == kLevelWhich && which != kWhichSet) return Result::fail(EINVAL);
  const std::int32_t id = level == kLevelRoot ? kRootSet : kDefaultSet;
  return call.host.put(call.addr(3), id) ? Result::ok() : Result::fail(EFAULT);
}

Result cpuset_getaffinity(Call& call) noexcept {
  const int level = call.i32(0), which = call.i32(1);
  const Word size = call.word(3);
  if (const int error = check(level, which); error != 0) return Result::fail(error);
  if (size > kLargest) return Result::fail(ERANGE);
  Set set{};
  if (level == kLevelWhich && names_threads(which)) {
    const NativeResult got =
        call.host.call(SYS_sched_getaffinity, static_cast<Word>(target_of(call, call.i64(2))), sizeof set,
                       reinterpret_cast<Word>(set.data()));
    if (is_error(got)) return Result::of(got);
  } else {
    set = online_processors(call.host);
  }
  if (size < bytes_used(set)) return Result::fail(ERANGE);
  const int error = put_set(call.host, call.addr(4), set, size);
  return error != 0 ? Result::fail(error) : Result::ok();
}

Result cpuset_setaffinity(Call& call) noexcept {
  const int level = call.i32(0), which = call.i32(1);
  const Word size = call.word(3);
  if (const int error = check(level, which); error != 0) return Result::fail(error);
  if (level != kLevelWhich || !names_threads(which)) return Result::fail(EPERM);
  if (size > kLargest) return Result::fail(ERANGE);
  Set set{};
  if (!call.host.read(call.addr(4), set.data(), std::min<std::size_t>(size, kSetSize)))
    return Result::fail(EFAULT);
  for (std::size_t at = kSetSize; at < size; ++at) {
    char byte = 0;
    if (!call.host.get(call.addr(4) + at, byte)) return Result::fail(EFAULT);
    if (byte != 0) return Result::fail(EINVAL);
  }
  const NativeResult done =
      call.host.call(SYS_sched_setaffinity, static_cast<Word>(target_of(call, call.i64(2))), sizeof set,
                     reinterpret_cast<Word>(set.data()));
  return is_error(done) ? Result::of(done) : Result::ok();
}

Result cpuset_getdomain(Call& call) noexcept {
  if (const int error = check(call.i32(0), call.i32(1)); error != 0) return Result::fail(error);
  if (call.word(3) != kDomainSize) return Result::fail(ERANGE);
  const std::uint64_t set[kDomainSize / 8] = {1};
  if (!call.host.put(call.addr(4), set) || !call.host.put(call.addr(5), kFirstTouch))
    return Result::fail(EFAULT);
  return Result::ok();
}

Result cpuset_setdomain(Call& call) noexcept {
  if (const int error = check(call.i32(0), call.i32(1)); error != 0) return Result::fail(error);
  if (call.word(3) != kDomainSize) return Result::fail(ERANGE);
  std::uint64_t set[kDomainSize / 8]{};
  if (!call.host.get(call.addr(4), set)) return Result::fail(EFAULT);
  const bool only_first = set[0] == 1 && set[1] == 0 && set[2] == 0 && set[3] == 0;
  return only_first ? Result::ok() : Result::fail(EINVAL);
}

namespace {
constexpr HandlerEntry kHandlers[] = {
    {"cpuset", cpuset},
    {"cpuset_setid", cpuset_setid},
    {"cpuset_getid", cpuset_getid},
    {"cpuset_getaffinity", cpuset_getaffinity},
    {"cpuset_setaffinity", cpuset_setaffinity},
    {"cpuset_getdomain", cpuset_getdomain},
    {"cpuset_setdomain", cpuset_setdomain},
};
}  // namespace

std::span<const HandlerEntry> cpuset_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::freebsd

// Calls that take a signal set: what they wait under, or for. The kernel gets a copy from which the signals
// the runtime must never have blocked are taken out.
#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include "abi/linux/layout.hpp"
#include "abi/linux/linux.hpp"

namespace sudrun::abi::linux_abi {
namespace {

constexpr Word kTimespecSize = 16, kPollfdSize = 8, kEpollEventSize = 12, kIoEventSize = 32;

/// A set in the guest's memory, as an argument of a native call. Must outlive the call.
class Sigset {
 public:
  /// 0, or the native errno. A null pointer is no set.
  int read(Host& host, GuestAddr from, Word size) noexcept {
    if (is_null(from)) return 0;
    if (size != sizeof guest_) return EINVAL;
    if (!host.get(from, guest_)) return EFAULT;
    native_ = host.native_mask(guest_);
    present_ = true;
    return 0;
  }
  /// The same through pselect6's pair of pointer and size.
  int read_pair(Host& host, GuestAddr from) noexcept {
    if (is_null(from)) return 0;
    SigsetArgument pair;
    if (!host.get(from, pair)) return EFAULT;
    return read(host, guest_addr(pair.set), pair.size);
  }

  /// Makes it the thread's mask until the call ends. The last step before the native call, which installs it
  /// as well.
  void enter(Host& host) const noexcept {
    if (present_) host.set_temporary_mask(guest_);
  }
  Word word() const noexcept { return present_ ? host_word(&native_) : 0; }
  bool present() const noexcept { return present_; }

 private:
  NativeSigset guest_ = 0, native_ = 0;
  bool present_ = false;
};

Word count_of(int count) noexcept { return static_cast<Word>(std::max(count, 0)); }

Result ppoll(Call& call) noexcept {
  Host& host = call.host;
  if (!null_or_guest(call.addr(0), call.u32(1) * kPollfdSize)) return Result::fail(EFAULT);
  if (!null_or_guest(call.addr(2), kTimespecSize)) return Result::fail(EFAULT);
  Sigset mask;
  if (const int error = mask.read(host, call.addr(3), call.word(4)); error != 0) return Result::fail(error);
  mask.enter(host);
  return Result::of(host.call_interruptible(SYS_ppoll, call.word(0), call.word(1), call.word(2), mask.word(),
                                            sizeof(NativeSigset)));
}

Result pselect6(Call& call) noexcept {
  Host& host = call.host;
  const Word set_size = (count_of(call.i32(0)) + 63) / 64 * 8;
  for (const unsigned set : {1u, 2u, 3u}) {
    if (!null_or_guest(call.addr(set), set_size)) return Result::fail(EFAULT);
  }
  if (!null_or_guest(call.addr(4), kTimespecSize)) return Result::fail(EFAULT);
  Sigset mask;
  if (const int error = mask.read_pair(host, call.addr(5)); error != 0) return Result::fail(error);
  const SigsetArgument pair{mask.word(), sizeof(NativeSigset)};
  mask.enter(host);
  return Result::of(host.call_interruptible(SYS_pselect6, call.word(0), call.word(1), call.word(2),
                                            call.word(3), call.word(4),
                                            mask.present() ? host_word(&pair) : 0));
}

/// epoll_pwait and epoll_pwait2 differ in the fourth argument: milliseconds, or a timespec.
Result wait_for_epoll(Call& call) noexcept {
  Host& host = call.host;
  if (!null_or_guest(call.addr(1), count_of(call.i32(2)) * kEpollEventSize)) return Result::fail(EFAULT);
  Sigset mask;
  if (const int error = mask.read(host, call.addr(4), call.word(5)); error != 0) return Result::fail(error);
  mask.enter(host);
  return Result::of(host.call_interruptible(native_number(call), call.word(0), call.word(1), call.word(2),
                                            call.word(3), mask.word(), sizeof(NativeSigset)));
}

Result epoll_pwait2(Call& call) noexcept {
  if (!null_or_guest(call.addr(3), kTimespecSize)) return Result::fail(EFAULT);
  return wait_for_epoll(call);
}

Result io_pgetevents(Call& call) noexcept {
  Host& host = call.host;
  const auto most = static_cast<Word>(std::clamp<std::int64_t>(call.i64(2), 0, INT32_MAX));
  if (!null_or_guest(call.addr(3), most * kIoEventSize)) return Result::fail(EFAULT);
  if (!null_or_guest(call.addr(4), kTimespecSize)) return Result::fail(EFAULT);
  Sigset mask;
  if (const int error = mask.read_pair(host, call.addr(5)); error != 0) return Result::fail(error);
  const SigsetArgument pair{mask.word(), sizeof(NativeSigset)};
  mask.enter(host);
  return Result::of(host.call_interruptible(SYS_io_pgetevents, call.word(0), call.word(1), call.word(2),
                                            call.word(3), call.word(4),
                                            mask.present() ? host_word(&pair) : 0));
}

Result rt_sigsuspend(Call& call) noexcept {
  Sigset mask;
  if (is_null(call.addr(0))) return Result::fail(EFAULT);
  if (const int error = mask.read(call.host, call.addr(0), call.word(1)); error != 0)
    return Result::fail(error);
  mask.enter(call.host);
  return Result::of(call.host.call_interruptible(SYS_rt_sigsuspend, mask.word(), sizeof(NativeSigset)));
}

Result rt_sigtimedwait(Call& call) noexcept {
  constexpr Word kSiginfoSize = sizeof(KernelSiginfo);
  if (is_null(call.addr(0))) return Result::fail(EFAULT);
  if (!null_or_guest(call.addr(1), kSiginfoSize)) return Result::fail(EFAULT);
  if (!null_or_guest(call.addr(2), kTimespecSize)) return Result::fail(EFAULT);
  Sigset set;
  if (const int error = set.read(call.host, call.addr(0), call.word(3)); error != 0)
    return Result::fail(error);
  return Result::of(call.host.call_interruptible(SYS_rt_sigtimedwait, set.word(), call.word(1), call.word(2),
                                                 sizeof(NativeSigset)));
}

/// signalfd is signalfd4 without flags.
Result make_signalfd(Call& call, Word flags) noexcept {
  const int fd = call.i32(0);
  if (fd >= 0 && call.host.is_hidden(fd)) return Result::fail(EBADF);
  if (is_null(call.addr(1))) return Result::fail(EFAULT);
  Sigset set;
  if (const int error = set.read(call.host, call.addr(1), call.word(2)); error != 0)
    return Result::fail(error);
  return Result::of(
      call.host.call(SYS_signalfd4, static_cast<Word>(fd), set.word(), sizeof(NativeSigset), flags));
}
Result signalfd(Call& call) noexcept { return make_signalfd(call, 0); }
Result signalfd4(Call& call) noexcept { return make_signalfd(call, call.word(3)); }

constexpr HandlerEntry kHandlers[] = {
    {"epoll_pwait", wait_for_epoll},
    {"epoll_pwait2", epoll_pwait2},
    {"io_pgetevents", io_pgetevents},
    {"ppoll", ppoll},
    {"pselect6", pselect6},
    {"rt_sigsuspend", rt_sigsuspend},
    {"rt_sigtimedwait", rt_sigtimedwait},
    {"signalfd", signalfd},
    {"signalfd4", signalfd4},
};

}  // namespace

std::span<const HandlerEntry> wait_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::linux_abi

// Signal calls with forms of their own. Sources: NetBSD 10.1, sys/kern/sys_sig.c, sys/sys/{signal,siginfo}.h,
// sigqueueinfo(2).
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "abi/bsd/sigevent.hpp"
#include "abi/bsd/signal_calls.hpp"
#include "abi/netbsd/machine_layout.hpp"
#include "abi/netbsd/netbsd.hpp"

namespace sudrun::abi::netbsd {
namespace {

struct GuestSigaction {
  std::uint64_t handler;
  GuestSigset mask;
  std::int32_t flags;
  std::int32_t pad;
};
static_assert(sizeof(GuestSigaction) == 32 && offsetof(GuestSigaction, flags) == 24);

// SA_NOKERNINFO, the one flag that only NetBSD has: whether the terminal prints a line for SIGINFO.
constexpr std::int32_t kNoKernelInfo = 0x80;
constexpr std::uint64_t kIgnoreHandler = 1;

// The trampoline's version tells which frame it takes: 2 and 3 are the one there is; 0 is that of kernels
// that brought a trampoline along, and 1 that of a frame amd64 never had.
Result sigaction_sigtramp(Call& call) noexcept {
  enum : int { kKernel = 0, kSigcontext = 1, kSiginfo = 2, kSiginfoToo = 3 };
  const GuestAddr set_at = call.addr(1), old_at = call.addr(2), trampoline = call.addr(3);
  GuestSigaction given{};
  if (!is_null(set_at) && !call.host.get(set_at, given)) return Result::fail(EFAULT);
  bsd::guest::Sigaction set{given.handler, given.flags & ~kNoKernelInfo, given.mask, 0}, old{};
  if (!is_null(set_at) && given.handler > kIgnoreHandler) {
    const int version = call.i32(4);
    if ((version != kSiginfo && version != kSiginfoToo) || is_null(trampoline)) return Result::fail(EINVAL);
  }
  const int error = change_action(call, call.i32(0), is_null(set_at) ? nullptr : &set, trampoline, old);
  if (error != 0) return Result::fail(error);
  const GuestSigaction shown{old.handler, old.mask, old.flags, 0};
  return is_null(old_at) || call.host.put(old_at, shown) ? Result::ok() : Result::fail(EFAULT);
}

// Only what a process may say of itself.
Result sigqueueinfo(Call& call) noexcept {
  guest::Siginfo wanted{};
  if (!call.host.get(call.addr(1), wanted)) return Result::fail(EFAULT);
  const int guest_signal = wanted.signo;
  if (guest_signal < 0 || guest_signal > call.table.signal_limit()) return Result::fail(EINVAL);
  const int signal = guest_signal == 0 ? 0 : call.table.signal_to_native(guest_signal);
  if (signal == 0 && guest_signal != 0) return Result::fail(EINVAL);
  const auto uid = static_cast<std::uint32_t>(call.host.call(SYS_getuid));
  const bool own = wanted.reason.sent.pid == call.host.pid() && wanted.reason.sent.uid == uid;
  if (!own || (wanted.code != guest::kSiUser && wanted.code != guest::kSiQueue)) return Result::fail(EPERM);
  siginfo_t info{};
  info.si_signo = signal;
  info.si_code = SI_QUEUE;  // Linux lets nobody else say SI_USER
  info.si_pid = call.host.pid();
  info.si_uid = uid;
  info.si_value.sival_ptr = reinterpret_cast<void*>(wanted.reason.sent.value);
  return Result::of(call.host.call(SYS_rt_sigqueueinfo,
                                   static_cast<Word>(static_cast<std::int64_t>(call.i32(0))),
                                   static_cast<Word>(signal), reinterpret_cast<Word>(&info)));
}

// Threads are no business of the kernel's (timer_create1(), sys/kern/kern_time.c).
Result timer_create(Call& call) noexcept {
  if (is_null(call.addr(1))) return create_timer(call, nullptr);
  struct {
    std::int32_t notify, signal;
    std::uint64_t value;
  } asked{};
  if (!call.host.get(call.addr(1), asked)) return Result::fail(EFAULT);
  if (asked.notify != kNotifyNone && asked.notify != kNotifySignal) return Result::fail(EINVAL);
  const GuestSigevent event{.notify = asked.notify, .signal = asked.signal, .value = asked.value};
  return create_timer(call, &event);
}

constexpr HandlerEntry kHandlers[] = {
    {"timer_create", timer_create},
    {"sigaction_sigtramp", sigaction_sigtramp},
    {"sigqueueinfo", sigqueueinfo},
};

}  // namespace

std::span<const HandlerEntry> signal_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::netbsd

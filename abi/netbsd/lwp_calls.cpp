// The calls about threads. Sources: NetBSD 10.1, sys/kern/sys_lwp.c, sys/sys/lwp.h, _lwp_create(2) and its
// neighbours.
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "abi/bsd/signal_calls.hpp"
#include "abi/bsd/thread_names.hpp"
#include "abi/bsd/timeval.hpp"
#include "abi/bsd/xstate.hpp"
#include "abi/netbsd/frames.hpp"
#include "abi/netbsd/netbsd.hpp"

namespace sudrun::abi::netbsd {
namespace {

constexpr unsigned kDetached = 0x40, kSuspended = 0x80;  // LWP_DETACHED, LWP_SUSPENDED
constexpr long kSecond = 1'000'000'000;

Result outcome(int error) noexcept { return error == 0 ? Result::ok() : Result::fail(error); }

Result lwp_create(Call& call) noexcept {
  guest::Ucontext wanted;
  if (!call.host.get(call.addr(0), wanted)) return Result::fail(EFAULT);
  if ((call.u32(1) & kSuspended) != 0) return Result::fail(EOPNOTSUPP);
  Context& context = call.host.context();
  ThreadStart start;
  start.fs_base = context.fs_base;
  if (const int error = thread_start(wanted, start); error != 0) return Result::fail(error);
  start.parent_tid_address = call.addr(2);
  start.tid_size = sizeof(std::int32_t);
  start.keep_xstate = true;

  // A new thread begins with the mask and the extended state of its creator, who gets both back after that.
  const NativeSigset mask = call.host.signal_mask();
  if ((wanted.flags & guest::kHasMask) != 0)
    call.host.set_signal_mask(native_sigset(call.table, wanted.sigmask));
  std::array<std::byte, kMaxXstate> own_xstate;
  const std::size_t size = std::min(own_xstate.size(), context.xstate.size());
  const bool own_fpu = (wanted.flags & guest::kHasFpu) != 0;
  if (own_fpu) {
    std::memcpy(own_xstate.data(), context.xstate.data(), size);
    restore_xstate(wanted.mcontext.fpregs, {}, context.xstate);
  }
  const NativeResult tid = self(call).lwps().create(call.host, start, (call.u32(1) & kDetached) != 0);
  if (own_fpu) std::memcpy(context.xstate.data(), own_xstate.data(), size);
  call.host.set_signal_mask(mask);
  return is_error(tid) ? Result::of(tid) : Result::ok();
}

Result lwp_exit(Call& call) noexcept {
  if (!call.host.close_to_signals()) return Result::restart();
  self(call).lwps().exit(call.host);
  return Result::thread_exit();
}

Result lwp_self(Call& call) noexcept { return Result::ok(static_cast<Word>(call.host.tid())); }

Result lwp_wait(Call& call) noexcept {
  const NativeResult departed = self(call).lwps().wait(call.host, call.i32(0));
  if (is_error(departed)) return Result::of(departed);
  const auto tid = static_cast<std::int32_t>(departed);
  return is_null(call.addr(1)) || call.host.put(call.addr(1), tid) ? Result::ok() : Result::fail(EFAULT);
}

Result lwp_detach(Call& call) noexcept { return outcome(self(call).lwps().detach(call.host, call.i32(0))); }
Result lwp_wakeup(Call& call) noexcept { return outcome(self(call).lwps().wake_up(call.host, call.i32(0))); }

Result lwp_getprivate(Call& call) noexcept { return Result::ok(call.host.context().fs_base); }
Result lwp_setprivate(Call& call) noexcept {
  if (call.word(0) >= Word{1} << 47) return Result::fail(EINVAL);
  call.host.context().fs_base = call.word(0);
  return Result::ok();
}

Result lwp_kill(Call& call) noexcept {
  const int guest_signal = call.i32(1);
  if (guest_signal < 0 || guest_signal > call.table.signal_limit()) return Result::fail(EINVAL);
  if (!self(call).lwps().is_alive(call.host, call.i32(0))) return Result::fail(ESRCH);
  const int signal = guest_signal == 0 ? 0 : call.table.signal_to_native(guest_signal);
  if (signal == 0 && guest_signal != 0) return Result::fail(EINVAL);
  return Result::of(bsd::send_to_thread(call.host, call.host.pid(), call.i32(0), signal));
}

Result lwp_ctl(Call& call) noexcept {
  if ((call.u32(0) & ~guest::kControlFeatures) != 0) return Result::fail(ENODEV);
  const GuestAddr control = self(call).lwps().control(call.host);
  if (is_null(control)) return Result::fail(ENOMEM);
  return call.host.put(call.addr(1), control) ? Result::ok() : Result::fail(EFAULT);
}

/// The thread a call names; 0 is the caller, a negative errno none.
NativeResult thread_named(Call& call) noexcept {
  if (call.i32(0) == 0) return call.host.tid();
  return self(call).lwps().is_alive(call.host, call.i32(0)) ? call.i32(0) : -ESRCH;
}

Result lwp_setname(Call& call) noexcept {
  std::array<char, kThreadNameRoom> name{};
  if (!is_null(call.addr(1)) && call.host.read_string(call.addr(1), name) == -EFAULT)
    return Result::fail(EFAULT);
  name.back() = '\0';  // longer ones are cut
  const NativeResult tid = thread_named(call);
  if (is_error(tid)) return Result::of(tid);
  return Result::of(set_thread_name(call.host, static_cast<int>(tid), name));
}

Result lwp_getname(Call& call) noexcept {
  const NativeResult tid = thread_named(call);
  if (is_error(tid)) return Result::of(tid);
  std::array<char, kThreadNameRoom> name{};
  const NativeResult found = get_thread_name(call.host, static_cast<int>(tid), name);
  if (is_error(found)) return Result::of(found);
  std::size_t size = std::strlen(name.data()) + 1;
  if (call.word(2) < size) size = static_cast<std::size_t>(call.word(2));
  if (size != 0) name[size - 1] = '\0';
  return call.host.write(call.addr(1), name.data(), size) ? Result::ok() : Result::fail(EFAULT);
}

// --- parking
// ------------------------------------------------------------------------------------------------

timespec now_on(Host& host, int clock) noexcept {
  timespec now{};
  host.call(SYS_clock_gettime, static_cast<Word>(clock), reinterpret_cast<Word>(&now));
  return now;
}

timespec difference(timespec a, timespec b) noexcept {
  timespec r{a.tv_sec - b.tv_sec, a.tv_nsec - b.tv_nsec};
  if (r.tv_nsec < 0) r = {r.tv_sec - 1, r.tv_nsec + kSecond};
  return r;
}

timespec sum(timespec a, timespec b) noexcept {
  timespec r{0, a.tv_nsec + b.tv_nsec};
  const bool carry = r.tv_nsec >= kSecond;
  if (carry) r.tv_nsec -= kSecond;
  if (__builtin_add_overflow(a.tv_sec, b.tv_sec + (carry ? 1 : 0), &r.tv_sec)) r.tv_sec = LONG_MAX;
  return r;
}

bool nothing_left(timespec time) noexcept {
  return time.tv_sec < 0 || (time.tv_sec == 0 && time.tv_nsec == 0);
}

struct ParkRequest {
  int clock;  ///< native
  bool absolute;
  bool limited;
  timespec time;  ///< what is left of it afterwards, if it is not absolute
  int unpark;
};

// lwp_park(): a time that makes no sense or is over comes before a wake-up that is pending (ts2timo()).
int park(Call& call, ParkRequest& request) noexcept {
  Lwps& lwps = self(call).lwps();
  if (request.unpark != 0)
    if (const int error = lwps.unpark(call.host, request.unpark); error != 0) return error;
  if (!request.limited) return lwps.park(call.host, nullptr);
  if (request.time.tv_nsec < 0 || request.time.tv_nsec >= kSecond) return EINVAL;
  const timespec now = now_on(call.host, request.clock);
  if (nothing_left(request.absolute ? difference(request.time, now) : request.time)) return ETIMEDOUT;
  const ParkEnd end{request.clock, request.absolute ? request.time : sum(now, request.time)};
  const int error = lwps.park(call.host, &end);
  if (request.absolute) return error;
  request.time = difference(end.at, now_on(call.host, request.clock));
  if (request.time.tv_sec < 0) request.time = {};
  return error;
}

Result lwp_park(Call& call) noexcept {
  const auto clock = self(call).vocabulary().clock_id.to_native(call.u32(0));
  constexpr int kAbsolute = 1;  // TIMER_ABSTIME
  if (!clock || (*clock != CLOCK_REALTIME && *clock != CLOCK_MONOTONIC)) return Result::fail(EINVAL);
  const GuestAddr time_at = call.addr(2);
  ParkRequest request{
      static_cast<int>(*clock), (call.i32(1) & kAbsolute) != 0, !is_null(time_at), {}, call.i32(3)};
  if (request.limited && !call.host.get(time_at, request.time)) return Result::fail(EFAULT);
  const int error = park(call, request);
  if (request.limited && !request.absolute && !call.host.put(time_at, request.time))
    return Result::fail(EFAULT);
  return outcome(error);
}

// Until a time of day, as before NetBSD 7.
Result lwp_park_60(Call& call) noexcept {
  ParkRequest request{CLOCK_REALTIME, true, !is_null(call.addr(0)), {}, call.i32(1)};
  if (request.limited && !get_timespec(call, 0, request.time)) return Result::fail(EFAULT);
  return outcome(park(call, request));
}

Result lwp_unpark(Call& call) noexcept { return outcome(self(call).lwps().unpark(call.host, call.i32(0))); }

Result lwp_unpark_all(Call& call) noexcept {
  constexpr Word kMost = 1024;  // LWP_UNPARK_MAX
  if (is_null(call.addr(0))) return Result::ok(kMost);
  if (call.word(1) == 0 || call.word(1) > kMost) return Result::fail(EINVAL);
  std::array<std::int32_t, kMost> targets;
  const auto count = static_cast<std::size_t>(call.word(1));
  if (!call.host.read(call.addr(0), targets.data(), count * sizeof targets[0])) return Result::fail(EFAULT);
  for (std::size_t i = 0; i < count; ++i) self(call).lwps().unpark(call.host, targets[i]);
  return Result::ok();
}

constexpr HandlerEntry kHandlers[] = {
    {"lwp_create", lwp_create},   {"lwp_ctl", lwp_ctl},
    {"lwp_detach", lwp_detach},   {"lwp_exit", lwp_exit},
    {"lwp_getname", lwp_getname}, {"lwp_getprivate", lwp_getprivate},
    {"lwp_kill", lwp_kill},       {"lwp_park", lwp_park},
    {"lwp_park_60", lwp_park_60}, {"lwp_self", lwp_self},
    {"lwp_setname", lwp_setname}, {"lwp_setprivate", lwp_setprivate},
    {"lwp_unpark", lwp_unpark},   {"lwp_unpark_all", lwp_unpark_all},
    {"lwp_wait", lwp_wait},       {"lwp_wakeup", lwp_wakeup},
};

}  // namespace

std::span<const HandlerEntry> lwp_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::netbsd

// Sleeping, timers and clock ids that are not just a native call.
//
// Facts: FreeBSD 15.0 sys/kern/kern_time.c (which results a call has);
// Linux: timer_create(2), include/linux/posix-timers.h (ids of processor time clocks).
#include <cerrno>
#include <ctime>
#include <span>

#include <sys/syscall.h>
#include <sys/time.h>

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/sigevent.hpp"
#include "abi/bsd/timeval.hpp"

namespace sudrun::abi::bsd {

namespace {

struct GuestTimespec {
  std::int64_t sec, nsec;
};
static_assert(sizeof(GuestTimespec) == sizeof(timespec));  // and the same fields

struct NativeSigevent {  // the kernel's struct sigevent
  std::uint64_t value = 0;
  std::int32_t signal = 0;
  std::int32_t notify = 0;
  std::int32_t thread_id = 0;
  std::int32_t pad[11]{};
};
static_assert(sizeof(NativeSigevent) == 64);
constexpr std::int32_t kNativeSignal = 0, kNativeNone = 1, kNativeThreadId = 4;

/// The native clock to wait by: coarse clocks are only for reading.
std::optional<int> waiting_clock(Call& call, unsigned guest) noexcept {
  const auto native = self(call).vocabulary().clock_id.to_native(guest);
  if (!native) return std::nullopt;
  switch (static_cast<int>(*native)) {
    case CLOCK_REALTIME_COARSE:
      return CLOCK_REALTIME;
    case CLOCK_MONOTONIC_COARSE:
      return CLOCK_MONOTONIC;
    default:
      return static_cast<int>(*native);
  }
}

/// Sleeps for what argument `wanted` says; on interruption the remaining time is stored, unless `remaining`
/// is null or the time is absolute. Linux writes what is left over the time itself, which is ours: an
/// interruption before it sleeps leaves all.
int sleep_for(Call& call, int clock, int flags, unsigned wanted, GuestAddr remaining) noexcept {
  timespec time{};
  if (!get_timespec(call, wanted, time)) return EFAULT;
  if (time.tv_nsec < 0 || time.tv_nsec >= 1'000'000'000) return EINVAL;
  if (time.tv_sec < 0) return 0;
  const Word at = reinterpret_cast<Word>(&time);
  const NativeResult slept = call.host.call_interruptible(SYS_clock_nanosleep, static_cast<Word>(clock),
                                                          static_cast<Word>(flags), at, at);
  if (slept == -EINTR && (flags & TIMER_ABSTIME) == 0 && !is_null(remaining) &&
      !call.host.put(remaining, time))
    return EFAULT;
  return static_cast<int>(-slept);
}

Result nanosleep(Call& call) noexcept {
  const int error = sleep_for(call, CLOCK_MONOTONIC, 0, 0, call.addr(1));
  return error != 0 ? Result::fail(error) : Result::ok();
}

/// Returns the error as its value, with no carry: POSIX asks it of the C function, and libc's is the bare
/// call.
Result clock_nanosleep(Call& call) noexcept {
  const auto clock = waiting_clock(call, call.u32(0));
  const int flags = call.i32(1);
  int error = EINVAL;
  if (clock && (*clock == CLOCK_PROCESS_CPUTIME_ID || *clock == CLOCK_THREAD_CPUTIME_ID))
    error = *clock == CLOCK_PROCESS_CPUTIME_ID ? ENOTSUP : EINVAL;
  else if (clock && (flags & ~TIMER_ABSTIME) == 0)
    error = sleep_for(call, *clock, flags, 2, call.addr(3));
  return Result::ok(static_cast<Word>(error == 0 ? 0 : call.table.errno_to_guest(error)));
}

}  // namespace

Result create_timer(Call& call, const GuestSigevent* guest) noexcept {
  const auto clock = self(call).vocabulary().clock_id.to_native(call.u32(0));
  if (!clock || (*clock != CLOCK_REALTIME && *clock != CLOCK_MONOTONIC)) return Result::fail(EINVAL);
  NativeSigevent event;
  if (guest != nullptr) {
    event.value = guest->value;
    event.thread_id = self(call).native_tid(guest->thread_id);
    switch (guest->notify) {
      case kNotifyNone:
        event.notify = kNativeNone;
        break;
      case kNotifySignal:
        event.notify = kNativeSignal;
        break;
      case kNotifyThreadId:
        event.notify = kNativeThreadId;
        break;
      default:
        return Result::fail(EINVAL);  // SIGEV_THREAD is libc's, SIGEV_KEVENT not for timers
    }
    if (event.notify != kNativeNone) {
      event.signal = call.table.signal_to_native(guest->signal);
      if (event.signal == 0) return Result::fail(EINVAL);
    }
  }
  std::int32_t id = 0;
  const Word event_at = guest == nullptr ? 0 : reinterpret_cast<Word>(&event);
  const NativeResult made =
      call.host.call(SYS_timer_create, static_cast<Word>(*clock), event_at, reinterpret_cast<Word>(&id));
  if (is_error(made)) return Result::of(made);
  if (call.host.put(call.addr(2), id)) return Result::ok();
  call.host.call(SYS_timer_delete, static_cast<Word>(id));
  return Result::fail(EFAULT);
}

namespace {

Result ktimer_create(Call& call) noexcept {
  if (is_null(call.addr(1))) return create_timer(call, nullptr);
  GuestSigevent event{};
  return call.host.get(call.addr(1), event) ? create_timer(call, &event) : Result::fail(EFAULT);
}

Result ktimer_delete(Call& call) noexcept {
  return Result::of(call.host.call(SYS_timer_delete, static_cast<Word>(call.i32(0))));
}

Result ktimer_settime(Call& call) noexcept {
  const int flags = call.i32(1) & TIMER_ABSTIME;  // others mean nothing
  itimerspec value{}, old{};
  if (!call.host.get(call.addr(2), value)) return Result::fail(EFAULT);
  value.it_value.tv_sec = seconds_of(call, 2, value.it_value.tv_sec);
  value.it_interval.tv_sec = seconds_of(call, 2, value.it_interval.tv_sec);
  const NativeResult set =
      call.host.call(SYS_timer_settime, static_cast<Word>(call.i32(0)), static_cast<Word>(flags),
                     reinterpret_cast<Word>(&value), reinterpret_cast<Word>(&old));
  if (is_error(set)) return Result::of(set);
  return is_null(call.addr(3)) || call.host.put(call.addr(3), old) ? Result::ok() : Result::fail(EFAULT);
}

Result ktimer_gettime(Call& call) noexcept {
  itimerspec value{};
  const NativeResult got =
      call.host.call(SYS_timer_gettime, static_cast<Word>(call.i32(0)), reinterpret_cast<Word>(&value));
  if (is_error(got)) return Result::of(got);
  return call.host.put(call.addr(1), value) ? Result::ok() : Result::fail(EFAULT);
}

Result ktimer_getoverrun(Call& call) noexcept {
  return Result::of(call.host.call(SYS_timer_getoverrun, static_cast<Word>(call.i32(0))));
}

NativeResult interval_timer(Call& call, long number, const itimerval* set, itimerval* old) noexcept {
  const auto which = self(call).vocabulary().itimer_which.to_native(call.u32(0));
  if (!which) return -EINVAL;
  if (set == nullptr) return call.host.call(number, *which, reinterpret_cast<Word>(old));
  return call.host.call(number, *which, reinterpret_cast<Word>(set), reinterpret_cast<Word>(old));
}

Result get_interval_timer(Call& call, GuestAddr to) noexcept {
  itimerval value{};
  const NativeResult got = interval_timer(call, SYS_getitimer, nullptr, &value);
  if (is_error(got)) return Result::of(got);
  return call.host.put(to, value) ? Result::ok() : Result::fail(EFAULT);
}

Result getitimer(Call& call) noexcept { return get_interval_timer(call, call.addr(1)); }

Result setitimer(Call& call) noexcept {
  if (is_null(call.addr(1))) return get_interval_timer(call, call.addr(2));
  itimerval value{}, old{};
  if (!call.host.get(call.addr(1), value)) return Result::fail(EFAULT);
  value.it_value.tv_usec = microseconds_of(call, 1, value.it_value.tv_usec);
  value.it_interval.tv_usec = microseconds_of(call, 1, value.it_interval.tv_usec);
  const NativeResult set = interval_timer(call, SYS_setitimer, &value, &old);
  if (is_error(set)) return Result::of(set);
  return is_null(call.addr(2)) || call.host.put(call.addr(2), old) ? Result::ok() : Result::fail(EFAULT);
}

/// Clock ids of other processes and threads are native ones: all negative, and the table's clock_id set
/// passes on what it does not name.
Result clock_getcpuclockid2(Call& call) noexcept {
  constexpr int kPerThread = 4, kScheduled = 2;  // CPUCLOCK_PERTHREAD_MASK, CPUCLOCK_SCHED
  const std::int64_t id = call.i64(0);
  const int which = call.i32(1);
  if (which != 0 && which != 1) return Result::fail(EINVAL);
  const bool thread = which == 1;
  int target = thread ? call.host.tid() : call.host.pid();
  if (id != 0) target = thread ? self(call).native_tid(id) : static_cast<int>(id);
  if (target <= 0) return Result::fail(ESRCH);
  const std::int32_t clock = ~target * 8 + (kScheduled | (thread ? kPerThread : 0));
  timespec resolution{};
  const NativeResult known =
      call.host.call(SYS_clock_getres, static_cast<Word>(clock), reinterpret_cast<Word>(&resolution));
  if (is_error(known)) return Result::fail(ESRCH);
  return call.host.put(call.addr(2), clock) ? Result::ok() : Result::fail(EFAULT);
}

Result adjtime(Call& call) noexcept {
  timeval delta{};
  if (!is_null(call.addr(0))) return Result::fail(call.host.get(call.addr(0), delta) ? EPERM : EFAULT);
  const timeval none{};
  return is_null(call.addr(1)) || call.host.put(call.addr(1), none) ? Result::ok() : Result::fail(EFAULT);
}

constexpr HandlerEntry kHandlers[] = {
    {"nanosleep", nanosleep},
    {"clock_nanosleep", clock_nanosleep},
    {"ktimer_create", ktimer_create},
    {"ktimer_delete", ktimer_delete},
    {"ktimer_settime", ktimer_settime},
    {"ktimer_gettime", ktimer_gettime},
    {"ktimer_getoverrun", ktimer_getoverrun},
    {"clock_getcpuclockid2", clock_getcpuclockid2},
    {"adjtime", adjtime},
    {"setitimer", setitimer},
    {"getitimer", getitimer},
};

}  // namespace

std::span<const HandlerEntry> time_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd

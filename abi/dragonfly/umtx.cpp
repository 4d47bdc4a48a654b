// umtx_sleep and umtx_wakeup. Facts: DragonFly 6.4 sys/kern/kern_umtx.c, umtx(2).
#include <linux/futex.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "abi/convention.hpp"
#include "abi/dragonfly/dragonfly.hpp"

namespace sudrun::abi::dragonfly {
namespace {

// Words are found by the page they are on: threads and processes that share memory sleep on the same one.
// That is a futex that is not private.

/// The word, if it is one; 0 or an errno.
int check_word(Host& host, GuestAddr at) noexcept {
  if ((word_of(at) & 3) != 0) return EFAULT;
  std::uint32_t value = 0;
  return Host::in_guest(at, sizeof value) && host.load32(at, value) ? 0 : EINVAL;
}

// A page may come to mean other memory while a thread sleeps (a copy of a fork's, a new mapping). Nothing but
// the end of the sleep, after kern.umtx_timeout_max (`longest` in the table), tells: every sleep ends.
Result umtx_sleep(Call& call) noexcept {
  const int asked = call.i32(2);
  if (asked < 0) return Result::fail(EINVAL);
  if (const int error = check_word(call.host, call.addr(0)); error != 0) return Result::fail(error);
  const long longest = call.entry.futex_longest, time = asked == 0 ? longest : std::min<long>(asked, longest);
  timespec left{time / 1'000'000, time % 1'000'000 * 1000};
  return futex_result(call.entry, call.host.call_timed(SYS_futex, left, call.word(0), FUTEX_WAIT, call.u32(1),
                                                       reinterpret_cast<Word>(&left)));
}

Result umtx_wakeup(Call& call) noexcept {
  if (const int error = check_word(call.host, call.addr(0)); error != 0) return Result::fail(error);
  const Word count = call.i32(1) == 1 ? 1 : INT_MAX;
  call.host.call(SYS_futex, call.word(0), FUTEX_WAKE, count);
  return Result::ok(0);
}

constexpr std::array kHandlers{
    HandlerEntry{"umtx_sleep", umtx_sleep},
    HandlerEntry{"umtx_wakeup", umtx_wakeup},
};

}  // namespace

std::span<const HandlerEntry> umtx_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::dragonfly

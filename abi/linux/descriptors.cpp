// Calls that close or replace descriptors: those of the runtime's own do not exist for the guest.
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include "abi/linux/linux.hpp"

namespace sudrun::abi::linux_abi {
namespace {

/// No hidden descriptor has a higher number: the default of fs.nr_open, beyond which the kernel has none.
constexpr Word kHiddenEnd = Word{1} << 20;

bool hidden(Call& call, unsigned index) noexcept {
  return call.i32(index) >= 0 && call.host.is_hidden(call.i32(index));
}

Result close(Call& call) noexcept {
  if (hidden(call, 0)) return Result::fail(EBADF);
  return Result::of(call.host.call(SYS_close, call.word(0)));
}

Result dup(Call& call) noexcept {
  if (hidden(call, 0)) return Result::fail(EBADF);
  return Result::of(call.host.call(SYS_dup, call.word(0)));
}

/// dup2 and dup3. A hidden target is out of range, as a number beyond RLIMIT_NOFILE would be.
Result dup_to(Call& call) noexcept {
  if (hidden(call, 0) || hidden(call, 1)) return Result::fail(EBADF);
  return Result::of(call.host.call(native_number(call), call.word(0), call.word(1), call.word(2)));
}

Result close_range(Call& call) noexcept {
  const Word last = call.u32(1), flags = call.word(2);
  Word first = call.u32(0);
  if (first > last) return Result::fail(EINVAL);
  // One native call for each stretch between hidden descriptors.
  while (first <= last) {
    Word next = first;
    while (next <= last && next < kHiddenEnd && !call.host.is_hidden(static_cast<int>(next))) ++next;
    const bool stopped = next <= last && next < kHiddenEnd;  // at a hidden one
    if (next > first || !stopped) {
      const NativeResult done = call.host.call(SYS_close_range, first, stopped ? next - 1 : last, flags);
      if (is_error(done)) return Result::of(done);
    }
    if (!stopped) break;
    first = next + 1;
  }
  return Result::ok();
}

constexpr HandlerEntry kHandlers[] = {
    {"close", close}, {"close_range", close_range}, {"dup", dup}, {"dup2", dup_to}, {"dup3", dup_to},
};

}  // namespace

std::span<const HandlerEntry> descriptor_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::linux_abi

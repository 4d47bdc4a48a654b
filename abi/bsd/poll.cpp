// Waiting for descriptors without a kqueue: poll, ppoll, select, pselect; and the old pipe call.
//
// Sources: FreeBSD 14.0, sys/sys/poll.h, sys/sys/select.h, sys/kern/sys_generic.c (kern_poll, kern_select),
// sys/kern/sys_pipe.c (freebsd10_pipe, pipe_poll).
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <ctime>
#include <memory>
#include <new>
#include <optional>

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/sigset.hpp"
#include "abi/bsd/timeval.hpp"

namespace sudrun::abi::bsd {
namespace {

/// `struct pollfd` (sys/poll.h): the layout is Linux's, the event bits above 0xff are not.
struct GuestPollfd {
  std::int32_t fd;
  std::int16_t events;
  std::int16_t revents;
};
static_assert(sizeof(GuestPollfd) == 8);
static_assert(offsetof(GuestPollfd, events) == 4 && offsetof(GuestPollfd, revents) == 6);

/// `struct timeval` (sys/_timeval.h).
struct GuestTimeval {
  std::int64_t seconds;
  std::int64_t microseconds;
};
static_assert(sizeof(GuestTimeval) == 16);

inline constexpr std::int32_t kInfiniteTimeout = -1;  // INFTIM
inline constexpr std::size_t kChunk = 64;
/// Larger requests cannot be right: no process has as many descriptors.
inline constexpr std::uint64_t kMaxPollfds = std::uint64_t{1} << 24;

Word host_word(const void* pointer) noexcept { return reinterpret_cast<Word>(pointer); }

std::int16_t native_events(const FlagSet& set, std::int16_t guest) noexcept {
  // Bits nobody defined are ignored, as FreeBSD ignores them.
  const auto bits = static_cast<std::uint16_t>(guest);
  if (const auto native = set.to_native(bits)) return static_cast<std::int16_t>(*native);
  return static_cast<std::int16_t>(bits & 0xff);
}

std::int16_t guest_events(const FlagSet& set, std::int16_t native) noexcept {
  return static_cast<std::int16_t>(set.to_guest(static_cast<std::uint16_t>(native)));
}

/// How the events of an array relate to the native ones.
enum class Events { same, different, unreadable };

Events inspect(Host& host, const FlagSet& set, GuestAddr fds, std::uint64_t count) noexcept {
  std::array<GuestPollfd, kChunk> chunk;
  Events answer = Events::same;
  for (std::uint64_t done = 0; done < count;) {
    const auto step = std::min<std::uint64_t>(count - done, kChunk);
    if (!host.read(fds + done * sizeof(GuestPollfd), chunk.data(), step * sizeof(GuestPollfd)))
      return Events::unreadable;
    for (std::size_t i = 0; i < step; ++i) {
      const std::int16_t events = chunk[i].events;
      if (native_events(set, events) != events || guest_events(set, events) != events)
        answer = Events::different;
    }
    done += step;
  }
  return answer;
}

/// A wait's timeout and mask in native form, handed to the kernel from the runtime's own memory: Linux
/// writes the time left back, FreeBSD does not.
struct Wait {
  timespec time{};
  bool has_time = false;
  NativeSigset mask = 0;
  bool has_mask = false;

  Word time_word() const noexcept { return has_time ? host_word(&time) : 0; }
};

bool valid(std::int64_t seconds, std::int64_t fraction, std::int64_t limit) noexcept {
  return seconds >= 0 && fraction >= 0 && fraction < limit;
}

/// 0, or the native errno.
int read_timespec(Call& call, unsigned index, Wait& wait) noexcept {
  if (is_null(call.addr(index))) return 0;
  if (!get_timespec(call, index, wait.time)) return EFAULT;
  if (!valid(wait.time.tv_sec, wait.time.tv_nsec, 1'000'000'000)) return EINVAL;
  wait.has_time = true;
  return 0;
}

int read_mask(Call& call, GuestAddr from, Wait& wait) noexcept {
  if (is_null(from)) return 0;
  GuestSigset guest;
  if (!call.host.get(from, guest)) return EFAULT;
  wait.mask = native_sigset(call.table, guest);
  wait.has_mask = true;
  return 0;
}

/// Makes the mask the thread's until the call ends. Last step before the native call, which installs it too.
void enter_mask(Host& host, Wait& wait) noexcept {
  if (!wait.has_mask) return;
  host.set_temporary_mask(wait.mask);
  wait.mask = host.native_mask(wait.mask);
}

NativeResult native_poll(Host& host, Word fds, std::uint64_t count, Wait& wait) noexcept {
  enter_mask(host, wait);
  return host.call_interruptible(SYS_ppoll, fds, count, wait.time_word(),
                                 wait.has_mask ? host_word(&wait.mask) : 0, sizeof(NativeSigset));
}

/// A pipe at its end can be read, as read(2) does not sleep there; Linux says POLLHUP alone. True: `poll` has
/// become another.
bool end_is_readable(Host& host, GuestPollfd& poll) noexcept {
  constexpr int kRead = POLLIN | POLLRDNORM;
  if ((poll.revents & POLLHUP) == 0 || (poll.revents & kRead) != 0 || (poll.events & kRead) == 0)
    return false;
  struct stat status {};
  const NativeResult found = host.call(SYS_fstat, static_cast<Word>(poll.fd), host_word(&status));
  if (is_error(found) || !S_ISFIFO(status.st_mode)) return false;
  poll.revents = static_cast<std::int16_t>(poll.revents | (poll.events & kRead));
  return true;
}

/// The same, for an array that the kernel has filled in for the guest.
Result with_readable_ends(Call& call, GuestAddr fds, std::uint64_t count, NativeResult ready) noexcept {
  std::array<GuestPollfd, kChunk> chunk;
  for (std::uint64_t done = 0; done < count && ready > 0;) {
    const auto step = std::min<std::uint64_t>(count - done, kChunk);
    const GuestAddr at = fds + done * sizeof(GuestPollfd);
    if (!call.host.read(at, chunk.data(), step * sizeof(GuestPollfd))) return Result::fail(EFAULT);
    for (std::size_t i = 0; i < step; ++i)
      if (end_is_readable(call.host, chunk[i]) &&
          !call.host.put(at + i * sizeof(GuestPollfd) + offsetof(GuestPollfd, revents), chunk[i].revents))
        return Result::fail(EFAULT);
    done += step;
  }
  return Result::of(ready);
}

/// An array with bits that differ between the systems: waits on a translated copy.
Result poll_copy(Call& call, GuestAddr fds, std::uint64_t count, Wait& wait) noexcept {
  const FlagSet& set = self(call).vocabulary().poll_events;
  std::array<GuestPollfd, kChunk> small;
  std::unique_ptr<GuestPollfd[]> large;
  GuestPollfd* copy = small.data();
  if (count > small.size()) {
    large.reset(new (std::nothrow) GuestPollfd[count]);
    if (!large) return Result::fail(ENOMEM);
    copy = large.get();
  }
  if (!call.host.read(fds, copy, count * sizeof(GuestPollfd))) return Result::fail(EFAULT);
  for (std::uint64_t i = 0; i < count; ++i) copy[i].events = native_events(set, copy[i].events);

  const NativeResult ready = native_poll(call.host, host_word(copy), count, wait);
  if (is_error(ready)) return Result::of(ready);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (ready > 0) end_is_readable(call.host, copy[i]);
    const std::int16_t revents = guest_events(set, copy[i].revents);
    if (!call.host.put(fds + i * sizeof(GuestPollfd) + offsetof(GuestPollfd, revents), revents))
      return Result::fail(EFAULT);
  }
  return Result::of(ready);
}

Result wait_poll(Call& call, GuestAddr fds, std::uint64_t count, Wait& wait) noexcept {
  if (count > kMaxPollfds) return Result::fail(EINVAL);
  if (count == 0) return Result::of(native_poll(call.host, 0, 0, wait));
  if (!Host::in_guest(fds, count * sizeof(GuestPollfd))) return Result::fail(EFAULT);
  switch (inspect(call.host, self(call).vocabulary().poll_events, fds, count)) {
    case Events::unreadable:
      return Result::fail(EFAULT);
    case Events::different:
      return poll_copy(call, fds, count, wait);
    case Events::same:
      break;
  }
  return with_readable_ends(call, fds, count, native_poll(call.host, word_of(fds), count, wait));
}

Result poll(Call& call) noexcept {
  Wait wait;
  const int timeout = call.i32(2);
  if (timeout != kInfiniteTimeout) {
    if (timeout < 0) return Result::fail(EINVAL);
    wait.time = {timeout / 1000, timeout % 1000 * 1'000'000L};
    wait.has_time = true;
  }
  return wait_poll(call, call.addr(0), call.u32(1), wait);
}

Result ppoll(Call& call) noexcept {
  Wait wait;
  if (const int error = read_timespec(call, 2, wait)) return Result::fail(error);
  if (const int error = read_mask(call, call.addr(3), wait)) return Result::fail(error);
  return wait_poll(call, call.addr(0), call.u32(1), wait);
}

/// Descriptor sets are arrays of 64-bit words in both systems (little endian): they pass as they are.
Result wait_select(Call& call, Wait& wait) noexcept {
  const int count = call.i32(0);
  if (count < 0) return Result::fail(EINVAL);
  // Linux reads no further than the process' descriptor table reaches, like FreeBSD.
  const std::uint64_t bytes = (static_cast<std::uint64_t>(count) + 63) / 64 * 8;
  for (unsigned i = 1; i <= 3; ++i) {
    if (!is_null(call.addr(i)) && !Host::in_guest(call.addr(i), bytes)) return Result::fail(EFAULT);
  }
  enter_mask(call.host, wait);
  struct {
    Word mask;
    Word size;
  } sixth{host_word(&wait.mask), sizeof(NativeSigset)};
  return Result::of(call.host.call_interruptible(SYS_pselect6, static_cast<Word>(count), call.word(1),
                                                 call.word(2), call.word(3), wait.time_word(),
                                                 wait.has_mask ? host_word(&sixth) : 0));
}

Result select(Call& call) noexcept {
  Wait wait;
  if (!is_null(call.addr(4))) {
    GuestTimeval time;
    if (!call.host.get(call.addr(4), time)) return Result::fail(EFAULT);
    time.microseconds = microseconds_of(call, 4, time.microseconds);
    if (!valid(time.seconds, time.microseconds, 1'000'000)) return Result::fail(EINVAL);
    wait.time = {time.seconds, time.microseconds * 1000};
    wait.has_time = true;
  }
  return wait_select(call, wait);
}

Result pselect(Call& call) noexcept {
  Wait wait;
  if (const int error = read_timespec(call, 4, wait)) return Result::fail(error);
  if (const int error = read_mask(call, call.addr(5), wait)) return Result::fail(error);
  return wait_select(call, wait);
}

Result pipe_two_results(Call& call) noexcept {
  std::array<int, 2> ends{};
  const NativeResult made = call.host.call(SYS_pipe2, host_word(ends.data()), 0);
  if (is_error(made)) return Result::of(made);
  return Result::ok2(static_cast<Word>(ends[0]), static_cast<Word>(ends[1]));
}

constexpr std::array kHandlers{
    HandlerEntry{"pipe_two_results", pipe_two_results},
    HandlerEntry{"poll", poll},
    HandlerEntry{"ppoll", ppoll},
    HandlerEntry{"pselect", pselect},
    HandlerEntry{"select", select},
};

}  // namespace

std::span<const HandlerEntry> poll_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd

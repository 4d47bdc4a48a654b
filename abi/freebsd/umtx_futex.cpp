#include "abi/freebsd/umtx_futex.hpp"

#include <array>
#include <cerrno>
#include <climits>
#include <ctime>
#include <span>

#include <linux/futex.h>
#include <sys/syscall.h>

namespace sudrun::abi::freebsd::umtx {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kFarAway = std::int64_t{1} << 40;  // seconds; beyond any clock, far from overflow

Timespec add(Timespec a, Timespec b) noexcept {
  if (b.sec > kFarAway) return {kFarAway, 0};
  Timespec sum{a.sec + b.sec, a.nsec + b.nsec};
  if (sum.nsec >= kSecond) sum = {sum.sec + 1, sum.nsec - kSecond};
  return sum;
}

/// a - b, at least zero.
Timespec left(Timespec a, Timespec b) noexcept {
  Timespec rest{a.sec - b.sec, a.nsec - b.nsec};
  if (rest.nsec < 0) rest = {rest.sec - 1, rest.nsec + kSecond};
  return rest.sec < 0 ? Timespec{0, 0} : rest;
}

Timespec now(Host& host, int native_clock) noexcept {
  Timespec time{};
  host.call(SYS_clock_gettime, static_cast<Word>(native_clock), reinterpret_cast<Word>(&time));
  return time;
}

NativeResult futex_wait(Host& host, GuestAddr word, std::uint32_t expected, const Timespec* end,
                        bool realtime, std::uint32_t channel) noexcept {
  const int op = FUTEX_WAIT_BITSET | (realtime ? FUTEX_CLOCK_REALTIME : 0);
  return host.call_interruptible(SYS_futex, word_of(word), static_cast<Word>(op), expected,
                                 reinterpret_cast<Word>(end), 0, channel);
}

}  // namespace

int Deadline::set(Host& host, const FlagSet& clocks, const UmtxTime& time) noexcept {
  if (time.timeout.sec < 0 || time.timeout.nsec < 0 || time.timeout.nsec >= kSecond) return EINVAL;
  const auto clock = clocks.to_native(time.clockid);
  if (!clock) return EINVAL;
  clock_ = static_cast<int>(*clock);
  // The coarse clocks are read more cheaply, and waited for like the others.
  if (clock_ == CLOCK_REALTIME_COARSE) clock_ = CLOCK_REALTIME;
  if (clock_ == CLOCK_MONOTONIC_COARSE) clock_ = CLOCK_MONOTONIC;
  limited_ = true;
  relative_ = (time.flags & kAbsoluteTime) == 0;
  if (!relative_) {
    end_ = time.timeout;
    return 0;
  }
  // A wall clock that is set must not move the end of a relative wait.
  if (clock_ == CLOCK_REALTIME) clock_ = CLOCK_MONOTONIC;
  end_ = add(now(host, clock_), time.timeout);
  return 0;
}

int Deadline::read(Host& host, const FlagSet& clocks, GuestAddr size, GuestAddr time) noexcept {
  if (is_null(time)) return 0;
  UmtxTime value{};  // clock 0 is CLOCK_REALTIME, flags 0: relative
  const std::size_t length = word_of(size) <= sizeof(Timespec) ? sizeof(Timespec) : sizeof(UmtxTime);
  if (!host.read(time, &value, length)) return EFAULT;
  return set(host, clocks, value);
}

void Deadline::not_before(Host& host, std::int64_t ns) noexcept {
  if (!limited_ || relative_ || ns <= 0) return;
  const Timespec earliest = add(now(host, clock_), {ns / kSecond, ns % kSecond});
  if (end_.sec < earliest.sec || (end_.sec == earliest.sec && end_.nsec < earliest.nsec)) end_ = earliest;
}

Deadline Deadline::within(Host& host, std::int64_t ms) const noexcept {
  Deadline nearer = *this;
  if (!limited_) nearer.clock_ = CLOCK_MONOTONIC;
  const Timespec end = add(now(host, nearer.clock_), {ms / 1000, ms % 1000 * 1'000'000});
  const bool sooner = end.sec < end_.sec || (end.sec == end_.sec && end.nsec < end_.nsec);
  if (!limited_ || sooner) nearer.end_ = end;
  nearer.limited_ = true;
  return nearer;
}

bool Deadline::has_passed(Host& host) const noexcept {
  if (!limited_) return false;
  const Timespec rest = left(end_, now(host, clock_));
  return rest.sec == 0 && rest.nsec == 0;
}

Timespec Deadline::remaining(Host& host) const noexcept { return left(end_, now(host, clock_)); }

int sleep_on(Host& host, GuestAddr word, std::uint32_t expected, const Deadline& deadline,
             std::uint32_t channel) noexcept {
  if (!Host::in_guest(word, sizeof(std::uint32_t))) return EFAULT;
  for (;;) {
    NativeResult result = 0;
    bool polled = false;
    if (!deadline.limited_) {
      result = futex_wait(host, word, expected, nullptr, false, channel);
    } else if (deadline.clock_ == CLOCK_REALTIME || deadline.clock_ == CLOCK_MONOTONIC) {
      result = futex_wait(host, word, expected, &deadline.end_, deadline.clock_ == CLOCK_REALTIME, channel);
    } else {
      // A clock futexes do not know (suspend time, processor time): sleep for the difference and look again.
      const Timespec rest = left(deadline.end_, now(host, deadline.clock_));
      if (rest.sec == 0 && rest.nsec == 0) return ETIMEDOUT;
      const Timespec end = add(now(host, CLOCK_MONOTONIC), rest);
      result = futex_wait(host, word, expected, &end, false, channel);
      polled = true;
    }
    if (!is_error(result) || result == -EAGAIN) return 0;
    if (result == -ETIMEDOUT && polled) continue;
    return static_cast<int>(-result);
  }
}

NativeResult wake(Host& host, GuestAddr word, int count, std::uint32_t channel) noexcept {
  if (!Host::in_guest(word, sizeof(std::uint32_t))) return -EFAULT;
  return host.call(SYS_futex, word_of(word), FUTEX_WAKE_BITSET, static_cast<Word>(count > 0 ? count : 1), 0,
                   0, channel);
}

NativeResult sleepers(Host& host, GuestAddr word) noexcept {
  if (!Host::in_guest(word, sizeof(std::uint32_t))) return -EFAULT;
  // Requeueing from a word to itself moves nobody and says how many there were.
  return host.call(SYS_futex, word_of(word), FUTEX_REQUEUE, 0, INT_MAX, word_of(word), 0);
}

int wake_many(Host& host, GuestAddr list, Word count) noexcept {
  std::array<Word, 64> words{};
  auto left = static_cast<std::int32_t>(count);
  while (left > 0) {
    const auto batch =
        static_cast<std::size_t>(left) < words.size() ? static_cast<std::size_t>(left) : words.size();
    if (!host.read(list, words.data(), batch * sizeof(Word))) return EFAULT;
    for (const Word word : std::span(words).first(batch)) wake(host, guest_addr(word), INT_MAX);
    list = list + batch * sizeof(Word);
    left -= static_cast<std::int32_t>(batch);
  }
  return 0;
}

}  // namespace sudrun::abi::freebsd::umtx

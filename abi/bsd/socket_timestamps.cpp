// SO_TIMESTAMP, SO_BINTIME, SO_TS_CLOCK: when a message came, in one of four forms.
//
// Linux gives microseconds or nanoseconds of its realtime clock. What the guest wants stays with the socket,
// through dup, fork and passing, in bits of SO_TIMESTAMPING that change nothing by themselves: they only go
// with other bits.
//
// Sources: FreeBSD 15.0 sys/kern/uipc_socket.c (sosetopt, sogetopt), sys/netinet/ip_input.c (ip_savecontrol),
// sys/sys/socket.h, sys/sys/time.h; Linux include/uapi/linux/net_tstamp.h, net/socket.c
// (__sock_recv_timestamp).
#include <linux/net_tstamp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <ctime>

#include "abi/bsd/socket_calls.hpp"
#include "abi/bsd/sockets_layout.hpp"

namespace sudrun::abi::bsd {
namespace {

constexpr int kClockLow = SOF_TIMESTAMPING_SYS_HARDWARE, kClockHigh = SOF_TIMESTAMPING_RX_HARDWARE,
              kStamp = SOF_TIMESTAMPING_OPT_PKTINFO, kBintime = SOF_TIMESTAMPING_OPT_TX_SWHW;

int bits_of(const TimestampForm& form) noexcept {
  const int clock = static_cast<int>(form.clock);
  return ((clock & 1) != 0 ? kClockLow : 0) | ((clock & 2) != 0 ? kClockHigh : 0) |
         (form.stamp ? kStamp : 0) | (form.bintime ? kBintime : 0);
}

TimestampForm form_of(NativeResult bits) noexcept {
  TimestampForm form;
  form.clock =
      static_cast<TimestampClock>(((bits & kClockLow) != 0 ? 1 : 0) | ((bits & kClockHigh) != 0 ? 2 : 0));
  form.stamp = (bits & kStamp) != 0;
  form.bintime = (bits & kBintime) != 0;
  return form;
}

NativeResult set_native(Call& call, int name, int value) noexcept {
  return call.host.call(SYS_setsockopt, call.u32(0), SOL_SOCKET, static_cast<Word>(name),
                        host_address(&value), sizeof value);
}

std::int64_t now(Call& call, int clock) noexcept {
  constexpr std::int64_t kSecond = 1'000'000'000;
  timespec time{};
  call.host.call(SYS_clock_gettime, static_cast<Word>(clock), host_address(&time));
  return time.tv_sec * kSecond + time.tv_nsec;
}

}  // namespace

Result set_timestamps(Call& call, int guest_name) noexcept {
  const NativeResult before = socket_option(call, call.i32(0), SO_TIMESTAMPING);
  if (is_error(before)) return Result::of(before);
  int value = 0;
  if (call.u32(4) < sizeof value) return Result::fail(EINVAL);
  if (!call.host.get(call.addr(3), value)) return Result::fail(EFAULT);
  TimestampForm form = form_of(before);
  if (guest_name == guest::kSoTsClock) {
    if (value < 0 || value > static_cast<int>(TimestampClock::monotonic)) return Result::fail(EINVAL);
    form.clock = static_cast<TimestampClock>(value);
  } else {
    (guest_name == guest::kSoBintime ? form.bintime : form.stamp) = value != 0;
  }
  const NativeResult kept = set_native(call, SO_TIMESTAMPING, bits_of(form));
  if (is_error(kept)) return Result::of(kept);
  // Each of the two natively takes the other off.
  const bool exact = form.bintime || form.clock != TimestampClock::microseconds;
  return Result::of(set_native(call, exact ? SO_TIMESTAMPNS : SO_TIMESTAMP, form.stamp || form.bintime));
}

NativeResult get_timestamps(Call& call, int guest_name) noexcept {
  const NativeResult bits = socket_option(call, call.i32(0), SO_TIMESTAMPING);
  if (is_error(bits)) return bits;
  const TimestampForm form = form_of(bits);
  if (guest_name == guest::kSoTsClock) return static_cast<NativeResult>(form.clock);
  return (guest_name == guest::kSoBintime ? form.bintime : form.stamp) ? guest_name : 0;
}

TimestampForm timestamp_form(Call& call) noexcept {
  TimestampForm form = form_of(socket_option(call, call.i32(0), SO_TIMESTAMPING));
  if (form.clock == TimestampClock::monotonic)
    form.realtime_ahead = now(call, CLOCK_REALTIME) - now(call, CLOCK_MONOTONIC);
  return form;
}

}  // namespace sudrun::abi::bsd

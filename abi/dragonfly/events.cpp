// kevent: DragonFly's numbers for filters and flags. Facts: DragonFly 6.4 sys/sys/event.h,
// sys/kern/kern_event.c, sys_pipe.c, uipc_socket.c.
#include <array>
#include <cstring>

#include "abi/bsd/kqueue.hpp"
#include "abi/dragonfly/dragonfly.hpp"

namespace sudrun::abi::dragonfly {
namespace {

constexpr int kUser = -9, kFs = -10;        // EVFILT_USER, EVFILT_FS; the others are as FreeBSD's
constexpr int kLastCommon = -7;             // EVFILT_TIMER
constexpr int kNoFilter = 1;                // nobody's: EINVAL
constexpr std::uint32_t kActions = 0x00ff;  // what programs may set
constexpr std::uint32_t kHup = 0x0800, kNoData = 0x1000;

int common_filter(int filter) noexcept {
  if (filter >= kLastCommon) return filter;
  return filter == kUser ? kq::kUser : filter == kFs ? kq::kFs : kNoFilter;
}

int own_filter(int filter) noexcept { return filter == kq::kUser ? kUser : filter == kq::kFs ? kFs : filter; }

/// What beside EV_EOF is told of an end.
std::uint32_t end_flags(const Event& event) noexcept {
  if ((event.flags & kq::kEof) == 0) return 0;
  switch (event.filter) {
    case kq::kRead:
      return event.data == 0 ? kNoData : 0;
    case kq::kWrite:
      return kNoData | kHup;
    case kq::kProc:
      return kNoData;
    default:
      return 0;
  }
}

Event decode(const std::byte* from) noexcept {
  GuestKevent11 own;
  std::memcpy(&own, from, sizeof own);
  Event event{};
  event.ident = own.ident;
  event.filter = common_filter(own.filter);
  event.flags = own.flags & kActions;
  event.fflags = own.filter == kq::kTimer ? 0 : own.fflags;
  event.data = own.data;
  event.udata = own.udata;
  return event;
}

void encode(const Event& event, std::byte* to) noexcept {
  GuestKevent11 own{};
  own.ident = event.ident;
  own.filter = static_cast<std::int16_t>(own_filter(event.filter));
  const bool error = (event.flags & kq::kError) != 0;
  own.flags = static_cast<std::uint16_t>(error ? kq::kError : event.flags | end_flags(event));
  own.fflags = event.fflags;
  own.data = event.data;
  own.udata = event.udata;
  std::memcpy(to, &own, sizeof own);
}

constexpr EventCodec kCodec{sizeof(GuestKevent11), decode, encode};

Result kevent(Call& call) noexcept { return kevent_call(call, kCodec); }

constexpr std::array kHandlers{HandlerEntry{"kevent", kevent}};

}  // namespace

std::span<const HandlerEntry> event_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::dragonfly

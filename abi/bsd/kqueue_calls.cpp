// The calls of kqueue(2): how FreeBSD's arguments reach the event queues.
//
// Sources: FreeBSD 14.0, sys/kern/kern_event.c (sys_kqueue, sys_kqueuex, sys_kevent, freebsd11_kevent).
#include <array>
#include <cerrno>
#include <cstring>

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/kqueue.hpp"
#include "abi/bsd/timeval.hpp"

namespace sudrun::abi::bsd {
namespace {

/// Both of FreeBSD's structures begin alike; the newer one goes on with `ext`.
template <typename Guest>
Event decode(const std::byte* from) noexcept {
  Guest guest;
  std::memcpy(&guest, from, sizeof guest);
  Event event{};
  event.ident = guest.ident;
  event.filter = guest.filter;
  event.flags = guest.flags & ~kq::kSysflags;
  event.fflags = guest.fflags;
  event.data = guest.data;
  event.udata = guest.udata;
  if constexpr (requires { guest.ext; }) std::memcpy(event.ext.data(), guest.ext, sizeof guest.ext);
  return event;
}

template <typename Guest>
void encode(const Event& event, std::byte* to) noexcept {
  Guest guest{};
  guest.ident = event.ident;
  guest.filter = static_cast<std::int16_t>(event.filter);
  guest.flags = static_cast<std::uint16_t>(event.flags);
  guest.fflags = event.fflags;
  guest.data = event.data;
  guest.udata = event.udata;
  if constexpr (requires { guest.ext; }) std::memcpy(guest.ext, event.ext.data(), sizeof guest.ext);
  std::memcpy(to, &guest, sizeof guest);
}

static_assert(sizeof(GuestKevent) <= EventCodec::kMaxSize);

Result kqueue(Call& call) noexcept { return Result::of(self(call).kqueues().create(call.host)); }

Result kqueuex(Call& call) noexcept {
  if ((call.u32(0) & ~kq::kKqueueCloexec) != 0) return Result::fail(EINVAL);
  return kqueue(call);
}

}  // namespace

Result kevent_call(Call& call, const EventCodec& codec) noexcept {
  KeventTimeout timeout;
  const bool timed = !is_null(call.addr(5));
  if (timed && !call.host.get(call.addr(5), timeout)) return Result::fail(EFAULT);
  if (timed) timeout.seconds = seconds_of(call, 5, timeout.seconds);
  const int changes = call.i32(2);
  const Result result = self(call).kqueues().kevent(
      call.host, call.table,
      {codec, call.i32(0), call.addr(1), changes, call.addr(3), call.i32(4), timed ? &timeout : nullptr});
  // The changes have been made: the call must not be made again, even if the wait had not begun.
  if (changes > 0 && result.is_native_error(EINTR))
    return Result::fail(static_cast<GuestErrno>(call.table.errno_to_guest(EINTR)));
  return result;
}

namespace {

Result kevent(Call& call) noexcept { return kevent_call(call, kKeventCodec); }
Result short_kevent(Call& call) noexcept { return kevent_call(call, kKevent11Codec); }

constexpr std::array kHandlers{
    HandlerEntry{"short_kevent", short_kevent},
    HandlerEntry{"kevent", kevent},
    HandlerEntry{"kqueue", kqueue},
    HandlerEntry{"kqueuex", kqueuex},
};

}  // namespace

const EventCodec kKeventCodec{sizeof(GuestKevent), decode<GuestKevent>, encode<GuestKevent>};
const EventCodec kKevent11Codec{sizeof(GuestKevent11), decode<GuestKevent11>, encode<GuestKevent11>};

std::span<const HandlerEntry> kqueue_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd

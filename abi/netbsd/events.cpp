// kqueue(2): NetBSD's numbers and structures on the shared event queues.
//
// Sources: NetBSD 10.1, sys/sys/event.h, sys/kern/kern_event.c, kqueue(2); NetBSD 11, sys/sys/event.h for the
// longer structure.
#include <fcntl.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "abi/bsd/file_calls.hpp"
#include "abi/bsd/kqueue.hpp"
#include "abi/netbsd/netbsd.hpp"

namespace sudrun::abi::netbsd {
namespace {

struct Kevent100 {  // of NetBSD 10 and before
  std::uint64_t ident;
  std::uint32_t filter, flags, fflags;
  std::int64_t data;
  std::uint64_t udata;
};
static_assert(sizeof(Kevent100) == 40 && offsetof(Kevent100, data) == 24);

struct Kevent {
  Kevent100 base;
  std::uint64_t ext[4];
};
static_assert(sizeof(Kevent) == 72 && sizeof(Kevent) <= EventCodec::kMaxSize);

// EVFILT_READ, WRITE, AIO, VNODE, PROC, SIGNAL, TIMER, FS, USER, EMPTY. That of aio(2) was never carried out.
constexpr std::array kFilters{kq::kRead,   kq::kWrite, 0,       kq::kVnode, kq::kProc,
                              kq::kSignal, kq::kTimer, kq::kFs, kq::kUser,  kq::kEmpty};

/// Filters that do not exist become numbers above 0, which no filter has, and come back as they were.
int common_filter(std::uint32_t filter) noexcept {
  const bool known = filter < kFilters.size() && kFilters[filter] != 0;
  return known ? kFilters[filter] : static_cast<int>(filter & 0x3fff'ffff) + 1;
}
std::uint32_t guest_filter(int filter) noexcept {
  if (filter > 0) return static_cast<std::uint32_t>(filter - 1);
  std::uint32_t guest = 0;
  while (guest < kFilters.size() - 1 && kFilters[guest] != filter) ++guest;
  return guest;
}

// NOTE_MSECONDS, SECONDS, USECONDS, NSECONDS: a number here, a bit each in common numbers.
constexpr std::array kTimerUnits{std::uint32_t{0}, kq::kNoteSeconds, kq::kNoteUseconds, kq::kNoteNseconds};
constexpr std::uint32_t kTimerUnit = 3, kUnknownNote = 0x8000;

std::uint32_t common_timer_notes(std::uint32_t notes) noexcept {
  const std::uint32_t rest = notes & ~(kTimerUnit | kq::kNoteAbstime);
  return kTimerUnits[notes & kTimerUnit] | (notes & kq::kNoteAbstime) | (rest != 0 ? kUnknownNote : 0);
}
std::uint32_t guest_timer_notes(std::uint32_t notes) noexcept {
  std::uint32_t unit = 0;
  while (unit < kTimerUnits.size() - 1 && kTimerUnits[unit] != (notes & kq::kNoteUnits)) ++unit;
  return unit | (notes & kq::kNoteAbstime);
}

template <typename Guest>
Kevent100& base_of(Guest& guest) noexcept {
  if constexpr (requires { guest.base; })
    return guest.base;
  else
    return guest;
}

template <typename Guest>
Event decode(const std::byte* from) noexcept {
  Guest guest;
  std::memcpy(&guest, from, sizeof guest);
  const Kevent100& base = base_of(guest);
  Event event{};
  event.ident = base.ident;
  event.filter = common_filter(base.filter);
  event.flags = base.flags & ~kq::kSysflags;
  event.fflags = event.filter == kq::kTimer ? common_timer_notes(base.fflags) : base.fflags;
  event.data = base.data;
  event.udata = base.udata;
  if constexpr (requires { guest.ext; }) std::memcpy(event.ext.data(), guest.ext, sizeof guest.ext);
  return event;
}

template <typename Guest>
void encode(const Event& event, std::byte* to) noexcept {
  Guest guest{};
  Kevent100& base = base_of(guest);
  base.ident = event.ident;
  base.filter = guest_filter(event.filter);
  base.flags = event.flags;
  base.fflags = event.filter == kq::kTimer ? guest_timer_notes(event.fflags) : event.fflags;
  base.data = event.data;
  base.udata = event.udata;
  if constexpr (requires { guest.ext; }) std::memcpy(guest.ext, event.ext.data(), sizeof guest.ext);
  std::memcpy(to, &guest, sizeof guest);
}

constexpr EventCodec kCodec{sizeof(Kevent), decode<Kevent>, encode<Kevent>};
constexpr EventCodec kCodec100{sizeof(Kevent100), decode<Kevent100>, encode<Kevent100>};

Result kevent(Call& call) noexcept { return kevent_call(call, kCodec); }
Result kevent_100(Call& call) noexcept { return kevent_call(call, kCodec100); }

// Close-on-exec either way: a queue does not outlive its program's image. O_NONBLOCK and O_NOSIGPIPE would
// only show in fcntl(2).
Result kqueue1(Call& call) noexcept { return Result::of(self(call).kqueues().create(call.host)); }

constexpr HandlerEntry kHandlers[] = {
    {"kevent", kevent},
    {"kevent_100", kevent_100},
    {"kqueue1", kqueue1},
};

}  // namespace

std::span<const HandlerEntry> event_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::netbsd

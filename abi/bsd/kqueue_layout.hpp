// kqueue's numbers and structures as FreeBSD has them. The engine (kqueue_state.hpp) uses these numbers as
// its own vocabulary; another system's handlers translate theirs while they copy events in and out
// (EventCodec).
//
// Sources: FreeBSD 14.0, sys/sys/event.h; lib/libsys/kqueue.2.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sudrun::abi::bsd {

/// `struct kevent` since FreeBSD 12.
struct GuestKevent {
  std::uint64_t ident;
  std::int16_t filter;
  std::uint16_t flags;
  std::uint32_t fflags;
  std::int64_t data;
  std::uint64_t udata;
  std::uint64_t ext[4];
};
static_assert(sizeof(GuestKevent) == 64);
static_assert(offsetof(GuestKevent, filter) == 8 && offsetof(GuestKevent, flags) == 10);
static_assert(offsetof(GuestKevent, fflags) == 12 && offsetof(GuestKevent, data) == 16);
static_assert(offsetof(GuestKevent, udata) == 24 && offsetof(GuestKevent, ext) == 32);

/// `struct kevent_freebsd11`: what freebsd11_kevent (and Go) uses.
struct GuestKevent11 {
  std::uint64_t ident;
  std::int16_t filter;
  std::uint16_t flags;
  std::uint32_t fflags;
  std::int64_t data;
  std::uint64_t udata;
};
static_assert(sizeof(GuestKevent11) == 32);
static_assert(offsetof(GuestKevent11, filter) == 8 && offsetof(GuestKevent11, flags) == 10);
static_assert(offsetof(GuestKevent11, fflags) == 12 && offsetof(GuestKevent11, data) == 16);
static_assert(offsetof(GuestKevent11, udata) == 24);

/// `struct timespec` (sys/_timespec.h).
struct KeventTimeout {
  std::int64_t seconds;
  std::int64_t nanoseconds;
};
static_assert(sizeof(KeventTimeout) == 16);

namespace kq {

// Filters.
inline constexpr int kRead = -1;       // EVFILT_READ
inline constexpr int kWrite = -2;      // EVFILT_WRITE
inline constexpr int kAio = -3;        // EVFILT_AIO
inline constexpr int kVnode = -4;      // EVFILT_VNODE
inline constexpr int kProc = -5;       // EVFILT_PROC
inline constexpr int kSignal = -6;     // EVFILT_SIGNAL
inline constexpr int kTimer = -7;      // EVFILT_TIMER
inline constexpr int kProcdesc = -8;   // EVFILT_PROCDESC
inline constexpr int kFs = -9;         // EVFILT_FS
inline constexpr int kLio = -10;       // EVFILT_LIO
inline constexpr int kUser = -11;      // EVFILT_USER
inline constexpr int kSendfile = -12;  // EVFILT_SENDFILE
inline constexpr int kEmpty = -13;     // EVFILT_EMPTY
inline constexpr int kLastFilter = -13;

// Actions and flags.
inline constexpr std::uint32_t kAdd = 0x0001;           // EV_ADD
inline constexpr std::uint32_t kDelete = 0x0002;        // EV_DELETE
inline constexpr std::uint32_t kEnable = 0x0004;        // EV_ENABLE
inline constexpr std::uint32_t kDisable = 0x0008;       // EV_DISABLE
inline constexpr std::uint32_t kOneshot = 0x0010;       // EV_ONESHOT
inline constexpr std::uint32_t kClear = 0x0020;         // EV_CLEAR
inline constexpr std::uint32_t kReceipt = 0x0040;       // EV_RECEIPT
inline constexpr std::uint32_t kDispatch = 0x0080;      // EV_DISPATCH
inline constexpr std::uint32_t kForceOneshot = 0x0100;  // EV_FORCEONESHOT
inline constexpr std::uint32_t kKeepUdata = 0x0200;     // EV_KEEPUDATA
inline constexpr std::uint32_t kSysflags = 0xf000;      // EV_SYSFLAGS
inline constexpr std::uint32_t kError = 0x4000;         // EV_ERROR
inline constexpr std::uint32_t kEof = 0x8000;           // EV_EOF

// EVFILT_READ, EVFILT_WRITE.
inline constexpr std::uint32_t kNoteLowat = 0x0001;
inline constexpr std::uint32_t kNoteFilePoll = 0x0002;

// EVFILT_VNODE.
inline constexpr std::uint32_t kNoteDelete = 0x0001;
inline constexpr std::uint32_t kNoteWrite = 0x0002;
inline constexpr std::uint32_t kNoteExtend = 0x0004;
inline constexpr std::uint32_t kNoteAttrib = 0x0008;
inline constexpr std::uint32_t kNoteLink = 0x0010;
inline constexpr std::uint32_t kNoteRename = 0x0020;
inline constexpr std::uint32_t kNoteRevoke = 0x0040;
inline constexpr std::uint32_t kNoteOpen = 0x0080;
inline constexpr std::uint32_t kNoteClose = 0x0100;
inline constexpr std::uint32_t kNoteCloseWrite = 0x0200;
inline constexpr std::uint32_t kNoteRead = 0x0400;

// EVFILT_PROC, EVFILT_PROCDESC.
inline constexpr std::uint32_t kNoteExit = 0x80000000;
inline constexpr std::uint32_t kNoteFork = 0x40000000;
inline constexpr std::uint32_t kNoteExec = 0x20000000;
inline constexpr std::uint32_t kNoteTrack = 0x00000001;
inline constexpr std::uint32_t kNoteTrackErr = 0x00000002;
inline constexpr std::uint32_t kNoteChild = 0x00000004;

// EVFILT_TIMER. Milliseconds when no unit is given.
inline constexpr std::uint32_t kNoteSeconds = 0x0001;
inline constexpr std::uint32_t kNoteMseconds = 0x0002;
inline constexpr std::uint32_t kNoteUseconds = 0x0004;
inline constexpr std::uint32_t kNoteNseconds = 0x0008;
inline constexpr std::uint32_t kNoteUnits = 0x000f;
inline constexpr std::uint32_t kNoteAbstime = 0x0010;

// EVFILT_USER.
inline constexpr std::uint32_t kNoteFfNop = 0x00000000;
inline constexpr std::uint32_t kNoteFfAnd = 0x40000000;
inline constexpr std::uint32_t kNoteFfOr = 0x80000000;
inline constexpr std::uint32_t kNoteFfCopy = 0xc0000000;
inline constexpr std::uint32_t kNoteFfControl = 0xc0000000;
inline constexpr std::uint32_t kNoteFfMask = 0x00ffffff;
inline constexpr std::uint32_t kNoteTrigger = 0x01000000;

// kqueuex(2).
inline constexpr std::uint32_t kKqueueCloexec = 0x00000001;

}  // namespace kq
}  // namespace sudrun::abi::bsd

// Words and structures of FreeBSD's user-space synchronisation objects, as libthr and the kernel share them.
//
// Facts: FreeBSD 15.0 sys/sys/_umtx.h (structures), sys/sys/umtx.h (bits and operations).
#pragma once

#include <cstddef>
#include <cstdint>

namespace sudrun::abi::freebsd::umtx {

// Operations. 0 and 1 (a 64-bit lock of FreeBSD 5…10) are not offered, as in a kernel without
// COMPAT_FREEBSD10.
enum class Op : std::uint32_t {
  lock = 0,
  unlock = 1,
  wait = 2,
  wake = 3,
  mutex_trylock = 4,
  mutex_lock = 5,
  mutex_unlock = 6,
  set_ceiling = 7,
  cv_wait = 8,
  cv_signal = 9,
  cv_broadcast = 10,
  wait_uint = 11,
  rw_rdlock = 12,
  rw_wrlock = 13,
  rw_unlock = 14,
  wait_uint_private = 15,
  wake_private = 16,
  mutex_wait = 17,
  mutex_wake = 18,
  sem_wait = 19,
  sem_wake = 20,
  nwake_private = 21,
  mutex_wake2 = 22,
  sem2_wait = 23,
  sem2_wake = 24,
  shm = 25,
  robust_lists = 26,
  get_min_timeout = 27,
  set_min_timeout = 28,
};
inline constexpr std::uint32_t kOpFlags = 0xc000'0000;  // UMTX_OP__I386, UMTX_OP__32BIT: 32-bit objects

// umutex.m_owner: thread id, with the top bit set while someone may be asleep.
inline constexpr std::uint32_t kUnowned = 0;
inline constexpr std::uint32_t kContested = 0x8000'0000;
inline constexpr std::uint32_t kOwnerDead = kContested | 0x10;
inline constexpr std::uint32_t kNotRecoverable = kContested | 0x11;
// umutex.m_flags
inline constexpr std::uint32_t kPrioInherit = 0x04;
inline constexpr std::uint32_t kPrioProtect = 0x08;
inline constexpr std::uint32_t kRobust = 0x10;
inline constexpr std::uint32_t kNonConsistent = 0x20;
inline constexpr std::uint32_t kPriorityMax = 31;  // RTP_PRIO_MAX

// CV_WAIT's flags
inline constexpr std::uint64_t kCvAbsolute = 0x02;
inline constexpr std::uint64_t kCvClock = 0x04;

// urwlock.rw_state and rw_flags
inline constexpr std::uint32_t kPreferReader = 0x02;
inline constexpr std::uint32_t kWriteOwner = 0x8000'0000;
inline constexpr std::uint32_t kWriteWaiters = 0x4000'0000;
inline constexpr std::uint32_t kReadWaiters = 0x2000'0000;
inline constexpr std::uint32_t kMaxReaders = 0x1fff'ffff;

// _usem2._count
inline constexpr std::uint32_t kSemWaiters = 0x8000'0000;
inline constexpr std::uint32_t kSemCount = 0x7fff'ffff;

inline constexpr std::uint32_t kAbsoluteTime = 0x01;  // _umtx_time._flags: UMTX_ABSTIME

struct Timespec {
  std::int64_t sec;
  std::int64_t nsec;
};
static_assert(sizeof(Timespec) == 16);

struct UmtxTime {  // struct _umtx_time
  Timespec timeout;
  std::uint32_t flags;
  std::uint32_t clockid;
};
static_assert(sizeof(UmtxTime) == 24 && offsetof(UmtxTime, clockid) == 20);

struct Umutex {  // struct umutex
  std::uint32_t owner;
  std::uint32_t flags;
  std::uint32_t ceilings[2];
  std::uint64_t robust_link;
  std::uint32_t spare[2];
};
static_assert(sizeof(Umutex) == 32 && offsetof(Umutex, robust_link) == 16);

struct Ucond {  // struct ucond
  std::uint32_t has_waiters;
  std::uint32_t flags;
  std::uint32_t clockid;
  std::uint32_t spare;
};
static_assert(sizeof(Ucond) == 16);

struct Urwlock {  // struct urwlock
  std::uint32_t state;
  std::uint32_t flags;
  std::uint32_t blocked_readers;
  std::uint32_t blocked_writers;
  std::uint32_t spare[4];
};
static_assert(sizeof(Urwlock) == 32);

struct Usem {  // struct _usem
  std::uint32_t has_waiters;
  std::uint32_t count;
  std::uint32_t flags;
};
static_assert(sizeof(Usem) == 12);

struct Usem2 {  // struct _usem2
  std::uint32_t count;
  std::uint32_t flags;
};
static_assert(sizeof(Usem2) == 8);

struct RobustLists {  // struct umtx_robust_lists_params
  std::uint64_t list, private_list, inactive;
};
static_assert(sizeof(RobustLists) == 24);

}  // namespace sudrun::abi::freebsd::umtx

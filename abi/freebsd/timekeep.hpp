// The page behind AT_TIMEKEEP.
//
// Facts: FreeBSD 14.0 sys/sys/vdso.h (struct vdso_timekeep, struct vdso_timehands), sys/x86/include/vdso.h
// (VDSO_TIMEHANDS_MD), sys/kern/kern_sharedpage.c (timekeep_push_vdso()), and the readers,
// lib/libc/sys/__vdso_gettimeofday.c and Go's runtime/vdso_freebsd.go.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "abi/timekeeper.hpp"

namespace sudrun::abi::freebsd {

namespace vdso {

struct Timehands {
  std::uint32_t algo;
  std::uint32_t gen;  ///< 0: being written
  std::uint64_t scale;
  std::uint32_t offset_count;
  std::uint32_t counter_mask;
  BinaryTime offset;
  BinaryTime boottime;
  std::uint32_t x86_shift;
  std::uint32_t x86_hpet_index;
  std::uint64_t x86_pvclock_last;
  std::uint8_t x86_pvclock_mask;
  std::array<std::uint8_t, 15> reserved;
};
static_assert(sizeof(Timehands) == 88 && offsetof(Timehands, x86_shift) == 56);

struct Timekeep {
  std::uint32_t version;
  std::uint32_t enabled;  ///< 0: readers make a call
  std::uint32_t current;
  std::uint32_t padding;
  std::array<Timehands, 4> hands;
};
static_assert(sizeof(Timekeep) == 16 + 4 * 88);

}  // namespace vdso

/// Writes the page, which programs may be reading all the while. Whoever has begun to read before a change
/// reads again.
class Timekeep {
 public:
  /// `hands` null: programs are to make calls. Async-signal-safe; one at a time.
  void publish(vdso::Timekeep& page, const TimeHands* hands) noexcept;

 private:
  std::uint32_t generation_ = 0;
  std::uint32_t current_ = 0;
};

}  // namespace sudrun::abi::freebsd

// The four kinds of 64-bit number this project must never confuse, as four types.
#pragma once

#include <compare>
#include <cstdint>

namespace sudrun::abi {

/// A raw register word: an argument or result exactly as the guest holds it.
using Word = std::uint64_t;

/// An address in the guest's view of memory. Never dereferenced outside runtime/guest_memory_unsafe.cpp.
enum class GuestAddr : std::uint64_t {};

constexpr GuestAddr guest_addr(Word word) noexcept { return static_cast<GuestAddr>(word); }
constexpr Word word_of(GuestAddr addr) noexcept { return static_cast<Word>(addr); }
constexpr GuestAddr operator+(GuestAddr addr, std::uint64_t bytes) noexcept {
  return guest_addr(word_of(addr) + bytes);
}
constexpr bool is_null(GuestAddr addr) noexcept { return word_of(addr) == 0; }

/// An error number of the Linux kernel (positive).
enum class NativeErrno : int {};
/// An error number of the guest's system (positive).
enum class GuestErrno : int {};

/// Result of a native call: negative values -1…-4095 are errors, as the kernel returns them.
using NativeResult = std::int64_t;
constexpr bool is_error(NativeResult result) noexcept { return result < 0 && result >= -4095; }
constexpr NativeErrno errno_of(NativeResult result) noexcept { return static_cast<NativeErrno>(-result); }

/// Set of native signals: bit (n - 1) stands for native signal n, the kernel's own layout.
using NativeSigset = std::uint64_t;
constexpr NativeSigset sigbit(int native_signal) noexcept { return NativeSigset{1} << (native_signal - 1); }

/// Linux's AT_FDCWD, and that of all systems whose table says no other.
inline constexpr int kAtFdcwd = -100;

/// End of the guest's part of the address space. Everything the guest maps lies below, everything of the
/// host (its program, libraries, stacks, heap) above: the lowest address Linux gives a host mapping is
/// TASK_SIZE/3 = 0x2aaaaaaaa000 (legacy layout, unlimited stack); position-independent programs and the
/// usual top-down layout are higher still. See docs/memory.md.
inline constexpr Word kGuestTop = 0x2a00'0000'0000;
/// Nothing is mapped here, nor for hundreds of gigabytes behind it. The kernel is given this in place of an
/// address that is not the guest's: it says EFAULT when it comes to it, and first what else is wrong.
inline constexpr Word kNowhere = kGuestTop;

}  // namespace sudrun::abi

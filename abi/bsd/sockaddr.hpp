// Socket addresses, FreeBSD <-> Linux. Pure: bytes in, bytes out.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "abi/types.hpp"

namespace sudrun::abi::bsd {

/// An address in the kernel's own form, ready to hand to a native call.
struct NativeAddress {
  alignas(8) std::array<std::byte, 128> bytes{};
  std::uint32_t size = 0;

  std::uint16_t family() const noexcept;
};

/// An address in the guest's form; `size` is its sa_len.
struct GuestAddress {
  alignas(8) std::array<std::byte, 128> bytes{};
  std::uint32_t size = 0;
};

/// Guest to native. `guest` is exactly what the call's length argument covers; sa_len is ignored, as FreeBSD
/// overwrites it. Returns 0, or the negative errno FreeBSD's bind or connect would fail with: EINVAL for a
/// wrong length, EAFNOSUPPORT for a family Linux sockets cannot have, ENOENT for an empty local path (which
/// must not become one of Linux's abstract names).
NativeResult sockaddr_to_native(std::span<const std::byte> guest, NativeAddress& native) noexcept;

/// Native to guest; total. Unnamed local sockets become FreeBSD's 16-byte nameless address, a family without
/// a guest form an empty address of family AF_UNSPEC.
GuestAddress sockaddr_to_guest(std::span<const std::byte> native) noexcept;

/// Makes a relative local path in `native` relative to directory `dirfd`. -ENAMETOOLONG if the result does
/// not fit a native sun_path. Other addresses are left alone.
NativeResult make_relative_to(NativeAddress& native, int dirfd) noexcept;

/// Replaces the path of a local address, from `native` itself or elsewhere. -ENAMETOOLONG if it does not fit.
NativeResult set_local_path(NativeAddress& native, std::string_view path) noexcept;

/// Path of a local address; empty if it has none.
std::string_view local_path(const NativeAddress& native) noexcept;

}  // namespace sudrun::abi::bsd

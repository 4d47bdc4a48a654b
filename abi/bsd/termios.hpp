// Terminal attributes, FreeBSD <-> Linux. Pure.
#pragma once

#include <array>
#include <cstdint>

#include "abi/bsd/ioctl_layout.hpp"

namespace sudrun::abi::bsd {

/// The kernel's struct termios2 (TCGETS2 and its family); asserted against it in termios.cpp.
struct NativeTermios {
  std::uint32_t c_iflag = 0, c_oflag = 0, c_cflag = 0, c_lflag = 0;
  std::uint8_t c_line = 0;
  std::array<std::uint8_t, 19> c_cc{};
  std::uint32_t c_ispeed = 0, c_ospeed = 0;
};
static_assert(sizeof(NativeTermios) == 44);

/// What FreeBSD would report for these attributes. Characters Linux lacks (ERASE2, DSUSP, STATUS) are
/// disabled.
guest::Termios termios_to_guest(const NativeTermios& native) noexcept;

/// `current` with everything FreeBSD can express replaced by `guest`; what only Linux knows stays as it is.
NativeTermios termios_to_native(const guest::Termios& guest, const NativeTermios& current) noexcept;

}  // namespace sudrun::abi::bsd

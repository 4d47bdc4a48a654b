// Sources: FreeBSD 15.0 sys/sys/_termios.h; Linux asm-generic/termbits.h (included), ioctl_tty(2).
#include "abi/bsd/termios.hpp"

#include <asm/termbits.h>

#include <cstddef>
#include <span>

namespace sudrun::abi::bsd {
namespace {

static_assert(sizeof(NativeTermios) == sizeof(termios2));
static_assert(offsetof(NativeTermios, c_line) == offsetof(termios2, c_line));
static_assert(offsetof(NativeTermios, c_cc) == offsetof(termios2, c_cc));
static_assert(offsetof(NativeTermios, c_ispeed) == offsetof(termios2, c_ispeed));

/// A flag, or one value of a field, in both forms. `mask` values are equal to the flags for single bits.
struct Bits {
  std::uint32_t guest, guest_mask, native, native_mask;
};
constexpr Bits bit(std::uint32_t guest, std::uint32_t native) noexcept {
  return {guest, guest, native, native};
}

constexpr Bits kInput[] = {
    bit(0x0001, IGNBRK), bit(0x0002, BRKINT), bit(0x0004, IGNPAR),  bit(0x0008, PARMRK), bit(0x0010, INPCK),
    bit(0x0020, ISTRIP), bit(0x0040, INLCR),  bit(0x0080, IGNCR),   bit(0x0100, ICRNL),  bit(0x0200, IXON),
    bit(0x0400, IXOFF),  bit(0x0800, IXANY),  bit(0x2000, IMAXBEL), bit(0x4000, IUTF8),
};
constexpr Bits kOutput[] = {
    bit(0x01, OPOST), bit(0x02, ONLCR), {0x00, 0x04, TAB0, TABDLY}, {0x04, 0x04, TAB3, TABDLY},
    bit(0x10, OCRNL), bit(0x20, ONOCR), bit(0x40, ONLRET),
};
constexpr Bits kControl[] = {
    {0x000, 0x300, CS5, CSIZE}, {0x100, 0x300, CS6, CSIZE}, {0x200, 0x300, CS7, CSIZE},
    {0x300, 0x300, CS8, CSIZE}, bit(0x0400, CSTOPB),        bit(0x0800, CREAD),
    bit(0x1000, PARENB),        bit(0x2000, PARODD),        bit(0x4000, HUPCL),
    bit(0x8000, CLOCAL),        bit(0x30000, CRTSCTS),
};
constexpr std::uint32_t kIgnoreControl = 0x1;  // CIGNORE: leave c_cflag and the speeds alone
constexpr Bits kLocal[] = {
    bit(0x00000001, ECHOKE), bit(0x00000002, ECHOE),   bit(0x00000004, ECHOK),   bit(0x00000008, ECHO),
    bit(0x00000010, ECHONL), bit(0x00000020, ECHOPRT), bit(0x00000040, ECHOCTL), bit(0x00000080, ISIG),
    bit(0x00000100, ICANON), bit(0x00000400, IEXTEN),  bit(0x00000800, EXTPROC), bit(0x00400000, TOSTOP),
    bit(0x00800000, FLUSHO), bit(0x20000000, PENDIN),  bit(0x80000000, NOFLSH),
};

std::uint32_t bits_to_guest(std::span<const Bits> table, std::uint32_t native) noexcept {
  std::uint32_t guest = 0;
  for (const Bits& b : table) {
    if ((native & b.native_mask) == b.native) guest |= b.guest;
  }
  return guest;
}

std::uint32_t bits_to_native(std::span<const Bits> table, std::uint32_t guest,
                             std::uint32_t current) noexcept {
  std::uint32_t native = current;
  for (const Bits& b : table) native &= ~b.native_mask;
  for (const Bits& b : table) {
    if ((guest & b.guest_mask) == b.guest) native |= b.native;
  }
  return native;
}

/// Index of a control character in both arrays.
struct Character {
  std::uint8_t guest, native;
  bool is_count;  ///< VMIN and VTIME hold numbers: no "disabled"
};
constexpr Character kCharacters[] = {
    {0, VEOF, false},    {1, VEOL, false},      {2, VEOL2, false},    {3, VERASE, false},
    {4, VWERASE, false}, {5, VKILL, false},     {6, VREPRINT, false}, {8, VINTR, false},
    {9, VQUIT, false},   {10, VSUSP, false},    {12, VSTART, false},  {13, VSTOP, false},
    {14, VLNEXT, false}, {15, VDISCARD, false}, {16, VMIN, true},     {17, VTIME, true},
};
constexpr std::uint8_t kGuestDisabled = 0xff, kNativeDisabled = 0;

struct Speed {
  std::uint32_t baud, code;
};
constexpr Speed kSpeeds[] = {
    {0, B0},
    {50, B50},
    {75, B75},
    {110, B110},
    {134, B134},
    {150, B150},
    {200, B200},
    {300, B300},
    {600, B600},
    {1200, B1200},
    {1800, B1800},
    {2400, B2400},
    {4800, B4800},
    {9600, B9600},
    {19200, B19200},
    {38400, B38400},
    {57600, B57600},
    {115200, B115200},
    {230400, B230400},
    {460800, B460800},
    {500000, B500000},
    {576000, B576000},
    {921600, B921600},
    {1000000, B1000000},
    {1152000, B1152000},
    {1500000, B1500000},
    {2000000, B2000000},
    {2500000, B2500000},
    {3000000, B3000000},
    {3500000, B3500000},
    {4000000, B4000000},
};

/// The standard code where there is one, so that native programs on the same terminal understand it too.
std::uint32_t speed_code(std::uint32_t baud) noexcept {
  for (const Speed& s : kSpeeds) {
    if (s.baud == baud) return s.code;
  }
  return BOTHER;
}

}  // namespace

guest::Termios termios_to_guest(const NativeTermios& native) noexcept {
  guest::Termios guest{};
  guest.c_iflag = bits_to_guest(kInput, native.c_iflag);
  guest.c_oflag = bits_to_guest(kOutput, native.c_oflag);
  guest.c_cflag = bits_to_guest(kControl, native.c_cflag);
  guest.c_lflag = bits_to_guest(kLocal, native.c_lflag);
  guest.c_cc.fill(kGuestDisabled);
  for (const Character& c : kCharacters) {
    const std::uint8_t value = native.c_cc[c.native];
    guest.c_cc[c.guest] = value == kNativeDisabled && !c.is_count ? kGuestDisabled : value;
  }
  guest.c_ospeed = native.c_ospeed;
  guest.c_ispeed = native.c_ispeed != 0 ? native.c_ispeed : native.c_ospeed;
  return guest;
}

NativeTermios termios_to_native(const guest::Termios& guest, const NativeTermios& current) noexcept {
  NativeTermios native = current;
  native.c_iflag = bits_to_native(kInput, guest.c_iflag, current.c_iflag);
  native.c_oflag = bits_to_native(kOutput, guest.c_oflag, current.c_oflag);
  native.c_lflag = bits_to_native(kLocal, guest.c_lflag, current.c_lflag);
  for (const Character& c : kCharacters) {
    const std::uint8_t value = guest.c_cc[c.guest];
    native.c_cc[c.native] = value == kGuestDisabled && !c.is_count ? kNativeDisabled : value;
  }
  if ((guest.c_cflag & kIgnoreControl) != 0) return native;
  native.c_cflag = bits_to_native(kControl, guest.c_cflag, current.c_cflag) & ~std::uint32_t{CBAUD | CIBAUD};
  native.c_ospeed = guest.c_ospeed;
  native.c_ispeed = guest.c_ispeed != 0 ? guest.c_ispeed : guest.c_ospeed;
  native.c_cflag |= speed_code(native.c_ospeed);
  // An input speed of code B0 means "as the output speed"; only a different one is written down.
  if (native.c_ispeed != native.c_ospeed) native.c_cflag |= speed_code(native.c_ispeed) << IBSHIFT;
  return native;
}

}  // namespace sudrun::abi::bsd

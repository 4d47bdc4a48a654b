// FreeBSD/amd64 ioctl requests and their structures.
//
// Sources: sys/sys/ioccom.h, sys/sys/ttycom.h, sys/sys/filio.h, sys/sys/sockio.h, sys/sys/_termios.h,
// sys/sys/conf.h (FreeBSD 15.0).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sudrun::abi::bsd::guest {

struct Termios {
  std::uint32_t c_iflag, c_oflag, c_cflag, c_lflag;
  std::array<std::uint8_t, 20> c_cc;
  std::uint32_t c_ispeed, c_ospeed;
};
static_assert(sizeof(Termios) == 44 && offsetof(Termios, c_cc) == 16 && offsetof(Termios, c_ispeed) == 36);

struct Winsize {
  std::uint16_t ws_row, ws_col, ws_xpixel, ws_ypixel;
};
static_assert(sizeof(Winsize) == 8);

struct FiodgnameArg {
  std::int32_t len;
  std::uint32_t pad;
  std::uint64_t buf;
};
static_assert(sizeof(FiodgnameArg) == 16 && offsetof(FiodgnameArg, buf) == 8);

struct Ifreq {
  std::array<char, 16> name;
  std::array<std::byte, 16> value;  // a union: an address, numbers, a pointer
};
static_assert(sizeof(Ifreq) == 32);

struct Ifconf {
  std::int32_t length;
  std::uint32_t pad;
  std::uint64_t buffer;
};
static_assert(sizeof(Ifconf) == 16);

// A request: direction in the top three bits, parameter size in 13 bits, group and number in a byte each.
inline constexpr std::uint32_t kIocVoid = 0x20000000, kIocOut = 0x40000000, kIocIn = 0x80000000;
inline constexpr std::uint32_t kIocDirection = kIocVoid | kIocOut | kIocIn;
constexpr std::uint32_t ioc_size(std::uint32_t request) noexcept { return (request >> 16) & 0x1fff; }

constexpr std::uint32_t ioc(std::uint32_t direction, char group, unsigned number, std::size_t size) noexcept {
  return direction | static_cast<std::uint32_t>(size) << 16 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(group)) << 8 | number;
}

constexpr char ioc_group(std::uint32_t request) noexcept { return static_cast<char>(request >> 8 & 0xff); }

enum class InterfaceIoctl : std::uint32_t {
  siocsifflags = ioc(kIocIn, 'i', 16, sizeof(Ifreq)),
  siocgifflags = ioc(kIocIn | kIocOut, 'i', 17, sizeof(Ifreq)),
  siocgifmetric = ioc(kIocIn | kIocOut, 'i', 23, sizeof(Ifreq)),
  siocsifmetric = ioc(kIocIn, 'i', 24, sizeof(Ifreq)),
  siocsifcap = ioc(kIocIn, 'i', 30, sizeof(Ifreq)),
  siocgifcap = ioc(kIocIn | kIocOut, 'i', 31, sizeof(Ifreq)),
  siocgifindex = ioc(kIocIn | kIocOut, 'i', 32, sizeof(Ifreq)),
  siocgifaddr = ioc(kIocIn | kIocOut, 'i', 33, sizeof(Ifreq)),
  siocgifdstaddr = ioc(kIocIn | kIocOut, 'i', 34, sizeof(Ifreq)),
  siocgifbrdaddr = ioc(kIocIn | kIocOut, 'i', 35, sizeof(Ifreq)),
  siocgifconf = ioc(kIocIn | kIocOut, 'i', 36, sizeof(Ifconf)),
  siocgifnetmask = ioc(kIocIn | kIocOut, 'i', 37, sizeof(Ifreq)),
  siocsifname = ioc(kIocIn, 'i', 40, sizeof(Ifreq)),
  siocgifmtu = ioc(kIocIn | kIocOut, 'i', 51, sizeof(Ifreq)),
  siocsifmtu = ioc(kIocIn, 'i', 52, sizeof(Ifreq)),
  siocgifphys = ioc(kIocIn | kIocOut, 'i', 53, sizeof(Ifreq)),
  siocgiffib = ioc(kIocIn | kIocOut, 'i', 92, sizeof(Ifreq)),
};
static_assert(static_cast<std::uint32_t>(InterfaceIoctl::siocgifflags) == 0xc0206911);

enum class Ioctl : std::uint32_t {
  fioclex = ioc(kIocVoid, 'f', 1, 0),
  fionclex = ioc(kIocVoid, 'f', 2, 0),
  fioseekdata = ioc(kIocIn | kIocOut, 'f', 97, 8),
  fioseekhole = ioc(kIocIn | kIocOut, 'f', 98, 8),
  fionspace = ioc(kIocOut, 'f', 118, 4),
  fionwrite = ioc(kIocOut, 'f', 119, 4),
  fiodgname = ioc(kIocIn, 'f', 120, sizeof(FiodgnameArg)),
  fiodtype = ioc(kIocOut, 'f', 122, 4),
  fiogetown = ioc(kIocOut, 'f', 123, 4),
  fiosetown = ioc(kIocIn, 'f', 124, 4),
  fioasync = ioc(kIocIn, 'f', 125, 4),
  fionbio = ioc(kIocIn, 'f', 126, 4),
  fionread = ioc(kIocOut, 'f', 127, 4),

  siocatmark = ioc(kIocOut, 's', 7, 4),
  siocspgrp = ioc(kIocIn, 's', 8, 4),
  siocgpgrp = ioc(kIocOut, 's', 9, 4),

  tiocexcl = ioc(kIocVoid, 't', 13, 0),
  tiocnxcl = ioc(kIocVoid, 't', 14, 0),
  tiocgptn = ioc(kIocOut, 't', 15, 4),
  tiocflush = ioc(kIocIn, 't', 16, 4),
  tiocgeta = ioc(kIocOut, 't', 19, sizeof(Termios)),
  tiocseta = ioc(kIocIn, 't', 20, sizeof(Termios)),
  tiocsetaw = ioc(kIocIn, 't', 21, sizeof(Termios)),
  tiocsetaf = ioc(kIocIn, 't', 22, sizeof(Termios)),
  tiocgetd = ioc(kIocOut, 't', 26, 4),
  tiocsetd = ioc(kIocIn, 't', 27, 4),
  tiocptmaster = ioc(kIocVoid, 't', 28, 0),
  tiocgdrainwait = ioc(kIocOut, 't', 86, 4),
  tiocsdrainwait = ioc(kIocIn, 't', 87, 4),
  tiocdrain = ioc(kIocVoid, 't', 94, 0),
  tiocsig = ioc(kIocVoid, 't', 95, 4),  // the argument is the signal itself
  tiocsctty = ioc(kIocVoid, 't', 97, 0),
  tiocgsid = ioc(kIocOut, 't', 99, 4),
  tiocstat = ioc(kIocVoid, 't', 101, 0),
  tiocswinsz = ioc(kIocIn, 't', 103, sizeof(Winsize)),
  tiocgwinsz = ioc(kIocOut, 't', 104, sizeof(Winsize)),
  tiocmget = ioc(kIocOut, 't', 106, 4),
  tiocmbic = ioc(kIocIn, 't', 107, 4),
  tiocmbis = ioc(kIocIn, 't', 108, 4),
  tiocmset = ioc(kIocIn, 't', 109, 4),
  tiocstart = ioc(kIocVoid, 't', 110, 0),
  tiocstop = ioc(kIocVoid, 't', 111, 0),
  tiocpkt = ioc(kIocIn, 't', 112, 4),
  tiocnotty = ioc(kIocVoid, 't', 113, 0),
  tiocsti = ioc(kIocIn, 't', 114, 1),
  tiocoutq = ioc(kIocOut, 't', 115, 4),
  tiocspgrp = ioc(kIocIn, 't', 118, 4),
  tiocgpgrp = ioc(kIocOut, 't', 119, 4),
  tioccdtr = ioc(kIocVoid, 't', 120, 0),
  tiocsdtr = ioc(kIocVoid, 't', 121, 0),
  tioccbrk = ioc(kIocVoid, 't', 122, 0),
  tiocsbrk = ioc(kIocVoid, 't', 123, 0),
};
static_assert(static_cast<std::uint32_t>(Ioctl::tiocgeta) == 0x402c7413);
static_assert(static_cast<std::uint32_t>(Ioctl::tiocsetaf) == 0x802c7416);
static_assert(static_cast<std::uint32_t>(Ioctl::tiocgwinsz) == 0x40087468);
static_assert(static_cast<std::uint32_t>(Ioctl::fiodgname) == 0x80106678);
static_assert(static_cast<std::uint32_t>(Ioctl::tiocptmaster) == 0x2000741c);
static_assert(static_cast<std::uint32_t>(Ioctl::tiocsig) == 0x2004745f);

// FIODTYPE
inline constexpr std::int32_t kDeviceDisk = 2, kDeviceTty = 4;
// TIOCFLUSH
inline constexpr std::int32_t kFlushRead = 1, kFlushWrite = 2;

}  // namespace sudrun::abi::bsd::guest

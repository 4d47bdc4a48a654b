// Terminal attributes between FreeBSD and Linux.
#include <asm/termbits.h>

#include <catch2/catch.hpp>
#include <random>

#include "abi/bsd/ioctl_layout.hpp"
#include "abi/bsd/termios.hpp"

using namespace sudrun::abi::bsd;

namespace {

// FreeBSD's numbers, from sys/sys/_termios.h.
constexpr std::uint32_t kIxoff = 0x400, kIcrnl = 0x100, kIxon = 0x200, kImaxbel = 0x2000;
constexpr std::uint32_t kOpost = 0x1, kOnlcr = 0x2, kTab3 = 0x4, kOnoeot = 0x8;
constexpr std::uint32_t kCignore = 0x1, kCs7 = 0x200, kCs8 = 0x300, kCread = 0x800, kHupcl = 0x4000,
                        kCrtscts = 0x30000;
constexpr std::uint32_t kEcho = 0x8, kEchoe = 0x2, kIsig = 0x80, kIcanon = 0x100, kAltwerase = 0x200,
                        kIexten = 0x400;
constexpr std::uint32_t kTostop = 0x400000, kNoflsh = 0x80000000;
constexpr unsigned kVeof = 0, kVerase = 3, kVerase2 = 7, kVintr = 8, kVdsusp = 11, kVmin = 16, kVtime = 17,
                   kVstatus = 18;

NativeTermios cooked() {
  NativeTermios t;
  t.c_iflag = ICRNL | IXON | IUTF8;
  t.c_oflag = OPOST | ONLCR;
  t.c_cflag = CS8 | CREAD | HUPCL | B38400;
  t.c_lflag = ISIG | ICANON | IEXTEN | ECHO | ECHOE;
  t.c_cc[VINTR] = 3;
  t.c_cc[VEOF] = 4;
  t.c_cc[VERASE] = 0x7f;
  t.c_cc[VMIN] = 1;
  t.c_ispeed = t.c_ospeed = 38400;
  return t;
}

}  // namespace

TEST_CASE("a cooked terminal reads as FreeBSD would describe it") {
  const guest::Termios t = termios_to_guest(cooked());
  CHECK(t.c_iflag == (kIcrnl | kIxon | 0x4000));
  CHECK(t.c_oflag == (kOpost | kOnlcr));
  CHECK(t.c_cflag == (kCs8 | kCread | kHupcl));
  CHECK(t.c_lflag == (kIsig | kIcanon | kIexten | kEcho | kEchoe));
  CHECK(t.c_cc[kVintr] == 3);
  CHECK(t.c_cc[kVeof] == 4);
  CHECK(t.c_cc[kVerase] == 0x7f);
  CHECK(t.c_cc[kVmin] == 1);
  CHECK(t.c_cc[kVtime] == 0);
  CHECK(t.c_ispeed == 38400);
  CHECK(t.c_ospeed == 38400);
}

TEST_CASE("characters Linux lacks or has disabled read as disabled") {
  NativeTermios native = cooked();
  native.c_cc[VEOF] = 0;
  const guest::Termios t = termios_to_guest(native);
  CHECK(t.c_cc[kVeof] == 0xff);
  CHECK(t.c_cc[kVerase2] == 0xff);
  CHECK(t.c_cc[kVdsusp] == 0xff);
  CHECK(t.c_cc[kVstatus] == 0xff);
  CHECK(termios_to_native(t, native).c_cc[VEOF] == 0);
}

TEST_CASE("VMIN and VTIME are numbers, 0 and 255 included") {
  NativeTermios native = cooked();
  native.c_cc[VMIN] = 255;
  native.c_cc[VTIME] = 0;
  guest::Termios t = termios_to_guest(native);
  CHECK(t.c_cc[kVmin] == 255);
  CHECK(t.c_cc[kVtime] == 0);
  t.c_cc[kVtime] = 255;
  CHECK(termios_to_native(t, native).c_cc[VMIN] == 255);
  CHECK(termios_to_native(t, native).c_cc[VTIME] == 255);
}

TEST_CASE("raw mode clears what it should and keeps what FreeBSD cannot express") {
  NativeTermios current = cooked();
  current.c_oflag |= OFILL;
  current.c_cflag |= CMSPAR;
  current.c_line = 2;
  current.c_cc[VSWTC] = 9;
  guest::Termios t = termios_to_guest(current);
  t.c_iflag &= ~(kIcrnl | kIxon);
  t.c_oflag &= ~kOpost;
  t.c_lflag &= ~(kEcho | kIcanon | kIsig | kIexten);
  t.c_cflag = (t.c_cflag & ~kCs8) | kCs7;
  const NativeTermios raw = termios_to_native(t, current);
  CHECK(raw.c_iflag == IUTF8);
  CHECK(raw.c_oflag == (ONLCR | OFILL));
  CHECK(raw.c_lflag == ECHOE);
  CHECK((raw.c_cflag & CSIZE) == CS7);
  CHECK((raw.c_cflag & CMSPAR) != 0);
  CHECK(raw.c_line == 2);
  CHECK(raw.c_cc[VSWTC] == 9);
}

TEST_CASE("flags that are fields or pairs of bits convert as a whole") {
  guest::Termios t = termios_to_guest(cooked());
  t.c_cflag |= kCrtscts;
  t.c_oflag |= kTab3;
  t.c_iflag |= kIxoff | kImaxbel;
  t.c_lflag |= kTostop | kNoflsh;
  const NativeTermios native = termios_to_native(t, cooked());
  CHECK((native.c_cflag & CRTSCTS) != 0);
  CHECK((native.c_oflag & TABDLY) == TAB3);
  CHECK((native.c_iflag & (IXOFF | IMAXBEL)) == (IXOFF | IMAXBEL));
  CHECK((native.c_lflag & (TOSTOP | NOFLSH)) == (TOSTOP | NOFLSH));
  CHECK(termios_to_guest(native).c_cflag == t.c_cflag);
  CHECK(termios_to_guest(native).c_oflag == t.c_oflag);
}

TEST_CASE("standard speeds use their codes and others are spelled out") {
  guest::Termios t = termios_to_guest(cooked());
  t.c_ispeed = t.c_ospeed = 115200;
  NativeTermios native = termios_to_native(t, cooked());
  CHECK((native.c_cflag & CBAUD) == B115200);
  CHECK((native.c_cflag & CIBAUD) == 0);
  t.c_ispeed = t.c_ospeed = 76800;
  native = termios_to_native(t, cooked());
  CHECK((native.c_cflag & CBAUD) == BOTHER);
  CHECK(native.c_ospeed == 76800);
  t.c_ispeed = 1200;
  native = termios_to_native(t, cooked());
  CHECK((native.c_cflag & CIBAUD) == static_cast<std::uint32_t>(B1200) << IBSHIFT);
  t.c_ispeed = 0;  // as the output speed
  CHECK(termios_to_native(t, cooked()).c_ispeed == 76800);
}

TEST_CASE("CIGNORE leaves control flags and speeds alone") {
  guest::Termios t = termios_to_guest(cooked());
  t.c_cflag = kCignore;
  t.c_ospeed = 9600;
  const NativeTermios native = termios_to_native(t, cooked());
  CHECK(native.c_cflag == cooked().c_cflag);
  CHECK(native.c_ospeed == 38400);
}

TEST_CASE("flags Linux lacks are dropped without harm") {
  guest::Termios t = termios_to_guest(cooked());
  t.c_oflag |= kOnoeot;
  t.c_lflag |= kAltwerase;
  const NativeTermios native = termios_to_native(t, cooked());
  CHECK(native.c_oflag == cooked().c_oflag);
  CHECK(native.c_lflag == cooked().c_lflag);
}

TEST_CASE("what was read can be written back unchanged") {
  std::mt19937 random(3);
  for (int round = 0; round < 5000; ++round) {
    NativeTermios native;
    native.c_iflag = static_cast<std::uint32_t>(random());
    native.c_oflag = static_cast<std::uint32_t>(random()) & ~std::uint32_t{TABDLY};
    native.c_cflag = static_cast<std::uint32_t>(random()) & ~std::uint32_t{CBAUD | CIBAUD};
    native.c_lflag = static_cast<std::uint32_t>(random());
    for (auto& c : native.c_cc) c = static_cast<std::uint8_t>(random() % 255);
    native.c_ispeed = native.c_ospeed = 9600;
    native.c_cflag |= B9600;
    const NativeTermios back = termios_to_native(termios_to_guest(native), native);
    CHECK(back.c_iflag == native.c_iflag);
    CHECK(back.c_oflag == native.c_oflag);
    CHECK(back.c_cflag == native.c_cflag);
    CHECK(back.c_lflag == native.c_lflag);
    CHECK(back.c_cc == native.c_cc);
  }
}

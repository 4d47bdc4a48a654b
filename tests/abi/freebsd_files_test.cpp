// Conversions of file metadata between Linux and FreeBSD.
#include <sys/sysmacros.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "abi/bsd/fcntl_layout.hpp"
#include "abi/bsd/mountinfo.hpp"
#include "abi/bsd/stat_convert.hpp"
#include "abi/bsd/stat_layout.hpp"
#include "abi/builtin.hpp"

using namespace sudrun;
using namespace sudrun::abi;
using namespace sudrun::abi::bsd::fs;

namespace {

// FreeBSD 15 (and 14) sys/sys/stat.h, sys/sys/dirent.h.

/// struct stat since FreeBSD 12 (64-bit inode and device numbers)
struct Stat {
  std::uint64_t st_dev;
  std::uint64_t st_ino;
  std::uint64_t st_nlink;
  std::uint16_t st_mode;
  std::int16_t st_padding0;
  std::uint32_t st_uid;
  std::uint32_t st_gid;
  std::int32_t st_padding1;
  std::uint64_t st_rdev;
  Timespec st_atim;
  Timespec st_mtim;
  Timespec st_ctim;
  Timespec st_birthtim;
  std::int64_t st_size;
  std::int64_t st_blocks;
  std::int32_t st_blksize;
  std::uint32_t st_flags;
  std::uint64_t st_gen;
  std::uint64_t st_spare[10];
};
static_assert(sizeof(Stat) == 224);
static_assert(offsetof(Stat, st_mode) == 24 && offsetof(Stat, st_uid) == 28 && offsetof(Stat, st_rdev) == 40);
static_assert(offsetof(Stat, st_atim) == 48 && offsetof(Stat, st_birthtim) == 96);
static_assert(offsetof(Stat, st_size) == 112 && offsetof(Stat, st_blksize) == 128);
static_assert(offsetof(Stat, st_gen) == 136);

/// struct freebsd11_stat
struct Freebsd11Stat {
  std::uint32_t st_dev;
  std::uint32_t st_ino;
  std::uint16_t st_mode;
  std::uint16_t st_nlink;
  std::uint32_t st_uid;
  std::uint32_t st_gid;
  std::uint32_t st_rdev;
  Timespec st_atim;
  Timespec st_mtim;
  Timespec st_ctim;
  std::int64_t st_size;
  std::int64_t st_blocks;
  std::int32_t st_blksize;
  std::uint32_t st_flags;
  std::uint32_t st_gen;
  std::int32_t st_lspare;
  Timespec st_birthtim;
};
static_assert(sizeof(Freebsd11Stat) == 120);
static_assert(offsetof(Freebsd11Stat, st_rdev) == 20 && offsetof(Freebsd11Stat, st_atim) == 24);
static_assert(offsetof(Freebsd11Stat, st_size) == 72 && offsetof(Freebsd11Stat, st_birthtim) == 104);

/// struct dirent up to its name. The name is NUL-padded so that records are multiples of 8.
struct DirentHeader {
  std::uint64_t d_fileno;
  std::int64_t d_off;
  std::uint16_t d_reclen;
  std::uint8_t d_type;
  std::uint8_t d_pad0;
  std::uint16_t d_namlen;
  std::uint16_t d_pad1;
};
static_assert(sizeof(DirentHeader) == 24 && offsetof(DirentHeader, d_namlen) == 20);

/// struct freebsd11_dirent up to its name; records are multiples of 4.
struct Freebsd11DirentHeader {
  std::uint32_t d_fileno;
  std::uint16_t d_reclen;
  std::uint8_t d_type;
  std::uint8_t d_namlen;
};
static_assert(sizeof(Freebsd11DirentHeader) == 8);

const abi::Table& freebsd() {
  static const abi::Table table = abi::builtin_table("freebsd-amd64").value();
  return table;
}
const DirentForm& current_dirent() {
  static const DirentForm form(freebsd(), "dirent", kDirentFields);
  return form;
}
const DirentForm& old_dirent() {
  static const DirentForm form(freebsd(), "freebsd11_dirent", kDirentFields);
  return form;
}
template <typename T>
T stat_as(std::string_view name, const struct statx& native) {
  const StatForm form(freebsd(), name, kStatFields);
  REQUIRE(form.size() == sizeof(T));
  std::array<std::byte, sizeof(T)> bytes{};
  fill_stat(form, native, 0, bytes);
  T stat;
  std::memcpy(&stat, bytes.data(), sizeof stat);
  return stat;
}

}  // namespace

namespace {

/// Appends one entry as getdents64 would return it.
void add_native(std::vector<std::byte>& run, std::uint64_t inode, std::int64_t next, std::uint8_t type,
                const std::string& name) {
  const std::size_t length = (kNativeDirentName + name.size() + 1 + 7) & ~std::size_t{7};
  NativeDirentHeader header{};
  header.d_ino = inode;
  header.d_off = next;
  header.d_reclen = static_cast<std::uint16_t>(length);
  header.d_type = type;
  const std::size_t at = run.size();
  run.resize(at + length, std::byte{0xee});
  std::memcpy(run.data() + at, &header, kNativeDirentName);
  std::memcpy(run.data() + at + kNativeDirentName, name.c_str(), name.size() + 1);
}

std::string name_at(std::span<const std::byte> record, std::size_t header) {
  return reinterpret_cast<const char*>(record.data()) + header;
}

}  // namespace

TEST_CASE("device numbers survive the way through FreeBSD's encoding") {
  const auto major = GENERATE(0u, 8u, 136u, 255u, 256u, 0xfffu, 0xffffffu);
  const auto minor = GENERATE(0u, 1u, 255u, 256u, 0xfffffu, 0xffffffffu);
  const std::uint64_t device = make_device(major, minor);
  CHECK(device_major(device) == major);
  CHECK(device_minor(device) == minor);
}

TEST_CASE("small device numbers keep their historic 32-bit form") {
  CHECK(make_device(8, 3) == 0x803);
  CHECK(native_device(make_device(8, 300)) == makedev(8, 300));
  CHECK(native_device(make_device(1, 3)) == makedev(1, 3));
}

TEST_CASE("stat carries every native attribute over") {
  struct statx native {};
  native.stx_mask = STATX_BASIC_STATS | STATX_BTIME;
  native.stx_dev_major = 8;
  native.stx_dev_minor = 1;
  native.stx_ino = 0x1'0000'0007;
  native.stx_nlink = 70000;
  native.stx_mode = S_IFCHR | 04751;
  native.stx_uid = 1000;
  native.stx_gid = 2000;
  native.stx_rdev_major = 136;
  native.stx_rdev_minor = 5;
  native.stx_size = 0x1'2345'6789;
  native.stx_blocks = 99;
  native.stx_blksize = 4096;
  native.stx_atime = {1, 11, {}};
  native.stx_mtime = {-2, 22, {}};
  native.stx_ctime = {3, 33, {}};
  native.stx_btime = {4, 44, {}};

  const Stat stat = stat_as<Stat>("stat", native);
  CHECK(stat.st_dev == make_device(8, 1));
  CHECK(stat.st_ino == 0x1'0000'0007);
  CHECK(stat.st_nlink == 70000);
  CHECK(stat.st_mode == (S_IFCHR | 04751));
  CHECK(stat.st_uid == 1000);
  CHECK(stat.st_gid == 2000);
  CHECK(stat.st_rdev == make_device(136, 5));
  CHECK(stat.st_size == 0x1'2345'6789);
  CHECK(stat.st_blocks == 99);
  CHECK(stat.st_blksize == 4096);
  CHECK(stat.st_atim.tv_nsec == 11);
  CHECK(stat.st_mtim.tv_sec == -2);
  CHECK(stat.st_ctim.tv_sec == 3);
  CHECK(stat.st_birthtim.tv_sec == 4);
  CHECK(stat.st_birthtim.tv_nsec == 44);
  CHECK(stat.st_flags == 0);
  CHECK(stat.st_gen == 0);

  SECTION("the FreeBSD 11 form cuts numbers and holds the link count at its maximum") {
    const Freebsd11Stat old = stat_as<Freebsd11Stat>("freebsd11_stat", native);
    CHECK(old.st_ino == 7);
    CHECK(old.st_nlink == 65535);
    CHECK(old.st_mode == stat.st_mode);
    CHECK(old.st_size == stat.st_size);
    CHECK(old.st_birthtim.tv_nsec == 44);
  }
  SECTION("an unknown creation time is -1") {
    native.stx_mask = STATX_BASIC_STATS;
    CHECK(stat_as<Stat>("stat", native).st_birthtim.tv_sec == -1);
    CHECK(stat_as<Stat>("stat", native).st_birthtim.tv_nsec == 0);
  }
}

TEST_CASE("directory entries become FreeBSD records") {
  std::vector<std::byte> native;
  add_native(native, 0x1'0000'0001, 100, 4, ".");
  add_native(native, 2, 200, 8, "seven77");  // 24 + 7 + NUL: exactly 32
  add_native(native, 3, 300, 10, "eight888");
  std::array<std::byte, 512> guest;
  guest.fill(std::byte{0x55});

  SECTION("in the current format") {
    const DirentRun run = convert_dirents(native, guest, current_dirent());
    CHECK(run.consumed == native.size());
    CHECK(run.next == 300);
    REQUIRE(run.produced == 32 + 32 + 40);

    DirentHeader header;
    std::memcpy(&header, guest.data(), sizeof(header));
    CHECK(header.d_fileno == 0x1'0000'0001);
    CHECK(header.d_off == 100);
    CHECK(header.d_reclen == 32);
    CHECK(header.d_type == 4);
    CHECK(header.d_namlen == 1);
    CHECK(name_at(guest, sizeof(header)) == ".");
    for (std::size_t i = sizeof(header) + 1; i < 32; ++i) CHECK(guest[i] == std::byte{0});

    std::memcpy(&header, guest.data() + 64, sizeof(header));
    CHECK(header.d_reclen == 40);
    CHECK(header.d_type == 10);
    CHECK(name_at(std::span(guest).subspan(64), sizeof(header)) == "eight888");
    CHECK(guest[run.produced] == std::byte{0x55});
  }
  SECTION("in the format of FreeBSD 11") {
    const DirentRun run = convert_dirents(native, guest, old_dirent());
    CHECK(run.consumed == native.size());
    REQUIRE(run.produced == 12 + 16 + 20);
    Freebsd11DirentHeader header;
    std::memcpy(&header, guest.data() + 12, sizeof(header));
    CHECK(header.d_fileno == 2);
    CHECK(header.d_reclen == 16);
    CHECK(header.d_type == 8);
    CHECK(header.d_namlen == 7);
    CHECK(name_at(std::span(guest).subspan(12), sizeof(header)) == "seven77");
  }
  SECTION("and stop before the first that does not fit, saying where to go on") {
    const DirentRun run = convert_dirents(native, std::span(guest).first(71), current_dirent());
    CHECK(run.produced == 64);
    CHECK(run.next == 200);
    CHECK(run.consumed < native.size());
    const DirentRun rest = convert_dirents(std::span(native).subspan(run.consumed), guest, current_dirent());
    CHECK(rest.consumed + run.consumed == native.size());
    CHECK(name_at(guest, sizeof(DirentHeader)) == "eight888");
  }
  SECTION("and none at all is told apart") {
    const DirentRun run = convert_dirents(native, std::span(guest).first(31), current_dirent());
    CHECK(run.produced == 0);
    CHECK(run.consumed == 0);
  }
}

TEST_CASE("a file number of zero does not hide an entry") {
  std::vector<std::byte> native;
  add_native(native, 0, 1, 8, "zero");
  add_native(native, 0x5'0000'0000, 2, 8, "high");  // zero in 32 bits
  std::array<std::byte, 128> guest;
  DirentHeader header;
  convert_dirents(native, guest, current_dirent());
  std::memcpy(&header, guest.data(), sizeof(header));
  CHECK(header.d_fileno == 1);
  const DirentRun run = convert_dirents(native, guest, old_dirent());
  Freebsd11DirentHeader old;
  std::memcpy(&old, guest.data() + run.produced / 2, sizeof(old));
  CHECK(old.d_fileno == 1);
}

TEST_CASE("the longest name fits both formats") {
  std::vector<std::byte> native;
  add_native(native, 9, 1, 8, std::string(255, 'x'));
  std::array<std::byte, 512> guest;
  CHECK(convert_dirents(native, guest, current_dirent()).produced == 280);
  CHECK(convert_dirents(native, guest, old_dirent()).produced == 264);
}

TEST_CASE("damaged native entries end the run instead of leaving the buffer") {
  std::vector<std::byte> native;
  add_native(native, 1, 1, 8, "good");
  const std::size_t good = native.size();
  add_native(native, 2, 2, 8, "bad");
  const std::uint16_t length = GENERATE(std::uint16_t{0}, std::uint16_t{19}, std::uint16_t{5000});
  std::memcpy(native.data() + good + 16, &length, sizeof(length));
  std::array<std::byte, 256> guest;
  CHECK(convert_dirents(native, guest, current_dirent()).consumed == good);
}

TEST_CASE("file times keep their special values apart") {
  CHECK(to_native_time(Timespec{5, kUtimeNow}).tv_nsec == UTIME_NOW);
  CHECK(to_native_time(Timespec{5, kUtimeOmit}).tv_nsec == UTIME_OMIT);
  CHECK(to_native_time(Timespec{5, 999'999'999}).tv_nsec == 999'999'999);
  CHECK(to_native_time(Timespec{5, 6}).tv_sec == 5);
  const auto invalid = GENERATE(std::int64_t{UTIME_NOW}, std::int64_t{UTIME_OMIT}, std::int64_t{-3},
                                std::int64_t{1'000'000'000});
  CHECK(to_native_time(Timespec{5, invalid}).tv_nsec == -1);
}

TEST_CASE("microseconds out of range are refused") {
  CHECK(to_native_time(Timeval{1, 999'999})->tv_nsec == 999'999'000);
  CHECK_FALSE(to_native_time(Timeval{1, 1'000'000}).has_value());
  CHECK_FALSE(to_native_time(Timeval{1, -1}).has_value());
}

TEST_CASE("path variables depend on the kind of file") {
  CHECK(path_variable(PathVariable::name_max, S_IFDIR, 4096, false) == 255);
  CHECK(path_variable(PathVariable::path_max, S_IFREG, 4096, false) == 1024);
  CHECK(path_variable(PathVariable::pipe_buf, S_IFIFO, 4096, false) == 512);
  CHECK_FALSE(path_variable(PathVariable::pipe_buf, S_IFREG, 4096, false).has_value());
  CHECK(path_variable(PathVariable::max_canon, S_IFCHR, 1024, true) == 255);
  CHECK_FALSE(path_variable(PathVariable::max_canon, S_IFCHR, 1024, false).has_value());
  CHECK(path_variable(PathVariable::rec_max_xfer_size, S_IFREG, 4096, false) == -1);
  CHECK_FALSE(path_variable(static_cast<PathVariable>(1000), S_IFREG, 4096, false).has_value());
}

TEST_CASE("shared memory names become file names") {
  std::array<char, 32> out{};
  const auto name = [&](std::string_view path) { return shm_file_name(path, out); };
  CHECK(name("/simple") == 6);
  CHECK(std::string(out.data()) == "simple");
  CHECK(name("/a/b%c").has_value());
  CHECK(std::string(out.data()) == "a%2fb%25c");
  CHECK(name("/..").has_value());
  CHECK(std::string(out.data()) == "%2e%2e");
  CHECK(name("relative") == 0);
  CHECK(name("/") == 0);
  CHECK(name("") == 0);
  CHECK_FALSE(name("/" + std::string(32, 'x')).has_value());
  CHECK(name("/" + std::string(31, 'x')) == 31);
}

TEST_CASE("mount table lines are taken apart") {
  const auto line = parse_mount_line(
      "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue");
  REQUIRE(line.has_value());
  CHECK(line->id == 36);
  CHECK(line->fs_type == "ext3");
  CHECK(line->source == "/dev/root");
  std::array<char, 16> point{};
  CHECK(unescape_mount(line->mount_point, point) == 6);
  CHECK(std::string(point.data()) == "/mnt 2");

  SECTION("without optional fields") {
    CHECK(parse_mount_line("1 0 0:5 / / rw - tmpfs none rw")->fs_type == "tmpfs");
  }
  SECTION("cut short") {
    CHECK_FALSE(parse_mount_line("1 0 0:5 / /").has_value());
    CHECK_FALSE(parse_mount_line("").has_value());
    CHECK_FALSE(parse_mount_line("x 0 0:5 / / rw - tmpfs none rw").has_value());
  }
}

TEST_CASE("mount names are cut to their field") {
  std::array<char, 5> small{};
  CHECK(unescape_mount("/long/name", small) == 4);
  CHECK(std::string(small.data()) == "/lon");
  CHECK(unescape_mount("\\134\\09x", small) == 4);  // only three octal digits are an escape
  CHECK(std::string(small.data()) == "\\\\09");
}

TEST_CASE("statfs keeps sizes and shortens names for FreeBSD 11") {
  struct statfs native {};
  native.f_bsize = 65536;
  native.f_frsize = 4096;
  native.f_blocks = 1000;
  native.f_bfree = 500;
  native.f_bavail = 400;
  native.f_files = 50;
  native.f_ffree = 20;
  native.f_namelen = 255;
  Statfs statfs = to_guest_statfs(native, 0x1);
  CHECK(statfs.f_version == 0x20140518);
  CHECK(statfs.f_bsize == 4096);
  CHECK(statfs.f_iosize == 65536);
  CHECK(statfs.f_bavail == 400);
  CHECK(statfs.f_flags == 1);
  CHECK(statfs.f_namemax == 255);
  copy_text(statfs.f_fstypename, guest_fs_type("fuse.sshfs"));
  copy_text(statfs.f_mntonname, std::string(200, 'm'));
  copy_text(statfs.f_mntfromname, "/dev/sda1");

  const Statfs2003 old = to_statfs_2003(statfs);
  CHECK(old.f_version == 0x20030518);
  CHECK(old.f_blocks == 1000);
  CHECK(std::string(old.f_fstypename) == "fusefs");
  CHECK(std::string(old.f_mntonname) == std::string(87, 'm'));
  CHECK(std::string(old.f_mntfromname) == "/dev/sda1");
}

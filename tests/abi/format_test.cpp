// Lines of a trace.
#include "abi/format.hpp"

#include <catch2/catch.hpp>

#include "tests/abi/fake_host.hpp"
#include "tests/abi/small_tables.hpp"

using namespace sudrun::abi;
using sudrun::test::FakeHost;
using sudrun::test::SmallTable;

namespace {

struct Fixture {
  SmallTable table;
  FakeHost host;

  static Frame frame(Word number, std::initializer_list<Word> args) {
    Frame frame;
    frame.number = number;
    std::copy(args.begin(), args.end(), frame.args.begin());
    return frame;
  }
  std::string line(Word number, std::initializer_list<Word> args, const Result& result,
                   std::size_t room = 1024) {
    std::string text(room, '#');
    const Frame made = frame(number, args);
    text.resize(format_exit(text, {*table, table->entry(number), made, host}, result));
    return text;
  }
  std::string entry_line(Word number, std::initializer_list<Word> args) {
    std::string text(1024, '#');
    const Frame made = frame(number, args);
    text.resize(format_entry(text, {*table, table->entry(number), made, host}));
    return text;
  }
};

constexpr Word kCwd = 0xffff'ffff'ffff'ff9c;

}  // namespace

TEST_CASE_METHOD(Fixture, "a line shows names, strings, flags and the result") {
  const Word path = host.string("/etc/passwd");
  CHECK(line(499, {kCwd, path, 0x100000, 0}, Result::ok(3)) ==
        R"(openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC, 0) = 3)");
  CHECK(line(499, {5, path, 0x201, 0644}, Result::ok(4)) ==
        R"(openat(5, "/etc/passwd", O_WRONLY|O_CREAT, 0644) = 4)");
}

TEST_CASE_METHOD(Fixture, "bits without a name are shown in hex") {
  CHECK(line(5, {host.string("x"), 0x100042, 0}, Result::ok(3)) ==
        R"(open("x", O_RDWR|O_CLOEXEC|0x40, 0) = 3)");
}

TEST_CASE_METHOD(Fixture, "an error shows the guest's name and the native description") {
  CHECK(line(5, {host.string("nope"), 0, 0}, Result::fail(ENOENT)) ==
        R"(open("nope", O_RDONLY, 0) = -1 ENOENT (No such file or directory))");
  CHECK(line(300, {0, 0, 0}, Result::fail(ENODATA)) == "move(0, 0, 0) = -1 ENOATTR (No data available)");
  CHECK(line(300, {0, 0, 0}, Result::fail(GuestErrno{88})) == "move(0, 0, 0) = -1 EDOOFUS");
  CHECK(line(300, {0, 0, 0}, Result::fail(GuestErrno{99})) == "move(0, 0, 0) = -1 errno 99");
}

TEST_CASE_METHOD(Fixture, "results without a value are a question mark") {
  CHECK(line(1, {3}, Result::thread_exit()) == "exit(3) = ?");
  CHECK(line(1, {3}, Result::untouched()) == "exit(3) = ?");
}

TEST_CASE_METHOD(Fixture, "two results are shown as two") {
  CHECK(line(300, {1, 2, 3}, Result::ok2(3, 4)) == "move(1, 2, 3) = 3, 4");
}

TEST_CASE_METHOD(Fixture, "buffers are quoted, escaped and cut") {
  const Word buffer = host.allocate(128);
  host.store_string(buffer,
                    "a\"b\\c\n\t\x01z\x01"
                    "7\xff");
  CHECK(line(4, {1, buffer, 12}, Result::ok(12)) == R"(write(1, "a\"b\\c\n\t\1z\0017\377", 12) = 12)");
  host.store_string(buffer, std::string(100, 'x'));
  CHECK(line(4, {1, buffer, 100}, Result::ok(100)) ==
        "write(1, \"" + std::string(32, 'x') + "\"..., 100) = 100");
  CHECK(line(4, {1, buffer, 32}, Result::ok(32)) == "write(1, \"" + std::string(32, 'x') + "\", 32) = 32");
}

TEST_CASE_METHOD(Fixture,
                 "an output buffer shows what was filled, and nothing before the call or after a failure") {
  const Word buffer = host.string("hello, world");
  CHECK(line(3, {0, buffer, 512}, Result::ok(5)) == R"(read(0, "hello", 512) = 5)");
  CHECK(line(3, {0, buffer, 512}, Result::ok(0)) == R"(read(0, "", 512) = 0)");
  CHECK(line(3, {0, 0x10000, 512}, Result::fail(EBADF)) ==
        "read(0, 0x10000, 512) = -1 EBADF (Bad file descriptor)");
  CHECK(entry_line(3, {0, 0x10000, 512}) == "read(0, 0x10000, 512 <unfinished ...>");
}

TEST_CASE_METHOD(Fixture, "an entry line shows input arguments") {
  CHECK(entry_line(5, {host.string("f"), 2, 0}) == R"(open("f", O_RDWR, 0 <unfinished ...>)");
  CHECK(entry_line(243, {}) == "jail( <unfinished ...>");
}

TEST_CASE_METHOD(Fixture, "pointers that cannot be read are shown as addresses") {
  CHECK(line(5, {0xdead000, 0, 0}, Result::fail(EFAULT)) ==
        "open(0xdead000, O_RDONLY, 0) = -1 EFAULT (Bad address)");
  CHECK(line(5, {0, 0, 0}, Result::fail(EFAULT)) == "open(NULL, O_RDONLY, 0) = -1 EFAULT (Bad address)");
  CHECK(line(240, {0xdead000, 0}, Result::ok(0)) == "nanosleep(0xdead000, NULL) = 0");
  CHECK(line(4, {1, 0xdead000, 4}, Result::fail(EFAULT)) ==
        "write(1, 0xdead000, 4) = -1 EFAULT (Bad address)");
  CHECK(line(59, {0xdead000, 0xdead000, 0}, Result::fail(EFAULT)) ==
        "execve(0xdead000, 0xdead000, NULL) = -1 EFAULT (Bad address)");
}

TEST_CASE_METHOD(Fixture, "structures show their fields") {
  const Word time = host.allocate(16);
  host.store<std::int64_t>(time, 1);
  host.store<std::int64_t>(time + 8, -5);
  CHECK(line(240, {time, 0}, Result::ok(0)) == "nanosleep({tv_sec=1, tv_nsec=-5}, NULL) = 0");
  CHECK(line(241, {4, time}, Result::ok(0)) == "getclock(CLOCK_MONOTONIC, {tv_sec=1, tv_nsec=-5}) = 0");
  CHECK(line(241, {77, time}, Result::fail(EINVAL)) == "getclock(77, 0x" + [&] {
    char digits[20];
    std::snprintf(digits, sizeof(digits), "%llx", static_cast<unsigned long long>(time));
    return std::string(digits);
  }() + ") = -1 EINVAL (Invalid argument)");

  const Word usage = host.allocate(20);
  host.store<std::int32_t>(usage, -2);
  host.store<std::uint64_t>(usage + 4, 9);
  host.store<std::uint32_t>(usage + 12, 2);
  host.store_string(usage + 16, "ab");
  CHECK(line(118, {usage}, Result::ok(0)) ==
        R"(setusage({count=-2, time=9, events=POLLIN, name="ab", extra=0}) = 0)");
}

TEST_CASE_METHOD(Fixture, "arrays and vectors of strings are cut") {
  const Word iov = host.allocate(std::size_t{9} * 16);
  std::memset(host.at(iov, 144), 0, 144);
  CHECK(line(121, {1, iov, 1}, Result::ok(0)) == "writev(1, [{iov_base=0, iov_len=0}], 1) = 0");
  const std::string many = line(121, {1, iov, 9}, Result::ok(0));
  CHECK(many.ends_with("{iov_base=0, iov_len=0}, ...], 9) = 0"));
  const Word pair = host.allocate(8);
  host.store<std::int32_t>(pair, 3);
  host.store<std::int32_t>(pair + 4, 4);
  CHECK(line(302, {pair}, Result::ok(0)) == "pair([3, 4]) = 0");

  const Word argv = host.allocate(64);
  const Word a = host.string("a"), b = host.string("b");
  host.store(argv, std::array<Word, 3>{a, b, 0});
  CHECK(line(59, {a, argv, 0}, Result::untouched()) == R"(execve("a", ["a", "b"], NULL) = ?)");
  const Word long_argv = host.allocate(40 * sizeof(Word));
  for (Word i = 0; i < 40; ++i) host.store(long_argv + i * sizeof(Word), i < 33 ? a : 0);
  const std::string vector = line(59, {a, long_argv, 0}, Result::untouched());
  CHECK(vector.ends_with(R"("a", "a", ...], NULL) = ?)"));
  CHECK(std::count(vector.begin(), vector.end(), ',') == 34);
  host.store(argv, std::array<Word, 3>{a, 0xdead000, 0});
  CHECK(line(59, {a, argv, 0}, Result::untouched()) == R"(execve("a", ["a", 0xdead000], NULL) = ?)");
}

TEST_CASE_METHOD(Fixture, "signals are shown by name") {
  CHECK(line(37, {12, 30}, Result::ok(0)) == "kill(12, SIGUSR1) = 0");
  CHECK(line(37, {0xffff'ffff, 77}, Result::ok(0)) == "kill(-1, 77) = 0");
}

TEST_CASE_METHOD(Fixture, "modes are octal") {
  CHECK(line(60, {022}, Result::ok(077)) == "umask(022) = 077");
  CHECK(line(60, {0}, Result::ok(0)) == "umask(0) = 0");
}

TEST_CASE_METHOD(Fixture, "socket addresses are decoded") {
  const Word addr = host.allocate(28);
  host.store(addr, std::array<std::uint8_t, 8>{16, 2, 0x1f, 0x90, 127, 0, 0, 1});
  CHECK(line(98, {3, addr, 16}, Result::ok(0)) ==
        "connect(3, {sa_family=AF_INET, port=8080, addr=127.0.0.1}, 16) = 0");
  host.store(addr, std::array<std::uint8_t, 2>{9, 1});
  host.store_string(addr + 2, "/tmp/s");
  CHECK(line(98, {3, addr, 9}, Result::ok(0)) == R"(connect(3, {sa_family=AF_UNIX, path="/tmp/s"}, 9) = 0)");
  const Word length = host.store<std::uint32_t>(host.allocate(4), 9);
  CHECK(line(99, {3, addr, length}, Result::ok(4)) ==
        R"(accept(3, {sa_family=AF_UNIX, path="/tmp/s"}, [9]) = 4)");
  CHECK(line(99, {3, 0, 0}, Result::ok(4)) == "accept(3, NULL, NULL) = 4");
}

TEST_CASE_METHOD(Fixture, "a call without a row shows its number and raw arguments") {
  CHECK(line(777, {1, 2, 3, 4, 5, 6}, Result::fail(EINVAL)) ==
        "syscall#777(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -1 EINVAL (Invalid argument)");
  CHECK(line(11, {1, 2, 3, 4, 5, 6}, Result::fail(EINVAL)) ==
        "execv(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -1 EINVAL (Invalid argument)");
}

TEST_CASE_METHOD(Fixture, "a line that does not fit ends in dots") {
  CHECK(line(499, {kCwd, host.string("/etc/passwd"), 0, 0}, Result::ok(3), 20) == "openat(AT_FDCWD, ...");
  CHECK(line(3, {0, 0, 0}, Result::ok(0), 2).size() == 2);
  CHECK(line(3, {0, 0, 0}, Result::ok(0), 0).empty());
}

TEST_CASE_METHOD(Fixture, "long paths are cut") {
  const std::string text = line(5, {host.string(std::string(1000, 'p')), 0, 0}, Result::ok(3));
  CHECK(text == "open(\"" + std::string(256, 'p') + "\"..., O_RDONLY, 0) = 3");
}

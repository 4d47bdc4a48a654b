// From registers to a frame, and from a result back to registers.
#include "abi/convention.hpp"

#include <catch2/catch.hpp>
#include <cerrno>

#include "tests/abi/fake_host.hpp"
#include "tests/abi/small_tables.hpp"

using namespace sudrun::abi;
using sudrun::test::FakeHost;
using sudrun::test::kNativeYaml;
using sudrun::test::SmallTable;

namespace {

Registers registers(Word number) {
  Registers regs;
  regs.rax = number;
  regs.rdi = 1;
  regs.rsi = 2;
  regs.rdx = 3;
  regs.r10 = 4;
  regs.r8 = 5;
  regs.r9 = 6;
  return regs;
}

}  // namespace

TEST_CASE("number and arguments come from the convention's registers") {
  const SmallTable table;
  FakeHost host;
  const auto frame = frame_of(*table, registers(3), host);
  REQUIRE(frame);
  CHECK(frame->number == 3);
  CHECK(frame->args == std::array<Word, 8>{1, 2, 3, 4, 5, 6, 0, 0});
}

TEST_CASE("only the low half of the number register counts") {
  const SmallTable table;
  FakeHost host;
  CHECK(frame_of(*table, registers(0xdead'beef'0000'0003), host)->number == 3);
}

TEST_CASE("arguments beyond the registers come from the stack") {
  const SmallTable table;
  FakeHost host;
  Registers regs = registers(301);
  regs.rsp = host.allocate(64);
  host.store<Word>(regs.rsp + 8, 77);
  host.store<Word>(regs.rsp + 16, 88);
  const auto frame = frame_of(*table, regs, host);
  REQUIRE(frame);
  CHECK(frame->args == std::array<Word, 8>{1, 2, 3, 4, 5, 6, 77, 88});
}

TEST_CASE("an indirect call takes its number from the first argument and moves the others up") {
  const SmallTable table;
  FakeHost host;
  const Word number = GENERATE(0u, 198u);
  Registers regs = registers(number);
  regs.rdi = 301;
  regs.rsp = host.allocate(64);
  host.store<Word>(regs.rsp + 8, 77);
  host.store<Word>(regs.rsp + 16, 88);
  host.store<Word>(regs.rsp + 24, 99);
  const auto frame = frame_of(*table, regs, host);
  REQUIRE(frame);
  CHECK(frame->number == 301);
  CHECK(frame->args == std::array<Word, 8>{2, 3, 4, 5, 6, 77, 88, 99});
}

TEST_CASE("a stack that cannot be read is a fault only for calls that need it") {
  const SmallTable table;
  FakeHost host;
  Registers regs = registers(301);
  regs.rsp = 8;
  CHECK_FALSE(frame_of(*table, regs, host));
  regs.rsp = ~Word{7};
  CHECK_FALSE(frame_of(*table, regs, host));
  regs.rax = 3;
  CHECK(frame_of(*table, regs, host));
  CHECK_FALSE(frame_of(table->convention(), regs, host, 8));
  CHECK(frame_of(table->convention(), regs, host, 6));
}

TEST_CASE("success clears the carry flag and keeps the second register unless it is a result") {
  const SmallTable table;
  Registers regs = registers(3);
  regs.rflags |= kCarryFlag;
  write_result(*table, regs, Result::ok(42));
  CHECK(regs.rax == 42);
  CHECK(regs.rdx == 3);
  CHECK((regs.rflags & kCarryFlag) == 0);
  write_result(*table, regs, Result::ok2(10, 11));
  CHECK(regs.rax == 10);
  CHECK(regs.rdx == 11);
}

TEST_CASE("a system may clear the second register on success, and not on failure") {
  const SmallTable table(sudrun::test::replaced(sudrun::test::kGuestYaml, "  result2: rdx\n",
                                                "  result2: rdx\n  clears_result2: true\n"));
  Registers regs = registers(3);
  write_result(*table, regs, Result::fail(ENODATA));
  CHECK(regs.rdx == 3);
  write_result(*table, regs, Result::ok2(10, 11));
  CHECK(regs.rdx == 11);
  write_result(*table, regs, Result::ok(42));
  CHECK(regs.rax == 42);
  CHECK(regs.rdx == 0);
}

TEST_CASE("a row says what its sleeps come to") {
  sudrun::abi::Entry entry{};
  CHECK(futex_result(entry, 3).value() == 0);
  CHECK(futex_result(entry, -EAGAIN).is_ok());
  CHECK(futex_result(entry, -ETIMEDOUT).is_native_error(ETIMEDOUT));
  CHECK(futex_result(entry, -EINTR).is_native_error(EINTR));
  entry.futex_differs = 16;
  entry.futex_late = 35;
  entry.futex_fault = 22;
  const auto error = [&](int native) { return futex_result(entry, -native).value(); };
  CHECK((error(EAGAIN) == 16 && error(ETIMEDOUT) == 35 && error(EFAULT) == 22 && error(EINTR) == EINTR));
  CHECK_FALSE(futex_result(entry, -EFAULT).is_native_error(EINVAL));  // the guest's own number
  CHECK(futex_result(entry, 0).is_ok());
}

TEST_CASE("failure shows the guest's own errno and the carry flag") {
  const SmallTable table;
  Registers regs = registers(3);
  write_result(*table, regs, Result::fail(ENODATA));
  CHECK(regs.rax == 87);
  CHECK((regs.rflags & kCarryFlag) != 0);
  CHECK(regs.rdx == 3);
  write_result(*table, regs, Result::fail(GuestErrno{88}));
  CHECK(regs.rax == 88);
  CHECK((regs.rflags & kCarryFlag) != 0);
}

TEST_CASE("a system's own number for the working directory becomes Linux's where a directory is wanted") {
  const SmallTable usual;
  const SmallTable own(sudrun::test::replaced(sudrun::test::kGuestYaml, "  thread_pointer: fs\n",
                                              "  thread_pointer: fs\n  at_fdcwd: 0xfffafdcd\n"));
  CHECK(usual->convention().at_fdcwd == -100);
  CHECK(own->convention().at_fdcwd == static_cast<std::int32_t>(0xfffafdcd));
  const auto directory = [](const SmallTable& table, Word number, Word fd) {
    Frame frame;
    frame.number = number;
    frame.args = {fd, fd, fd};
    translate_directories(*table, table->entry(number), frame);
    CHECK(frame.args[1] == fd);  // a path is no directory
    return frame.args[0];
  };
  constexpr Word kOpenat = 499, kRead = 3;
  constexpr auto kCwd = static_cast<Word>(std::int64_t{-100});
  CHECK(directory(own, kOpenat, 0xfffafdcd) == kCwd);
  CHECK(directory(own, kOpenat, 0xffff'ffff'fffa'fdcd) == kCwd);
  CHECK(directory(own, kOpenat, 7) == 7);
  CHECK(static_cast<int>(directory(own, kOpenat, kCwd)) == -1);
  CHECK(directory(own, kRead, 0xfffafdcd) == 0xfffafdcd);
  CHECK(directory(usual, kOpenat, kCwd) == kCwd);
}

TEST_CASE("a negative convention shows errors as negative values and leaves the flags alone") {
  const TableModel native = parse_table(kNativeYaml, "host.yaml");
  const auto block = freeze(native, native, {});
  const Table table = Table::wrap(block).value();
  Registers regs;
  regs.rflags |= kCarryFlag;
  write_result(table, regs, Result::fail(ENOENT));
  CHECK(static_cast<std::int64_t>(regs.rax) == -ENOENT);
  write_result(table, regs, Result::ok2(1, 2));
  CHECK(regs.rax == 1);
  CHECK(regs.rdx == 0);
  CHECK((regs.rflags & kCarryFlag) != 0);
}

TEST_CASE("results without a value leave every register alone") {
  const SmallTable table;
  Registers regs = registers(3);
  write_result(*table, regs, Result::untouched());
  write_result(*table, regs, Result::thread_exit());
  CHECK(regs.rax == 3);
  CHECK(regs.rflags == 0x202);
}

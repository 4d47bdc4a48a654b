// Native rows: arguments in, results and structures out.
#include "abi/marshal.hpp"

#include <catch2/catch.hpp>

#include "abi/personality.hpp"
#include "tests/abi/fake_host.hpp"
#include "tests/abi/small_tables.hpp"

using namespace sudrun::abi;
using sudrun::test::FakeHost;
using sudrun::test::SmallTable;

namespace {

class NoPersonality final : public Personality {
 public:
  bool long_buffers = true;
  bool refuses_long_buffers() const noexcept override { return !long_buffers; }
  std::string_view name() const noexcept override { return "guest"; }
  void bind(const Table&) override {}
  StackImage stack_image(const ImageInfo&, std::string_view) const override { return {}; }
  Registers initial_registers(Word, Word, Word) const noexcept override { return {}; }
  std::span<const std::byte> trampoline() const noexcept override { return {}; }
  void set_trampoline(GuestAddr) noexcept override {}
  bool push_signal_frame(Host&, const SignalInfo&, const SignalAction&, NativeSigset) noexcept override {
    return false;
  }
  void before_fork() noexcept override {}
  void after_fork_in_parent() noexcept override {}
  void after_fork_in_child(Host&) noexcept override {}
};

/// Guest and native forms of `usage` in small_tables.hpp.
struct NativeUsage {
  std::uint64_t time;
  std::int64_t count;
  std::uint16_t events;
  char name[6];
};

struct Fixture {
  SmallTable table;
  FakeHost host;
  NoPersonality personality;

  Result make(Word number, std::initializer_list<Word> args) {
    Frame frame;
    frame.number = number;
    std::copy(args.begin(), args.end(), frame.args.begin());
    Call call{host, personality, *table, table->entry(number), frame};
    return native_call(call);
  }
  Word arg(unsigned index) const { return host.last_call().args[index]; }
};

constexpr Word kHostMemory = kGuestTop + 0x1000;

}  // namespace

TEST_CASE_METHOD(Fixture, "a native row makes its call on the guest's behalf") {
  host.returns(5);
  const Word buffer = host.allocate(16);
  const Result result = make(3, {7, buffer, 16});
  CHECK(result.is_ok());
  CHECK(result.value() == 5);
  CHECK(host.last_call().number == 0);
  CHECK(host.last_call().interruptible);
  CHECK(host.last_call().args == std::array<Word, 6>{7, buffer, 16, 0, 0, 0});
}

TEST_CASE_METHOD(Fixture, "native errors come back as such") {
  host.returns(-ENOENT);
  CHECK(make(3, {7, host.base(), 1}).is_native_error(ENOENT));
  host.returns(-EINTR);
  CHECK(make(240, {host.base(), 0}).is_native_error(EINTR));
}

TEST_CASE_METHOD(Fixture, "rows that pass through hand every word on") {
  host.returns(1);
  make(300, {~Word{0}, 0x1234'5678'9abc'def0, 3});
  CHECK(arg(0) == ~Word{0});
  CHECK(arg(1) == 0x1234'5678'9abc'def0);
}

TEST_CASE_METHOD(Fixture, "32-bit arguments are extended as C does") {
  host.returns(0);
  make(37, {0xdead'beef'ffff'ffff, 0x1'0000'001e});
  CHECK(static_cast<std::int64_t>(arg(0)) == -1);
  CHECK(arg(1) == 10);
  host.returns(3);
  make(5, {host.base(), 0xffff'ffff'0000'0201, 0xabcd'0000'01a4});
  CHECK(arg(1) == 0x41);
  CHECK(arg(2) == 0x1a4);
}

TEST_CASE_METHOD(Fixture, "signals are translated, zero stays, unknown ones are EINVAL") {
  host.returns(0);
  make(37, {1, 20});
  CHECK(arg(1) == 17);
  host.returns(0);
  make(37, {1, 0});
  CHECK(arg(1) == 0);
  CHECK(make(37, {1, 80}).is_native_error(EINVAL));
  CHECK(make(37, {1, 99}).is_native_error(EINVAL));
  CHECK(host.calls.size() == 2);
}

TEST_CASE_METHOD(Fixture, "flags that the set refuses are EINVAL and reach nothing") {
  CHECK(make(5, {host.base(), 0x4000000, 0}).is_native_error(EINVAL));
  CHECK(make(241, {1, host.base()}).is_native_error(EINVAL));
  CHECK(host.calls.empty());
}

TEST_CASE_METHOD(Fixture, "the runtime's own descriptors are EBADF") {
  host.hidden.insert(900);
  CHECK(make(3, {900, host.base(), 1}).is_native_error(EBADF));
  CHECK(make(499, {900, host.base(), 0, 0}).is_native_error(EBADF));
  CHECK(host.calls.empty());
}

TEST_CASE_METHOD(Fixture, "AT_FDCWD is not a descriptor") {
  host.returns(3);
  make(499, {0xffff'ff9c, host.base(), 0, 0});
  CHECK(static_cast<std::int64_t>(arg(0)) == -100);
}

TEST_CASE_METHOD(Fixture,
                 "of pointers outside the guest's memory none reaches the kernel, which judges the rest") {
  const auto reaches = [&](Word number, std::initializer_list<Word> args, unsigned index) {
    host.returns(-EFAULT);
    CHECK(make(number, args).is_native_error(EFAULT));
    CHECK(arg(index) == kNowhere);
    host.returns(-EINVAL);
    CHECK(make(number, args).is_native_error(EINVAL));
  };
  reaches(3, {1, kHostMemory, 8}, 1);
  reaches(5, {kHostMemory, 0, 0}, 0);
  reaches(240, {kHostMemory, 0}, 0);
  reaches(118, {kHostMemory}, 0);
  reaches(118, {kGuestTop - 8}, 0);
  const std::size_t made = host.calls.size();
  CHECK(make(121, {1, kHostMemory, 1}).is_native_error(EFAULT));
  CHECK(host.calls.size() == made);
}

TEST_CASE_METHOD(Fixture, "where a buffer ends is the kernel's to find out") {
  host.returns(3);
  CHECK(make(3, {1, kGuestTop - 16, 0x8000'0000}).is_ok());
  CHECK(arg(1) == kGuestTop - 16);
  CHECK(arg(2) == 0x8000'0000);
  host.returns(0);
  CHECK(make(240, {host.base(), kGuestTop - 8}).is_ok());
  CHECK(make(121, {1, kGuestTop - 16, 2}).is_native_error(EFAULT));
}

TEST_CASE_METHOD(Fixture, "a buffer beyond SSIZE_MAX is EINVAL first of all where the system says so") {
  host.returns(-EBADF);
  CHECK(make(3, {1, host.base(), ~Word{0}}).is_native_error(EBADF));
  personality.long_buffers = false;
  host.hidden.insert(900);
  CHECK(make(3, {900, kHostMemory, Word{1} << 63}).is_native_error(EINVAL));
  CHECK(make(4, {1, 0, ~Word{0}}).is_native_error(EINVAL));
  CHECK(host.calls.size() == 1);
  host.returns(3);
  CHECK(make(3, {1, host.base(), ~Word{0} >> 1}).is_ok());
  CHECK(arg(2) == 0x7fff'f000);
}

TEST_CASE_METHOD(Fixture, "empty ranges and null pointers are left to the kernel") {
  host.returns(0);
  CHECK(make(3, {1, kHostMemory, 0}).is_ok());
  host.returns(-EFAULT);
  CHECK(make(3, {1, 0, 8}).is_native_error(EFAULT));
  host.returns(0);
  CHECK(make(240, {host.base(), 0}).is_ok());
  CHECK(host.calls.size() == 3);
}

TEST_CASE_METHOD(Fixture, "a negative number of elements is EINVAL") {
  CHECK(make(121, {1, host.base(), 0xffff'ffff}).is_native_error(EINVAL));
}

TEST_CASE_METHOD(Fixture, "an output structure is converted after the call") {
  const Word usage = host.allocate(20);
  std::memset(host.at(usage, 20), 0xee, 20);
  host.on_call = [](const FakeHost::NativeCall& call) -> NativeResult {
    CHECK(call.number == 98);
    CHECK(call.args[0] == 5);
    const NativeUsage native{123456789012345, -7, 1 | 4, {'a', 'b', 0, 0, 0, 0}};
    std::memcpy(reinterpret_cast<void*>(call.args[1]), &native, sizeof(native));
    return 0;
  };
  CHECK(make(117, {usage, 5}).is_ok());
  CHECK(host.load<std::int32_t>(usage) == -7);
  CHECK(host.load<std::uint64_t>(usage + 4) == 123456789012345);
  CHECK(host.load<std::uint32_t>(usage + 12) == (2 | 8));
  CHECK(host.load<char>(usage + 16) == 'a');
  CHECK(host.load<char>(usage + 18) == 0);
  CHECK(host.load<std::uint8_t>(usage + 19) == 0);
}

TEST_CASE_METHOD(Fixture, "an output structure is left alone when the call fails") {
  const Word usage = host.allocate(20);
  std::memset(host.at(usage, 20), 0xee, 20);
  host.returns(-EPERM);
  CHECK(make(117, {usage, 5}).is_native_error(EPERM));
  CHECK(host.load<std::uint32_t>(usage) == 0xeeee'eeee);
}

TEST_CASE_METHOD(Fixture, "a result that the guest's field cannot hold is EOVERFLOW") {
  const Word usage = host.allocate(20);
  NativeUsage native{};
  SECTION("a number") { native.count = 0x1'0000'0000; }
  SECTION("a text") { std::memcpy(native.name, "abcdef", 6); }
  host.on_call = [&](const FakeHost::NativeCall& call) -> NativeResult {
    std::memcpy(reinterpret_cast<void*>(call.args[1]), &native, sizeof(native));
    return 0;
  };
  CHECK(make(117, {usage, 5}).is_native_error(EOVERFLOW));
}

TEST_CASE_METHOD(Fixture, "an input structure is converted before the call") {
  const Word usage = host.allocate(20);
  host.store<std::int32_t>(usage, -3);
  host.store<std::uint64_t>(usage + 4, 99);
  host.store<std::uint32_t>(usage + 12, 8);
  host.store<std::uint8_t>(usage + 19, 0x55);
  NativeUsage seen{};
  host.on_call = [&](const FakeHost::NativeCall& call) -> NativeResult {
    std::memcpy(&seen, reinterpret_cast<const void*>(call.args[0]), sizeof(seen));
    return 0;
  };
  CHECK(make(118, {usage}).is_ok());
  CHECK(seen.count == -3);
  CHECK(seen.time == 99);
  CHECK(seen.events == 4);
}

TEST_CASE_METHOD(Fixture, "a structure that cannot be read or written is EFAULT") {
  host.returns(-EFAULT);
  CHECK(make(118, {host.end() - 4}).is_native_error(EFAULT));
  CHECK(arg(0) == kNowhere);
  host.returns(0);
  CHECK(make(117, {host.end() - 4, 5}).is_native_error(EFAULT));
}

TEST_CASE_METHOD(Fixture, "null stands for a converted structure only where the table allows it") {
  host.returns(0);
  CHECK(make(118, {0}).is_ok());
  CHECK(arg(0) == 0);
  host.returns(-EFAULT);
  CHECK(make(117, {0, 5}).is_native_error(EFAULT));
  CHECK(arg(1) == kNowhere);
}

TEST_CASE_METHOD(Fixture, "constants of the row reach the kernel") {
  host.returns(0);
  CHECK(make(119, {host.allocate(20)}).is_ok());
  CHECK(arg(0) == ~Word{0});
}

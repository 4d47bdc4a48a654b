// The x86-64 signal frame: what a handler finds, and that returning from it brings everything back.
#include <signal.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "abi/linux/layout.hpp"
#include "abi/linux/linux.hpp"
#include "tests/abi/fake_host.hpp"

using namespace sudrun::abi;
using namespace sudrun::abi::linux_abi;
using sudrun::test::FakeHost;

namespace {

constexpr std::size_t kImageSize = 832;  // x87, SSE, AVX
constexpr std::uint32_t kMagic1 = 0x46505853, kMagic2 = 0x46505845;
constexpr std::uint64_t kFeatures = 7;

template <typename T>
void put(std::vector<std::byte>& image, std::size_t offset, T value) {
  std::memcpy(image.data() + offset, &value, sizeof value);
}

/// An image as the kernel leaves it on a signal's stack.
std::vector<std::byte> live_image() {
  std::vector<std::byte> image(kImageSize);
  for (std::size_t i = 32; i < 464; ++i) image[i] = static_cast<std::byte>(i);
  for (std::size_t i = 576; i < kImageSize; ++i) image[i] = static_cast<std::byte>(i * 3);
  put<std::uint16_t>(image, 0, 0x27f);
  put<std::uint32_t>(image, 24, 0x9fc0);
  put<std::uint32_t>(image, 28, 0xffff);
  put<std::uint32_t>(image, 464, kMagic1);
  put<std::uint32_t>(image, 468, kImageSize + 4);
  put<std::uint64_t>(image, 472, kFeatures);
  put<std::uint32_t>(image, 480, kImageSize);
  put<std::uint64_t>(image, 512, kFeatures);
  return image;
}

struct Fixture {
  FakeHost host;
  Linux personality;
  std::vector<std::byte> image = live_image();
  SignalAction action;
  SignalInfo info;

  Fixture() {
    host.guest.regs.rsp = host.end() - 4096 - 24;
    host.guest.regs.rip = 0x401000;
    host.guest.regs.rax = 17;
    host.guest.regs.rflags = 0x646;  // DF among others
    host.guest.xstate = image;
    action.disposition = Disposition::handler;
    action.handler = guest_addr(0x402000);
    action.restorer = guest_addr(0x403000);
    info.signal = SIGUSR1;
    info.code = SI_QUEUE;
    info.pid = 42;
    info.value = 0x1234;
  }
  bool push(NativeSigset old_mask = 0) { return personality.push_signal_frame(host, info, action, old_mask); }
  Word frame() { return host.guest.regs.rsp; }
  /// What `ret` into the restorer and its system call do.
  Result sigreturn() {
    host.guest.regs.rsp += 8;
    const Table table;
    const Entry entry{};
    const Frame call_frame;
    Call call{host, personality, table, entry, call_frame};
    for (const HandlerEntry& entry_of : signal_handlers()) {
      if (entry_of.name == "rt_sigreturn") return entry_of.handler(call);
    }
    return Result::fail(ENOSYS);
  }
};

}  // namespace

TEST_CASE("a handler starts with the kernel's registers and frame") {
  Fixture f;
  const Registers before = f.host.guest.regs;
  REQUIRE(f.push(sigbit(SIGUSR2)));

  const Registers& regs = f.host.guest.regs;
  CHECK(regs.rip == 0x402000);
  CHECK(regs.rsp % 16 == 8);
  CHECK(regs.rdi == SIGUSR1);
  CHECK(regs.rsi == regs.rsp + offsetof(RtSigframe, info));
  CHECK(regs.rdx == regs.rsp + offsetof(RtSigframe, ucontext));
  CHECK(regs.rax == 0);
  CHECK((regs.rflags & 0x400) == 0);

  const auto frame = f.host.load<RtSigframe>(f.frame());
  CHECK(frame.return_address == 0x403000);
  CHECK(frame.info.of.queue.pid == 42);
  CHECK(frame.info.of.queue.value == 0x1234);
  CHECK(frame.ucontext.sigmask == sigbit(SIGUSR2));
  CHECK(frame.ucontext.flags == 7);
  CHECK(frame.ucontext.stack.flags == SS_DISABLE);
  const SigContext& sc = frame.ucontext.mcontext;
  CHECK(sc.rsp == before.rsp);
  CHECK(sc.rip == before.rip);
  CHECK(sc.rax == 17);
  CHECK(sc.rflags == before.rflags);
  CHECK(sc.cs == 0x33);
  CHECK(sc.fpstate % 64 == 0);
  CHECK(sc.fpstate + kImageSize + 4 <= before.rsp - 128);
  CHECK(f.host.load<std::uint32_t>(sc.fpstate + kImageSize) == kMagic2);
  CHECK(std::memcmp(f.host.at(sc.fpstate, 464), live_image().data(), 464) == 0);
}

TEST_CASE("a handler starts with clean vector state") {
  Fixture f;
  REQUIRE(f.push());
  std::uint64_t present = 1;
  std::memcpy(&present, f.image.data() + 512, sizeof present);
  CHECK(present == 0);
  std::uint32_t mxcsr = 0;
  std::memcpy(&mxcsr, f.image.data() + 24, sizeof mxcsr);
  CHECK(mxcsr == 0x1f80);
}

TEST_CASE("returning from a handler brings registers, vectors and mask back") {
  Fixture f;
  const Registers before = f.host.guest.regs;
  REQUIRE(f.push(sigbit(SIGUSR2) | sigbit(SIGKILL)));
  f.host.guest.regs.rbx = 99;
  f.host.guest.regs.rflags = 0x202;
  std::fill(f.image.begin() + 576, f.image.end(), std::byte{0xee});

  CHECK(f.sigreturn().kind() == Result::Kind::untouched);
  CHECK(f.host.faults.empty());
  CHECK(std::memcmp(&f.host.guest.regs, &before, sizeof before) == 0);
  CHECK(f.image == live_image());
  CHECK(f.host.mask == sigbit(SIGUSR2));
}

TEST_CASE("a handler may change what is returned to, but not privileged flags") {
  Fixture f;
  REQUIRE(f.push());
  auto frame = f.host.load<RtSigframe>(f.frame());
  frame.ucontext.mcontext.rip = 0x404000;
  frame.ucontext.mcontext.rflags = 0x3000 | 0x1;  // IOPL and carry
  f.host.store(f.frame(), frame);
  f.sigreturn();
  CHECK(f.host.guest.regs.rip == 0x404000);
  CHECK((f.host.guest.regs.rflags & 0x3001) == 0x1);
}

TEST_CASE("vector state the processor would refuse is a fault") {
  Fixture f;
  REQUIRE(f.push());
  const Word fpstate = f.host.load<RtSigframe>(f.frame()).ucontext.mcontext.fpstate;
  SECTION("a feature that is not there") { f.host.store<std::uint64_t>(fpstate + 512, kFeatures | 0x200); }
  SECTION("the compacted format") { f.host.store<std::uint64_t>(fpstate + 520, std::uint64_t{1} << 63); }
  SECTION("reserved words of the header") { f.host.store<std::uint64_t>(fpstate + 528, 1); }
  SECTION("reserved bits of mxcsr") { f.host.store<std::uint32_t>(fpstate + 24, 0x10000); }
  CHECK(f.sigreturn().kind() == Result::Kind::untouched);
  REQUIRE(f.host.faults.size() == 1);
  CHECK(f.host.faults[0].signal == SIGSEGV);
}

TEST_CASE("a frame without the magic words restores the legacy state only") {
  Fixture f;
  REQUIRE(f.push());
  const Word fpstate = f.host.load<RtSigframe>(f.frame()).ucontext.mcontext.fpstate;
  f.host.store<std::uint32_t>(fpstate + kImageSize, 0);
  f.sigreturn();
  CHECK(f.host.faults.empty());
  std::uint64_t present = 0;
  std::memcpy(&present, f.image.data() + 512, sizeof present);
  CHECK(present == 3);
}

TEST_CASE("the alternate stack is used once, and refused when too small") {
  Fixture f;
  f.action.on_stack = true;
  f.host.stack.base = guest_addr(f.host.base());
  f.host.stack.size = 8192;
  f.host.stack.enabled = true;
  SECTION("entered from its top") {
    REQUIRE(f.push());
    CHECK(f.host.stack.contains(f.frame()));
    const Word outer = f.frame();
    REQUIRE(f.push());
    CHECK(f.frame() < outer - 128);
    CHECK(f.host.stack.contains(f.frame()));
  }
  SECTION("too small") {
    f.host.stack.size = 1024;
    CHECK_FALSE(f.push());
  }
  SECTION("disarmed for the handler, armed again by its return") {
    f.host.stack.auto_disarm = true;
    REQUIRE(f.push());
    CHECK_FALSE(f.host.stack.enabled);
    f.sigreturn();
    CHECK(f.host.stack.enabled);
    CHECK(f.host.stack.auto_disarm);
  }
}

TEST_CASE("no frame without a restorer or on memory that is not there") {
  Fixture f;
  SECTION("no restorer") { f.action.restorer = {}; }
  SECTION("no memory") { f.host.guest.regs.rsp = f.host.base() + 64; }
  CHECK_FALSE(f.push());
}

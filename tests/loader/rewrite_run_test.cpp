// Rewritten code that runs: functions in memory of the test, with a dispatcher that makes the call natively.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/loader/rewrite_support.hpp"

using namespace sudrun::test;

namespace {

constexpr std::size_t kPage = 4096;

/// Memory that can be written and executed, at an address that is free.
class Memory {
 public:
  explicit Memory(std::uint64_t address, std::size_t size = kPage)
      : at_(mmap(reinterpret_cast<void*>(address), size, PROT_READ | PROT_WRITE | PROT_EXEC,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0)),
        size_(size) {
    REQUIRE(at_ == reinterpret_cast<void*>(address));
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { munmap(at_, size_); }
  std::byte* bytes() const { return static_cast<std::byte*>(at_); }

 private:
  void* at_;
  std::size_t size_;
};

void put(std::uint64_t address, std::span<const std::byte> bytes) {
  std::memcpy(reinterpret_cast<void*>(address), bytes.data(), bytes.size());
}

}  // namespace

TEST_CASE("rewritten functions do what they did, through the dispatcher", "[rewrite]") {
  Disassembler disassembler;
  // Every function returns getpid(), or 7 if that fails, and leaves rcx alone.
  const std::string number = code("\xb8\x27\x00\x00\x00");
  struct Case {
    Rung rung;
    std::string before, after;
  };
  const std::string tail = kCompare + code("\x73\x04\x48\x89\xca\xc3\xb8\x07\x00\x00\x00\xc3");
  const Case cases[] = {
      {Rung::padding, number, tail + int3(23)},
      {Rung::load, filler(16) + number, tail},
      {Rung::load, filler(16) + code("\x48\xc7\xc0\x27\x00\x00\x00") + kSaveRcx, tail},
      // Two instructions between, and a jo that goes before all of them and is not taken.
      {Rung::load, number + code("\x89\xdf\x48\x89\xde"), kCompare + code("\x70\xec") + tail},
      {Rung::relocation, number + filler(1), tail},                         // the compare moves
      {Rung::relocation, number + filler(1), code("\x73\x01\xc3") + tail},  // jae, ret move
      {Rung::relocation, number + filler(1), code("\x48\x89\xca\xc3")},     // what reads rcx moves
      {Rung::relocation, number + filler(1), code("\x98\x48\x98") + tail},  // two instructions, two int3s
  };
  const std::uint64_t base = 0x151000000000;
  for (const Case& c : cases) {
    const std::string text = c.before + kCall + c.after;
    const std::uint64_t start = base + 0x100, site = start + c.before.size();
    Memory program(base);
    std::memset(program.bytes(), 0xcc, kPage);
    put(start, bytes_of(text));
    const CodeWindow window{base, std::span(program.bytes(), 0x100 + text.size())};
    const auto run = [&] {
      std::uint64_t rcx = 0;
      long result = 0;
      __asm__ volatile("call *%[f]\n\tmov %%rcx,%[rcx]"
                       : "=a"(result), [rcx] "=&r"(rcx)
                       : [f] "r"(start)
                       : "rcx", "rdx", "r10", "r11", "memory", "cc");
      CHECK(rcx == site + 2);
      return result;
    };
    REQUIRE(run() == getpid());

    const RewritePlan plan = plan_rewrite(disassembler, window, site, 39, {}, {});
    REQUIRE(plan.rung == c.rung);
    const auto stub = plan.stub_at_or_after(0);
    REQUIRE(stub);
    Memory stubs(*stub & ~(kPage - 1), 2 * kPage);
    // The dispatcher: counts, makes the call, goes where rcx said.
    const std::uint64_t slot = *stub + 0x100, counter = slot + 8, dispatcher = slot + 16;
    put(slot, std::as_bytes(std::span(&dispatcher, 1)));
    put(dispatcher, bytes_of(code("\x48\xff\x05\xf1\xff\xff\xff\x51\x0f\x05\x59\xff\xe1")));
    const auto rewrite = encode(disassembler, plan, *stub, slot);
    REQUIRE(rewrite);
    put(*stub, std::span(rewrite->stub).first(rewrite->stub_size));
    const auto write = [&](const CodeEdit& edit) {
      put(edit.address, std::span(edit.after).first(edit.size));
    };
    if (rewrite->hop) write(*rewrite->hop);
    write(rewrite->site);
    for (int i = 0; i < 3; ++i) CHECK(run() == getpid());
    CHECK(*reinterpret_cast<const std::uint64_t*>(counter) == 3);

    put(rewrite->site.address, std::span(rewrite->site.before).first(rewrite->site.size));
    CHECK(run() == getpid());
    CHECK(*reinterpret_cast<const std::uint64_t*>(counter) == 3);
    CHECK(std::memcmp(program.bytes() + (site - base), "\x0f\x05", 2) == 0);
  }
}

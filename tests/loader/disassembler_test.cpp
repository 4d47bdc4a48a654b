#include "loader/disassembler.hpp"

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

#include "loader/capstone_library.hpp"
#include "tests/loader/elf_writer.hpp"

using namespace sudrun::loader;
using namespace sudrun::test;

TEST_CASE("one instruction decodes to text, size and kind") {
  Disassembler disassembler;
  REQUIRE(disassembler.is_open());
  const auto decode = [&](std::string_view code) {
    static Bytes bytes;
    bytes = bytes_of(code);
    return disassembler.decode(bytes, 0x1000);
  };
  auto i = decode("\x0f\x05\xc3");
  REQUIRE(i);
  CHECK(i->is_syscall);
  CHECK(i->size == 2);
  CHECK(i->mnemonic == "syscall");
  CHECK(i->operands.empty());
  i = decode("\x89\xc8");
  REQUIRE(i);
  CHECK(i->mnemonic == "mov");
  CHECK(i->operands == "eax, ecx");
  CHECK_FALSE(i->is_syscall);
  CHECK_FALSE(i->ends_flow);
  CHECK(decode("\x0f\x34")->is_syscall == false);  // sysenter
  CHECK(decode("\xcd\x80")->is_syscall == false);  // int 0x80
  CHECK(decode("\xcc")->is_int3);
  CHECK(decode("\xc3")->ends_flow);
  i = decode("\xeb\x10");
  CHECK((i->ends_flow && i->is_relative_branch && i->target == 0x1012));
  i = decode(std::string_view("\xe8\x00\x00\x00\x00", 5));
  CHECK((!i->ends_flow && i->is_relative_branch && i->target == 0x1005));
  i = decode(std::string_view("\x48\x8b\x05\x00\x01\x00\x00", 7));  // mov rax, [rip + 0x100]
  CHECK((i->is_rip_relative && !i->is_relative_branch));
  i = decode(std::string_view("\x66\x0f\x1f\x44\x00\x00", 6));
  CHECK((i->is_nop && i->size == 6));
}

TEST_CASE("bytes that are no whole instruction decode to nothing") {
  Disassembler disassembler;
  CHECK_FALSE(disassembler.decode({}, 0));
  const Bytes half = bytes_of("\x0f");
  CHECK_FALSE(disassembler.decode(half, 0));
  const Bytes invalid = bytes_of("\x06");  // push es: not in 64-bit mode
  CHECK_FALSE(disassembler.decode(invalid, 0));
}

TEST_CASE("decoding allocates nothing") {
  // Capstone takes its memory through functions that are set for the whole process.
  static int allocations;
  cs_opt_mem counting{};
  counting.malloc = [](std::size_t size) {
    ++allocations;
    return std::malloc(size);
  };
  counting.calloc = [](std::size_t n, std::size_t size) {
    ++allocations;
    return std::calloc(n, size);
  };
  counting.realloc = [](void* p, std::size_t size) {
    ++allocations;
    return std::realloc(p, size);
  };
  counting.free = [](void* p) { std::free(p); };
  counting.vsnprintf = std::vsnprintf;
  const auto set = [](const cs_opt_mem& mem) {
    return capstone_library()->option(0, CS_OPT_MEM, reinterpret_cast<std::size_t>(&mem));
  };
  REQUIRE(set(counting) == CS_ERR_OK);
  {
    Disassembler disassembler;
    CHECK(allocations > 0);
    allocations = 0;
    const Bytes code = bytes_of(
        std::string_view("\x0f\x05\x48\x8b\x05\x00\x01\x00\x00\x06\xc5\xf8\x77\xe8\x00\x00\x00\x00", 18));
    for (std::size_t at = 0; at < code.size(); ++at) disassembler.decode(std::span(code).subspan(at), at);
    CHECK(allocations == 0);
  }
  const cs_opt_mem plain{std::malloc, std::calloc, std::realloc, std::free, std::vsnprintf};
  REQUIRE(set(plain) == CS_ERR_OK);
}

#include "loader/inspect.hpp"
#include "loader/capstone_library.hpp"

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

#include "loader/disassembler.hpp"
#include "tests/loader/elf_writer.hpp"

using namespace sudrun::loader;
using namespace sudrun::test;

namespace {

const AbiSignature kKnown[] = {{"freebsd-amd64", 9, {{"FreeBSD", 1}}, {"/libexec/ld-elf.so.1"}}};

std::vector<SyscallSite> sites_in(std::string_view code, Word address = 0x1000) {
  const Bytes bytes = bytes_of(code);
  return find_syscalls(bytes, address);
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// small_program() with section headers: null, .text over the code, names.
ElfWriter with_sections() {
  ElfWriter elf = small_program();
  const std::string_view names("\0.text\0.shstrtab\0", 17);
  elf.put(0x1010, bytes_of(names));
  Elf64_Shdr headers[3]{};
  headers[1] = {1, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 0x400800, 0x800, 0x10, 0, 0, 16, 0};
  headers[2] = {7, SHT_STRTAB, 0, 0, 0x1010, names.size(), 0, 0, 1, 0};
  Bytes table(sizeof headers);
  std::memcpy(table.data(), headers, sizeof headers);
  elf.put(0x1040, table);
  elf.header.e_shoff = 0x1040;
  elf.header.e_shnum = 3;
  elf.header.e_shstrndx = 2;
  return elf;
}

}  // namespace

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

TEST_CASE("system-call instructions are found, and not inside other instructions") {
  // mov eax, 0x050f (the bytes 0f 05 as an immediate); syscall; ret
  const auto sites = sites_in(std::string_view("\xb8\x0f\x05\x00\x00\x0f\x05\xc3", 8));
  REQUIRE(sites.size() == 1);
  CHECK(sites[0].address == 0x1005);
  CHECK(sites[0].rung != Rung::padding);
}

TEST_CASE("bytes that do not decode do not end the search") {
  CHECK(sites_in("\x06\x06\x0f\x05").size() == 1);
  CHECK(sites_in("").empty());
  CHECK(sites_in("\x0f").empty());
}

TEST_CASE("each system call says how it can be rewritten, and padding is not given away twice") {
  const std::string call("\x0f\x05\xc3", 3);
  const auto padded = sites_in(call + std::string(13, '\xcc'));
  REQUIRE(padded.size() == 1);
  CHECK(padded[0].rung == Rung::padding);
  const auto executed = sites_in("\x0f\x05\xe8" + std::string(14, '\x90'));  // a call: cannot be moved
  REQUIRE(executed.size() == 1);
  CHECK(executed[0].rung == Rung::none);
  const auto two = sites_in("\x0f\x05\xf8\xf8\x0f\x05\xc3" + std::string(9, '\xcc'));
  REQUIRE(two.size() == 2);
  CHECK(two[0].rung == Rung::padding);  // which leaves four bytes
  CHECK(two[1].rung == Rung::none);
}

TEST_CASE("inspection shows format, ABI, segments, code and system calls") {
  ElfWriter elf = with_sections();
  elf.header.e_ident[EI_OSABI] = 9;
  const Bytes file = elf.build();
  const std::string text = inspect(SpanSource(file), kKnown);
  CHECK(has(text, "ELF64 x86-64, fixed addresses, static"));
  CHECK(has(text, "freebsd-amd64 (by OS/ABI byte 9 (FreeBSD))"));
  CHECK(has(text, "entry:        0x400800"));
  CHECK(has(text, "0x402ff0-0x405ff0"));
  CHECK(has(text, "zeros 0x2fe0"));
  CHECK(has(text, "mov eax, 1"));
  CHECK(has(text, ".text 0x400800-0x400810: 1, 1 with padding\n"));
  CHECK(has(text, "0x400805  with padding\n"));
  CHECK_FALSE(has(text, "cannot run"));
}

TEST_CASE("inspection says what is wrong with files that cannot run") {
  const auto show = [](const Bytes& file) { return inspect(SpanSource(file), kKnown); };
  CHECK(has(show({}), "the file is empty"));
  CHECK(has(show(bytes_of("plain text")), "not an ELF file"));
  CHECK(has(show(bytes_of("#!/bin/sh -e\n")), "/bin/sh"));
  Bytes cut = small_program().build();
  cut.pop_back();
  CHECK(has(show(cut), "cut short"));
  ElfWriter other = small_program();
  other.header.e_ident[EI_OSABI] = 12;
  CHECK(has(show(other.build()), "OpenBSD"));
  CHECK(has(show(small_program().build()), "no usable section headers"));
}

TEST_CASE("damaged section headers never break inspection") {
  const Bytes good = with_sections().build();
  for (std::size_t at = 0x1010; at < good.size(); ++at) {
    for (const unsigned value : {0U, 1U, 0x7fU, 0xffU}) {
      Bytes bad = good;
      bad[at] = std::byte(value);
      CHECK_FALSE(inspect(SpanSource(bad), kKnown).empty());
    }
  }
  for (std::size_t length = 0; length < good.size(); length += 7) {
    const Bytes bad(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length));
    CHECK_FALSE(inspect(SpanSource(bad), kKnown).empty());
  }
}

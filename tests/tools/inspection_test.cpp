// What `sudrun inspect` says of whole files.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "abi/builtin.hpp"
#include "tests/loader/elf_writer.hpp"
#include "tools/inspection.hpp"

using namespace sudrun;
using namespace sudrun::tools;
using namespace sudrun::test;

namespace {

const std::vector<abi::Table>& tables() {
  static const std::vector<abi::Table> all = [] {
    std::vector<abi::Table> found;
    for (const std::string_view name : abi::builtin_abis()) found.push_back(*abi::builtin_table(name));
    return found;
  }();
  return all;
}

Inspection look(Bytes file) {
  InspectRequest request;
  request.program = "program";
  request.file = std::move(file);
  request.tables = tables();
  request.where_files_are = "this host";
  return inspect(std::move(request));
}

/// small_program() of FreeBSD, asking for call `number`, with section headers: null, .text over the code,
/// names.
ElfWriter program_calling(unsigned char low, unsigned char high = 0) {
  ElfWriter elf = small_program();
  elf.header.e_ident[EI_OSABI] = ELFOSABI_FREEBSD;
  const std::string_view names("\0.text\0.shstrtab\0", 17);
  elf.put(0x801, {std::byte{low}, std::byte{high}});
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

constexpr unsigned char kGetpid = 20, kPipe2Low = 0x1e, kPipe2High = 0x02;  // 542

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a program whose calls are all there should run", "[inspect]") {
  const Inspection full = look(program_calling(kGetpid).build());
  CHECK(full.verdict == Verdict::runs);
  CHECK(full.verdict_line == "should run: all calls it can make are supported");
  REQUIRE(full.calls.size() == 1);
  CHECK(full.calls[0].name == "getpid");
  CHECK(full.calls[0].is_called());
  const Inspection partial = look(program_calling(kPipe2Low, kPipe2High).build());
  CHECK(partial.verdict == Verdict::runs);
  CHECK(has(partial.verdict_line, "1 of them in part"));
  CHECK_FALSE(partial.calls.at(0).note.empty());
}

TEST_CASE("a missing call makes it run only as long as it is not made", "[inspect]") {
  const abi::Table freebsd = *abi::builtin_table("freebsd-amd64");
  const auto entries = freebsd.entries();
  const auto missing = std::find_if(entries.begin(), entries.end(), [](const abi::Entry& e) {
    return e.number > 198 && e.support == abi::Support::none;
  });
  REQUIRE(missing != entries.end());
  const std::string name(freebsd.string(missing->name));
  const Inspection known = look(program_calling(static_cast<unsigned char>(missing->number & 0xff),
                                                static_cast<unsigned char>(missing->number >> 8))
                                    .build());
  CHECK(known.verdict == Verdict::unless);
  CHECK(known.verdict_line ==
        "will run as long as it does not call " + name + " (" + std::to_string(missing->number) + ")");
  const Inspection unknown = look(program_calling(0xff, 0xff).build());
  CHECK(unknown.verdict == Verdict::unless);
  CHECK(has(unknown.verdict_line, "65535"));
  CHECK(support_name(unknown.calls.at(0)) == "unknown");
}

TEST_CASE("what cannot be told is a verdict of its own", "[inspect]") {
  ElfWriter elf = program_calling(kGetpid);
  elf.put(0x800, bytes_of(std::string_view("\x48\x8b\x07\x90\x90", 5)));  // mov (%rdi),%rax
  const Inspection inspection = look(elf.build());
  CHECK(inspection.verdict == Verdict::not_told);
  CHECK(has(inspection.verdict_line, "1 call instruction not all numbers"));
}

TEST_CASE("files that do not start say why", "[inspect]") {
  const auto line = [](Bytes file) {
    const Inspection inspection = look(std::move(file));
    CHECK(inspection.verdict == Verdict::cannot);
    CHECK_FALSE(text_report(inspection).empty());
    CHECK_FALSE(html_report(inspection).empty());
    return inspection.verdict_line;
  };
  CHECK(line({}) == "cannot run: the file is empty");
  CHECK(has(line(bytes_of("plain text")), "not an ELF file"));
  CHECK(has(line(bytes_of("#!/bin/sh -e\n")), "/bin/sh"));
  Bytes cut = program_calling(kGetpid).build();
  cut.resize(0x900);
  CHECK(has(line(cut), "cut short"));
  ElfWriter other = program_calling(kGetpid);
  other.header.e_ident[EI_OSABI] = 12;
  CHECK(has(line(other.build()), "OpenBSD"));
  ElfWriter narrow = program_calling(kGetpid);
  narrow.header.e_ident[EI_CLASS] = ELFCLASS32;
  CHECK(has(line(narrow.build()), "32-bit"));
}

TEST_CASE("a dynamic program without its libraries cannot run, and with them they are looked into",
          "[inspect]") {
  ElfWriter elf = program_calling(kGetpid);
  elf.put(0x600, bytes_of(std::string_view("/libexec/ld-elf.so.1\0", 21)));
  elf.add(PT_INTERP, PF_R, 0x400600, 0x600, 21, 21, 1);
  const Inspection alone = look(elf.build());
  CHECK(alone.verdict == Verdict::cannot);
  CHECK(has(alone.verdict_line, "/libexec/ld-elf.so.1"));
  CHECK(has(alone.verdict_line, "--sysroot"));

  InspectRequest request;
  request.program = "program";
  request.file = elf.build();
  request.tables = tables();
  request.find_file = [](const std::string& path) -> std::optional<std::vector<std::byte>> {
    if (path != "/libexec/ld-elf.so.1") return std::nullopt;
    return program_calling(0xff, 0xff).build();
  };
  const Inspection together = inspect(std::move(request));
  CHECK(together.verdict == Verdict::unless);
  REQUIRE(together.modules.size() == 2);
  CHECK(together.modules[1]->role == Module::Role::interpreter);
  CHECK(together.calls.size() == 2);
  CHECK(has(text_report(together), "call instructions of /libexec/ld-elf.so.1: 1"));
}

TEST_CASE("the text shows format, system, segments, code and calls", "[inspect]") {
  const std::string text = text_report(look(program_calling(kGetpid).build()));
  CHECK(has(text, "ELF64 x86-64, fixed addresses, static"));
  CHECK(has(text, "freebsd-amd64 (by OS/ABI byte 9 (FreeBSD))"));
  CHECK(has(text, "entry:        0x400800"));
  CHECK(has(text, "0x402ff0-0x405ff0"));
  CHECK(has(text, "zeros 0x2fe0"));
  CHECK(has(text, "mov eax, 0x14"));
  CHECK(has(text, "0x400805    with padding"));
  CHECK(has(text, "20  getpid"));
  ElfWriter bare = program_calling(kGetpid);
  bare.header.e_shoff = 0;
  const std::string searched = text_report(look(bare.build()));
  CHECK(has(searched, "segments were searched"));
  CHECK(has(searched, "20  getpid"));
}

TEST_CASE("JSON and HTML say the same", "[inspect]") {
  const Inspection inspection = look(program_calling(kPipe2Low, kPipe2High).build());
  const auto json = nlohmann::json::parse(json_report(inspection));
  CHECK(json.at("verdict") == "runs");
  CHECK(json.at("abi") == "freebsd-amd64");
  REQUIRE(json.at("calls").size() == 1);
  CHECK(json.at("calls")[0].at("name") == "pipe2");
  CHECK(json.at("calls")[0].at("support") == "partial");
  REQUIRE(json.at("files")[0].at("sites").size() == 1);
  CHECK(json.at("files")[0].at("sites")[0].at("address") == 0x400805);
  CHECK(json.at("files")[0].at("sites")[0].at("numbers")[0].at("number") == 542);
  const std::string html = html_report(inspection);
  CHECK(has(html, "pipe2"));
  CHECK(has(html, "mov eax, 0x21e"));
  CHECK(has(html, "<b class=site>0x400805"));
  CHECK_FALSE(has(html, "http"));
  CHECK_FALSE(has(html, "<script"));
}

TEST_CASE("names from a file do no harm in reports", "[inspect]") {
  ElfWriter elf = program_calling(kGetpid);
  elf.put(0x600, bytes_of(std::string_view("/<script>\x1b\xff&\0", 14)));
  elf.add(PT_INTERP, PF_R, 0x400600, 0x600, 14, 14, 1);
  const Inspection inspection = look(elf.build());
  CHECK_FALSE(has(html_report(inspection), "<script>"));
  CHECK_FALSE(has(text_report(inspection), "\x1b"));
  CHECK_FALSE(has(json_report(inspection), "\x1b"));
}

TEST_CASE("damaged files never break inspection", "[inspect]") {
  const Bytes good = program_calling(kGetpid).build();
  const auto survives = [](Bytes file) {
    const Inspection inspection = look(std::move(file));
    CHECK_FALSE(text_report(inspection).empty());
    CHECK_FALSE(json_report(inspection).empty());
    CHECK_FALSE(html_report(inspection).empty());
  };
  std::vector<std::size_t> places;
  for (std::size_t at = 0; at < 0xf0; ++at) places.push_back(at);
  for (std::size_t at = 0x800; at < 0x810; ++at) places.push_back(at);
  for (std::size_t at = 0x1010; at < good.size(); ++at) places.push_back(at);
  for (const std::size_t at : places) {
    for (const unsigned value : {0U, 1U, 0x7fU, 0xffU}) {
      Bytes bad = good;
      bad[at] = std::byte(value);
      survives(std::move(bad));
    }
  }
  for (std::size_t length = 0; length < good.size(); length += 7)
    survives(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)));
}

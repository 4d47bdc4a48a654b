#include "loader/elf.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "tests/loader/elf_writer.hpp"

using namespace sudrun::loader;
using namespace sudrun::test;
using Kind = LoadError::Kind;

namespace {

/// Bytes in a block of their own size, so that AddressSanitizer sees every read outside.
Outcome<Image> parse(const Bytes& file) {
  const Bytes exact(file);
  return parse_elf(SpanSource(exact));
}
Outcome<Image> parse(const ElfWriter& elf) { return parse(elf.build()); }

Kind error_of(const Outcome<Image>& outcome) {
  REQUIRE_FALSE(outcome);
  const std::string& message = outcome.error().message;
  CHECK_FALSE(message.empty());
  CHECK(message.find('\n') == std::string::npos);
  return outcome.error().kind;
}

}  // namespace

TEST_CASE("a small program parses into its segments, headers and permissions") {
  const auto image = parse(small_program());
  REQUIRE(image);
  CHECK(image->type == Image::Type::exec);
  CHECK(image->entry == 0x400800);
  CHECK(image->entry_code ==
        bytes_of(std::string_view("\xb8\x01\x00\x00\x00\x0f\x05\xc3\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc", 16)));
  REQUIRE(image->segments.size() == 2);
  CHECK(image->segments[0].prot == (kRead | kExec));
  CHECK(image->segments[1].prot == (kRead | kWrite));
  CHECK(image->segments[1].end() == 0x405ff0);
  CHECK(image->start() == 0x400000);
  CHECK(image->end() == 0x406000);
  CHECK(image->phdr == 0x400040);
  CHECK(image->phnum == 3);
  CHECK(image->phent == 56);
  CHECK(image->stack_prot == (kRead | kWrite));
  CHECK_FALSE(image->tls);
  CHECK(image->interpreter.empty());
  CHECK(image->warnings.empty());
}

TEST_CASE("code at the entry point is looked at as far as the file has it") {
  ElfWriter elf = small_program();
  elf.header.e_entry = 0x40080d;
  CHECK(parse(elf)->entry_code == bytes_of("\xcc\xcc\xcc"));
  elf = ElfWriter();
  elf.header.e_entry = 0x400c00;
  elf.add(PT_LOAD, PF_R | PF_X, 0x400000, 0, 0x810, 0x1000);
  elf.put(0x800, bytes_of("0123456789abcdef"));
  const auto zeros = parse(elf);
  REQUIRE(zeros);
  CHECK(zeros->entry_code.empty());
}

TEST_CASE("a file cut at any byte is reported as cut, never loaded") {
  const Bytes whole = small_program().build();
  REQUIRE(parse(whole));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto image = parse(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)));
    INFO("length " << length);
    REQUIRE(error_of(image) == (length == 0 ? Kind::empty : Kind::truncated));
  }
}

TEST_CASE("files of other formats, classes, byte orders, versions and machines are refused") {
  ElfWriter elf = small_program();
  SECTION("text") { CHECK(error_of(parse(bytes_of("hello, world\n"))) == Kind::not_elf); }
  SECTION("one byte") { CHECK(error_of(parse(bytes_of("x"))) == Kind::not_elf); }
  SECTION("magic") {
    elf.header.e_ident[3] = 'G';
    CHECK(error_of(parse(elf)) == Kind::not_elf);
  }
  SECTION("32-bit") {
    elf.header.e_ident[EI_CLASS] = ELFCLASS32;
    CHECK(error_of(parse(elf)) == Kind::wrong_class);
  }
  SECTION("no class") {
    elf.header.e_ident[EI_CLASS] = 7;
    CHECK(error_of(parse(elf)) == Kind::wrong_class);
  }
  SECTION("big-endian") {
    elf.header.e_ident[EI_DATA] = ELFDATA2MSB;
    CHECK(error_of(parse(elf)) == Kind::wrong_endian);
  }
  SECTION("ident version") {
    elf.header.e_ident[EI_VERSION] = 0;
    CHECK(error_of(parse(elf)) == Kind::wrong_version);
  }
  SECTION("version") {
    elf.header.e_version = 2;
    CHECK(error_of(parse(elf)) == Kind::wrong_version);
  }
  SECTION("machine") {
    elf.header.e_machine = EM_AARCH64;
    CHECK(error_of(parse(elf)) == Kind::wrong_machine);
  }
  SECTION("object file") {
    elf.header.e_type = ET_REL;
    CHECK(error_of(parse(elf)) == Kind::wrong_type);
  }
  SECTION("core dump") {
    elf.header.e_type = ET_CORE;
    CHECK(error_of(parse(elf)) == Kind::wrong_type);
  }
}

TEST_CASE("impossible program header tables are refused") {
  ElfWriter elf = small_program();
  SECTION("entry size") {
    elf.header.e_phentsize = 32;
    CHECK(error_of(parse(elf)) == Kind::bad_header);
  }
  SECTION("none") {
    elf.no_phnum = true;
    CHECK(error_of(parse(elf)) == Kind::no_segments);
  }
  SECTION("too many") {
    elf.header.e_phnum = 1171;
    CHECK(error_of(parse(elf)) == Kind::bad_header);
  }
  SECTION("PN_XNUM") {
    elf.header.e_phnum = 0xffff;
    CHECK(error_of(parse(elf)) == Kind::bad_header);
  }
  SECTION("many, beyond the file") {
    elf.header.e_phnum = 1170;
    CHECK(error_of(parse(elf)) == Kind::truncated);
  }
  SECTION("offset overflows") {
    elf.header.e_phoff = ~0ULL - 8;
    CHECK(error_of(parse(elf)) == Kind::bad_segment);
  }
  SECTION("offset beyond the file") {
    elf.header.e_phoff = 1ULL << 40;
    CHECK(error_of(parse(elf)) == Kind::truncated);
  }
  SECTION("nothing to load") {
    elf.segments.erase(elf.segments.begin(), elf.segments.begin() + 2);
    CHECK(error_of(parse(elf)) == Kind::no_segments);
  }
  SECTION("only empty segments") {
    for (auto& ph : elf.segments) ph.p_memsz = ph.p_filesz = 0;
    CHECK(error_of(parse(elf)) == Kind::no_segments);
  }
}

TEST_CASE("segments with impossible sizes or places are refused") {
  ElfWriter elf = small_program();
  Elf64_Phdr& data = elf.segments[1];
  SECTION("beyond the file") {
    data.p_filesz = 0x2000;
    CHECK(error_of(parse(elf)) == Kind::truncated);
  }
  SECTION("file range overflows") {
    data.p_offset = ~0ULL - 0xf;
    CHECK(error_of(parse(elf)) == Kind::bad_segment);
  }
  SECTION("address range overflows") {
    data.p_vaddr = ~0ULL - 0xf;
    CHECK(error_of(parse(elf)) == Kind::bad_segment);
  }
  SECTION("memory size overflows") {
    data.p_memsz = ~0ULL;
    CHECK(error_of(parse(elf)) == Kind::bad_segment);
  }
  SECTION("more in the file than in memory") {
    data.p_memsz = 0x10;
    CHECK(error_of(parse(elf)) == Kind::bad_segment);
  }
  SECTION("outside the guest's addresses") {
    data.p_vaddr = 0x7fff'0000'0ff0;
    CHECK(error_of(parse(elf)) == Kind::out_of_range);
  }
  SECTION("reaching over the guest's addresses") {
    data.p_memsz = sudrun::abi::kGuestTop;
    CHECK(error_of(parse(elf)) == Kind::out_of_range);
  }
  SECTION("ending just where the guest's addresses end is fine") {
    data.p_memsz = sudrun::abi::kGuestTop - data.p_vaddr;
    CHECK(parse(elf));
  }
  SECTION("address and offset disagree within a page") {
    data.p_vaddr += 8;
    CHECK(error_of(parse(elf)) == Kind::misaligned);
  }
  SECTION("without contents the offset does not matter") {
    data.p_filesz = 0;
    data.p_vaddr += 8;
    data.p_offset = ~0ULL;
    CHECK(parse(elf));
  }
  SECTION("odd alignment") {
    data.p_align = 0x1800;
    CHECK(error_of(parse(elf)) == Kind::misaligned);
  }
  SECTION("vast alignment") {
    data.p_align = 1ULL << 40;
    CHECK(error_of(parse(elf)) == Kind::misaligned);
  }
}

TEST_CASE("segments may share a page but not a byte, and must ascend") {
  ElfWriter elf = small_program();
  SECTION("out of order") {
    std::swap(elf.segments[0], elf.segments[1]);
    CHECK(error_of(parse(elf)) == Kind::overlap);
  }
  SECTION("same place twice") {
    elf.segments[1] = elf.segments[0];
    CHECK(error_of(parse(elf)) == Kind::overlap);
  }
  SECTION("one byte too long") {
    elf.segments[0].p_memsz = 0x402ff0 - 0x400000 + 1;
    CHECK(error_of(parse(elf)) == Kind::overlap);
  }
  SECTION("back to back inside a page") {
    elf.segments[0].p_memsz = 0x402ff0 - 0x400000;
    CHECK(parse(elf));
  }
}

TEST_CASE("the entry point must lie in an executable segment") {
  ElfWriter elf = small_program();
  SECTION("nowhere") {
    elf.header.e_entry = 0;
    CHECK(error_of(parse(elf)) == Kind::bad_entry);
  }
  SECTION("in data") {
    elf.header.e_entry = 0x402ff8;
    CHECK(error_of(parse(elf)) == Kind::bad_entry);
  }
  SECTION("one past the code") {
    elf.header.e_entry = 0x400810;
    CHECK(error_of(parse(elf)) == Kind::bad_entry);
  }
  SECTION("last byte of the code") {
    elf.header.e_entry = 0x40080f;
    CHECK(parse(elf));
  }
}

TEST_CASE("the interpreter's name must be a terminated string of sensible length") {
  ElfWriter elf = small_program();
  const std::string path("/libexec/ld-elf.so.1");
  elf.put(0x300, bytes_of(path));
  Elf64_Phdr& interp = elf.add(PT_INTERP, PF_R, 0x400300, 0x300, path.size() + 1, path.size() + 1, 1);
  SECTION("good") {
    const auto image = parse(elf);
    REQUIRE(image);
    CHECK(image->interpreter == path);
  }
  SECTION("unterminated") {
    interp.p_filesz = path.size();
    CHECK(error_of(parse(elf)) == Kind::bad_interpreter);
  }
  SECTION("empty") {
    interp.p_offset += path.size();
    interp.p_filesz = 2;
    CHECK(error_of(parse(elf)) == Kind::bad_interpreter);
  }
  SECTION("no bytes") {
    interp.p_filesz = 0;
    CHECK(error_of(parse(elf)) == Kind::bad_interpreter);
  }
  SECTION("too long") {
    interp.p_filesz = 4097;
    CHECK(error_of(parse(elf)) == Kind::bad_interpreter);
  }
  SECTION("vast") {
    interp.p_filesz = 1ULL << 60;
    CHECK(error_of(parse(elf)) == Kind::bad_interpreter);
  }
  SECTION("beyond the file") {
    interp.p_offset = 0x100000;
    CHECK(error_of(parse(elf)) == Kind::truncated);
  }
}

TEST_CASE("notes are listed with name, type and description") {
  ElfWriter elf = small_program();
  Bytes notes = ElfWriter::note("FreeBSD", 1, bytes_of("abcd"));
  const Bytes second = ElfWriter::note("Go", 4, bytes_of("xyz"));
  notes.insert(notes.end(), second.begin(), second.end());
  elf.put(0x200, notes);
  Elf64_Phdr& ph = elf.add(PT_NOTE, PF_R, 0x400200, 0x200, notes.size(), notes.size(), 4);
  SECTION("two notes") {
    const auto image = parse(elf);
    REQUIRE(image);
    REQUIRE(image->notes.size() == 2);
    CHECK(image->notes[0].name == "FreeBSD");
    CHECK(image->notes[0].type == 1);
    CHECK(image->notes[0].desc == bytes_of("abcd"));
    CHECK(image->notes[1].name == "Go");
    CHECK(image->notes[1].desc == bytes_of("xyz"));
  }
  SECTION("alignment 8 stated over contents with 4 is understood") {
    ph.p_align = 8;
    const auto image = parse(elf);
    REQUIRE(image);
    CHECK(image->notes.size() == 2);
  }
  SECTION("the last description need not be padded") {
    ph.p_filesz -= 1;
    CHECK(parse(elf));
  }
  SECTION("a note cut by the segment's end") {
    ph.p_filesz -= 6;
    CHECK(error_of(parse(elf)) == Kind::bad_note);
  }
  SECTION("a name that runs over") {
    elf.put(0x200, bytes_of("\xff\xff\xff\xff"));
    CHECK(error_of(parse(elf)) == Kind::bad_note);
  }
  SECTION("a description that runs over") {
    elf.put(0x204, bytes_of("\xff\xff\xff\xff"));
    CHECK(error_of(parse(elf)) == Kind::bad_note);
  }
  SECTION("beyond the file") {
    ph.p_filesz = 0x10000;
    CHECK(error_of(parse(elf)) == Kind::truncated);
  }
  SECTION("overflow") {
    ph.p_offset = ~0ULL;
    CHECK(error_of(parse(elf)) == Kind::bad_segment);
  }
}

TEST_CASE("only the first 64 KiB of notes are looked at") {
  ElfWriter elf = small_program();
  const Bytes one = ElfWriter::note("x", 9, Bytes(1000));
  Bytes many;
  while (many.size() < 200'000) many.insert(many.end(), one.begin(), one.end());
  elf.put(0x2000, many);
  for (int i = 0; i < 100; ++i) elf.add(PT_NOTE, PF_R, 0, 0x2000, many.size(), many.size(), 4);
  elf.header.e_phoff = 0x40;
  elf.header.e_entry = 0x400000 + 0x40 + 56 * 103;  // the table grows over the code
  elf.segments[0].p_filesz = elf.segments[0].p_memsz = 0x2000;
  const auto image = parse(elf);
  REQUIRE(image);
  CHECK(image->notes.size() < 70);
  CHECK_FALSE(image->warnings.empty());
  for (const Note& note : image->notes) CHECK(note.desc.size() <= kMaxNoteDesc);
}

TEST_CASE("the program headers' address comes from PT_PHDR, else from the segment that covers them") {
  ElfWriter elf = small_program();
  SECTION("stated") {
    elf.add(PT_PHDR, PF_R, 0x403100, 0x40, 224, 224, 8);
    CHECK(parse(elf)->phdr == 0x403100);
  }
  SECTION("stated but not loaded") {
    elf.add(PT_PHDR, PF_R, 0x900000, 0x40, 224, 224, 8);
    CHECK(parse(elf)->phdr == 0x400040);
  }
  SECTION("not loaded at all") {
    elf.segments.erase(elf.segments.begin());
    elf.segments[0].p_flags |= PF_X;
    elf.header.e_entry = 0x402ff0;
    const auto image = parse(elf);
    REQUIRE(image);
    CHECK(image->phdr == 0);
    CHECK(image->warnings.size() == 1);
  }
}

TEST_CASE("a position-independent program with thread-local storage is recognised") {
  ElfWriter elf = small_program();
  elf.header.e_type = ET_DYN;
  for (int i = 0; i < 2; ++i) elf.segments[static_cast<std::size_t>(i)].p_vaddr -= 0x400000;
  elf.header.e_entry -= 0x400000;
  elf.add(PT_TLS, PF_R, 0x2ff0, 0xff0, 0x10, 0x40, 32);
  const auto image = parse(elf);
  REQUIRE(image);
  CHECK(image->is_pie());
  REQUIRE(image->tls);
  CHECK(image->tls->memsz == 0x40);
  CHECK(image->tls->align == 32);
  CHECK(image->phdr == 0x40);
}

TEST_CASE("section headers beyond the end of the file are only a warning") {
  ElfWriter elf = small_program();
  elf.header.e_shoff = 0x10000;
  elf.header.e_shnum = 4;
  const auto image = parse(elf);
  REQUIRE(image);
  CHECK(image->warnings.size() == 1);
}

TEST_CASE("a source that fails to read is an error") {
  struct Failing final : ByteSource {
    std::uint64_t size() const noexcept override { return 1 << 20; }
    bool read_at(std::uint64_t, std::span<std::byte>) const noexcept override { return false; }
  };
  CHECK(error_of(parse_elf(Failing{})) == Kind::read_failed);
}

TEST_CASE("no damage to the headers makes the parser crash, and what it accepts keeps its promises") {
  ElfWriter elf = small_program();
  const std::string path("/libexec/ld-elf.so.1");
  elf.put(0x300, bytes_of(path));
  elf.add(PT_INTERP, PF_R, 0x400300, 0x300, path.size() + 1, path.size() + 1, 1);
  const Bytes note = ElfWriter::note("FreeBSD", 1, bytes_of("abcd"));
  elf.put(0x380, note);
  elf.add(PT_NOTE, PF_R, 0x400380, 0x380, note.size(), note.size(), 4);
  elf.add(PT_TLS, PF_R, 0x402ff0, 0xff0, 0x10, 0x40, 32);
  const Bytes good = elf.build();
  REQUIRE(parse(good));

  std::mt19937_64 random(20240229);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  constexpr std::uint64_t nasty[] = {
      0, 1, 0xfff, 0x1000, 0x7fff'ffff, 0xffff'ffff, 0x2a00'0000'0000, 1ULL << 63, ~0ULL, ~0ULL - 0xfff};
  constexpr std::size_t headers = sizeof(Elf64_Ehdr) + 6 * sizeof(Elf64_Phdr);
  std::set<Kind> seen;
  std::size_t accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    Bytes bad = good;
    const std::size_t where_end = below(4) == 0 ? 0x380 + note.size() : headers;
    switch (below(4)) {
      case 0:
        bad[below(where_end)] ^= std::byte{1} << below(8);
        break;
      case 1:
        for (std::size_t n = 1 + below(6); n > 0; --n) bad[below(where_end)] = std::byte(below(256));
        break;
      case 2:
        std::memcpy(&bad[below(headers / 8) * 8], &nasty[below(std::size(nasty))], 8);
        break;
      default:
        std::memcpy(&bad[below(headers / 4) * 4], &nasty[below(std::size(nasty))], 4);
        break;
    }
    const auto image = parse(bad);
    if (!image) {
      seen.insert(image.error().kind);
      if (image.error().message.empty()) FAIL("no message in round " << round);
      continue;
    }
    ++accepted;
    bool entered = false, good_image = !image->segments.empty() && image->segments.size() <= image->phnum;
    Word last = 0;
    for (const Segment& s : image->segments) {
      good_image = good_image && s.vaddr >= last && s.end() > s.vaddr && s.end() <= sudrun::abi::kGuestTop &&
                   s.filesz <= s.memsz && (s.filesz == 0 || s.offset + s.filesz <= bad.size());
      last = s.end();
      entered = entered || ((s.prot & kExec) != 0 && image->entry >= s.vaddr && image->entry < s.end());
    }
    if (!good_image || !entered || image->interpreter.size() >= 4096) FAIL("round " << round);
  }
  CHECK(accepted > 100);
  CHECK(seen.size() > 10);
}

// Files that are not programs, or not ones that can be run: an exit status and one line, whatever is wrong.
#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "tests/support/run.hpp"

using namespace sudrun::test;

namespace {

void expect_refused(const Outcome& outcome, int status, std::string_view part = {}) {
  INFO(outcome);
  CHECK(outcome.exited(status));
  CHECK(outcome.out.empty());
  const auto lines = lines_of(outcome.err);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("sudrun: "));
  CHECK_THAT(lines[0], Catch::Contains(std::string(part)));
}

/// hello with changes; a fresh file for each.
class Sample {
 public:
  Sample() : bytes_(read_file(guest("hello"))) { std::memcpy(&header_, bytes_.data(), sizeof header_); }
  Elf64_Ehdr& header() { return header_; }
  Elf64_Phdr segment(unsigned index) const {
    Elf64_Phdr p;
    std::memcpy(&p, bytes_.data() + header_.e_phoff + index * sizeof p, sizeof p);
    return p;
  }
  void set_segment(unsigned index, const Elf64_Phdr& p) {
    std::memcpy(bytes_.data() + header_.e_phoff + index * sizeof p, &p, sizeof p);
  }
  /// Index of the `n`th PT_LOAD.
  unsigned load(unsigned n) const {
    for (unsigned i = 0; i < header_.e_phnum; ++i)
      if (segment(i).p_type == PT_LOAD && n-- == 0) return i;
    throw std::runtime_error("no such segment");
  }
  std::string bytes() const {
    std::string out = bytes_;
    std::memcpy(out.data(), &header_, sizeof header_);
    return out;
  }
  Outcome run() const {
    const TemporaryDirectory directory;
    write_file(directory / "sample", bytes(), true);
    return run_sudrun({directory / "sample"});
  }

 private:
  std::string bytes_;
  Elf64_Ehdr header_;
};

}  // namespace

TEST_CASE("a missing program is 127", "[bad_programs]") {
  expect_refused(run_sudrun({"/nonexistent/program"}), 127, "/nonexistent/program");
  expect_refused(run_sudrun({"no-such-program-anywhere"}), 127, "no-such-program-anywhere");
  expect_refused(run_sudrun({guest("hello") + "/x"}), 127);
  expect_refused(run_sudrun({""}), 127);
}

TEST_CASE("what is no regular file is 126", "[bad_programs]") {
  expect_refused(run_sudrun({"/"}), 126, "directory");
  expect_refused(run_sudrun({"/dev/null"}), 126);
  const TemporaryDirectory directory;
  REQUIRE(::mkfifo((directory / "fifo").c_str(), 0755) == 0);
  expect_refused(run_sudrun({directory / "fifo"}), 126);
}

TEST_CASE("a program without execute permission is 126", "[bad_programs]") {
  const TemporaryDirectory directory;
  write_file(directory / "plain", read_file(guest("hello")), false);
  expect_refused(run_sudrun({directory / "plain"}), 126, "permission");
  if (::getuid() == 0) {
    Command command = sudrun_command({directory / "secret"});
    write_file(directory / "secret", read_file(guest("hello")), true);
    std::filesystem::permissions(directory / "secret", std::filesystem::perms(0700));
    command.uid = 65534;
    if (::access("/", X_OK) == 0) {
      const Outcome outcome = run(command);
      // The build tree itself may be out of that user's reach; then nothing is shown.
      if (outcome.status != 125) expect_refused(outcome, 126);
    }
  }
}

TEST_CASE("files that are no programs are 126", "[bad_programs]") {
  const TemporaryDirectory directory;
  const std::pair<const char*, std::string> files[] = {
      {"empty", ""},
      {"one byte", "\x7f"},
      {"magic only",
       "\x7f"
       "ELF"},
      {"text", "hello\n"},
      {"zeros", std::string(4096, '\0')},
      {"script", "#!/bin/sh\necho hi\n"},
      {"half a script", "#!"},
  };
  for (const auto& [name, content] : files) {
    INFO(name);
    write_file(directory / name, content, true);
    expect_refused(run_sudrun({directory / name}), 126, name);
  }
}

TEST_CASE("a dynamic Linux program is sent away with advice", "[bad_programs]") {
  expect_refused(run_sudrun({"/bin/true"}), 126, "dynamic");
}

TEST_CASE("a program cut off anywhere is refused, or runs if nothing it needs is missing", "[bad_programs]") {
  const std::string whole = read_file(guest("hello"));
  Sample sample;
  std::size_t needed = 0;
  for (unsigned i = 0; i < sample.header().e_phnum; ++i) {
    const Elf64_Phdr p = sample.segment(i);
    if (p.p_type == PT_LOAD && p.p_filesz != 0)
      needed = std::max<std::size_t>(needed, p.p_offset + p.p_filesz);
  }
  REQUIRE(needed < whole.size());
  const TemporaryDirectory directory;
  // Every byte of the headers and notes; beyond them every byte near an edge, and steps in between.
  std::vector<std::size_t> sizes;
  for (std::size_t n = 0; n < 600; ++n) sizes.push_back(n);
  for (std::size_t n = 600; n < needed; n += 61) sizes.push_back(n);
  for (std::size_t n = needed - 3; n < needed + 4; ++n) sizes.push_back(n);
  for (std::size_t n = needed; n < whole.size(); n += 4001) sizes.push_back(n);
  sizes.push_back(whole.size() - 1);
  for (const std::size_t size : sizes) {
    INFO("the first " << size << " bytes of " << whole.size() << ", of which " << needed << " are needed");
    write_file(directory / "cut", std::string_view(whole).substr(0, size), true);
    const Outcome outcome = run_sudrun({directory / "cut"});
    if (size < needed) {
      expect_refused(outcome, 126);
    } else {
      INFO(outcome);
      CHECK(outcome.exited(0));
      CHECK(outcome.out == "Hello from FreeBSD\n");
    }
  }
}

TEST_CASE("foreign machines and classes are 126", "[bad_programs]") {
  for (const unsigned machine : {EM_386, EM_AARCH64, EM_RISCV, 0, 0xffff}) {
    Sample sample;
    sample.header().e_machine = static_cast<Elf64_Half>(machine);
    expect_refused(sample.run(), 126);
  }
  Sample narrow;
  narrow.header().e_ident[EI_CLASS] = ELFCLASS32;
  expect_refused(narrow.run(), 126);
  Sample big;
  big.header().e_ident[EI_DATA] = ELFDATA2MSB;
  expect_refused(big.run(), 126);
  for (const unsigned type : {ET_REL, ET_CORE, ET_NONE, 99}) {
    Sample sample;
    sample.header().e_type = static_cast<Elf64_Half>(type);
    expect_refused(sample.run(), 126);
  }
}

TEST_CASE("a program of an unknown system is 126", "[bad_programs]") {
  for (const int osabi : {1, 6, 12, 17, 255}) {  // HP-UX, Solaris, OpenBSD, CloudABI, standalone
    Sample sample;
    sample.header().e_ident[EI_OSABI] = static_cast<unsigned char>(osabi);
    std::string bytes = sample.bytes();
    bytes[bytes.find("FreeBSD")] = 'X';
    const TemporaryDirectory directory;
    write_file(directory / "alien", bytes, true);
    expect_refused(run_sudrun({directory / "alien"}), 126, "not supported");
  }
}

TEST_CASE("segments that overlap, overflow or reach too far are 126", "[bad_programs]") {
  const auto with = [](auto change) {
    Sample sample;
    const unsigned index = sample.load(1);
    Elf64_Phdr p = sample.segment(index);
    change(p);
    sample.set_segment(index, p);
    return sample.run();
  };
  expect_refused(with([](Elf64_Phdr& p) { p.p_memsz = ~0UL - 0xfff; }), 126);
  expect_refused(with([](Elf64_Phdr& p) { p.p_filesz = p.p_memsz = 1UL << 40; }), 126);
  expect_refused(with([](Elf64_Phdr& p) { p.p_filesz = p.p_memsz + 1; }), 126);
  expect_refused(with([](Elf64_Phdr& p) { p.p_offset = ~0UL - 0xfff; }), 126);
  expect_refused(with([](Elf64_Phdr& p) { p.p_vaddr = 0xffff800000000000 | (p.p_vaddr & 0xfff); }), 126);
  expect_refused(with([](Elf64_Phdr& p) { p.p_vaddr = 0x7f0000000000 | (p.p_vaddr & 0xfff); }), 126);
  expect_refused(with([](Elf64_Phdr& p) { p.p_vaddr += 1; }), 126);  // not congruent to its offset
  expect_refused(with([](Elf64_Phdr& p) { p.p_align = 3; }), 126);
  Sample overlapping;  // the first reaches into the second
  Elf64_Phdr first = overlapping.segment(overlapping.load(0));
  first.p_memsz = overlapping.segment(overlapping.load(1)).p_vaddr - first.p_vaddr + 1;
  overlapping.set_segment(overlapping.load(0), first);
  expect_refused(overlapping.run(), 126);
}

TEST_CASE("absurd header counts and offsets are 126", "[bad_programs]") {
  const auto with = [](auto change) {
    Sample sample;
    change(sample.header());
    return sample.run();
  };
  expect_refused(with([](Elf64_Ehdr& h) { h.e_phnum = 0; }), 126);
  expect_refused(with([](Elf64_Ehdr& h) { h.e_phnum = 0xffff; }), 126);
  expect_refused(with([](Elf64_Ehdr& h) { h.e_phnum = 0xfffe; }), 126);
  expect_refused(with([](Elf64_Ehdr& h) { h.e_phoff = ~0UL; }), 126);
  expect_refused(with([](Elf64_Ehdr& h) { h.e_phentsize = 1; }), 126);
  expect_refused(with([](Elf64_Ehdr& h) { h.e_entry = 0xffff800000000000; }), 126);
}

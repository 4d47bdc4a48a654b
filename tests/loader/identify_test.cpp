#include "loader/identify.hpp"

#include <catch2/catch.hpp>

#include "tests/loader/elf_writer.hpp"

using namespace sudrun::loader;
using namespace sudrun::test;

namespace {

const AbiSignature kKnown[] = {
    {"freebsd-amd64", 9, {{"FreeBSD", 1}}, {"/libexec/ld-elf.so.1"}},
    {"netbsd-amd64", 2, {{"NetBSD", 1}}, {"/libexec/ld.elf_so"}},
    {"dragonfly-amd64", -1, {{"DragonFly", 1}}, {"/usr/libexec/ld-elf.so.2"}, "488d7708488b3f"},
    {"linux-amd64", 3, {{"GNU", 1}}, {"/lib64/ld-linux-x86-64.so.2"}},
};

Image marked(unsigned osabi, std::vector<Note> notes = {}, std::string interpreter = {}) {
  Image image;
  image.osabi = osabi;
  image.notes = std::move(notes);
  image.interpreter = std::move(interpreter);
  return image;
}
Note note(std::string name, std::uint32_t type, std::string_view desc = {}) {
  return {std::move(name), type, bytes_of(desc)};
}
const std::string_view kLinuxTag("\0\0\0\0\3\0\0\0\2\0\0\0\0\0\0\0", 16);
const std::string_view kKFreeBsdTag("\3\0\0\0\3\0\0\0\2\0\0\0\0\0\0\0", 16);

std::string abi_of(const Image& image) { return identify(image, std::span(kKnown)).abi; }

Classification classify_bytes(const Bytes& file) { return classify(SpanSource(file), kKnown); }

std::optional<Script> script(std::string_view text, std::size_t limit = kLinuxScriptLimit) {
  const Bytes bytes = bytes_of(text);
  return parse_script(bytes, limit);
}

}  // namespace

TEST_CASE("the OS/ABI byte decides before notes, notes before the interpreter") {
  CHECK(abi_of(marked(9)) == "freebsd-amd64");
  CHECK(abi_of(marked(9, {note("NetBSD", 1)})) == "freebsd-amd64");
  CHECK(abi_of(marked(0, {note("NetBSD", 1)}, "/libexec/ld-elf.so.1")) == "netbsd-amd64");
  CHECK(abi_of(marked(0, {note("FreeBSD", 1), note("Go", 4)})) == "freebsd-amd64");
  CHECK(abi_of(marked(0, {}, "/libexec/ld-elf.so.1")) == "freebsd-amd64");
  CHECK(abi_of(marked(6, {note("FreeBSD", 1)})) == "freebsd-amd64");
  CHECK(identify(marked(9), std::span(kKnown)).how == "OS/ABI byte 9 (FreeBSD)");
}

TEST_CASE("a note of another type under a system's name does not identify it") {
  CHECK(abi_of(marked(0, {note("FreeBSD", 2)})) == "linux-amd64");
}

TEST_CASE("the code a program begins with identifies it where nothing else does") {
  const auto beginning = [](Image image, std::string_view code) {
    image.entry_code = bytes_of(code);
    return image;
  };
  constexpr std::string_view kCode("\x48\x8d\x77\x08\x48\x8b\x3f\xe9\0", 9);
  CHECK(abi_of(beginning(marked(0), kCode)) == "dragonfly-amd64");
  CHECK(abi_of(beginning(marked(0, {note("Go", 4)}), kCode)) == "dragonfly-amd64");
  CHECK(identify(beginning(marked(0), kCode), std::span(kKnown)).how ==
        "code at the entry point 488d7708488b3f");
  CHECK(abi_of(beginning(marked(0), kCode.substr(0, 7))) == "dragonfly-amd64");
  CHECK(abi_of(beginning(marked(0), kCode.substr(0, 6))) == "linux-amd64");
  CHECK(abi_of(beginning(marked(0), kCode.substr(1))) == "linux-amd64");
  CHECK(abi_of(beginning(marked(9), kCode)) == "freebsd-amd64");
  CHECK(abi_of(beginning(marked(3), kCode)) == "linux-amd64");
  CHECK(abi_of(beginning(marked(0, {note("NetBSD", 1)}), kCode)) == "netbsd-amd64");
  CHECK(abi_of(beginning(marked(0, {note("OpenBSD", 1)}), kCode)).empty());
  CHECK(abi_of(beginning(marked(0, {note("GNU", 1, kLinuxTag)}), kCode)) == "linux-amd64");
  CHECK(abi_of(beginning(marked(0, {}, "/lib64/ld-linux-x86-64.so.2"), kCode)) == "linux-amd64");
}

TEST_CASE("programs without a mark of another system are Linux programs") {
  CHECK(abi_of(marked(0)) == "linux-amd64");
  CHECK(abi_of(marked(3)) == "linux-amd64");
  CHECK(abi_of(marked(0, {note("GNU", 3, "id")})) == "linux-amd64");
  CHECK(abi_of(marked(0, {note("Go", 4)})) == "linux-amd64");
  CHECK(abi_of(marked(0, {note("GNU", 1, kLinuxTag)})) == "linux-amd64");
  CHECK(abi_of(marked(0, {}, "/lib/ld-musl-x86_64.so.1")) == "linux-amd64");
  CHECK(abi_of(marked(0, {}, "/nix/store/abc-glibc/lib/ld-linux-x86-64.so.2")) == "linux-amd64");
  CHECK(abi_of(marked(0, {note("GNU", 1, kLinuxTag)}, "/strange/loader")) == "linux-amd64");
}

TEST_CASE("a build identifier of GNU tools on a FreeBSD program does not make it a Linux one") {
  CHECK(abi_of(marked(0, {note("GNU", 3, "id"), note("FreeBSD", 1)})) == "freebsd-amd64");
}

TEST_CASE("marks of systems without a table leave the ABI unknown and are named") {
  const auto check = [](const Image& image, std::string_view named) {
    const Identification found = identify(image, std::span(kKnown));
    CHECK_FALSE(found);
    CHECK(found.how.find(named) != std::string::npos);
  };
  check(marked(12), "OpenBSD");
  check(marked(0, {note("OpenBSD", 1)}), "note OpenBSD type 1");
  check(marked(0, {}, "/usr/libexec/ld.so"), "/usr/libexec/ld.so");
  check(marked(0, {note("GNU", 1, kKFreeBsdTag)}), "note GNU type 1");
  check(marked(0, {note("bad\x1b[31m", 1)}), "bad?[31m");
}

TEST_CASE("Linux programs are recognised without a table for Linux") {
  CHECK(identify(marked(0), std::span<const AbiSignature>()).native());
  CHECK(identify(marked(3), std::span<const AbiSignature>()).native());
  CHECK_FALSE(identify(marked(9), std::span<const AbiSignature>()));
}

TEST_CASE("a script's first line gives the interpreter and at most one argument") {
  CHECK(script("#!/bin/sh\n")->interpreter == "/bin/sh");
  CHECK_FALSE(script("#!/bin/sh\n")->argument);
  CHECK(script("#!/bin/sh")->interpreter == "/bin/sh");
  CHECK(script("#! \t/usr/bin/env   -S a  b \t\nrest")->interpreter == "/usr/bin/env");
  CHECK(script("#! \t/usr/bin/env   -S a  b \t\nrest")->argument == "-S a  b");
  CHECK_FALSE(script("#!/bin/sh   \n")->argument);
  CHECK(script(std::string_view("#!/bin/sh\0 -x\n", 14))->interpreter == "/bin/sh");
}

TEST_CASE("first lines without an interpreter are no scripts") {
  CHECK_FALSE(script(""));
  CHECK_FALSE(script("#"));
  CHECK_FALSE(script("#!"));
  CHECK_FALSE(script("#!\n/bin/sh\n"));
  CHECK_FALSE(script("#!  \t \n"));
  CHECK_FALSE(script("# !/bin/sh\n"));
}

TEST_CASE("an interpreter's name that does not fit is refused, an argument that does not is cut") {
  const std::string fits = "#!/" + std::string(252, 'a');
  REQUIRE(fits.size() == 255);
  CHECK(script(fits + "\nrest of the file"));
  CHECK(script(fits));
  CHECK_FALSE(script(fits + "a\nrest of the file"));
  CHECK_FALSE(script(fits + "aaaa"));
  CHECK_FALSE(script("#!" + std::string(300, ' ') + "/bin/sh\n"));
  CHECK(script("#!" + std::string(300, ' ') + "/bin/sh\n", kForeignScriptLimit)->interpreter == "/bin/sh");
  const auto cut = script("#!/bin/sh " + std::string(400, 'x') + "\n");
  REQUIRE(cut);
  CHECK(cut->argument->size() == 245);
  CHECK(script("#!/bin/sh " + std::string(400, 'x') + "\n", kForeignScriptLimit)->argument->size() == 400);
}

TEST_CASE("a file given to exec is foreign, native, a script, not executable or unknown") {
  ElfWriter elf = small_program();
  SECTION("foreign") {
    elf.header.e_ident[EI_OSABI] = 9;
    const auto file = classify_bytes(elf.build());
    CHECK(file.kind == FileKind::foreign_elf);
    CHECK(file.abi == "freebsd-amd64");
    CHECK_FALSE(why_not_runnable(file));
  }
  SECTION("native") {
    const auto file = classify_bytes(elf.build());
    CHECK(file.kind == FileKind::native);
    CHECK_FALSE(why_not_runnable(file));
  }
  SECTION("script") {
    const auto file = classify_bytes(bytes_of("#!/bin/sh -e\necho\n"));
    CHECK(file.kind == FileKind::script);
    REQUIRE(file.script);
    CHECK(file.script->argument == "-e");
  }
  SECTION("script without an interpreter") {
    const auto file = classify_bytes(bytes_of("#!\n"));
    CHECK(file.kind == FileKind::script);
    CHECK_FALSE(file.script);
    CHECK(why_not_runnable(file));
  }
  SECTION("damaged") {
    Bytes bytes = elf.build();
    bytes.pop_back();
    const auto file = classify_bytes(bytes);
    CHECK(file.kind == FileKind::not_executable);
    CHECK(file.error == LoadError::Kind::truncated);
    CHECK(why_not_runnable(file));
  }
  SECTION("empty") { CHECK(classify_bytes({}).kind == FileKind::not_executable); }
  SECTION("unknown system") {
    elf.header.e_ident[EI_OSABI] = 12;
    const auto file = classify_bytes(elf.build());
    CHECK(file.kind == FileKind::not_executable);
    CHECK(file.message.find("OpenBSD") != std::string::npos);
  }
  SECTION("text") { CHECK(classify_bytes(bytes_of("echo hello\n")).kind == FileKind::unknown_format); }
  SECTION("another machine") {
    elf.header.e_machine = EM_AARCH64;
    CHECK(classify_bytes(elf.build()).kind == FileKind::unknown_format);
  }
}

TEST_CASE("dynamic programs are run unless they are Linux's own") {
  ElfWriter elf = small_program();
  const auto with_interpreter = [&](const std::string& path) {
    elf.put(0x300, bytes_of(path));
    elf.add(PT_INTERP, PF_R, 0x400300, 0x300, path.size() + 1, path.size() + 1, 1);
    return classify_bytes(elf.build());
  };
  SECTION("FreeBSD") {
    const auto file = with_interpreter("/libexec/ld-elf.so.1");
    CHECK(file.kind == FileKind::foreign_elf);
    CHECK(file.is_dynamic());
    CHECK_FALSE(why_not_runnable(file));
  }
  SECTION("Linux, at fixed addresses: an inherited filter would kill it") {
    const auto file = with_interpreter("/lib64/ld-linux-x86-64.so.2");
    CHECK(file.kind == FileKind::native);
    CHECK(file.is_dynamic());
    CHECK_FALSE(why_not_runnable(file));
  }
  SECTION("Linux") {
    elf.header.e_type = ET_DYN;
    const auto file = with_interpreter("/lib64/ld-linux-x86-64.so.2");
    CHECK(file.kind == FileKind::native);
    CHECK(why_not_runnable(file)->find("run it directly") != std::string::npos);
  }
}

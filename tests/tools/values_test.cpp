// Numbers of calls, followed through code made by hand.
#include <catch2/catch.hpp>
#include <set>

#include "tests/loader/elf_writer.hpp"
#include "tools/syscalls.hpp"

using namespace sudrun;
using namespace sudrun::tools;
using namespace sudrun::test;

namespace {

constexpr Word kBase = 0x400000, kCodeAt = 0x400100;

/// A program whose code is `code`, entered at its beginning; without symbols.
Bytes program_of(std::string_view code) {
  ElfWriter elf;
  elf.header.e_entry = kCodeAt;
  // The headers are in a segment of their own, so that they are not taken for code.
  elf.add(PT_LOAD, PF_R, kBase, 0, 0xf0, 0xf0);
  elf.add(PT_LOAD, PF_R | PF_X, kCodeAt, 0x100, code.size(), code.size(), 1);
  elf.put(0x100, bytes_of(code));
  return elf.build();
}

struct Look {
  explicit Look(std::string_view code, bool is_go = false) : Look(program_of(code), is_go) {}
  explicit Look(Bytes program, bool is_go = false) : file(std::move(program)) {
    auto image = loader::parse_elf(loader::SpanSource(file));
    REQUIRE(image);
    const Binary binary(file, std::move(*image));
    Functions functions(binary, {});
    abi::Convention convention{};
    convention.number = kRax;
    convention.args = {kRdi, 9, kRdx, 2, 0, 1};
    convention.indirect = {0, 198, -1, -1};
    sites = find_syscalls(functions, convention, is_go).sites;
  }
  std::set<std::uint32_t> numbers(std::size_t site = 0) const {
    std::set<std::uint32_t> all;
    REQUIRE(site < sites.size());
    for (const NumberUse& use : sites[site].uses) all.insert(use.number);
    return all;
  }
  bool sure(std::size_t site = 0) const { return sites.at(site).doubts.empty(); }

  Bytes file;
  std::vector<Site> sites;
};

using Numbers = std::set<std::uint32_t>;

template <std::size_t N>
std::string code(const char (&bytes)[N]) {
  return std::string(bytes, N - 1);
}

void expect(const std::string& bytes, const Numbers& numbers) {
  const Look look(bytes);
  REQUIRE(look.sites.size() == 1);
  CHECK(look.numbers() == numbers);
  CHECK(look.sure());
  CHECK_FALSE(look.sites[0].from_caller);
}

void expect_doubt(const std::string& bytes, const Numbers& numbers, std::string_view why,
                  std::size_t site = 0) {
  const Look look(bytes);
  CHECK(look.numbers(site) == numbers);
  REQUIRE_FALSE(look.sure(site));
  CHECK_THAT(look.sites[site].doubts[0], Catch::Contains(std::string(why)));
}

const std::string kSyscall = code("\x0f\x05\xc3");  // syscall; ret

}  // namespace

TEST_CASE("a number that is loaded in any of the usual ways is told", "[inspect]") {
  expect(code("\xb8\x04\x00\x00\x00") + kSyscall, {4});               // mov $4,%eax
  expect(code("\x48\xc7\xc0\x07\x00\x00\x00") + kSyscall, {7});       // mov $7,%rax
  expect(code("\x49\x89\xca\xb8\x05\x00\x00\x00") + kSyscall, {5});   // mov %rcx,%r10 before it
  expect(code("\xb8\x05\x00\x00\x00\x49\x89\xca") + kSyscall, {5});   // and after it
  expect(code("\x31\xc0\xb0\x25") + kSyscall, {37});                  // xor; mov $37,%al
  expect(code("\x31\xc0\xb4\x01") + kSyscall, {256});                 // xor; mov $1,%ah
  expect(code("\x6a\x05\x58") + kSyscall, {5});                       // push $5; pop %rax
  expect(code("\x31\xff\x8d\x47\x03") + kSyscall, {3});               // lea 3(%rdi),%eax
  expect(code("\xbb\x14\x00\x00\x00\x89\xd8") + kSyscall, {20});      // through another register
  expect(code("\xb9\x14\x00\x00\x00\x48\x91") + kSyscall, {20});      // xchg
  expect(code("\xb8\x04\x00\x00\x00\x83\xc0\x02") + kSyscall, {6});   // add $2
  expect(code("\x6a\xff\x58\xf7\xd0\x83\xc8\x11") + kSyscall, {17});  // push $-1; pop; not; or $17
  expect(code("\xb8\x04\x00\x00\x00\x48\x98") + kSyscall, {4});       // cltq
}

TEST_CASE("numbers are followed through the stack", "[inspect]") {
  // sub $8,%rsp; movl $9,(%rsp); mov (%rsp),%eax
  expect(code("\x48\x83\xec\x08\xc7\x04\x24\x09\x00\x00\x00\x8b\x04\x24") + kSyscall, {9});
  // push %rbp; mov %rsp,%rbp; sub $16,%rsp; movl $6,-4(%rbp); push %rax; mov -4(%rbp),%eax
  expect(code("\x55\x48\x89\xe5\x48\x83\xec\x10\xc7\x45\xfc\x06\x00\x00\x00\x50\x8b\x45\xfc") + kSyscall,
         {6});
  // mov $3,%ecx; push %rcx; push $1; pop %rdx; pop %rax
  expect(code("\xb9\x03\x00\x00\x00\x51\x6a\x01\x5a\x58") + kSyscall, {3});
  // a byte of it is overwritten: movl $9,-8(%rsp); movb $1,-8(%rsp); mov -8(%rsp),%eax
  expect_doubt(code("\xc7\x44\x24\xf8\x09\x00\x00\x00\xc6\x44\x24\xf8\x01\x8b\x44\x24\xf8") + kSyscall, {},
               "in memory");
}

TEST_CASE("all ways that lead to a call count", "[inspect]") {
  // test %edi,%edi; je 1f; mov $1,%eax; jmp 2f; 1: mov $2,%eax; 2: syscall
  expect(code("\x85\xff\x74\x07\xb8\x01\x00\x00\x00\xeb\x05\xb8\x02\x00\x00\x00") + kSyscall, {1, 2});
  // mov $1,%eax; mov $2,%ecx; test %edi,%edi; cmove %ecx,%eax
  expect(code("\xb8\x01\x00\x00\x00\xb9\x02\x00\x00\x00\x85\xff\x0f\x44\xc1") + kSyscall, {1, 2});
  // a jump back to the call: mov $4,%ebx; 1: mov %ebx,%eax; syscall; jc 1b
  expect(code("\xbb\x04\x00\x00\x00\x89\xd8\x0f\x05\x72\xfa\xc3"), {4});
}

TEST_CASE("what cannot be told is not guessed", "[inspect]") {
  // mov $4,%eax; call f; syscall; ret; f: ret
  expect_doubt(code("\xb8\x04\x00\x00\x00\xe8\x03\x00\x00\x00\x0f\x05\xc3\xc3"), {},
               "a function called before");
  // mov (%rdi),%rax
  expect_doubt(code("\x48\x8b\x07") + kSyscall, {}, "read from memory");
  // the second of two: mov $1,%eax; syscall; syscall
  expect_doubt(code("\xb8\x01\x00\x00\x00\x0f\x05") + kSyscall, {}, "an earlier call has returned", 1);
  // every number in turn: mov $1,%ebx; 1: mov %ebx,%eax; syscall; inc %ebx; jmp 1b
  expect_doubt(code("\xbb\x01\x00\x00\x00\x89\xd8\x0f\x05\xff\xc3\xeb\xf8"), {1}, "in a loop");
  // behind a jump, with nobody who comes there: jmp .; syscall
  expect_doubt(code("\xeb\xfe") + kSyscall, {}, "where this code is entered");
  // the entry itself: nobody knows what is in %rax
  expect_doubt(kSyscall, {}, "where the program starts");
}

TEST_CASE("registers a function keeps are followed over its call, but not in Go", "[inspect]") {
  // mov $4,%ebx; call f; mov %ebx,%eax; syscall; ret; f: ret
  const std::string bytes = code("\xbb\x04\x00\x00\x00\xe8\x05\x00\x00\x00\x89\xd8\x0f\x05\xc3\xc3");
  const Look in_c(bytes), in_go(bytes, true);
  CHECK(in_c.numbers() == Numbers{4});
  CHECK(in_c.sure());
  CHECK(in_go.numbers().empty());
  CHECK_FALSE(in_go.sure());
}

TEST_CASE("nothing comes from calls that do not return", "[inspect]") {
  // mov $4,%eax; test %edi,%edi; jne 1f; call f; 1: syscall; ret; f: hlt
  expect(code("\xb8\x04\x00\x00\x00\x85\xff\x75\x05\xe8\x03\x00\x00\x00\x0f\x05\xc3\xf4"), {4});
}

TEST_CASE("the callers of a stub are asked for the number", "[inspect]") {
  // mov $5,%edi; call f; mov $6,%edi; call f; ret; f: mov %rdi,%rax; syscall; ret
  const Look look(
      code("\xbf\x05\x00\x00\x00\xe8\x0b\x00\x00\x00\xbf\x06\x00\x00\x00\xe8\x01\x00\x00\x00\xc3"
           "\x48\x89\xf8\x0f\x05\xc3"));
  CHECK(look.numbers() == Numbers{5, 6});
  CHECK(look.sites[0].from_caller);
  CHECK(look.sure());
  CHECK(look.sites[0].uses[0].at == kCodeAt + 5);
  CHECK(look.sites[0].uses[0].via == std::vector<Word>{kCodeAt + 21});
}

TEST_CASE("stubs take numbers from the stack, and through other stubs", "[inspect]") {
  // sub $16,%rsp; movq $7,(%rsp); call f; add $16,%rsp; ret; f: mov 8(%rsp),%rax; syscall; ret
  const Look stack(
      code("\x48\x83\xec\x10\x48\xc7\x04\x24\x07\x00\x00\x00\xe8\x05\x00\x00\x00\x48\x83\xc4\x10\xc3"
           "\x48\x8b\x44\x24\x08\x0f\x05\xc3"));
  CHECK(stack.numbers() == Numbers{7});
  CHECK(stack.sites[0].from_caller);
  CHECK(stack.sure());
  // mov $8,%edi; call g; mov $9,%edi; call f; ret; g: jmp f; f: mov %rdi,%rax; syscall; ret
  const Look chain(
      code("\xbf\x08\x00\x00\x00\xe8\x0b\x00\x00\x00\xbf\x09\x00\x00\x00\xe8\x03\x00\x00\x00\xc3"
           "\xeb\x00\x48\x89\xf8\x0f\x05\xc3"));
  CHECK(chain.numbers() == Numbers{8, 9});
  CHECK(chain.sure());
}

TEST_CASE("a variable that is only loaded counts as its value", "[inspect]") {
  // mov v(%rip),%eax; syscall; ret; nop…; v: 20; of an executable segment that is writable
  const auto look = [](std::string bytes) {
    bytes.resize(24, '\x90');
    bytes += code("\x14\x00\x00\x00");
    Bytes file = program_of(bytes);
    file[sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + 4] |= std::byte{PF_W};
    return Look(std::move(file));
  };
  const Look loaded = look(code("\x8b\x05\x12\x00\x00\x00") + kSyscall);
  CHECK(loaded.numbers() == Numbers{20});
  CHECK(loaded.sure());
  // The same, and then mov %ecx,v(%rip).
  const Look written = look(code("\x8b\x05\x12\x00\x00\x00\x0f\x05\x89\x0d\x0a\x00\x00\x00\xc3"));
  CHECK(written.numbers().empty());
  REQUIRE_FALSE(written.sure());
  CHECK_THAT(written.sites[0].doubts[0], Catch::Contains("in a variable"));
}

TEST_CASE("a stub whose address is taken may be given any number", "[inspect]") {
  // lea f(%rip),%rax; mov $5,%edi; call f; ret; f: mov %rdi,%rax; syscall; ret
  const Look look(
      code("\x48\x8d\x05\x0b\x00\x00\x00\xbf\x05\x00\x00\x00\xe8\x01\x00\x00\x00\xc3"
           "\x48\x89\xf8\x0f\x05\xc3"));
  CHECK(look.numbers() == Numbers{5});
  REQUIRE_FALSE(look.sure());
  CHECK_THAT(look.sites[0].doubts[0], Catch::Contains("through a pointer"));
}

TEST_CASE("syscall(2) itself is seen through", "[inspect]") {
  // xor %eax,%eax; mov $20,%edi; syscall
  const Look look(code("\x31\xc0\xbf\x14\x00\x00\x00") + kSyscall);
  CHECK(look.numbers() == Numbers{20});
  CHECK(look.sites[0].uses[0].indirect);
}

TEST_CASE("call instructions are found, and not inside of other instructions", "[inspect]") {
  // mov $0x050f,%eax; syscall; ret
  const Look look(code("\xb8\x0f\x05\x00\x00\x0f\x05\xc3"));
  REQUIRE(look.sites.size() == 1);
  CHECK(look.sites[0].address == kCodeAt + 5);
  CHECK(Look(code("\x06\x06\xb8\x01\x00\x00\x00") + kSyscall).sites.size() == 1);  // behind what is no code
  CHECK(Look(code("\xc3")).sites.empty());
  const Look old(code("\xcd\x80\x0f\x34"));
  REQUIRE(old.sites.size() == 2);
  CHECK_FALSE(old.sites[0].is_syscall);
  CHECK(std::string(old.sites[0].what) == "int 0x80");
  CHECK(std::string(old.sites[1].what) == "sysenter");
}

TEST_CASE("each call says how it can be rewritten, and padding is not given away twice", "[inspect]") {
  const auto rungs = [](const std::string& bytes) {
    std::vector<loader::Rung> all;
    for (const Site& site : Look(bytes).sites) all.push_back(site.rung);
    return all;
  };
  using loader::Rung;
  CHECK(rungs(code("\x0f\x05\xc3") + std::string(13, '\xcc')) == std::vector{Rung::padding});
  CHECK(rungs(code("\x0f\x05\xe8") + std::string(14, '\x90')) ==
        std::vector{Rung::none});  // a call: cannot be moved
  CHECK(rungs(code("\x0f\x05\xf8\xf8\x0f\x05\xc3") + std::string(9, '\xcc')) ==
        std::vector{Rung::padding, Rung::none});  // the first leaves four bytes
}

TEST_CASE("any bytes at all can be followed", "[inspect]") {
  // Dense in what is looked at: calls, jumps, pushes, registers.
  constexpr unsigned char kBytes[] = {0x0f, 0x05, 0xe8, 0xeb, 0x74, 0x00, 0x02, 0xfa, 0x50, 0x58, 0x89,
                                      0xd8, 0x48, 0x8b, 0x44, 0x24, 0x08, 0xc3, 0xff, 0x83, 0xec, 0x0f};
  std::uint64_t state = 88172645463325252;
  for (int round = 0; round < 300; ++round) {
    std::string bytes;
    for (int i = 0; i < 200; ++i) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      bytes += static_cast<char>(kBytes[state % sizeof kBytes]);
    }
    const Look look(bytes, round % 2 == 0);
    for (const Site& site : look.sites)
      CHECK((!site.is_syscall || !site.uses.empty() || !site.doubts.empty() || site.from_caller));
  }
}

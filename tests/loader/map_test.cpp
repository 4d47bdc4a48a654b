#include "loader/map_unsafe.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <functional>
#include <sstream>

#include "loader/file_source.hpp"
#include "tests/loader/elf_writer.hpp"

using namespace sudrun::loader;
using namespace sudrun::test;
using Kind = LoadError::Kind;

namespace {

/// Runs `check` in a child whose address space may be spoilt; what it returns, empty when all is well.
std::string in_child(const std::function<std::string()>& check) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    close(ends[0]);
    const std::string verdict = check();
    const ssize_t written = write(ends[1], verdict.data(), verdict.size());
    _exit(written == static_cast<ssize_t>(verdict.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string verdict;
  char buffer[512];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;) {
    verdict.append(buffer, static_cast<std::size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (status != 0) verdict += " (wait status " + std::to_string(status) + ")";
  return verdict;
}

/// A file without a name that holds `bytes`.
class TemporaryFile {
 public:
  explicit TemporaryFile(const Bytes& bytes) : fd_(memfd_create("program", 0)) {
    REQUIRE(fd_ >= 0);
    REQUIRE(write(fd_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { close(fd_); }
  int fd() const { return fd_; }

 private:
  int fd_;
};

/// What /proc/self/maps says of one address: permissions, empty if nothing is mapped there.
std::string permissions_at(Word address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    Word start = 0, end = 0;
    char dash = 0;
    std::string permissions;
    fields >> std::hex >> start >> dash >> end >> permissions;
    if (address >= start && address < end) return permissions;
  }
  return {};
}

unsigned byte_at(Word address) { return *reinterpret_cast<volatile unsigned char*>(address); }

Image parsed(const TemporaryFile& file) {
  auto image = parse_elf(FileSource(file.fd()));
  REQUIRE(image);
  return *image;
}

#define EXPECT(condition)                                                                       \
  do {                                                                                          \
    if (!(condition)) return std::string("line " + std::to_string(__LINE__) + ": " #condition); \
  } while (false)

}  // namespace

TEST_CASE("a fixed program is mapped at its addresses, with its bytes, zeros and exact permissions") {
  const TemporaryFile file(small_program().build());
  const Image image = parsed(file);
  CHECK(in_child([&]() -> std::string {
          const auto mapped = map_image(image, file.fd());
          if (!mapped) return mapped.error().message;
          EXPECT(mapped->bias == 0);
          EXPECT(mapped->entry == 0x400800);
          EXPECT(mapped->phdr == 0x400040);
          EXPECT(mapped->break_start == 0x406000);
          EXPECT(permissions_at(0x400000) == "r-xp");
          EXPECT(permissions_at(0x401000).empty());
          EXPECT(permissions_at(0x402000) == "rw-p");
          EXPECT(permissions_at(0x405fff) == "rw-p");
          EXPECT(permissions_at(0x406000).empty());
          EXPECT(byte_at(0x400000) == 0x7f);
          EXPECT(byte_at(0x400805) == 0x0f);
          EXPECT(byte_at(0x402ff0) == 0xda && byte_at(0x40300f) == 0xda);
          for (Word a = 0x403010; a < 0x406000; ++a) EXPECT(byte_at(a) == 0);
          unmap_image(image, *mapped);
          EXPECT(permissions_at(0x400000).empty());
          EXPECT(permissions_at(0x402000).empty());
          return {};
        }) == "");
}

TEST_CASE("writing to a program's data does not reach its file") {
  const TemporaryFile file(small_program().build());
  const Image image = parsed(file);
  CHECK(in_child([&]() -> std::string {
          if (!map_image(image, file.fd())) return "not mapped";
          *reinterpret_cast<volatile unsigned char*>(0x402ff0) = 1;
          unsigned char still = 0;
          EXPECT(pread(file.fd(), &still, 1, 0xff0) == 1);
          EXPECT(still == 0xda);
          return {};
        }) == "");
}

TEST_CASE("zeros after the file's contents are there in segments that cannot be written, too") {
  ElfWriter elf = small_program();
  elf.segments[1].p_flags = PF_R;
  elf.put(0x1010, Bytes(0x500, std::byte{0xee}));
  const TemporaryFile file(elf.build());
  const Image image = parsed(file);
  CHECK(in_child([&]() -> std::string {
          if (!map_image(image, file.fd())) return "not mapped";
          EXPECT(byte_at(0x40300f) == 0xda);
          EXPECT(byte_at(0x403010) == 0);
          EXPECT(byte_at(0x4034ff) == 0);
          EXPECT(permissions_at(0x403000) == "r--p");
          return {};
        }) == "");
}

TEST_CASE("segments that share a page both find their bytes in it") {
  ElfWriter elf = small_program();
  // Code ends at 0x400810; data begins at 0x400900 from another place of the file.
  elf.segments[1] = {PT_LOAD, PF_R | PF_W, 0x1900, 0x400900, 0x400900, 0x10, 0x2000, 0x1000};
  elf.put(0x1800, Bytes(0x100, std::byte{0xee}));
  elf.put(0x1900, Bytes(0x10, std::byte{0xdb}));
  const TemporaryFile file(elf.build());
  const Image image = parsed(file);
  CHECK(in_child([&]() -> std::string {
          if (!map_image(image, file.fd())) return "not mapped";
          EXPECT(byte_at(0x400000) == 0x7f);
          EXPECT(byte_at(0x400805) == 0x0f);
          EXPECT(byte_at(0x400810) == 0);
          EXPECT(byte_at(0x400900) == 0xdb && byte_at(0x40090f) == 0xdb);
          EXPECT(byte_at(0x400910) == 0);
          EXPECT(permissions_at(0x400000) == "rw-p");
          EXPECT(permissions_at(0x4028ff) == "rw-p");
          return {};
        }) == "");
}

TEST_CASE("nothing that is already mapped is replaced, and a failure leaves nothing behind") {
  const TemporaryFile file(small_program().build());
  const Image image = parsed(file);
  CHECK(in_child([&]() -> std::string {
          void* taken = mmap(reinterpret_cast<void*>(0x404000), 4096, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
          EXPECT(taken != MAP_FAILED);
          *static_cast<volatile char*>(taken) = 42;
          const auto mapped = map_image(image, file.fd());
          EXPECT(!mapped);
          EXPECT(mapped.error().kind == Kind::address_taken);
          EXPECT(mapped.error().message.find("0x402000") != std::string::npos);
          EXPECT(byte_at(0x404000) == 42);
          EXPECT(permissions_at(0x400000).empty());
          EXPECT(permissions_at(0x402000).empty());
          return {};
        }) == "");
}

TEST_CASE("a file that has shrunk since it was parsed is an error, not a crash") {
  const TemporaryFile file(small_program().build());
  const Image image = parsed(file);
  CHECK(in_child([&]() -> std::string {
          EXPECT(ftruncate(file.fd(), 0x1000) == 0);
          const auto mapped = map_image(image, file.fd());
          EXPECT(!mapped);
          EXPECT(mapped.error().kind == Kind::truncated);
          EXPECT(permissions_at(0x400000).empty());
          return {};
        }) == "");
}

TEST_CASE("address 0 is never mapped") {
  ElfWriter elf = small_program();
  for (int i = 0; i < 2; ++i) elf.segments[static_cast<std::size_t>(i)].p_vaddr -= 0x400000;
  elf.header.e_entry -= 0x400000;
  const TemporaryFile file(elf.build());
  const Image image = parsed(file);
  CHECK(in_child([&]() -> std::string {
          const auto mapped = map_image(image, file.fd());
          EXPECT(!mapped);
          EXPECT(mapped.error().message.find("address 0") != std::string::npos);
          return {};
        }) == "");
}

TEST_CASE("a position-independent program goes where asked, or to a random place below the guest's top") {
  ElfWriter elf = small_program();
  elf.header.e_type = ET_DYN;
  for (int i = 0; i < 2; ++i) elf.segments[static_cast<std::size_t>(i)].p_vaddr -= 0x400000;
  elf.header.e_entry -= 0x400000;
  elf.segments[1].p_vaddr += 0x100000;
  elf.segments[0].p_align = 0x200000;
  const TemporaryFile file(elf.build());
  const Image image = parsed(file);
  CHECK(in_child([&]() -> std::string {
          const auto fixed = map_image(image, file.fd(), {.bias = 0x1234'0000'0000});
          if (!fixed) return fixed.error().message;
          EXPECT(fixed->bias == 0x1234'0000'0000);
          EXPECT(fixed->entry == 0x1234'0000'0800);
          EXPECT(byte_at(fixed->entry + 5) == 0x0f);
          EXPECT(permissions_at(fixed->bias + 0x1000) == "---p");  // the gap stays reserved
          EXPECT(permissions_at(fixed->bias + 0x102000) == "rw-p");
          EXPECT(fixed->end == fixed->bias + 0x106000);
          const auto again = map_image(image, file.fd(), {.bias = 0x1234'0000'0000});
          EXPECT(!again && again.error().kind == Kind::address_taken);
          EXPECT(byte_at(fixed->entry + 5) == 0x0f);
          const auto odd = map_image(image, file.fd(), {.bias = 0x1234'0000'1000});
          EXPECT(!odd && odd.error().kind == Kind::misaligned);
          const auto high = map_image(image, file.fd(), {.bias = sudrun::abi::kGuestTop});
          EXPECT(!high && high.error().kind == Kind::out_of_range);
          unmap_image(image, *fixed);
          EXPECT(permissions_at(fixed->bias).empty());

          const auto first = map_image(image, file.fd()), second = map_image(image, file.fd());
          EXPECT(first && second);
          EXPECT(first->bias != second->bias);
          EXPECT(first->bias % 0x200000 == 0 && second->bias % 0x200000 == 0);
          EXPECT(first->end <= sudrun::abi::kGuestTop && second->end <= sudrun::abi::kGuestTop);
          return {};
        }) == "");
}

TEST_CASE("a program too large for memory is refused and leaves nothing behind") {
  ElfWriter elf = small_program();
  elf.segments[1].p_memsz = 0x2000'0000'0000;
  const TemporaryFile file(elf.build());
  const Image image = parsed(file);
  CHECK(in_child([&]() -> std::string {
          const auto mapped = map_image(image, file.fd());
          if (mapped) return {};  // a machine that overcommits without limit
          // Sanitizers keep memory of their own in so large a range.
          EXPECT(mapped.error().kind == Kind::cannot_map || mapped.error().kind == Kind::address_taken);
          EXPECT(permissions_at(0x400000).empty());
          EXPECT(permissions_at(0x402000).empty());
          return {};
        }) == "");
}

TEST_CASE("the guest's stack lies below its top, with a guard page under it") {
  CHECK(in_child([]() -> std::string {
          const auto stack = map_stack();
          if (!stack) return stack.error().message;
          EXPECT(stack->size() >= 8 << 20 && stack->size() <= 64 << 20);
          EXPECT(stack->top <= sudrun::abi::kGuestTop && stack->top % 4096 == 0);
          EXPECT(permissions_at(stack->top - 1) == "rw-p");
          EXPECT(permissions_at(stack->base) == "rw-p");
          EXPECT(permissions_at(stack->base - 1) == "---p");
          const Bytes bytes = bytes_of("hello");
          copy_to_stack(*stack, stack->top - 5, bytes);
          EXPECT(byte_at(stack->top - 5) == 'h' && byte_at(stack->top - 1) == 'o');
          const auto second = map_stack();
          EXPECT(second && second->top != stack->top);
          unmap_stack(*stack);
          EXPECT(permissions_at(stack->base).empty() && permissions_at(stack->base - 1).empty());
          return {};
        }) == "");
}

TEST_CASE("a stack can be given its size, place and permission to execute") {
  CHECK(in_child([]() -> std::string {
          const auto stack = map_stack({.size = 100'000, .executable = true, .top = 0x2000'0000'0000});
          if (!stack) return stack.error().message;
          EXPECT(stack->top == 0x2000'0000'0000);
          EXPECT(stack->size() == 102'400);
          EXPECT(permissions_at(stack->base) == "rwxp");
          const auto taken = map_stack({.size = 100'000, .top = 0x2000'0000'0000});
          EXPECT(!taken && taken.error().kind == Kind::address_taken);
          EXPECT(!map_stack({.size = 1ULL << 60}));
          EXPECT(!map_stack({.top = sudrun::abi::kGuestTop + 4096}));
          EXPECT(!map_stack({.size = 8192, .top = 8192}));
          return {};
        }) == "");
}

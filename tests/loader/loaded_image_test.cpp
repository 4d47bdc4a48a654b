#include "loader/loaded_image.hpp"

#include <dlfcn.h>
#include <sys/auxv.h>

#include <catch2/catch.hpp>

#include <cstring>
#include <vector>

using namespace sudrun::loader;

namespace {

std::span<const std::byte> vdso() {
  const auto* const start = reinterpret_cast<const std::byte*>(::getauxval(AT_SYSINFO_EHDR));
  REQUIRE(start != nullptr);
  return {start, loaded_size(start)};
}

}  // namespace

TEST_CASE("functions of the vDSO are where the dynamic linker finds them", "[loaded_image]") {
  void* const linked = ::dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
  REQUIRE(linked != nullptr);
  for (const char* name : {"__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time", "__vdso_getcpu"}) {
    INFO(name);
    const auto offset = find_function(vdso(), name);
    REQUIRE(offset);
    CHECK(static_cast<const void*>(vdso().data() + *offset) == ::dlsym(linked, name));
  }
}

TEST_CASE("a function that an image does not have is not found in it", "[loaded_image]") {
  for (const char* name : {"", "__vdso", "__vdso_clock_gettim", "__vdso_clock_gettime_", "LINUX_2.6"})
    CHECK_FALSE(find_function(vdso(), name));
}

TEST_CASE("an image that is cut off or damaged is read within its bounds", "[loaded_image]") {
  constexpr std::string_view kName = "__vdso_clock_gettime";
  const std::vector<std::byte> whole(vdso().begin(), vdso().end());
  const auto offset = find_function(whole, kName);
  REQUIRE(offset);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    if (const auto found = find_function(cut, kName)) CHECK(*found < size);
  }
  unsigned lost = 0;
  std::vector<std::byte> damaged = whole;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const unsigned value : {0x00U, 0x7fU, 0xffU}) {
      damaged[at] = std::byte(value);
      const auto found = find_function(damaged, kName);
      if (found) CHECK(*found < damaged.size());
      lost += found == offset ? 0 : 1;
    }
    damaged[at] = whole[at];
  }
  CHECK(lost > 0);
}

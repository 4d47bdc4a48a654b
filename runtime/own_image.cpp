#include "runtime/own_image.hpp"

#include <link.h>
#include <sys/mman.h>

#include <cstdint>

namespace sudrun::runtime {
namespace {

// The first object listed is the program itself.
int drop_segments(dl_phdr_info* info, std::size_t, void*) noexcept {
  constexpr std::uintptr_t kPage = 4096;
  for (unsigned i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    const std::uintptr_t start = (info->dlpi_addr + segment.p_vaddr) & ~(kPage - 1);
    const std::uintptr_t end =
        (info->dlpi_addr + segment.p_vaddr + segment.p_filesz + kPage - 1) & ~(kPage - 1);
    ::madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);
  }
  return 1;
}

}  // namespace

void drop_start_up_code() noexcept { dl_iterate_phdr(drop_segments, nullptr); }

}  // namespace sudrun::runtime

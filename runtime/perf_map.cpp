// The file is looked for by that name: tools/perf/util/map.c of Linux (map__new, perf-%d.map).
#include "runtime/perf_map.hpp"

#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

#include "runtime/gate.hpp"
#include "runtime/quiet_write.hpp"

namespace sudrun::runtime {
namespace {

using Path = std::array<char, 32>;

Path path_of(int process) noexcept {
  Path path{};
  std::snprintf(path.data(), path.size(), "/tmp/perf-%d.map", process);
  return path;
}

/// Never through somebody else's link: anybody may write in /tmp. Opened for each line, so that the guest
/// does not meet the descriptor.
int open_map(const Path& path, std::uint64_t flags) noexcept {
  return static_cast<int>(native(SYS_openat, static_cast<abi::Word>(AT_FDCWD), word(path.data()),
                                 O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | flags, 0644));
}

}  // namespace

bool PerfMap::begins() noexcept {
  const int process = static_cast<int>(native(SYS_getpid));
  if (process_ == process) return false;
  process_ = process;
  const Path path = path_of(process);
  native(SYS_unlink, word(path.data()));
  const int fd = open_map(path, O_CREAT | O_EXCL);
  if (fd < 0)
    give_up();
  else
    native(SYS_close, static_cast<abi::Word>(fd));
  return true;
}

void PerfMap::add(abi::Word stub, abi::Word size, abi::Word site, const char* how) noexcept {
  if (!wanted_) return;
  std::array<char, 96> line;
  const int n = std::snprintf(line.data(), line.size(),
                              "%" PRIx64 " %" PRIx64 " sudrun: call at 0x%" PRIx64 ", rewritten by %s\n",
                              stub, size, site, how);
  const int fd = open_map(path_of(process_), 0);
  const auto length = std::min(static_cast<std::size_t>(n), line.size() - 1);
  if (fd < 0 || !write_quietly(fd, line.data(), length)) give_up();
  if (fd >= 0) native(SYS_close, static_cast<abi::Word>(fd));
}

void PerfMap::give_up() noexcept {
  wanted_ = false;
  std::array<char, 128> line;
  const int n = std::snprintf(line.data(), line.size(),
                              "sudrun: %s cannot be written; perf will not know the stubs of this process\n",
                              path_of(process_).data());
  if (n > 0) write_quietly(2, line.data(), std::min(static_cast<std::size_t>(n), line.size() - 1));
}

}  // namespace sudrun::runtime

#include "runtime/descriptors.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include "runtime/gate.hpp"

namespace sudrun::runtime {

std::int64_t HiddenDescriptors::hide(int fd) noexcept {
  rlimit limit{};
  native(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, word(&limit));
  const auto end = std::min<std::uint64_t>(limit.rlim_cur, kLimit);
  // The upper quarter of the table: programs allocate from below.
  std::int64_t moved = native(SYS_fcntl, static_cast<std::uint64_t>(fd), F_DUPFD_CLOEXEC, end - end / 4);
  if (moved < 0) moved = native(SYS_fcntl, static_cast<std::uint64_t>(fd), F_DUPFD_CLOEXEC, 3);
  native(SYS_close, static_cast<std::uint64_t>(fd));
  if (moved < 0) return moved;
  if (moved >= kLimit) {
    native(SYS_close, static_cast<std::uint64_t>(moved));
    return -EMFILE;
  }
  mark(static_cast<unsigned>(moved));
  return moved;
}

void HiddenDescriptors::keep(int fd) noexcept {
  native(SYS_fcntl, static_cast<std::uint64_t>(fd), F_SETFD, FD_CLOEXEC);
  if (fd >= 0 && static_cast<unsigned>(fd) < kLimit) mark(static_cast<unsigned>(fd));
}

void HiddenDescriptors::mark(unsigned fd) noexcept {
  (*bits_)[fd / 64].fetch_or(std::uint64_t{1} << (fd % 64), std::memory_order_relaxed);
  for (unsigned low = lowest_.load(); fd < low && !lowest_.compare_exchange_weak(low, fd);) {
  }
}

void HiddenDescriptors::close(int fd) noexcept {
  if (!contains(fd)) return;
  const auto n = static_cast<unsigned>(fd);
  (*bits_)[n / 64].fetch_and(~(std::uint64_t{1} << (n % 64)), std::memory_order_relaxed);
  native(SYS_close, n);
}

}  // namespace sudrun::runtime

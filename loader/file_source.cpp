#include "loader/file_source.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace sudrun::loader {

FileSource::FileSource(int fd) noexcept : fd_(fd) {
  struct stat status {};
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) size_ = static_cast<std::uint64_t>(status.st_size);
}

bool FileSource::read_at(std::uint64_t offset, std::span<std::byte> to) const noexcept {
  if (offset > size_ || to.size() > size_ - offset) return false;
  while (!to.empty()) {
    const ssize_t got = pread(fd_, to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;  // 0: the file has shrunk since
    offset += static_cast<std::uint64_t>(got);
    to = to.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

}  // namespace sudrun::loader

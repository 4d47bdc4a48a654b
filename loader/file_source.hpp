// A program's bytes read from a descriptor.
#pragma once

#include "loader/byte_source.hpp"

namespace sudrun::loader {

/// Reads with pread, so the descriptor's position stays. Does not own the descriptor. Anything that is not a
/// regular file has size 0.
class FileSource final : public ByteSource {
 public:
  explicit FileSource(int fd) noexcept;
  std::uint64_t size() const noexcept override { return size_; }
  bool read_at(std::uint64_t offset, std::span<std::byte> to) const noexcept override;

 private:
  int fd_;
  std::uint64_t size_ = 0;
};

}  // namespace sudrun::loader

// Where a program's bytes come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace sudrun::loader {

class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  virtual std::uint64_t size() const noexcept = 0;
  /// Fills `to` with the bytes from `offset` on. False if not all of them can be had; `to` is then undefined.
  virtual bool read_at(std::uint64_t offset, std::span<std::byte> to) const noexcept = 0;

 protected:
  ~ByteSource() = default;
};

/// Bytes already in memory, which must outlive the source.
class SpanSource final : public ByteSource {
 public:
  explicit SpanSource(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}
  std::uint64_t size() const noexcept override { return bytes_.size(); }
  bool read_at(std::uint64_t offset, std::span<std::byte> to) const noexcept override {
    if (offset > bytes_.size() || to.size() > bytes_.size() - offset) return false;
    if (!to.empty()) std::memcpy(to.data(), bytes_.data() + offset, to.size());
    return true;
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace sudrun::loader

// Lays out a frozen table: areas one after the other, strings last and shared.
#pragma once

#include <cstddef>
#include <cstring>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "abi/table_block.hpp"

namespace sudrun::abi {

class BlockWriter {
 public:
  BlockWriter() : bytes_(sizeof(detail::BlockHeader)), strings_(1, '\0') {}

  /// Offset of `text` among the strings; equal strings have one offset, the empty one 0.
  std::uint32_t string(const std::string& text) {
    if (text.empty()) return 0;
    const auto [at, is_new] = offsets_.try_emplace(text, static_cast<std::uint32_t>(strings_.size()));
    if (is_new) strings_.append(text).push_back('\0');
    return at->second;
  }

  template <typename T>
  detail::Area area(const std::vector<T>& elements) {
    static_assert(std::has_unique_object_representations_v<T>);
    return append(elements.data(), elements.size(), sizeof(T));
  }

  std::vector<std::byte> finish(detail::BlockHeader header) {
    header.strings = append(strings_.data(), strings_.size(), 1);
    bytes_.resize((bytes_.size() + 7) & ~std::size_t{7});
    header.magic = detail::kBlockMagic;
    header.version = detail::kBlockVersion;
    header.size = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &header, sizeof(header));
    return std::move(bytes_);
  }

 private:
  detail::Area append(const void* data, std::size_t count, std::size_t size) {
    const std::size_t offset = (bytes_.size() + 7) & ~std::size_t{7};
    bytes_.resize(offset + count * size);
    if (count != 0) std::memcpy(bytes_.data() + offset, data, count * size);
    return {static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(count)};
  }

  std::vector<std::byte> bytes_;
  std::string strings_;
  std::map<std::string, std::uint32_t> offsets_;
};

}  // namespace sudrun::abi

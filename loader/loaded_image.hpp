// Functions of an ELF image that lies in memory as it would run: the kernel's vDSO.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "abi/types.hpp"

namespace sudrun::loader {

/// Bytes from the image's beginning to the function `name`; nothing if it does not define one. Any bytes will
/// do: all that they say is checked.
std::optional<abi::Word> find_function(std::span<const std::byte> image, std::string_view name) noexcept;

/// The size of the image at `start` by its own headers, which must be right and in the first page.
std::size_t loaded_size(const std::byte* start) noexcept;

}  // namespace sudrun::loader

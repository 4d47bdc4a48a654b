// Maps programs and their stacks: the one file of this room that changes the address space.
//
// Nothing that is already mapped is ever replaced. Every failure undoes what was mapped on the way.
#pragma once

#include <optional>
#include <span>

#include "loader/elf.hpp"

namespace sudrun::loader {

struct MapOptions {
  /// Load bias of position-independent programs: a multiple of their alignment. Nothing: chosen at random.
  std::optional<Word> bias{};
  /// How many bits of the page number are random, 12 to 28.
  unsigned random_bits = 28;
};

/// A program in memory. A plain value: unmap() is for those who give up after success.
struct MappedImage {
  Word bias = 0;
  Word start = 0, end = 0;  ///< page-aligned range that holds all segments
  Word entry = 0;
  Word phdr = 0;         ///< 0: not in memory
  Word break_start = 0;  ///< first page after the program's last segment
};

/// Maps every segment of `image` from `fd`, the file it was parsed from, with exactly its permissions. Where
/// a file's contents end inside a page, and where segments share one, the page is a private copy: each
/// segment's bytes are its own, the rest zero, the permissions those of the later segment (as on Linux). Gaps
/// inside a position-independent program stay reserved without access.
Outcome<MappedImage> map_image(const Image& image, int fd, const MapOptions& options = {});
/// Must be told the same image.
void unmap_image(const Image& image, const MappedImage& mapped) noexcept;

struct StackOptions {
  std::size_t size = 0;       ///< 0: the soft RLIMIT_STACK, at least 8 MiB and at most 64 MiB
  bool executable = false;    ///< as PT_GNU_STACK asks
  std::optional<Word> top{};  ///< page-aligned; nothing: a little below kGuestTop, at random
};

struct MappedStack {
  Word base = 0;  ///< lowest usable address; the page below it is a guard without access
  Word top = 0;
  std::size_t size() const noexcept { return static_cast<std::size_t>(top - base); }
};

Outcome<MappedStack> map_stack(const StackOptions& options = {});
void unmap_stack(const MappedStack& stack) noexcept;

/// Maps `code` (at most a page) read-execute at page-aligned `address`, where nothing is mapped. Returns
/// `address`.
Outcome<Word> map_code(Word address, std::span<const std::byte> code);

/// Maps a page of zeros that can only be read, at page-aligned `address`, where nothing is mapped. Returns
/// `address`.
Outcome<Word> map_empty_page(Word address);

/// Copies `bytes` to guest address `to`, which must be inside a stack made by map_stack.
void copy_to_stack(const MappedStack& stack, Word to, std::span<const std::byte> bytes) noexcept;

}  // namespace sudrun::loader

// A program's file as tools look at it: what loading does not need but understanding does. Nothing here is
// trusted: whatever the headers say, every view lies in the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loader/elf.hpp"

namespace sudrun::tools {

using abi::Word;

struct Section {
  std::string name;
  std::uint32_t type = 0;
  Word flags = 0;
  Word address = 0;
  std::span<const std::byte> bytes;  ///< empty for sections without any in the file
  std::uint32_t link = 0;
};

/// Executable bytes in the file.
struct CodeRange {
  std::string name;
  Word address = 0;
  std::span<const std::byte> bytes;

  Word end() const noexcept { return address + bytes.size(); }
  bool holds(Word at) const noexcept { return at >= address && at - address < bytes.size(); }
};

struct Symbol {
  std::string_view name;
  Word address = 0;
  Word size = 0;
  unsigned type = 0, binding = 0;
  bool defined = false;
};

/// What PT_DYNAMIC says, as far as a look from outside needs it.
struct Dynamic {
  std::string_view soname;
  std::vector<std::string_view> needed, search_paths;
  std::vector<Symbol> symbols;
};

class Binary {
 public:
  /// `file`, which must outlive the object, is what `image` was parsed from.
  Binary(std::span<const std::byte> file, loader::Image image);

  const loader::Image& image() const noexcept { return image_; }
  std::span<const std::byte> file() const noexcept { return file_; }
  std::span<const Section> sections() const noexcept { return sections_; }
  const Section* section(std::string_view name) const noexcept;
  /// Executable sections with contents, in executable segments; without usable headers the segments
  /// themselves. Ascending, no byte in two of them.
  std::span<const CodeRange> code() const noexcept { return code_; }
  bool code_is_by_sections() const noexcept { return by_sections_; }
  const CodeRange* code_at(Word address) const noexcept;
  /// File-backed bytes from `address` to the end of their segment; empty if there are none.
  std::span<const std::byte> at(Word address) const noexcept;
  /// Of the symbol tables (SHT_SYMTAB). Empty in stripped files.
  std::vector<Symbol> symbols() const;
  const Dynamic& dynamic() const noexcept { return dynamic_; }
  /// Starts of functions in PT_GNU_EH_FRAME's search table.
  std::vector<Word> unwind_starts() const;

 private:
  void read_sections();
  void find_code();
  void read_dynamic();
  std::span<const std::byte> bytes(Word offset, Word size) const noexcept;

  std::span<const std::byte> file_;
  loader::Image image_;
  std::vector<Section> sections_;
  std::vector<CodeRange> code_;
  Dynamic dynamic_;
  bool by_sections_ = false;
};

/// A value of `T` at `offset` of `bytes`; nothing if it is not all there.
template <typename T>
std::optional<T> value_at(std::span<const std::byte> bytes, Word offset) noexcept {
  T value{};
  if (offset > bytes.size() || sizeof value > bytes.size() - offset) return std::nullopt;
  __builtin_memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

/// The text at `offset` up to a NUL, which must be there; else empty.
std::string_view text_at(std::span<const std::byte> bytes, Word offset) noexcept;

}  // namespace sudrun::tools

#include "loader/loaded_image.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "loader/elf.hpp"

namespace sudrun::loader {
namespace {

using abi::Word;

template <typename T>
std::optional<T> read(std::span<const std::byte> image, Word offset) noexcept {
  if (offset > image.size() || image.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, image.data() + offset, sizeof value);
  return value;
}

std::optional<Elf64_Phdr> segment(std::span<const std::byte> image, Elf64_Word type) noexcept {
  const auto header = read<Elf64_Ehdr>(image, 0);
  if (!header || header->e_phentsize != sizeof(Elf64_Phdr)) return std::nullopt;
  for (Word i = 0; i < header->e_phnum; ++i) {
    const auto segment = read<Elf64_Phdr>(image, header->e_phoff + i * sizeof(Elf64_Phdr));
    if (segment && segment->p_type == type) return segment;
  }
  return std::nullopt;
}

bool is_named(std::span<const std::byte> strings, Word at, std::string_view name) noexcept {
  if (at > strings.size() || strings.size() - at <= name.size()) return false;
  return std::memcmp(strings.data() + at, name.data(), name.size()) == 0 &&
         strings[at + name.size()] == std::byte{0};
}

}  // namespace

std::optional<Word> find_function(std::span<const std::byte> image, std::string_view name) noexcept {
  const auto loaded = segment(image, PT_LOAD);
  const auto dynamic = segment(image, PT_DYNAMIC);
  if (!loaded || !dynamic) return std::nullopt;
  // Addresses are link-time ones. One that is too low for the image wraps, and is found to be past its end.
  const Word bias = loaded->p_vaddr;
  Word symbols = 0, strings = 0, strings_size = 0;
  for (Word at = dynamic->p_vaddr - bias;; at += sizeof(Elf64_Dyn)) {
    const auto entry = read<Elf64_Dyn>(image, at);
    if (!entry) return std::nullopt;
    if (entry->d_tag == DT_NULL) break;
    if (entry->d_tag == DT_SYMTAB) symbols = entry->d_un.d_ptr - bias;
    if (entry->d_tag == DT_STRTAB) strings = entry->d_un.d_ptr - bias;
    if (entry->d_tag == DT_STRSZ) strings_size = entry->d_un.d_val;
  }
  if (symbols == 0 || strings == 0 || strings > image.size()) return std::nullopt;
  const auto names = image.subspan(strings, std::min<std::size_t>(strings_size, image.size() - strings));
  // Where the symbols end only their hash tables know, of which there are two kinds. But the names follow
  // them, or else nothing that has a name of ours by accident.
  const Word end = symbols < strings ? strings : image.size();
  for (Word at = symbols; at < end; at += sizeof(Elf64_Sym)) {
    const auto symbol = read<Elf64_Sym>(image, at);
    if (!symbol) return std::nullopt;
    if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF) continue;
    if (const Word offset = symbol->st_value - bias;
        offset < image.size() && is_named(names, symbol->st_name, name))
      return offset;
  }
  return std::nullopt;
}

std::size_t loaded_size(const std::byte* start) noexcept {
  const auto loaded = segment({start, kPageSize}, PT_LOAD);
  return loaded ? loaded->p_memsz : 0;
}

}  // namespace sudrun::loader

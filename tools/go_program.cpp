// Sources: Go's src/debug/gosym/pclntab.go and src/internal/abi/symtab.go (the table's header and its magic
// numbers, Go 1.16 to 1.24), src/debug/buildinfo/buildinfo.go (Go 1.18 and later write the version inline).
#include "tools/go_program.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>

namespace sudrun::tools {
namespace {

constexpr std::uint32_t kMagic116 = 0xfffffffa, kMagic118 = 0xfffffff0, kMagic120 = 0xfffffff1;
constexpr Word kMaxFunctions = 2'000'000;

struct Header {
  std::uint32_t magic;
  std::uint8_t zero[2], quantum, pointer_size;
};

bool is_header(std::span<const std::byte> bytes) noexcept {
  const auto header = value_at<Header>(bytes, 0);
  return header && (header->magic == kMagic116 || header->magic == kMagic118 || header->magic == kMagic120) &&
         header->zero[0] == 0 && header->zero[1] == 0 && header->quantum == 1 &&
         header->pointer_size == sizeof(Word);
}

/// The address of the table, and its bytes to the end of what is loaded there.
std::span<const std::byte> find_table(const Binary& binary, Word& address) {
  for (const Section& s : binary.sections()) {
    if (!s.name.ends_with(".gopclntab") || !is_header(s.bytes)) continue;
    address = s.address;
    return s.bytes;
  }
  // Section headers may be gone; the magic number is at a multiple of 32.
  constexpr Word kAlignment = 32;
  for (const loader::Segment& segment : binary.image().segments) {
    for (Word at = (segment.vaddr + kAlignment - 1) & ~(kAlignment - 1); at < segment.vaddr + segment.filesz;
         at += kAlignment) {
      const auto bytes = binary.at(at);
      if (!is_header(bytes)) continue;
      address = at;
      return bytes;
    }
  }
  return {};
}

void read_functions(const Binary& binary, std::span<const std::byte> table, GoProgram& go) {
  const bool old = value_at<std::uint32_t>(table, 0) == kMagic116;
  const auto word = [&](unsigned index) {
    return value_at<Word>(table, sizeof(Header) + index * sizeof(Word)).value_or(~Word{0});
  };
  const Word count = word(0), names = word(old ? 2 : 3), functions = word(old ? 6 : 7);
  if (count > kMaxFunctions || names > table.size() || functions > table.size()) return;
  // Newer linkers leave the beginning of the text out, as it would have to be relocated.
  Word text = old ? 0 : word(2);
  if (!old && binary.code_at(text) == nullptr) {
    const Section* const section = binary.section(".text");
    text = section != nullptr ? section->address : binary.code().empty() ? 0 : binary.code()[0].address;
  }
  const auto rows = table.subspan(functions);
  for (Word i = 0; i < count; ++i) {
    Word start = 0, row = 0;
    if (old) {
      const auto a = value_at<Word>(rows, i * 16), b = value_at<Word>(rows, i * 16 + 8);
      if (!a || !b) return;
      start = *a;
      row = *b;
    } else {
      const auto a = value_at<std::uint32_t>(rows, i * 8), b = value_at<std::uint32_t>(rows, i * 8 + 4);
      if (!a || !b) return;
      start = text + *a;
      row = *b;
    }
    const auto name = value_at<std::uint32_t>(rows, row + (old ? 8 : 4));
    if (!name || binary.code_at(start) == nullptr) continue;
    go.functions.push_back({text_at(table, names + *name), start, 0, STT_FUNC, STB_LOCAL, true});
  }
}

std::string read_version(const Binary& binary) {
  constexpr std::string_view kMagic("\xff Go buildinf:");
  constexpr Word kInlineAt = 32;
  constexpr std::size_t kAlignment = 16, kMaxVersion = 127;
  constexpr std::byte kInline{2};
  for (const loader::Segment& segment : binary.image().segments) {
    if ((segment.prot & loader::kExec) != 0) continue;
    const auto bytes = binary.at(segment.vaddr);
    for (std::size_t at = 0; at + kInlineAt < bytes.size(); at += kAlignment) {
      if (std::memcmp(bytes.data() + at, kMagic.data(), kMagic.size()) != 0) continue;
      if ((bytes[at + 15] & kInline) == std::byte{}) return {};
      const auto length = value_at<std::uint8_t>(bytes, at + kInlineAt);
      if (!length || *length > kMaxVersion || *length >= bytes.size() - at - kInlineAt) return {};
      return {reinterpret_cast<const char*>(bytes.data()) + at + kInlineAt + 1, *length};
    }
  }
  return {};
}

}  // namespace

GoProgram read_go_program(const Binary& binary) {
  GoProgram go;
  const auto table = find_table(binary, go.table);
  if (table.empty()) return go;
  go.found = true;
  go.table_end = go.table + table.size();
  go.version = read_version(binary);
  read_functions(binary, table, go);
  return go;
}

}  // namespace sudrun::tools

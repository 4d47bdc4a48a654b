#include "tools/binary.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>

namespace sudrun::tools {
namespace {

constexpr unsigned kMaxSections = 4096;
constexpr std::size_t kMaxSymbols = 4'000'000;
constexpr std::size_t kMaxDynamic = 4096;

std::vector<Elf64_Phdr> program_headers(std::span<const std::byte> file) {
  std::vector<Elf64_Phdr> headers;
  const auto header = value_at<Elf64_Ehdr>(file, 0);
  if (!header) return headers;
  for (unsigned i = 0; i < header->e_phnum; ++i)
    if (const auto ph = value_at<Elf64_Phdr>(file, header->e_phoff + Word{i} * sizeof(Elf64_Phdr)))
      headers.push_back(*ph);
  return headers;
}

std::vector<Symbol> symbols_in(std::span<const std::byte> table, std::span<const std::byte> names) {
  std::vector<Symbol> out;
  for (Word at = 0; out.size() < kMaxSymbols; at += sizeof(Elf64_Sym)) {
    const auto symbol = value_at<Elf64_Sym>(table, at);
    if (!symbol) break;
    out.push_back({text_at(names, symbol->st_name), symbol->st_value, symbol->st_size,
                   static_cast<unsigned>(ELF64_ST_TYPE(symbol->st_info)),
                   static_cast<unsigned>(ELF64_ST_BIND(symbol->st_info)), symbol->st_shndx != SHN_UNDEF});
  }
  return out;
}

}  // namespace

std::string_view text_at(std::span<const std::byte> bytes, Word offset) noexcept {
  if (offset >= bytes.size()) return {};
  const char* const text = reinterpret_cast<const char*>(bytes.data()) + offset;
  const void* const end = std::memchr(text, 0, bytes.size() - offset);
  if (end == nullptr) return {};
  return {text, static_cast<std::size_t>(static_cast<const char*>(end) - text)};
}

Binary::Binary(std::span<const std::byte> file, loader::Image image) : file_(file), image_(std::move(image)) {
  read_sections();
  find_code();
  read_dynamic();
}

std::span<const std::byte> Binary::bytes(Word offset, Word size) const noexcept {
  if (offset > file_.size() || size > file_.size() - offset) return {};
  return file_.subspan(offset, size);
}

void Binary::read_sections() {
  if (image_.shoff == 0 || image_.shent != sizeof(Elf64_Shdr) || image_.shnum > kMaxSections) return;
  std::vector<Elf64_Shdr> headers;
  for (unsigned i = 0; i < image_.shnum; ++i) {
    const Word at = image_.shoff + Word{i} * sizeof(Elf64_Shdr);
    const auto header = at < image_.shoff ? std::nullopt : value_at<Elf64_Shdr>(file_, at);
    if (!header) return;  // a table that is cut says nothing for sure
    headers.push_back(*header);
  }
  std::span<const std::byte> names;
  if (image_.shstrndx < headers.size())
    names = bytes(headers[image_.shstrndx].sh_offset, headers[image_.shstrndx].sh_size);
  for (const Elf64_Shdr& sh : headers) {
    const auto contents =
        sh.sh_type == SHT_NOBITS ? std::span<const std::byte>() : bytes(sh.sh_offset, sh.sh_size);
    sections_.push_back(
        {std::string(text_at(names, sh.sh_name)), sh.sh_type, sh.sh_flags, sh.sh_addr, contents, sh.sh_link});
  }
}

const Section* Binary::section(std::string_view name) const noexcept {
  const auto found =
      std::find_if(sections_.begin(), sections_.end(), [&](const Section& s) { return s.name == name; });
  return found == sections_.end() ? nullptr : &*found;
}

void Binary::find_code() {
  const auto in_executable = [&](Word address, Word size) {
    return std::any_of(image_.segments.begin(), image_.segments.end(), [&](const loader::Segment& s) {
      return (s.prot & loader::kExec) != 0 && address >= s.vaddr && address - s.vaddr <= s.filesz &&
             size <= s.filesz - (address - s.vaddr);
    });
  };
  for (const Section& s : sections_) {
    if (s.type != SHT_PROGBITS || (s.flags & SHF_EXECINSTR) == 0 || s.bytes.empty()) continue;
    // What is loaded counts, not what the section says stands in the file.
    if (!in_executable(s.address, s.bytes.size())) continue;
    code_.push_back({s.name.empty() ? "?" : s.name, s.address, at(s.address).first(s.bytes.size())});
  }
  by_sections_ = !code_.empty();
  for (const loader::Segment& s : image_.segments)
    if (!by_sections_ && (s.prot & loader::kExec) != 0 && s.filesz != 0)
      code_.push_back({"segment", s.vaddr, bytes(s.offset, s.filesz)});
  std::sort(code_.begin(), code_.end(),
            [](const CodeRange& a, const CodeRange& b) { return a.address < b.address; });
  // Sections that overlap would have the same code looked at over and over.
  Word free = 0;
  std::erase_if(code_, [&](const CodeRange& range) {
    if (range.address < free) return true;
    free = range.end();
    return false;
  });
}

const CodeRange* Binary::code_at(Word address) const noexcept {
  const auto after = std::upper_bound(code_.begin(), code_.end(), address,
                                      [](Word at, const CodeRange& range) { return at < range.address; });
  if (after == code_.begin()) return nullptr;
  const CodeRange& range = *(after - 1);
  return range.holds(address) ? &range : nullptr;
}

std::span<const std::byte> Binary::at(Word address) const noexcept {
  for (const loader::Segment& s : image_.segments)
    if (address >= s.vaddr && address - s.vaddr < s.filesz)
      return bytes(s.offset + (address - s.vaddr), s.filesz - (address - s.vaddr));
  return {};
}

std::vector<Symbol> Binary::symbols() const {
  std::vector<Symbol> all;
  for (const Section& s : sections_) {
    if (s.type != SHT_SYMTAB || s.link >= sections_.size()) continue;
    const auto found = symbols_in(s.bytes, sections_[s.link].bytes);
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

void Binary::read_dynamic() {
  Word strings = 0, strings_size = 0, symbols = 0, hash = 0;
  std::vector<Word> needed, paths;
  std::optional<Word> soname;
  for (const Elf64_Phdr& ph : program_headers(file_)) {
    if (ph.p_type != PT_DYNAMIC) continue;
    const auto table = bytes(ph.p_offset, ph.p_filesz);
    for (std::size_t i = 0; i < kMaxDynamic; ++i) {
      const auto entry = value_at<Elf64_Dyn>(table, i * sizeof(Elf64_Dyn));
      if (!entry || entry->d_tag == DT_NULL) break;
      const Word value = entry->d_un.d_val;
      if (entry->d_tag == DT_STRTAB) strings = value;
      if (entry->d_tag == DT_STRSZ) strings_size = value;
      if (entry->d_tag == DT_SYMTAB) symbols = value;
      if (entry->d_tag == DT_HASH) hash = value;
      if (entry->d_tag == DT_NEEDED) needed.push_back(value);
      if (entry->d_tag == DT_SONAME) soname = value;
      if (entry->d_tag == DT_RPATH || entry->d_tag == DT_RUNPATH) paths.push_back(value);
    }
    break;
  }
  auto names = at(strings);
  names = names.first(std::min<std::size_t>(names.size(), strings_size));
  if (soname) dynamic_.soname = text_at(names, *soname);
  for (const Word name : needed)
    if (const auto text = text_at(names, name); !text.empty()) dynamic_.needed.push_back(text);
  for (const Word path : paths) {
    std::string_view rest = text_at(names, path);
    while (!rest.empty()) {
      const std::size_t colon = std::min(rest.find(':'), rest.size());
      if (colon != 0) dynamic_.search_paths.push_back(rest.substr(0, colon));
      rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
  }
  // How many symbols there are is said by section headers, or by the old kind of hash table.
  const auto section =
      std::find_if(sections_.begin(), sections_.end(), [](const Section& s) { return s.type == SHT_DYNSYM; });
  if (section != sections_.end()) {
    dynamic_.symbols = symbols_in(section->bytes, names);
  } else if (const auto count = hash != 0 ? value_at<std::uint32_t>(at(hash), 4) : std::nullopt) {
    const auto table = at(symbols);
    dynamic_.symbols = symbols_in(table.first(std::min(table.size(), *count * sizeof(Elf64_Sym))), names);
  }
}

std::vector<Word> Binary::unwind_starts() const {
  // LSB core, .eh_frame_hdr. Linkers write one form only: a table of 4-byte distances from its own beginning.
  constexpr std::byte kVersion{1}, kCount{0x03}, kTable{0x3b}, kPcRelative{0x1b};
  constexpr Word kHeader = 12;
  std::vector<Word> starts;
  for (const Elf64_Phdr& ph : program_headers(file_)) {
    if (ph.p_type != PT_GNU_EH_FRAME) continue;
    const auto table = bytes(ph.p_offset, ph.p_filesz);
    if (table.size() < kHeader || table[0] != kVersion || table[1] != kPcRelative || table[2] != kCount ||
        table[3] != kTable)
      continue;
    const std::uint32_t count = *value_at<std::uint32_t>(table, 8);
    for (Word i = 0; i < count; ++i) {
      const auto distance = value_at<std::int32_t>(table, kHeader + i * 8);
      if (!distance) break;
      const Word start = ph.p_vaddr + static_cast<Word>(std::int64_t{*distance});
      if (code_at(start) != nullptr) starts.push_back(start);
    }
  }
  return starts;
}

}  // namespace sudrun::tools

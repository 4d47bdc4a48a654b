// Builds small ELF files in memory for tests.
#pragma once

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace sudrun::test {

using Bytes = std::vector<std::byte>;

inline Bytes bytes_of(std::string_view text) {
  Bytes bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

/// A file in the making: header and program headers may be changed freely; contents are placed by offset.
class ElfWriter {
 public:
  Elf64_Ehdr header{};
  std::vector<Elf64_Phdr> segments;

  ElfWriter() {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_phoff = sizeof(Elf64_Ehdr);
    header.e_ehsize = sizeof(Elf64_Ehdr);
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_shentsize = sizeof(Elf64_Shdr);
  }

  Elf64_Phdr& add(std::uint32_t type, std::uint32_t flags, std::uint64_t vaddr, std::uint64_t offset,
                  std::uint64_t filesz, std::uint64_t memsz, std::uint64_t align = 0x1000) {
    segments.push_back({type, flags, offset, vaddr, vaddr, filesz, memsz, align});
    return segments.back();
  }

  void put(std::uint64_t offset, const Bytes& bytes) {
    if (contents_.size() < offset + bytes.size()) contents_.resize(offset + bytes.size());
    if (!bytes.empty()) std::memcpy(contents_.data() + offset, bytes.data(), bytes.size());
  }

  /// A note in the 4-byte aligned form; `name` gets its NUL.
  static Bytes note(std::string_view name, std::uint32_t type, const Bytes& desc) {
    const auto padded = [](std::size_t n) { return (n + 3) & ~std::size_t{3}; };
    const Elf64_Nhdr nh{static_cast<Elf64_Word>(name.size() + 1), static_cast<Elf64_Word>(desc.size()), type};
    Bytes out(sizeof nh + padded(name.size() + 1) + padded(desc.size()));
    std::memcpy(out.data(), &nh, sizeof nh);
    std::memcpy(out.data() + sizeof nh, name.data(), name.size());
    if (!desc.empty())
      std::memcpy(out.data() + sizeof nh + padded(name.size() + 1), desc.data(), desc.size());
    return out;
  }

  Bytes build() const {
    Elf64_Ehdr final_header = header;
    if (final_header.e_phnum == 0 && !no_phnum)
      final_header.e_phnum = static_cast<Elf64_Half>(segments.size());
    Bytes file = contents_;
    const std::size_t table = segments.size() * sizeof(Elf64_Phdr);
    if (file.size() < sizeof final_header + table) file.resize(sizeof final_header + table);
    std::memcpy(file.data(), &final_header, sizeof final_header);
    if (table != 0) std::memcpy(file.data() + sizeof final_header, segments.data(), table);
    return file;
  }

  bool no_phnum = false;  ///< leave e_phnum 0

 private:
  Bytes contents_;
};

/// Two pages: code at 0x400000 (the headers included), data with zeros behind it at 0x402ff0. The last byte
/// of the file belongs to the data.
inline ElfWriter small_program() {
  ElfWriter elf;
  elf.header.e_entry = 0x400800;
  elf.add(PT_LOAD, PF_R | PF_X, 0x400000, 0, 0x810, 0x810);
  elf.add(PT_LOAD, PF_R | PF_W, 0x402ff0, 0xff0, 0x20, 0x3000);
  elf.add(PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 16);
  // mov eax, 1; syscall; ret; int3 padding
  elf.put(0x800,
          bytes_of(std::string_view("\xb8\x01\x00\x00\x00\x0f\x05\xc3\xcc\xcc\xcc\xcc\xcc\xcc\xcc\xcc", 16)));
  elf.put(0xff0, Bytes(0x20, std::byte{0xda}));
  return elf;
}

}  // namespace sudrun::test

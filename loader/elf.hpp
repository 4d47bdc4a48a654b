// ELF64 x86-64 programs: parsed and checked. Pure: reads a ByteSource, maps nothing.
//
// Sources: System V gABI (chapters 4 and 5), x86-64 psABI; for what kernels accept, Linux fs/binfmt_elf.c
// (6.1) and FreeBSD sys/kern/imgact_elf.c (13).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "abi/types.hpp"
#include "loader/byte_source.hpp"
#include "loader/outcome.hpp"

namespace sudrun::loader {

using abi::Word;

inline constexpr Word kPageSize = 4096;
constexpr Word page_down(Word address) noexcept { return address & ~(kPageSize - 1); }
/// `address` must not be in the last page of the address space.
constexpr Word page_up(Word address) noexcept { return page_down(address + kPageSize - 1); }

// Permission bits, with the values of PROT_READ, PROT_WRITE and PROT_EXEC.
inline constexpr unsigned kRead = 1, kWrite = 2, kExec = 4;

/// A PT_LOAD segment that takes up memory. Guaranteed: filesz <= memsz, offset + filesz lies in the file,
/// vaddr + memsz <= kGuestTop, and where filesz > 0 vaddr and offset agree modulo the page size.
struct Segment {
  Word vaddr = 0;
  Word memsz = 0;
  Word offset = 0;
  Word filesz = 0;
  Word align = 1;  ///< a power of two
  unsigned prot = 0;

  Word end() const noexcept { return vaddr + memsz; }
};

/// The thread-local storage template (PT_TLS).
struct TlsSegment {
  Word vaddr = 0;
  Word memsz = 0;
  Word offset = 0;
  Word filesz = 0;
  Word align = 1;
};

struct Note {
  std::string name;  ///< without its terminating NUL
  std::uint32_t type = 0;
  std::vector<std::byte> desc;  ///< at most kMaxNoteDesc bytes of it
};
inline constexpr std::size_t kMaxNoteDesc = 256;

inline constexpr std::size_t kMaxEntryCode = 16;

struct Image {
  enum class Type : std::uint8_t { exec, pie };
  Type type = Type::exec;
  unsigned osabi = 0;                 ///< e_ident[EI_OSABI]
  Word flags = 0;                     ///< e_flags
  Word entry = 0;                     ///< link-time address, as all addresses here: add the load bias
  std::vector<std::byte> entry_code;  ///< what stands there in the file, at most kMaxEntryCode bytes
  std::vector<Segment> segments;      ///< ascending, no byte in two of them
  Word phdr = 0;                      ///< address of the program headers in memory; 0: not loaded
  unsigned phnum = 0;
  unsigned phent = 0;
  std::string interpreter;   ///< PT_INTERP; empty: none
  bool has_dynamic = false;  ///< PT_DYNAMIC
  std::vector<Note> notes;
  std::optional<unsigned> stack_prot;  ///< PT_GNU_STACK's permissions; nothing: the program has none
  std::optional<TlsSegment> tls;
  // Section headers, as stated and not checked: loading does not need them.
  Word shoff = 0;
  unsigned shnum = 0, shent = 0, shstrndx = 0;
  /// Oddities that do not keep the program from running, one line each.
  std::vector<std::string> warnings;

  bool is_pie() const noexcept { return type == Type::pie; }
  /// Page-aligned range that holds every segment.
  Word start() const noexcept { return page_down(segments.front().vaddr); }
  Word end() const noexcept { return page_up(segments.back().end()); }
  Word max_align() const noexcept;
};

/// What the file is wanted for. A library may be without an entry point.
enum class ElfUse : std::uint8_t { program, library };

/// Parses and checks `source`. Every malformed file gives a LoadError; memory used is bounded by small
/// constants, whatever the file says.
Outcome<Image> parse_elf(const ByteSource& source, ElfUse use = ElfUse::program);

}  // namespace sudrun::loader

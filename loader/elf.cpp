#include "loader/elf.hpp"

#include <elf.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string_view>

#include "loader/text.hpp"

namespace sudrun::loader {
namespace {

using Kind = LoadError::Kind;

// Linux refuses program headers of more than 64 KiB; no real program comes near.
constexpr unsigned kMaxPhnum = 65536 / sizeof(Elf64_Phdr);
constexpr Word kMaxPath = 4096;           // PATH_MAX, with the NUL
constexpr Word kMaxNoteBytes = 64 << 10;  // looked at, over all PT_NOTE segments
// Larger alignments than this are not asked for by linkers and would only exhaust the address space.
constexpr Word kMaxAlign = Word{1} << 30;

constexpr bool adds_up(Word a, Word b) noexcept { return b <= ~Word{0} - a; }

unsigned prot_of(std::uint32_t flags) noexcept {
  return ((flags & PF_R) ? kRead : 0) | ((flags & PF_W) ? kWrite : 0) | ((flags & PF_X) ? kExec : 0);
}

std::string_view machine_name(unsigned machine) noexcept {
  switch (machine) {
    case EM_386:
      return "i386";
    case EM_ARM:
      return "ARM";
    case EM_AARCH64:
      return "AArch64";
    case EM_RISCV:
      return "RISC-V";
    case EM_PPC64:
      return "PowerPC64";
    case EM_S390:
      return "S/390";
    case EM_MIPS:
      return "MIPS";
    default:
      return "unknown";
  }
}

std::string_view type_name(unsigned type) noexcept {
  switch (type) {
    case ET_REL:
      return "an object file that has not been linked";
    case ET_CORE:
      return "a core dump";
    default:
      return "of an unknown ELF type";
  }
}

class Parser {
 public:
  Parser(const ByteSource& source, ElfUse use) noexcept : source_(source), size_(source.size()), use_(use) {}

  Outcome<Image> run() {
    if (read_ident() && read_header() && read_program_headers() && check_order() && check_entry()) {
      find_phdr();
      check_sections();
      return std::move(image_);
    }
    return std::move(error_);
  }

 private:
  bool fail(Kind kind, std::string message) {
    error_ = {kind, std::move(message)};
    return false;
  }

  /// What stands at `offset` must be in the file: says what is missing otherwise.
  bool read(Word offset, std::span<std::byte> to, std::string_view what) {
    if (!in_file(offset, to.size(), what)) return false;
    if (source_.read_at(offset, to)) return true;
    return fail(Kind::read_failed, "cannot read the " + std::string(what));
  }

  bool in_file(Word offset, Word length, std::string_view what) {
    if (!adds_up(offset, length)) {
      return fail(Kind::bad_segment, std::string(what) + ": file offset plus size overflows");
    }
    if (offset + length <= size_) return true;
    return fail(Kind::truncated, "the file is cut short: the " + std::string(what) + " ends at byte " +
                                     std::to_string(offset + length) + ", the file at " +
                                     std::to_string(size_));
  }

  bool read_ident() {
    if (size_ == 0) return fail(Kind::empty, "the file is empty");
    std::array<std::byte, EI_NIDENT> ident{};
    const std::size_t have = static_cast<std::size_t>(std::min<Word>(size_, ident.size()));
    if (!read(0, std::span(ident).first(have), "ELF header")) return false;
    if (std::memcmp(ident.data(), ELFMAG, std::min<std::size_t>(have, SELFMAG)) != 0) {
      return fail(Kind::not_elf, "not an ELF file");
    }
    if (have < ident.size()) return in_file(0, sizeof(Elf64_Ehdr), "ELF header");
    const auto at = [&](int index) {
      return std::to_integer<unsigned>(ident[static_cast<std::size_t>(index)]);
    };
    if (at(EI_CLASS) == ELFCLASS32)
      return fail(Kind::wrong_class, "a 32-bit program; only 64-bit ones are supported");
    if (at(EI_CLASS) != ELFCLASS64) {
      return fail(Kind::wrong_class, "unknown ELF class " + std::to_string(at(EI_CLASS)));
    }
    if (at(EI_DATA) == ELFDATA2MSB)
      return fail(Kind::wrong_endian, "a big-endian program; only x86-64 is supported");
    if (at(EI_DATA) != ELFDATA2LSB) {
      return fail(Kind::wrong_endian, "unknown ELF byte order " + std::to_string(at(EI_DATA)));
    }
    if (at(EI_VERSION) != EV_CURRENT) {
      return fail(Kind::wrong_version, "unknown ELF version " + std::to_string(at(EI_VERSION)));
    }
    image_.osabi = at(EI_OSABI);
    return true;
  }

  bool read_header() {
    if (!read(0, std::as_writable_bytes(std::span(&header_, 1)), "ELF header")) return false;
    if (header_.e_machine != EM_X86_64) {
      return fail(Kind::wrong_machine, "built for " + std::string(machine_name(header_.e_machine)) +
                                           " (machine " + std::to_string(header_.e_machine) +
                                           "), not x86-64");
    }
    if (header_.e_version != EV_CURRENT) {
      return fail(Kind::wrong_version, "unknown ELF version " + std::to_string(header_.e_version));
    }
    if (header_.e_type != ET_EXEC && header_.e_type != ET_DYN) {
      return fail(Kind::wrong_type, "not a program: " + std::string(type_name(header_.e_type)) + " (type " +
                                        std::to_string(header_.e_type) + ")");
    }
    if (header_.e_phnum == 0) return fail(Kind::no_segments, "no program headers: nothing to load");
    if (header_.e_phentsize != sizeof(Elf64_Phdr)) {
      return fail(Kind::bad_header,
                  "program headers of " + std::to_string(header_.e_phentsize) + " bytes; 56 are expected");
    }
    if (header_.e_phnum > kMaxPhnum) {
      return fail(Kind::bad_header, std::to_string(header_.e_phnum) + " program headers; at most " +
                                        std::to_string(kMaxPhnum) + " are accepted");
    }
    image_.type = header_.e_type == ET_DYN ? Image::Type::pie : Image::Type::exec;
    image_.flags = header_.e_flags;
    image_.entry = header_.e_entry;
    image_.phnum = header_.e_phnum;
    image_.phent = header_.e_phentsize;
    image_.shoff = header_.e_shoff;
    image_.shnum = header_.e_shnum;
    image_.shent = header_.e_shentsize;
    image_.shstrndx = header_.e_shstrndx;
    return true;
  }

  bool read_program_headers() {
    std::vector<Elf64_Phdr> headers(header_.e_phnum);
    if (!read(header_.e_phoff, std::as_writable_bytes(std::span(headers)), "table of program headers")) {
      return false;
    }
    unsigned index = 0;
    for (const Elf64_Phdr& ph : headers) {
      if (!read_program_header(ph, "segment " + std::to_string(index++))) return false;
    }
    if (image_.segments.empty()) return fail(Kind::no_segments, "no loadable segment (PT_LOAD)");
    return true;
  }

  // Types not named here are left alone, as kernels do.
  bool read_program_header(const Elf64_Phdr& ph, const std::string& what) {
    switch (ph.p_type) {
      case PT_LOAD:
        return read_load(ph, what);
      case PT_INTERP:
        return !image_.interpreter.empty() || read_interpreter(ph);
      case PT_NOTE:
        return read_notes(ph);
      case PT_TLS:
        return read_tls(ph, what);
      case PT_PHDR:
        if (!stated_phdr_) stated_phdr_ = ph.p_vaddr;
        return true;
      case PT_DYNAMIC:
        image_.has_dynamic = true;
        return true;
      case PT_GNU_STACK:
        image_.stack_prot = prot_of(ph.p_flags);
        return true;
      default:
        return true;
    }
  }

  bool check_sizes(const Elf64_Phdr& ph, const std::string& what) {
    if (ph.p_filesz > ph.p_memsz) {
      return fail(Kind::bad_segment, what + ": " + hex(ph.p_filesz) + " bytes in the file, only " +
                                         hex(ph.p_memsz) + " in memory");
    }
    if (ph.p_filesz != 0 && !in_file(ph.p_offset, ph.p_filesz, what)) return false;
    if (!adds_up(ph.p_vaddr, ph.p_memsz)) {
      return fail(Kind::bad_segment, what + ": address plus size overflows");
    }
    if (ph.p_align > 1 && !std::has_single_bit(ph.p_align)) {
      return fail(Kind::misaligned, what + ": alignment " + hex(ph.p_align) + " is not a power of two");
    }
    if (ph.p_align > kMaxAlign) {
      return fail(Kind::misaligned, what + ": alignment " + hex(ph.p_align) + " is too large");
    }
    return true;
  }

  bool read_load(const Elf64_Phdr& ph, const std::string& what) {
    if (!check_sizes(ph, what)) return false;
    if (ph.p_memsz == 0) return true;
    if (ph.p_vaddr + ph.p_memsz > abi::kGuestTop) {
      return fail(Kind::out_of_range, what + ": ends at " + hex(ph.p_vaddr + ph.p_memsz) +
                                          ", above the addresses programs may use (" + hex(abi::kGuestTop) +
                                          ")");
    }
    if (ph.p_filesz != 0 && ph.p_vaddr % kPageSize != ph.p_offset % kPageSize) {
      return fail(Kind::misaligned, what + ": address " + hex(ph.p_vaddr) + " and file offset " +
                                        hex(ph.p_offset) + " differ within a page");
    }
    image_.segments.push_back({ph.p_vaddr, ph.p_memsz, ph.p_offset, ph.p_filesz,
                               std::max<Word>(ph.p_align, 1), prot_of(ph.p_flags)});
    return true;
  }

  bool read_tls(const Elf64_Phdr& ph, const std::string& what) {
    if (!check_sizes(ph, what)) return false;
    if (!image_.tls) {
      image_.tls = {ph.p_vaddr, ph.p_memsz, ph.p_offset, ph.p_filesz, std::max<Word>(ph.p_align, 1)};
    }
    return true;
  }

  bool read_interpreter(const Elf64_Phdr& ph) {
    if (ph.p_filesz < 2) return fail(Kind::bad_interpreter, "the interpreter's name is empty");
    if (ph.p_filesz > kMaxPath) return fail(Kind::bad_interpreter, "the interpreter's name is too long");
    std::string name(static_cast<std::size_t>(ph.p_filesz), '\0');
    if (!read(ph.p_offset, std::as_writable_bytes(std::span(name)), "interpreter's name")) return false;
    if (name.back() != '\0')
      return fail(Kind::bad_interpreter, "the interpreter's name has no terminating NUL");
    name.resize(name.find('\0'));
    if (name.empty()) return fail(Kind::bad_interpreter, "the interpreter's name is empty");
    image_.interpreter = std::move(name);
    return true;
  }

  bool read_notes(const Elf64_Phdr& ph) {
    if (ph.p_filesz == 0) return true;
    if (!in_file(ph.p_offset, ph.p_filesz, "note segment")) return false;
    const bool cut = ph.p_filesz > note_bytes_left_;
    std::vector<std::byte> bytes(static_cast<std::size_t>(cut ? note_bytes_left_ : ph.p_filesz));
    if (!read(ph.p_offset, bytes, "note segment")) return false;
    note_bytes_left_ -= bytes.size();
    if (cut) image_.warnings.push_back("more than 64 KiB of notes; the rest is not looked at");
    // Linkers that merged 4- and 8-aligned notes into one segment left p_align 8 over 4-aligned contents.
    const std::size_t known = image_.notes.size();
    if (ph.p_align == 8 && parse_notes(bytes, 8, cut)) return true;
    image_.notes.resize(known);
    if (parse_notes(bytes, 4, cut)) return true;
    return fail(Kind::bad_note, "malformed note at file offset " + hex(ph.p_offset));
  }

  /// False if a note runs over the end of `bytes`, unless that is where we stopped reading.
  bool parse_notes(std::span<const std::byte> bytes, std::size_t align, bool cut) {
    const auto padded = [align](std::size_t n) { return (n + align - 1) & ~(align - 1); };
    while (bytes.size() >= sizeof(Elf64_Nhdr)) {
      Elf64_Nhdr nh;
      std::memcpy(&nh, bytes.data(), sizeof nh);
      const std::size_t desc_at = padded(sizeof nh + nh.n_namesz);  // 32-bit sizes: no overflow in 64 bits
      const std::size_t end = desc_at + nh.n_descsz;
      if (sizeof nh + nh.n_namesz > bytes.size() || (nh.n_descsz != 0 && end > bytes.size())) return cut;
      Note note;
      note.type = nh.n_type;
      const auto* name = reinterpret_cast<const char*>(bytes.data() + sizeof nh);
      note.name.assign(name, strnlen(name, nh.n_namesz));
      if (nh.n_descsz != 0) {
        const auto desc = bytes.subspan(desc_at, std::min<std::size_t>(nh.n_descsz, kMaxNoteDesc));
        note.desc.assign(desc.begin(), desc.end());
      }
      image_.notes.push_back(std::move(note));
      bytes = bytes.subspan(std::min(padded(end), bytes.size()));
    }
    // What is left is too short for a note: padding if it is zero.
    return cut || std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
  }

  /// Ascending as the gABI demands. Two segments may share a page, never a byte.
  bool check_order() {
    for (std::size_t i = 1; i < image_.segments.size(); ++i) {
      const Segment& a = image_.segments[i - 1];
      const Segment& b = image_.segments[i];
      if (b.vaddr < a.vaddr) {
        return fail(Kind::overlap, "loadable segments are not in ascending order (" + hex(b.vaddr) +
                                       " after " + hex(a.vaddr) + ")");
      }
      if (b.vaddr < a.end()) {
        return fail(Kind::overlap, "loadable segments overlap at " + hex(b.vaddr));
      }
    }
    return true;
  }

  bool check_entry() {
    if (use_ == ElfUse::library && image_.entry == 0) return true;
    for (const Segment& s : image_.segments) {
      if ((s.prot & kExec) == 0 || image_.entry < s.vaddr || image_.entry >= s.end()) continue;
      const Word at = image_.entry - s.vaddr;
      if (at >= s.filesz) return true;  // zeros
      image_.entry_code.resize(static_cast<std::size_t>(std::min<Word>(s.filesz - at, kMaxEntryCode)));
      return read(s.offset + at, image_.entry_code, "code at the entry point");
    }
    return fail(Kind::bad_entry, "the entry point " + hex(image_.entry) + " is in no executable segment");
  }

  /// Where the program headers are in memory: as PT_PHDR says if that is loaded, else where a segment's file
  /// contents cover them.
  void find_phdr() {
    const Word length = Word{header_.e_phnum} * sizeof(Elf64_Phdr);
    for (const Segment& s : image_.segments) {
      if (stated_phdr_ && *stated_phdr_ >= s.vaddr && *stated_phdr_ - s.vaddr <= s.memsz &&
          length <= s.memsz - (*stated_phdr_ - s.vaddr)) {
        image_.phdr = *stated_phdr_;
        return;
      }
    }
    for (const Segment& s : image_.segments) {
      if (header_.e_phoff >= s.offset && header_.e_phoff - s.offset <= s.filesz &&
          length <= s.filesz - (header_.e_phoff - s.offset)) {
        image_.phdr = s.vaddr + (header_.e_phoff - s.offset);
        return;
      }
    }
    image_.warnings.push_back("the program headers are not loaded into memory (AT_PHDR will be 0)");
  }

  void check_sections() {
    if (image_.shoff == 0 || image_.shnum == 0) return;
    const Word length = Word{image_.shnum} * image_.shent;
    if (image_.shoff > size_ || length > size_ - image_.shoff) {
      image_.warnings.push_back("the section headers lie beyond the end of the file, which may be cut short");
    }
  }

  const ByteSource& source_;
  const Word size_;
  ElfUse use_;
  Elf64_Ehdr header_{};
  Image image_;
  std::optional<Word> stated_phdr_;
  Word note_bytes_left_ = kMaxNoteBytes;
  LoadError error_{};
};

}  // namespace

Word Image::max_align() const noexcept {
  Word align = kPageSize;
  for (const Segment& s : segments) align = std::max(align, s.align);
  return align;
}

Outcome<Image> parse_elf(const ByteSource& source, ElfUse use) { return Parser(source, use).run(); }

}  // namespace sudrun::loader

#include "loader/inspect.hpp"

#include <elf.h>

#include <algorithm>
#include <array>
#include <utility>

#include "loader/disassembler.hpp"
#include "loader/text.hpp"

namespace sudrun::loader {
namespace {

constexpr std::size_t kShownInstructions = 12;
constexpr std::size_t kShownSites = 10;
constexpr Word kMaxCode = 256 << 20;  // larger sections are not swept
constexpr Word kMaxNames = 1 << 20;   // of the section name table
constexpr unsigned kMaxSections = 4096;

std::string permissions(unsigned prot) {
  return {(prot & kRead) ? 'r' : '-', (prot & kWrite) ? 'w' : '-', (prot & kExec) ? 'x' : '-'};
}

bool in_executable(const Image& image, Word address, Word size) noexcept {
  return std::any_of(image.segments.begin(), image.segments.end(), [&](const Segment& s) {
    return (s.prot & kExec) != 0 && address >= s.vaddr && address - s.vaddr <= s.filesz &&
           size <= s.filesz - (address - s.vaddr);
  });
}

/// Section names, or nothing usable.
std::string read_names(const Image& image, std::span<const Elf64_Shdr> headers, const ByteSource& source) {
  if (image.shstrndx >= headers.size()) return {};
  const Elf64_Shdr& table = headers[image.shstrndx];
  if (table.sh_type != SHT_STRTAB || table.sh_size > kMaxNames) return {};
  if (table.sh_offset > source.size() || table.sh_size > source.size() - table.sh_offset) return {};
  std::string names(static_cast<std::size_t>(table.sh_size), '\0');
  if (!source.read_at(table.sh_offset, std::as_writable_bytes(std::span(names)))) return {};
  return names;
}

std::string left(std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

std::string hex_byte(std::byte b) { return hex(std::to_integer<unsigned>(b), 2).substr(2); }

void describe_segments(const Image& image, std::string& out) {
  out += "segments:\n";
  for (const Segment& s : image.segments) {
    out += "  " + left(hex(s.vaddr) + "-" + hex(s.end()), 30) + " " + permissions(s.prot) + "  file " +
           hex(s.offset) + "+" + hex(s.filesz) + "  align " + hex(s.align);
    if (s.memsz > s.filesz) out += "  zeros " + hex(s.memsz - s.filesz);
    out += '\n';
  }
  if (image.tls) {
    out += "tls:          " + hex(image.tls->vaddr) + ", " + hex(image.tls->filesz) + " of " +
           hex(image.tls->memsz) + " bytes initialised, align " + hex(image.tls->align) + "\n";
  }
  out += "stack:        " + (image.stack_prot ? permissions(*image.stack_prot) : std::string("not stated")) +
         "\n";
}

void describe_notes(const Image& image, std::string& out) {
  if (image.notes.empty()) return;
  out += "notes:\n";
  constexpr std::size_t shown_notes = 32, shown_bytes = 20;
  for (std::size_t i = 0; i < std::min(image.notes.size(), shown_notes); ++i) {
    const Note& note = image.notes[i];
    out += "  " + printable(note.name, 40) + " type " +
           (note.type < 0x10000 ? std::to_string(note.type) : hex(note.type));
    if (!note.desc.empty()) out += " ";
    for (std::size_t b = 0; b < std::min(note.desc.size(), shown_bytes); ++b) {
      out += " " + hex_byte(note.desc[b]);
    }
    out += note.desc.size() > shown_bytes ? " ...\n" : "\n";
  }
  if (image.notes.size() > shown_notes) {
    out += "  and " + std::to_string(image.notes.size() - shown_notes) + " more\n";
  }
}

void disassemble_entry(const Image& image, const ByteSource& source, std::string& out) {
  const auto segment = std::find_if(image.segments.begin(), image.segments.end(), [&](const Segment& s) {
    return image.entry >= s.vaddr && image.entry - s.vaddr < s.filesz;
  });
  if (segment == image.segments.end()) return;
  const Word inside = image.entry - segment->vaddr;
  std::vector<std::byte> bytes(
      static_cast<std::size_t>(std::min<Word>(segment->filesz - inside, kShownInstructions * 15)));
  if (!source.read_at(segment->offset + inside, bytes)) return;
  out += "code at entry:\n";
  Disassembler disassembler;
  std::span<const std::byte> rest = bytes;
  Word address = image.entry;
  for (std::size_t n = 0; n < kShownInstructions; ++n) {
    const auto instruction = disassembler.decode(rest, address);
    if (!instruction || instruction->is_int3) break;
    std::string line = "  " + hex(address) + "  ";
    for (unsigned i = 0; i < instruction->size; ++i) line += hex_byte(rest[i]);
    line = left(std::move(line), 36) + ' ';
    line += instruction->mnemonic;
    if (!instruction->operands.empty()) line += ' ';
    line += instruction->operands;
    out += line + '\n';
    rest = rest.subspan(instruction->size);
    address += instruction->size;
  }
}

/// What --inspect says of each Rung.
constexpr std::array<const char*, 4> kRungs{"always trapping", "with padding", "with a load",
                                            "to be relocated"};

void describe_sites(const CodeRange& range, std::span<const SyscallSite> sites, std::string& out) {
  out += "    " + printable(range.name, 40) + " " + hex(range.address) + "-" +
         hex(range.address + range.size) + ": ";
  if (sites.empty()) {
    out += "none\n";
    return;
  }
  out += std::to_string(sites.size());
  for (std::size_t rung = 0; rung < kRungs.size(); ++rung) {
    const auto count =
        std::count_if(sites.begin(), sites.end(), [&](const SyscallSite& s) { return s.rung == Rung(rung); });
    if (count != 0) out += ", " + std::to_string(count) + " " + kRungs[rung];
  }
  out += '\n';
  for (std::size_t i = 0; i < std::min(sites.size(), kShownSites); ++i) {
    out += "      " + hex(sites[i].address) + "  " + kRungs[static_cast<std::size_t>(sites[i].rung)] + "\n";
  }
  if (sites.size() > kShownSites)
    out += "      and " + std::to_string(sites.size() - kShownSites) + " more\n";
}

void describe_syscalls(const Image& image, const ByteSource& source, std::string& out) {
  const std::vector<CodeRange> ranges = code_ranges(image, source);
  if (ranges.empty()) {
    out += "system calls: not searched: no usable section headers\n";
    return;
  }
  out += "system-call instructions:\n";
  Word budget = source.size();  // headers that name the same bytes again and again must not cost hours
  for (const Segment& segment : image.segments) {
    if ((segment.prot & kExec) == 0) continue;
    out += "  segment " + hex(segment.vaddr) + "-" + hex(segment.end()) + "\n";
    for (const CodeRange& range : ranges) {
      if (range.address < segment.vaddr || range.address >= segment.end()) continue;
      if (range.size > std::min(kMaxCode, budget)) {
        out += "    " + printable(range.name, 40) + ": too large to search\n";
        continue;
      }
      budget -= range.size;
      std::vector<std::byte> code(static_cast<std::size_t>(range.size));
      if (!source.read_at(range.offset, code)) continue;
      describe_sites(range, find_syscalls(code, range.address), out);
    }
  }
}

}  // namespace

std::vector<CodeRange> code_ranges(const Image& image, const ByteSource& source) {
  std::vector<CodeRange> ranges;
  if (image.shoff == 0 || image.shent != sizeof(Elf64_Shdr) || image.shnum == 0 ||
      image.shnum > kMaxSections) {
    return ranges;
  }
  const Word length = Word{image.shnum} * sizeof(Elf64_Shdr);
  if (image.shoff > source.size() || length > source.size() - image.shoff) return ranges;
  std::vector<Elf64_Shdr> headers(image.shnum);
  if (!source.read_at(image.shoff, std::as_writable_bytes(std::span(headers)))) return ranges;
  const std::string names = read_names(image, headers, source);
  for (const Elf64_Shdr& sh : headers) {
    if (sh.sh_type != SHT_PROGBITS || (sh.sh_flags & SHF_EXECINSTR) == 0 || sh.sh_size == 0) continue;
    if (sh.sh_offset > source.size() || sh.sh_size > source.size() - sh.sh_offset) continue;
    if (!in_executable(image, sh.sh_addr, sh.sh_size)) continue;
    ranges.push_back(
        {sh.sh_name < names.size() ? names.c_str() + sh.sh_name : "?", sh.sh_addr, sh.sh_offset, sh.sh_size});
  }
  return ranges;
}

std::vector<SyscallSite> find_syscalls(std::span<const std::byte> code, Word address) {
  std::vector<SyscallSite> sites;
  Disassembler disassembler;
  if (!disassembler.is_open()) return sites;
  const CodeWindow window{address, code};
  std::vector<std::pair<Word, Word>> hops;  // two sites may want the same padding
  for (std::size_t at = 0; at < code.size();) {
    const Word here = address + at;
    const auto instruction = disassembler.decode(window.from(here), here);
    at += instruction ? instruction->size : 1;
    if (!instruction || !instruction->is_syscall) continue;
    const RewritePlan plan = plan_rewrite(disassembler, window, here, std::nullopt, std::nullopt, hops);
    sites.push_back({here, plan.rung});
    if (plan.rung == Rung::padding) hops.emplace_back(plan.hop, plan.hop + kJumpSize);
  }
  return sites;
}

std::string inspect(const ByteSource& source, std::span<const AbiSignature> known) {
  const Classification file = classify(source, known);
  std::string out;
  if (file.kind == FileKind::script) {
    out += "format:       script\n";
    if (!file.script) return out + "error:        " + file.message + "\n";
    out += "interpreter:  " + printable(file.script->interpreter) + "\n";
    if (file.script->argument) out += "argument:     " + printable(*file.script->argument) + "\n";
    return out;
  }
  if (!file.image) return out + "error:        " + file.message + "\n";
  const Image& image = *file.image;
  out += std::string("format:       ELF64 x86-64, ") +
         (!image.is_pie() ? "fixed addresses" : "position-independent") +
         (file.is_dynamic() ? ", dynamic" : ", static") + "\n";
  out += "abi:          " +
         (file.identification ? file.abi + " (by " + file.identification.how + ")"
                              : "unknown (found: " + file.identification.how + ")") +
         "\n";
  if (const auto reason = why_not_runnable(file)) out += "cannot run:   " + *reason + "\n";
  if (file.is_dynamic()) out += "interpreter:  " + printable(image.interpreter) + "\n";
  out += "entry:        " + hex(image.entry) + "\n";
  out += "headers:      " + std::to_string(image.phnum) + " program headers at " +
         (image.phdr != 0 ? hex(image.phdr) : std::string("no address")) + "\n";
  describe_segments(image, out);
  describe_notes(image, out);
  for (const std::string& warning : image.warnings) out += "warning:      " + warning + "\n";
  disassemble_entry(image, source, out);
  describe_syscalls(image, source, out);
  return out;
}

}  // namespace sudrun::loader

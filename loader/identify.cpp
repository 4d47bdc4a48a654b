// Sources: gABI registry of EI_OSABI values; note names: FreeBSD sys/sys/elf_common.h, NetBSD
// sys/sys/exec_elf.h, OpenBSD sys/sys/exec_elf.h; GNU ABI tag: LSB core generic, NT_GNU_ABI_TAG.
#include "loader/identify.hpp"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "loader/text.hpp"

namespace sudrun::loader {
namespace {

std::string_view osabi_name(unsigned osabi) noexcept {
  switch (osabi) {
    case ELFOSABI_NETBSD:
      return "NetBSD";
    case ELFOSABI_GNU:
      return "GNU/Linux";
    case ELFOSABI_SOLARIS:
      return "Solaris";
    case ELFOSABI_FREEBSD:
      return "FreeBSD";
    case ELFOSABI_OPENBSD:
      return "OpenBSD";
    case 17:
      return "CloudABI";
    case ELFOSABI_STANDALONE:
      return "standalone";
    default:
      return {};
  }
}

std::string osabi_text(unsigned osabi) {
  std::string text = "OS/ABI byte " + std::to_string(osabi);
  if (const auto name = osabi_name(osabi); !name.empty()) text += " (" + std::string(name) + ")";
  return text;
}

std::string note_text(std::string_view name, std::uint32_t type) {
  return "note " + printable(name, 40) + " type " + (type < 0x10000 ? std::to_string(type) : hex(type));
}

/// The system named by a GNU ABI tag: 0 Linux, 1 Hurd, 2 Solaris, 3 kFreeBSD; nothing if the note is not one.
std::optional<std::uint32_t> gnu_abi_tag(const Note& note) noexcept {
  if (note.name != "GNU" || note.type != NT_GNU_ABI_TAG || note.desc.size() < 4) return std::nullopt;
  std::uint32_t system = 0;
  std::memcpy(&system, note.desc.data(), sizeof system);
  return system;
}

/// By custom a note of type 1 names the system under its vendor's name. Build identifiers and the like have
/// other types.
bool marks_another_system(const Note& note) noexcept {
  if (const auto tag = gnu_abi_tag(note)) return *tag != 0;
  return note.type == 1 && note.name != "GNU" && note.name != "Android";
}

/// Build identifiers and the like apart.
bool has_no_mark(const Image& image) noexcept {
  return image.osabi == ELFOSABI_NONE && image.interpreter.empty() &&
         std::none_of(image.notes.begin(), image.notes.end(), [](const Note& note) {
           return gnu_abi_tag(note).has_value() || marks_another_system(note);
         });
}

std::string hex_digits(std::span<const std::byte> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::byte b : bytes) {
    text += digits[std::to_integer<std::size_t>(b >> 4)];
    text += digits[std::to_integer<std::size_t>(b & std::byte{15})];
  }
  return text;
}

bool is_linux_interpreter(std::string_view path) noexcept {
  const std::string_view base = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  constexpr std::array<std::string_view, 5> prefixes = {"ld-linux", "ld-musl", "ld64.so", "ld64-uClibc",
                                                        "linker64"};
  return std::any_of(prefixes.begin(), prefixes.end(), [base](auto p) { return base.starts_with(p); });
}

std::string what_was_found(const Image& image) {
  std::string text = osabi_text(image.osabi);
  constexpr std::size_t shown = 8;
  for (std::size_t i = 0; i < image.notes.size() && i < shown; ++i) {
    text += ", " + note_text(image.notes[i].name, image.notes[i].type);
  }
  if (image.notes.size() > shown) text += ", more notes";
  if (!image.interpreter.empty()) text += ", interpreter " + printable(image.interpreter);
  return text;
}

}  // namespace

Identification identify(const Image& image, std::span<const AbiSignature> known) {
  if (image.osabi != 0) {
    for (const AbiSignature& table : known) {
      if (table.osabi == static_cast<int>(image.osabi))
        return {std::string(table.abi), osabi_text(image.osabi)};
    }
  }
  for (const AbiSignature& table : known) {
    for (const Note& note : image.notes) {
      // A GNU ABI tag must also name Linux to mean it.
      if (gnu_abi_tag(note).value_or(0) != 0) continue;
      for (const auto& [name, type] : table.notes) {
        if (note.name == name && note.type == type) return {std::string(table.abi), note_text(name, type)};
      }
    }
  }
  for (const AbiSignature& table : known) {
    if (image.interpreter.empty()) break;
    for (const std::string_view path : table.interpreters) {
      if (image.interpreter == path) return {std::string(table.abi), "interpreter " + std::string(path)};
    }
  }
  if (has_no_mark(image)) {
    const std::string code = hex_digits(image.entry_code);
    for (const AbiSignature& table : known)
      if (!table.entry_code.empty() && code.starts_with(table.entry_code))
        return {std::string(table.abi), "code at the entry point " + std::string(table.entry_code)};
  }
  const std::string native(kNativeAbi);
  if (image.osabi == ELFOSABI_GNU) return {native, osabi_text(image.osabi)};
  if (image.osabi == ELFOSABI_NONE &&
      std::none_of(image.notes.begin(), image.notes.end(), marks_another_system)) {
    for (const Note& note : image.notes) {
      if (gnu_abi_tag(note)) return {native, note_text(note.name, note.type)};
    }
    if (image.interpreter.empty()) return {native, "no mark of another system"};
    if (is_linux_interpreter(image.interpreter))
      return {native, "interpreter " + printable(image.interpreter)};
  }
  return {{}, what_was_found(image)};
}

Identification identify(const Image& image, std::span<const abi::Table> known) {
  std::vector<AbiSignature> signatures;
  for (const abi::Table& table : known) signatures.push_back(signature_of(table));
  return identify(image, signatures);
}

bool is_script(std::span<const std::byte> head) noexcept {
  return head.size() >= 2 && head[0] == std::byte{'#'} && head[1] == std::byte{'!'};
}

std::optional<Script> parse_script(std::span<const std::byte> head, std::size_t limit) {
  if (!is_script(head)) return std::nullopt;
  constexpr std::string_view blanks = " \t";
  std::string_view line(reinterpret_cast<const char*>(head.data()), std::min(head.size(), limit));
  const bool may_go_on = head.size() >= limit;
  line.remove_prefix(2);
  // The line ends at a newline or a NUL; without either it is either the whole file or cut by the limit.
  const std::size_t end = line.find_first_of(std::string_view("\n\0", 2));
  const bool cut = end == std::string_view::npos && may_go_on;
  line = line.substr(0, end);
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  const std::size_t name_end = line.find_first_of(blanks);
  if (line.empty() || (cut && name_end == std::string_view::npos)) return std::nullopt;
  Script script{std::string(line.substr(0, name_end)), std::nullopt};
  if (name_end == std::string_view::npos) return script;
  if (cut) line.remove_suffix(1);  // the last byte's place is the terminator's
  line.remove_prefix(name_end);
  const std::size_t first = line.find_first_not_of(blanks);
  if (first == std::string_view::npos) return script;
  const std::size_t last = line.find_last_not_of(blanks);
  script.argument = std::string(line.substr(first, last - first + 1));
  return script;
}

Classification classify(const ByteSource& source, std::span<const AbiSignature> known,
                        std::size_t script_limit) {
  Classification file;
  std::vector<std::byte> head(static_cast<std::size_t>(std::min<Word>(source.size(), script_limit)));
  if (!source.read_at(0, head)) {
    file.kind = FileKind::not_executable;
    file.message = "the file cannot be read";
    file.error = LoadError::Kind::read_failed;
    return file;
  }
  if (is_script(head)) {
    file.kind = FileKind::script;
    file.script = parse_script(head, script_limit);
    if (!file.script) file.message = "a script whose first line names no usable interpreter";
    return file;
  }
  Outcome<Image> parsed = parse_elf(source);
  if (!parsed) {
    using Kind = LoadError::Kind;
    const Kind kind = parsed.error().kind;
    const bool others = kind == Kind::not_elf || kind == Kind::wrong_class || kind == Kind::wrong_endian ||
                        kind == Kind::wrong_machine;
    file.kind = others ? FileKind::unknown_format : FileKind::not_executable;
    file.message = parsed.error().message;
    file.error = kind;
    return file;
  }
  file.image = std::move(*parsed);
  file.identification = identify(*file.image, known);
  file.abi = file.identification.abi;
  if (file.identification.native()) {
    file.kind = FileKind::native;
  } else if (file.identification) {
    file.kind = FileKind::foreign_elf;
  } else {
    file.kind = FileKind::not_executable;
    file.message = "built for a system that is not supported (found: " + file.identification.how + ")";
  }
  return file;
}

std::optional<std::string> why_not_runnable(const Classification& file) {
  switch (file.kind) {
    case FileKind::not_executable:
    case FileKind::unknown_format:
      return file.message;
    case FileKind::script:
      if (!file.script) return file.message;
      return std::nullopt;
    case FileKind::native:
      if (!file.is_dynamic() || !file.image->is_pie()) return std::nullopt;
      return "a dynamic Linux program: it needs no runtime, run it directly";
    case FileKind::foreign_elf:
      return std::nullopt;
  }
  return file.message;
}

}  // namespace sudrun::loader

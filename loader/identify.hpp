// Which ABI a program was built for, and what a file given to exec is. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "abi/table.hpp"
#include "loader/elf.hpp"

namespace sudrun::loader {

/// The ABI of the machine itself.
inline constexpr std::string_view kNativeAbi = "linux-amd64";

/// What a table says about recognising its programs (`identify` in the YAML).
struct AbiSignature {
  std::string_view abi;
  int osabi = -1;                                                 ///< e_ident[EI_OSABI]; -1: not used
  std::vector<std::pair<std::string_view, std::uint32_t>> notes;  ///< name and type
  std::vector<std::string_view> interpreters;
  std::string_view entry_code = {};  ///< hexadecimal digits; empty: not used
};

/// Refers to the table's block, which must outlive the result.
inline AbiSignature signature_of(const abi::Table& table) {
  AbiSignature signature{table.abi(), table.osabi(), {}, {}, table.entry_code()};
  for (const abi::NoteId& note : table.notes())
    signature.notes.emplace_back(table.string(note.name), note.type);
  for (const std::uint32_t path : table.interpreters()) signature.interpreters.push_back(table.string(path));
  return signature;
}

struct Identification {
  std::string abi;  ///< empty: unknown
  std::string how;  ///< what decided it, e.g. `OS/ABI byte 9 (FreeBSD)`; if unknown, what was found
  bool native() const noexcept { return abi == kNativeAbi; }
  explicit operator bool() const noexcept { return !abi.empty(); }
};

/// The OS/ABI byte decides if it is not 0 and a table claims it, then notes, then the interpreter, and where
/// a program has none of these the code it begins with. A program without any mark of another system is a
/// Linux one, whether or not a table for Linux is known.
Identification identify(const Image& image, std::span<const AbiSignature> known);
Identification identify(const Image& image, std::span<const abi::Table> known);

/// The first line of a script.
struct Script {
  std::string interpreter;
  std::optional<std::string> argument;  ///< everything after the interpreter, inner blanks included
};

/// How much of a script a kernel looks at: on Linux 255 bytes and the one that ends the line; of what foreign
/// programs execute a page, as FreeBSD does (sys/kern/imgact_shell.c).
inline constexpr std::size_t kLinuxScriptLimit = 256;
inline constexpr std::size_t kForeignScriptLimit = 4096;

/// Whether the bytes begin like a script (`#!`).
bool is_script(std::span<const std::byte> head) noexcept;
/// Parses the first line as both Linux (fs/binfmt_script.c) and FreeBSD since 6.0 (sys/kern/imgact_shell.c)
/// do: one interpreter and at most one argument, blanks at both ends dropped. `head` is the beginning of the
/// file, whole if it is shorter than `limit`. Nothing if there is no interpreter or its name does not fit
/// (ENOEXEC); an argument that does not fit is cut.
std::optional<Script> parse_script(std::span<const std::byte> head, std::size_t limit = kLinuxScriptLimit);

enum class FileKind : std::uint8_t {
  foreign_elf,  ///< a program of a known ABI that is not the machine's own
  native,       ///< an x86-64 Linux program
  script,
  not_executable,  ///< an ELF file that is damaged, no program, or of an unknown ABI: see `message`
  unknown_format,  ///< anything else, also ELF for other machines: the host's own execve knows best
};

struct Classification {
  FileKind kind = FileKind::unknown_format;
  std::string abi;                       ///< foreign_elf, native
  std::optional<Image> image;            ///< whenever the file parsed
  Identification identification;         ///< whenever the file parsed
  std::optional<Script> script;          ///< script with a usable first line
  std::string message;                   ///< why not, one line; not_executable, unknown_format, bad script
  std::optional<LoadError::Kind> error;  ///< if parsing failed

  bool is_dynamic() const noexcept { return image && !image->interpreter.empty(); }
};

Classification classify(const ByteSource& source, std::span<const AbiSignature> known,
                        std::size_t script_limit = kLinuxScriptLimit);

/// Why the runtime does not run the file itself, in one line without the file's name; nothing if it does.
std::optional<std::string> why_not_runnable(const Classification& file);

}  // namespace sudrun::loader

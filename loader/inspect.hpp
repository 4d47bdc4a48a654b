// What there is to say about a program without running it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "loader/identify.hpp"

namespace sudrun::loader {

/// One system-call instruction.
struct SyscallSite {
  Word address = 0;
  /// At least five bytes of dead padding (int3, or nops nothing falls into) begin within reach of a two-byte
  /// jump that takes the instruction's place.
  bool padding_near = false;
};

/// Executable code named by a section header.
struct CodeRange {
  std::string name;
  Word address = 0;
  Word offset = 0;
  Word size = 0;
};

/// Executable sections with contents in the file, inside an executable segment. Empty without usable headers.
std::vector<CodeRange> code_ranges(const Image& image, const ByteSource& source);
/// Finds system-call instructions by decoding `code` from end to end; undecodable bytes are skipped one by
/// one.
std::vector<SyscallSite> find_syscalls(std::span<const std::byte> code, Word address);

/// The text of `sudrun --inspect`, lines ended by newlines. Works for every file, also those that cannot run.
std::string inspect(const ByteSource& source, std::span<const AbiSignature> known);

}  // namespace sudrun::loader

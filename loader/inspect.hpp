// What there is to say about a program without running it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "loader/identify.hpp"
#include "loader/rewrite.hpp"

namespace sudrun::loader {

/// One system-call instruction.
struct SyscallSite {
  Word address = 0;
  Rung rung =
      Rung::none;  ///< how it can be rewritten if it proves to be reached, and called as it seems to be
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

// `sudrun inspect`: will this program run? Everything that can be told without running it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loader/identify.hpp"
#include "tools/syscalls.hpp"

namespace sudrun::tools {

/// What the exit status of `sudrun inspect` says.
enum class Verdict : int {
  runs = 0,      ///< nothing was found that is missing
  unless = 1,    ///< it runs as long as it makes none of the missing calls
  cannot = 2,    ///< it does not start
  not_told = 3,  ///< nothing was found that is missing, but not all could be seen
};

/// A program or library that was looked into.
struct Module {
  std::string name;  ///< as the guest names it
  enum class Role : std::uint8_t { program, interpreter, library } role = Role::program;
  std::vector<std::byte> file;
  std::unique_ptr<Binary> binary;
  GoProgram go;
  std::unique_ptr<Functions> functions;
  SyscallReport calls;
  std::unique_ptr<Reach> reach;
};

/// One call the program may make.
struct CallRow {
  std::uint32_t number = 0;
  std::string name;  ///< empty: the table has no such number
  abi::Support support = abi::Support::none;
  std::string note;
  struct Use {
    std::size_t module = 0;
    Word site = 0, at = 0;
    std::vector<Word> way;  ///< functions from a start of the program to this one, by direct calls
  };
  std::vector<Use> uses;

  bool is_missing() const noexcept { return support == abi::Support::none; }
  /// Direct calls lead to one of its uses. Otherwise it is only linked: called through pointers, or never.
  bool is_called() const noexcept {
    return std::any_of(uses.begin(), uses.end(), [](const Use& use) { return !use.way.empty(); });
  }
};

struct Inspection {
  std::string program;
  loader::Classification file;
  std::optional<abi::Table> table;
  std::vector<std::string> versions;  ///< what it says it was built for, and with
  std::vector<std::unique_ptr<Module>> modules;
  std::vector<std::string> absent;  ///< libraries and the interpreter, if they were not found
  std::vector<std::string> warnings;
  std::vector<CallRow> calls;  ///< by number
  Verdict verdict = Verdict::cannot;
  std::string verdict_line;
};

struct InspectRequest {
  std::string program;
  std::vector<std::byte> file;
  std::span<const abi::Table> tables;
  std::string abi;           ///< not recognised, but given
  std::string cannot_start;  ///< why, if that is known before
  /// Contents of a file by the guest's path.
  std::function<std::optional<std::vector<std::byte>>(const std::string&)> find_file;
  std::string where_files_are;  ///< for messages: `the sysroot /x`, or `this host`
};

/// Never throws because of what the file holds.
Inspection inspect(InspectRequest request);

/// `[entry, …)`: up to `count` instructions around `address`, or from it on.
struct CodeLine {
  Word address = 0;
  std::string bytes, text;
};
std::vector<CodeLine> disassemble(Functions& functions, Word from, std::size_t count);
std::vector<CodeLine> disassemble_around(Functions& functions, Word address, std::size_t before,
                                         std::size_t after);

std::string_view support_name(const CallRow& row) noexcept;
const char* rung_name(loader::Rung rung) noexcept;
/// `rwx`.
std::string permissions(unsigned prot);

std::string text_report(const Inspection& inspection);
std::string json_report(const Inspection& inspection);
std::string html_report(const Inspection& inspection);

}  // namespace sudrun::tools

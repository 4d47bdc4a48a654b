// The functions of a program, what is known of their names, and who refers to whom.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "tools/binary.hpp"
#include "tools/go_program.hpp"
#include "tools/instructions.hpp"

namespace sudrun::tools {

struct FunctionInfo {
  Word start = 0, end = 0;
  std::string_view name;     ///< empty: none is known
  bool is_taken = false;     ///< data or code holds its address: it may be called through a pointer
  bool is_exported = false;  ///< other files can call it by name
};

/// A relative jump or call to the beginning of a function, as the bytes look: whether an instruction begins
/// at `from` has to be seen by decoding.
struct Branch {
  Word to = 0, from = 0;
};

class Functions {
 public:
  Functions(const Binary& binary, const GoProgram& go);

  std::span<const FunctionInfo> all() const noexcept { return all_; }
  /// The function that holds `address`; null outside of code.
  const FunctionInfo* at(Word address) const noexcept;
  const FunctionInfo* named(std::string_view name) const noexcept;
  std::size_t index(const FunctionInfo& function) const noexcept {
    return static_cast<std::size_t>(&function - all_.data());
  }
  /// Branches to the beginning of `function` that come from outside it.
  std::span<const Branch> branches_to(const FunctionInfo& function) const noexcept;
  /// All of them, by target.
  std::span<const Branch> branches() const noexcept { return branches_; }
  /// Its code, decoded; kept.
  const FunctionCode& code(const FunctionInfo& function);
  /// Forgets decoded code if it takes much memory. Ends the life of everything code() and insn_at() gave.
  void trim();
  /// The instruction at `address` if one begins there.
  const Insn* insn_at(Word address);
  /// The 32-bit word at `address` if nothing ever writes there, as far as the code shows: it is not writable,
  /// or all that refers to it loads it. Go keeps numbers in such variables.
  std::optional<std::uint32_t> constant_at(Word address);
  loader::Disassembler& disassembler() noexcept { return disassembler_; }
  const Binary& binary() const noexcept { return binary_; }
  bool has_names() const noexcept { return has_names_; }
  /// `name`, or `name+0x12`, or an address.
  std::string label(Word address) const;

 private:
  void collect(const GoProgram& go);
  void sweep(std::vector<Word>& starts);
  void find_branches();
  void find_pointers(const GoProgram& go);
  FunctionInfo* starting_at(Word address) noexcept;

  const Binary& binary_;
  loader::Disassembler disassembler_;
  std::vector<FunctionInfo> all_;
  std::vector<Branch> branches_;
  bool is_harmless(Word address, Word word);
  bool is_only_loaded(Word address);

  std::map<Word, std::unique_ptr<FunctionCode>> decoded_;
  std::map<Word, bool> only_loaded_;  ///< answers given before
  std::size_t decoded_insns_ = 0;
  bool has_names_ = false;
};

}  // namespace sudrun::tools

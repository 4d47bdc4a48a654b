// Which system calls a program can make: its call instructions, the numbers they are reached with, and who
// asks for them.
#pragma once

#include "abi/table.hpp"
#include "loader/rewrite.hpp"
#include "tools/functions.hpp"

namespace sudrun::tools {

/// A number some code asks for.
struct NumberUse {
  std::uint32_t number = 0;
  Word at = 0;            ///< the instruction that makes the call, or calls the stub that does
  std::vector<Word> via;  ///< entries of the stubs it goes through, from `at` to the site; empty: none
  bool indirect = false;  ///< by way of syscall(2) itself: a number that means "the next argument"
};

/// One call instruction.
struct Site {
  Word address = 0;
  const char* what = "syscall";  ///< or the 32-bit ways, which are not trapped
  bool is_syscall = true;
  loader::Rung rung = loader::Rung::none;
  std::vector<NumberUse> uses;
  bool from_caller = false;         ///< a stub: its callers pass the number in
  std::vector<std::string> doubts;  ///< why there may be other numbers; empty: there are none
};

struct SyscallReport {
  std::vector<Site> sites;
  std::vector<std::string> remarks;
};

/// Finds all sites and follows their numbers.
SyscallReport find_syscalls(Functions& functions, const abi::Convention& convention, bool is_go);

/// Which functions the program comes to by direct calls from where it starts.
class Reach {
 public:
  Reach(const Functions& functions, bool is_go, std::span<const Word> more_roots = {});
  /// The way there, functions' starts from a root on; empty: there is none of direct calls alone.
  std::vector<Word> way_to(Word address) const;

 private:
  const Functions& functions_;
  std::vector<std::size_t> from_;  ///< the function it was reached from; itself for roots
};

}  // namespace sudrun::tools

// A native call that changes mappings, as far as rewritten code and the page of the time are concerned.
#pragma once

#include <array>

#include "runtime/process.hpp"

namespace sudrun::runtime {

/// Lives while such a call is made: the program's own bytes are back where it changes something. False: the
/// call would hit memory of the runtime's and must not be made. For all other calls it does nothing.
class MappingChange {
 public:
  using Arguments = std::array<abi::Word, 5>;
  MappingChange(Process& process, long number, const Arguments& args) noexcept : process_(process) {
    constexpr long kPkeyMprotect = 329;
    const bool changes =
        number >= 0 && (number < 64 ? ((kCalls >> number) & 1) != 0 : number == kPkeyMprotect);
    if (changes && matters(process)) begin(number, args);
  }
  /// For a change of [start, start + size) that is made in another way. Nothing if `size` is 0.
  MappingChange(Process& process, abi::Word start, abi::Word size) noexcept : process_(process) {
    if (size != 0 && matters(process)) add(start, size);
  }
  ~MappingChange() {
    for (; begun_ != 0; --begun_) process_.rewriter().end_change();
  }
  MappingChange(const MappingChange&) = delete;
  MappingChange& operator=(const MappingChange&) = delete;
  explicit operator bool() const noexcept { return allowed_; }

 private:
  static constexpr abi::Word kCalls = abi::Word{1} << 9 | abi::Word{1} << 10 | abi::Word{1} << 11 |
                                      abi::Word{1} << 25 | abi::Word{1} << 28 | abi::Word{1} << 30;
  static bool matters(const Process& process) noexcept {
    return process.rewriting() || process.time_page().address() != 0;
  }
  void begin(long number, const Arguments& args) noexcept;
  void add(abi::Word start, abi::Word size) noexcept;

  Process& process_;
  unsigned begun_ = 0;
  bool allowed_ = true;
};

}  // namespace sudrun::runtime

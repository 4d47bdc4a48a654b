#include "abi/bare.hpp"

namespace sudrun::abi {

StackImage Bare::stack_image(const ImageInfo& image, std::string_view program_path) const {
  static_cast<void>(image), static_cast<void>(program_path);
  return {};
}

// Everything else is zero; rdx above all, which Linux programs take for a function to call at exit.
Registers Bare::initial_registers(Word entry, Word stack_pointer, Word ps_strings) const noexcept {
  static_cast<void>(ps_strings);
  Registers regs;
  regs.rip = entry;
  regs.rsp = stack_pointer;
  return regs;
}

bool Bare::push_signal_frame(Host& host, const SignalInfo& info, const SignalAction& action,
                             NativeSigset old_mask) noexcept {
  static_cast<void>(host), static_cast<void>(info), static_cast<void>(action), static_cast<void>(old_mask);
  return false;
}

std::vector<std::span<const HandlerEntry>> bare_handlers() { return {}; }

}  // namespace sudrun::abi

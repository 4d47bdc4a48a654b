// The personality of ABIs that exist only as a table: no handlers, no signals. What a row does not say is for
// the program that embeds the guest.
#pragma once

#include "abi/personality.hpp"

namespace sudrun::abi {

class Bare : public Personality {
 public:
  std::string_view name() const noexcept override { return "bare"; }
  void bind(const Table& table) override { static_cast<void>(table); }
  /// argc, argv, envp and an auxiliary vector that is empty.
  StackImage stack_image(const ImageInfo& image, std::string_view program_path) const override;
  Registers initial_registers(Word entry, Word stack_pointer, Word ps_strings) const noexcept override;
  std::span<const std::byte> trampoline() const noexcept override { return {}; }
  void set_trampoline(GuestAddr address) noexcept override { static_cast<void>(address); }
  /// There are none: a fault is the guest's end.
  bool push_signal_frame(Host& host, const SignalInfo& info, const SignalAction& action,
                         NativeSigset old_mask) noexcept override;
  void before_fork() noexcept override {}
  void after_fork_in_parent() noexcept override {}
  void after_fork_in_child(Host& host) noexcept override { static_cast<void>(host); }
};

/// None.
std::vector<std::span<const HandlerEntry>> bare_handlers();

}  // namespace sudrun::abi

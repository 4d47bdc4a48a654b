// DragonFly/x86_64: the personality.
//
// Facts come from DragonFly's own sources; each file names them. Conversions the table can express stay in
// tables/dragonfly-amd64.yaml, what the BSDs share is in abi/bsd; the code here is what is left.
#pragma once

#include "abi/bsd/bsd.hpp"

namespace sudrun::abi::dragonfly {

using namespace bsd;  // NOLINT(google-build-using-namespace): this system is one of them

class DragonFly final : public bsd::Bsd {
 public:
  DragonFly();

  std::string_view name() const noexcept override { return "dragonfly"; }
  StackImage stack_image(const ImageInfo& image, std::string_view program_path) const override;
  Registers initial_registers(Word entry, Word stack_pointer, Word ps_strings) const noexcept override;
  std::span<const std::byte> trampoline() const noexcept override;
  void set_trampoline(GuestAddr address) noexcept override { trampoline_ = address; }
  bool push_signal_frame(Host& host, const SignalInfo& info, const SignalAction& action,
                         NativeSigset old_mask) noexcept override;
  void adjust_fault(SignalInfo& info) const noexcept override;
  int bad_stack_signal() const noexcept override { return 4; }  // sendsig(): SIGILL
  Result missing_call(Call& call) noexcept override;

  bool put_siginfo(Host& host, GuestAddr at, const SignalInfo* info) noexcept override;
  bool save_context(Host& host, GuestAddr at) noexcept override;
  Result restore_context(Host& host, GuestAddr at) noexcept override;
  Result child_of_fork(Host& host) noexcept override;
  const SysctlTree& sysctl_tree() const noexcept override;  // written by freeze-sysctl

 private:
  GuestAddr trampoline_{};
};

// One array per area; each file keeps its array next to its handlers.
std::span<const HandlerEntry> thread_handlers() noexcept;      // threads.cpp: lwp_*, TLS
std::span<const HandlerEntry> scheduling_handlers() noexcept;  // scheduling.cpp
std::span<const HandlerEntry> umtx_handlers() noexcept;        // umtx.cpp
std::span<const HandlerEntry> file_handlers() noexcept;        // files.cpp
std::span<const HandlerEntry> mount_handlers() noexcept;       // mounts.cpp: statfs, statvfs
std::span<const HandlerEntry> event_handlers() noexcept;       // events.cpp: kevent
std::span<const HandlerEntry> memory_handlers() noexcept;      // memory.cpp

/// Every handler of this system, its own first, those it shares included.
std::vector<std::span<const HandlerEntry>> handlers();

}  // namespace sudrun::abi::dragonfly

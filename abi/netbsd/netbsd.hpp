// NetBSD/amd64: the personality.
//
// Facts come from NetBSD's own sources; each file names them. Conversions the table can express stay in
// tables/netbsd-amd64.yaml, what the BSDs share is in abi/bsd; the code here is what is left.
#pragma once

#include "abi/bsd/bsd.hpp"
#include "abi/netbsd/lwps.hpp"

namespace sudrun::abi::netbsd {

using namespace bsd;  // NOLINT(google-build-using-namespace): this system is one of them

class NetBsd final : public bsd::Bsd {
 public:
  NetBsd();

  std::string_view name() const noexcept override { return "netbsd"; }
  StackImage stack_image(const ImageInfo& image, std::string_view program_path) const override;
  Registers initial_registers(Word entry, Word stack_pointer, Word ps_strings) const noexcept override;
  /// Handlers return through code of the program's own, which it names with each (sigaction_sigtramp).
  std::span<const std::byte> trampoline() const noexcept override { return {}; }
  void set_trampoline(GuestAddr) noexcept override {}
  bool push_signal_frame(Host& host, const SignalInfo& info, const SignalAction& action,
                         NativeSigset old_mask) noexcept override;
  void adjust_fault(SignalInfo& info) const noexcept override;
  int bad_stack_signal() const noexcept override { return 4; }  // sendsig_siginfo(): SIGILL
  void before_fork() noexcept override;
  void after_fork_in_parent() noexcept override;
  void after_fork_in_child(Host& host) noexcept override;

  bool put_siginfo(Host& host, GuestAddr at, const SignalInfo* info) noexcept override;
  bool save_context(Host& host, GuestAddr at) noexcept override;
  Result restore_context(Host& host, GuestAddr at) noexcept override;
  Result missing_call(Call& call) noexcept override;
  Result child_of_fork(Host& host) noexcept override;

  const SysctlTree& sysctl_tree() const noexcept override;  // written by freeze-sysctl

  Lwps& lwps() noexcept { return lwps_; }

 private:
  Lwps lwps_;
};

inline NetBsd& self(Call& call) noexcept { return static_cast<NetBsd&>(call.personality); }

// One array per area; each file keeps its array next to its handlers.
std::span<const HandlerEntry> lwp_handlers() noexcept;     // lwp_calls.cpp
std::span<const HandlerEntry> signal_handlers() noexcept;  // signals.cpp
std::span<const HandlerEntry> event_handlers() noexcept;   // events.cpp: kevent and its forms
std::span<const HandlerEntry> file_handlers() noexcept;    // files.cpp
std::span<const HandlerEntry> memory_handlers() noexcept;  // memory.cpp
std::span<const HandlerEntry> mount_handlers() noexcept;   // mounts.cpp
std::span<const HandlerEntry> sysctl_handlers() noexcept;  // sysctl.cpp

/// Every handler of this system, those it shares included; its own come first.
std::vector<std::span<const HandlerEntry>> handlers();

}  // namespace sudrun::abi::netbsd

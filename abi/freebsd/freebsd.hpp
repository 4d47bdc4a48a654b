// FreeBSD/amd64: the personality.
//
// Facts come from FreeBSD's own sources; each file names them. Conversions the table can express stay in
// tables/freebsd-amd64.yaml, what the BSDs share is in abi/bsd; the code here is what is left.
#pragma once

#include <atomic>

#include "abi/bsd/bsd.hpp"
#include "abi/freebsd/thread_wakeups.hpp"
#include "abi/freebsd/timekeep.hpp"
#include "abi/freebsd/umtx_shm.hpp"

namespace sudrun::abi::freebsd {

using namespace bsd;  // NOLINT(google-build-using-namespace): this system is one of them

class FreeBsd final : public bsd::Bsd {
 public:
  FreeBsd();

  std::string_view name() const noexcept override { return "freebsd"; }
  StackImage stack_image(const ImageInfo& image, std::string_view program_path) const override;
  Registers initial_registers(Word entry, Word stack_pointer, Word ps_strings) const noexcept override;
  std::span<const std::byte> trampoline() const noexcept override;
  void set_trampoline(GuestAddr address) noexcept override { trampoline_ = address; }
  bool has_time_page() const noexcept override { return true; }
  void set_time_page(GuestAddr address) noexcept override { time_page_ = address; }
  void publish_time(std::byte* page, const TimeHands* hands) noexcept override {
    timekeep_.publish(*reinterpret_cast<vdso::Timekeep*>(page), hands);
  }
  bool push_signal_frame(Host& host, const SignalInfo& info, const SignalAction& action,
                         NativeSigset old_mask) noexcept override;
  void adjust_fault(SignalInfo& info) const noexcept override;
  int bad_stack_signal() const noexcept override { return 4; }  // sendsig(): SIGILL
  // FreeBSD 14.0 sys/kern/sys_generic.c, sys_read(), sys_write(), …: IOSIZE_MAX is looked at first, and is
  // SSIZE_MAX unless debug.iosize_max_clamp has been set.
  bool refuses_long_buffers() const noexcept override { return true; }
  void before_fork() noexcept override;
  void after_fork_in_parent() noexcept override;
  void after_fork_in_child(Host& host) noexcept override;

  bool put_siginfo(Host& host, GuestAddr at, const SignalInfo* info) noexcept override;
  bool save_context(Host& host, GuestAddr at) noexcept override;
  Result restore_context(Host& host, GuestAddr at) noexcept override;
  Result child_of_fork(Host& host) noexcept override;
  const SysctlTree& sysctl_tree() const noexcept override;  // written by freeze-sysctl
  void thread_ends(Host& host) noexcept override;

  UmtxPages& umtx_pages() noexcept { return umtx_pages_; }
  ThreadWakeups& thread_wakeups() noexcept { return thread_wakeups_; }
  /// Nanoseconds that waits of _umtx_op(2) until a point in time take at least (UMTX_OP_SET_MIN_TIMEOUT).
  std::atomic<std::int64_t>& umtx_min_timeout() noexcept { return umtx_min_timeout_; }

 private:
  GuestAddr trampoline_{}, time_page_{};
  Timekeep timekeep_;
  UmtxPages umtx_pages_;
  ThreadWakeups thread_wakeups_;
  std::atomic<std::int64_t> umtx_min_timeout_{0};
};

inline FreeBsd& self(Call& call) noexcept { return static_cast<FreeBsd&>(call.personality); }

// One array per area; each file keeps its array next to its handlers.
std::span<const HandlerEntry> umtx_handlers() noexcept;        // umtx.cpp
std::span<const HandlerEntry> thread_handlers() noexcept;      // threads.cpp
std::span<const HandlerEntry> privileged_handlers() noexcept;  // privileged.cpp: refused calls
std::span<const HandlerEntry> kernel_handlers() noexcept;      // kernel.cpp: kld*, mod*, kenv, ntp_*
std::span<const HandlerEntry> cpuset_handlers() noexcept;      // cpuset.cpp
std::span<const HandlerEntry> procctl_handlers() noexcept;     // procctl.cpp
std::span<const HandlerEntry> capsicum_handlers() noexcept;    // capsicum.cpp

/// Every handler of this system, those it shares included.
std::vector<std::span<const HandlerEntry>> handlers();

}  // namespace sudrun::abi::freebsd

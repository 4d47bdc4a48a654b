// FreeBSD/amd64: the personality, and the list of its handler areas.
//
// Facts come from FreeBSD's own sources; each file names them. Conversions the table can express stay in
// tables/freebsd-amd64.yaml; the code here is what is left.
#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "abi/freebsd/kept_limits.hpp"
#include "abi/freebsd/memory_ranges.hpp"
#include "abi/freebsd/process_descriptors.hpp"
#include "abi/freebsd/process_switches.hpp"
#include "abi/freebsd/thread_wakeups.hpp"
#include "abi/freebsd/umtx_shm.hpp"
#include "abi/personality.hpp"

namespace sudrun::abi::freebsd {

class AioRegistry;     // aio.hpp
class KqueueRegistry;  // kqueue.hpp

/// Flag sets and layouts of the table that handlers use, resolved once by bind().
/// Adding one: a member here, a line in bind() (freebsd.cpp).
struct Vocabulary {
  FlagSet open_flags, at_flags, access_mode, mmap_prot, mmap_flags, madvise_behavior, msync_flags;
  FlagSet clock_id, wait_options, socket_domain, socket_type, msg_flags, socket_level;
  FlagSet sockopt_socket, sockopt_ip, sockopt_ipv6, sockopt_tcp;
  FlagSet rlimit_resource, poll_events, fd_flags, itimer_which, statfs_flags;
  FlagSet ipc_cmd, ipc_flags, msgrcv_flags, semctl_cmd, shm_flags;
  FlagSet file_flags, eventfd_flags, inotify_init_flags, inotify_mask, kcmp_type;
};

class FreeBsd final : public Personality {
 public:
  FreeBsd();
  ~FreeBsd() override;

  std::string_view name() const noexcept override { return "freebsd"; }
  void bind(const Table& table) override;
  StackImage stack_image(const ImageInfo& image, std::string_view program_path) const override;
  Registers initial_registers(Word entry, Word stack_pointer) const noexcept override;
  std::span<const std::byte> trampoline() const noexcept override;
  void set_trampoline(GuestAddr address) noexcept override { trampoline_ = address; }
  bool push_signal_frame(Host& host, const SignalInfo& info, const SignalAction& action,
                         NativeSigset old_mask) noexcept override;
  void adjust_fault(SignalInfo& info) const noexcept override;
  int bad_stack_signal() const noexcept override { return 4; }                     // sendsig(): SIGILL
  NodeName node_name(std::span<const std::int32_t> path) const noexcept override;  // sysctl.cpp
  // FreeBSD 14.0 sys/kern/sys_generic.c, sys_read(), sys_write(), …: IOSIZE_MAX is looked at first, and is
  // SSIZE_MAX unless debug.iosize_max_clamp has been set.
  bool refuses_long_buffers() const noexcept override { return true; }
  int spare_signal() const noexcept override { return 59; }  // the table leaves SIGRTMIN+25 free
  void signal_arrived(int native_signal) noexcept override;
  void pipe_broke(Call& call) noexcept override;
  void before_fork() noexcept override;
  void after_fork_in_parent() noexcept override;
  void after_fork_in_child(Host& host) noexcept override;
  std::array<int, 2> exec_begins(Host& host, bool native) noexcept override;
  void exec_failed(Host& host) noexcept override;
  bool inherit(Host& host, std::array<int, 2> descriptors) noexcept override;

  const Vocabulary& vocabulary() const noexcept { return vocabulary_; }
  const Table& table() const noexcept { return *table_; }
  KqueueRegistry& kqueues() noexcept { return *kqueues_; }
  UmtxPages& umtx_pages() noexcept { return umtx_pages_; }
  ProcessDescriptors& process_descriptors() noexcept { return process_descriptors_; }
  ProtectionLimits& protection_limits() noexcept { return protection_limits_; }
  ProcessSwitches& switches() noexcept { return switches_; }
  KeptLimits& kept_limits() noexcept { return kept_limits_; }
  ThreadWakeups& thread_wakeups() noexcept { return thread_wakeups_; }
  /// Nanoseconds that waits of _umtx_op(2) until a point in time take at least (UMTX_OP_SET_MIN_TIMEOUT).
  std::atomic<std::int64_t>& umtx_min_timeout() noexcept { return umtx_min_timeout_; }
  /// Whether the process has changed its ids since it was executed (issetugid(2)).
  bool changed_credentials() const noexcept { return changed_credentials_.load(); }
  void note_changed_credentials() noexcept { changed_credentials_.store(true); }
  /// True from the second time on.
  bool exchange_all_signals_watched() noexcept { return all_signals_watched_.exchange(true); }
  AioRegistry& aio() noexcept { return *aio_; }

  /// Must be called before the guest's descriptor `fd` is closed or replaced (close, dup2, closefrom…).
  void descriptor_closing(Host& host, int fd) noexcept;
  /// After `to` has become another descriptor for what `from` is.
  void descriptor_duplicated(int from, int to) noexcept;

 private:
  const Table* table_ = nullptr;
  Vocabulary vocabulary_;
  GuestAddr trampoline_{};
  std::unique_ptr<KqueueRegistry> kqueues_;
  UmtxPages umtx_pages_;
  ProcessDescriptors process_descriptors_;
  ProtectionLimits protection_limits_;
  ProcessSwitches switches_;
  KeptLimits kept_limits_;
  ThreadWakeups thread_wakeups_;
  std::atomic<std::int64_t> umtx_min_timeout_{0};
  std::atomic<bool> changed_credentials_{false};
  std::atomic<bool> all_signals_watched_{false};
  std::unique_ptr<AioRegistry> aio_;
};

inline FreeBsd& self(Call& call) noexcept { return static_cast<FreeBsd&>(call.personality); }

// One array per area; each file keeps its array next to its handlers.
std::span<const HandlerEntry> file_handlers() noexcept;        // files.cpp: open, close, dup, fcntl…
std::span<const HandlerEntry> stat_handlers() noexcept;        // stat.cpp: stat, statfs, directories
std::span<const HandlerEntry> socket_handlers() noexcept;      // sockets.cpp
std::span<const HandlerEntry> ioctl_handlers() noexcept;       // ioctl.cpp: ioctl, posix_openpt
std::span<const HandlerEntry> kqueue_handlers() noexcept;      // kqueue_calls.cpp
std::span<const HandlerEntry> poll_handlers() noexcept;        // poll.cpp: poll, select
std::span<const HandlerEntry> sysctl_handlers() noexcept;      // sysctl.cpp
std::span<const HandlerEntry> time_handlers() noexcept;        // time.cpp
std::span<const HandlerEntry> umtx_handlers() noexcept;        // umtx.cpp
std::span<const HandlerEntry> system_handlers() noexcept;      // system.cpp: limits, ids, cpuset, sysarch…
std::span<const HandlerEntry> thread_handlers() noexcept;      // threads.cpp
std::span<const HandlerEntry> signal_handlers() noexcept;      // signals.cpp
std::span<const HandlerEntry> memory_handlers() noexcept;      // memory.cpp
std::span<const HandlerEntry> process_handlers() noexcept;     // process.cpp: fork, exec, wait, exit
std::span<const HandlerEntry> posix_mq_handlers() noexcept;    // posix_mq.cpp: kmq_*
std::span<const HandlerEntry> posix_sem_handlers() noexcept;   // posix_sem.cpp: ksem_*
std::span<const HandlerEntry> sysv_sem_handlers() noexcept;    // sysv_sem.cpp: System V semaphores
std::span<const HandlerEntry> sysv_msg_handlers() noexcept;    // sysv_msg.cpp: System V message queues
std::span<const HandlerEntry> sysv_shm_handlers() noexcept;    // sysv_shm.cpp: System V shared memory
std::span<const HandlerEntry> extattr_handlers() noexcept;     // extattr.cpp
std::span<const HandlerEntry> file_flag_handlers() noexcept;   // fileflags.cpp: chflags…
std::span<const HandlerEntry> at_handlers() noexcept;          // at_calls.cpp: fchmodat, linkat, ACLs…
std::span<const HandlerEntry> event_file_handlers() noexcept;  // event_files.cpp: eventfd, inotify, kcmp…
std::span<const HandlerEntry> privileged_handlers() noexcept;  // privileged.cpp: refused calls
std::span<const HandlerEntry> kernel_handlers() noexcept;      // kernel.cpp: kld*, mod*, kenv, ntp_*
std::span<const HandlerEntry> credential_handlers() noexcept;  // credentials.cpp: user and group ids
std::span<const HandlerEntry> aio_handlers() noexcept;         // aio.cpp: asynchronous I/O

}  // namespace sudrun::abi::freebsd

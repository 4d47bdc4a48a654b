// What the BSDs share: the calls they have in common, and the state behind them.
//
// Each system is a personality derived from Bsd, in a folder of its own: how its programs start, its contexts
// and signal frames, its threads. Where the systems differ in numbers and layouts only, the table has them.
#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "abi/bsd/fcntl_layout.hpp"
#include "abi/bsd/kept_limits.hpp"
#include "abi/bsd/memory_ranges.hpp"
#include "abi/bsd/process_descriptors.hpp"
#include "abi/bsd/process_switches.hpp"
#include "abi/bsd/stat_convert.hpp"
#include "abi/bsd/stat_layout.hpp"
#include "abi/personality.hpp"

namespace sudrun::abi::bsd {

class AioRegistry;      // aio.hpp
class KqueueRegistry;   // kqueue.hpp
class SysctlTree;       // sysctl_tree.hpp
struct ChangedSysctls;  // sysctl_changes.cpp

/// Flag sets and layouts of the table that handlers use, resolved once by bind().
/// Adding one: a member here, a line in bind() (bsd.cpp).
struct Vocabulary {
  FlagSet open_flags, at_flags, access_mode, mmap_prot, mmap_flags, madvise_behavior, msync_flags;
  FlagSet clock_id, wait_options, socket_domain, socket_type, msg_flags, socket_level;
  FlagSet sockopt_socket, sockopt_ip, sockopt_ipv6, sockopt_tcp;
  FlagSet rlimit_resource, poll_events, fd_flags, itimer_which, statfs_flags;
  FlagSet ipc_cmd, ipc_flags, msgrcv_flags, semctl_cmd, shm_flags;
  FlagSet file_flags, eventfd_flags, inotify_init_flags, inotify_mask, kcmp_type;
  // By name: see dialect.hpp.
  Dialect<std::size(fs::kOpenNames)> open;
  Dialect<std::size(fs::kAtNames)> at;
  Dialect<std::size(fs::kFcntlNames)> fcntl;
  Dialect<std::size(fs::kPathVariableNames)> path_variable;
};

/// Layouts of structures that handlers fill, in every form the table has.
struct Forms {
  GuestStructs<fs::kStatFields.size()> stat;
  GuestStructs<fs::kDirentFields.size()> dirent;
  std::size_t flock_size = 0;  ///< begins alike everywhere
};

/// Small things the systems do each in their own way.
struct Manners {
  int thread_id_bias = 0;          ///< guest thread ids are native ones plus this
  int continued_status = 0;        ///< the wait status of a continued child
  int nofollow_error = 0;          ///< native errno of an open that O_NOFOLLOW kept from a symbolic link
  std::uint8_t inet6_family = 28;  ///< AF_INET6; in the shared code it is FreeBSD's
  std::uint64_t min_signal_stack = 0;
  bool moves_used_stack = false;  ///< sigaltstack(2) may replace the stack it is called on
  bool maps_like_linux = false;   ///< procfs(5) has Linux's `maps`, in Linux's form
};

class Bsd : public Personality {
 public:
  explicit Bsd(const Manners& manners);
  ~Bsd() override;

  void bind(const Table& table) override;
  NodeName node_name(std::span<const std::int32_t> path) const noexcept override;  // sysctl.cpp
  std::vector<NodeForm> nodes() const override;                                    // sysctl_changes.cpp
  int spare_signal() const noexcept override { return 59; }  // the tables leave SIGRTMIN+25 free
  void signal_arrived(int native_signal) noexcept override;
  void pipe_broke(Call& call) noexcept override;
  void before_fork() noexcept override;
  void after_fork_in_parent() noexcept override;
  void after_fork_in_child(Host& host) noexcept override;
  std::array<int, 2> exec_begins(Host& host, bool native) noexcept override;
  void exec_failed(Host& host) noexcept override;
  bool inherit(Host& host, std::array<int, 2> descriptors) noexcept override;

  // --- what differs between the systems beyond the tables -------------------------------------------------
  /// Stores `info` as the system's siginfo; null: an empty one. False: EFAULT. Async-signal-safe.
  virtual bool put_siginfo(Host& host, GuestAddr at, const SignalInfo* info) noexcept = 0;
  /// Stores the calling thread's state as getcontext(2) does: resumed, the call returns 0. False: EFAULT.
  virtual bool save_context(Host& host, GuestAddr at) noexcept = 0;
  /// Makes the ucontext at `at` the thread's state: registers, extended state, mask (sigreturn(2),
  /// setcontext(2)).
  virtual Result restore_context(Host& host, GuestAddr at) noexcept = 0;
  /// In the child of a fork: what the call returns there.
  virtual Result child_of_fork(Host& host) noexcept = 0;
  virtual const SysctlTree& sysctl_tree() const noexcept = 0;
  /// The same with what the table in force says of it.
  const SysctlTree& sysctls() const noexcept;
  /// The calling thread is about to end: what it holds is let go.
  virtual void thread_ends(Host& host) noexcept { static_cast<void>(host); }

  const Manners& manners() const noexcept { return manners_; }
  const Vocabulary& vocabulary() const noexcept { return vocabulary_; }
  const Forms& forms() const noexcept { return forms_; }
  const Table& table() const noexcept { return *table_; }
  KqueueRegistry& kqueues() noexcept { return *kqueues_; }
  ProcessDescriptors& process_descriptors() noexcept { return process_descriptors_; }
  ProtectionLimits& protection_limits() noexcept { return protection_limits_; }
  ProcessSwitches& switches() noexcept { return switches_; }
  KeptLimits& kept_limits() noexcept { return kept_limits_; }
  /// Whether the process has changed its ids since it was executed (issetugid(2)).
  bool changed_credentials() const noexcept { return changed_credentials_.load(); }
  void note_changed_credentials() noexcept { changed_credentials_.store(true); }
  /// True from the second time on.
  bool exchange_all_signals_watched() noexcept { return all_signals_watched_.exchange(true); }
  AioRegistry& aio() noexcept { return *aio_; }

  int guest_tid(int native_tid) const noexcept { return native_tid + manners_.thread_id_bias; }
  int own_tid(Host& host) const noexcept { return guest_tid(host.tid()); }
  /// Native tid of a guest id; 0 for an id no thread can have.
  int native_tid(std::int64_t guest) const noexcept {
    const int bias = manners_.thread_id_bias;
    return guest > bias && guest <= 0x7fff'ffff ? static_cast<int>(guest - bias) : 0;
  }

  /// Must be called before the guest's descriptor `fd` is closed or replaced (close, dup2, closefrom…).
  void descriptor_closing(Host& host, int fd) noexcept;
  /// After `to` has become another descriptor for what `from` is.
  void descriptor_duplicated(int from, int to) noexcept;

 private:
  void change_sysctls(const Table& table);

  const Table* table_ = nullptr;
  std::unique_ptr<ChangedSysctls> changed_sysctls_;
  Vocabulary vocabulary_;
  Forms forms_;
  const Manners manners_;
  std::unique_ptr<KqueueRegistry> kqueues_;
  ProcessDescriptors process_descriptors_;
  ProtectionLimits protection_limits_;
  ProcessSwitches switches_;
  KeptLimits kept_limits_;
  std::atomic<bool> changed_credentials_{false};
  std::atomic<bool> all_signals_watched_{false};
  std::unique_ptr<AioRegistry> aio_;
};

inline Bsd& self(Call& call) noexcept { return static_cast<Bsd&>(call.personality); }

/// What the systems share: every handler of this folder, in areas.
std::vector<std::span<const HandlerEntry>> shared_handlers();

// One array per area; each file keeps its array next to its handlers.
std::span<const HandlerEntry> file_handlers() noexcept;        // files.cpp: open, close, dup, fcntl…
std::span<const HandlerEntry> stat_handlers() noexcept;        // stat.cpp: stat, statfs, directories
std::span<const HandlerEntry> socket_handlers() noexcept;      // sockets.cpp
std::span<const HandlerEntry> ioctl_handlers() noexcept;       // ioctl.cpp: ioctl, posix_openpt
std::span<const HandlerEntry> kqueue_handlers() noexcept;      // kqueue_calls.cpp
std::span<const HandlerEntry> poll_handlers() noexcept;        // poll.cpp: poll, select
std::span<const HandlerEntry> sysctl_handlers() noexcept;      // sysctl.cpp
std::span<const HandlerEntry> time_handlers() noexcept;        // time.cpp
std::span<const HandlerEntry> system_handlers() noexcept;      // system.cpp: limits, ids, cpuset, sysarch…
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
std::span<const HandlerEntry> credential_handlers() noexcept;  // credentials.cpp: user and group ids
std::span<const HandlerEntry> aio_handlers() noexcept;         // aio.cpp: asynchronous I/O

}  // namespace sudrun::abi::bsd

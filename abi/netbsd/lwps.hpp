// NetBSD's light-weight processes: what the kernel knows of a thread beyond its registers.
//
// Facts: NetBSD 10.1, sys/kern/sys_lwp.c, sys/kern/kern_lwp.c, sys/sys/lwpctl.h, _lwp_park(2), _lwp_wait(2).
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "abi/host.hpp"

namespace sudrun::abi::netbsd {

/// When a thread that parks wakes by itself, on a native clock.
struct ParkEnd {
  int clock = 0;
  timespec at{};
};

class Lwps {
 public:
  /// Starts a thread that nobody has to wait for (`detached`) or somebody may. Its tid or a negative errno.
  NativeResult create(Host& host, const ThreadStart& start, bool detached) noexcept;
  /// The calling thread ends.
  void exit(Host& host) noexcept;
  /// Waits for a thread that is not detached, 0: any of them, and forgets it. Its tid or a negative errno.
  NativeResult wait(Host& host, int tid) noexcept;
  /// 0 or an errno, as all that follow.
  int detach(Host& host, int tid) noexcept;
  bool is_alive(Host& host, int tid) noexcept;

  /// Sleeps until unparked, unless that has been done before (EALREADY). `end` null: for ever.
  int park(Host& host, const ParkEnd* end) noexcept;
  int unpark(Host& host, int tid) noexcept;
  /// Ends the thread's park with EINTR.
  int wake_up(Host& host, int tid) noexcept;
  /// Where the calling thread's lwpctl is; made if there is none. Null if there is no memory.
  GuestAddr control(Host& host) noexcept;

  void before_fork() noexcept { mutex_.lock(); }
  void after_fork_in_parent() noexcept { mutex_.unlock(); }
  void after_fork_in_child() noexcept;

 private:
  struct Lwp {
    /// Bits of Parking; what the thread sleeps on.
    std::atomic<std::uint32_t> parking{0};
    bool detached = true;
    bool exited = false;
    int waits_for = -1;  ///< in wait(): a tid, or 0 for any
    GuestAddr control{};
  };
  /// Null for a number that is no thread of this process, or of one that has ended and been forgotten.
  Lwp* find(Host& host, int tid) noexcept;
  Lwp* own(Host& host) noexcept { return find(host, host.tid()); }
  Lwp* find_alive(Host& host, int tid) noexcept;
  Lwp* add(int tid) noexcept;
  /// A thread that has ended and `tid` (0: anyone) stands for, or an errno if none can come.
  int find_departed(Host& host, int tid, int& departed) noexcept;
  GuestAddr make_control(Host& host) noexcept;

  std::mutex mutex_;
  std::unordered_map<int, std::unique_ptr<Lwp>> lwps_;
  bool first_exited_ = false;
  /// Changes when a thread ends or is detached; what wait() sleeps on.
  std::atomic<std::uint32_t> turn_{0};
  GuestAddr control_page_{};
  unsigned controls_used_ = 0;  ///< of that page
};

}  // namespace sudrun::abi::netbsd

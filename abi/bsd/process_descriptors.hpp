// Process descriptors (pdfork(2)): the last close of one ends its process, unless it was made with PD_DAEMON.
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "abi/host.hpp"

namespace sudrun::abi::bsd {

/// The descriptors of this process whose processes end with them. Natively they are pidfds, whose close does
/// nothing. Copies in other processes are not known here: a descriptor sent away and closed ends its process.
class ProcessDescriptors {
 public:
  /// Allocates; false if there is no memory.
  bool add(int fd, int pid) noexcept;
  void on_dup(int from, int to) noexcept;
  /// Before `fd` is closed: after the last one the process is gone, and waited for.
  void on_close(Host& host, int fd) noexcept;
  /// The process of the caller ends, and with it its descriptors.
  void close_all(Host& host) noexcept;

  void before_fork() noexcept { mutex_.lock(); }
  void after_fork_in_parent() noexcept { mutex_.unlock(); }
  /// A child does not inherit process descriptors.
  void after_fork_in_child() noexcept;

 private:
  struct Descriptor {
    int fd = -1, pid = 0;
  };
  std::mutex mutex_;
  std::atomic<unsigned> count_{0};
  std::vector<Descriptor> descriptors_;
};

}  // namespace sudrun::abi::bsd

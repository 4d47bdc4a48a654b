// Facts: FreeBSD 15.0 sys/kern/sys_procdesc.c (procdesc_close).
#include "abi/bsd/process_descriptors.hpp"

#include <algorithm>
#include <exception>

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace sudrun::abi::bsd {

bool ProcessDescriptors::add(int fd, int pid) noexcept {
  const std::scoped_lock hold(mutex_);
  try {
    descriptors_.push_back({fd, pid});
  } catch (const std::exception&) {
    return false;
  }
  count_ = static_cast<unsigned>(descriptors_.size());
  return true;
}

void ProcessDescriptors::on_dup(int from, int to) noexcept {
  if (count_ == 0) return;
  int pid = 0;
  {
    const std::scoped_lock hold(mutex_);
    const auto at = std::ranges::find(descriptors_, from, &Descriptor::fd);
    if (at != descriptors_.end()) pid = at->pid;
  }
  if (pid != 0) add(to, pid);
}

void ProcessDescriptors::on_close(Host& host, int fd) noexcept {
  if (count_ == 0) return;
  int pid = 0;
  {
    const std::scoped_lock hold(mutex_);
    const auto at = std::ranges::find(descriptors_, fd, &Descriptor::fd);
    if (at == descriptors_.end()) return;
    pid = at->pid;
    descriptors_.erase(at);
    count_ = static_cast<unsigned>(descriptors_.size());
    if (std::ranges::find(descriptors_, pid, &Descriptor::pid) != descriptors_.end()) return;
  }
  host.call(SYS_pidfd_send_signal, static_cast<Word>(fd), SIGKILL, 0, 0);
  // It is nobody's to wait for any more. If it has been waited for already, this finds nothing.
  host.call(SYS_waitid, P_PIDFD, static_cast<Word>(fd), 0, WEXITED, 0);
}

void ProcessDescriptors::close_all(Host& host) noexcept {
  const std::scoped_lock hold(mutex_);
  for (const Descriptor& d : descriptors_)
    host.call(SYS_pidfd_send_signal, static_cast<Word>(d.fd), SIGKILL, 0, 0);
}

void ProcessDescriptors::after_fork_in_child() noexcept {
  descriptors_.clear();
  count_ = 0;
  mutex_.unlock();
}

}  // namespace sudrun::abi::bsd

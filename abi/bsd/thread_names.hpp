// Names of the process's threads, which the host keeps.
#pragma once

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <string_view>

#include "abi/bsd/host_file.hpp"

namespace sudrun::abi::bsd {

/// Linux keeps 15 characters and cuts what is longer.
inline constexpr std::size_t kThreadNameRoom = 16;

/// Opens /proc/self/task/TID/comm.
inline NativeResult open_thread_name(Host& host, int tid, int flags) noexcept {
  const HostPath path("/proc/self/task/", tid, "/comm");
  const NativeResult fd =
      host.call(SYS_openat, static_cast<Word>(AT_FDCWD), path.word(), static_cast<Word>(flags | O_CLOEXEC));
  return is_error(fd) ? -ESRCH : fd;
}

/// `name` must end with a NUL. 0 or a negative errno.
inline NativeResult set_thread_name(Host& host, int tid, std::span<const char> name) noexcept {
  if (tid == host.tid()) return host.call(SYS_prctl, PR_SET_NAME, reinterpret_cast<Word>(name.data()));
  const NativeResult fd = open_thread_name(host, tid, O_WRONLY);
  if (is_error(fd)) return fd;
  host.call(SYS_write, static_cast<Word>(fd), reinterpret_cast<Word>(name.data()),
            std::max<Word>(std::strlen(name.data()), 1));
  host.call(SYS_close, static_cast<Word>(fd));
  return 0;
}

/// `name` must be zero. 0 or a negative errno.
inline NativeResult get_thread_name(Host& host, int tid, std::span<char> name) noexcept {
  const NativeResult fd = open_thread_name(host, tid, O_RDONLY);
  if (is_error(fd)) return fd;
  const NativeResult size =
      host.call(SYS_read, static_cast<Word>(fd), reinterpret_cast<Word>(name.data()), name.size());
  host.call(SYS_close, static_cast<Word>(fd));
  if (size > 0) name[static_cast<std::size_t>(size - 1)] = '\0';  // the line's end
  return is_error(size) ? size : 0;
}

}  // namespace sudrun::abi::bsd

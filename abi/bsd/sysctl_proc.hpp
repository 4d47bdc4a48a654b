// What the files of kern.proc share: the host's /proc, and the guest's own strings.
#pragma once

#include <cerrno>
#include <cstdio>

#include <dirent.h>

#include "abi/bsd/host_file.hpp"
#include "abi/bsd/sysctl_layout.hpp"
#include "abi/bsd/sysctl_tree.hpp"

namespace sudrun::abi::bsd::proc {

struct Path {
  char text[64];
};

inline Path proc_path(int pid, const char* file) noexcept {
  Path path{};
  std::snprintf(path.text, sizeof path.text, "/proc/%d/%s", pid, file);
  return path;
}

inline int native_error(NativeResult result) noexcept {
  return result == -ENOENT ? ESRCH : static_cast<int>(-result);
}

/// Calls visit(number) for every entry of a directory whose name is a number. Stops at the first error.
template <typename Visit>
int for_each_number(Host& host, const char* directory, Visit visit) noexcept {
  const NativeResult fd = host.call(SYS_openat, static_cast<Word>(AT_FDCWD),
                                    reinterpret_cast<Word>(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (is_error(fd)) return native_error(fd);
  alignas(8) char buffer[2048];
  int error = 0;
  while (error == 0) {
    const NativeResult got =
        host.call(SYS_getdents64, static_cast<Word>(fd), reinterpret_cast<Word>(buffer), sizeof buffer);
    if (got <= 0) break;
    for (NativeResult at = 0; at < got && error == 0;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
      at += entry->d_reclen;
      const std::int64_t number = leading_number(entry->d_name, -1);
      if (number > 0) error = visit(static_cast<int>(number));
    }
  }
  host.call(SYS_close, static_cast<Word>(fd));
  return error;
}

inline bool is_self(Host& host, int pid) noexcept { return pid == -1 || pid == host.pid(); }

inline int put_string(SysctlQuery& q, GuestAddr at) noexcept {
  char piece[1024];
  for (;;) {
    const NativeResult length = q.host.read_string(at, piece);
    if (length >= 0) return q.out.append(piece, static_cast<std::size_t>(length) + 1);
    if (length != -ENAMETOOLONG || !q.host.read(at, piece, sizeof piece)) return EFAULT;
    if (const int error = q.out.append(piece, sizeof piece); error != 0) return error;
    at = at + sizeof piece;
  }
}

/// Every string of a guest's vector, each with its NUL.
inline int put_strings(SysctlQuery& q, Word vector, std::uint32_t count) noexcept {
  int error = 0;
  for (std::uint32_t i = 0; i < count && error == 0; ++i) {
    Word text = 0;
    if (!q.host.get(guest_addr(vector + i * sizeof(Word)), text)) return EFAULT;
    error = put_string(q, guest_addr(text));
  }
  return error;
}

/// Where the guest itself keeps its arguments and environment; false if that is not known.
inline bool own_strings(Host& host, PsStrings& strings) noexcept {
  const Word top = host.stack_top();
  return top != 0 && host.get(guest_addr(top - sizeof strings), strings);
}

inline int copy_host_file(SysctlQuery& q, const char* path) noexcept {
  const NativeResult fd = q.host.call(SYS_openat, static_cast<Word>(AT_FDCWD), reinterpret_cast<Word>(path),
                                      O_RDONLY | O_CLOEXEC);
  if (is_error(fd)) return native_error(fd);
  char buffer[1024];
  int error = 0;
  for (;;) {
    const NativeResult got =
        q.host.call(SYS_read, static_cast<Word>(fd), reinterpret_cast<Word>(buffer), sizeof buffer);
    if (got <= 0 || error != 0) break;
    error = q.out.append(buffer, static_cast<std::size_t>(got));
  }
  q.host.call(SYS_close, static_cast<Word>(fd));
  return error;
}

}  // namespace sudrun::abi::bsd::proc

// Opening what is open: /dev/fd/N, /dev/stdin, /dev/stdout and /dev/stderr stand for another descriptor of
// the same open file. Linux's files of these names open the file anew, which sockets refuse. Sources: FreeBSD
// 15 (and 14) sys/fs/fdescfs/fdesc_vnops.c, sys/kern/kern_descrip.c (dupfdopen), devfs(5).
#include <algorithm>
#include <array>
#include <charconv>

#include "abi/bsd/fcntl_layout.hpp"
#include "abi/bsd/file_calls.hpp"

namespace sudrun::abi::bsd::fs {

std::optional<int> descriptor_named(Host& host, GuestAddr path, bool follow) noexcept {
  std::array<char, 20> buffer;
  const NativeResult length = host.read_string(path, buffer);
  if (length < 9) return std::nullopt;  // unreadable, too long, too short
  std::string_view name(buffer.data(), static_cast<std::size_t>(length));
  if (!name.starts_with("/dev/")) return std::nullopt;
  name.remove_prefix(5);
  if (!name.starts_with("fd/")) {  // symbolic links, in both systems
    if (!follow) return std::nullopt;
    if (name == "stdin") return 0;
    if (name == "stdout") return 1;
    if (name == "stderr") return 2;
    return std::nullopt;
  }
  name.remove_prefix(3);
  int fd = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), fd);
  const bool number = error == std::errc{} && end == name.data() + name.size() && name.front() != '-';
  return number && (name.front() != '0' || name.size() == 1) ? std::optional<int>(fd) : std::nullopt;
}

std::optional<MapsFile> maps_named(Host& host, GuestAddr path) noexcept {
  std::array<char, 32> buffer;
  const NativeResult length = host.read_string(path, buffer);
  if (length < 0) return std::nullopt;
  std::string_view name(buffer.data(), static_cast<std::size_t>(length));
  if (!name.starts_with("/proc/")) return std::nullopt;
  name.remove_prefix(6);
  const std::size_t slash = std::min(name.find('/'), name.size());
  const bool smaps = name.substr(slash) == "/smaps";
  if (!smaps && name.substr(slash) != "/maps") return std::nullopt;
  name = name.substr(0, slash);
  if (name == "self") return MapsFile{host.pid(), smaps};
  int pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  const bool number = error == std::errc{} && end == name.data() + name.size() && name.front() != '-';
  return number ? std::optional(MapsFile{pid, smaps}) : std::nullopt;
}

Result open_descriptor(Call& call, int fd, unsigned flags) noexcept {
  Host& host = call.host;
  if (host.is_hidden(fd)) return Result::fail(EBADF);
  const NativeResult status = host.call(SYS_fcntl, word(fd), F_GETFL);
  if (is_error(status)) return Result::of(status);
  const unsigned access = flags & kOpenAccessMode;
  const auto present = static_cast<int>(status) & O_ACCMODE;
  const bool reads = access != 1, writes = access != kOpenReadOnly;
  if ((reads && present == O_WRONLY) || (writes && present == O_RDONLY)) return Result::fail(EACCES);
  const int command = (flags & kOpenCloexec) != 0 ? F_DUPFD_CLOEXEC : F_DUPFD;
  return duplicated(call, fd, host.call(SYS_fcntl, word(fd), word(command), 0));
}

}  // namespace sudrun::abi::bsd::fs

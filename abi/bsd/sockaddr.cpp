// Sources: FreeBSD 15.0 sys/kern/uipc_syscalls.c (getsockaddr), sys/kern/uipc_usrreq.c (uipc_bindat,
// unp_connectat, sun_noname), sys/netinet/in_pcb.c and sys/netinet6/in6_pcb.c (length and family checks).
#include "abi/bsd/sockaddr.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "abi/bsd/host_file.hpp"
#include "abi/bsd/sockets_layout.hpp"

namespace sudrun::abi::bsd {
namespace {

constexpr std::size_t kNativePath = offsetof(sockaddr_un, sun_path);
constexpr std::size_t kGuestPath = offsetof(guest::SockaddrUn, sun_path);

template <typename T>
void store(NativeAddress& native, const T& value, std::size_t size) noexcept {
  std::memcpy(native.bytes.data(), &value, size);
  native.size = static_cast<std::uint32_t>(size);
}

template <typename T>
GuestAddress to_guest_bytes(const T& value, std::size_t size) noexcept {
  GuestAddress guest;
  std::memcpy(guest.bytes.data(), &value, size);
  guest.size = static_cast<std::uint32_t>(size);
  return guest;
}

NativeResult inet_to_native(std::span<const std::byte> from, NativeAddress& native) noexcept {
  if (from.size() != sizeof(guest::SockaddrIn)) return -EINVAL;
  guest::SockaddrIn in;
  std::memcpy(&in, from.data(), sizeof in);
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = in.sin_port;
  std::memcpy(&out.sin_addr, in.sin_addr.data(), sizeof out.sin_addr);
  store(native, out, sizeof out);
  return 0;
}

NativeResult inet6_to_native(std::span<const std::byte> from, NativeAddress& native) noexcept {
  if (from.size() != sizeof(guest::SockaddrIn6)) return -EINVAL;
  guest::SockaddrIn6 in;
  std::memcpy(&in, from.data(), sizeof in);
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  out.sin6_port = in.sin6_port;
  out.sin6_flowinfo = in.sin6_flowinfo;
  std::memcpy(&out.sin6_addr, in.sin6_addr.data(), sizeof out.sin6_addr);
  out.sin6_scope_id = in.sin6_scope_id;
  store(native, out, sizeof out);
  return 0;
}

NativeResult unix_to_native(std::span<const std::byte> from, NativeAddress& native) noexcept {
  if (from.size() <= kGuestPath || from.size() > sizeof(guest::SockaddrUn)) return -EINVAL;
  const char* path = reinterpret_cast<const char*>(from.data() + kGuestPath);
  const std::size_t length = strnlen(path, from.size() - kGuestPath);
  if (length == 0) return -ENOENT;
  sockaddr_un out{};
  static_assert(sizeof out.sun_path > sizeof(guest::SockaddrUn::sun_path));
  out.sun_family = AF_UNIX;
  std::memcpy(out.sun_path, path, length);
  store(native, out, kNativePath + length + 1);
  return 0;
}

GuestAddress unix_to_guest(std::span<const std::byte> native) noexcept {
  guest::SockaddrUn out{};
  out.sun_family = guest::kAfUnix;
  const std::span<const std::byte> name =
      native.size() > kNativePath ? native.subspan(kNativePath) : std::span<const std::byte>{};
  const char* path = reinterpret_cast<const char*>(name.data());
  const std::size_t length = name.empty() ? 0 : std::min(strnlen(path, name.size()), out.sun_path.size());
  if (length == 0) {  // unnamed, or an abstract name no FreeBSD program can know
    guest::Sockaddr nameless{};
    nameless.sa_len = sizeof nameless;
    nameless.sa_family = guest::kAfUnix;
    return to_guest_bytes(nameless, sizeof nameless);
  }
  std::memcpy(out.sun_path.data(), path, length);
  const std::size_t size = std::min(kGuestPath + length + 1, sizeof out);
  out.sun_len = static_cast<std::uint8_t>(size);
  return to_guest_bytes(out, size);
}

}  // namespace

std::uint16_t NativeAddress::family() const noexcept {
  if (size < sizeof(sa_family_t)) return AF_UNSPEC;
  sa_family_t family;
  std::memcpy(&family, bytes.data(), sizeof family);
  return family;
}

NativeResult sockaddr_to_native(std::span<const std::byte> guest, NativeAddress& native) noexcept {
  native = {};
  if (guest.size() > guest::kMaxAddressLength) return -ENAMETOOLONG;
  if (guest.size() < offsetof(guest::Sockaddr, sa_data)) return -EINVAL;
  switch (std::to_integer<std::uint8_t>(guest[1])) {
    case guest::kAfInet:
      return inet_to_native(guest, native);
    case guest::kAfInet6:
      return inet6_to_native(guest, native);
    case guest::kAfUnix:
      return unix_to_native(guest, native);
    case guest::kAfUnspec: {
      // Both systems take AF_UNSPEC with the wildcard address for AF_INET in bind; the bytes are the same.
      sockaddr_in out{};
      const std::size_t given = std::min(guest.size(), sizeof out);
      std::memcpy(&out, guest.data(), given);
      out.sin_family = AF_UNSPEC;
      store(native, out, sizeof out);
      return 0;
    }
    default:
      return -EAFNOSUPPORT;
  }
}

GuestAddress sockaddr_to_guest(std::span<const std::byte> native) noexcept {
  sa_family_t family = AF_UNSPEC;
  if (native.size() >= sizeof family) std::memcpy(&family, native.data(), sizeof family);
  if (family == AF_INET && native.size() >= sizeof(sockaddr_in)) {
    sockaddr_in in;
    std::memcpy(&in, native.data(), sizeof in);
    guest::SockaddrIn out{};
    out.sin_len = sizeof out;
    out.sin_family = guest::kAfInet;
    out.sin_port = in.sin_port;
    std::memcpy(out.sin_addr.data(), &in.sin_addr, sizeof in.sin_addr);
    return to_guest_bytes(out, sizeof out);
  }
  if (family == AF_INET6 && native.size() >= offsetof(sockaddr_in6, sin6_scope_id)) {
    sockaddr_in6 in{};
    std::memcpy(&in, native.data(), std::min(native.size(), sizeof in));
    guest::SockaddrIn6 out{};
    out.sin6_len = sizeof out;
    out.sin6_family = guest::kAfInet6;
    out.sin6_port = in.sin6_port;
    out.sin6_flowinfo = in.sin6_flowinfo;
    std::memcpy(out.sin6_addr.data(), &in.sin6_addr, sizeof in.sin6_addr);
    out.sin6_scope_id = in.sin6_scope_id;
    return to_guest_bytes(out, sizeof out);
  }
  if (family == AF_UNIX) return unix_to_guest(native);
  guest::Sockaddr unknown{};
  unknown.sa_len = sizeof unknown;
  return to_guest_bytes(unknown, sizeof unknown);
}

std::string_view local_path(const NativeAddress& native) noexcept {
  if (native.family() != AF_UNIX || native.size <= kNativePath) return {};
  const char* path = reinterpret_cast<const char*>(native.bytes.data() + kNativePath);
  return {path, strnlen(path, native.size - kNativePath)};
}

NativeResult set_local_path(NativeAddress& native, std::string_view path) noexcept {
  if (path.size() + 1 > sizeof(sockaddr_un::sun_path)) return -ENAMETOOLONG;
  std::byte* to = native.bytes.data() + kNativePath;
  std::memmove(to, path.data(), path.size());
  to[path.size()] = std::byte{};
  native.size = static_cast<std::uint32_t>(kNativePath + path.size() + 1);
  return 0;
}

NativeResult make_relative_to(NativeAddress& native, int dirfd) noexcept {
  const std::string_view path = local_path(native);
  if (path.empty() || path.front() == '/') return 0;
  const HostPath prefix("/proc/self/fd/", dirfd, "/");
  const std::size_t length = prefix.view().size();
  if (length + path.size() + 1 > sizeof(sockaddr_un::sun_path)) return -ENAMETOOLONG;
  std::byte* to = native.bytes.data() + kNativePath;
  std::memmove(to + length, to, path.size() + 1);
  std::memcpy(to, prefix.c_str(), length);
  native.size += static_cast<std::uint32_t>(length);
  return 0;
}

}  // namespace sudrun::abi::bsd

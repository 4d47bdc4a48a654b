// Sockets: creation, naming, connection. Messages and options are in socket_messages.cpp, socket_options.cpp.
//
// Sources: FreeBSD 15.0 sys/kern/uipc_syscalls.c, sys/kern/uipc_socket.c, sys/kern/uipc_usrreq.c,
// sys/netinet/in_proto.c, sys/netinet6/in6_proto.c (ip6_v6only).
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "abi/bsd/socket_calls.hpp"
#include "abi/bsd/sockets_layout.hpp"

namespace sudrun::abi::bsd {

NativeResult socket_option(Call& call, int fd, int native_option) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  const NativeResult result =
      call.host.call(SYS_getsockopt, static_cast<Word>(fd), SOL_SOCKET, static_cast<Word>(native_option),
                     host_address(&value), host_address(&size));
  return is_error(result) ? result : value;
}

bool suppresses_sigpipe(Call& call, int fd) noexcept {
  // See socket_options.cpp for why it is kept there.
  return !call.host.is_hidden(fd) && socket_option(call, fd, SO_NOFCS) == 1;
}

NativeResult read_address(Call& call, GuestAddr from, std::uint32_t length, NativeAddress& native,
                          int dirfd) noexcept {
  if (length > guest::kMaxAddressLength) return -ENAMETOOLONG;
  if (length < offsetof(guest::Sockaddr, sa_data)) return -EINVAL;
  std::array<std::byte, guest::kMaxAddressLength> bytes;
  if (!call.host.read(from, bytes.data(), length)) return -EFAULT;
  constexpr std::byte kInet6{guest::kAfInet6}, kNone{0xff};
  const std::byte inet6{self(call).manners().inet6_family};
  std::byte& family = bytes[offsetof(guest::Sockaddr, sa_family)];
  if (inet6 != kInet6) family = family == inet6 ? kInet6 : family == kInet6 ? kNone : family;
  const NativeResult error = sockaddr_to_native({bytes.data(), length}, native);
  const std::string_view path = is_error(error) ? std::string_view() : local_path(native);
  if (path.empty()) return error;
  ResolvedPath found;
  const NativeResult lookup = call.host.resolve_path(dirfd, path, true, found);
  if (is_error(lookup) || found.length == 0) return lookup;
  return set_local_path(native, {found.text.data(), found.length});
}

GuestAddress shown_address(Call& call, NativeAddress& native) noexcept {
  const std::string_view path = local_path(native);
  const std::string_view shown = call.host.guest_path(path);
  if (shown.size() != path.size()) set_local_path(native, shown);
  return sockaddr_to_guest({native.bytes.data(), native.size});
}

bool write_address(Call& call, GuestAddr to, std::uint32_t room, const GuestAddress& address,
                   std::uint32_t& written) noexcept {
  written = std::min(room, address.size);
  GuestAddress shown = address;
  std::byte& family = shown.bytes[offsetof(guest::Sockaddr, sa_family)];
  if (family == std::byte{guest::kAfInet6}) family = std::byte{self(call).manners().inet6_family};
  return written == 0 || call.host.write(to, shown.bytes.data(), written);
}

namespace {

/// The native forms of socket(2)'s first two arguments.
struct SocketKind {
  int error = 0;  ///< native errno, 0 if the rest is valid
  Word domain = 0, type = 0;
};

SocketKind socket_kind(Call& call) noexcept {
  const Vocabulary& words = self(call).vocabulary();
  const auto domain = words.socket_domain.to_native(call.u32(0));
  if (!domain) return {EAFNOSUPPORT};
  const auto type = words.socket_type.to_native(call.u32(1));
  if (!type) return {EPROTOTYPE};
  return {0, *domain, *type};
}

/// Linux says ESOCKTNOSUPPORT, or EINVAL for a type it has no number for, where FreeBSD says EPROTOTYPE.
Result socket_failure(NativeResult result) noexcept {
  return Result::fail(result == -ESOCKTNOSUPPORT || result == -EINVAL ? EPROTOTYPE
                                                                      : static_cast<int>(-result));
}

Result socket_call(Call& call) noexcept {
  const SocketKind kind = socket_kind(call);
  if (kind.error != 0) return Result::fail(kind.error);
  const NativeResult fd = call.host.call(SYS_socket, kind.domain, kind.type, call.u32(2));
  if (is_error(fd)) return socket_failure(fd);
  if (kind.domain == AF_INET6) {
    // net.inet6.ip6.v6only is 1 on FreeBSD. Sockets Linux refuses the option for have no IPv4 side anyway.
    int only = 1;
    call.host.call(SYS_setsockopt, static_cast<Word>(fd), IPPROTO_IPV6, IPV6_V6ONLY, host_address(&only),
                   sizeof only);
  }
  return Result::of(fd);
}

Result socketpair_call(Call& call) noexcept {
  const SocketKind kind = socket_kind(call);
  if (kind.error != 0) return Result::fail(kind.error);
  if (!Host::in_guest(call.addr(3), 2 * sizeof(int))) return Result::fail(EFAULT);
  const NativeResult result =
      call.host.call(SYS_socketpair, kind.domain, kind.type, call.u32(2), call.word(3));
  return is_error(result) ? socket_failure(result) : Result::of(result);
}

// --- naming ---------------------------------------------------------------------------------------------

Result do_bind(Call& call, int fd, const NativeAddress& name) noexcept {
  return Result::of(
      call.host.call(SYS_bind, static_cast<Word>(fd), host_address(name.bytes.data()), name.size));
}

/// connect to AF_UNSPEC: dissolves the association of a datagram socket and fails all the same.
Result disconnect(Call& call, int fd, const NativeAddress& name) noexcept {
  const NativeResult type = socket_option(call, fd, SO_TYPE);
  if (is_error(type)) return Result::of(type);
  if (type == SOCK_DGRAM || type == SOCK_RAW) {
    call.host.call(SYS_connect, static_cast<Word>(fd), host_address(name.bytes.data()), name.size);
    return Result::fail(EAFNOSUPPORT);
  }
  NativeAddress peer;
  socklen_t size = sizeof peer.bytes;
  const NativeResult connected = call.host.call(SYS_getpeername, static_cast<Word>(fd),
                                                host_address(peer.bytes.data()), host_address(&size));
  return Result::fail(is_error(connected) ? EAFNOSUPPORT : EISCONN);
}

/// True if an interrupted connect has left an attempt under way.
bool is_connecting(Call& call, int fd) noexcept {
  tcp_info info{};
  socklen_t size = sizeof info;
  const NativeResult result = call.host.call(SYS_getsockopt, static_cast<Word>(fd), IPPROTO_TCP, TCP_INFO,
                                             host_address(&info), host_address(&size));
  return !is_error(result) && info.tcpi_state != TCP_CLOSE;
}

bool names_socket(Call& call, const NativeAddress& name) noexcept {
  struct stat status {};
  const NativeResult known = call.host.call(SYS_newfstatat, static_cast<Word>(AT_FDCWD),
                                            host_address(name.bytes.data() + offsetof(sockaddr_un, sun_path)),
                                            host_address(&status), 0);
  return is_error(known) || S_ISSOCK(status.st_mode);
}

Result do_connect(Call& call, int fd, const NativeAddress& name) noexcept {
  if (name.family() == AF_UNSPEC) return disconnect(call, fd, name);
  const Word at = host_address(name.bytes.data());
  const NativeResult status = call.host.call(SYS_fcntl, static_cast<Word>(fd), F_GETFL);
  if (is_error(status)) return Result::of(status);
  const bool blocking = (status & O_NONBLOCK) == 0;
  const NativeResult result =
      blocking ? call.host.call_interruptible(SYS_connect, static_cast<Word>(fd), at, name.size)
               : call.host.call(SYS_connect, static_cast<Word>(fd), at, name.size);
  // A full queue makes local sockets wait on Linux and fail on FreeBSD.
  if (result == -EAGAIN && name.family() == AF_UNIX) return Result::fail(ECONNREFUSED);
  if (result == -ECONNREFUSED && name.family() == AF_UNIX && !names_socket(call, name))
    return Result::fail(ENOTSOCK);
  if (result != -EINTR) return Result::of(result);
  // FreeBSD fails once with EINTR and goes on connecting, whatever SA_RESTART says. If nothing has begun, the
  // guest must not be told that something has.
  if (!is_connecting(call, fd)) return Result::restart();
  return Result::fail(GuestErrno{call.table.errno_to_guest(EINTR)});
}

using Naming = Result (*)(Call&, int, const NativeAddress&) noexcept;

/// bind and connect: (s, name, namelen).
Result name_plainly(Call& call, Naming naming) noexcept {
  if (call.host.is_hidden(call.i32(0))) return Result::fail(EBADF);
  NativeAddress name;
  const NativeResult error = read_address(call, call.addr(1), call.u32(2), name);
  return is_error(error) ? Result::of(error) : naming(call, call.i32(0), name);
}

/// bindat and connectat: (fd, s, name, namelen). Only local sockets know paths.
Result name_from_directory(Call& call, Naming naming) noexcept {
  constexpr int kAtFdcwd = AT_FDCWD;  // -100 on both systems
  const int directory = call.i32(0), socket = call.i32(1);
  if (call.host.is_hidden(socket) || call.host.is_hidden(directory)) return Result::fail(EBADF);
  NativeAddress name;
  const NativeResult error = read_address(call, call.addr(2), call.u32(3), name, directory);
  if (is_error(error)) return Result::of(error);
  if (directory == kAtFdcwd) return naming(call, socket, name);
  if (name.family() != AF_UNIX) return Result::fail(EOPNOTSUPP);
  const std::string_view path = local_path(name);
  if (path.starts_with('/')) return naming(call, socket, name);
  const NativeResult flags = call.host.call(SYS_fcntl, static_cast<Word>(directory), F_GETFD);
  if (is_error(flags)) return Result::of(flags);
  const NativeResult fits = make_relative_to(name, directory);
  return is_error(fits) ? Result::of(fits) : naming(call, socket, name);
}

Result bind_call(Call& call) noexcept { return name_plainly(call, do_bind); }
Result connect_call(Call& call) noexcept { return name_plainly(call, do_connect); }
Result bindat_call(Call& call) noexcept { return name_from_directory(call, do_bind); }
Result connectat_call(Call& call) noexcept { return name_from_directory(call, do_connect); }

/// Reads the length a result argument points to, and stores the length of what was written there.
class NameArgument {
 public:
  NameArgument(Call& call, GuestAddr name, GuestAddr length) noexcept
      : call_(call), name_(name), length_(length) {}

  /// 0 or a negative errno.
  NativeResult prepare() noexcept { return call_.host.get(length_, room_) ? 0 : -EFAULT; }
  bool store(NativeAddress& native) noexcept {
    const GuestAddress address = shown_address(call_, native);
    std::uint32_t written = 0;
    return write_address(call_, name_, room_, address, written) && call_.host.put(length_, written);
  }

 private:
  Call& call_;
  GuestAddr name_, length_;
  std::uint32_t room_ = 0;
};

Result name_query(Call& call, long number) noexcept {
  if (call.host.is_hidden(call.i32(0))) return Result::fail(EBADF);
  NameArgument argument(call, call.addr(1), call.addr(2));
  const NativeResult error = argument.prepare();
  if (is_error(error)) return Result::of(error);
  NativeAddress native;
  native.size = sizeof native.bytes;
  const NativeResult result =
      call.host.call(number, call.u32(0), host_address(native.bytes.data()), host_address(&native.size));
  if (is_error(result)) return Result::of(result);
  return argument.store(native) ? Result::ok() : Result::fail(EFAULT);
}

Result getsockname_call(Call& call) noexcept { return name_query(call, SYS_getsockname); }
Result getpeername_call(Call& call) noexcept { return name_query(call, SYS_getpeername); }

/// listen(s, backlog). A local socket needs a name first; Linux says EINVAL.
Result listen_call(Call& call) noexcept {
  if (call.host.is_hidden(call.i32(0))) return Result::fail(EBADF);
  const NativeResult result = call.host.call(SYS_listen, call.u32(0), call.u32(1));
  if (result != -EINVAL || socket_option(call, call.i32(0), SO_DOMAIN) != AF_UNIX) return Result::of(result);
  NativeAddress name;
  name.size = sizeof name.bytes;
  call.host.call(SYS_getsockname, call.u32(0), host_address(name.bytes.data()), host_address(&name.size));
  return Result::fail(name.size == sizeof(sa_family_t) ? EDESTADDRREQ : EINVAL);
}

// --- accepting ------------------------------------------------------------------------------------------

}  // namespace

Result accept_with(Call& call, int native_flags) noexcept {
  NameArgument argument(call, call.addr(1), call.addr(2));
  const bool wants_name = !is_null(call.addr(1));
  const NativeResult error = wants_name ? argument.prepare() : 0;
  if (is_error(error)) return Result::of(error);
  NativeAddress peer;
  peer.size = sizeof peer.bytes;
  const NativeResult fd = call.host.call_interruptible(
      SYS_accept4, call.u32(0), wants_name ? host_address(peer.bytes.data()) : 0,
      wants_name ? host_address(&peer.size) : 0, static_cast<Word>(native_flags));
  if (fd == -EOPNOTSUPP) return Result::fail(EINVAL);  // not listening, and of a type that cannot be
  if (is_error(fd)) return Result::of(fd);
  if (!wants_name || argument.store(peer)) return Result::of(fd);
  call.host.call(SYS_close, static_cast<Word>(fd));
  return Result::fail(EFAULT);
}

namespace {

/// accept: the new socket has the listener's O_NONBLOCK, which Linux does not pass on.
Result accept_call(Call& call) noexcept {
  if (call.host.is_hidden(call.i32(0))) return Result::fail(EBADF);
  const NativeResult status = call.host.call(SYS_fcntl, call.u32(0), F_GETFL);
  if (is_error(status)) return Result::of(status);
  return accept_with(call, (status & O_NONBLOCK) != 0 ? SOCK_NONBLOCK : 0);
}

/// accept4: only what its flags say.
Result accept4_call(Call& call) noexcept {
  if (call.host.is_hidden(call.i32(0))) return Result::fail(EBADF);
  const auto flags = self(call).vocabulary().socket_type.to_native(call.u32(3));
  if (!flags || (*flags & ~std::uint64_t{SOCK_CLOEXEC | SOCK_NONBLOCK}) != 0) return Result::fail(EINVAL);
  return accept_with(call, static_cast<int>(*flags));
}

constexpr HandlerEntry kHandlers[] = {
    {"socket", socket_call},           {"socketpair", socketpair_call}, {"bind", bind_call},
    {"connect", connect_call},         {"bindat", bindat_call},         {"connectat", connectat_call},
    {"accept", accept_call},           {"accept4", accept4_call},       {"getsockname", getsockname_call},
    {"getpeername", getpeername_call}, {"sendto", sendto_call},         {"recvfrom", recvfrom_call},
    {"sendmsg", sendmsg_call},         {"recvmsg", recvmsg_call},       {"setsockopt", setsockopt_call},
    {"getsockopt", getsockopt_call},   {"listen", listen_call},
};

}  // namespace

std::span<const HandlerEntry> socket_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::bsd

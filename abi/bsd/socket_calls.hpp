// What the socket area files share: their handlers, and small questions put to the kernel.
#pragma once

#include <fcntl.h>

#include <optional>

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/control.hpp"
#include "abi/bsd/sockaddr.hpp"

namespace sudrun::abi::bsd {

// socket_messages.cpp
Result sendto_call(Call& call) noexcept;
Result sendmsg_call(Call& call) noexcept;
Result recvfrom_call(Call& call) noexcept;
Result recvmsg_call(Call& call) noexcept;
// sockets.cpp
/// accept(2) of the call's first three arguments; the new socket has the flags given.
Result accept_with(Call& call, int native_flags) noexcept;
// socket_options.cpp
Result setsockopt_call(Call& call) noexcept;
Result getsockopt_call(Call& call) noexcept;

// socket_timestamps.cpp: SO_TIMESTAMP, SO_BINTIME, SO_TS_CLOCK
Result set_timestamps(Call& call, int guest_name) noexcept;
/// The option's value, or a negative errno.
NativeResult get_timestamps(Call& call, int guest_name) noexcept;
TimestampForm timestamp_form(Call& call) noexcept;

/// Address of a host object, for a native call that fills or reads it.
template <typename T>
Word host_address(T* object) noexcept {
  return reinterpret_cast<Word>(object);
}

/// Value of an int option at the native SOL_SOCKET level, or a negative errno.
NativeResult socket_option(Call& call, int fd, int native_option) noexcept;

/// True if the guest has set SO_NOSIGPIPE on `fd`.
bool suppresses_sigpipe(Call& call, int fd) noexcept;

/// Reads and converts the address at `from`. 0 or a negative errno.
/// A local path is looked up in the guest's file tree, a relative one from the directory `dirfd`.
NativeResult read_address(Call& call, GuestAddr from, std::uint32_t length, NativeAddress& native,
                          int dirfd = AT_FDCWD) noexcept;
/// An address the kernel gave, in the guest's form and with the path the guest knows.
GuestAddress shown_address(Call& call, NativeAddress& native) noexcept;

/// Writes `address` cut to `room` bytes at `to`; false on EFAULT. Returns the bytes written through
/// `written`.
bool write_address(Call& call, GuestAddr to, std::uint32_t room, const GuestAddress& address,
                   std::uint32_t& written) noexcept;

}  // namespace sudrun::abi::bsd

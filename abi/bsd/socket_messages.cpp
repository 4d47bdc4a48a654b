// sendto, sendmsg, recvfrom, recvmsg.
//
// Sources: FreeBSD 15.0 sys/kern/uipc_syscalls.c (kern_sendit, kern_recvit, sys_recvmsg),
// sys/kern/uipc_usrreq.c, sys/kern/subr_uio.c (copyiniov); Linux send(2), recv(2), unix(7).
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "abi/bsd/control.hpp"
#include "abi/bsd/socket_calls.hpp"
#include "abi/bsd/sockets_layout.hpp"
#include "abi/marshal.hpp"

namespace sudrun::abi::bsd {
namespace {

/// What sendmsg and recvmsg begin alike with: flags, the guest's msghdr, its vector in the native one.
struct Request {
  guest::Msghdr message;
  msghdr native{};
  std::uint64_t flags = 0;  ///< native

  /// Takes the arguments (s, msg, flags). 0 or a negative errno.
  NativeResult prepare(Call& call) noexcept {
    if (call.host.is_hidden(call.i32(0))) return -EBADF;
    const auto known = self(call).vocabulary().msg_flags.to_native(call.u32(2));
    if (!known) return -EINVAL;
    flags = *known;
    if (!call.host.get(call.addr(1), message)) return -EFAULT;
    if (message.msg_iovlen < 0 || message.msg_iovlen > guest::kMaxIov) return -EMSGSIZE;
    const auto count = static_cast<std::size_t>(message.msg_iovlen);
    native.msg_iov = reinterpret_cast<iovec*>(message.msg_iov);
    native.msg_iovlen = count;
    return -check_vector(call.host, guest_addr(message.msg_iov), count);
  }
};

// --- sending --------------------------------------------------------------------------------------------

/// Every send is made with MSG_NOSIGNAL; the SIGPIPE the guest is owed is raised here, so that SO_NOSIGPIPE
/// (kept as SO_NOFCS, see socket_options.cpp) costs nothing until a pipe breaks.
Result finish_send(Call& call, int guest_socket, Word native_flags, NativeResult result) noexcept {
  if (result != -EPIPE || (native_flags & MSG_NOSIGNAL) != 0) return Result::of(result);
  if (suppresses_sigpipe(call, guest_socket)) return Result::of(result);
  call.host.call(SYS_tgkill, static_cast<Word>(call.host.pid()), static_cast<Word>(call.host.tid()), SIGPIPE);
  return Result::of(result);
}

/// A connected datagram socket takes no other destination. 0 or -EISCONN.
NativeResult check_destination(Call& call) noexcept {
  NativeAddress peer;
  peer.size = sizeof peer.bytes;
  const NativeResult connected =
      call.host.call(SYS_getpeername, call.u32(0), host_address(peer.bytes.data()), host_address(&peer.size));
  if (is_error(connected)) return 0;
  return socket_option(call, call.i32(0), SO_TYPE) == SOCK_DGRAM ? -EISCONN : 0;
}

}  // namespace

/// sendto(s, buf, len, flags, to, tolen)
Result sendto_call(Call& call) noexcept {
  if (call.host.is_hidden(call.i32(0))) return Result::fail(EBADF);
  const auto flags = self(call).vocabulary().msg_flags.to_native(call.u32(3));
  if (!flags || call.i64(2) < 0) return Result::fail(EINVAL);
  if (!Host::in_guest(call.addr(1), call.word(2))) return Result::fail(EFAULT);
  NativeAddress to;
  const bool named = !is_null(call.addr(4));
  NativeResult error = named ? read_address(call, call.addr(4), call.u32(5), to) : 0;
  if (named && !is_error(error)) error = check_destination(call);
  if (is_error(error)) return Result::of(error);
  const NativeResult result =
      call.host.call_interruptible(SYS_sendto, call.u32(0), call.word(1), call.word(2), *flags | MSG_NOSIGNAL,
                                   named ? host_address(to.bytes.data()) : 0, to.size);
  return finish_send(call, call.i32(0), *flags, result);
}

namespace {

/// Real ids, asked for only if the message is to carry them.
SenderIds sender_ids(Call& call, std::span<const std::byte> control) noexcept {
  if (!sends_credentials(control)) return {};
  return {call.host.pid(), static_cast<std::uint32_t>(call.host.call(SYS_getuid)),
          static_cast<std::uint32_t>(call.host.call(SYS_getgid))};
}

}  // namespace

/// sendmsg(s, msg, flags)
Result sendmsg_call(Call& call) noexcept {
  Request request;
  NativeResult error = request.prepare(call);
  if (is_error(error)) return Result::of(error);
  const guest::Msghdr& message = request.message;
  msghdr& native = request.native;
  NativeAddress to;
  if (message.msg_name != 0) {
    error = read_address(call, guest_addr(message.msg_name), message.msg_namelen, to);
    if (!is_error(error)) error = check_destination(call);
    if (is_error(error)) return Result::of(error);
    native.msg_name = to.bytes.data();
    native.msg_namelen = to.size;
  }
  alignas(8) std::array<std::byte, kNativeControlRoom> control;
  if (message.msg_control != 0) {
    std::array<std::byte, guest::kMaxSendControl> from;
    const std::size_t size = message.msg_controllen;
    if (size < sizeof(guest::Cmsghdr) || size > from.size()) return Result::fail(EINVAL);
    if (!call.host.read(guest_addr(message.msg_control), from.data(), size)) return Result::fail(EFAULT);
    const NativeResult used =
        control_to_native({from.data(), size}, control, sender_ids(call, {from.data(), size}));
    if (is_error(used)) return Result::of(used);
    native.msg_control = used != 0 ? control.data() : nullptr;
    native.msg_controllen = static_cast<std::size_t>(used);
  }
  const NativeResult result = call.host.call_interruptible(SYS_sendmsg, call.u32(0), host_address(&native),
                                                           request.flags | MSG_NOSIGNAL);
  return finish_send(call, call.i32(0), request.flags, result);
}

// --- receiving ------------------------------------------------------------------------------------------

namespace {

/// The sender's address as FreeBSD gives it: connection-oriented local sockets have none, and a nameless
/// sender of a local datagram has the nameless address, where Linux leaves the length 0.
GuestAddress sender_of(Call& call, NativeAddress& from) noexcept {
  if (from.size != 0 && from.family() != AF_UNIX) return sockaddr_to_guest({from.bytes.data(), from.size});
  const bool local = from.size != 0 || socket_option(call, call.i32(0), SO_DOMAIN) == AF_UNIX;
  if (!local || socket_option(call, call.i32(0), SO_TYPE) != SOCK_DGRAM) return {};
  const sa_family_t nameless = AF_UNIX;
  if (from.size == 0) return sockaddr_to_guest(std::as_bytes(std::span(&nameless, 1)));
  return shown_address(call, from);
}

/// Writes the sender's address; `length` becomes its size as written. False on EFAULT.
bool store_sender(Call& call, GuestAddr name, NativeAddress& from, std::uint32_t& length) noexcept {
  if (is_null(name)) return true;
  return write_address(call, name, length, sender_of(call, from), length);
}

/// While one message is received from a local socket: has Linux give the credentials its sender has sent with
/// it, which it does only to who asks. A message nobody has sent any with has process 0 there. To be asked
/// for only once the message is there: Linux adds credentials to every message sent meanwhile.
class AskedForCredentials {
 public:
  explicit AskedForCredentials(Call& call) noexcept : call_(call) {}
  ~AskedForCredentials() { done(); }
  AskedForCredentials(const AskedForCredentials&) = delete;
  AskedForCredentials& operator=(const AskedForCredentials&) = delete;

  /// Waits for a message. 0 or a negative errno. Does nothing where credentials come anyway or never.
  NativeResult await(std::uint64_t flags) noexcept {
    if (socket_option(call_, call_.i32(0), SO_DOMAIN) != AF_UNIX) return 0;
    if (socket_option(call_, call_.i32(0), SO_PASSCRED) != 0) return 0;
    std::byte first{};
    iovec vector{&first, 1};
    msghdr look{};
    look.msg_iov = &vector;
    look.msg_iovlen = 1;
    const NativeResult there = call_.host.call_interruptible(SYS_recvmsg, call_.u32(0), host_address(&look),
                                                             MSG_PEEK | (flags & (MSG_DONTWAIT | MSG_OOB)));
    if (is_error(there)) return there;
    asked_ = true;
    set(1);
    return 0;
  }
  bool asked() const noexcept { return asked_; }
  void done() noexcept {
    if (asked_) set(0);
    asked_ = false;
  }

 private:
  void set(int on) noexcept {
    call_.host.call(SYS_setsockopt, call_.u32(0), SOL_SOCKET, SO_PASSCRED, host_address(&on), sizeof on);
  }
  Call& call_;
  bool asked_ = false;
};

/// Credentials of a stream's peer come once after LOCAL_CREDS, with every message after
/// LOCAL_CREDS_PERSISTENT (see socket_options.cpp for how they are told apart).
CredentialForm credential_form(Call& call, bool asked) noexcept {
  if (asked) return CredentialForm::cmsgcred;
  if (socket_option(call, call.i32(0), SO_WIFI_STATUS) != 1) return CredentialForm::sockcred2;
  if (socket_option(call, call.i32(0), SO_TYPE) != SOCK_DGRAM) {
    const int off = 0;
    for (const int option : {SO_PASSCRED, SO_WIFI_STATUS}) {
      call.host.call(SYS_setsockopt, call.u32(0), SOL_SOCKET, static_cast<Word>(option), host_address(&off),
                     sizeof off);
    }
  }
  return CredentialForm::sockcred;
}

/// Converts received control data into the guest's buffer. 0 or a negative errno; adds to native `flags`.
NativeResult store_control(Call& call, guest::Msghdr& message, std::span<const std::byte> native, bool asked,
                           int& flags) noexcept {
  alignas(8) std::array<std::byte, kNativeControlRoom> converted;
  std::array<int, kMaxPassedDescriptors> dropped;
  const std::size_t room = std::min<std::size_t>(message.msg_controllen, converted.size());
  const CredentialForm form =
      carries(native, SCM_CREDENTIALS) ? credential_form(call, asked) : CredentialForm::sockcred2;
  const TimestampForm times = carries(native, SO_TIMESTAMPNS) ? timestamp_form(call) : TimestampForm{};
  const ReceivedControl received =
      control_to_guest(native, std::span(converted).first(room), form, dropped, times);
  for (std::size_t i = 0; i < received.dropped; ++i) call.host.call(SYS_close, static_cast<Word>(dropped[i]));
  if (received.truncated) flags |= MSG_CTRUNC;
  message.msg_controllen = static_cast<std::uint32_t>(received.size);
  if (received.size == 0) return 0;
  return call.host.write(guest_addr(message.msg_control), converted.data(), received.size) ? 0 : -EFAULT;
}

}  // namespace

/// recvfrom(s, buf, len, flags, from, fromlenaddr)
Result recvfrom_call(Call& call) noexcept {
  if (call.host.is_hidden(call.i32(0))) return Result::fail(EBADF);
  const auto flags = self(call).vocabulary().msg_flags.to_native(call.u32(3));
  if (!flags || call.i64(2) < 0) return Result::fail(EINVAL);
  if (!Host::in_guest(call.addr(1), call.word(2))) return Result::fail(EFAULT);
  const GuestAddr name = call.addr(4), length_at = call.addr(5);
  std::uint32_t length = 0;
  if (!is_null(length_at) && !call.host.get(length_at, length)) return Result::fail(EFAULT);
  NativeAddress from;
  from.size = sizeof from.bytes;
  const bool named = !is_null(name);
  const NativeResult result = call.host.call_interruptible(
      SYS_recvfrom, call.u32(0), call.word(1), call.word(2), *flags,
      named ? host_address(from.bytes.data()) : 0, named ? host_address(&from.size) : 0);
  if (is_error(result)) return Result::of(result);
  if (!store_sender(call, name, from, length)) return Result::fail(EFAULT);
  if (!is_null(length_at) && !call.host.put(length_at, length)) return Result::fail(EFAULT);
  return Result::of(result);
}

/// recvmsg(s, msg, flags)
Result recvmsg_call(Call& call) noexcept {
  Request request;
  NativeResult error = request.prepare(call);
  if (is_error(error)) return Result::of(error);
  guest::Msghdr& message = request.message;
  msghdr& native = request.native;
  NativeAddress from;
  if (message.msg_name != 0) {
    native.msg_name = from.bytes.data();
    native.msg_namelen = sizeof from.bytes;
  }
  alignas(8) std::array<std::byte, kNativeControlRoom> control;
  const bool wants_control = message.msg_control != 0 && message.msg_controllen != 0;
  if (wants_control) {
    native.msg_control = control.data();
    native.msg_controllen =
        std::min<std::size_t>(message.msg_controllen + kNativeControlSlack, control.size());
  }
  AskedForCredentials credentials(call);
  NativeResult result = 0;
  for (;;) {
    error = wants_control ? credentials.await(request.flags) : 0;
    if (is_error(error)) return Result::of(error);
    // Another may have taken the message: not to be waited for while credentials are asked for.
    const bool look_again = credentials.asked() && (request.flags & (MSG_DONTWAIT | MSG_WAITALL)) == 0;
    result = call.host.call_interruptible(SYS_recvmsg, call.u32(0), host_address(&native),
                                          request.flags | (look_again ? MSG_DONTWAIT : 0));
    if (result != -EAGAIN || !look_again) break;
    credentials.done();
  }
  if (is_error(result)) return Result::of(result);

  from.size = native.msg_namelen;
  if (message.msg_name == 0) message.msg_namelen = 0;
  if (!store_sender(call, guest_addr(message.msg_name), from, message.msg_namelen))
    return Result::fail(EFAULT);
  int received = native.msg_flags;
  if (wants_control) {
    error =
        store_control(call, message, {control.data(), native.msg_controllen}, credentials.asked(), received);
    if (is_error(error)) return Result::of(error);
  } else {
    message.msg_controllen = 0;
  }
  // FreeBSD gives the request's flags back beside those of the message.
  constexpr std::uint64_t kOfMessage = MSG_EOR | MSG_TRUNC | MSG_CTRUNC | MSG_OOB;
  const auto native_flags = static_cast<std::uint32_t>(received) | (request.flags & ~kOfMessage);
  const FlagSet& words = self(call).vocabulary().msg_flags;
  message.msg_flags = static_cast<std::int32_t>(words.to_guest(native_flags));
  return call.host.put(call.addr(1), message) ? Result::of(result) : Result::fail(EFAULT);
}

}  // namespace sudrun::abi::bsd

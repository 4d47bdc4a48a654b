// Sources: FreeBSD 15.0 sys/sys/socket.h (CMSG_*), sys/kern/uipc_usrreq.c (unp_internalize, unp_externalize,
// unp_addsockcred), sys/netinet/ip_input.c (ip_savecontrol), sys/netinet/udp_usrreq.c (udp_v4mapped_pktinfo,
// udp_output), sys/netinet6/ip6_input.c (ip6_savecontrol); Linux cmsg(3), ip(7), ipv6(7), unix(7).
#include "abi/bsd/control.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "abi/bsd/sockaddr.hpp"
#include "abi/bsd/sockets_layout.hpp"

namespace sudrun::abi::bsd {
namespace {

/// IPV6_ORIGDSTADDR, which glibc's headers do not have.
constexpr int kNativeIpv6OrigDstAddr = 74;

using Bytes = std::span<const std::byte>;

// Both systems put the data 16 bytes behind the header's start and align messages to 8.
static_assert(sizeof(cmsghdr) == guest::kCmsgData && CMSG_LEN(0) == guest::kCmsgData);

template <typename T>
Bytes bytes_of(const T& value) noexcept {
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}

/// One message, without its header.
struct Message {
  int level = 0;
  int type = 0;
  Bytes data;
};

enum class Step : std::uint8_t { message, end, malformed };

/// Takes the next guest message off `rest`.
Step next_guest(Bytes& rest, Message& message) noexcept {
  if (rest.empty()) return Step::end;
  guest::Cmsghdr header;
  if (rest.size() < sizeof header) return Step::malformed;
  std::memcpy(&header, rest.data(), sizeof header);
  if (header.cmsg_len < guest::kCmsgData || header.cmsg_len > rest.size()) return Step::malformed;
  message = {header.cmsg_level, header.cmsg_type,
             rest.subspan(guest::kCmsgData, header.cmsg_len - guest::kCmsgData)};
  rest = rest.subspan(std::min(guest::cmsg_align(header.cmsg_len), rest.size()));
  return Step::message;
}

/// Takes the next native message off `rest`; what the kernel wrote is well formed but may be cut short.
Step next_native(Bytes& rest, Message& message) noexcept {
  cmsghdr header;
  if (rest.size() < sizeof header) return Step::end;
  std::memcpy(&header, rest.data(), sizeof header);
  if (header.cmsg_len < sizeof header || header.cmsg_len > rest.size()) return Step::end;
  message = {header.cmsg_level, header.cmsg_type,
             rest.subspan(sizeof header, header.cmsg_len - sizeof header)};
  rest = rest.subspan(std::min(guest::cmsg_align(header.cmsg_len), rest.size()));
  return Step::message;
}

/// Appends messages to a buffer; the padding after the last one may be missing.
class Writer {
 public:
  explicit Writer(std::span<std::byte> buffer) noexcept : buffer_(buffer) {}

  std::size_t size() const noexcept { return std::min(used_, buffer_.size()); }
  /// Bytes of data one more message can have.
  std::size_t room() const noexcept {
    return buffer_.size() > used_ + guest::kCmsgData ? buffer_.size() - used_ - guest::kCmsgData : 0;
  }

  bool put_native(int level, int type, Bytes data) noexcept {
    cmsghdr header{};
    header.cmsg_len = CMSG_LEN(data.size());
    header.cmsg_level = level;
    header.cmsg_type = type;
    return put(bytes_of(header), data);
  }
  bool put_guest(int level, int type, Bytes data) noexcept {
    const guest::Cmsghdr header{static_cast<std::uint32_t>(guest::kCmsgData + data.size()), level, type};
    return put(bytes_of(header), data);
  }

 private:
  bool put(Bytes header, Bytes data) noexcept {
    const std::size_t length = guest::kCmsgData + data.size();
    if (used_ > buffer_.size() || length > buffer_.size() - used_) return false;
    std::byte* at = buffer_.data() + used_;
    const std::size_t padded = std::min(guest::cmsg_align(length), buffer_.size() - used_);
    std::memset(at, 0, padded);
    std::memcpy(at, header.data(), header.size());
    if (!data.empty()) std::memcpy(at + guest::kCmsgData, data.data(), data.size());
    used_ += guest::cmsg_align(length);
    return true;
  }

  std::span<std::byte> buffer_;
  std::size_t used_ = 0;
};

// --- sending --------------------------------------------------------------------------------------------

bool send_socket_level(const Message& m, const SenderIds& sender, Writer& out) noexcept {
  switch (m.type) {
    case guest::kScmRights:
      return out.put_native(SOL_SOCKET, SCM_RIGHTS, m.data);
    case guest::kScmCreds: {
      if (m.data.size() != sizeof(guest::Cmsgcred)) return false;
      const ucred credentials{sender.pid, sender.uid, sender.gid};
      return out.put_native(SOL_SOCKET, SCM_CREDENTIALS, bytes_of(credentials));
    }
    default:
      return false;
  }
}

bool send_ip_level(const Message& m, Writer& out) noexcept {
  switch (m.type) {
    case guest::kIpRecvDstAddr: {  // here IP_SENDSRCADDR
      in_pktinfo info{};
      if (m.data.size() != sizeof info.ipi_spec_dst) return false;
      std::memcpy(&info.ipi_spec_dst, m.data.data(), sizeof info.ipi_spec_dst);
      return out.put_native(IPPROTO_IP, IP_PKTINFO, bytes_of(info));
    }
    case guest::kIpTos:
    case guest::kIpTtl: {
      if (m.data.size() != 1) return false;
      const int value = std::to_integer<int>(m.data[0]);
      return out.put_native(IPPROTO_IP, m.type == guest::kIpTos ? IP_TOS : IP_TTL, bytes_of(value));
    }
    default:
      return false;
  }
}

bool send_ipv6_level(const Message& m, Writer& out) noexcept {
  switch (m.type) {
    case guest::kIpv6Pktinfo:
      return m.data.size() == sizeof(in6_pktinfo) && out.put_native(IPPROTO_IPV6, IPV6_PKTINFO, m.data);
    case guest::kIpv6Hoplimit:
      return m.data.size() == sizeof(int) && out.put_native(IPPROTO_IPV6, IPV6_HOPLIMIT, m.data);
    case guest::kIpv6Tclass:
      return m.data.size() == sizeof(int) && out.put_native(IPPROTO_IPV6, IPV6_TCLASS, m.data);
    default:
      return false;
  }
}

// --- receiving ------------------------------------------------------------------------------------------

/// Collects guest messages; once one has not fit, no later one is written, so that their order holds.
struct Receiver {
  Writer out;
  CredentialForm form;
  std::span<int> dropped;
  TimestampForm times;
  ReceivedControl result;

  void put(int level, int type, Bytes data) noexcept {
    if (result.truncated || !out.put_guest(level, type, data)) result.truncated = true;
  }

  void rights(Bytes data) noexcept {
    const std::size_t count = data.size() / sizeof(int);
    const std::size_t fits = result.truncated ? 0 : std::min(count, out.room() / sizeof(int));
    if (fits > 0) out.put_guest(guest::kSolSocket, guest::kScmRights, data.first(fits * sizeof(int)));
    if (fits == count) return;
    result.truncated = true;
    for (std::size_t i = fits; i < count && result.dropped < dropped.size(); ++i) {
      std::memcpy(&dropped[result.dropped++], data.data() + i * sizeof(int), sizeof(int));
    }
  }

  void credentials(Bytes data) noexcept {
    ucred from;
    if (data.size() < sizeof from) return;
    std::memcpy(&from, data.data(), sizeof from);
    if (form == CredentialForm::cmsgcred) {
      if (from.pid == 0) return;  // nobody has sent any
      guest::Cmsgcred cred{};
      cred.cmcred_pid = from.pid;
      cred.cmcred_uid = cred.cmcred_euid = from.uid;
      cred.cmcred_gid = cred.cmcred_groups[0] = from.gid;
      cred.cmcred_ngroups = 1;
      put(guest::kSolSocket, guest::kScmCreds, bytes_of(cred));
    } else if (form == CredentialForm::sockcred) {
      const guest::Sockcred cred{from.uid, from.uid, from.gid, from.gid, 1, from.gid};
      put(guest::kSolSocket, guest::kScmCreds, bytes_of(cred));
    } else {
      const guest::Sockcred2 cred{0, from.pid, from.uid, from.uid, from.gid, from.gid, 1, from.gid};
      put(guest::kSolSocket, guest::kScmCreds2, bytes_of(cred));
    }
  }

  void timestamp(Bytes data) noexcept {
    timespec time;
    if (data.size() < sizeof time) return;
    std::memcpy(&time, data.data(), sizeof time);
    const auto clock = times.stamp ? times.clock : TimestampClock::bintime;
    if (times.bintime || clock == TimestampClock::bintime) {
      constexpr std::uint64_t kFractionOfNanosecond = 18'446'744'073;  // 2^64 / 10^9
      const guest::Bintime exact{time.tv_sec,
                                 static_cast<std::uint64_t>(time.tv_nsec) * kFractionOfNanosecond};
      put(guest::kSolSocket, guest::kScmBintime, bytes_of(exact));
    }
    if (clock == TimestampClock::nanoseconds) put(guest::kSolSocket, guest::kScmRealtime, bytes_of(time));
    if (clock == TimestampClock::microseconds) {
      const timeval coarse{time.tv_sec, time.tv_nsec / 1000};
      put(guest::kSolSocket, guest::kScmTimestamp, bytes_of(coarse));
    }
    if (clock == TimestampClock::monotonic) {
      constexpr std::int64_t kSecond = 1'000'000'000;
      const std::int64_t since = time.tv_sec * kSecond + time.tv_nsec - times.realtime_ahead;
      const timespec up{since / kSecond, since % kSecond};
      put(guest::kSolSocket, guest::kScmMonotonic, bytes_of(up));
    }
  }

  void socket_level(const Message& m) noexcept {
    switch (m.type) {
      case SCM_RIGHTS:
        return rights(m.data);
      case SCM_CREDENTIALS:
        return credentials(m.data);
      case SO_TIMESTAMP:
        return put(guest::kSolSocket, guest::kScmTimestamp, m.data);
      case SO_TIMESTAMPNS:
        return timestamp(m.data);
      default:
        return;
    }
  }

  void ip_level(const Message& m) noexcept {
    switch (m.type) {
      case IP_ORIGDSTADDR:  // asked for by IP_RECVDSTADDR
        if (m.data.size() < sizeof(sockaddr_in)) return;
        return put(guest::kIpprotoIp, guest::kIpRecvDstAddr,
                   m.data.subspan(offsetof(sockaddr_in, sin_addr), sizeof(in_addr)));
      case IP_PKTINFO: {  // asked for by IP_RECVIF
        in_pktinfo info;
        if (m.data.size() < sizeof info) return;
        std::memcpy(&info, m.data.data(), sizeof info);
        guest::SockaddrDlHead link{};
        link.sdl_len = sizeof link;
        link.sdl_family = guest::kAfLink;
        link.sdl_index = static_cast<std::uint16_t>(info.ipi_ifindex);
        return put(guest::kIpprotoIp, guest::kIpRecvIf, bytes_of(link));
      }
      case IP_TTL:  // an int natively, a byte on FreeBSD; little-endian, so the first byte is the value
      case IP_TOS:
        if (m.data.empty()) return;
        return put(guest::kIpprotoIp, m.type == IP_TTL ? guest::kIpRecvTtl : guest::kIpRecvTos,
                   m.data.first(1));
      default:
        return;
    }
  }

  void ipv6_level(const Message& m) noexcept {
    switch (m.type) {
      case IPV6_PKTINFO:
        return put(guest::kIpprotoIpv6, guest::kIpv6Pktinfo, m.data);
      case IPV6_HOPLIMIT:
        return put(guest::kIpprotoIpv6, guest::kIpv6Hoplimit, m.data);
      case IPV6_TCLASS:
        return put(guest::kIpprotoIpv6, guest::kIpv6Tclass, m.data);
      case kNativeIpv6OrigDstAddr: {
        const GuestAddress address = sockaddr_to_guest(m.data);
        return put(guest::kIpprotoIpv6, guest::kIpv6OrigDstAddr, {address.bytes.data(), address.size});
      }
      default:
        return;
    }
  }
};

}  // namespace

NativeResult control_to_native(std::span<const std::byte> guest, std::span<std::byte> native,
                               const SenderIds& sender) noexcept {
  if (guest.size() > guest::kMaxSendControl) return -EINVAL;
  Writer out(native);
  Message m;
  for (;;) {
    const Step step = next_guest(guest, m);
    if (step == Step::end) return static_cast<NativeResult>(out.size());
    if (step == Step::malformed) return -EINVAL;
    bool sent = false;
    switch (m.level) {
      case guest::kSolSocket:
        sent = send_socket_level(m, sender, out);
        break;
      case guest::kIpprotoIp:
        sent = send_ip_level(m, out);
        break;
      case guest::kIpprotoIpv6:
        sent = send_ipv6_level(m, out);
        break;
      default:
        break;
    }
    if (!sent) return -EINVAL;
  }
}

ReceivedControl control_to_guest(std::span<const std::byte> native, std::span<std::byte> guest,
                                 CredentialForm form, std::span<int> dropped,
                                 const TimestampForm& times) noexcept {
  Receiver receiver{Writer(guest), form, dropped, times, {}};
  Message m;
  while (next_native(native, m) == Step::message) {
    switch (m.level) {
      case SOL_SOCKET:
        receiver.socket_level(m);
        break;
      case IPPROTO_IP:
        receiver.ip_level(m);
        break;
      case IPPROTO_IPV6:
        receiver.ipv6_level(m);
        break;
      default:
        break;
    }
  }
  receiver.result.size = receiver.out.size();
  return receiver.result;
}

bool sends_credentials(std::span<const std::byte> guest) noexcept {
  Message m;
  while (next_guest(guest, m) == Step::message) {
    if (m.level == guest::kSolSocket && m.type == guest::kScmCreds) return true;
  }
  return false;
}

bool carries(std::span<const std::byte> native, int type) noexcept {
  Message m;
  while (next_native(native, m) == Step::message) {
    if (m.level == SOL_SOCKET && m.type == type) return true;
  }
  return false;
}

}  // namespace sudrun::abi::bsd

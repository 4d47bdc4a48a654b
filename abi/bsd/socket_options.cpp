// setsockopt and getsockopt. Option numbers come from the table; what the values look like is decided here.
//
// Sources: FreeBSD 15.0 sys/kern/uipc_socket.c (sosetopt, sogetopt), sys/kern/uipc_usrreq.c (uipc_ctloutput),
// sys/netinet/ip_output.c, in_mcast.c, sys/netinet6/ip6_output.c, sys/netinet/tcp_usrreq.c, tcp_fsm.h,
// sys/netinet/icmp6.h; Linux socket(7), ip(7), ipv6(7), tcp(7), unix(7), linux/icmpv6.h.
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <limits>

#include "abi/bsd/socket_calls.hpp"
#include "abi/bsd/socket_values.hpp"
#include "abi/bsd/sockets_layout.hpp"

namespace sudrun::abi::bsd {
namespace {

/// How an option's value differs between the systems.
enum class Shape : std::uint8_t {
  plain,  ///< the same bytes
  flag,   ///< int; FreeBSD reads back the option's own bit
  linger,
  buffer_size,  ///< int; Linux reads back twice what was set
  timeout,
  error,   ///< an errno
  domain,  ///< an address family
  mreq_source,
  group,
  group_source,
  dont_fragment,  ///< a switch on FreeBSD, a policy on Linux
  tcp_info,
  icmp6_filter,  ///< pass bits on FreeBSD, block bits on Linux
  peer_credentials,
  want_credentials,
  timestamps,
  listen_queue,    ///< what a listener has waiting
  without_effect,  ///< accepted, reads back 0
};

struct Option {
  int error = 0;  ///< native errno: nothing else is valid
  Shape shape = Shape::plain;
  int level = 0, name = 0;  ///< native
  int guest_name = 0;
};

constexpr Option failure(int error) noexcept { return {error, Shape::plain, 0, 0, 0}; }

// Hints and tunings that change nothing a program could observe here; refusing them would only stop programs.
// Options that promise a behaviour Linux has not (SO_RERROR, TCP_KEEPINIT…) are refused.
constexpr int kSocketHints[] = {0x40 /* SO_USELOOPBACK */, 0x4000 /* SO_NO_OFFLOAD */, 0x8000 /* SO_NO_DDP */,
                                0x1015 /* SO_USER_COOKIE */};
constexpr int kIpHints[] = {19 /* IP_PORTRANGE */, 75 /* IP_VLAN_PCP */};
constexpr int kIpv6Hints[] = {14 /* IPV6_PORTRANGE */, 42 /* IPV6_USE_MIN_MTU */, 59 /* IPV6_AUTOFLOWLABEL */,
                              63 /* IPV6_PREFER_TEMPADDR */};
constexpr int kTcpHints[] = {72 /* TCP_DELACK */};

Option from_table(const FlagSet& set, int level, int guest_name, std::span<const int> hints) noexcept {
  const auto name = set.to_native(static_cast<std::uint32_t>(guest_name));
  if (name) return {0, Shape::plain, level, static_cast<int>(*name), guest_name};
  if (std::find(hints.begin(), hints.end(), guest_name) == hints.end()) return failure(ENOPROTOOPT);
  return {0, Shape::without_effect, level, 0, guest_name};
}

Option socket_level(const Vocabulary& words, int guest_name) noexcept {
  // SO_NOFCS means something to packet sockets only, stays with the socket through dup, fork and passing, and
  // so is where SO_NOSIGPIPE is kept; socket_messages.cpp acts on it.
  if (guest_name == guest::kSoNosigpipe) return {0, Shape::flag, SOL_SOCKET, SO_NOFCS, guest_name};
  if (guest_name >= guest::kSoListenQlimit && guest_name <= guest::kSoListenIncqlen)
    return {0, Shape::listen_queue, SOL_SOCKET, SO_ACCEPTCONN, guest_name};
  if (guest_name == guest::kSoTimestamp || guest_name == guest::kSoBintime || guest_name == guest::kSoTsClock)
    return {0, Shape::timestamps, SOL_SOCKET, SO_TIMESTAMPING, guest_name};
  if (guest_name == guest::kSoAcceptFilter) return failure(ENOENT);  // as a kernel without filter modules
  Option option = from_table(words.sockopt_socket, SOL_SOCKET, guest_name, kSocketHints);
  if (option.error != 0 || option.shape == Shape::without_effect) return option;
  switch (option.name) {
    case SO_LINGER:
      option.shape = Shape::linger;
      break;
    case SO_SNDBUF:
    case SO_RCVBUF:
      option.shape = Shape::buffer_size;
      break;
    case SO_SNDTIMEO:
    case SO_RCVTIMEO:
      option.shape = Shape::timeout;
      break;
    case SO_ERROR:
      option.shape = Shape::error;
      break;
    case SO_DOMAIN:
      option.shape = Shape::domain;
      break;
    case SO_DEBUG:
    case SO_ACCEPTCONN:
    case SO_REUSEADDR:
    case SO_KEEPALIVE:
    case SO_DONTROUTE:
    case SO_BROADCAST:
    case SO_OOBINLINE:
    case SO_REUSEPORT:
      option.shape = Shape::flag;
      break;
    default:
      break;
  }
  return option;
}

Shape group_shape(int native_name) noexcept {
  switch (native_name) {
    case MCAST_JOIN_GROUP:
    case MCAST_LEAVE_GROUP:
      return Shape::group;
    case MCAST_JOIN_SOURCE_GROUP:
    case MCAST_LEAVE_SOURCE_GROUP:
    case MCAST_BLOCK_SOURCE:
    case MCAST_UNBLOCK_SOURCE:
      return Shape::group_source;
    default:
      return Shape::plain;
  }
}

Option ip_level(const Vocabulary& words, int guest_name) noexcept {
  switch (guest_name) {
    // Two control messages natively, so that a receiver gets exactly those it asked for.
    case guest::kIpRecvDstAddrOption:
      return {0, Shape::plain, IPPROTO_IP, IP_RECVORIGDSTADDR, guest_name};
    case guest::kIpRecvIfOption:
      return {0, Shape::plain, IPPROTO_IP, IP_PKTINFO, guest_name};
    case guest::kIpDontfrag:
      return {0, Shape::dont_fragment, IPPROTO_IP, IP_MTU_DISCOVER, guest_name};
    case guest::kIpOrigDstAddr:  // its native message is taken by IP_RECVDSTADDR
    case guest::kIpMsfilter:
      return failure(ENOPROTOOPT);
    default:
      break;
  }
  Option option = from_table(words.sockopt_ip, IPPROTO_IP, guest_name, kIpHints);
  if (option.error != 0 || option.shape == Shape::without_effect) return option;
  switch (option.name) {
    case IP_ADD_SOURCE_MEMBERSHIP:
    case IP_DROP_SOURCE_MEMBERSHIP:
    case IP_BLOCK_SOURCE:
    case IP_UNBLOCK_SOURCE:
      option.shape = Shape::mreq_source;
      break;
    default:
      option.shape = group_shape(option.name);
      break;
  }
  return option;
}

Option ipv6_level(const Vocabulary& words, int guest_name) noexcept {
  if (guest_name == guest::kIpv6Pathmtu || guest_name == guest::kIpv6Nexthop) return failure(ENOPROTOOPT);
  Option option = from_table(words.sockopt_ipv6, IPPROTO_IPV6, guest_name, kIpv6Hints);
  if (option.error == 0 && option.shape == Shape::plain) option.shape = group_shape(option.name);
  return option;
}

Option tcp_level(const Vocabulary& words, int guest_name) noexcept {
  Option option = from_table(words.sockopt_tcp, IPPROTO_TCP, guest_name, kTcpHints);
  if (option.error == 0 && option.name == TCP_INFO) option.shape = Shape::tcp_info;
  return option;
}

Option local_level(int guest_name) noexcept {
  switch (guest_name) {
    case guest::kLocalPeercred:
      return {0, Shape::peer_credentials, SOL_SOCKET, SO_PEERCRED, guest_name};
    case guest::kLocalCreds:
    case guest::kLocalCredsPersistent:
      return {0, Shape::want_credentials, SOL_SOCKET, SO_PASSCRED, guest_name};
    default:
      return failure(ENOPROTOOPT);
  }
}

Option find_option(Call& call) noexcept {
  const Vocabulary& words = self(call).vocabulary();
  const int guest_name = call.i32(2);
  const auto level = words.socket_level.to_native(call.u32(1));
  if (!level) return failure(EINVAL);
  // SOL_SOCKET shares its native number with IPPROTO_ICMP, so the guest's number decides.
  if (call.i32(1) == guest::kSolSocket) return socket_level(words, guest_name);
  switch (*level) {
    case IPPROTO_IP: {
      const NativeResult domain = socket_option(call, call.i32(0), SO_DOMAIN);
      if (is_error(domain)) return failure(static_cast<int>(-domain));
      return domain == AF_UNIX ? local_level(guest_name) : ip_level(words, guest_name);
    }
    case IPPROTO_IPV6:
      return ipv6_level(words, guest_name);
    case IPPROTO_TCP:
      return tcp_level(words, guest_name);
    case IPPROTO_ICMPV6:
      if (guest_name == guest::kIcmp6Filter)
        return {0, Shape::icmp6_filter, SOL_ICMPV6, ICMPV6_FILTER, guest_name};
      return failure(ENOPROTOOPT);
    default:
      return failure(ENOPROTOOPT);
  }
}

// --- setting --------------------------------------------------------------------------------------------

/// More than any option here needs.
constexpr std::size_t kValueRoom = 512;

NativeResult native_set(Call& call, int level, int name, const void* value, std::size_t size) noexcept {
  return call.host.call(SYS_setsockopt, call.u32(0), static_cast<Word>(level), static_cast<Word>(name),
                        host_address(value), size);
}

/// The guest's value as a T; FreeBSD refuses shorter values and ignores what is beyond.
template <typename T>
NativeResult read_value(Call& call, T& value) noexcept {
  if (call.u32(4) < sizeof value) return -EINVAL;
  return call.host.get(call.addr(3), value) ? 0 : -EFAULT;
}

Result set_plain(Call& call, const Option& option) noexcept {
  const std::uint32_t size = call.u32(4);
  if (size > kValueRoom) return Result::fail(EINVAL);
  std::array<std::byte, kValueRoom> value;
  if (size != 0 && !call.host.read(call.addr(3), value.data(), size)) return Result::fail(EFAULT);
  return Result::of(native_set(call, option.level, option.name, value.data(), size));
}

/// Linux knows SO_REUSEPORT for IP only. FreeBSD takes it for every socket, where it changes nothing for
/// others.
Result set_flag(Call& call, const Option& option) noexcept {
  const Result result = set_plain(call, option);
  return option.name == SO_REUSEPORT && result.is_native_error(EOPNOTSUPP) ? Result::ok() : result;
}

Result set_linger(Call& call, const Option& option) noexcept {
  linger value;
  const NativeResult error = read_value(call, value);
  if (is_error(error)) return Result::of(error);
  if (value.l_linger < 0 || value.l_linger > std::numeric_limits<std::uint16_t>::max())
    return Result::fail(EDOM);
  return Result::of(native_set(call, option.level, option.name, &value, sizeof value));
}

Result set_buffer_size(Call& call, const Option& option) noexcept {
  int value = 0;
  const NativeResult error = read_value(call, value);
  if (is_error(error)) return Result::of(error);
  if (value < 1) return Result::fail(EINVAL);
  return Result::of(native_set(call, option.level, option.name, &value, sizeof value));
}

Result set_timeout(Call& call, const Option& option) noexcept {
  timeval value;  // the same layout
  const NativeResult error = read_value(call, value);
  if (is_error(error)) return Result::of(error);
  if (value.tv_sec < 0 || value.tv_usec < 0 || value.tv_usec >= 1'000'000) return Result::fail(EDOM);
  return Result::of(native_set(call, option.level, option.name, &value, sizeof value));
}

Result set_mreq_source(Call& call, const Option& option) noexcept {
  guest::IpMreqSource value;
  const NativeResult error = read_value(call, value);
  if (is_error(error)) return Result::of(error);
  ip_mreq_source native{};
  native.imr_multiaddr.s_addr = value.imr_multiaddr;
  native.imr_sourceaddr.s_addr = value.imr_sourceaddr;
  native.imr_interface.s_addr = value.imr_interface;
  return Result::of(native_set(call, option.level, option.name, &native, sizeof native));
}

Result set_group(Call& call, const Option& option, std::size_t size) noexcept {
  std::array<std::byte, guest::kGroupSourceReqSize> value{};
  if (call.u32(4) != size) return Result::fail(EINVAL);
  if (!call.host.read(call.addr(3), value.data(), size)) return Result::fail(EFAULT);
  const NativeResult error = group_request_to_native(std::span(value).first(size));
  if (is_error(error)) return Result::of(error);
  return Result::of(native_set(call, option.level, option.name, value.data(), size));
}

Result set_dont_fragment(Call& call, const Option& option) noexcept {
  int value = 0;
  const NativeResult error = read_value(call, value);
  if (is_error(error)) return Result::of(error);
  const int policy = value != 0 ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;
  return Result::of(native_set(call, option.level, option.name, &policy, sizeof policy));
}

Result set_icmp6_filter(Call& call, const Option& option) noexcept {
  std::array<std::uint32_t, 8> filter;
  const NativeResult error = read_value(call, filter);
  if (is_error(error)) return Result::of(error);
  for (std::uint32_t& word : filter) word = ~word;
  return Result::of(native_set(call, option.level, option.name, &filter, sizeof filter));
}

/// SO_WIFI_STATUS has no meaning for local sockets; it marks LOCAL_CREDS, whose messages have another form
/// and, on streams, come once.
Result set_want_credentials(Call& call, const Option& option) noexcept {
  int value = 0;
  const NativeResult error = read_value(call, value);
  if (is_error(error)) return Result::of(error);
  const int once = option.guest_name == guest::kLocalCreds;
  const NativeResult wanted = socket_option(call, call.i32(0), SO_PASSCRED);
  const NativeResult marked = socket_option(call, call.i32(0), SO_WIFI_STATUS);
  if (is_error(wanted)) return Result::of(wanted);
  if (wanted != 0 && marked != once) return value != 0 ? Result::fail(EINVAL) : Result::ok();
  const int on = value != 0, mark = on & once;
  const NativeResult result = native_set(call, SOL_SOCKET, SO_WIFI_STATUS, &mark, sizeof mark);
  return Result::of(is_error(result) ? result : native_set(call, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
}

// --- getting --------------------------------------------------------------------------------------------

/// Where getsockopt's value goes.
struct Output {
  Call& call;
  std::uint32_t room = 0;

  /// Reads the room there is; false on EFAULT.
  bool prepare() noexcept { return is_null(call.addr(3)) || call.host.get(call.addr(4), room); }
  /// Writes what fits of the value, and how much that was.
  Result put(const void* value, std::size_t size) noexcept {
    const auto written = static_cast<std::uint32_t>(std::min<std::size_t>(room, size));
    if (written != 0 && !call.host.write(call.addr(3), value, written)) return Result::fail(EFAULT);
    return call.host.put(call.addr(4), written) ? Result::ok() : Result::fail(EFAULT);
  }
  Result put_int(int value) noexcept { return put(&value, sizeof value); }
};

NativeResult native_get(Call& call, int level, int name, void* value, socklen_t& size) noexcept {
  return call.host.call(SYS_getsockopt, call.u32(0), static_cast<Word>(level), static_cast<Word>(name),
                        host_address(value), host_address(&size));
}

Result get_plain(Call& call, const Option& option, Output& output) noexcept {
  std::array<std::byte, kValueRoom> value{};
  socklen_t size = static_cast<socklen_t>(std::min<std::size_t>(output.room, value.size()));
  const NativeResult result = native_get(call, option.level, option.name, value.data(), size);
  return is_error(result) ? Result::of(result)
                          : output.put(value.data(), std::min<std::size_t>(size, value.size()));
}

Result get_int(Call& call, const Option& option, Output& output) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  const NativeResult result = native_get(call, option.level, option.name, &value, size);
  if (is_error(result)) return Result::of(result);
  switch (option.shape) {
    case Shape::flag:
      return output.put_int(value != 0 ? option.guest_name : 0);
    case Shape::buffer_size:
      return output.put_int(value / 2);
    case Shape::error:
      return output.put_int(value == 0 ? 0 : call.table.errno_to_guest(value));
    case Shape::domain:
      return output.put_int(static_cast<int>(
          self(call).vocabulary().socket_domain.to_guest(static_cast<std::uint64_t>(value))));
    case Shape::dont_fragment:
      return output.put_int(value == IP_PMTUDISC_DO);
    default:
      return output.put_int(value);
  }
}

Result get_linger(Call& call, const Option& option, Output& output) noexcept {
  linger value{};
  socklen_t size = sizeof value;
  const NativeResult result = native_get(call, option.level, option.name, &value, size);
  if (is_error(result)) return Result::of(result);
  if (value.l_onoff != 0) value.l_onoff = option.guest_name;
  return output.put(&value, sizeof value);
}

Result get_tcp_info(Call& call, const Option& option, Output& output) noexcept {
  tcp_info native{};
  socklen_t size = sizeof native;
  const NativeResult result = native_get(call, option.level, option.name, &native, size);
  if (is_error(result)) return Result::of(result);
  const guest::TcpInfo info = tcp_info_to_guest(native);
  return output.put(&info, sizeof info);
}

Result get_icmp6_filter(Call& call, const Option& option, Output& output) noexcept {
  std::array<std::uint32_t, 8> filter{};
  socklen_t size = sizeof filter;
  const NativeResult result = native_get(call, option.level, option.name, &filter, size);
  if (is_error(result)) return Result::of(result);
  for (std::uint32_t& word : filter) word = ~word;
  return output.put(&filter, sizeof filter);
}

Result get_peer_credentials(Call& call, Output& output) noexcept {
  ucred peer{};
  socklen_t size = sizeof peer;
  const NativeResult result = native_get(call, SOL_SOCKET, SO_PEERCRED, &peer, size);
  if (is_error(result)) return Result::of(result);
  if (peer.pid == 0 && peer.uid == std::numeric_limits<uid_t>::max()) {
    return Result::fail(socket_option(call, call.i32(0), SO_TYPE) == SOCK_STREAM ? ENOTCONN : EINVAL);
  }
  std::array<gid_t, 256> groups{};
  size = sizeof groups;
  const NativeResult more = native_get(call, SOL_SOCKET, SO_PEERGROUPS, groups.data(), size);
  const std::size_t count = is_error(more) ? 0 : std::min(size / sizeof(gid_t), groups.size());
  const guest::Xucred credentials =
      make_xucred(peer.pid, peer.uid, peer.gid, std::span<const std::uint32_t>(groups).first(count));
  return output.put(&credentials, sizeof credentials);
}

Result get_listen_queue(Call& call, const Option& option, Output& output) noexcept {
  const NativeResult listens = socket_option(call, call.i32(0), SO_ACCEPTCONN);
  if (is_error(listens)) return Result::of(listens);
  tcp_info info{};
  socklen_t size = sizeof info;
  const bool known = listens == 1 && !is_error(native_get(call, IPPROTO_TCP, TCP_INFO, &info, size));
  if (!known) return output.put_int(0);
  // For a listening socket Linux counts what waits, and its limit, in these two.
  if (option.guest_name == guest::kSoListenQlimit) return output.put_int(static_cast<int>(info.tcpi_sacked));
  return output.put_int(option.guest_name == guest::kSoListenQlen ? static_cast<int>(info.tcpi_unacked) : 0);
}

Result get_want_credentials(Call& call, const Option& option, Output& output) noexcept {
  const NativeResult wanted = socket_option(call, call.i32(0), SO_PASSCRED);
  if (is_error(wanted)) return Result::of(wanted);
  const bool once = socket_option(call, call.i32(0), SO_WIFI_STATUS) == 1;
  return output.put_int(wanted != 0 && once == (option.guest_name == guest::kLocalCreds));
}

}  // namespace

Result setsockopt_call(Call& call) noexcept {
  if (call.host.is_hidden(call.i32(0))) return Result::fail(EBADF);
  if (call.i32(4) < 0) return Result::fail(EINVAL);
  if (is_null(call.addr(3)) && call.u32(4) != 0) return Result::fail(EFAULT);
  const Option option = find_option(call);
  if (option.error != 0) return Result::fail(option.error);
  // write(2) raises the signal natively; left at its default it would kill before it could be taken back.
  if (option.guest_name == guest::kSoNosigpipe && option.name == SO_NOFCS) call.host.watch_signal(SIGPIPE);
  switch (option.shape) {
    case Shape::plain:
      return set_plain(call, option);
    case Shape::flag:
      return set_flag(call, option);
    case Shape::linger:
      return set_linger(call, option);
    case Shape::buffer_size:
      return set_buffer_size(call, option);
    case Shape::timeout:
      return set_timeout(call, option);
    case Shape::mreq_source:
      return set_mreq_source(call, option);
    case Shape::group:
      return set_group(call, option, guest::kGroupReqSize);
    case Shape::group_source:
      return set_group(call, option, guest::kGroupSourceReqSize);
    case Shape::dont_fragment:
      return set_dont_fragment(call, option);
    case Shape::icmp6_filter:
      return set_icmp6_filter(call, option);
    case Shape::want_credentials:
      return set_want_credentials(call, option);
    case Shape::timestamps:
      return set_timestamps(call, option.guest_name);
    case Shape::error:
    case Shape::domain:
    case Shape::tcp_info:
    case Shape::peer_credentials:
    case Shape::listen_queue:
      return Result::fail(ENOPROTOOPT);
    case Shape::without_effect: {
      const NativeResult type = socket_option(call, call.i32(0), SO_TYPE);  // EBADF, ENOTSOCK
      return is_error(type) ? Result::of(type) : Result::ok();
    }
  }
  return Result::fail(ENOPROTOOPT);
}

Result getsockopt_call(Call& call) noexcept {
  if (call.host.is_hidden(call.i32(0))) return Result::fail(EBADF);
  Output output{call};
  if (!output.prepare()) return Result::fail(EFAULT);
  if (static_cast<std::int32_t>(output.room) < 0) return Result::fail(EINVAL);
  const Option option = find_option(call);
  if (option.error != 0) return Result::fail(option.error);
  switch (option.shape) {
    case Shape::plain:
    case Shape::timeout:
      return get_plain(call, option, output);
    case Shape::flag:
    case Shape::buffer_size:
    case Shape::error:
    case Shape::domain:
    case Shape::dont_fragment:
      return get_int(call, option, output);
    case Shape::linger:
      return get_linger(call, option, output);
    case Shape::tcp_info:
      return get_tcp_info(call, option, output);
    case Shape::icmp6_filter:
      return get_icmp6_filter(call, option, output);
    case Shape::peer_credentials:
      return get_peer_credentials(call, output);
    case Shape::listen_queue:
      return get_listen_queue(call, option, output);
    case Shape::want_credentials:
      return get_want_credentials(call, option, output);
    case Shape::timestamps: {
      const NativeResult value = get_timestamps(call, option.guest_name);
      return is_error(value) ? Result::of(value) : output.put_int(static_cast<int>(value));
    }
    case Shape::mreq_source:
    case Shape::group:
    case Shape::group_source:
      return Result::fail(ENOPROTOOPT);
    case Shape::without_effect: {
      const NativeResult type = socket_option(call, call.i32(0), SO_TYPE);
      return is_error(type) ? Result::of(type) : output.put_int(0);
    }
  }
  return Result::fail(ENOPROTOOPT);
}

}  // namespace sudrun::abi::bsd

// Sources: FreeBSD 15.0 sys/netinet/in.h (group_req), sys/netinet/tcp.h (tcp_info), sys/netinet/tcp_fsm.h,
// sys/sys/ucred.h (xucred); Linux netinet/tcp.h.
#include "abi/bsd/socket_values.hpp"

#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "abi/bsd/sockaddr.hpp"

namespace sudrun::abi::bsd {
namespace {

/// Linux numbers TCP's states by its own order, FreeBSD by the order of RFC 793's diagram.
std::uint8_t tcp_state_to_guest(std::uint8_t state) noexcept {
  switch (state) {
    case TCP_LISTEN:
      return 1;
    case TCP_SYN_SENT:
      return 2;
    case TCP_SYN_RECV:
      return 3;
    case TCP_ESTABLISHED:
      return 4;
    case TCP_CLOSE_WAIT:
      return 5;
    case TCP_FIN_WAIT1:
      return 6;
    case TCP_CLOSING:
      return 7;
    case TCP_LAST_ACK:
      return 8;
    case TCP_FIN_WAIT2:
      return 9;
    case TCP_TIME_WAIT:
      return 10;
    default:
      return 0;  // closed
  }
}

/// Windows are counted in segments on Linux, in bytes on FreeBSD.
std::uint32_t bytes_of_segments(std::uint32_t segments, std::uint32_t segment_size) noexcept {
  const std::uint64_t bytes = std::uint64_t{segments} * segment_size;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(bytes, std::numeric_limits<std::uint32_t>::max()));
}

NativeResult convert_storage(std::span<std::byte> storage) noexcept {
  std::size_t size = 0;
  switch (std::to_integer<std::uint8_t>(storage[1])) {
    case guest::kAfInet:
      size = sizeof(guest::SockaddrIn);
      break;
    case guest::kAfInet6:
      size = sizeof(guest::SockaddrIn6);
      break;
    default:
      return -EAFNOSUPPORT;
  }
  NativeAddress native;
  const NativeResult result = sockaddr_to_native(storage.first(size), native);
  if (is_error(result)) return result;
  std::fill(storage.begin(), storage.end(), std::byte{0});
  std::memcpy(storage.data(), native.bytes.data(), native.size);
  return 0;
}

}  // namespace

NativeResult group_request_to_native(std::span<std::byte> request) noexcept {
  if (request.size() != guest::kGroupReqSize && request.size() != guest::kGroupSourceReqSize) return -EINVAL;
  for (std::size_t at = guest::kGroupReqAddress; at < request.size(); at += guest::kSockaddrStorageSize) {
    const NativeResult result = convert_storage(request.subspan(at, guest::kSockaddrStorageSize));
    if (is_error(result)) return result;
  }
  return 0;
}

guest::TcpInfo tcp_info_to_guest(const ::tcp_info& native) noexcept {
  constexpr std::uint8_t kKnownOptions = TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE | TCPI_OPT_ECN;
  guest::TcpInfo info{};
  info.tcpi_state = tcp_state_to_guest(native.tcpi_state);
  info.tcpi_options = native.tcpi_options & kKnownOptions;
  info.tcpi_wscale = static_cast<std::uint8_t>(native.tcpi_snd_wscale | native.tcpi_rcv_wscale << 4);
  info.tcpi_rto = native.tcpi_rto;
  info.tcpi_snd_mss = native.tcpi_snd_mss;
  info.tcpi_rcv_mss = native.tcpi_rcv_mss;
  info.tcpi_last_data_recv = native.tcpi_last_data_recv * 1000;  // milliseconds to microseconds
  info.tcpi_rtt = native.tcpi_rtt;
  info.tcpi_rttvar = native.tcpi_rttvar;
  info.tcpi_snd_ssthresh = bytes_of_segments(native.tcpi_snd_ssthresh, native.tcpi_snd_mss);
  info.tcpi_snd_cwnd = bytes_of_segments(native.tcpi_snd_cwnd, native.tcpi_snd_mss);
  info.tcpi_rcv_space = native.tcpi_rcv_space;
  info.tcpi_snd_rexmitpack = native.tcpi_total_retrans;
  return info;
}

guest::Xucred make_xucred(std::int32_t pid, std::uint32_t uid, std::uint32_t gid,
                          std::span<const std::uint32_t> groups) noexcept {
  guest::Xucred credentials{};
  credentials.cr_uid = uid;
  credentials.cr_groups[0] = gid;  // the effective group comes first and is counted
  std::size_t count = 1;
  for (const std::uint32_t group : groups) {
    if (count == credentials.cr_groups.size()) break;
    credentials.cr_groups[count++] = group;
  }
  credentials.cr_ngroups = static_cast<std::int16_t>(count);
  credentials.cr_pid = pid;
  return credentials;
}

}  // namespace sudrun::abi::bsd

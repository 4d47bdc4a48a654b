// net.routetable: interfaces, their addresses and the routing table as FreeBSD's routing messages, from the
// host's rtnetlink. This is what getifaddrs(3), if_nametoindex(3) and Go's net package ask.
//
// Facts: FreeBSD 15.0 sys/net/rtsock.c (order of messages and addresses), sys/net/if.h, sys/net/route.h,
// sys/net/if_types.h; rtnetlink(7).
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "abi/bsd/host_file.hpp"
#include "abi/bsd/interfaces.hpp"
#include "abi/bsd/route_dragonfly.hpp"
#include "abi/bsd/sysctl_layout.hpp"
#include "abi/bsd/sysctl_tree.hpp"

namespace sudrun::abi::bsd {

namespace {

/// One dump request over a netlink socket of its own.
class NetlinkDump {
 public:
  explicit NetlinkDump(Host& host) noexcept : host_(host) {}
  ~NetlinkDump() {
    if (fd_ >= 0) host_.call(SYS_close, static_cast<Word>(fd_));
  }
  NetlinkDump(const NetlinkDump&) = delete;
  NetlinkDump& operator=(const NetlinkDump&) = delete;

  /// Calls visit(const nlmsghdr*) for every message. 0 or an errno.
  template <typename Visit>
  int run(std::uint16_t type, std::uint8_t family, Visit visit) noexcept {
    if (fd_ < 0) {
      const NativeResult fd = host_.call(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
      if (is_error(fd)) return static_cast<int>(-fd);
      fd_ = static_cast<int>(fd);
    }
    struct {
      nlmsghdr header;
      rtgenmsg body;
    } request{};
    request.header.nlmsg_len = NLMSG_LENGTH(sizeof(rtgenmsg));
    request.header.nlmsg_type = type;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.body.rtgen_family = family;
    const NativeResult sent = host_.call(SYS_sendto, static_cast<Word>(fd_), reinterpret_cast<Word>(&request),
                                         request.header.nlmsg_len, 0, 0, 0);
    if (is_error(sent)) return static_cast<int>(-sent);
    for (;;) {
      const NativeResult got = host_.call(SYS_recvfrom, static_cast<Word>(fd_),
                                          reinterpret_cast<Word>(buffer_), sizeof buffer_, 0, 0, 0);
      if (is_error(got)) return static_cast<int>(-got);
      auto left = static_cast<std::uint32_t>(got);
      if (left == 0) return EIO;
      for (const auto* m = reinterpret_cast<const nlmsghdr*>(buffer_);
           left >= sizeof *m && m->nlmsg_len >= sizeof *m && m->nlmsg_len <= left;) {
        if (m->nlmsg_type == NLMSG_DONE) return 0;
        if (m->nlmsg_type == NLMSG_ERROR) return EIO;
        if (const int error = visit(m); error != 0) return error;
        const std::uint32_t step = std::min<std::uint32_t>(NLMSG_ALIGN(m->nlmsg_len), left);
        left -= step;
        m = reinterpret_cast<const nlmsghdr*>(reinterpret_cast<const char*>(m) + step);
      }
    }
  }

 private:
  Host& host_;
  int fd_ = -1;
  alignas(8) char buffer_[16384];
};

/// The attributes of a message, by type.
template <std::size_t N>
std::array<const rtattr*, N> attributes(const nlmsghdr* message, std::size_t header) noexcept {
  std::array<const rtattr*, N> found{};
  const auto* start = static_cast<const char*>(NLMSG_DATA(message)) + NLMSG_ALIGN(header);
  auto left =
      static_cast<std::ptrdiff_t>(message->nlmsg_len) - (start - reinterpret_cast<const char*>(message));
  while (left >= static_cast<std::ptrdiff_t>(sizeof(rtattr))) {
    const auto* a = reinterpret_cast<const rtattr*>(start);
    if (a->rta_len < sizeof(rtattr) || a->rta_len > left) break;
    if (a->rta_type < N) found[a->rta_type] = a;
    start += RTA_ALIGN(a->rta_len);
    left -= static_cast<std::ptrdiff_t>(RTA_ALIGN(a->rta_len));
  }
  return found;
}

std::span<const char> data_of(const rtattr* a) noexcept {
  if (a == nullptr) return {};
  return {static_cast<const char*>(RTA_DATA(a)), static_cast<std::size_t>(RTA_PAYLOAD(a))};
}
std::uint32_t u32_of(const rtattr* a) noexcept {
  std::uint32_t value = 0;
  const auto data = data_of(a);
  if (data.size() >= sizeof value) std::memcpy(&value, data.data(), sizeof value);
  return value;
}

/// Numbers of a system's messages, by the structures they begin with.
template <typename Header>
struct Protocol {
  static constexpr std::uint8_t version = kRtVersion, inet6 = kAfInet6, interface = kRtmIfInfo,
                                address = kRtmNewAddr;
};
struct NetBsdProtocol {
  static constexpr std::uint8_t version = 4, inet6 = 24, interface = 0x14, address = 0x16;
};
template <>
struct Protocol<NetBsdIfMsghdr> : NetBsdProtocol {};
template <>
struct Protocol<NetBsdIfaMsghdr> : NetBsdProtocol {};
template <>
struct Protocol<NetBsdRtMsghdr> : NetBsdProtocol {};
template <>
struct Protocol<NetBsdIfaMsghdr70> : NetBsdProtocol {
  static constexpr std::uint8_t address = 0xc;  // RTM_ONEWADDR
};

/// One message with its addresses, built in place and appended as a whole.
template <typename Header>
struct Message {
  Header header{};
  alignas(8) char addresses[6 * 64]{};
  std::size_t used = 0;

  template <typename Sockaddr>
  void add(std::int32_t which, const Sockaddr& address) noexcept {
    header.addrs |= which;
    std::memcpy(addresses + used, &address, sizeof address);
    if constexpr (std::is_same_v<Sockaddr, GuestSockaddrIn6>)
      addresses[used + 1] = static_cast<char>(Protocol<Header>::inet6);
    used += (sizeof address + 7) & ~std::size_t{7};
  }
  int send(SysctlOutput& out, std::uint8_t type) noexcept {
    const std::size_t length = (sizeof header + used + 7) & ~std::size_t{7};
    header.length = static_cast<std::uint16_t>(length);
    header.version = Protocol<Header>::version;
    header.type = type;
    const int error = out.append(&header, sizeof header);
    return error != 0 && error != ENOMEM ? error : out.append(addresses, length - sizeof header);
  }
};

std::uint8_t guest_type(unsigned native) noexcept {
  switch (native) {
    case ARPHRD_ETHER:
      return kIftEther;
    case ARPHRD_LOOPBACK:
      return kIftLoop;
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_IPGRE:
    case ARPHRD_NONE:
      return kIftTunnel;
    default:
      return kIftOther;
  }
}

GuestSockaddrDl link_address(int index, std::uint8_t type, std::span<const char> name,
                             std::span<const char> hardware) noexcept {
  GuestSockaddrDl dl{};
  dl.length = sizeof dl;
  dl.family = kAfLink;
  dl.index = static_cast<std::uint16_t>(index);
  dl.type = type;
  const std::size_t name_length =
      name.empty() ? 0 : std::min<std::size_t>(strnlen(name.data(), name.size()), 15);
  const std::size_t address_length = std::min<std::size_t>(hardware.size(), 20);
  if (name_length != 0) std::memcpy(dl.data, name.data(), name_length);
  if (address_length != 0) std::memcpy(dl.data + name_length, hardware.data(), address_length);
  dl.name_length = static_cast<std::uint8_t>(name_length);
  dl.address_length = static_cast<std::uint8_t>(address_length);
  return dl;
}

GuestSockaddrIn in_address(std::span<const char> bytes) noexcept {
  GuestSockaddrIn in{};
  in.length = sizeof in;
  in.family = kAfInet;
  if (!bytes.empty()) std::memcpy(in.address, bytes.data(), std::min(bytes.size(), sizeof in.address));
  return in;
}

GuestSockaddrIn6 in6_address(std::span<const char> bytes, int index) noexcept {
  GuestSockaddrIn6 in{};
  in.length = sizeof in;
  in.family = kAfInet6;
  if (!bytes.empty()) std::memcpy(in.address, bytes.data(), std::min(bytes.size(), sizeof in.address));
  if (in.address[0] == 0xfe && (in.address[1] & 0xc0) == 0x80)
    in.scope_id = static_cast<std::uint32_t>(index);
  return in;
}

struct Mask {
  char bytes[16]{};
  explicit Mask(unsigned prefix) noexcept {
    for (unsigned bit = 0; bit < prefix && bit < 128; ++bit)
      bytes[bit / 8] |= static_cast<char>(0x80 >> bit % 8);
  }
};

/// Adds an address of the message's family under `which`.
template <typename Header>
void add_address(Message<Header>& to, std::int32_t which, int family, std::span<const char> bytes,
                 int index) noexcept {
  if (family == AF_INET)
    to.add(which, in_address(bytes));
  else
    to.add(which, in6_address(bytes, index));
}

template <typename Header>
int put_interface(SysctlOutput& out, const nlmsghdr* m) noexcept {
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(m));
  const auto attribute = attributes<IFLA_MAX + 1>(m, sizeof *info);
  const auto hardware = data_of(attribute[IFLA_ADDRESS]);
  Message<Header> message;
  Header& h = message.header;
  h.flags = interface_flags(info->ifi_flags);
  h.index = static_cast<std::uint16_t>(info->ifi_index);
  h.data.type = guest_type(info->ifi_type);
  h.data.addrlen = static_cast<std::uint8_t>(info->ifi_type == ARPHRD_ETHER ? hardware.size() : 0);
  h.data.hdrlen = info->ifi_type == ARPHRD_ETHER ? 14 : 0;
  h.data.link_state = (info->ifi_flags & IFF_RUNNING) != 0 ? 2 : 1;  // LINK_STATE_UP, LINK_STATE_DOWN
  if constexpr (requires { h.data.datalen; }) h.data.datalen = sizeof(IfData);
  h.data.mtu = u32_of(attribute[IFLA_MTU]);
  if (const auto raw = data_of(attribute[IFLA_STATS64]);
      raw.size() >= offsetof(rtnl_link_stats64, rx_length_errors)) {
    rtnl_link_stats64 stats{};
    std::memcpy(&stats, raw.data(), std::min(raw.size(), sizeof stats));
    h.data.ipackets = stats.rx_packets;
    h.data.ierrors = stats.rx_errors;
    h.data.opackets = stats.tx_packets;
    h.data.oerrors = stats.tx_errors;
    h.data.collisions = stats.collisions;
    h.data.ibytes = stats.rx_bytes;
    h.data.obytes = stats.tx_bytes;
    h.data.imcasts = stats.multicast;
    h.data.iqdrops = stats.rx_dropped;
    if constexpr (requires { h.data.oqdrops; }) h.data.oqdrops = stats.tx_dropped;
  }
  if constexpr (requires { h.header_length; }) {
    h.header_length = sizeof h;
    h.data_offset = offsetof(IfMsghdrl, data);
  }
  message.add(kRtaIfp, link_address(info->ifi_index, h.data.type, data_of(attribute[IFLA_IFNAME]),
                                    info->ifi_type == ARPHRD_ETHER ? hardware : std::span<const char>()));
  return message.send(out, Protocol<Header>::interface);
}

template <typename Header>
int put_address(SysctlOutput& out, const nlmsghdr* m) noexcept {
  const auto* info = static_cast<const ifaddrmsg*>(NLMSG_DATA(m));
  const auto attribute = attributes<IFA_MAX + 1>(m, sizeof *info);
  // Where there is a peer, IFA_ADDRESS is the peer's and IFA_LOCAL ours.
  const rtattr* local = attribute[IFA_LOCAL] != nullptr ? attribute[IFA_LOCAL] : attribute[IFA_ADDRESS];
  const rtattr* peer = attribute[IFA_LOCAL] != nullptr ? attribute[IFA_ADDRESS] : nullptr;
  if (local == nullptr) return 0;
  const auto own = data_of(local);
  const auto index = static_cast<int>(info->ifa_index);
  Message<Header> message;
  message.header.index = static_cast<std::uint16_t>(info->ifa_index);
  if constexpr (requires { message.header.header_length; }) {
    message.header.header_length = sizeof(Header);
    message.header.data_offset = offsetof(IfaMsghdrl, data);
    message.header.data.datalen = sizeof(IfData);
  }
  const Mask mask(info->ifa_prefixlen);
  if (info->ifa_family == AF_INET)
    message.add(kRtaNetmask, in_address({mask.bytes, 4}));
  else
    message.add(kRtaNetmask, in6_address({mask.bytes, 16}, 0));
  add_address(message, kRtaIfa, info->ifa_family, own, index);
  const auto other = data_of(peer);
  const bool has_peer = !other.empty() && !std::ranges::equal(other, own);
  if (attribute[IFA_BROADCAST] != nullptr) {
    add_address(message, kRtaBrd, info->ifa_family, data_of(attribute[IFA_BROADCAST]), index);
  } else if (has_peer) {
    add_address(message, kRtaBrd, info->ifa_family, other, index);
  }
  return message.send(out, Protocol<Header>::address);
}

template <>
struct Protocol<DragonFlyIfMsghdr> : Protocol<IfMsghdr> {
  static constexpr std::uint8_t version = kDragonFlyRtVersion;
};
template <>
struct Protocol<DragonFlyIfaMsghdr> : Protocol<DragonFlyIfMsghdr> {};
template <>
struct Protocol<DragonFlyRtMsghdr> : Protocol<DragonFlyIfMsghdr> {};

bool family_wanted(int guest_family, int native_family) noexcept {
  switch (guest_family) {
    case 0:
      return native_family == AF_INET || native_family == AF_INET6;
    case kAfInet:
      return native_family == AF_INET;
    case kAfInet6:
      return native_family == AF_INET6;
    default:
      return false;
  }
}

/// Every interface, each followed by its addresses.
template <typename IfHeader, typename IfaHeader>
int put_interfaces(SysctlQuery& q, int family, int only_index) noexcept {
  NetlinkDump links(q.host);
  NetlinkDump addresses(q.host);
  int full = 0;
  const auto note = [&full](int error) {  // go on past the end of the buffer: the size is still wanted
    if (error == ENOMEM) full = ENOMEM;
    return error == ENOMEM ? 0 : error;
  };
  const int error = links.run(RTM_GETLINK, AF_UNSPEC, [&](const nlmsghdr* link) noexcept {
    if (link->nlmsg_type != RTM_NEWLINK) return 0;
    const int index = static_cast<const ifinfomsg*>(NLMSG_DATA(link))->ifi_index;
    if (only_index != 0 && only_index != index) return 0;
    if (const int failed = note(put_interface<IfHeader>(q.out, link)); failed != 0) return failed;
    return addresses.run(RTM_GETADDR, AF_UNSPEC, [&](const nlmsghdr* m) noexcept {
      if (m->nlmsg_type != RTM_NEWADDR) return 0;
      const auto* info = static_cast<const ifaddrmsg*>(NLMSG_DATA(m));
      if (static_cast<int>(info->ifa_index) != index || !family_wanted(family, info->ifa_family)) return 0;
      return note(put_address<IfaHeader>(q.out, m));
    });
  });
  return error != 0 ? error : full;
}

/// The main table's unicast routes.
template <typename Header>
int put_routes(SysctlQuery& q, int family) noexcept {
  NetlinkDump routes(q.host);
  int full = 0;
  const int error = routes.run(RTM_GETROUTE, AF_UNSPEC, [&](const nlmsghdr* m) noexcept {
    if (m->nlmsg_type != RTM_NEWROUTE) return 0;
    const auto* info = static_cast<const rtmsg*>(NLMSG_DATA(m));
    if (info->rtm_table != RT_TABLE_MAIN || info->rtm_type != RTN_UNICAST) return 0;
    if (!family_wanted(family, info->rtm_family)) return 0;
    const auto attribute = attributes<RTA_MAX + 1>(m, sizeof *info);
    const auto index = static_cast<int>(u32_of(attribute[RTA_OIF]));
    const bool by_gateway = attribute[RTA_GATEWAY] != nullptr;
    const bool host_route = info->rtm_dst_len == (info->rtm_family == AF_INET ? 32 : 128);
    Message<Header> message;
    message.header.index = static_cast<std::uint16_t>(index);
    message.header.flags = kRtfUp | kRtfStatic | (by_gateway ? kRtfGateway : 0) | (host_route ? kRtfHost : 0);
    add_address(message, kRtaDst, info->rtm_family, data_of(attribute[RTA_DST]), index);
    if (by_gateway)
      add_address(message, kRtaGateway, info->rtm_family, data_of(attribute[RTA_GATEWAY]), index);
    else
      message.add(kRtaGateway, link_address(index, kIftOther, {}, {}));
    if (!host_route) {
      const Mask mask(info->rtm_dst_len);
      if (info->rtm_family == AF_INET)
        message.add(kRtaNetmask, in_address({mask.bytes, 4}));
      else
        message.add(kRtaNetmask, in6_address({mask.bytes, 16}, 0));
    }
    const int sent = message.send(q.out, kRtmGet);
    if (sent == ENOMEM) full = ENOMEM;
    return sent == ENOMEM ? 0 : sent;
  });
  return error != 0 ? error : full;
}

/// Adds one multicast address and the interface that listens to it. FreeBSD's own messages also have the
/// group's link-layer address, which Linux does not tell.
int put_group(SysctlQuery& q, int family, int only_index, int index, std::string_view name, int of_family,
              std::span<const char> group) noexcept {
  if (index <= 0 || (only_index != 0 && only_index != index) || !family_wanted(family, of_family)) return 0;
  Message<IfmaMsghdr> message;
  message.header.index = static_cast<std::uint16_t>(index);
  message.add(kRtaIfp, link_address(index, kIftOther, name, {}));
  // ff01 and ff02 are bound to an interface as fe80 is.
  if (of_family == AF_INET) {
    message.add(kRtaIfa, in_address(group));
  } else {
    GuestSockaddrIn6 address = in6_address(group, index);
    if ((address.address[1] & 0xf) <= 2) address.scope_id = static_cast<std::uint32_t>(index);
    message.add(kRtaIfa, address);
  }
  return message.send(q.out, kRtmNewMaddr);
}

/// The groups of every interface, from /proc/net/igmp and /proc/net/igmp6 (proc(5)).
int put_groups(SysctlQuery& q, int family, int only_index) noexcept {
  int full = 0, index = 0;
  std::string_view device;
  const auto add = [&](int of_family, std::span<const char> group) {
    const int failed = put_group(q, family, only_index, index, device, of_family, group);
    if (failed == ENOMEM) full = ENOMEM;
    return failed == ENOMEM ? 0 : failed;
  };
  char buffer[32768];
  for (std::string_view text = read_host_file(q.host, "/proc/net/igmp", buffer); !text.empty();
       text = rest_after_line(text)) {
    // An interface's line is followed by indented ones, one group each: the address as a number in the
    // host's byte order that stands for the bytes in memory.
    const std::string_view line = text.substr(0, text.find('\n'));
    if (!line.starts_with("\t\t")) {
      index = static_cast<int>(leading_number(line, 0));
      device = field_of(line, 1);
      continue;
    }
    char group[4];
    std::uint32_t number = 0;
    const std::string_view hex = field_of(line, 0);
    if (std::from_chars(hex.data(), hex.data() + hex.size(), number, 16).ec != std::errc{}) continue;
    std::memcpy(group, &number, sizeof group);
    if (const int failed = add(AF_INET, group); failed != 0) return failed;
  }
  for (std::string_view text = read_host_file(q.host, "/proc/net/igmp6", buffer); !text.empty();
       text = rest_after_line(text)) {
    const std::string_view line = text.substr(0, text.find('\n'));
    index = static_cast<int>(leading_number(line, 0));
    device = field_of(line, 1);
    const std::string_view hex = field_of(line, 2);
    char group[16];
    bool good = hex.size() == 2 * sizeof group;
    for (std::size_t i = 0; good && i < sizeof group; ++i) {
      std::uint8_t byte = 0;
      good = std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, byte, 16).ec == std::errc{};
      group[i] = static_cast<char>(byte);
    }
    if (!good) continue;
    if (const int failed = add(AF_INET6, group); failed != 0) return failed;
  }
  return full;
}

}  // namespace

// Protocol, family, operation, argument; a processor may follow. There are fewer lists than FreeBSD has.
int sysctl_dragonfly_route(SysctlQuery& q) noexcept {
  if (q.args.size() != 4 && q.args.size() != 5) return q.args.size() < 4 ? EISDIR : ENOTDIR;
  switch (q.args[2]) {
    case kNetRtDump:
    case kNetRtFlags:
      return put_routes<DragonFlyRtMsghdr>(q, q.args[1]);
    case kNetRtIfList:
      return put_interfaces<DragonFlyIfMsghdr, DragonFlyIfaMsghdr>(q, q.args[1], q.args[3]);
    default:
      return EINVAL;
  }
}

int sysctl_route(SysctlQuery& q) noexcept {
  // protocol, family, operation, argument; a routing table number may follow.
  if (q.args.size() != 4 && q.args.size() != 5) return q.args.size() < 4 ? EISDIR : ENOTDIR;
  const int family = q.args[1];
  switch (q.args[2]) {
    case kNetRtDump:
    case kNetRtFlags:
      return put_routes<RtMsghdr>(q, family);
    case kNetRtIfList:
      return put_interfaces<IfMsghdr, IfaMsghdr>(q, family, q.args[3]);
    case kNetRtIfListl:
      return put_interfaces<IfMsghdrl, IfaMsghdrl>(q, family, q.args[3]);
    case kNetRtIfmaList:
      return put_groups(q, family, q.args[3]);
    default:
      return EINVAL;
  }
}

// family, operation, argument.
int sysctl_netbsd_route(SysctlQuery& q) noexcept {
  enum : int { kDump = 1, kFlags = 2, kOldIfList = 5, kIfList = 6 };  // NET_RT_*; 5: as NetBSD 7 has it
  if (q.args.size() != 3) return EINVAL;
  const int family = q.args[0] == Protocol<NetBsdIfMsghdr>::inet6 ? kAfInet6 : q.args[0];
  switch (q.args[1]) {
    case kDump:
    case kFlags:
      return put_routes<NetBsdRtMsghdr>(q, family);
    case kOldIfList:
      return put_interfaces<NetBsdIfMsghdr, NetBsdIfaMsghdr70>(q, family, q.args[2]);
    case kIfList:
      return put_interfaces<NetBsdIfMsghdr, NetBsdIfaMsghdr>(q, family, q.args[2]);
    default:
      return EINVAL;
  }
}

}  // namespace sudrun::abi::bsd

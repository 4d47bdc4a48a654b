// Interfaces, their addresses and the routing table as routing messages, from the host's rtnetlink. This is
// what getifaddrs(3), if_nametoindex(3) and Go's net package ask by sysctl(3).
//
// A system names the structures its messages begin with. Each says in constants of its own which version and
// type of message it is, and AF_INET6.
//
// Facts: FreeBSD 15.0 sys/net/rtsock.c (order of messages and addresses).
#pragma once

#include <algorithm>
#include <string_view>

#include <linux/if_arp.h>
#include <linux/if_link.h>

#include "abi/bsd/interfaces.hpp"
#include "abi/bsd/netlink.hpp"
#include "abi/bsd/route_layout.hpp"
#include "abi/bsd/sysctl_tree.hpp"

namespace sudrun::abi::bsd {

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
      addresses[used + 1] = static_cast<char>(Header::kInet6);
    used += (sizeof address + 7) & ~std::size_t{7};
  }
  int send(SysctlOutput& out, std::uint8_t type) noexcept {
    const std::size_t length = (sizeof header + used + 7) & ~std::size_t{7};
    header.length = static_cast<std::uint16_t>(length);
    header.version = Header::kVersion;
    header.type = type;
    const int error = out.append(&header, sizeof header);
    return error != 0 && error != ENOMEM ? error : out.append(addresses, length - sizeof header);
  }
};

inline std::uint8_t guest_type(unsigned native) noexcept {
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

inline GuestSockaddrDl link_address(int index, std::uint8_t type, std::span<const char> name,
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

inline GuestSockaddrIn in_address(std::span<const char> bytes) noexcept {
  GuestSockaddrIn in{};
  in.length = sizeof in;
  in.family = kAfInet;
  if (!bytes.empty()) std::memcpy(in.address, bytes.data(), std::min(bytes.size(), sizeof in.address));
  return in;
}

inline GuestSockaddrIn6 in6_address(std::span<const char> bytes, int index) noexcept {
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
  if constexpr (requires { h.data.datalen; }) h.data.datalen = sizeof h.data;
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
    h.data_offset = offsetof(Header, data);
  }
  message.add(kRtaIfp, link_address(info->ifi_index, h.data.type, data_of(attribute[IFLA_IFNAME]),
                                    info->ifi_type == ARPHRD_ETHER ? hardware : std::span<const char>()));
  return message.send(out, Header::kType);
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
    message.header.data_offset = offsetof(Header, data);
    message.header.data.datalen = sizeof message.header.data;
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
  return message.send(out, Header::kType);
}

inline bool family_wanted(int guest_family, int native_family) noexcept {
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

}  // namespace sudrun::abi::bsd

// net.routetable. Source: FreeBSD 15.0 sys/net/rtsock.c.
#include <cerrno>
#include <charconv>
#include <cstring>

#include "abi/bsd/host_file.hpp"
#include "abi/bsd/route_messages.hpp"
#include "abi/freebsd/route_layout.hpp"
#include "abi/freebsd/sysctl.hpp"

namespace sudrun::abi::freebsd {
namespace {

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

int route_messages(SysctlQuery& q) noexcept {
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

}  // namespace sudrun::abi::freebsd

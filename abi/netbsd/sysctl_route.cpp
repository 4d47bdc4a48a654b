// net.route. Source: NetBSD 10.1 sys/net/{if,route}.h, sys/compat/net/{if,route_70}.h.
#include <cerrno>

#include "abi/bsd/route_messages.hpp"
#include "abi/netbsd/sysctl.hpp"

namespace sudrun::abi::netbsd {
namespace {

struct IfData {  // struct if_data
  std::uint8_t type, addrlen, hdrlen, pad;
  std::int32_t link_state;
  std::uint64_t mtu, metric, baudrate;
  std::uint64_t ipackets, ierrors, opackets, oerrors, collisions, ibytes, obytes, imcasts, omcasts, iqdrops,
      noproto;
  std::int64_t lastchange[2];
};
static_assert(sizeof(IfData) == 136);

struct IfMsghdr {
  static constexpr std::uint8_t kVersion = 4, kInet6 = 24, kType = 0x14;  // RTM_IFINFO
  std::uint16_t length;
  std::uint8_t version, type;
  std::int32_t addrs, flags;
  std::uint16_t index, pad;
  IfData data;
};
static_assert(sizeof(IfMsghdr) == 152);

struct IfaMsghdr70 {  // struct ifa_msghdr70, of NetBSD 7 and before
  static constexpr std::uint8_t kVersion = 4, kInet6 = 24, kType = 0xc;  // RTM_ONEWADDR
  std::uint16_t length;
  std::uint8_t version, type;
  std::int32_t addrs, flags, metric;
  std::uint16_t index, pad0;
  std::uint32_t pad1;
};
static_assert(sizeof(IfaMsghdr70) == 24);

struct IfaMsghdr {
  static constexpr std::uint8_t kVersion = 4, kInet6 = 24, kType = 0x16;  // RTM_NEWADDR
  std::uint16_t length;
  std::uint8_t version, type;
  std::uint16_t index, pad0;
  std::int32_t flags, addrs;
  std::int32_t pid, address_flags, metric;
  std::uint32_t pad1;
};
static_assert(sizeof(IfaMsghdr) == 32 && offsetof(IfaMsghdr, metric) == 24);

struct RtMsghdr {  // struct rt_msghdr
  static constexpr std::uint8_t kVersion = 4, kInet6 = 24;
  std::uint16_t length;
  std::uint8_t version, type;
  std::uint16_t index, pad0;
  std::int32_t flags, addrs, pid, seq, error, use, inits, pad1;
  std::uint64_t metrics[10];
};
static_assert(sizeof(RtMsghdr) == 120 && offsetof(RtMsghdr, metrics) == 40);

}  // namespace

// family, operation, argument.
int route_messages(SysctlQuery& q) noexcept {
  enum : int { kDump = 1, kFlags = 2, kOldIfList = 5, kIfList = 6 };  // NET_RT_*; 5: as NetBSD 7 has it
  if (q.args.size() != 3) return EINVAL;
  const int family = q.args[0] == IfMsghdr::kInet6 ? kAfInet6 : q.args[0];
  switch (q.args[1]) {
    case kDump:
    case kFlags:
      return put_routes<RtMsghdr>(q, family);
    case kOldIfList:
      return put_interfaces<IfMsghdr, IfaMsghdr70>(q, family, q.args[2]);
    case kIfList:
      return put_interfaces<IfMsghdr, IfaMsghdr>(q, family, q.args[2]);
    default:
      return EINVAL;
  }
}

}  // namespace sudrun::abi::netbsd

// net.route. Source: DragonFly 6.4 sys/net/if.h, sys/net/route.h, sys/net/rtsock.c.
#include <cerrno>

#include "abi/bsd/route_messages.hpp"
#include "abi/dragonfly/sysctl.hpp"

namespace sudrun::abi::dragonfly {
namespace {

struct IfData {  // struct if_data
  std::uint8_t type, physical, addrlen, hdrlen, recvquota, xmitquota, pad[2];
  std::uint64_t mtu, metric, link_state, baudrate;
  std::uint64_t ipackets, ierrors, opackets, oerrors, collisions, ibytes, obytes, imcasts, omcasts, iqdrops,
      noproto, hwassist, oqdrops;
  std::int64_t lastchange[2];
};
static_assert(sizeof(IfData) == 160);

struct IfMsghdr {
  static constexpr std::uint8_t kVersion = 7, kType = 0xe;  // RTM_IFINFO
  std::uint16_t length;
  std::uint8_t version, type;
  std::uint16_t index, pad;
  std::int32_t flags, addrs;
  IfData data;
};
static_assert(sizeof(IfMsghdr) == 176 && offsetof(IfMsghdr, data) == 16);

struct IfaMsghdr {
  static constexpr std::uint8_t kVersion = 7, kInet6 = kAfInet6, kType = 0xc;  // RTM_NEWADDR
  std::uint16_t length;
  std::uint8_t version, type;
  std::uint16_t index, pad;
  std::int32_t flags, addrs, address_flags, metric;
};
static_assert(sizeof(IfaMsghdr) == 24);

struct RtMsghdr {  // struct rt_msghdr
  static constexpr std::uint8_t kVersion = 7, kInet6 = kAfInet6;
  std::uint16_t length;
  std::uint8_t version, type;
  std::uint16_t index, pad;
  std::int32_t flags, addrs, pid, seq, error, use;
  std::uint64_t inits;
  std::uint64_t metrics[14];
};
static_assert(sizeof(RtMsghdr) == 152 && offsetof(RtMsghdr, metrics) == 40);

}  // namespace

// Protocol, family, operation, argument; a processor may follow. There are fewer lists than FreeBSD has.
int route_messages(SysctlQuery& q) noexcept {
  if (q.args.size() != 4 && q.args.size() != 5) return q.args.size() < 4 ? EISDIR : ENOTDIR;
  switch (q.args[2]) {
    case kNetRtDump:
    case kNetRtFlags:
      return put_routes<RtMsghdr>(q, q.args[1]);
    case kNetRtIfList:
      return put_interfaces<IfMsghdr, IfaMsghdr>(q, q.args[1], q.args[3]);
    default:
      return EINVAL;
  }
}

}  // namespace sudrun::abi::dragonfly

// DragonFly's routing messages. Source: DragonFly 6.4 sys/net/if.h, sys/net/route.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sudrun::abi::bsd {

struct DragonFlyIfData {  // struct if_data
  std::uint8_t type, physical, addrlen, hdrlen, recvquota, xmitquota, pad[2];
  std::uint64_t mtu, metric, link_state, baudrate;
  std::uint64_t ipackets, ierrors, opackets, oerrors, collisions, ibytes, obytes, imcasts, omcasts, iqdrops,
      noproto, hwassist, oqdrops;
  std::int64_t lastchange[2];
};
static_assert(sizeof(DragonFlyIfData) == 160);

struct DragonFlyIfMsghdr {  // struct if_msghdr
  std::uint16_t length;
  std::uint8_t version, type;
  std::uint16_t index, pad;
  std::int32_t flags, addrs;
  DragonFlyIfData data;
};
static_assert(sizeof(DragonFlyIfMsghdr) == 176 && offsetof(DragonFlyIfMsghdr, data) == 16);

struct DragonFlyIfaMsghdr {  // struct ifa_msghdr
  std::uint16_t length;
  std::uint8_t version, type;
  std::uint16_t index, pad;
  std::int32_t flags, addrs, address_flags, metric;
};
static_assert(sizeof(DragonFlyIfaMsghdr) == 24);

struct DragonFlyRtMsghdr {  // struct rt_msghdr
  std::uint16_t length;
  std::uint8_t version, type;
  std::uint16_t index, pad;
  std::int32_t flags, addrs, pid, seq, error, use;
  std::uint64_t inits;
  std::uint64_t metrics[14];
};
static_assert(sizeof(DragonFlyRtMsghdr) == 152 && offsetof(DragonFlyRtMsghdr, metrics) == 40);

inline constexpr std::uint8_t kDragonFlyRtVersion = 7;  // RTM_VERSION

}  // namespace sudrun::abi::bsd

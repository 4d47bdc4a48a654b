// What FreeBSD's routing messages begin with. Source: FreeBSD 15.0 sys/net/if.h, sys/net/route.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/bsd/route_layout.hpp"

namespace sudrun::abi::freebsd {

using namespace bsd;  // NOLINT(google-build-using-namespace): this system is one of them

inline constexpr std::uint8_t kRtVersion = 5;
inline constexpr std::uint8_t kRtmNewAddr = 0xc, kRtmIfInfo = 0xe, kRtmNewMaddr = 0xf;
inline constexpr int kNetRtIfmaList = 4, kNetRtIfListl = 5;

struct IfData {  // struct if_data
  std::uint8_t type, physical, addrlen, hdrlen, link_state, vhid;
  std::uint16_t datalen;
  std::uint32_t mtu, metric;
  std::uint64_t baudrate;
  std::uint64_t ipackets, ierrors, opackets, oerrors, collisions, ibytes, obytes, imcasts, omcasts, iqdrops,
      oqdrops, noproto;
  std::uint64_t hwassist;
  std::int64_t epoch;
  std::int64_t lastchange[2];
};
static_assert(sizeof(IfData) == 152);

struct IfMsghdr {  // struct if_msghdr
  static constexpr std::uint8_t kVersion = kRtVersion, kInet6 = kAfInet6, kType = kRtmIfInfo;
  std::uint16_t length;
  std::uint8_t version, type;
  std::int32_t addrs, flags;
  std::uint16_t index, spare;
  IfData data;
};
static_assert(sizeof(IfMsghdr) == 168);

struct IfMsghdrl {  // struct if_msghdrl
  static constexpr std::uint8_t kVersion = kRtVersion, kInet6 = kAfInet6, kType = kRtmIfInfo;
  std::uint16_t length;
  std::uint8_t version, type;
  std::int32_t addrs, flags;
  std::uint16_t index, spare1, header_length, data_offset;
  std::int32_t spare2;
  IfData data;
};
static_assert(sizeof(IfMsghdrl) == 176 && offsetof(IfMsghdrl, data) == 24);

struct IfaMsghdr {  // struct ifa_msghdr
  static constexpr std::uint8_t kVersion = kRtVersion, kInet6 = kAfInet6, kType = kRtmNewAddr;
  std::uint16_t length;
  std::uint8_t version, type;
  std::int32_t addrs, flags;
  std::uint16_t index, spare;
  std::int32_t metric;
};
static_assert(sizeof(IfaMsghdr) == 20);

struct IfaMsghdrl {  // struct ifa_msghdrl
  static constexpr std::uint8_t kVersion = kRtVersion, kInet6 = kAfInet6, kType = kRtmNewAddr;
  std::uint16_t length;
  std::uint8_t version, type;
  std::int32_t addrs, flags;
  std::uint16_t index, spare1, header_length, data_offset;
  std::int32_t metric;
  IfData data;
};
static_assert(sizeof(IfaMsghdrl) == 176 && offsetof(IfaMsghdrl, data) == 24);

struct IfmaMsghdr {  // struct ifma_msghdr
  static constexpr std::uint8_t kVersion = kRtVersion, kInet6 = kAfInet6, kType = kRtmNewMaddr;
  std::uint16_t length;
  std::uint8_t version, type;
  std::int32_t addrs, flags;
  std::uint16_t index, spare;
};
static_assert(sizeof(IfmaMsghdr) == 16);

struct RtMsghdr {  // struct rt_msghdr
  static constexpr std::uint8_t kVersion = kRtVersion, kInet6 = kAfInet6, kType = kRtmGet;
  std::uint16_t length;
  std::uint8_t version, type;
  std::uint16_t index, spare;
  std::int32_t flags, addrs, pid, seq, error, fmask;
  std::uint64_t inits;
  std::uint64_t metrics[14];  // locks, mtu, hopcount…
};
static_assert(sizeof(RtMsghdr) == 152);

}  // namespace sudrun::abi::freebsd

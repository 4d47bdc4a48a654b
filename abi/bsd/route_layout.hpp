// Addresses and numbers of routing messages that are the same on every BSD.
//
// Facts: FreeBSD 15.0 sys/net/route.h, sys/net/if_dl.h, sys/net/if_types.h, sys/netinet/in.h,
// sys/netinet6/in6.h; NetBSD 10.1 and DragonFly 6.4, files of the same names.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sudrun::abi::bsd {

inline constexpr std::uint8_t kRtmGet = 4;
inline constexpr std::int32_t kRtaDst = 1, kRtaGateway = 2, kRtaNetmask = 4, kRtaIfp = 0x10, kRtaIfa = 0x20,
                              kRtaBrd = 0x80;
inline constexpr std::int32_t kRtfUp = 1, kRtfGateway = 2, kRtfHost = 4, kRtfStatic = 0x800;
inline constexpr int kNetRtDump = 1, kNetRtFlags = 2, kNetRtIfList = 3;
inline constexpr std::uint8_t kAfInet = 2, kAfLink = 18;
inline constexpr std::uint8_t kAfInet6 = 28;  // what a system with another number asks for is made this
inline constexpr std::uint8_t kIftOther = 1, kIftEther = 6, kIftLoop = 0x18, kIftTunnel = 0x83;

struct GuestSockaddrIn {  // struct sockaddr_in
  std::uint8_t length, family;
  std::uint16_t port;
  std::uint8_t address[4];
  std::uint8_t zero[8];
};
static_assert(sizeof(GuestSockaddrIn) == 16);

struct GuestSockaddrIn6 {  // struct sockaddr_in6
  std::uint8_t length, family;
  std::uint16_t port;
  std::uint32_t flowinfo;
  std::uint8_t address[16];
  std::uint32_t scope_id;
};
static_assert(sizeof(GuestSockaddrIn6) == 28);

struct GuestSockaddrDl {  // struct sockaddr_dl, with its data padded as the kernel's are
  std::uint8_t length, family;
  std::uint16_t index;
  std::uint8_t type, name_length, address_length, selector_length;
  char data[48];
};
static_assert(sizeof(GuestSockaddrDl) == 56);

}  // namespace sudrun::abi::bsd

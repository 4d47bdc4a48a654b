// What Linux knows of a network interface, in FreeBSD's terms.
//
// Facts: FreeBSD 15.0 sys/net/if.h (IFF_*).
#pragma once

#include <cstdint>

#include <linux/if.h>

namespace sudrun::abi::bsd {

inline std::int32_t interface_flags(unsigned native) noexcept {
  // UP, BROADCAST, DEBUG, LOOPBACK, POINTOPOINT, RUNNING, NOARP, PROMISC and ALLMULTI have the same values.
  unsigned flags = native & (IFF_UP | IFF_BROADCAST | IFF_DEBUG | IFF_LOOPBACK | IFF_POINTOPOINT |
                             IFF_RUNNING | IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI);
  if ((native & IFF_MULTICAST) != 0) flags |= 0x8000;
  if ((native & (IFF_BROADCAST | IFF_LOOPBACK)) != 0) flags |= 0x0800;  // IFF_SIMPLEX
  return static_cast<std::int32_t>(flags);
}

}  // namespace sudrun::abi::bsd

// Sources: FreeBSD 15.0 sys/sys/sockio.h, sys/net/if.h (ifreq, ifconf), sys/net/if.c (ifioctl, ifconf,
// ifhwioctl), sys/netinet/in.c (in_control); Linux netdevice(7).
#include "abi/bsd/ioctl_interfaces.hpp"

#include <linux/sockios.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "abi/bsd/interfaces.hpp"
#include "abi/bsd/ioctl_layout.hpp"
#include "abi/bsd/route_layout.hpp"
#include "abi/bsd/socket_calls.hpp"

namespace sudrun::abi::bsd {
namespace {

using guest::Ifreq;

NativeResult ask(Call& call, unsigned long request, ifreq& native) noexcept {
  return call.host.call(SYS_ioctl, call.u32(0), request, host_address(&native));
}

ifreq named(const Ifreq& from) noexcept {
  ifreq native{};
  std::memcpy(native.ifr_name, from.name.data(), sizeof native.ifr_name - 1);
  return native;
}

Result failure(NativeResult result) noexcept {
  return Result::fail(result == -ENODEV ? ENXIO : static_cast<int>(-result));
}

Result put(Call& call, const Ifreq& request) noexcept {
  return call.host.put(call.addr(2), request) ? Result::ok() : Result::fail(EFAULT);
}

Result get_address(Call& call, unsigned long native_request) noexcept {
  Ifreq request;
  if (!call.host.get(call.addr(2), request)) return Result::fail(EFAULT);
  ifreq native = named(request);
  const NativeResult result = ask(call, native_request, native);
  if (is_error(result)) return failure(result);
  const GuestAddress address = sockaddr_to_guest(std::as_bytes(std::span(&native.ifr_addr, 1)));
  std::memcpy(request.value.data(), address.bytes.data(), request.value.size());
  return put(call, request);
}

Result get_number(Call& call, unsigned long native_request) noexcept {
  Ifreq request;
  if (!call.host.get(call.addr(2), request)) return Result::fail(EFAULT);
  ifreq native = named(request);
  const NativeResult result = ask(call, native_request, native);
  if (is_error(result)) return failure(result);
  std::int32_t value = native.ifr_ifindex;  // in a union with the other numbers
  if (native_request == SIOCGIFFLAGS) {
    // Two halves of 16 bits, the lower first.
    value = interface_flags(static_cast<std::uint16_t>(native.ifr_flags));
  }
  std::memcpy(request.value.data(), &value, sizeof value);
  return put(call, request);
}

/// A number that is 0 for every interface there is.
Result get_nothing(Call& call) noexcept {
  Ifreq request;
  if (!call.host.get(call.addr(2), request)) return Result::fail(EFAULT);
  ifreq native = named(request);
  const NativeResult result = ask(call, SIOCGIFINDEX, native);
  if (is_error(result)) return failure(result);
  std::fill(request.value.begin(), request.value.end(), std::byte{0});
  return put(call, request);
}

/// Changes are the superuser's. FreeBSD looks for the interface first.
Result refuse_change(Call& call) noexcept {
  const Result known = get_nothing(call);
  return known.is_ok() ? Result::fail(EPERM) : known;
}

/// Appends entries to the guest's list while they fit.
struct List {
  Call& call;
  GuestAddr at;
  std::uint32_t room;
  std::uint32_t used = 0;
  bool failed = false;

  void add(const char* name, std::span<const std::byte> address) noexcept {
    std::array<std::byte, IFNAMSIZ + 64> entry{};
    std::memcpy(entry.data(), name, IFNAMSIZ);
    std::memcpy(entry.data() + IFNAMSIZ, address.data(), address.size());
    const auto size = static_cast<std::uint32_t>(std::max(sizeof(Ifreq), IFNAMSIZ + address.size()));
    if (size > room - used) room = used;  // nothing after what did not fit
    if (size > room - used) return;
    failed = failed || !call.host.write(at + used, entry.data(), size);
    used += size;
  }
};

GuestSockaddrDl link_of(Call& call, const ifreq& interface) noexcept {
  GuestSockaddrDl link{};
  link.length = sizeof link;
  link.family = kAfLink;
  ifreq question = interface;
  if (!is_error(ask(call, SIOCGIFINDEX, question)))
    link.index = static_cast<std::uint16_t>(question.ifr_ifindex);
  link.name_length = static_cast<std::uint8_t>(strnlen(interface.ifr_name, IFNAMSIZ - 1));
  std::memcpy(link.data, interface.ifr_name, link.name_length);
  question = interface;
  link.type = kIftOther;
  if (is_error(ask(call, SIOCGIFHWADDR, question))) return link;
  if (question.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK) link.type = kIftLoop;
  if (question.ifr_hwaddr.sa_family != ARPHRD_ETHER) return link;
  link.type = kIftEther;
  link.address_length = 6;
  std::memcpy(link.data + link.name_length, question.ifr_hwaddr.sa_data, 6);
  return link;
}

/// The interfaces that have an IPv4 address: for each its link, then its addresses. Others are left to
/// sysctl, which is where getifaddrs(3) looks.
Result get_list(Call& call) noexcept {
  guest::Ifconf request;
  if (!call.host.get(call.addr(2), request)) return Result::fail(EFAULT);
  if (request.length <= 0) return Result::fail(EINVAL);
  std::array<ifreq, 64> found{};
  ifconf native{};
  native.ifc_len = sizeof found;
  native.ifc_req = found.data();
  const NativeResult result = call.host.call(SYS_ioctl, call.u32(0), SIOCGIFCONF, host_address(&native));
  if (is_error(result)) return Result::of(result);
  List list{call, guest_addr(request.buffer), static_cast<std::uint32_t>(request.length)};
  const auto count = static_cast<std::size_t>(native.ifc_len) / sizeof(ifreq);
  for (std::size_t i = 0; i < count; ++i) {
    const ifreq& interface = found[i];
    const bool first = i == 0 || std::strncmp(interface.ifr_name, found[i - 1].ifr_name, IFNAMSIZ) != 0;
    if (first) {
      const GuestSockaddrDl link = link_of(call, interface);
      list.add(interface.ifr_name, std::as_bytes(std::span(&link, 1)));
    }
    const GuestAddress address = sockaddr_to_guest(std::as_bytes(std::span(&interface.ifr_addr, 1)));
    list.add(interface.ifr_name, std::span(address.bytes).first(address.size));
  }
  if (list.failed) return Result::fail(EFAULT);
  request.length = static_cast<std::int32_t>(list.used);
  return call.host.put(call.addr(2), request) ? Result::ok() : Result::fail(EFAULT);
}

}  // namespace

std::optional<Result> interface_ioctl(Call& call) noexcept {
  using guest::InterfaceIoctl;
  const std::uint32_t request = call.u32(1);
  if (guest::ioc_group(request) != 'i') return std::nullopt;
  const NativeResult socket = socket_option(call, call.i32(0), SO_TYPE);
  if (is_error(socket)) return Result::fail(socket == -EBADF ? EBADF : ENOTTY);
  switch (static_cast<InterfaceIoctl>(request)) {
    case InterfaceIoctl::siocgifconf:
      return get_list(call);
    case InterfaceIoctl::siocgifflags:
      return get_number(call, SIOCGIFFLAGS);
    case InterfaceIoctl::siocgifindex:
      return get_number(call, SIOCGIFINDEX);
    case InterfaceIoctl::siocgifmtu:
      return get_number(call, SIOCGIFMTU);
    case InterfaceIoctl::siocgifmetric:
    case InterfaceIoctl::siocgifphys:
    case InterfaceIoctl::siocgifcap:
    case InterfaceIoctl::siocgiffib:
      return get_nothing(call);
    case InterfaceIoctl::siocgifaddr:
      return get_address(call, SIOCGIFADDR);
    case InterfaceIoctl::siocgifdstaddr:
      return get_address(call, SIOCGIFDSTADDR);
    case InterfaceIoctl::siocgifbrdaddr:
      return get_address(call, SIOCGIFBRDADDR);
    case InterfaceIoctl::siocgifnetmask:
      return get_address(call, SIOCGIFNETMASK);
    case InterfaceIoctl::siocsifflags:
    case InterfaceIoctl::siocsifmtu:
    case InterfaceIoctl::siocsifmetric:
    case InterfaceIoctl::siocsifname:
    case InterfaceIoctl::siocsifcap:
      return refuse_change(call);
  }
  return Result::fail(EOPNOTSUPP);
}

}  // namespace sudrun::abi::bsd

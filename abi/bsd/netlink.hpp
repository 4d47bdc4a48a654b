// What Linux says of its network over rtnetlink(7): dumps and their attributes.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "abi/host.hpp"

namespace sudrun::abi::bsd {

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

inline std::span<const char> data_of(const rtattr* a) noexcept {
  if (a == nullptr) return {};
  return {static_cast<const char*>(RTA_DATA(a)), static_cast<std::size_t>(RTA_PAYLOAD(a))};
}
inline std::uint32_t u32_of(const rtattr* a) noexcept {
  std::uint32_t value = 0;
  const auto data = data_of(a);
  if (data.size() >= sizeof value) std::memcpy(&value, data.data(), sizeof value);
  return value;
}

}  // namespace sudrun::abi::bsd

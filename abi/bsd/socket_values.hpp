// Values of socket options, FreeBSD <-> Linux. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "abi/bsd/sockets_layout.hpp"
#include "abi/types.hpp"

struct tcp_info;

namespace sudrun::abi::bsd {

/// Converts the addresses of a group_req or group_source_req in place; its size tells which. 0, -EINVAL or
/// -EAFNOSUPPORT.
NativeResult group_request_to_native(std::span<std::byte> request) noexcept;

guest::TcpInfo tcp_info_to_guest(const ::tcp_info& native) noexcept;

/// LOCAL_PEERCRED's answer. `gid` is the effective group, `groups` the supplementary ones.
guest::Xucred make_xucred(std::int32_t pid, std::uint32_t uid, std::uint32_t gid,
                          std::span<const std::uint32_t> groups) noexcept;

}  // namespace sudrun::abi::bsd

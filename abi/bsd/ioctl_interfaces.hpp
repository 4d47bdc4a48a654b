// ioctl requests about network interfaces.
#pragma once

#include <optional>

#include "abi/handler.hpp"

namespace sudrun::abi::bsd {

/// Carries out the SIOCGIF… and SIOCSIF… requests; nothing for any other.
std::optional<Result> interface_ioctl(Call& call) noexcept;

}  // namespace sudrun::abi::bsd

// The processor's extended state between a guest's context and the suspended frame of the runtime's.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace sudrun::abi::bsd {

inline constexpr std::size_t kFxsaveSize = 512, kXsaveHeader = 64;
/// Bytes of the FXSAVE part that are the program's; the others belong to the host's kernel
/// (asm/sigcontext.h).
inline constexpr std::size_t kFxsaveOwn = 464;
/// Where the host's kernel tells which features the image holds.
inline constexpr std::size_t kFeaturesOffset = 472;
/// Room for the extended state of any processor this is run on.
inline constexpr std::size_t kMaxXstate = 16 * 1024;

template <typename T>
T load_at(std::span<const std::byte> bytes, std::size_t offset) noexcept {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

/// Writes a guest's `fxsave` image, and what stands behind it in `extended` (empty: only the image), over the
/// live frame's. Returns 0 or EINVAL; on EINVAL nothing has changed.
inline int restore_xstate(std::span<const std::byte, kFxsaveSize> fxsave, std::span<const std::byte> extended,
                          std::span<std::byte> live) noexcept {
  constexpr std::size_t kMxcsr = 24, kMxcsrMask = 28;
  constexpr std::uint32_t kDefaultMxcsrMask = 0xffbf;
  if (live.size() < kFxsaveSize) return 0;

  const bool has_header = live.size() >= kFxsaveSize + kXsaveHeader;
  const auto features = has_header ? load_at<std::uint64_t>(live, kFeaturesOffset) : 0;
  std::uint64_t present = 3;  // x87 and SSE are in the FXSAVE part
  if (!extended.empty()) {
    if (extended.size() < kXsaveHeader) return EINVAL;
    present = load_at<std::uint64_t>(extended, 0);
    for (std::size_t i = 8; i < kXsaveHeader; ++i)
      if (extended[i] != std::byte{0}) return EINVAL;  // compacted format and reserved bits
    if ((present & ~features) != 0) return EINVAL;
  } else if (has_header) {
    present |= load_at<std::uint64_t>(live, kFxsaveSize) & features;
  }
  auto valid = load_at<std::uint32_t>(live, kMxcsrMask);
  if (valid == 0) valid = kDefaultMxcsrMask;
  const auto mxcsr = load_at<std::uint32_t>(fxsave, kMxcsr) & valid;

  std::memcpy(live.data(), fxsave.data(), kFxsaveOwn);
  std::memcpy(live.data() + kMxcsr, &mxcsr, sizeof mxcsr);
  std::memcpy(live.data() + kMxcsrMask, &valid, sizeof valid);
  if (has_header) std::memcpy(live.data() + kFxsaveSize, &present, sizeof present);
  if (extended.size() > kXsaveHeader)
    std::memcpy(live.data() + kFxsaveSize + kXsaveHeader, extended.data() + kXsaveHeader,
                extended.size() - kXsaveHeader);
  return 0;
}

}  // namespace sudrun::abi::bsd

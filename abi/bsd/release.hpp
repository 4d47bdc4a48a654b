// The release the guest sees, in the forms FreeBSD shows it.
#pragma once

#include <string_view>

namespace sudrun::abi::bsd {

/// __FreeBSD_version of `release` ("14.3-RELEASE", "14.3") where the table does not give it: major * 100000 +
/// minor * 1000, as release branches start (sys/sys/param.h). 0 for text that has no number.
constexpr int osreldate(std::string_view release) noexcept {
  int part[2] = {0, 0};
  int index = 0;
  for (const char c : release) {
    if (c >= '0' && c <= '9')
      part[index] = part[index] * 10 + (c - '0');
    else if (c == '.' && index == 0)
      ++index;
    else if (part[0] != 0)
      break;
  }
  return part[0] * 100'000 + part[1] * 1'000;
}
static_assert(osreldate("14.3-RELEASE") == 1'403'000);

/// A release by name and number.
struct Release {
  std::string_view name;  ///< e.g. "15.0" or "14.3-RELEASE-p1"
  int number = 0;         ///< __FreeBSD_version

  Release(std::string_view text, int known = 0) noexcept  // NOLINT(google-explicit-constructor)
      : name(text), number(known != 0 ? known : osreldate(text)) {}
  Release(const char* text) noexcept
      : Release(std::string_view(text)) {}  // NOLINT(google-explicit-constructor)
};

}  // namespace sudrun::abi::bsd

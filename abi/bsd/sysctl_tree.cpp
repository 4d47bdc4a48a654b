// Looking things up in the tree; tables/freebsd-sysctl.yaml has its nodes, sysctl_values.cpp the providers.
#include "abi/bsd/sysctl_tree.hpp"

#include <algorithm>
#include <cerrno>
#include <compare>

namespace sudrun::abi::bsd {

namespace {

std::strong_ordering compare(std::span<const int> a, std::span<const int> b) noexcept {
  return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

const SysctlNode* exact_sysctl(std::span<const int> oid) noexcept {
  const auto nodes = sysctl_nodes();
  const auto at = std::lower_bound(
      nodes.begin(), nodes.end(), oid,
      [](const SysctlNode& node, std::span<const int> wanted) { return compare(node.oid(), wanted) < 0; });
  return at != nodes.end() && compare(at->oid(), oid) == 0 ? &*at : nullptr;
}

const SysctlNode* find_sysctl(std::span<const int> oid) noexcept {
  if (const SysctlNode* node = exact_sysctl(oid)) return node;
  for (std::size_t length = oid.size(); length-- > 1;) {
    const SysctlNode* node = exact_sysctl(oid.first(length));
    if (node != nullptr) return node->provider != nullptr ? node : nullptr;
  }
  return nullptr;
}

const SysctlNode* find_sysctl(std::string_view name) noexcept {
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  for (const SysctlNode& node : sysctl_nodes())
    if (node.name == name) return &node;
  return nullptr;
}

const SysctlNode* next_sysctl(std::span<const int> oid, bool hidden_too) noexcept {
  for (const SysctlNode& node : sysctl_nodes()) {
    if (node.provider == nullptr || (node.hidden && !hidden_too)) continue;
    if (compare(node.oid(), oid) > 0) return &node;
  }
  return nullptr;
}

int SysctlOutput::append(const void* data, std::size_t size) noexcept {
  const std::uint64_t at = needed_;
  needed_ += size;
  if (sizing()) return 0;
  const std::uint64_t fits = at >= room_ ? 0 : std::min<std::uint64_t>(size, room_ - at);
  if (fits != 0 && !host_.write(buffer_ + at, data, fits)) return EFAULT;
  return fits < size ? ENOMEM : 0;
}

int SysctlOutput::append(std::string_view text) noexcept {
  const int error = append(text.data(), text.size());
  return error != 0 && error != ENOMEM ? error : append("", 1);
}

}  // namespace sudrun::abi::bsd

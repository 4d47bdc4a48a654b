// __sysctl(2) and __sysctlbyname(2), and the queries about the tree itself (names beginning with 0).
//
// Facts: FreeBSD 15.0 sys/kern/kern_sysctl.c, sys/sys/sysctl.h.
#include <array>
#include <cerrno>
#include <cstdio>

#include "abi/bsd/bsd.hpp"
#include "abi/bsd/sysctl_tree.hpp"

namespace sudrun::abi::bsd {

namespace {

constexpr std::size_t kMaxPath = 1024;  // MAXPATHLEN

enum Meta {
  kName = 1,
  kNext = 2,
  kName2Oid = 3,
  kOidFormat = 4,
  kOidDescription = 5,
  kOidLabel = 6,
  kNextAll = 7
};

/// The dotted name of any number; parts the tree does not know stay numbers.
int put_name(const SysctlTree& tree, SysctlOutput& out, std::span<const int> oid) noexcept {
  if (oid.empty()) return ENOENT;
  bool known = true;
  for (std::size_t i = 0; i < oid.size(); ++i) {
    if (i != 0)
      if (const int error = out.append(".", 1); error != 0) return error;
    const SysctlNode* node = known ? tree.exact(oid.first(i + 1)) : nullptr;
    known = node != nullptr;
    char digits[16];
    const int length = std::snprintf(digits, sizeof digits, "%d", oid[i]);
    const std::string_view part =
        known ? node->last_name() : std::string_view(digits, static_cast<std::size_t>(length));
    if (const int error = out.append(part.data(), part.size()); error != 0) return error;
  }
  return out.append("", 1);
}

int put_oid(SysctlOutput& out, const SysctlNode* node) noexcept {
  if (node == nullptr) return ENOENT;
  return out.append(node->oid().data(), node->oid().size_bytes());
}

int name_to_oid(Host& host, const SysctlTree& tree, const SysctlRequest& request,
                SysctlOutput& out) noexcept {
  char name[kMaxPath];
  if (request.new_length == 0) return ENOENT;
  if (request.new_length >= sizeof name) return ENAMETOOLONG;
  if (!host.read(request.new_value, name, request.new_length)) return EFAULT;
  return put_oid(out, tree.find(std::string_view(name, strnlen(name, request.new_length))));
}

int put_format(const SysctlTree& tree, SysctlOutput& out, std::span<const int> oid) noexcept {
  const SysctlNode* node = tree.find(oid);
  if (node == nullptr) return ENOENT;
  const int error = out.put(node->kind());
  return error != 0 ? error : out.append(std::string_view(node->format));
}

int put_description(const SysctlTree& tree, SysctlOutput& out, std::span<const int> oid) noexcept {
  const SysctlNode* node = tree.find(oid);
  if (node == nullptr || *node->about == '\0') return ENOENT;
  return out.append(std::string_view(node->about));
}

int about_the_tree(Host& host, const SysctlTree& tree, const SysctlRequest& request,
                   SysctlOutput& out) noexcept {
  const auto subject = request.oid.subspan(2);
  if (!is_null(request.new_value) && request.oid[1] != kName2Oid) return EPERM;
  switch (request.oid[1]) {
    case kName:
      return put_name(tree, out, subject);
    case kNext:
      return put_oid(out, tree.next(subject, false));
    case kNextAll:
      return put_oid(out, tree.next(subject, true));
    case kName2Oid:
      return name_to_oid(host, tree, request, out);
    case kOidFormat:
      return put_format(tree, out, subject);
    case kOidDescription:
      return put_description(tree, out, subject);
    case kOidLabel:
      return ENOENT;  // no node has one
    default:
      return ENOENT;
  }
}

}  // namespace

int run_sysctl(Host& host, const SysctlTree& tree, const Release& release, const SysctlRequest& request,
               std::uint64_t& length) noexcept {
  SysctlOutput out(host, request.old, request.room);
  int error = 0;
  if (request.oid[0] == 0) {
    error = about_the_tree(host, tree, request, out);
  } else {
    const SysctlNode* node = tree.find(request.oid);
    if (node == nullptr) return ENOENT;
    const auto args = request.oid.subspan(node->depth);
    if (!args.empty() && node->type != CtlType::node) return ENOTDIR;
    if (node->provider == nullptr) return EISDIR;
    if (!is_null(request.new_value)) return EPERM;  // nothing here is an ordinary process's to change
    SysctlQuery query{host, release, tree, *node, args, out};
    error = node->provider(query);
  }
  length = out.written();
  return error;
}

namespace {

Release release_of(Call& call) noexcept {
  const auto& seen = call.personality.release();
  return {seen.name, static_cast<int>(seen.number)};
}

/// Arguments 2…5 of both calls: old, oldlenp, new, newlen.
Result answer(Call& call, std::span<const int> oid) noexcept {
  SysctlRequest request{
      .oid = oid, .old = call.addr(2), .new_value = call.addr(4), .new_length = call.word(5)};
  const GuestAddr length_at = call.addr(3);
  if (!is_null(length_at) && !call.host.get(length_at, request.room)) return Result::fail(EFAULT);
  std::uint64_t length = 0;
  const int error = run_sysctl(call.host, self(call).sysctls(), release_of(call), request, length);
  if (error != 0 && error != ENOMEM) return Result::fail(error);
  if (!is_null(length_at) && !call.host.put(length_at, length)) return Result::fail(EFAULT);
  return error != 0 ? Result::fail(error) : Result::ok();
}

Result sysctl(Call& call) noexcept {
  const unsigned count = call.u32(1);
  if (count > kMaxName || count < 2) return Result::fail(EINVAL);
  std::array<int, kMaxName> oid{};
  if (!call.host.read(call.addr(0), oid.data(), count * sizeof(int))) return Result::fail(EFAULT);
  return answer(call, std::span<const int>(oid).first(count));
}

Result sysctlbyname(Call& call) noexcept {
  char name[kMaxPath];
  const Word length = call.word(1);
  if (length == 0 || length >= sizeof name) return Result::fail(EINVAL);
  if (!call.host.read(call.addr(0), name, length)) return Result::fail(EFAULT);
  const SysctlNode* node = self(call).sysctls().find(std::string_view(name, strnlen(name, length)));
  return node == nullptr ? Result::fail(ENOENT) : answer(call, node->oid());
}

constexpr HandlerEntry kHandlers[] = {
    {"__sysctl", sysctl},
    {"__sysctlbyname", sysctlbyname},
};

}  // namespace

std::span<const HandlerEntry> sysctl_handlers() noexcept { return kHandlers; }

Personality::NodeName Bsd::node_name(std::span<const std::int32_t> path) const noexcept {
  for (std::size_t depth = path.size(); depth != 0; --depth) {
    if (const SysctlNode* const node = sysctls().exact(path.first(depth))) return {node->name, depth};
  }
  return {};
}

}  // namespace sudrun::abi::bsd

// __sysctl(2): how NetBSD asks its tree, questions about the tree itself among them, from which libc makes
// sysctlbyname(3).
//
// Facts: NetBSD 10.1, sys/sys/sysctl.h, sys/kern/kern_sysctl.c (sysctl_dispatch, sysctl_query,
// sysctl_lookup), sys/kern/init_sysctl.c, sys/kern/kern_proc.c (kern.proc_args).
#include "abi/netbsd/sysctl.hpp"

#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <ctime>

#include "abi/bsd/host_file.hpp"

namespace sudrun::abi::netbsd {
namespace {

constexpr int kQuery = -2, kFirstMeta = -8;  // CTL_QUERY; CTL_DESCRIBE's neighbour
constexpr std::uint32_t kVersion = 0x0100'0000, kVersions = 0xff00'0000;  // SYSCTL_VERS_1, SYSCTL_VERS_MASK
constexpr std::uint32_t kReadWrite = 0x70, kPermanent = 0x200, kUnsigned = 0x80000;  // CTLFLAG_*
constexpr unsigned kMostName = 12;                                                   // CTL_MAXNAME

struct GuestNode {  // struct sysctlnode
  std::uint32_t flags;
  std::int32_t number;
  char name[32];
  std::uint32_t version, pad;
  std::uint64_t contents[2];
  std::uint64_t size, function, parent, description;
};
static_assert(sizeof(GuestNode) == 96 && offsetof(GuestNode, size) == 64);

/// CTLTYPE_* of a node, and whether its number has no sign.
std::uint32_t guest_type(CtlType type) noexcept {
  enum : std::uint32_t { kNode = 1, kInt = 2, kString = 3, kQuad = 4, kStruct = 5 };
  switch (type) {
    case CtlType::node:
      return kNode;
    case CtlType::int_:
      return kInt;
    case CtlType::uint:
    case CtlType::u32:
      return kInt | kUnsigned;
    case CtlType::string:
      return kString;
    case CtlType::long_:
    case CtlType::s64:
      return kQuad;
    case CtlType::ulong:
    case CtlType::u64:
      return kQuad | kUnsigned;
    default:
      return kStruct;
  }
}

Release shown_release(Call& call) noexcept {
  const auto& seen = call.personality.release();
  return {seen.name, static_cast<int>(seen.number)};
}

GuestNode described(Call& call, const SysctlNode& node) noexcept {
  GuestNode shown{};
  shown.flags = kVersion | kPermanent | guest_type(node.type) | (node.writable ? kReadWrite : 0);
  shown.number = node.number[node.depth - 1U];
  const std::string_view name = node.last_name();
  name.copy(shown.name, sizeof shown.name - 1);
  if (node.provider != nullptr && node.type != CtlType::node) {
    SysctlOutput size(call.host, {}, 0);
    SysctlQuery query{call.host, shown_release(call), self(call).sysctls(), node, {}, size};
    if (node.provider(query) == 0) shown.size = size.needed();
  }
  return shown;
}

/// CTL_QUERY: the children of the node `parent` names.
int list_children(Call& call, std::span<const int> parent, SysctlOutput& out) noexcept {
  GuestNode asked{};
  if (call.word(5) != sizeof asked) return EINVAL;
  if (!call.host.get(call.addr(4), asked)) return EFAULT;
  if ((asked.flags & kVersions) != kVersion) return EINVAL;
  const SysctlTree& tree = self(call).sysctls();
  if (!parent.empty()) {
    const SysctlNode* const node = tree.exact(parent);
    if (node == nullptr) return ENOENT;
    if (node->type != CtlType::node) return ENOTDIR;
  }
  bool fits = true;
  for (const SysctlNode& node : tree.nodes()) {
    const auto number = node.oid();
    if (number.size() != parent.size() + 1 || node.hidden) continue;
    if (!std::equal(parent.begin(), parent.end(), number.begin())) continue;
    const int error = out.put(described(call, node));
    if (error == EFAULT) return EFAULT;
    fits = fits && error == 0;
  }
  return fits ? 0 : ENOMEM;
}

int look_up(Call& call, std::span<const int> name, SysctlOutput& out) noexcept {
  if (name.back() == kQuery) return list_children(call, name.first(name.size() - 1), out);
  if (name.back() < 0 && name.back() >= kFirstMeta) return EOPNOTSUPP;
  const SysctlTree& tree = self(call).sysctls();
  const SysctlNode* const node = tree.find(name);
  if (node == nullptr) return ENOENT;
  const auto args = name.subspan(node->depth);
  if (!args.empty() && node->type != CtlType::node) return ENOTDIR;
  if (node->provider == nullptr) return args.empty() ? EINVAL : ENOENT;
  if (!is_null(call.addr(4))) return EPERM;  // nothing here is an ordinary process's to change
  SysctlQuery query{call.host, shown_release(call), tree, *node, args, out};
  return node->provider(query);
}

// What does not fit is counted all the same.
Result sysctl(Call& call) noexcept {
  const unsigned count = call.u32(1);
  if (count > kMostName || count < 1) return Result::fail(EINVAL);
  std::array<int, kMostName> name{};
  if (!call.host.read(call.addr(0), name.data(), count * sizeof(int))) return Result::fail(EFAULT);
  std::uint64_t room = 0;
  const GuestAddr length_at = call.addr(3);
  if (!is_null(length_at) && !call.host.get(length_at, room)) return Result::fail(EFAULT);
  SysctlOutput out(call.host, call.addr(2), room);
  const int error = look_up(call, std::span<const int>(name).first(count), out);
  if (error != 0 && error != ENOMEM) return Result::fail(error);
  if (!is_null(length_at) && !call.host.put(length_at, out.needed())) return Result::fail(EFAULT);
  return error != 0 ? Result::fail(error) : Result::ok();
}

constexpr HandlerEntry kHandlers[] = {{"__sysctl", sysctl}};

}  // namespace

std::span<const HandlerEntry> sysctl_handlers() noexcept { return kHandlers; }

// --- values
// -------------------------------------------------------------------------------------------------

int release_text(SysctlQuery& q) noexcept { return q.out.append(q.release.name); }

int version_text(SysctlQuery& q) noexcept {
  std::array<char, 96> text{};
  std::size_t at = 0;
  for (const std::string_view part :
       {std::string_view("NetBSD "), q.release.name.substr(0, 32), std::string_view(" (GENERIC)\n")})
    at += part.copy(text.data() + at, text.size() - at);
  return q.out.append(std::string_view(text.data(), at));
}

int short_random_bytes(SysctlQuery& q) noexcept {
  if (q.out.sizing()) return q.out.put(std::uint32_t{0});
  return sysctl_values::random_bytes(q);
}

int random_word(SysctlQuery& q) noexcept {
  std::int32_t word = 0;
  const NativeResult got = q.host.call(SYS_getrandom, reinterpret_cast<Word>(&word), sizeof word, 0);
  return is_error(got) ? static_cast<int>(-got) : q.out.put(word);
}

int memory_word(SysctlQuery& q) noexcept {
  constexpr std::string_view kLines[] = {"MemTotal:", "MemFree:", "MemAvailable:"};
  char buffer[2048];
  const std::string_view text = read_host_file(q.host, "/proc/meminfo", buffer);
  const std::int64_t bytes = leading_number(text_after(text, kLines[q.node.value]), 0) * 1024;
  return q.out.put(static_cast<std::int32_t>(std::min<std::int64_t>(bytes, INT32_MAX)));
}

int clock_info(SysctlQuery& q) noexcept {
  const std::int32_t rate[5] = {10'000, 40, 100, 100, 100};  // tick, tickadj, hz, profhz, stathz
  return q.out.put(rate);
}

int boot_timespec(SysctlQuery& q) noexcept {
  timespec now{}, up{};
  q.host.call(SYS_clock_gettime, CLOCK_REALTIME, reinterpret_cast<Word>(&now));
  q.host.call(SYS_clock_gettime, CLOCK_BOOTTIME, reinterpret_cast<Word>(&up));
  const bool borrow = now.tv_nsec < up.tv_nsec;
  const std::int64_t boot[2] = {now.tv_sec - up.tv_sec - (borrow ? 1 : 0),
                                now.tv_nsec - up.tv_nsec + (borrow ? 1'000'000'000 : 0)};
  return q.out.put(boot);
}

// kern.proc_args.PID.{ARGV, NARGV, ENV, NENV, PATHNAME}: of the caller's and others, as the host tells.
int process_arguments(SysctlQuery& q) noexcept {
  enum : int { kArgv = 1, kArgc = 2, kEnv = 3, kEnvc = 4, kPathname = 5 };
  if (q.args.size() != 2) return EINVAL;
  const int pid = q.args[0] == -1 ? q.host.pid() : q.args[0];
  if (q.args[1] == kPathname && pid == q.host.pid()) return q.out.append(q.host.program_path());
  return EOPNOTSUPP;
}

}  // namespace sudrun::abi::netbsd

// The tree behind sysctl(3): what nodes there are, and what each answers.
//
// Facts: FreeBSD 15.0 sys/sys/sysctl.h (numbers, kinds), sys/kern/kern_mib.c, kern_sysctl.c and the files the
// areas name.
#pragma once

#include <array>
#include <cstring>
#include <span>
#include <string_view>

#include "abi/bsd/release.hpp"
#include "abi/host.hpp"

namespace sudrun::abi::bsd {

inline constexpr unsigned kMaxName = 24;  // CTL_MAXNAME

enum class CtlType : std::uint32_t {
  node = 1,
  int_ = 2,
  string = 3,
  s64 = 4,
  opaque = 5,
  uint = 6,
  long_ = 7,
  ulong = 8,
  u64 = 9,
  u8 = 0xa,
  u32 = 0xf,
};
inline constexpr std::uint32_t kCtlRead = 0x8000'0000;
inline constexpr std::uint32_t kCtlWrite = 0x4000'0000;
inline constexpr std::uint32_t kCtlSkip = 0x0100'0000;
inline constexpr std::uint32_t kCtlMpSafe = 0x0004'0000;

/// Where a sysctl's answer goes: the guest's buffer, as far as it reaches. Counts what would have been
/// written.
class SysctlOutput {
 public:
  SysctlOutput(Host& host, GuestAddr buffer, std::uint64_t room) noexcept
      : host_(host), buffer_(buffer), room_(is_null(buffer) ? 0 : room) {}

  /// 0, ENOMEM if it did not fit (what fits has been written), EFAULT.
  int append(const void* data, std::size_t size) noexcept;
  int append(std::string_view text) noexcept;  ///< with a NUL
  template <typename T>
  int put(const T& value) noexcept {
    return append(&value, sizeof value);
  }

  bool sizing() const noexcept { return is_null(buffer_); }
  std::uint64_t room() const noexcept { return room_; }
  std::uint64_t needed() const noexcept { return needed_; }
  std::uint64_t written() const noexcept { return sizing() || needed_ < room_ ? needed_ : room_; }

 private:
  Host& host_;
  GuestAddr buffer_;
  std::uint64_t room_;
  std::uint64_t needed_ = 0;
};

struct SysctlNode;
class SysctlTree;

struct SysctlQuery {
  Host& host;
  Release release;
  const SysctlTree& tree;
  const SysctlNode& node;
  std::span<const int> args;  ///< what follows the node's own numbers
  SysctlOutput& out;
};

/// Answers a query: 0 or a native errno.
using SysctlProvider = int (*)(SysctlQuery&) noexcept;

struct SysctlNode {
  std::string_view name;  ///< dotted, whole
  std::array<int, 5> number{};
  std::uint8_t depth = 0;
  CtlType type = CtlType::node;
  const char* format = "N";
  SysctlProvider provider = nullptr;  ///< null: an inner node
  std::int64_t value = 0;             ///< for providers that answer a constant
  const char* text = "";              ///< a constant string, or a host file's path
  const char* about = "";             ///< one line for people
  bool hidden = false;                ///< not listed by the "next" query
  bool writable = false;              ///< by the superuser

  std::span<const int> oid() const noexcept { return {number.data(), depth}; }
  std::string_view last_name() const noexcept { return name.substr(name.rfind('.') + 1); }
  std::uint32_t kind() const noexcept {
    return static_cast<std::uint32_t>(type) | kCtlRead | kCtlMpSafe | (hidden ? kCtlSkip : 0) |
           (writable || provider == nullptr ? kCtlWrite : 0);
  }
};

/// One system's nodes.
class SysctlTree {
 public:
  /// `nodes`, in the order of numbers: what freeze-sysctl wrote.
  explicit constexpr SysctlTree(std::span<const SysctlNode> nodes) noexcept : nodes_(nodes) {}

  std::span<const SysctlNode> nodes() const noexcept { return nodes_; }
  /// The node a name leads to, or the deepest that swallows the rest of it as arguments; null if there is
  /// none.
  const SysctlNode* find(std::span<const int> oid) const noexcept;
  const SysctlNode* find(std::string_view name) const noexcept;
  /// The node with exactly this number; null if there is none.
  const SysctlNode* exact(std::span<const int> oid) const noexcept;
  /// The first answering node after `oid` in the order of numbers; null at the end.
  const SysctlNode* next(std::span<const int> oid, bool hidden_too) const noexcept;

 private:
  std::span<const SysctlNode> nodes_;
};

// Areas with a file of their own.
int sysctl_proc_pathname(SysctlQuery& query) noexcept;  // sysctl_proc.cpp
int sysctl_proc_args(SysctlQuery& query) noexcept;
int sysctl_proc_info(SysctlQuery& query) noexcept;
int sysctl_proc_all(SysctlQuery& query) noexcept;
int sysctl_proc_threads(SysctlQuery& query) noexcept;
int sysctl_proc_env(SysctlQuery& query) noexcept;  // sysctl_process.cpp
int sysctl_proc_auxv(SysctlQuery& query) noexcept;
int sysctl_proc_rlimit(SysctlQuery& query) noexcept;
int sysctl_proc_ps_strings(SysctlQuery& query) noexcept;
int sysctl_proc_umask(SysctlQuery& query) noexcept;
int sysctl_proc_osrel(SysctlQuery& query) noexcept;
int sysctl_proc_sv_name(SysctlQuery& query) noexcept;
int sysctl_proc_groups(SysctlQuery& query) noexcept;
int sysctl_proc_cwd(SysctlQuery& query) noexcept;
int sysctl_proc_filedesc(SysctlQuery& query) noexcept;
int sysctl_proc_nfds(SysctlQuery& query) noexcept;
int sysctl_proc_vmmap(SysctlQuery& query) noexcept;
int sysctl_vfs_conflist(SysctlQuery& query) noexcept;  // sysctl_vfs.cpp

/// One call: what __sysctl(2) does once its arguments have been fetched. `room` is what the guest's oldlenp
/// says; `length` becomes what it is to say afterwards.
struct SysctlRequest {
  std::span<const int> oid;
  GuestAddr old{};
  std::uint64_t room = 0;
  GuestAddr new_value{};
  std::uint64_t new_length = 0;
};
int run_sysctl(Host& host, const SysctlTree& tree, const Release& release, const SysctlRequest& request,
               std::uint64_t& length) noexcept;

/// "15.0-RELEASE" or "15.0" within a table's release text.
std::string_view release_name(std::string_view release) noexcept;

}  // namespace sudrun::abi::bsd

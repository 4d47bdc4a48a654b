#include "runtime/fast_path.hpp"

#include <sys/auxv.h>
#include <sys/syscall.h>

#include <cerrno>

#include "loader/loaded_image.hpp"
#include "runtime/gate.hpp"

namespace sudrun::runtime {
namespace {

using abi::Entry;
using abi::FastKind;

std::uint64_t word_of(const std::atomic<std::uint64_t>& id) noexcept {
  static_assert(sizeof id == sizeof(std::uint64_t) && std::atomic<std::uint64_t>::is_always_lock_free);
  return word(&id);
}

std::uint64_t id_of(const CachedIds& ids, unsigned native_number) noexcept {
  switch (native_number) {
    case SYS_getpid:
      return word_of(ids.pid);
    case SYS_getuid:
      return word_of(ids.uid);
    case SYS_geteuid:
      return word_of(ids.euid);
    case SYS_getgid:
      return word_of(ids.gid);
    case SYS_getegid:
      return word_of(ids.egid);
    default:
      return 0;
  }
}

FastCall fast_call(const Entry& entry, const CachedIds& ids, bool has_clock) noexcept {
  const auto at = [](auto* label) { return reinterpret_cast<std::uint64_t>(label); };
  switch (entry.fast) {
    case FastKind::plain:
      if (const std::uint64_t id = id_of(ids, entry.target); id != 0) return {at(&sudrun_fast_known), id};
      return {at(&sudrun_fast_plain), entry.target};
    case FastKind::fd:
      return {at(&sudrun_fast_fd), entry.target};
    case FastKind::fd_buffer:
      return {at(&sudrun_fast_fd_buffer), entry.target};
    case FastKind::clock:
      if (has_clock) return {at(&sudrun_fast_clock), 0};
      break;
    case FastKind::futex:
      return {at(&sudrun_fast_futex), entry.futex_waits | static_cast<std::uint64_t>(entry.futex_wakes)
                                                              << 32};
    case FastKind::sleep:
      return {at(&sudrun_fast_sleep), entry.futex_differs};
    case FastKind::wake:
      return {at(&sudrun_fast_wake), 0};
    case FastKind::none:
      break;
  }
  return {at(&sudrun_fast_none), 0};
}

void fill_clock_ids(FastPath& path, const abi::Table& table) noexcept {
  path.clock_ids.fill(0xff);
  for (const Entry& entry : table.entries()) {
    if (entry.fast != FastKind::clock) continue;
    const abi::FlagSet clocks = table.flag_set(entry.args[0].param);
    for (std::uint64_t id = 0; id < path.clock_ids.size(); ++id) {
      const auto host = clocks.to_native(id);
      // Only what Linux keeps in the page it shares with programs; the others are calls after all.
      constexpr std::uint64_t kShared = 1U << CLOCK_REALTIME | 1U << CLOCK_MONOTONIC |
                                        1U << CLOCK_REALTIME_COARSE | 1U << CLOCK_MONOTONIC_COARSE |
                                        1U << CLOCK_MONOTONIC_RAW | 1U << CLOCK_BOOTTIME;
      if (host && *host < 32 && ((kShared >> *host) & 1) != 0)
        path.clock_ids[id] = static_cast<std::uint8_t>(*host);
    }
  }
}

void fill_longest(FastPath& path, const abi::Table& table) noexcept {
  constexpr long kMicroseconds = 1'000'000;
  for (const Entry& entry : table.entries())
    if (entry.fast == FastKind::sleep)
      path.longest = {entry.futex_longest / kMicroseconds, entry.futex_longest % kMicroseconds * 1000};
}

void fill_errnos(FastPath& path, const abi::Table& table) noexcept {
  for (unsigned error = 1; error <= path.errnos.size(); ++error) {
    const int guest = table.errno_to_guest(static_cast<int>(error));
    const bool more = error == EINTR || error == EPIPE || error >= 512 || guest <= 0 || guest > 0xff;
    path.errnos[error - 1] = more ? 0 : static_cast<std::uint8_t>(guest);
  }
}

}  // namespace

// The C library has its own way to the same function, but only through the thread pointer.
std::uint64_t clock_of_the_host() noexcept {
  const auto* const vdso = reinterpret_cast<const std::byte*>(::getauxval(AT_SYSINFO_EHDR));
  if (vdso == nullptr) return 0;
  const auto offset = loader::find_function({vdso, loader::loaded_size(vdso)}, "__vdso_clock_gettime");
  return offset ? word(vdso + *offset) : 0;
}

void CachedIds::refresh() noexcept {
  pid = static_cast<std::uint64_t>(native(SYS_getpid));
  uid = static_cast<std::uint64_t>(native(SYS_getuid));
  euid = static_cast<std::uint64_t>(native(SYS_geteuid));
  gid = static_cast<std::uint64_t>(native(SYS_getgid));
  egid = static_cast<std::uint64_t>(native(SYS_getegid));
}

void build_fast_path(FastPath& path, const abi::Table& table, const CachedIds& ids,
                     const std::atomic<unsigned>& hidden) noexcept {
  path.guest_top = abi::kGuestTop;
  path.first_hidden = word(&hidden);
  path.clock = clock_of_the_host();
  fill_clock_ids(path, table);
  fill_errnos(path, table);
  fill_longest(path, table);
  unsigned count = 0;
  for (; count < path.calls.size(); ++count)
    path.calls[count] = fast_call(table.entry(count), ids, path.clock != 0);
  std::atomic_ref(path.limit).store(count, std::memory_order_release);
}

}  // namespace sudrun::runtime

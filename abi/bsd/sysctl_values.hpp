// Providers of single values. `query.node.value` and `.text` say which, where one provider serves several.
#pragma once

#include "abi/bsd/sysctl_tree.hpp"

namespace sudrun::abi::bsd::sysctl_values {

int number32(SysctlQuery& query) noexcept;
int number64(SysctlQuery& query) noexcept;
int constant_text(SysctlQuery& query) noexcept;
int file_number(SysctlQuery& query) noexcept;  // 32 or 64 bits, by the node's type

/// What the system calls itself: its kern.ostype.
std::string_view os_name(const SysctlQuery& query) noexcept;

int os_release(SysctlQuery& query) noexcept;
int os_version(SysctlQuery& query) noexcept;
int os_release_date(SysctlQuery& query) noexcept;
int host_name(SysctlQuery& query) noexcept;
int domain_name(SysctlQuery& query) noexcept;
int host_id(SysctlQuery& query) noexcept;
int host_uuid(SysctlQuery& query) noexcept;
int clock_rate(SysctlQuery& query) noexcept;
int boot_time(SysctlQuery& query) noexcept;
int random_bytes(SysctlQuery& query) noexcept;
int limit_of(SysctlQuery& query) noexcept;  // value: native RLIMIT_*
int ps_strings(SysctlQuery& query) noexcept;
int user_stack(SysctlQuery& query) noexcept;
int open_files(SysctlQuery& query) noexcept;
int last_pid(SysctlQuery& query) noexcept;
int cpu_time(SysctlQuery& query) noexcept;
int cpu_times(SysctlQuery& query) noexcept;       // of each processor
int kernel_counter(SysctlQuery& query) noexcept;  // value: 0 context switches, 1 interrupts, 2 soft ones
int cpu_count(SysctlQuery& query) noexcept;       // value: added to the count
int cpu_set_bytes(SysctlQuery& query) noexcept;   // up to the last processor that is there
int cpu_model(SysctlQuery& query) noexcept;
int cpu_frequency(SysctlQuery& query) noexcept;  // value: unit in Hz
int page_sizes(SysctlQuery& query) noexcept;
int load_average(SysctlQuery& query) noexcept;
int port_range(SysctlQuery& query) noexcept;  // value: 0 first, 1 last

/// Lines of /proc/meminfo.
inline constexpr std::int64_t kMemTotal = 0, kMemFree = 1, kMemAvailable = 2, kActive = 3, kInactive = 4,
                              kUnevictable = 5, kSwapTotal = 6;
int memory_bytes(SysctlQuery& query) noexcept;
int memory_pages(SysctlQuery& query) noexcept;

}  // namespace sudrun::abi::bsd::sysctl_values

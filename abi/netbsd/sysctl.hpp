// What the file that freeze-sysctl writes from tables/netbsd-sysctl.yaml needs: the personality, and the
// providers its rows name.
#pragma once

#include "abi/bsd/sysctl_tree.hpp"
#include "abi/bsd/sysctl_values.hpp"
#include "abi/netbsd/netbsd.hpp"

namespace sudrun::abi::netbsd {

int release_text(SysctlQuery& query) noexcept;  // kern.osrelease: 10.1
int version_text(SysctlQuery& query) noexcept;
int short_random_bytes(SysctlQuery& query) noexcept;  // kern.arandom: at most 256 bytes
int random_word(SysctlQuery& query) noexcept;         // kern.urandom
int memory_word(SysctlQuery& query) noexcept;  // hw.physmem, as far as an int goes; value: as memory_bytes
int clock_info(SysctlQuery& query) noexcept;
int boot_timespec(SysctlQuery& query) noexcept;
int route_messages(SysctlQuery& query) noexcept;     // sysctl_route.cpp
int process_arguments(SysctlQuery& query) noexcept;  // kern.proc_args.PID.*

}  // namespace sudrun::abi::netbsd

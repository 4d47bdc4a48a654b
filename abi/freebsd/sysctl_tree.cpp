// The tree itself and the order of its nodes; sysctl_values.cpp has the providers of single values.
#include "abi/freebsd/sysctl_tree.hpp"

#include <algorithm>
#include <cerrno>
#include <compare>
#include <initializer_list>

#include "abi/freebsd/sysctl_values.hpp"

namespace sudrun::abi::freebsd {

namespace {

using namespace sysctl_values;

constexpr int kAuto = 0x100;  // CTL_AUTO_START: numbers FreeBSD gives out at boot; nothing may rely on them

constexpr SysctlNode base(std::string_view name, std::initializer_list<int> number) {
  SysctlNode node{.name = name};
  for (const int n : number) node.number[node.depth++] = n;
  return node;
}
constexpr SysctlNode inner(std::string_view name, std::initializer_list<int> number) {
  return base(name, number);
}
constexpr SysctlNode constant(std::string_view name, std::initializer_list<int> number, std::int64_t value,
                              CtlType type = CtlType::int_) {
  SysctlNode node = base(name, number);
  node.type = type;
  switch (type) {
    case CtlType::uint:
      node.format = "IU";
      node.provider = number32;
      break;
    case CtlType::long_:
      node.format = "L";
      node.provider = number64;
      break;
    case CtlType::ulong:
      node.format = "LU";
      node.provider = number64;
      break;
    case CtlType::u64:
      node.format = "QU";
      node.provider = number64;
      break;
    default:
      node.format = "I";
      node.provider = number32;
      break;
  }
  node.value = value;
  return node;
}
/// The number in a host file, or `fallback`.
constexpr SysctlNode host_value(std::string_view name, std::initializer_list<int> number, const char* path,
                                std::int64_t fallback, CtlType type = CtlType::int_) {
  SysctlNode node = constant(name, number, fallback, type);
  node.text = path;
  node.provider = file_number;
  return node;
}
constexpr SysctlNode fixed_text(std::string_view name, std::initializer_list<int> number, const char* text) {
  SysctlNode node = base(name, number);
  node.type = CtlType::string;
  node.format = "A";
  node.provider = constant_text;
  node.text = text;
  return node;
}
constexpr SysctlNode computed(std::string_view name, std::initializer_list<int> number, CtlType type,
                              const char* format, SysctlProvider provider, std::int64_t value = 0) {
  SysctlNode node = base(name, number);
  node.type = type;
  node.format = format;
  node.provider = provider;
  node.value = value;
  return node;
}
constexpr SysctlNode hidden(SysctlNode node) {
  node.hidden = true;
  return node;
}

constexpr CtlType kInt = CtlType::int_, kUint = CtlType::uint, kString = CtlType::string,
                  kStruct = CtlType::opaque, kLong = CtlType::long_, kUlong = CtlType::ulong,
                  kU64 = CtlType::u64, kNode = CtlType::node;

// Numbers below kAuto are FreeBSD's own (sys/sys/sysctl.h, sys/netinet/in.h, tcp_var.h…).
constexpr SysctlNode kNodes[] = {
    inner("kern", {1}),
    fixed_text("kern.ostype", {1, 1}, "FreeBSD"),
    computed("kern.osrelease", {1, 2}, kString, "A", os_release),
    constant("kern.osrevision", {1, 3}, 199506),
    computed("kern.version", {1, 4}, kString, "A", os_version),
    host_value("kern.maxvnodes", {1, 5}, "/proc/sys/fs/file-max", 1'000'000),
    host_value("kern.maxproc", {1, 6}, "/proc/sys/kernel/pid_max", 32768),
    host_value("kern.maxfiles", {1, 7}, "/proc/sys/fs/file-max", 1'000'000),
    constant("kern.argmax", {1, 8}, 524'288),
    constant("kern.securelevel", {1, 9}, -1),
    computed("kern.hostname", {1, 10}, kString, "A", host_name),
    computed("kern.hostid", {1, 11}, kUlong, "LU", host_id),
    computed("kern.clockrate", {1, 12}, kStruct, "S,clockinfo", clock_rate),
    inner("kern.proc", {1, 14}),
    computed("kern.proc.all", {1, 14, 0}, kNode, "S,proc", sysctl_proc_all),
    computed("kern.proc.pid", {1, 14, 1}, kNode, "S,proc", sysctl_proc_info),
    computed("kern.proc.args", {1, 14, 7}, kNode, "N", sysctl_proc_args),
    computed("kern.proc.proc", {1, 14, 8}, kNode, "S,proc", sysctl_proc_all),
    computed("kern.proc.pathname", {1, 14, 12}, kNode, "N", sysctl_proc_pathname),
    computed("kern.proc.pid_td", {1, 14, 17}, kNode, "S,proc", sysctl_proc_threads),
    constant("kern.posix1version", {1, 17}, 200'112),
    constant("kern.ngroups", {1, 18}, 1023),
    constant("kern.job_control", {1, 19}, 1),
    constant("kern.saved_ids", {1, 20}, 1),
    computed("kern.boottime", {1, 21}, kStruct, "S,timeval", boot_time),
    computed("kern.domainname", {1, 22}, kString, "A", domain_name),
    computed("kern.osreldate", {1, 24}, kInt, "I", os_release_date),
    fixed_text("kern.bootfile", {1, 26}, "/boot/kernel/kernel"),
    computed("kern.maxfilesperproc", {1, 27}, kInt, "I", limit_of, 7 /* RLIMIT_NOFILE */),
    computed("kern.maxprocperuid", {1, 28}, kInt, "I", limit_of, 6 /* RLIMIT_NPROC */),
    inner("kern.ipc", {1, 30}),
    constant("kern.ipc.maxsockbuf", {1, 30, 1}, 2'097'152, kUlong),
    host_value("kern.ipc.somaxconn", {1, 30, 3}, "/proc/sys/net/core/somaxconn", 128),
    host_value("kern.ipc.soacceptqueue", {1, 30, kAuto}, "/proc/sys/net/core/somaxconn", 128),
    host_value("kern.ipc.shmmax", {1, 30, kAuto + 1}, "/proc/sys/kernel/shmmax", 536'870'912, kUlong),
    host_value("kern.ipc.shmmni", {1, 30, kAuto + 2}, "/proc/sys/kernel/shmmni", 192, kUlong),
    host_value("kern.ipc.shmall", {1, 30, kAuto + 3}, "/proc/sys/kernel/shmall", 131'072, kUlong),
    constant("kern.ipc.shm_allow_removed", {1, 30, kAuto + 4}, 1),
    constant("kern.ipc.umtx_max_robust", {1, 30, kAuto + 5}, 1000),
    computed("kern.ps_strings", {1, 32}, kUlong, "LU", ps_strings),
    computed("kern.usrstack", {1, 33}, kUlong, "LU", user_stack),
    constant("kern.logsigexit", {1, 34}, 0),
    constant("kern.iov_max", {1, 35}, 1024),
    computed("kern.hostuuid", {1, 36}, kString, "A", host_uuid),
    hidden(computed("kern.arandom", {1, 37}, kStruct, "", random_bytes)),
    constant("kern.maxphys", {1, 38}, 1'048'576, kUlong),
    fixed_text("kern.ident", {1, kAuto}, "GENERIC"),
    fixed_text("kern.supported_archs", {1, kAuto + 1}, "amd64"),
    fixed_text("kern.vm_guest", {1, kAuto + 2}, "none"),
    computed("kern.openfiles", {1, kAuto + 3}, kInt, "I", open_files),
    computed("kern.cp_time", {1, kAuto + 4}, kLong, "LU", cpu_time),
    constant("kern.maxssiz", {1, kAuto + 5}, 536'870'912, kUlong),
    constant("kern.dfldsiz", {1, kAuto + 6}, 34'359'738'368, kUlong),
    constant("kern.maxdsiz", {1, kAuto + 7}, 34'359'738'368, kUlong),
    constant("kern.maxtsiz", {1, kAuto + 8}, 34'359'738'368, kUlong),
    constant("kern.hz", {1, kAuto + 9}, 1000),
    fixed_text("kern.corefile", {1, kAuto + 10}, "%N.core"),
    fixed_text("kern.conftxt", {1, kAuto + 11}, "ident\tGENERIC\nmachine\tamd64\n"),
    constant("kern.maxusers", {1, kAuto + 12}, 384),
    computed("kern.lastpid", {1, kAuto + 13}, kInt, "I", last_pid),
    inner("kern.smp", {1, kAuto + 20}),
    computed("kern.smp.cpus", {1, kAuto + 20, kAuto}, kInt, "I", cpu_count),
    constant("kern.smp.maxcpus", {1, kAuto + 20, kAuto + 1}, 1024),
    computed("kern.smp.maxid", {1, kAuto + 20, kAuto + 2}, kInt, "I", cpu_count, -1),
    constant("kern.smp.active", {1, kAuto + 20, kAuto + 3}, 1),
    constant("kern.smp.disabled", {1, kAuto + 20, kAuto + 4}, 0),
    computed("kern.smp.cores", {1, kAuto + 20, kAuto + 5}, kInt, "I", cpu_count),
    constant("kern.smp.threads_per_core", {1, kAuto + 20, kAuto + 6}, 1),
    inner("kern.sched", {1, kAuto + 21}),
    fixed_text("kern.sched.name", {1, kAuto + 21, kAuto}, "ULE"),
    inner("kern.eventtimer", {1, kAuto + 22}),
    fixed_text("kern.eventtimer.timer", {1, kAuto + 22, kAuto}, "LAPIC"),
    constant("kern.eventtimer.periodic", {1, kAuto + 22, kAuto + 1}, 0),
    inner("kern.timecounter", {1, kAuto + 23}),
    fixed_text("kern.timecounter.hardware", {1, kAuto + 23, kAuto}, "TSC-low"),
    fixed_text("kern.timecounter.choice", {1, kAuto + 23, kAuto + 1}, "TSC-low(1000) dummy(-1000000)"),
    constant("kern.timecounter.fast_gettime", {1, kAuto + 23, kAuto + 2}, 0),
    inner("kern.threads", {1, kAuto + 24}),
    host_value("kern.threads.max_threads_per_proc", {1, kAuto + 24, kAuto}, "/proc/sys/kernel/threads-max",
               1500),
    inner("kern.elf64", {1, kAuto + 25}),
    constant("kern.elf64.nxstack", {1, kAuto + 25, kAuto}, 1),
    constant("kern.elf64.fallback_brand", {1, kAuto + 25, kAuto + 1}, -1),

    inner("vm", {2}),
    computed("vm.loadavg", {2, 2}, kStruct, "S,loadavg", load_average),
    constant("vm.overcommit", {2, kAuto}, 0),
    computed("vm.swap_total", {2, kAuto + 1}, kUlong, "LU", memory_bytes, kSwapTotal),
    constant("vm.swap_enabled", {2, kAuto + 2}, 1),
    constant("vm.nswapdev", {2, kAuto + 3}, 0),
    computed("vm.kmem_size", {2, kAuto + 4}, kUlong, "LU", memory_bytes, kMemTotal),
    inner("vm.stats", {2, kAuto + 5}),
    inner("vm.stats.vm", {2, kAuto + 5, kAuto}),
    constant("vm.stats.vm.v_page_size", {2, kAuto + 5, kAuto, kAuto}, 4096, kUint),
    computed("vm.stats.vm.v_page_count", {2, kAuto + 5, kAuto, kAuto + 1}, kUint, "IU", memory_pages,
             kMemTotal),
    computed("vm.stats.vm.v_free_count", {2, kAuto + 5, kAuto, kAuto + 2}, kUint, "IU", memory_pages,
             kMemFree),
    computed("vm.stats.vm.v_active_count", {2, kAuto + 5, kAuto, kAuto + 3}, kUint, "IU", memory_pages,
             kActive),
    computed("vm.stats.vm.v_inactive_count", {2, kAuto + 5, kAuto, kAuto + 4}, kUint, "IU", memory_pages,
             kInactive),
    computed("vm.stats.vm.v_wire_count", {2, kAuto + 5, kAuto, kAuto + 5}, kUint, "IU", memory_pages,
             kUnevictable),
    constant("vm.stats.vm.v_cache_count", {2, kAuto + 5, kAuto, kAuto + 6}, 0, kUint),

    inner("vfs", {3}),
    constant("vfs.usermount", {3, kAuto}, 0),

    inner("net", {4}),
    computed("net.routetable", {4, 17}, kNode, "N", sysctl_route),
    inner("net.inet", {4, 2}),
    inner("net.inet.ip", {4, 2, 0}),
    host_value("net.inet.ip.forwarding", {4, 2, 0, 1}, "/proc/sys/net/ipv4/ip_forward", 0),
    host_value("net.inet.ip.ttl", {4, 2, 0, 3}, "/proc/sys/net/ipv4/ip_default_ttl", 64),
    inner("net.inet.ip.portrange", {4, 2, 0, kAuto}),
    constant("net.inet.ip.portrange.lowfirst", {4, 2, 0, kAuto, kAuto}, 1023),
    constant("net.inet.ip.portrange.lowlast", {4, 2, 0, kAuto, kAuto + 1}, 600),
    computed("net.inet.ip.portrange.first", {4, 2, 0, kAuto, kAuto + 2}, kInt, "I", port_range, 0),
    computed("net.inet.ip.portrange.last", {4, 2, 0, kAuto, kAuto + 3}, kInt, "I", port_range, 1),
    computed("net.inet.ip.portrange.hifirst", {4, 2, 0, kAuto, kAuto + 4}, kInt, "I", port_range, 0),
    computed("net.inet.ip.portrange.hilast", {4, 2, 0, kAuto, kAuto + 5}, kInt, "I", port_range, 1),
    host_value("net.inet.ip.portrange.reservedhigh", {4, 2, 0, kAuto, kAuto + 6},
               "/proc/sys/net/ipv4/ip_unprivileged_port_start", 1024),
    constant("net.inet.ip.portrange.reservedlow", {4, 2, 0, kAuto, kAuto + 7}, 0),
    inner("net.inet.tcp", {4, 2, 6}),
    constant("net.inet.tcp.rfc1323", {4, 2, 6, 1}, 1),
    constant("net.inet.tcp.mssdflt", {4, 2, 6, 3}, 536),
    constant("net.inet.tcp.keepidle", {4, 2, 6, 6}, 7'200'000),
    constant("net.inet.tcp.keepintvl", {4, 2, 6, 7}, 75'000),
    constant("net.inet.tcp.sendspace", {4, 2, 6, 8}, 32'768),
    constant("net.inet.tcp.recvspace", {4, 2, 6, 9}, 65'536),
    constant("net.inet.tcp.keepinit", {4, 2, 6, 10}, 75'000),
    host_value("net.inet.tcp.keepcnt", {4, 2, 6, kAuto}, "/proc/sys/net/ipv4/tcp_keepalive_probes", 8),
    inner("net.inet.tcp.cc", {4, 2, 6, kAuto + 1}),
    fixed_text("net.inet.tcp.cc.algorithm", {4, 2, 6, kAuto + 1, kAuto}, "cubic"),
    host_value("net.inet.tcp.sack", {4, 2, 6, kAuto + 2}, "/proc/sys/net/ipv4/tcp_sack", 1),
    inner("net.inet.udp", {4, 2, 17}),
    constant("net.inet.udp.maxdgram", {4, 2, 17, 3}, 65'507),
    constant("net.inet.udp.recvspace", {4, 2, 17, 4}, 42'080),
    inner("net.inet6", {4, 28}),
    inner("net.inet6.ip6", {4, 28, 41}),
    host_value("net.inet6.ip6.forwarding", {4, 28, 41, 1}, "/proc/sys/net/ipv6/conf/all/forwarding", 0),
    constant("net.inet6.ip6.hlim", {4, 28, 41, 3}, 64),
    host_value("net.inet6.ip6.v6only", {4, 28, 41, 24}, "/proc/sys/net/ipv6/bindv6only", 1),
    inner("net.local", {4, 1}),
    inner("net.local.stream", {4, 1, kAuto}),
    constant("net.local.stream.sendspace", {4, 1, kAuto, kAuto}, 65'536, kUlong),
    constant("net.local.stream.recvspace", {4, 1, kAuto, kAuto + 1}, 65'536, kUlong),
    inner("net.local.dgram", {4, 1, kAuto + 1}),
    constant("net.local.dgram.maxdgram", {4, 1, kAuto + 1, kAuto}, 8192, kUlong),

    inner("hw", {6}),
    fixed_text("hw.machine", {6, 1}, "amd64"),
    computed("hw.model", {6, 2}, kString, "A", cpu_model),
    computed("hw.ncpu", {6, 3}, kInt, "I", cpu_count),
    constant("hw.byteorder", {6, 4}, 1234),
    computed("hw.physmem", {6, 5}, kUlong, "LU", memory_bytes, kMemTotal),
    computed("hw.usermem", {6, 6}, kUlong, "LU", memory_bytes, kMemAvailable),
    constant("hw.pagesize", {6, 7}, 4096),
    constant("hw.floatingpoint", {6, 10}, 1),
    fixed_text("hw.machine_arch", {6, 11}, "amd64"),
    computed("hw.realmem", {6, 12}, kUlong, "LU", memory_bytes, kMemTotal),
    computed("hw.pagesizes", {6, kAuto}, kUlong, "LU", page_sizes),
    computed("hw.availpages", {6, kAuto + 1}, kLong, "L", memory_pages, kMemTotal),
    computed("hw.clockrate", {6, kAuto + 2}, kInt, "I", cpu_frequency, 1'000'000),
    constant("hw.instruction_sse", {6, kAuto + 3}, 1),

    inner("machdep", {7}),
    computed("machdep.tsc_freq", {7, kAuto}, kU64, "QU", cpu_frequency, 1),
    constant("machdep.smp_active", {7, kAuto + 1}, 1),

    inner("user", {8}),
    fixed_text("user.cs_path", {8, 1}, "/usr/bin:/bin:/usr/sbin:/sbin"),
    constant("user.bc_base_max", {8, 2}, 99),
    constant("user.bc_dim_max", {8, 3}, 2048),
    constant("user.bc_scale_max", {8, 4}, 99),
    constant("user.bc_string_max", {8, 5}, 1000),
    constant("user.coll_weights_max", {8, 6}, 10),
    constant("user.expr_nest_max", {8, 7}, 32),
    constant("user.line_max", {8, 8}, 2048),
    constant("user.re_dup_max", {8, 9}, 255),
    constant("user.posix2_version", {8, 10}, 199'212),
    constant("user.posix2_c_bind", {8, 11}, 0),
    constant("user.posix2_c_dev", {8, 12}, 0),
    constant("user.posix2_char_term", {8, 13}, 0),
    constant("user.posix2_fort_dev", {8, 14}, 0),
    constant("user.posix2_fort_run", {8, 15}, 0),
    constant("user.posix2_localedef", {8, 16}, 0),
    constant("user.posix2_sw_dev", {8, 17}, 0),
    constant("user.posix2_upe", {8, 18}, 0),
    constant("user.stream_max", {8, 19}, 20),
    constant("user.tzname_max", {8, 20}, 255),
    fixed_text("user.localbase", {8, 21}, "/usr/local"),

    inner("p1003_1b", {9}),
    constant("p1003_1b.asynchronous_io", {9, 1}, 0),
    constant("p1003_1b.mapped_files", {9, 2}, 200'112),
    constant("p1003_1b.memlock", {9, 3}, 0),
    constant("p1003_1b.memlock_range", {9, 4}, 0),
    constant("p1003_1b.memory_protection", {9, 5}, 200'112),
    constant("p1003_1b.message_passing", {9, 6}, 0),
    constant("p1003_1b.priority_scheduling", {9, 8}, 200'112),
    constant("p1003_1b.realtime_signals", {9, 9}, 200'112),
    constant("p1003_1b.semaphores", {9, 10}, 200'112),
    constant("p1003_1b.fsync", {9, 11}, 200'112),
    constant("p1003_1b.shared_memory_objects", {9, 12}, 200'112),
    constant("p1003_1b.synchronized_io", {9, 13}, 0),
    constant("p1003_1b.timers", {9, 14}, 200'112),
    constant("p1003_1b.delaytimer_max", {9, 18}, 2'147'483'647),
    constant("p1003_1b.pagesize", {9, 20}, 4096),
    constant("p1003_1b.rtsig_max", {9, 21}, 62),
    constant("p1003_1b.sem_nsems_max", {9, 22}, 0),
    constant("p1003_1b.sem_value_max", {9, 23}, 0),
    constant("p1003_1b.sigqueue_max", {9, 24}, 128),
    constant("p1003_1b.timer_max", {9, 25}, 32),

    inner("security", {kAuto}),
    inner("security.jail", {kAuto, kAuto}),
    constant("security.jail.jailed", {kAuto, kAuto, kAuto}, 0),
    constant("security.jail.vnet", {kAuto, kAuto, kAuto + 1}, 0),
    inner("security.bsd", {kAuto, kAuto + 1}),
    constant("security.bsd.suser_enabled", {kAuto, kAuto + 1, kAuto}, 1),
    constant("security.bsd.see_other_uids", {kAuto, kAuto + 1, kAuto + 1}, 1),
    constant("security.bsd.see_other_gids", {kAuto, kAuto + 1, kAuto + 2}, 1),
    constant("security.bsd.unprivileged_proc_debug", {kAuto, kAuto + 1, kAuto + 3}, 0),
    constant("security.bsd.unprivileged_mlock", {kAuto, kAuto + 1, kAuto + 4}, 1),
    constant("security.bsd.hardlink_check_uid", {kAuto, kAuto + 1, kAuto + 5}, 0),
    constant("security.bsd.hardlink_check_gid", {kAuto, kAuto + 1, kAuto + 6}, 0),
    constant("security.bsd.stack_guard_page", {kAuto, kAuto + 1, kAuto + 7}, 1),
};

std::strong_ordering compare(std::span<const int> a, std::span<const int> b) noexcept {
  return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

std::span<const SysctlNode> sysctl_nodes() noexcept { return kNodes; }

const SysctlNode* exact_sysctl(std::span<const int> oid) noexcept {
  for (const SysctlNode& node : kNodes)
    if (compare(node.oid(), oid) == 0) return &node;
  return nullptr;
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
  for (const SysctlNode& node : kNodes)
    if (node.name == name) return &node;
  return nullptr;
}

const SysctlNode* next_sysctl(std::span<const int> oid, bool hidden_too) noexcept {
  const SysctlNode* best = nullptr;
  for (const SysctlNode& node : kNodes) {
    if (node.provider == nullptr || (node.hidden && !hidden_too)) continue;
    if (compare(node.oid(), oid) <= 0) continue;
    if (best == nullptr || compare(node.oid(), best->oid()) < 0) best = &node;
  }
  return best;
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

}  // namespace sudrun::abi::freebsd

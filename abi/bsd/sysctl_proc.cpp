// kern.proc: what a program may ask about processes, from the host's /proc.
//
// Other processes are shown as the host shows them: guests among them under the runtime's name.
//
// Facts: FreeBSD 15.0 sys/kern/kern_proc.c; proc(5) of Linux.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "abi/bsd/sysctl_proc.hpp"
#include "abi/bsd/sysctl_values.hpp"

namespace sudrun::abi::bsd {

namespace {

using namespace proc;

constexpr std::int64_t kPageSize = 4096;
constexpr int kKernelThreads = 2;  // the parent of all of Linux's

char guest_state(char native) noexcept {
  switch (native) {
    case 'R':
      return 2;  // SRUN
    case 'T':
    case 't':
      return 4;  // SSTOP
    case 'Z':
    case 'X':
      return 5;  // SZOMB
    default:
      return 3;  // SSLEEP
  }
}

/// The blank-separated fields of /proc/N/stat after the name, counted as proc(5) does (state is field 3).
struct StatFields {
  char state = 'S';
  std::int64_t field[53]{};

  explicit StatFields(std::string_view text) noexcept {
    std::size_t at = text.rfind(')');
    if (at == std::string_view::npos || at + 2 >= text.size()) return;
    text.remove_prefix(at + 2);
    state = text.front();
    for (std::size_t n = 4; n < std::size(field); ++n) {
      at = text.find(' ');
      if (at == std::string_view::npos) return;
      text.remove_prefix(at + 1);
      field[n] = leading_number(text, 0);
    }
  }
};

struct Ids {
  std::uint32_t real = 0, effective = 0, saved = 0;
};

Ids read_ids(std::string_view line) noexcept {
  std::uint32_t value[3]{};
  for (std::uint32_t& v : value) {
    v = static_cast<std::uint32_t>(leading_number(line, 0));
    line = line.substr(std::min(line.find('\t'), line.size()));
    if (!line.empty()) line.remove_prefix(1);
  }
  return {value[0], value[1], value[2]};
}

void copy_name(std::string_view name, std::span<char> to) noexcept { name.copy(to.data(), to.size() - 1); }

/// kern.proc.pgrp and the like: only the processes whose value is the one asked for.
bool is_wanted(const SysctlQuery& q, const KinfoProc& info) noexcept {
  switch (q.node.oid().back()) {
    case 2:  // KERN_PROC_PGRP
      return info.pgid == q.args[0];
    case 3:  // KERN_PROC_SESSION
      return info.sid == q.args[0];
    case 4:  // KERN_PROC_TTY
      return static_cast<int>(info.tdev) == q.args[0];
    case 5:  // KERN_PROC_UID
      return static_cast<int>(info.uid) == q.args[0];
    case 6:  // KERN_PROC_RUID
      return static_cast<int>(info.ruid) == q.args[0];
    case 10:  // KERN_PROC_RGID
      return static_cast<int>(info.rgid) == q.args[0];
    case 11:  // KERN_PROC_GID
      return static_cast<int>(info.groups[0]) == q.args[0];
    default:
      return true;
  }
}

/// Appends the record of a process, or of one thread of it.
int put_process(SysctlQuery& q, int pid, int tid) noexcept {
  char buffer[2048];
  Path path = proc_path(pid, "stat");
  if (tid != pid) std::snprintf(path.text, sizeof path.text, "/proc/%d/task/%d/stat", pid, tid);
  const std::string_view stat = read_host_file(q.host, path.text, buffer);
  if (stat.empty()) return ESRCH;
  const StatFields fields(stat);
  KinfoProc info{};
  info.structsize = sizeof info;
  const std::size_t open = stat.find('(');
  const std::size_t close = stat.rfind(')');
  std::string_view name;
  if (open != std::string_view::npos && close != std::string_view::npos && close > open)
    name = stat.substr(open + 1, close - open - 1);
  copy_name(name, info.tdname);
  if (pid == q.host.pid()) {
    const std::string_view program = q.host.program_path();
    name = program.substr(program.rfind('/') + 1);
  }
  copy_name(name, info.comm);
  copy_name(sysctl_values::os_name(q), info.emul);
  copy_name(" ELF64", std::span(info.emul).subspan(std::strlen(info.emul)));
  copy_name("default", info.loginclass);

  info.pid = pid;
  info.tid = tid;
  info.ppid = static_cast<std::int32_t>(fields.field[4]);
  info.pgid = static_cast<std::int32_t>(fields.field[5]);
  info.sid = info.tsid = static_cast<std::int32_t>(fields.field[6]);
  info.tdev =
      fields.field[7] != 0 ? static_cast<std::uint64_t>(fields.field[7]) : ~std::uint64_t{0};  // NODEV
  info.tdev_old = static_cast<std::uint32_t>(info.tdev);
  info.tpgid = static_cast<std::int32_t>(fields.field[8]);
  info.stat = guest_state(fields.state);
  // ps(1) shows more of processes that are in memory, and by default those with a terminal alone.
  info.flag = KinfoProc::kInMemory;
  if (fields.state == 'S' || fields.state == 'I') info.tdflags = KinfoProc::kInterruptible;
  if (fields.field[7] != 0) {
    info.flag |= KinfoProc::kHasTerminal;
    info.kiflag |= KinfoProc::kTerminalOfSession;
  }
  if (info.pid == info.sid) info.kiflag |= KinfoProc::kSessionLeader;
  if (info.pid == kKernelThreads || info.ppid == kKernelThreads)
    info.flag |= KinfoProc::kKernelProcess | KinfoProc::kSystem;
  // Class, level, of the kernel's giving, in user mode: PRI_TIMESHARE and PUSER.
  constexpr std::uint8_t kTimeShare = 3, kUserLevel = 120;
  constexpr std::uint8_t kPriority[4] = {kTimeShare, kUserLevel, kUserLevel, kUserLevel};
  std::copy_n(kPriority, std::size(kPriority), info.priority);
  info.nice = static_cast<std::int8_t>(fields.field[19]);
  info.numthreads = static_cast<std::int32_t>(fields.field[20]);
  info.size = static_cast<std::uint64_t>(fields.field[23]);
  info.rssize = fields.field[24];
  info.tsize = (fields.field[27] - fields.field[26]) / kPageSize;
  info.oncpu = -1;
  info.oncpu_old = 0xff;
  info.lastcpu = static_cast<std::int32_t>(fields.field[39]);
  info.lastcpu_old = static_cast<std::uint8_t>(std::min(info.lastcpu, 254));

  constexpr std::int64_t kMicrosecondsPerTick = 1'000'000 / kTicksPerSecond;
  const auto used = [&](std::size_t n) { return fields.field[n] * kMicrosecondsPerTick; };
  info.runtime = static_cast<std::uint64_t>(used(14) + used(15));
  const auto times = [&](std::uint64_t(&usage)[18], std::size_t user) {  // struct rusage: ru_utime, ru_stime
    for (std::size_t i = 0; i < 2; ++i) {
      usage[2 * i] = static_cast<std::uint64_t>(used(user + i) / 1'000'000);
      usage[2 * i + 1] = static_cast<std::uint64_t>(used(user + i) % 1'000'000);
    }
  };
  times(info.rusage, 14);
  times(info.rusage_children, 16);
  char boot[64 * 64];
  const std::int64_t booted =
      leading_number(text_after(read_host_file(q.host, "/proc/stat", boot), "btime "), 0);
  info.start[0] = booted + fields.field[22] / kTicksPerSecond;
  info.start[1] = fields.field[22] % kTicksPerSecond * kMicrosecondsPerTick;

  const std::string_view status = read_host_file(q.host, proc_path(pid, "status").text, buffer);
  const Ids uid = read_ids(text_after(status, "\nUid:"));
  const Ids gid = read_ids(text_after(status, "\nGid:"));
  info.uid = uid.effective;
  info.ruid = uid.real;
  info.svuid = uid.saved;
  info.rgid = gid.real;
  info.svgid = gid.saved;
  info.ngroups = 1;
  info.groups[0] = gid.effective;
  return is_wanted(q, info) ? q.out.put(info) : 0;
}

/// Room for processes born between asking for the size and asking for the list.
int put_slack(SysctlQuery& q) noexcept {
  return q.out.sizing() ? q.out.append(nullptr, 5 * sizeof(KinfoProc)) : 0;
}

}  // namespace

int sysctl_proc_pathname(SysctlQuery& q) noexcept {
  if (q.args.size() != 1) return EINVAL;
  if (is_self(q.host, q.args[0])) return q.out.append(q.host.program_path());
  char target[4096];
  const Path path = proc_path(q.args[0], "exe");
  const NativeResult length =
      q.host.call(SYS_readlinkat, static_cast<Word>(AT_FDCWD), reinterpret_cast<Word>(path.text),
                  reinterpret_cast<Word>(target), sizeof target);
  if (is_error(length)) return native_error(length);
  return q.out.append(q.host.guest_path({target, static_cast<std::size_t>(length)}));
}

int sysctl_proc_args(SysctlQuery& q) noexcept {
  if (q.args.size() != 1) return EINVAL;
  PsStrings strings{};
  if (is_self(q.host, q.args[0]) && own_strings(q.host, strings))
    return put_strings(q, strings.argv, strings.argc);
  return copy_host_file(q, proc_path(q.args[0] == -1 ? q.host.pid() : q.args[0], "cmdline").text);
}

int sysctl_proc_info(SysctlQuery& q) noexcept {
  if (q.args.size() != 1) return EINVAL;
  const int error = put_process(q, q.args[0], q.args[0]);
  return error != 0 ? error : put_slack(q);
}

int sysctl_proc_threads(SysctlQuery& q) noexcept {
  if (q.args.size() != 1) return EINVAL;
  const int pid = q.args[0];
  const int error = for_each_number(q.host, proc_path(pid, "task").text, [&](int tid) {
    const int failed = put_process(q, pid, tid);
    return failed == ESRCH ? 0 : failed;
  });
  return error != 0 ? error : put_slack(q);
}

int sysctl_proc_all(SysctlQuery& q) noexcept {
  constexpr int kAll = 0, kProcesses = 8;  // KERN_PROC_ALL, KERN_PROC_PROC, which ignores an argument
  const int kind = q.node.oid().back();
  const std::size_t wanted = kind == kAll ? 0 : kind == kProcesses ? q.args.size() : 1;
  if (q.args.size() != wanted || wanted > 1) return EINVAL;
  const int error = for_each_number(q.host, "/proc", [&](int pid) {
    const int failed = put_process(q, pid, pid);
    return failed == ESRCH ? 0 : failed;  // it has ended since
  });
  return error != 0 ? error : put_slack(q);
}

}  // namespace sudrun::abi::bsd

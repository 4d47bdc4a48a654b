// kern.proc: what one process can be asked about besides who it is. Another process is shown as the host
// does.
//
// Facts: FreeBSD 15.0 sys/kern/kern_proc.c, kern_descrip.c, kern_resource.c, sys/sys/user.h; proc(5) of
// Linux.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "abi/bsd/release.hpp"
#include "abi/bsd/sockaddr.hpp"
#include "abi/bsd/stat_convert.hpp"
#include "abi/bsd/sysctl_proc.hpp"
#include "abi/bsd/sysctl_values.hpp"

namespace sudrun::abi::bsd {
namespace {

using namespace proc;

/// The process a query is about. 0 or an errno.
int process_of(SysctlQuery& q, std::size_t arguments, int& pid) noexcept {
  if (q.args.size() != arguments) return EINVAL;
  pid = is_self(q.host, q.args[0]) ? q.host.pid() : q.args[0];
  if (pid <= 0) return ESRCH;
  const NativeResult known = q.host.call(SYS_kill, static_cast<Word>(pid), 0);
  return known == -ESRCH ? ESRCH : 0;
}

/// What a link below /proc leads to; empty if it cannot be read.
std::string_view link_target(Host& host, const char* path, std::span<char> buffer) noexcept {
  const NativeResult length =
      host.call(SYS_readlinkat, static_cast<Word>(AT_FDCWD), reinterpret_cast<Word>(path),
                reinterpret_cast<Word>(buffer.data()), buffer.size());
  return is_error(length) ? std::string_view()
                          : std::string_view(buffer.data(), static_cast<std::size_t>(length));
}

// --- files ----------------------------------------------------------------------------------------------

void copy_path(std::string_view path, std::span<char> to) noexcept { path.copy(to.data(), to.size() - 1); }

/// Descriptor numbers below zero that stand for what is no descriptor.
constexpr int kCurrentDirectory = -1, kRootDirectory = -2, kText = -5;

void describe_socket(Host& host, int fd, KinfoFile& info) noexcept {
  const auto option = [&](int name) noexcept {
    int value = 0;
    socklen_t size = sizeof value;
    host.call(SYS_getsockopt, static_cast<Word>(fd), SOL_SOCKET, static_cast<Word>(name),
              reinterpret_cast<Word>(&value), reinterpret_cast<Word>(&size));
    return value;
  };
  const auto address = [&](long number, std::span<std::byte> to) noexcept {
    NativeAddress native;
    native.size = sizeof native.bytes;
    if (is_error(host.call(number, static_cast<Word>(fd), reinterpret_cast<Word>(native.bytes.data()),
                           reinterpret_cast<Word>(&native.size))))
      return std::uint8_t{0};
    const GuestAddress guest = sockaddr_to_guest({native.bytes.data(), native.size});
    std::copy_n(guest.bytes.data(), std::min<std::size_t>(guest.size, to.size()), to.data());
    return std::to_integer<std::uint8_t>(guest.bytes[1]);
  };
  info.socket = {};
  info.socket.domain = address(SYS_getsockname, info.socket.local);
  address(SYS_getpeername, info.socket.peer);
  info.socket.type = option(SO_TYPE);
  info.socket.protocol = option(SO_PROTOCOL);
}

/// Appends a record cut behind its path, as the packed lists have it.
int put_packed(SysctlQuery& q, KinfoFile& info) noexcept {
  const std::size_t path = strnlen(info.path, sizeof info.path - 1);
  info.structsize = static_cast<std::int32_t>((offsetof(KinfoFile, path) + path + 1 + 7) & ~std::size_t{7});
  return q.out.append(&info, static_cast<std::size_t>(info.structsize));
}

/// What `path` below /proc says of a descriptor or of a directory in use.
KinfoFile describe(Host& host, const char* path, int fd) noexcept {
  KinfoFile info{};
  char target[1024];
  info.structsize = sizeof info;
  info.fd = fd;
  info.type = KinfoFile::kVnode;
  info.ref_count = 1;
  info.flags = KinfoFile::kRead;
  info.status = 1;  // KF_ATTR_VALID
  struct stat status {};
  if (!is_error(host.call(SYS_newfstatat, static_cast<Word>(AT_FDCWD), reinterpret_cast<Word>(path),
                          reinterpret_cast<Word>(&status), 0))) {
    info.file.vnode_type = fs::kinfo_vnode_type(status.st_mode);
    info.file.fsid = status.st_dev;
    info.file.rdev = status.st_rdev;
    info.file.fileid = status.st_ino;
    info.file.size = static_cast<std::uint64_t>(status.st_size);
    info.file.mode = static_cast<std::uint16_t>(status.st_mode);
  }
  const std::string_view name = link_target(host, path, target);
  if (name.starts_with('/')) copy_path(name, info.path);
  return info;
}

int put_descriptor(SysctlQuery& q, int pid, int fd) noexcept {
  Path path{};
  std::snprintf(path.text, sizeof path.text, "/proc/%d/fd/%d", pid, fd);
  KinfoFile info = describe(q.host, path.text, fd);
  if ((info.file.mode & S_IFMT) == S_IFIFO)
    info.type = info.path[0] == '/' ? KinfoFile::kFifo : KinfoFile::kPipe;
  if ((info.file.mode & S_IFMT) == S_IFCHR && std::string_view(info.path).starts_with("/dev/pts/"))
    info.type = KinfoFile::kPts;
  char text[512];
  Path more{};
  std::snprintf(more.text, sizeof more.text, "/proc/%d/fdinfo/%d", pid, fd);
  const std::string_view about = read_host_file(q.host, more.text, text);
  info.offset = leading_number(text_after(about, "pos:"), 0);
  unsigned flags = 0;
  const std::string_view octal = text_after(about, "flags:");
  std::from_chars(octal.data(), octal.data() + octal.size(), flags, 8);
  info.flags = (flags & O_ACCMODE) == O_RDONLY   ? KinfoFile::kRead
               : (flags & O_ACCMODE) == O_WRONLY ? KinfoFile::kWrite
                                                 : KinfoFile::kRead | KinfoFile::kWrite;
  if ((flags & O_APPEND) != 0) info.flags |= KinfoFile::kAppend;
  if ((flags & O_NONBLOCK) != 0) info.flags |= KinfoFile::kNonblock;
  if ((info.file.mode & S_IFMT) == S_IFSOCK) {
    info.socket = {};
    if (pid == q.host.pid()) describe_socket(q.host, fd, info);
    info.type = KinfoFile::kSocket;
  }
  return put_packed(q, info);
}

int put_place(SysctlQuery& q, int pid, const char* link, int fd) noexcept {
  KinfoFile info = describe(q.host, proc_path(pid, link).text, fd);
  if (fd == kText && pid == q.host.pid()) {
    std::fill(std::begin(info.path), std::end(info.path), '\0');
    copy_path(q.host.program_path(), info.path);
  }
  return put_packed(q, info);
}

}  // namespace

int sysctl_proc_filedesc(SysctlQuery& q) noexcept {
  int pid = 0;
  int error = process_of(q, 1, pid);
  // A list goes on past the end of the buffer: the size is still wanted.
  const auto note = [](int failed, int& full) noexcept {
    if (failed == ENOMEM) full = ENOMEM;
    return failed == ENOMEM ? 0 : failed;
  };
  int full = 0;
  if (error == 0) error = note(put_place(q, pid, "exe", kText), full);
  if (error == 0) error = note(put_place(q, pid, "cwd", kCurrentDirectory), full);
  if (error == 0) error = note(put_place(q, pid, "root", kRootDirectory), full);
  if (error != 0) return error;
  error = for_each_number(q.host, proc_path(pid, "fd").text, [&](int fd) {
    if (pid == q.host.pid() && q.host.is_hidden(fd)) return 0;
    return note(put_descriptor(q, pid, fd), full);
  });
  return error != 0 ? error : full;
}

int sysctl_proc_nfds(SysctlQuery& q) noexcept {
  int pid = 0;
  if (const int error = process_of(q, 1, pid); error != 0) return error;
  std::int32_t count = 0;
  const int error = for_each_number(q.host, proc_path(pid, "fd").text, [&](int fd) {
    count += pid == q.host.pid() && q.host.is_hidden(fd) ? 0 : 1;
    return 0;
  });
  if (error != 0) return error;
  return q.out.put(pid == q.host.pid() ? count - 1 : count);  // without the one that is looking
}

int sysctl_proc_cwd(SysctlQuery& q) noexcept {
  int pid = 0;
  if (const int error = process_of(q, 1, pid); error != 0) return error;
  const KinfoFile info = describe(q.host, proc_path(pid, "cwd").text, kCurrentDirectory);
  return q.out.put(info);
}

// --- strings and numbers --------------------------------------------------------------------------------

int sysctl_proc_env(SysctlQuery& q) noexcept {
  int pid = 0;
  if (const int error = process_of(q, 1, pid); error != 0) return error;
  PsStrings strings{};
  if (pid == q.host.pid() && own_strings(q.host, strings)) return put_strings(q, strings.envp, strings.envc);
  return copy_host_file(q, proc_path(pid, "environ").text);
}

/// The vector stands behind the environment's, where the program found it when it started.
int sysctl_proc_auxv(SysctlQuery& q) noexcept {
  struct Item {
    std::int64_t type;
    std::uint64_t value;
  };
  int pid = 0;
  if (const int error = process_of(q, 1, pid); error != 0) return error;
  PsStrings strings{};
  if (pid != q.host.pid()) return EPERM;  // it has not the guest's form there
  if (!own_strings(q.host, strings)) return ESRCH;
  GuestAddr at = guest_addr(strings.argv + (strings.argc + std::uint64_t{strings.envc} + 2) * sizeof(Word));
  int error = 0;
  for (unsigned i = 0; i < 64 && error == 0; ++i, at = at + sizeof(Item)) {
    Item item{};
    if (!q.host.get(at, item)) return EFAULT;
    error = q.out.put(item);
    if (item.type == 0) break;  // AT_NULL
  }
  return error;
}

int sysctl_proc_rlimit(SysctlQuery& q) noexcept {
  // FreeBSD's order: cpu, fsize, data, stack, core, rss, memlock, nproc, nofile, sbsize, vmem.
  constexpr int kResources[] = {RLIMIT_CPU,    RLIMIT_FSIZE, RLIMIT_DATA,    RLIMIT_STACK,
                                RLIMIT_CORE,   RLIMIT_RSS,   RLIMIT_MEMLOCK, RLIMIT_NPROC,
                                RLIMIT_NOFILE, -1,           RLIMIT_AS};
  constexpr int kCount = 15;  // RLIM_NLIMITS; those behind vmem have no counterpart either
  int pid = 0;
  if (const int error = process_of(q, 2, pid); error != 0) return error;
  const int which = q.args[1];
  if (which < 0 || which >= kCount) return EINVAL;
  const int native = which < static_cast<int>(std::size(kResources)) ? kResources[which] : -1;
  rlimit64 limit{RLIM64_INFINITY, RLIM64_INFINITY};
  if (native >= 0) {
    const NativeResult known = q.host.call(SYS_prlimit64, static_cast<Word>(pid), static_cast<Word>(native),
                                           0, reinterpret_cast<Word>(&limit));
    if (is_error(known)) return native_error(known);
  }
  constexpr std::int64_t kInfinity = INT64_MAX;  // RLIM_INFINITY
  const auto guest = [](rlim64_t value) noexcept {
    return value > static_cast<rlim64_t>(kInfinity) ? kInfinity : static_cast<std::int64_t>(value);
  };
  const std::int64_t both[2] = {guest(limit.rlim_cur), guest(limit.rlim_max)};
  return q.out.put(both);
}

int sysctl_proc_ps_strings(SysctlQuery& q) noexcept {
  int pid = 0;
  if (const int error = process_of(q, 1, pid); error != 0) return error;
  const Word top = q.host.stack_top();
  if (pid != q.host.pid() || top == 0) return EPERM;
  return q.out.put(top - sizeof(PsStrings));
}

int sysctl_proc_umask(SysctlQuery& q) noexcept {
  int pid = 0;
  if (const int error = process_of(q, 1, pid); error != 0) return error;
  char buffer[512];
  const std::string_view octal =
      text_after(read_host_file(q.host, proc_path(pid, "status").text, buffer), "Umask:");
  std::uint16_t mask = 022;
  std::from_chars(octal.data(), octal.data() + octal.size(), mask, 8);
  return q.out.put(mask);
}

int sysctl_proc_osrel(SysctlQuery& q) noexcept {
  int pid = 0;
  if (const int error = process_of(q, 1, pid); error != 0) return error;
  return q.out.put(std::int32_t{q.release.number});
}

/// Which system's calls the process makes, as far as can be told: another guest's are the host's to us.
int sysctl_proc_sv_name(SysctlQuery& q) noexcept {
  int pid = 0;
  if (const int error = process_of(q, 1, pid); error != 0) return error;
  const std::string_view name = sysctl_values::os_name(q);
  if (const int error = q.out.append(name.data(), name.size()); error != 0) return error;
  return q.out.append(std::string_view(" ELF64"));
}

int sysctl_proc_groups(SysctlQuery& q) noexcept {
  int pid = 0;
  if (const int error = process_of(q, 1, pid); error != 0) return error;
  char buffer[4096];
  const std::string_view status = read_host_file(q.host, proc_path(pid, "status").text, buffer);
  std::string_view gids = text_after(status, "\nGid:");
  gids = gids.substr(std::min(gids.find('\t'), gids.size()));
  int error = q.out.put(static_cast<std::uint32_t>(leading_number(gids, 0)));  // the effective one first
  std::string_view groups = text_after(status, "\nGroups:");
  while (error == 0 && !groups.empty()) {
    const std::int64_t group = leading_number(groups, -1);
    if (group < 0) break;
    error = q.out.put(static_cast<std::uint32_t>(group));
    groups = groups.substr(std::min(groups.find(' '), groups.size()));
    while (!groups.empty() && groups.front() == ' ') groups.remove_prefix(1);
  }
  return error;
}

// --- memory ---------------------------------------------------------------------------------------------

namespace {

/// One line of /proc/N/maps: "start-end rwxp offset dev inode   path". 0 or an errno.
int put_mapping(SysctlQuery& q, std::string_view line) noexcept {
  KinfoVmentry entry{};
  const char* const end = line.data() + line.size();
  auto [at, failed] = std::from_chars(line.data(), end, entry.start, 16);
  if (failed != std::errc() || at == end) return 0;
  at = std::from_chars(at + 1, end, entry.end, 16).ptr;
  if (end - at < 6 || entry.start >= kGuestTop) return 0;  // beyond is the runtime's own
  entry.protection = (at[1] == 'r' ? 1 : 0) | (at[2] == 'w' ? 2 : 0) | (at[3] == 'x' ? 4 : 0);
  if (at[4] == 'p') entry.flags = 1 | 2;  // KVME_FLAG_COW, NEEDS_COPY
  at = std::from_chars(at + 6, end, entry.offset, 16).ptr;
  std::string_view rest(at, static_cast<std::size_t>(end - at));
  for (int field = 0; field < 2; ++field) {  // the device, then the inode
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    if (field == 1) entry.vn_fileid = static_cast<std::uint64_t>(leading_number(rest, 0));
    rest = rest.substr(std::min(rest.find(' '), rest.size()));
  }
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  entry.type = 1;  // KVME_TYPE_DEFAULT
  entry.ref_count = 1;
  if (rest.starts_with('/')) {
    entry.type = 2;  // KVME_TYPE_VNODE
    entry.vn_type = 1;
    copy_path(rest, entry.path);
  }
  if (rest == "[stack]") entry.flags |= 0x20;  // KVME_FLAG_GROWS_DOWN
  const std::size_t path = strnlen(entry.path, sizeof entry.path - 1);
  entry.structsize =
      static_cast<std::int32_t>((offsetof(KinfoVmentry, path) + path + 1 + 7) & ~std::size_t{7});
  return q.out.append(&entry, static_cast<std::size_t>(entry.structsize));
}

}  // namespace

int sysctl_proc_vmmap(SysctlQuery& q) noexcept {
  int pid = 0;
  if (const int error = process_of(q, 1, pid); error != 0) return error;
  HostLines lines(q.host, proc_path(pid, "maps").text);
  if (const NativeResult failed = lines.error(); failed != 0)
    return failed == -EACCES ? EPERM : native_error(failed);
  int full = 0;
  while (const auto line = lines.next()) {
    const int error = put_mapping(q, *line);
    if (error == ENOMEM)
      full = ENOMEM;
    else if (error != 0)
      return error;
  }
  return full;
}

}  // namespace sudrun::abi::bsd

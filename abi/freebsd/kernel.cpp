// What the kernel says about itself: its files and modules, its environment, its clock discipline, and how
// much of its limits the process uses. There is one kernel file, "kernel", whose modules are not listed.
//
// Sources: FreeBSD 15 (and 14) sys/kern/kern_linker.c, sys/kern/kern_module.c, sys/kern/kern_environment.c,
// sys/kern/kern_ntptime.c, sys/kern/kern_resource.c, sys/sys/linker.h, sys/sys/module.h, sys/sys/kenv.h,
// sys/sys/timex.h, sys/sys/resource.h; Linux adjtimex(2), proc(5).
#include <sys/resource.h>
#include <sys/timex.h>

#include <array>
#include <charconv>

#include "abi/bsd/file_calls.hpp"
#include "abi/bsd/host_file.hpp"
#include "abi/bsd/stat_convert.hpp"
#include "abi/freebsd/freebsd.hpp"

namespace sudrun::abi::freebsd {
namespace {

using fs::word;

// --- files -----------------------------------------------------------------------------------------------

constexpr int kKernelFile = 1;
constexpr std::string_view kKernelName = "kernel";
constexpr std::string_view kKernelPath = "/boot/kernel/kernel";
constexpr std::size_t kMaxPath = 1024;  // MAXPATHLEN

struct KldFileStat {  // struct kld_file_stat
  std::int32_t version;
  char name[kMaxPath];
  std::int32_t refs, id, pad;
  std::uint64_t address, size;
  char pathname[kMaxPath];
};
constexpr std::size_t kKldFileStat1 = offsetof(KldFileStat, pathname);
static_assert(sizeof(KldFileStat) == 2080 && offsetof(KldFileStat, address) == 1040 && kKldFileStat1 == 1056);

Result kldnext(Call& call) noexcept {
  switch (call.i32(0)) {
    case 0:
      return Result::ok(kKernelFile);
    case kKernelFile:
      return Result::ok(0);
    default:
      return Result::fail(ENOENT);
  }
}

Result kldfind(Call& call) noexcept {
  char path[kMaxPath];
  const NativeResult length = call.host.read_string(call.addr(0), path);
  if (is_error(length)) return Result::of(length);
  std::string_view name(path, static_cast<std::size_t>(length));
  name.remove_prefix(name.rfind('/') + 1);  // none: npos + 1 is 0
  return name == kKernelName ? Result::ok(kKernelFile) : Result::fail(ENOENT);
}

/// Where the kernel is in memory stays untold.
Result kldstat(Call& call) noexcept {
  std::int32_t version = 0;
  if (!call.host.get(call.addr(1), version)) return Result::fail(EFAULT);
  const auto size = static_cast<std::size_t>(version);
  if (size != kKldFileStat1 && size != sizeof(KldFileStat)) return Result::fail(EINVAL);
  if (call.i32(0) != kKernelFile) return Result::fail(ENOENT);
  KldFileStat stat{};
  // FreeBSD hands out its own copy, whose version is never filled in.
  fs::copy_text(stat.name, kKernelName);
  fs::copy_text(stat.pathname, kKernelPath);
  stat.refs = 1;
  stat.id = kKernelFile;
  return call.host.write(call.addr(1), &stat, size) ? Result::ok() : Result::fail(EFAULT);
}

Result kldfirstmod(Call& call) noexcept {
  return call.i32(0) == kKernelFile ? Result::ok(0) : Result::fail(ENOENT);
}

struct KldSymLookup {  // struct kld_sym_lookup
  std::int32_t version, pad;
  std::uint64_t symname, symvalue, symsize;
};
static_assert(sizeof(KldSymLookup) == 32);

Result kldsym(Call& call) noexcept {
  constexpr int kLookup = 1;  // KLDSYM_LOOKUP
  KldSymLookup lookup{};
  if (!call.host.get(call.addr(2), lookup)) return Result::fail(EFAULT);
  if (lookup.version != sizeof lookup || call.i32(1) != kLookup) return Result::fail(EINVAL);
  char name[kMaxPath];
  const NativeResult length = call.host.read_string(guest_addr(lookup.symname), name);
  return is_error(length) ? Result::of(length) : Result::fail(ENOENT);
}

// --- modules ---------------------------------------------------------------------------------------------

Result no_module(Call&) noexcept { return Result::fail(ENOENT); }

Result modfind(Call& call) noexcept {
  char name[32];  // MAXMODNAME
  const NativeResult length = call.host.read_string(call.addr(0), name);
  return is_error(length) ? Result::of(length) : Result::fail(ENOENT);
}

// --- the kernel environment, which is empty --------------------------------------------------------------

Result kenv(Call& call) noexcept {
  enum Action : int { get, set, unset, dump, dump_loader, dump_static };
  switch (call.i32(0)) {
    case dump:
      return Result::ok(0);
    case dump_loader:
    case dump_static:
      return Result::fail(ENOENT);  // kept only by kernels told to
    case set:
    case unset:
      return Result::fail(EPERM);
    default:
      break;
  }
  char name[129];  // KENV_MNAMELEN + 1
  const NativeResult length = call.host.read_string(call.addr(1), name);
  if (is_error(length)) return Result::of(length);
  return Result::fail(call.i32(0) == get ? ENOENT : EINVAL);
}

// --- clock discipline ------------------------------------------------------------------------------------

struct NtpTime {  // struct ntptimeval
  std::int64_t tv_sec, tv_nsec, maxerror, esterror, tai;
  std::int32_t time_state, pad;
};
static_assert(sizeof(NtpTime) == 48);

struct Timex {  // struct timex; the native one has further members in between
  std::uint32_t modes, pad0;
  std::int64_t offset, freq, maxerror, esterror;
  std::int32_t status, pad1;
  std::int64_t constant, precision, tolerance, ppsfreq, jitter;
  std::int32_t shift, pad2;
  std::int64_t stabil, jitcnt, calcnt, errcnt, stbcnt;
};
static_assert(sizeof(Timex) == 136 && offsetof(Timex, ppsfreq) == 72 && offsetof(Timex, stabil) == 96);

/// States (TIME_OK…TIME_ERROR) have the same numbers.
Result ntp_gettime(Call& call) noexcept {
  struct timex native {};
  const NativeResult state = call.host.call(SYS_adjtimex, word(&native));
  if (is_error(state)) return Result::of(state);
  const bool nanoseconds = (native.status & STA_NANO) != 0;
  const NtpTime time{native.time.tv_sec,
                     nanoseconds ? native.time.tv_usec : native.time.tv_usec * 1000,
                     native.maxerror,
                     native.esterror,
                     native.tai,
                     static_cast<std::int32_t>(state),
                     0};
  return call.host.put(call.addr(0), time) ? Result::of(state) : Result::fail(EFAULT);
}

/// Reads only: setting takes a privilege no jail has.
Result ntp_adjtime(Call& call) noexcept {
  Timex guest{};
  if (!call.host.get(call.addr(0), guest)) return Result::fail(EFAULT);
  if (guest.modes != 0) return Result::fail(EPERM);
  struct timex native {};
  const NativeResult state = call.host.call(SYS_adjtimex, word(&native));
  if (is_error(state)) return Result::of(state);
  guest.offset = native.offset;
  guest.freq = native.freq;
  guest.maxerror = native.maxerror;
  guest.esterror = native.esterror;
  guest.status = native.status;
  guest.constant = native.constant;
  guest.precision = native.precision;
  guest.tolerance = native.tolerance;
  guest.ppsfreq = native.ppsfreq;
  guest.jitter = native.jitter;
  guest.shift = native.shift;
  guest.stabil = native.stabil;
  guest.jitcnt = native.jitcnt;
  guest.calcnt = native.calcnt;
  guest.errcnt = native.errcnt;
  guest.stbcnt = native.stbcnt;
  return call.host.put(call.addr(0), guest) ? Result::of(state) : Result::fail(EFAULT);
}

// --- use of limits ---------------------------------------------------------------------------------------

/// Open descriptors of the guest; negative if they cannot be listed.
std::int64_t open_descriptors(Host& host) noexcept {
  const ScopedDescriptor directory(host, host.call(SYS_openat, word(fs::kCwd), word("/proc/self/fd"),
                                                   word(O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!directory.valid()) return -1;
  std::int64_t count = -1;  // the directory itself
  std::array<std::byte, 2048> buffer;
  NativeResult size = 0;
  while ((size = host.call(SYS_getdents64, word(directory.fd()), word(buffer.data()), buffer.size())) > 0) {
    std::span<const std::byte> rest(buffer.data(), static_cast<std::size_t>(size));
    while (const auto entry = fs::first_entry(rest)) {
      rest = rest.subspan(entry->header.d_reclen);
      int fd = 0;
      const char* end = entry->name.data() + entry->name.size();
      if (std::from_chars(entry->name.data(), end, fd).ptr == end && !host.is_hidden(fd)) ++count;
    }
  }
  return count;
}

/// A line of the process's status in kilobytes, as bytes; negative if it is missing.
std::int64_t status_bytes(Host& host, std::string_view key) noexcept {
  char buffer[4096];
  const std::int64_t kilobytes =
      leading_number(text_after(read_host_file(host, "/proc/self/status", buffer), key), -1);
  return kilobytes < 0 ? -1 : kilobytes * 1024;
}

/// Negative for what has no use that could be told.
std::int64_t usage_of(Host& host, Word resource) noexcept {
  switch (resource) {
    case RLIMIT_CPU: {
      struct timespec time {};
      return is_error(host.call(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, word(&time))) ? -1 : time.tv_sec;
    }
    case RLIMIT_DATA:
      return status_bytes(host, "VmData:");
    case RLIMIT_STACK:
      return status_bytes(host, "VmStk:");
    case RLIMIT_RSS:
      return status_bytes(host, "VmRSS:");
    case RLIMIT_MEMLOCK:
      return status_bytes(host, "VmLck:");
    case RLIMIT_NOFILE:
      return open_descriptors(host);
    case RLIMIT_AS:
      return status_bytes(host, "VmSize:");
    default:
      return -1;
  }
}

Result getrlimitusage(Call& call) noexcept {
  constexpr unsigned kEffective = 1;  // GETRLIMITUSAGE_EUID
  constexpr unsigned kLast = 16;      // RLIMIT_VMM
  if ((call.u32(1) & ~kEffective) != 0 || call.u32(0) > kLast) return Result::fail(EINVAL);
  const auto resource = self(call).vocabulary().rlimit_resource.to_native(call.u32(0));
  const std::int64_t usage = resource ? usage_of(call.host, *resource) : -1;
  if (usage < 0) return Result::fail(ENXIO);
  return call.host.put(call.addr(2), usage) ? Result::ok() : Result::fail(EFAULT);
}

constexpr HandlerEntry kHandlers[] = {
    {"kldnext", kldnext},
    {"kldfind", kldfind},
    {"kldstat", kldstat},
    {"kldfirstmod", kldfirstmod},
    {"kldsym", kldsym},
    {"modnext", no_module},
    {"modfnext", no_module},
    {"modstat", no_module},
    {"modfind", modfind},
    {"kenv", kenv},
    {"ntp_gettime", ntp_gettime},
    {"ntp_adjtime", ntp_adjtime},
    {"getrlimitusage", getrlimitusage},
};

}  // namespace

std::span<const HandlerEntry> kernel_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::freebsd

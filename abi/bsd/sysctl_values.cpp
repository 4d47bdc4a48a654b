// Facts: FreeBSD 15.0 sys/kern/kern_mib.c, kern_clock.c (clockinfo), subr_smp.c, sys/vm/vm_meter.c (loadavg),
// sys/sys/time.h, sys/sys/resource.h (struct loadavg).
#include "abi/bsd/sysctl_values.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>

#include <sys/resource.h>
#include <sys/utsname.h>

#include "abi/bsd/host_file.hpp"
#include "abi/bsd/release.hpp"

namespace sudrun::abi::bsd {

namespace {

constexpr std::string_view kFallbackRelease = "15.0-RELEASE";

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

std::int32_t clamp32(std::int64_t value) noexcept {
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(value, INT32_MIN, INT32_MAX));
}

}  // namespace

std::string_view release_name(std::string_view release) noexcept {
  while (!release.empty() && !is_digit(release.front())) release.remove_prefix(1);
  release = release.substr(0, release.find_first_of(" ,;("));
  return release.empty() ? kFallbackRelease : release;
}

namespace sysctl_values {

int number32(SysctlQuery& q) noexcept { return q.out.put(clamp32(q.node.value)); }
int number64(SysctlQuery& q) noexcept { return q.out.put(q.node.value); }
int constant_text(SysctlQuery& q) noexcept { return q.out.append(std::string_view(q.node.text)); }

int file_number(SysctlQuery& q) noexcept {
  const std::int64_t value = host_number(q.host, q.node.text, q.node.value);
  const bool narrow = q.node.type == CtlType::int_ || q.node.type == CtlType::uint;
  return narrow ? q.out.put(clamp32(value)) : q.out.put(value);
}

namespace {

struct ReleaseText {
  char text[128];
  std::size_t length = 0;
  void add(std::string_view part) noexcept { length += part.copy(text + length, sizeof text - length); }
  std::string_view view() const noexcept { return {text, length}; }
};

/// The release as uname(1) shows it: "15.0-RELEASE" also where the table says just "15.0".
void add_release(ReleaseText& to, std::string_view release) noexcept {
  const std::string_view name = release_name(release);
  to.add(name);
  if (name.find('-') == std::string_view::npos) to.add("-RELEASE");
}

}  // namespace

std::string_view os_name(const SysctlQuery& q) noexcept {
  const SysctlNode* const node = q.tree.find("kern.ostype");
  return node != nullptr ? std::string_view(node->text) : std::string_view();
}

int os_release(SysctlQuery& q) noexcept {
  ReleaseText text;
  add_release(text, q.release.name);
  return q.out.append(text.view());
}

int os_version(SysctlQuery& q) noexcept {
  ReleaseText text;
  text.add(os_name(q));
  text.add(" ");
  add_release(text, q.release.name);
  text.add(" GENERIC\n");
  return q.out.append(text.view());
}

int os_release_date(SysctlQuery& q) noexcept { return q.out.put(q.release.number); }

int host_name(SysctlQuery& q) noexcept {
  utsname names{};
  q.host.call(SYS_uname, reinterpret_cast<Word>(&names));
  return q.out.append(std::string_view(names.nodename));
}

int domain_name(SysctlQuery& q) noexcept {
  utsname names{};
  q.host.call(SYS_uname, reinterpret_cast<Word>(&names));
  const std::string_view name = names.domainname;
  return q.out.append(name == "(none)" ? std::string_view() : name);
}

int host_id(SysctlQuery& q) noexcept {
  char buffer[64];
  const std::string_view id = read_host_file(q.host, "/etc/machine-id", buffer);
  std::uint64_t value = 0;
  for (const char c : id.substr(0, 8)) {
    const int digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
    value = value << 4 | static_cast<unsigned>(digit);
  }
  return q.out.put(value);
}

int host_uuid(SysctlQuery& q) noexcept {
  char buffer[64];
  const std::string_view id = read_host_file(q.host, "/etc/machine-id", buffer);
  if (id.size() < 32) return q.out.append(std::string_view("00000000-0000-0000-0000-000000000000"));
  char text[36];
  std::size_t at = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) text[at++] = '-';
    text[at++] = id[i];
  }
  return q.out.append(std::string_view(text, at));
}

namespace {
constexpr std::int32_t kStatHz = 127;
}  // namespace

int clock_rate(SysctlQuery& q) noexcept {
  const std::int32_t rate[5] = {1000, 1000, 0, kStatHz,
                                8128};  // struct clockinfo: hz, tick, spare, stathz, profhz
  return q.out.put(rate);
}

int boot_time(SysctlQuery& q) noexcept {
  timespec now{}, up{};
  q.host.call(SYS_clock_gettime, CLOCK_REALTIME, reinterpret_cast<Word>(&now));
  q.host.call(SYS_clock_gettime, CLOCK_BOOTTIME, reinterpret_cast<Word>(&up));
  const std::int64_t us = (now.tv_sec - up.tv_sec) * 1'000'000 + (now.tv_nsec - up.tv_nsec) / 1000;
  const std::int64_t boot[2] = {us / 1'000'000, us % 1'000'000};  // struct timeval
  return q.out.put(boot);
}

int random_bytes(SysctlQuery& q) noexcept {
  char bytes[256];
  const std::size_t size = q.out.sizing() ? sizeof bytes : std::min<std::size_t>(q.out.room(), sizeof bytes);
  const NativeResult got = q.host.call(SYS_getrandom, reinterpret_cast<Word>(bytes), size, 0);
  return is_error(got) ? static_cast<int>(-got) : q.out.append(bytes, static_cast<std::size_t>(got));
}

int limit_of(SysctlQuery& q) noexcept {
  rlimit64 limit{};
  q.host.call(SYS_prlimit64, 0, static_cast<Word>(q.node.value), 0, reinterpret_cast<Word>(&limit));
  return q.out.put(limit.rlim_max > INT32_MAX ? INT32_MAX : static_cast<std::int32_t>(limit.rlim_max));
}

int user_stack(SysctlQuery& q) noexcept {
  const Word top = q.host.stack_top();
  return q.out.put(top != 0 ? top : kGuestTop);
}

int ps_strings(SysctlQuery& q) noexcept {
  constexpr Word kSize = 32;  // struct ps_strings, at the very top of the stack
  const Word top = q.host.stack_top();
  return top != 0 ? q.out.put(top - kSize) : ENOENT;
}

int open_files(SysctlQuery& q) noexcept {
  return q.out.put(clamp32(host_number(q.host, "/proc/sys/fs/file-nr", 0)));
}

int last_pid(SysctlQuery& q) noexcept {
  char buffer[128];
  const std::string_view text = read_host_file(q.host, "/proc/loadavg", buffer);
  return q.out.put(
      clamp32(leading_number(text.substr(std::min(text.rfind(' '), text.size())), q.host.pid())));
}

namespace {

/// A line of /proc/stat behind its name, as CP_USER, CP_NICE, CP_SYS, CP_INTR, CP_IDLE, in ticks of stathz.
int put_cpu_states(SysctlQuery& q, std::string_view text) noexcept {
  std::int64_t ticks[7]{};  // user nice system idle iowait irq softirq
  for (std::int64_t& tick : ticks) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    tick = leading_number(text, 0);
    text = text.substr(std::min(text.find(' '), text.size()));
  }
  std::int64_t states[5] = {ticks[0], ticks[1], ticks[2], ticks[5] + ticks[6], ticks[3] + ticks[4]};
  for (std::int64_t& state : states) state = state * kStatHz / kTicksPerSecond;
  return q.out.put(states);
}

/// The start of /proc/stat: as many processors as there is room for.
struct KernelStat {
  explicit KernelStat(Host& host) noexcept : text(read_host_file(host, "/proc/stat", buffer)) {}
  char buffer[32768];
  std::string_view text;
};

}  // namespace

int cpu_time(SysctlQuery& q) noexcept {
  char buffer[512];
  return put_cpu_states(q, text_after(read_host_file(q.host, "/proc/stat", buffer), "cpu "));
}

int cpu_times(SysctlQuery& q) noexcept {
  const KernelStat stat(q.host);
  std::string_view text = stat.text;
  int error = 0;
  for (std::size_t at = 0; error == 0 && (at = text.find("\ncpu")) != std::string_view::npos;) {
    text.remove_prefix(at + 4);
    error = put_cpu_states(q, text.substr(std::min(text.find(' '), text.size())));
  }
  return error;
}

int kernel_counter(SysctlQuery& q) noexcept {
  constexpr std::string_view kLines[] = {"\nctxt ", "\nintr ", "\nsoftirq "};
  const KernelStat stat(q.host);
  const auto count = leading_number(text_after(stat.text, kLines[q.node.value]), 0);
  return q.out.put(static_cast<std::uint32_t>(count));
}

int cpu_count(SysctlQuery& q) noexcept {
  std::int64_t count = 0;
  for_each_processor_range(q.host, [&](std::int64_t first, std::int64_t last) { count += last - first + 1; });
  return q.out.put(clamp32(std::max<std::int64_t>(count, 1) + q.node.value));
}

int cpu_set_bytes(SysctlQuery& q) noexcept {
  std::int64_t highest = 0;
  for_each_processor_range(q.host,
                           [&](std::int64_t, std::int64_t last) { highest = std::max(highest, last); });
  return q.out.put(clamp32(highest / 8 + 1));
}

int cpu_model(SysctlQuery& q) noexcept {
  char buffer[2048];
  const std::string_view name = text_after(read_host_file(q.host, "/proc/cpuinfo", buffer), "model name");
  return q.out.append(name.empty() ? std::string_view("x86-64") : name);
}

int cpu_frequency(SysctlQuery& q) noexcept {
  char buffer[2048];
  const std::string_view mhz = text_after(read_host_file(q.host, "/proc/cpuinfo", buffer), "cpu MHz");
  std::int64_t hertz = leading_number(mhz, 0) * 1'000'000;
  if (const std::size_t dot = mhz.find('.'); dot != std::string_view::npos && mhz.size() > dot + 3)
    hertz += leading_number(mhz.substr(dot + 1, 3), 0) * 1000;
  if (hertz == 0) return ENOENT;
  const std::int64_t value = hertz / q.node.value;
  return q.node.type == CtlType::int_ ? q.out.put(clamp32(value)) : q.out.put(value);
}

int page_sizes(SysctlQuery& q) noexcept {
  const std::uint64_t sizes[3] = {4096, 2 * 1024 * 1024, 0};  // MAXPAGESIZES entries
  return q.out.put(sizes);
}

int load_average(SysctlQuery& q) noexcept {
  constexpr std::int64_t kScale = 2048;  // FSCALE
  char buffer[128];
  std::string_view text = read_host_file(q.host, "/proc/loadavg", buffer);
  struct {
    std::uint32_t average[3];
    std::uint32_t pad;
    std::int64_t scale;
  } load{{}, 0, kScale};
  for (std::uint32_t& average : load.average) {
    std::int64_t hundredths = leading_number(text, 0) * 100;
    const std::size_t dot = text.find('.');
    if (dot != std::string_view::npos) hundredths += leading_number(text.substr(dot + 1, 2), 0);
    average = static_cast<std::uint32_t>(hundredths * kScale / 100);
    text = text.substr(std::min(text.find(' '), text.size()));
    if (!text.empty()) text.remove_prefix(1);
  }
  return q.out.put(load);
}

int port_range(SysctlQuery& q) noexcept {
  char buffer[64];
  const std::string_view text = read_host_file(q.host, "/proc/sys/net/ipv4/ip_local_port_range", buffer);
  const std::int64_t first = leading_number(text, 49'152);
  const std::int64_t last =
      leading_number(text.substr(std::min(text.find_first_of(" \t"), text.size())), 65'535);
  return q.out.put(clamp32(q.node.value == 0 ? first : last));
}

namespace {

std::int64_t memory_kilobytes(SysctlQuery& q) noexcept {
  constexpr std::string_view kLines[] = {
      "MemTotal:", "MemFree:", "MemAvailable:", "Active:", "Inactive:", "Unevictable:", "SwapTotal:"};
  char buffer[2048];
  const std::string_view text = read_host_file(q.host, "/proc/meminfo", buffer);
  return leading_number(text_after(text, kLines[q.node.value]), 0);
}

}  // namespace

int memory_bytes(SysctlQuery& q) noexcept { return q.out.put(memory_kilobytes(q) * 1024); }

int memory_pages(SysctlQuery& q) noexcept {
  const std::int64_t pages = memory_kilobytes(q) / 4;
  return q.node.type == CtlType::uint ? q.out.put(clamp32(pages)) : q.out.put(pages);
}

}  // namespace sysctl_values

}  // namespace sudrun::abi::bsd

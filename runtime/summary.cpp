#include "runtime/summary.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <optional>
#include <system_error>

#include "runtime/gate.hpp"
#include "runtime/latency.hpp"
#include "runtime/quiet_write.hpp"

namespace sudrun::runtime {
namespace {

constexpr std::uint64_t kMagic = 0x3174'6e63'4455'5300;  // "\0SUDcnt1"
constexpr std::size_t kRows = 1024;

using Counter = std::atomic<std::uint64_t>;
static_assert(Counter::is_always_lock_free);

void raise_to(Counter& most, std::uint64_t value) noexcept {
  for (std::uint64_t now = most.load(std::memory_order_relaxed);
       now < value && !most.compare_exchange_weak(now, value, std::memory_order_relaxed);) {
  }
}

struct Place {
  int pid, fd;
};

std::optional<Place> read_place(const std::string& text) noexcept {
  Place place{};
  const char* const end = text.data() + text.size();
  const auto pid = std::from_chars(text.data(), end, place.pid);
  if (pid.ec != std::errc() || pid.ptr == end || *pid.ptr != ':') return std::nullopt;
  const auto fd = std::from_chars(pid.ptr + 1, end, place.fd);
  if (fd.ec != std::errc() || fd.ptr != end) return std::nullopt;
  return place;
}

int own_pid() noexcept { return static_cast<int>(native(SYS_getpid)); }

}  // namespace

/// One call, whatever table it stands in.
struct Summary::Row {
  enum State : std::uint32_t { free, being_named, named };
  static constexpr std::size_t kName = 60;

  std::atomic<std::uint32_t> state;
  std::array<char, kName> name;  ///< longer ones are cut
  Counter calls, errors, total;
  Counter longest, not_shortest;  ///< the latter inverted, so that zero is where it begins
  std::array<Counter, kLatencyBuckets> buckets;

  std::uint64_t shortest() const noexcept { return ~not_shortest.load(); }
};

/// Begins as zeros.
struct Summary::Shared {
  std::uint64_t magic;
  std::atomic<std::int32_t> owner;  ///< who prints the table
  std::array<Row, kRows> rows;
};

Summary::Summary(const abi::Table& table, const std::string& place, HiddenDescriptors& hidden)
    : table_(table),
      times_(std::make_unique<std::uint64_t[]>(kRows)),
      rows_(std::make_unique<std::atomic<std::uint16_t>[]>(table.entries().size())) {
  if (!place.empty() && join(place, hidden)) return;
  const int fd = ::memfd_create("sudrun-counts", MFD_CLOEXEC);
  if (fd < 0 || ::ftruncate(fd, sizeof(Shared)) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot count calls");
  map(fd);
  shared_->magic = kMagic;
  const auto moved = hidden.hide(fd);
  if (moved < 0)
    throw std::system_error(static_cast<int>(-moved), std::generic_category(), "cannot count calls");
  fd_ = static_cast<int>(moved);
  shared_->owner = own_pid();
  place_ = std::to_string(own_pid()) + ":" + std::to_string(fd_);
}

Summary::~Summary() { ::munmap(shared_, sizeof(Shared)); }

void Summary::map(int fd) {
  void* const at = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "cannot count calls");
  shared_ = static_cast<Shared*>(at);
}

bool Summary::join(const std::string& place, HiddenDescriptors& hidden) {
  const auto where = read_place(place);
  if (!where) return false;
  // The first process has executed another program, and is this one now: the descriptor came with it.
  const bool own = where->pid == own_pid();
  const std::string path = "/proc/" + std::to_string(where->pid) + "/fd/" + std::to_string(where->fd);
  const int fd = own ? where->fd : ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  struct stat status {};
  std::uint64_t magic = 0;
  const bool ours = fd >= 0 && ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
                    status.st_size == sizeof(Shared) &&
                    ::pread(fd, &magic, sizeof magic, 0) == sizeof magic && magic == kMagic;
  if (ours) map(fd);
  if (ours && own) {
    hidden.keep(fd);
    fd_ = fd;
  } else if (fd >= 0 && !own) {
    ::close(fd);
  }
  if (!ours) return false;
  place_ = place;
  return true;
}

Summary::Row* Summary::find_row(std::string_view name) noexcept {
  name = name.substr(0, Row::kName - 1);
  for (Row& row : shared_->rows) {
    std::uint32_t state = row.state.load(std::memory_order_acquire);
    if (state == Row::free && row.state.compare_exchange_strong(state, Row::being_named)) {
      std::memcpy(row.name.data(), name.data(), name.size());
      row.state.store(Row::named, std::memory_order_release);
      return &row;
    }
    // Somebody else names it at this moment; who died at it leaves a row that is nobody's.
    for (int i = 0; state == Row::being_named && i < 1'000'000; ++i) {
      __builtin_ia32_pause();
      state = row.state.load(std::memory_order_acquire);
    }
    if (state == Row::named && name == row.name.data()) return &row;
  }
  return nullptr;
}

Summary::Row* Summary::row_of(const abi::Entry& entry) noexcept {
  const auto entries = table_.entries();
  const auto at = static_cast<std::size_t>(&entry - entries.data());
  if (at >= entries.size()) return find_row("(unknown)");
  if (const unsigned known = rows_[at].load(std::memory_order_relaxed); known != 0)
    return &shared_->rows[known - 1];
  Row* const row = find_row(table_.string(entry.name));
  if (row != nullptr)
    rows_[at].store(static_cast<std::uint16_t>(1 + (row - shared_->rows.data())), std::memory_order_relaxed);
  return row;
}

void Summary::count(const abi::Entry& entry, bool failed, std::uint64_t nanoseconds) noexcept {
  Row* const row = row_of(entry);
  if (row == nullptr) return;
  constexpr auto kRelaxed = std::memory_order_relaxed;
  row->calls.fetch_add(1, kRelaxed);
  if (failed) row->errors.fetch_add(1, kRelaxed);
  row->total.fetch_add(nanoseconds, kRelaxed);
  row->buckets[latency_bucket(nanoseconds)].fetch_add(1, kRelaxed);
  raise_to(row->longest, nanoseconds);
  raise_to(row->not_shortest, ~nanoseconds);
}

void Summary::forked() noexcept { fd_ = -1; }

void Summary::hand_on(bool on) noexcept {
  if (fd_ >= 0) native(SYS_fcntl, static_cast<std::uint64_t>(fd_), F_SETFD, on ? 0 : FD_CLOEXEC);
}

void Summary::write(int descriptor, unsigned sites) noexcept {
  if (shared_->owner.load() != own_pid()) return;
  std::array<char, 256> line;
  const auto put = [&](int n) {
    write_quietly(descriptor, line.data(), std::min(static_cast<std::size_t>(n), line.size() - 1));
  };
  std::uint64_t total = 0, calls = 0, errors = 0;
  // Taken once: other processes go on counting.
  for (std::size_t i = 0; i < kRows; ++i) total += times_[i] = shared_->rows[i].total.load();
  put(std::snprintf(line.data(), line.size(), "%6s %11s %9s %9s %10s %10s %10s %10s %10s %10s %s\n", "% time",
                    "seconds", "calls", "errors", "mean us", "min us", "p50 us", "p95 us", "p99 us", "max us",
                    "syscall"));
  // Repeated selection instead of a sort: no memory is taken in a process that is ending.
  std::uint64_t below = ~std::uint64_t{0};
  std::size_t after = 0;
  for (;;) {
    std::size_t best = kRows;
    std::uint64_t most = 0;
    for (std::size_t i = 0; i < kRows; ++i) {
      const std::uint64_t ns = times_[i];
      const bool later = ns < below || (ns == below && i > after);
      if (shared_->rows[i].calls.load() != 0 && later && (best == kRows || ns > most)) {
        best = i;
        most = ns;
      }
    }
    if (best == kRows) break;
    below = most;
    after = best;
    const Row& row = shared_->rows[best];
    const std::uint64_t n = row.calls.load();
    calls += n;
    errors += row.errors.load();
    std::array<std::uint64_t, kLatencyBuckets> buckets;
    std::transform(row.buckets.begin(), row.buckets.end(), buckets.begin(),
                   [](const Counter& c) { return c.load(); });
    constexpr double kMicro = 1e3;
    const auto percentile = [&](unsigned percent) {
      return latency_percentile(buckets, percent, row.shortest(), row.longest.load()) / kMicro;
    };
    put(std::snprintf(line.data(), line.size(),
                      "%6.2f %11.6f %9" PRIu64 " %9" PRIu64 " %10.1f %10.1f %10.1f %10.1f %10.1f %10.1f %s\n",
                      total != 0 ? 100.0 * static_cast<double>(most) / static_cast<double>(total) : 0.0,
                      static_cast<double>(most) / 1e9, n, row.errors.load(),
                      static_cast<double>(most) / static_cast<double>(n) / kMicro,
                      static_cast<double>(row.shortest()) / kMicro, percentile(50), percentile(95),
                      percentile(99), static_cast<double>(row.longest.load()) / kMicro, row.name.data()));
  }
  put(std::snprintf(line.data(), line.size(), "%6.2f %11.6f %9" PRIu64 " %9" PRIu64 " total\n", 100.0,
                    static_cast<double>(total) / 1e9, calls, errors));
  put(std::snprintf(line.data(), line.size(), "%u call instructions have trapped\n", sites));
}

}  // namespace sudrun::runtime

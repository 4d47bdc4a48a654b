#include "runtime/trace.hpp"

#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <ctime>

#include "abi/format.hpp"
#include "runtime/gate.hpp"
#include "runtime/quiet_write.hpp"
#include "runtime/thread.hpp"

namespace sudrun::runtime {
namespace {

constexpr std::size_t kLine = 4096;

std::uint64_t now() noexcept {
  timespec t{};
  native(SYS_clock_gettime, CLOCK_MONOTONIC, word(&t));
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(t.tv_nsec);
}

abi::TracedCall traced(GuestThread& thread, const abi::Entry& entry, const abi::Frame& frame) noexcept {
  return {thread.process().table(), entry, frame, thread, &thread.process().personality()};
}

}  // namespace

Tracer::Tracer(const abi::Table& table, Options options)
    : table_(table), options_(options), counts_(std::make_unique<Count[]>(table.entries().size())) {}

Tracer::Mark Tracer::begin(GuestThread& thread, const abi::Entry& entry, const abi::Frame& frame) noexcept {
  if (options_.lines && entry.returns.kind == abi::RoleKind::none) {
    std::array<char, kLine> text;
    const std::size_t n = abi::format_entry(text, traced(thread, entry, frame));
    write_line(thread.tid(), {text.data(), n});
  }
  return {options_.summary ? now() : 0};
}

void Tracer::end(GuestThread& thread, const abi::Entry& entry, const abi::Frame& frame,
                 const abi::Result& result, Mark mark) noexcept {
  if (options_.summary) {
    Count& count = count_of(entry);
    count.calls.fetch_add(1, std::memory_order_relaxed);
    if (result.is_failure()) count.errors.fetch_add(1, std::memory_order_relaxed);
    count.nanoseconds.fetch_add(now() - mark.started, std::memory_order_relaxed);
  }
  if (options_.lines && entry.returns.kind != abi::RoleKind::none) {
    std::array<char, kLine> text;
    const std::size_t n = abi::format_exit(text, traced(thread, entry, frame), result);
    write_line(thread.tid(), {text.data(), n});
  }
}

Tracer::Count& Tracer::count_of(const abi::Entry& entry) noexcept {
  const auto entries = table_.entries();
  const auto position = static_cast<std::size_t>(&entry - entries.data());
  return position < entries.size() ? counts_[position] : unknown_;
}

void Tracer::restarting(GuestThread& thread, const abi::Entry& entry, const abi::Frame& frame) noexcept {
  if (!options_.lines) return;
  std::array<char, kLine> text;
  const std::size_t n = abi::format_restart(text, traced(thread, entry, frame));
  write_line(thread.tid(), {text.data(), n});
}

void Tracer::forget() noexcept {
  for (std::size_t i = 0; i < table_.entries().size(); ++i)
    counts_[i].calls = counts_[i].errors = counts_[i].nanoseconds = 0;
}

void Tracer::write_signal(GuestThread& thread, const char* format, const abi::SignalInfo& info) noexcept {
  if (!options_.lines) return;
  std::array<char, 192> signal, text;
  const std::size_t length = abi::format_signal(signal, table_, info);
  const int n = std::snprintf(text.data(), text.size(), format, static_cast<int>(length), signal.data());
  write_line(thread.tid(), {text.data(), std::min(static_cast<std::size_t>(n), text.size() - 1)});
}

void Tracer::signal(GuestThread& thread, const abi::SignalInfo& info) noexcept {
  write_signal(thread, "--- %.*s ---", info);
}

void Tracer::stopped(GuestThread& thread, const abi::SignalInfo& info) noexcept {
  write_signal(thread, "--- stopped by %.*s ---", info);
}

void Tracer::killed(GuestThread& thread, const abi::SignalInfo& info) noexcept {
  write_signal(thread, "+++ killed by %.*s +++", info);
  finish(thread.process().sites().count());
}

void Tracer::exited(int status) noexcept {
  if (!options_.lines) return;
  std::array<char, 64> text;
  const int n = std::snprintf(text.data(), text.size(), "+++ exited with %d +++", status & 0xff);
  write_line(static_cast<int>(native(SYS_gettid)), {text.data(), static_cast<std::size_t>(n)});
}

void Tracer::executing(GuestThread& thread, const char* path) noexcept {
  if (options_.lines) {
    std::array<char, kLine> text;
    const int n = std::snprintf(text.data(), text.size(), "+++ executes %s +++", path);
    write_line(thread.tid(), {text.data(), std::min(static_cast<std::size_t>(n), text.size() - 1)});
  }
  finish(thread.process().sites().count());
}

// One write per line, so that lines of threads and processes do not mix.
void Tracer::write_line(int tid, std::string_view text) noexcept {
  std::array<char, kLine + 32> line;
  const int n =
      std::snprintf(line.data(), line.size(), "[%d] %.*s\n", tid, static_cast<int>(text.size()), text.data());
  if (reader_gone_.load(std::memory_order_relaxed)) return;
  if (!write_quietly(options_.descriptor, line.data(),
                     std::min(static_cast<std::size_t>(n), line.size() - 1)))
    reader_gone_.store(true, std::memory_order_relaxed);
}

void Tracer::finish(unsigned sites) noexcept {
  if (!options_.summary) return;
  options_.summary = false;
  const auto entries = table_.entries();
  std::uint64_t total = 0, calls = 0, errors = 0;
  std::array<char, 256> line;
  const auto put = [&](int n) {
    write_quietly(options_.descriptor, line.data(), std::min(static_cast<std::size_t>(n), line.size() - 1));
  };
  for (std::size_t i = 0; i < entries.size(); ++i) total += counts_[i].nanoseconds.load();
  put(std::snprintf(line.data(), line.size(), "%6s %11s %11s %9s %9s %s\n", "% time", "seconds", "usecs/call",
                    "calls", "errors", "syscall"));
  // Repeated selection instead of a sort: no memory is taken in a process that is ending.
  std::uint64_t below = ~std::uint64_t{0};
  std::size_t after = 0;
  for (;;) {
    std::size_t best = entries.size();
    std::uint64_t most = 0;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const std::uint64_t ns = counts_[i].nanoseconds.load();
      const bool later = ns < below || (ns == below && i > after);
      if (counts_[i].calls.load() != 0 && later && (best == entries.size() || ns > most)) {
        best = i;
        most = ns;
      }
    }
    if (best == entries.size()) break;
    below = most;
    after = best;
    const std::uint64_t n = counts_[best].calls.load();
    calls += n;
    errors += counts_[best].errors.load();
    const auto name = table_.string(entries[best].name);
    put(std::snprintf(line.data(), line.size(), "%6.2f %11.6f %11" PRIu64 " %9" PRIu64 " %9" PRIu64 " %.*s\n",
                      total != 0 ? 100.0 * static_cast<double>(most) / static_cast<double>(total) : 0.0,
                      static_cast<double>(most) / 1e9, most / n / 1000, n, counts_[best].errors.load(),
                      static_cast<int>(name.size()), name.data()));
  }
  put(std::snprintf(line.data(), line.size(), "%6.2f %11.6f %11s %9" PRIu64 " %9" PRIu64 " total\n", 100.0,
                    static_cast<double>(total) / 1e9, "", calls, errors));
  put(std::snprintf(line.data(), line.size(), "%u call instructions have trapped\n", sites));
}

}  // namespace sudrun::runtime

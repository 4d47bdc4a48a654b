#include "runtime/trace.hpp"

#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "abi/format_json.hpp"
#include "abi/format_writer.hpp"
#include "runtime/gate.hpp"
#include "runtime/quiet_write.hpp"
#include "runtime/thread.hpp"

namespace sudrun::runtime {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// The vDSO's, which takes no call of the kernel and touches no errno when it succeeds.
std::uint64_t clock_now(clockid_t clock) noexcept {
  timespec t{};
  ::clock_gettime(clock, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * kSecond + static_cast<std::uint64_t>(t.tv_nsec);
}

abi::TracedCall traced(GuestThread& thread, const abi::Entry& entry, const abi::Frame& frame) noexcept {
  return {thread.process().table(), entry, frame, thread, &thread.process().personality()};
}

void two_digits(abi::Writer& out, unsigned value) noexcept {
  if (value < 10) out.text("0");
  out.unsigned_(value);
}

/// Seconds with six digits after the point.
void seconds(abi::Writer& out, std::int64_t nanoseconds) noexcept {
  const std::int64_t micro = std::abs(nanoseconds) / 1000;
  if (nanoseconds < 0) out.text("-");
  out.decimal(micro / 1'000'000);
  out.text(".");
  const auto fraction = static_cast<unsigned>(micro % 1'000'000);
  two_digits(out, fraction / 10'000);
  two_digits(out, fraction / 100 % 100);
  two_digits(out, fraction % 100);
}

/// 2026-11-22T10:17:39.123456Z
void time_of_day(abi::Writer& out, std::int64_t nanoseconds) noexcept {
  using namespace std::chrono;
  const sys_time<std::chrono::nanoseconds> time{std::chrono::nanoseconds(nanoseconds)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const auto second = duration_cast<std::chrono::seconds>(time - day).count();
  out.decimal(static_cast<int>(date.year()));
  out.text("-");
  two_digits(out, static_cast<unsigned>(date.month()));
  out.text("-");
  two_digits(out, static_cast<unsigned>(date.day()));
  out.text("T");
  two_digits(out, static_cast<unsigned>(second / 3600));
  out.text(":");
  two_digits(out, static_cast<unsigned>(second / 60 % 60));
  out.text(":");
  std::array<char, 32> rest;
  abi::Writer fraction(rest);
  seconds(fraction, nanoseconds % (60 * kSecond));
  const std::string_view text(rest.data(), fraction.finish());
  if (text.find('.') < 2) out.text("0");
  out.text(text);
  out.text("Z");
}

}  // namespace

/// One line on its way, in either format.
class Tracer::Line {
 public:
  /// With who speaks, and the time if one is shown.
  Line(Tracer& tracer, int pid, int tid, std::int64_t time) noexcept : tracer_(tracer), json_(json_room()) {
    if (is_json()) {
      begin_json(pid, tid, time);
      return;
    }
    abi::Writer out(text_);
    out.text("[");
    out.decimal(pid);
    if (tid != pid) {
      out.text("/");
      out.decimal(tid);
    }
    out.text("] ");
    if (tracer_.options_.time != TraceTime::none) {
      tracer_.options_.time == TraceTime::absolute ? time_of_day(out, time) : seconds(out, time);
      out.text(" ");
    }
    used_ = out.finish();
  }

  bool is_json() const noexcept { return tracer_.options_.json; }
  abi::JsonWriter& json() noexcept { return json_; }
  /// Room for the text of the line, and that some of it is used.
  std::span<char> room() noexcept { return std::span<char>(text_).subspan(used_, kLine - kTail - used_); }
  void add(std::size_t size) noexcept { used_ += size; }
  void add(std::string_view text) noexcept {
    abi::Writer out(room());
    out.text(text);
    used_ += out.finish();
  }
  /// What stands behind a call: that it was changed, and how long it took.
  void end_call(const Mark& mark, std::uint64_t now) noexcept {
    const auto passed = static_cast<std::int64_t>(now - mark.started);
    if (is_json()) {
      if (mark.injected) json_.boolean("injected", true);
      std::array<char, 32> digits;
      abi::Writer out(digits);
      seconds(out, passed);
      return json_.literal("duration", {digits.data(), out.finish()});
    }
    abi::Writer out(std::span<char>(text_).subspan(used_));
    if (mark.injected) out.text(" (INJECTED)");
    if (tracer_.options_.time != TraceTime::none) {
      out.text(" <");
      seconds(out, passed);
      out.text(">");
    }
    used_ += out.finish();
  }
  void write() noexcept {
    if (is_json()) used_ = json_.finish();
    text_[used_++] = '\n';
    tracer_.write(text_.data(), used_);
  }

 private:
  static constexpr std::size_t kTail = 48;  ///< for end_call() and the newline

  std::span<char> json_room() noexcept { return std::span<char>(text_).first(kLine - 1); }
  void begin_json(int pid, int tid, std::int64_t time) noexcept {
    std::array<char, 32> digits;
    abi::Writer out(digits);
    seconds(out, time);
    json_.literal("time", {digits.data(), out.finish()});
    json_.integer("pid", pid);
    json_.integer("tid", tid);
  }

  Tracer& tracer_;
  std::array<char, kLine> text_;
  std::size_t used_ = 0;
  abi::JsonWriter json_;  ///< writes to text_
};

Tracer::Tracer(Options options) : options_(std::move(options)), last_(clock_now(CLOCK_MONOTONIC)) {}

std::int64_t Tracer::time_to_show(std::uint64_t now) noexcept {
  switch (options_.time) {
    case TraceTime::relative:
      return static_cast<std::int64_t>(now - options_.origin);
    case TraceTime::delta:
      return static_cast<std::int64_t>(now - last_.exchange(now, std::memory_order_relaxed));
    default:
      return static_cast<std::int64_t>(clock_now(CLOCK_REALTIME));
  }
}

std::int64_t Tracer::time_to_show() noexcept {
  return with_times() ? time_to_show(clock_now(CLOCK_MONOTONIC)) : 0;
}

Tracer::Mark Tracer::begin(GuestThread& thread, const abi::Entry& entry, const abi::Frame& frame) noexcept {
  Mark mark;
  mark.watched = options_.calls.contains(entry);
  if (!mark.watched) return mark;
  mark.pid = thread.pid();
  if (with_times() || options_.summary) mark.started = clock_now(CLOCK_MONOTONIC);
  if (!options_.lines) return mark;
  if (with_times()) mark.shown = time_to_show(mark.started);
  if (entry.returns.kind != abi::RoleKind::none) return mark;
  Line line(*this, thread.pid(), thread.tid(), mark.shown);
  if (line.is_json())
    abi::json_call(line.json(), traced(thread, entry, frame), nullptr);
  else
    line.add(abi::format_entry(line.room(), traced(thread, entry, frame)));
  line.write();
  return mark;
}

void Tracer::end(GuestThread& thread, const abi::Entry& entry, const abi::Frame& frame,
                 const abi::Result& result, const Mark& mark) noexcept {
  if (!mark.watched) return;
  const std::uint64_t now = mark.started != 0 ? clock_now(CLOCK_MONOTONIC) : 0;
  if (options_.summary && mark.pid == thread.pid())
    options_.summary->count(entry, result.is_failure(), now - mark.started);
  if (!options_.lines || entry.returns.kind == abi::RoleKind::none) return;
  Line line(*this, thread.pid(), thread.tid(), mark.shown);
  if (line.is_json()) {
    abi::json_call(line.json(), traced(thread, entry, frame), &result);
    abi::json_result(line.json(), traced(thread, entry, frame), result);
  } else {
    line.add(abi::format_exit(line.room(), traced(thread, entry, frame), result));
  }
  line.end_call(mark, now);
  line.write();
}

void Tracer::restarting(GuestThread& thread, const abi::Entry& entry, const abi::Frame& frame,
                        const Mark& mark) noexcept {
  if (!options_.lines || !mark.watched) return;
  Line line(*this, thread.pid(), thread.tid(), mark.shown);
  if (line.is_json()) {
    abi::json_call(line.json(), traced(thread, entry, frame), nullptr);
    line.json().boolean("restarted", true);
  } else {
    line.add(abi::format_restart(line.room(), traced(thread, entry, frame)));
  }
  line.write();
}

void Tracer::write_signal(GuestThread& thread, const char* event, const abi::SignalInfo& info) noexcept {
  if (!options_.lines) return;
  const abi::Table& table = thread.process().table();
  Line line(*this, thread.pid(), thread.tid(), time_to_show());
  if (line.is_json()) {
    line.json().text("event", event);
    abi::json_signal(line.json(), table, info);
    return line.write();
  }
  const std::string_view what = event;
  const std::string_view marks = what == "killed" ? "+++" : "---";
  line.add(marks);
  line.add(what == "killed" ? " killed by " : what == "stopped" ? " stopped by " : " ");
  line.add(abi::format_signal(line.room(), table, info));
  line.add(" ");
  line.add(marks);
  line.write();
}

void Tracer::signal(GuestThread& thread, const abi::SignalInfo& info) noexcept {
  write_signal(thread, "signal", info);
}

void Tracer::stopped(GuestThread& thread, const abi::SignalInfo& info) noexcept {
  write_signal(thread, "stopped", info);
}

void Tracer::killed(GuestThread& thread, const abi::SignalInfo& info) noexcept {
  write_signal(thread, "killed", info);
  finish(thread.process());
}

void Tracer::exited(Process& process, int status) noexcept {
  if (!options_.lines) return;
  constexpr int kStatus = 0xff;
  Line line(*this, process.pid(), static_cast<int>(native(SYS_gettid)), time_to_show());
  if (line.is_json()) {
    line.json().text("event", "exited");
    line.json().integer("status", status & kStatus);
  } else {
    abi::Writer out(line.room());
    out.text("+++ exited with ");
    out.decimal(status & kStatus);
    out.text(" +++");
    line.add(out.finish());
  }
  line.write();
}

void Tracer::executing(GuestThread& thread, const char* path, bool under_sudrun) noexcept {
  if (options_.lines) {
    Line line(*this, thread.pid(), thread.tid(), time_to_show());
    if (line.is_json()) {
      line.json().text("event", "executes");
      line.json().text("path", path);
    } else {
      line.add("+++ executes ");
      line.add(path);
      line.add(" +++");
    }
    line.write();
  }
  if (!options_.summary) return;
  under_sudrun ? options_.summary->hand_on(true) : finish(thread.process());
}

void Tracer::execution_failed() noexcept {
  if (options_.summary) options_.summary->hand_on(false);
  finished_ = false;
}

void Tracer::write(const char* text, std::size_t size) noexcept {
  if (reader_gone_.load(std::memory_order_relaxed)) return;
  if (!write_quietly(options_.descriptor, text, size)) reader_gone_.store(true, std::memory_order_relaxed);
}

void Tracer::forked(Process& process) noexcept {
  if (options_.summary) options_.summary->forked();
  if (options_.separately.empty()) return;
  std::array<char, PATH_MAX> path;
  const int length =
      std::snprintf(path.data(), path.size(), "%s.%d", options_.separately.c_str(), process.pid());
  if (length < 0 || static_cast<std::size_t>(length) >= path.size()) return;
  // Where it cannot be had (no descriptors left, another root) the parent's takes these lines too.
  const std::int64_t fd = open_trace(path.data(), O_TRUNC);
  const std::int64_t hidden = fd < 0 ? fd : process.hidden().hide(static_cast<int>(fd));
  if (hidden < 0) return;
  process.hidden().close(options_.descriptor);
  options_.descriptor = static_cast<int>(hidden);
  reader_gone_ = false;
}

void Tracer::finish(Process& process) noexcept {
  if (!options_.summary || finished_.exchange(true)) return;
  options_.summary->write(options_.descriptor, process.sites().count());
}

std::int64_t open_trace(const char* path, int more) noexcept {
  constexpr std::uint64_t kMode = 0666;
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | more;
  return native(SYS_openat, static_cast<std::uint64_t>(std::int64_t{AT_FDCWD}), word(path),
                static_cast<std::uint64_t>(flags), kMode);
}

std::string path_of_process(const std::string& file, int pid) { return file + "." + std::to_string(pid); }

}  // namespace sudrun::runtime

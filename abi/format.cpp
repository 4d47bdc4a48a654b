#include "abi/format.hpp"

#include <array>
#include <cctype>
#include <csignal>
#include <cstring>

#include "abi/convention.hpp"
#include "abi/format_call.hpp"

namespace sudrun::abi {

namespace {

std::string_view error_text(const Result& result) noexcept {
  const bool native = result.kind() == Result::Kind::native_error;
  const char* const text = native ? strerrordesc_np(static_cast<int>(result.value())) : nullptr;
  return text == nullptr ? std::string_view() : std::string_view(text);
}

/// `result`: null before the call.
void name_and_arguments(Writer& out, const TracedCall& call, const Result* result) noexcept {
  const Entry& entry = call.entry;
  if (!has_name(call)) {
    out.text("syscall#");
    out.unsigned_(call.frame.number);
  } else {
    out.text(call.table.string(entry.name));
  }
  out.text("(");
  const bool untyped = is_untyped(entry);
  const unsigned argc = untyped ? call.table.convention().argc : entry.argc;
  const ArgumentScope scope(call);
  ValueFormatter values(out, call.table, call.host, call.personality, progress_of(call, result));
  for (unsigned i = 0; i < argc; ++i) {
    if (i != 0) out.text(", ");
    untyped ? out.hex(call.frame.args[i]) : values.show(entry.args[i], call.frame.args[i], scope);
  }
}

void outcome(Writer& out, const TracedCall& call, const Result& result) noexcept {
  out.text(") = ");
  if (result.is_ok()) {
    Role returns = call.entry.returns;
    if (returns.kind == RoleKind::none) returns.kind = RoleKind::long_;
    const ArgumentScope scope(call);
    ValueFormatter(out, call.table, call.host, call.personality, {}).show(returns, result.value(), scope);
    if (result.has_value2()) {
      out.text(", ");
      out.decimal(static_cast<std::int64_t>(result.value2()));
    }
    return;
  }
  const int error = guest_errno(call.table, result);
  if (error == 0) return out.text("?");
  out.text("-1 ");
  const std::string_view name = call.table.errno_name(error);
  if (name.empty()) {
    out.text("errno ");
    out.decimal(error);
  } else {
    out.text(name);
  }
  if (const std::string_view text = error_text(result); !text.empty()) {
    out.text(" (");
    out.text(text);
    out.text(")");
  }
}

/// The name of a signal's code: from the set for all signals, or from the signal's own, `sigsegv_code`.
void signal_code(Writer& out, const Table& table, std::string_view signal, int code) noexcept {
  std::array<char, 32> own{};
  constexpr std::string_view kSuffix = "_code";
  std::size_t length = 0;
  for (; length < signal.size() && length + kSuffix.size() < own.size(); ++length)
    own[length] = static_cast<char>(std::tolower(static_cast<unsigned char>(signal[length])));
  std::memcpy(own.data() + length, kSuffix.data(), kSuffix.size());
  const auto word = static_cast<std::uint64_t>(std::int64_t{code});
  // Positive codes below the kernel's own mean something else for each signal.
  const bool is_own = code > 0 && code < SI_KERNEL;
  const FlagSet set = table.flag_set(is_own ? std::string_view(own.data(), length + kSuffix.size())
                                            : std::string_view("siginfo_code"));
  for (const FlagValue& v : set.values()) {
    if (v.map != FlagValue::Map::exact || static_cast<int>(v.native) != code) continue;
    return out.text(set.value_name(v));
  }
  out.decimal(static_cast<std::int64_t>(word));
}

}  // namespace

std::size_t format_entry(std::span<char> to, const TracedCall& call) noexcept {
  Writer out(to);
  name_and_arguments(out, call, nullptr);
  out.text(" <unfinished ...>");
  return out.finish();
}

std::size_t format_exit(std::span<char> to, const TracedCall& call, const Result& result) noexcept {
  Writer out(to);
  name_and_arguments(out, call, &result);
  outcome(out, call, result);
  return out.finish();
}

std::size_t format_restart(std::span<char> to, const TracedCall& call) noexcept {
  Writer out(to);
  name_and_arguments(out, call, nullptr);
  out.text(") = ? (interrupted, to be restarted)");
  return out.finish();
}

std::size_t format_signal(std::span<char> to, const Table& table, const SignalInfo& info) noexcept {
  Writer out(to);
  const int signal = table.signal_to_guest(info.signal);
  const std::string_view name = table.signal_name(signal);
  if (name.empty()) {
    out.text("signal ");
    out.decimal(signal);
  } else {
    out.text(name);
  }
  out.text(" {code=");
  signal_code(out, table, name, info.code);
  const auto number = [&](std::string_view field, std::int64_t value) {
    out.text(field);
    out.decimal(value);
  };
  if (info.synchronous) {
    out.text(", addr=");
    out.address(info.address);
  } else if (info.code == SI_TIMER) {
    number(", timer=", info.timer_id);
    number(", overrun=", info.overrun);
  } else if (info.code <= 0 || info.signal == SIGCHLD) {
    number(", pid=", info.pid);
    number(", uid=", info.uid);
    if (info.signal == SIGCHLD && info.code > 0) number(", status=", info.status);
    if (info.code == SI_QUEUE) {
      out.text(", value=");
      out.hex(info.value);
    }
  }
  out.text("}");
  return out.finish();
}

}  // namespace sudrun::abi

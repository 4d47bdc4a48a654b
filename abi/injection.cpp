#include "abi/injection.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "abi/spelling.hpp"

namespace sudrun::abi {
namespace {

constexpr int kMaxErrno = 4095;
constexpr std::uint64_t kMaxDelay = std::uint64_t{24} * 60 * 60 * 1'000'000;  // a day
constexpr std::array<std::string_view, 7> kKeys{"error",      "retval", "signal", "delay_enter",
                                                "delay_exit", "short",  "when"};

/// A name that the table lacks: an error, unless the injection is for any table.
class Unknown : public OptionError {
 public:
  using OptionError::OptionError;
};

/// The whole text as a number, decimal or 0x…
std::optional<std::uint64_t> number_of(std::string_view text) noexcept {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return negative ? 0 - value : value;
}

std::string quoted(std::string_view text) { return "`" + std::string(text) + "`"; }

std::uint64_t limited(std::string_view key, std::string_view text, std::uint64_t most,
                      const std::string& expected) {
  const auto value = number_of(text);
  if (!value || *value > most)
    throw OptionError(quoted(text) + " is no value of `" + std::string(key) + "`; expected " + expected);
  return *value;
}

GuestErrno error_of(std::string_view text, const Table& table) {
  std::vector<std::string_view> names;
  for (int error = 1; error <= kMaxErrno; ++error) {
    const std::string_view name = table.errno_name(error);
    if (name == text && !name.empty()) return static_cast<GuestErrno>(error);
    if (!name.empty()) names.push_back(name);
  }
  if (const auto number = number_of(text); number && *number >= 1 && *number <= kMaxErrno)
    return static_cast<GuestErrno>(*number);
  throw Unknown(quoted(text) + " is no error of " + std::string(table.abi()) +
                did_you_mean(text, names, "a name, as in EINTR, or a number from 1 to 4095"));
}

int signal_of(std::string_view text, const Table& table) {
  std::vector<std::string_view> names;
  int found = 0;
  const auto number = number_of(text);
  for (int signal = 1; signal <= table.signal_limit(); ++signal) {
    const std::string_view name = table.signal_name(signal);
    if (!name.empty() && (name == text || number == static_cast<std::uint64_t>(signal))) found = signal;
    if (!name.empty()) names.push_back(name);
  }
  if (found == 0)
    throw Unknown(quoted(text) + " is no signal of " + std::string(table.abi()) +
                  did_you_mean(text, names, "a name, as in SIGTERM, or a number"));
  const int native = table.signal_to_native(found);
  if (native == 0) throw Unknown(quoted(text) + " cannot be sent: it has no counterpart on Linux");
  return native;
}

/// `N`, `N+`, `N+STEP`, `N..M`, `N..M+STEP`.
void read_when(std::string_view text, Injection& to) {
  const auto fail = [&](const char* why) {
    throw OptionError(quoted(text) + " is no value of `when`" + why +
                      "; expected N, N+, N+STEP, N..M or N..M+STEP");
  };
  std::string_view rest = text;
  const auto take = [&]() -> std::uint64_t {
    const auto digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    const auto value = number_of(rest.substr(0, digits));
    if (digits == 0 || !value || *value == 0) fail(": its numbers count from 1");
    rest.remove_prefix(digits);
    return *value;
  };
  to.first = to.last = take();
  const bool range = rest.starts_with("..");
  if (range) {
    rest.remove_prefix(2);
    to.last = take();
    if (to.last < to.first) fail(": it ends before it begins");
  }
  if (rest.starts_with('+')) {
    rest.remove_prefix(1);
    if (!range) to.last = std::numeric_limits<std::uint64_t>::max();
    if (!rest.empty() || range) to.step = take();
  }
  if (!rest.empty()) fail("");
}

void read_key(std::string_view key, std::string_view value, const Table& table, Injection& to) {
  const auto result = [&](Result instead) {
    if (to.instead) throw OptionError("`error` and `retval` are one result; expected one of them, once");
    to.instead = instead;
  };
  if (key == "error") return result(Result::fail(error_of(value, table)));
  if (key == "retval") {
    const auto number = number_of(value);
    if (!number) throw OptionError(quoted(value) + " is no value of `retval`; expected a number");
    return result(Result::ok(*number));
  }
  if (key == "signal") {
    to.signal = signal_of(value, table);
  } else if (key == "delay_enter") {
    to.delay_enter = limited(key, value, kMaxDelay, "microseconds, a day at most");
  } else if (key == "delay_exit") {
    to.delay_exit = limited(key, value, kMaxDelay, "microseconds, a day at most");
  } else if (key == "short") {
    to.at_most = limited(key, value, std::numeric_limits<std::int64_t>::max(), "a number of bytes");
  } else if (key == "when") {
    read_when(value, to);
  } else {
    throw OptionError(
        quoted(key) + " is nothing that can be injected" +
        did_you_mean(key, kKeys, "error, retval, signal, delay_enter, delay_exit, short or when"));
  }
}

Injection read(std::string_view text, const Table& table) {
  const std::size_t colon = text.find(':');
  Injection injection{parse_calls(text.substr(0, colon), table)};
  bool does_something = false;
  std::string_view rest = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string_view key = part.substr(0, equals);
    read_key(key, equals < part.size() ? part.substr(equals + 1) : "", table, injection);
    does_something |= key != "when";
  }
  if (!does_something)
    throw OptionError(quoted(text) +
                      " injects nothing; expected CALLS:error=NAME, or retval, signal, delay_enter, "
                      "delay_exit or short in place of error");
  if (!injection.at_most) return injection;
  const auto entries = table.entries();
  const bool any = std::any_of(entries.begin(), entries.end(), [&](const Entry& entry) {
    return injection.calls.contains(entry) && can_shorten(table, entry);
  });
  if (!any && !injection.calls.empty())
    throw OptionError(quoted(text) + " has nothing to shorten; expected calls like read and write");
  return injection;
}

bool is_size(RoleKind kind) noexcept { return kind == RoleKind::size || kind == RoleKind::ssize; }

/// The argument with the bytes, or with the array of iovec, that another argument counts.
const Role* counted(const Table& table, const Entry& entry) noexcept {
  if (!is_size(entry.returns.kind)) return nullptr;
  for (unsigned i = 0; i < entry.argc; ++i) {
    const Role& role = entry.args[i];
    const bool counts = (role.count & kLiteralCount) == 0 && role.count < entry.argc &&
                        entry.args[role.count].kind <= RoleKind::hex;
    switch (role.kind) {
      case RoleKind::in_buf:
      case RoleKind::out_buf:
      case RoleKind::inout_buf:
        if (counts) return &role;
        break;
      case RoleKind::in_array:
        if (counts && role.param < kScalarParam && table.struct_layout(role.param).name() == "iovec")
          return &role;
        break;
      default:
        break;
    }
  }
  return nullptr;
}

struct Iovec {
  Word base;
  std::uint64_t size;
};

}  // namespace

std::optional<Injection> parse_injection(std::string_view text, const Table& table) {
  if (!text.starts_with('?')) return read(text, table);
  text.remove_prefix(1);
  try {
    Injection injection = read(tolerant_calls(text.substr(0, text.find(':'))) +
                                   std::string(text.substr(std::min(text.find(':'), text.size()))),
                               table);
    if (injection.calls.empty()) return std::nullopt;
    return injection;
  } catch (const Unknown&) {
    return std::nullopt;
  }
}

bool can_shorten(const Table& table, const Entry& entry) noexcept { return counted(table, entry) != nullptr; }

bool shorten(Host& host, const Table& table, const Entry& entry, Frame& frame, std::uint64_t at_most,
             GuestAddr room, std::size_t room_size) noexcept {
  const Role* const role = counted(table, entry);
  if (role == nullptr) return true;
  Word& count = frame.args[role->count];
  if (role->kind != RoleKind::in_array) {
    count = std::min(count, at_most);
    return true;
  }
  constexpr Word kMostVectors = 1024;  // IOV_MAX: more is the kernel's to refuse
  if (count > kMostVectors) return true;
  Word& array = frame.args[static_cast<std::size_t>(role - entry.args.data())];
  std::uint64_t left = at_most;
  Word kept = 0;
  for (; kept < count && (kept + 1) * sizeof(Iovec) <= room_size; ++kept) {
    Iovec one{};
    if (!host.get(guest_addr(array + kept * sizeof one), one)) return false;
    one.size = std::min(one.size, left);
    left -= one.size;
    if (!host.put(room + kept * sizeof one, one)) return false;
    if (left == 0) {
      ++kept;
      break;
    }
  }
  array = word_of(room);
  count = kept;
  return true;
}

}  // namespace sudrun::abi

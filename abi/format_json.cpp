#include "abi/format_json.hpp"

#include <algorithm>
#include <array>

#include "abi/convention.hpp"
#include "abi/format_call.hpp"

namespace sudrun::abi {
namespace {

constexpr std::size_t kMaxValue = 2048;  ///< of a structure or array, as text
constexpr std::size_t kAfterArguments = 512;

bool is_number(RoleKind kind) noexcept {
  return (kind <= RoleKind::off || (kind >= RoleKind::pid && kind <= RoleKind::gid) || kind == RoleKind::fd ||
          kind == RoleKind::dirfd || kind == RoleKind::length || kind == RoleKind::none);
}

/// Digits, not too many, perhaps after a minus sign: what JSON takes as a number and no reader rounds.
bool is_exact(std::string_view text) noexcept {
  constexpr std::size_t kExactDigits = 15;
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && text.size() <= kExactDigits &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_pointer(RoleKind kind) noexcept { return kind >= RoleKind::path && kind <= RoleKind::out_sockaddr; }

class Members {
 public:
  Members(JsonWriter& out, const TracedCall& call, const Progress& progress) noexcept
      : out_(out), call_(call), scope_(call), progress_(progress) {}

  void show(std::string_view key, const Role& role, Word word) noexcept {
    std::array<char, kMaxValue> buffer;
    Writer text(buffer);
    ValueFormatter values(text, call_.table, call_.host, call_.personality, progress_);
    const Role meant = values.meaning(role, scope_);
    if (word == 0 && is_pointer(meant.kind)) return out_.null(key);
    std::array<char, ValueFormatter::kMaxText> room;
    if (const auto bytes = values.text_of(meant, word, scope_, room))
      return out_.text(key, {room.data(), bytes->size}, bytes->cut);
    values.show(role, word, scope_);
    const std::string_view shown(buffer.data(), text.finish());
    is_number(meant.kind) && is_exact(shown) ? out_.literal(key, shown) : out_.text(key, shown);
  }

 private:
  JsonWriter& out_;
  const TracedCall& call_;
  ArgumentScope scope_;
  Progress progress_;
};

std::string_view name_of_argument(const TracedCall& call, unsigned i) noexcept {
  constexpr std::array<std::string_view, kMaxArgs> kUntyped{"0", "1", "2", "3", "4", "5", "6", "7"};
  return is_untyped(call.entry) ? kUntyped[i] : call.table.string(call.entry.arg_names[i]);
}

}  // namespace

void json_call(JsonWriter& out, const TracedCall& call, const Result* result) noexcept {
  has_name(call) ? out.text("call", call.table.string(call.entry.name)) : out.null("call");
  out.integer("number", static_cast<std::int64_t>(call.frame.number));
  Members members(out, call, progress_of(call, result));
  const bool untyped = is_untyped(call.entry);
  Role unknown;
  unknown.kind = RoleKind::hex;
  out.open("args", kAfterArguments);
  for (unsigned i = 0; i < (untyped ? call.table.convention().argc : call.entry.argc); ++i)
    members.show(name_of_argument(call, i), untyped ? unknown : call.entry.args[i], call.frame.args[i]);
  out.close();
}

void json_result(JsonWriter& out, const TracedCall& call, const Result& result) noexcept {
  if (result.is_ok()) {
    Role returns = call.entry.returns;
    if (returns.kind == RoleKind::none) returns.kind = RoleKind::long_;
    Members members(out, call, {});
    members.show("result", returns, result.value());
    if (result.has_value2()) out.integer("result2", static_cast<std::int64_t>(result.value2()));
    return out.null("error");
  }
  const int error = guest_errno(call.table, result);
  if (error == 0) {
    out.null("result");
    return out.null("error");
  }
  out.integer("result", -1);
  const std::string_view name = call.table.errno_name(error);
  out.text("error", name.empty() ? "unknown" : name);
  out.integer("errno", error);
}

void json_signal(JsonWriter& out, const Table& table, const SignalInfo& info) noexcept {
  std::array<char, 192> text;
  const std::string_view shown(text.data(), format_signal(text, table, info));
  const std::size_t brace = std::min(shown.find('{'), shown.size());
  out.text("signal", shown.substr(0, brace == 0 ? 0 : brace - 1));
  out.text("details", shown.substr(brace));
}

}  // namespace sudrun::abi

// A call on its way into a trace: what format.cpp and format_json.cpp share.
#pragma once

#include "abi/format.hpp"
#include "abi/format_values.hpp"
#include "abi/marshal.hpp"

namespace sudrun::abi {

/// False for numbers that the table has no row for.
inline bool has_name(const TracedCall& call) noexcept {
  return call.frame.number == call.entry.number && call.entry.name != 0;
}
/// Nothing is known of the arguments: all that there can be are shown.
inline bool is_untyped(const Entry& entry) noexcept {
  return entry.argc == 0 && entry.action == Action::unsupported;
}

/// The arguments of a call.
class ArgumentScope final : public Scope {
 public:
  explicit ArgumentScope(const TracedCall& call) noexcept : call_(call) {}
  std::optional<std::uint64_t> number(unsigned index) const noexcept override {
    if (index >= call_.entry.argc) return std::nullopt;
    return number_of(call_.entry.args[index], call_.frame.args[index], call_.host);
  }

 private:
  const TracedCall& call_;
};

inline Progress progress_of(const TracedCall& call, const Result* result) noexcept {
  Progress progress;
  progress.succeeded = result != nullptr && result->is_ok();
  if (!progress.succeeded) return progress;
  progress.value = result->value();
  const RoleKind returns = call.entry.returns.kind;
  if (returns == RoleKind::size || returns == RoleKind::ssize) progress.filled = result->value();
  return progress;
}

}  // namespace sudrun::abi

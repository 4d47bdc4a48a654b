#include "abi/futex_freeze.hpp"

#include <limits>

#include "abi/fast_kind.hpp"
#include "abi/spelling.hpp"

namespace sudrun::abi {

namespace {

constexpr std::uint64_t kMaxOperations = 32;  // bits of Entry::futex_waits

class Futex {
 public:
  Futex(const CallModel& call, const TableModel& table) : call_(call), table_(table), model_(*call.futex) {}
  void freeze(Entry& entry) const;

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw TableError(table_.file, table_.place(model_.where), message);
  }
  /// The assembly knows one arrangement of the arguments for each kind.
  void check_order() const;
  std::uint8_t number_of(const std::string& error) const;
  std::uint32_t bits(const FlagSetModel& set, const std::vector<std::string>& names) const;

  const CallModel& call_;
  const TableModel& table_;
  const FutexModel& model_;
};

void Futex::check_order() const {
  bool in_order = model_.args.size() <= call_.args.size();
  for (std::size_t i = 0; in_order && i < model_.args.size(); ++i)
    in_order = call_.args[i].name == model_.args[i];
  if (in_order) return;
  std::string names;
  for (const std::string& name : model_.args) names += (names.empty() ? "`" : ", `") + name + "`";
  fail("the arguments of `" + call_.name + "` are others; expected " + names + " first");
}

std::uint8_t Futex::number_of(const std::string& error) const {
  if (error.empty()) return 0;
  const int number = find_row(table_.errnos, error)->value;
  if (number > std::numeric_limits<std::uint8_t>::max())
    fail("`" + error + "` is " + std::to_string(number) + "; expected an error up to 255 here");
  return static_cast<std::uint8_t>(number);
}

std::uint32_t Futex::bits(const FlagSetModel& set, const std::vector<std::string>& names) const {
  std::uint32_t mask = 0;
  for (const std::string& name : names) {
    const FlagValueModel* const operation = find_row(set.values, name);
    if (operation == nullptr || operation->value >= kMaxOperations)
      fail("`" + name + "` is not a value below 32 of `" + set.name + "`" +
           (operation == nullptr ? did_you_mean(name, names_of(set.values), "one") : "; expected one"));
    mask |= std::uint32_t{1} << operation->value;
  }
  return mask;
}

void Futex::freeze(Entry& entry) const {
  using Kind = FutexModel::Kind;
  check_order();
  entry.futex_differs = number_of(model_.differs);
  entry.futex_late = number_of(model_.late);
  entry.futex_fault = number_of(model_.fault);
  entry.futex_longest = model_.longest;
  const bool suits = suits_fast_path(table_.convention);
  if (model_.kind != Kind::operations) {
    if (suits) entry.fast = model_.kind == Kind::sleep ? FastKind::sleep : FastKind::wake;
    return;
  }
  const RoleModel& by = call_.args[1].role;
  if (by.kind != RoleKind::flags)
    fail("`" + model_.args[1] + "` has no named values; expected an argument with a flag set");
  const FlagSetModel& set = *find_row(table_.flags, by.type);
  const std::uint32_t waits = bits(set, model_.wait), wakes = bits(set, model_.wake);
  if (!suits) return;
  entry.fast = FastKind::futex;
  entry.futex_waits = waits;
  entry.futex_wakes = wakes;
}

}  // namespace

void freeze_futex(const CallModel& call, const TableModel& table, Entry& entry) {
  Futex(call, table).freeze(entry);
}

}  // namespace sudrun::abi
